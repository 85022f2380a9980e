"""A run of many jobs: what can be known of it is checked first, and summed up when it is over."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

from ..errors import ConfigurationError
from ..runtime.clock import monotonic
from .coordinator import Coordinator, Worker, twice
from .job import JobId, check_pickles, digest, id_of
from .journal import Journal
from .limits import RateLimit
from .pool import Maker, Pool
from .result import Result, Summary, is_parquet, journal_of

__all__ = ["run"]


def run(
    jobs: Iterable[Any],
    worker: Worker,
    executor: Executor | Maker | None = None,
    *,
    concurrency: int | None = None,
    rate_limit: RateLimit | Mapping[str, Any] | float | None = None,
    retries: int = 2,
    results: str | os.PathLike[str] | None = None,
    on_result: Callable[[Result], object] | None = None,
) -> Summary:
    """Call `worker` once for each job, many at a time, and keep what becomes of each.

    Stopped, by Ctrl-C or in any other way, and run again with the same file, it goes on with the
    jobs that have no line there; what runs has five seconds to end then, before its sessions are
    closed. A job that fails, or that ends the process which runs it, is reported like any other.
    What would fail all of them (a key that is refused, a quota that is used up) ends the run; those
    jobs have no line. Where the server says that it is too much, all jobs wait as long as it says,
    a quarter of an hour at most, and fewer run at a time for a while.

    Args:
        jobs: Each an str, an int, a path, or something with `id` or ["id"]. An iterator is asked
            for the next one when there is room for it, in this thread: it may be endless, and all
            its ids are remembered.
        worker: Given a job, it returns a text, a `Response`, an `Outcome` or what JSON can say.
        executor: Any `concurrent.futures.Executor`; or a function that makes one, e.g.
            `processes(4)`, which is asked again when it breaks, and whose executor ends with the
            run; yours stays. None: threads. All but threads need jobs and workers that pickle.
        concurrency: Jobs at a time; None: as many as a pool has workers, 16 threads, 64 elsewhere.
        rate_limit: A `RateLimit`, its fields as a dict, or jobs a minute.
        retries: How often an attempt that failed for what may pass is made again: no link, a lost
            one, a timeout, a fault of the server's.
        results: The file of results, a line of JSON each, as they come. NAME.parquet (with pyarrow
            installed) is written when the run ends, from NAME.parquet.jsonl. None: memory.
        on_result: Called in this thread with each `Result`, once it is kept.

    Returns:
        What became of them; iterate over it for the results.

    Raises:
        ConfigurationError: Two jobs of one id, a worker or tool that does not pickle or cannot be
            loaded where the jobs run, a file of another run, or another wrong argument; of jobs in
            a collection, before the first runs.
        BrokenExecutor: It cannot be made anew, or breaks whatever runs.
        RealtimeError: What would fail all jobs.
        OSError: The file cannot be written.
    """
    began = monotonic()
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        raise ConfigurationError(f"concurrency: a number of jobs from 1 on, not {concurrency!r}")
    if type(retries) is not int or retries < 0:
        raise ConfigurationError(f"retries: a number from 0 on, not {retries!r}")
    if not callable(worker):
        raise ConfigurationError(f"worker: a function, not {type(worker).__name__}")
    if on_result is not None and not callable(on_result):
        raise ConfigurationError(f"on_result: a function, not {type(on_result).__name__}")
    rate = RateLimit.of(rate_limit)
    if not isinstance(results, (str, os.PathLike, type(None))):
        raise ConfigurationError(f"results: a path, not {results!r}")
    path = None if results is None else os.fspath(results)
    if path is not None and is_parquet(path):
        from .parquet import check_there

        check_there()
    name = digest(worker)
    with Journal(None if path is None else journal_of(path), name) as journal:
        _check(jobs, journal)
        pool = Pool(executor, concurrency)
        try:
            if pool.pickles:
                check_pickles(worker)
            work = Coordinator(iter(jobs), worker, pool, journal, name, rate, retries, on_result)
            work.run()
        except BaseException:
            pool.close(wait=False)
            raise
        pool.close(wait=True)
    return _summary(work, journal, path, monotonic() - began)


def _check(jobs: Iterable[Any], journal: Journal) -> None:
    """What can be known of the jobs before the first runs."""
    if not isinstance(jobs, Collection):
        if not isinstance(jobs, Iterable):
            raise ConfigurationError(f"jobs: an iterable, not {type(jobs).__name__}")
        return
    if isinstance(jobs, (str, bytes)):
        raise ConfigurationError("jobs: a list of them, not one text")
    seen: set[JobId] = set()
    for job in jobs:
        found = id_of(job)
        if found in seen:
            raise twice(found)
        seen.add(found)
        journal.has(found, digest(job))
    strangers = journal.ids - seen
    if strangers:
        raise ConfigurationError(
            f"results: {journal.path} has {len(strangers)} results of jobs that are not among"
            f" these, {next(iter(strangers))!r} say: it is a file of another run; name another one"
        )


def _summary(work: Coordinator, journal: Journal, path: str | None, seconds: float) -> Summary:
    if path is not None and is_parquet(path):
        from .parquet import convert

        convert(journal_of(path), path)
    return Summary(
        statuses=dict(work.statuses),
        skipped=work.skipped,
        seconds=seconds,
        tokens=work.tokens,
        minutes=work.minutes,
        stopped=work.stopped,
        path=path,
        _kept=tuple(journal.kept),
    )
