"""Runs on threads, and on executors of the tests': what is kept, tried again, and refused."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pipe import LIMIT, Task

from realtime_sync import Compatible, RealtimeSession, Response
from realtime_sync.batch import Outcome, Result, processes, results, run
from realtime_sync.batch import attempt as tried
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionLost,
    RateLimited,
    RealtimeError,
    RecordingError,
)
from realtime_sync.local import LocalServer


def echo(job: Any) -> str:
    """The job's id."""
    return str(job)


def lines(path: Path) -> list[dict[str, Any]]:
    """The file, line by line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def by_id(found: Any) -> dict[Any, Result]:
    """The results by their job."""
    return {one.job: one for one in found}


class Inline(Executor):
    """Runs what it is given at once, in the thread that gives it; breaks when it is told to."""

    def __init__(self, breaks: Callable[[Any], bool] = lambda job: False) -> None:
        self._breaks = breaks
        self.broken = False

    def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("it is broken")
        future: Future[Any] = Future()
        if arguments and self._breaks(arguments[1]):
            self.broken = True
            future.set_exception(BrokenExecutor("a process ended"))
        else:
            future.set_result(fn(*arguments))
        return future


# --- results


def test_what_a_worker_gives() -> None:
    """A text is the text, anything else the value, an `Outcome` says more; an error is told."""
    gives: dict[str, Any] = {
        "text": "hello",
        "value": {"a": [1]},
        "outcome": Outcome("so", 7, "odd", minutes=2),
        "none": None,
        "odd": object(),
    }

    def work(job: str) -> Any:
        return 1 / 0 if job == "error" else gives[job]

    ended = run([*gives, "error"], work, retries=0)
    found = by_id(ended)
    assert {name: (one.status, one.text, one.value) for name, one in found.items()} == {
        "text": ("completed", "hello", None),
        "value": ("completed", None, {"a": [1]}),
        "outcome": ("odd", "so", 7),
        "none": ("completed", None, None),
        "odd": ("failed", None, None),
        "error": ("failed", None, None),
    }
    assert (found["error"].error or {})["type"] == "ZeroDivisionError"
    assert "JSON cannot say" in (found["odd"].error or {})["message"]
    assert found["outcome"].minutes == 2
    assert ended.statuses == {"completed": 3, "odd": 1, "failed": 2}
    assert len(ended) == 6


def test_sessions_are_metered_and_closed(server: LocalServer) -> None:
    """What a job's sessions used is in its result, and one left open is closed."""
    left: list[RealtimeSession] = []

    def work(job: str) -> Response:
        session = RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]).open()
        left.append(session)
        return session.ask(job)

    (result,) = run(["Count to 3"], work)
    assert (result.status, result.text) == ("completed", "1, 2, 3.")
    assert result.tokens == left[0].usage.total_tokens > 0
    assert result.requests == 1
    assert result.minutes > 0
    assert left[0].state == "closed"


def test_what_the_jobs_are() -> None:
    """Texts, numbers, paths, mappings with "id" and objects with `id` are jobs."""

    class Job:
        id = "object"

    jobs = ["text", 3, Path("a/b.wav"), {"id": "mapping"}, Job()]
    assert set(by_id(run(jobs, lambda job: None))) == {"text", 3, "a/b.wav", "mapping", "object"}


def test_results_come_as_they_are(tmp_path: Path) -> None:
    """A line is in the file as soon as its job has ended, while others run and jobs are awaited."""
    path = tmp_path / "results.jsonl"
    seen = threading.Event()

    def jobs() -> Any:
        yield "one"
        while not path.exists() or not path.read_text(encoding="utf-8").endswith("\n"):
            assert not seen.wait(0.005)
        seen.set()
        yield "two"

    told: list[str] = []
    run(jobs(), echo, results=path, on_result=lambda one: told.append(str(one.job)))
    assert seen.is_set()
    assert sorted(told) == ["one", "two"]
    assert [one["job"] for one in lines(path)] == ["one", "two"]


def test_an_endless_generator() -> None:
    """Jobs are taken when there is room for them: so many run, none waits in memory."""
    taken = itertools.count()
    most = 0
    lock = threading.Lock()

    def jobs() -> Any:
        for job in taken:
            with lock:
                nonlocal most
                most = max(most, job - done)
            yield job

    done = 0

    def count(_: Result) -> None:
        nonlocal done
        done += 1
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(jobs(), echo, concurrency=3, on_result=count)
    assert 50 <= next(taken) <= 56
    assert most <= 4


# --- going on


def test_going_on(tmp_path: Path) -> None:
    """Run again, only the jobs without a line run; a line that was cut is none."""
    path = tmp_path / "results.jsonl"
    run(["a", "b"], echo, results=path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    ran: list[str] = []

    def again(job: str) -> str:
        ran.append(job)
        return job

    again.__qualname__, again.__module__ = echo.__qualname__, echo.__module__
    ended = run(["a", "b", "c"], again, results=path)
    cut = json.loads(whole.splitlines()[1])["job"]
    assert sorted(ran) == sorted([cut, "c"])
    assert sorted(one["job"] for one in lines(path)) == ["a", "b", "c"]
    assert (ended.skipped, ended.statuses) == (1, {"completed": 3})
    assert {one.job for one in results(path)} == {"a", "b", "c"}


def test_ctrl_c_keeps_what_has_ended(tmp_path: Path) -> None:
    """Ctrl-C ends the run; what has ended has a line, and the next run does the rest."""
    path = tmp_path / "results.jsonl"

    def stop(_: Result) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(map(str, range(20)), echo, concurrency=2, results=path, on_result=stop)
    first = len(lines(path))
    assert 1 <= first < 20
    run([str(n) for n in range(20)], echo, results=path)
    assert sorted(int(one["job"]) for one in lines(path)) == list(range(20))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal.pthread_sigmask")
def test_ctrl_c_that_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is heard before the next result, also where it came just before the coordinator slept.

    A signal that another thread takes is such a one: the thread that sleeps goes on sleeping.
    """
    waits, over, late = threading.Event(), threading.Event(), threading.Event()

    class Landings(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            waits.set()
            return super().get(block, timeout)

    there = SimpleNamespace(SimpleQueue=Landings, Empty=queue.Empty)
    monkeypatch.setattr("realtime_sync.batch.coordinator.queue", there)
    monkeypatch.setattr("realtime_sync.batch.coordinator._GRACE", 0.05)

    def interrupt() -> None:
        waits.wait(LIMIT)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    def work(_: int) -> None:
        if not over.wait(LIMIT):
            late.set()

    interrupting = Task(interrupt)  # begins before the mask, which threads inherit
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with pytest.raises(KeyboardInterrupt):
            run([1], work)
        assert not late.is_set()
    finally:
        over.set()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    interrupting.result()
    join_workers()


def test_ctrl_c_leaves_a_clusters_jobs_their_time(tmp_path: Path) -> None:
    """As Dask's futures never say that they run: what ends within five seconds has its line."""
    path, stopped = tmp_path / "results.jsonl", threading.Event()
    tasks: list[Task] = []

    class Cluster(Executor):
        def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            future: Future[Any] = Future()

            def call() -> None:
                if arguments[1] == "slow":
                    stopped.wait(LIMIT)
                came = fn(*arguments)
                if not future.cancelled():
                    future.set_result(came)

            tasks.append(Task(call))
            return future

    def stop(_: Result) -> None:
        stopped.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["quick", "slow"], echo, Cluster(), results=path, on_result=stop)
    assert [one["job"] for one in lines(path)] == ["quick", "slow"]
    for task in tasks:
        task.result()


def join_workers() -> None:
    """Once what a stopped run has left under way has ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("realtime-batch"):
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_what_a_stopped_run_leaves_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LocalServer
) -> None:
    """What waits, for an answer or for the server's leave, ends at once, and its thread too."""
    monkeypatch.setattr("realtime_sync.batch.coordinator._GRACE", 0.05)
    monkeypatch.setattr(tried, "_quiet_until", 0.0)
    path, under_way = tmp_path / "results.jsonl", threading.Barrier(3)
    server.script.hold(after=0)

    def work(job: str) -> str:
        under_way.wait(LIMIT)
        if job == "quick":
            return job
        if job == "told to wait":
            tried.refusal(RateLimited("try again in 300s"))
            tried.pause()
        with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
            return session.ask(job, timeout=None).text

    def stop(_: Result) -> None:
        raise KeyboardInterrupt

    jobs = ["quick", "told to wait", "asks for ever"]
    with pytest.raises(KeyboardInterrupt):
        run(jobs, work, retries=0, results=path, on_result=stop)
    join_workers()
    assert [one["job"] for one in lines(path)] == ["quick"]


#: Ends while a job waits for the server's leave.
ENDING = """
import sys, threading
from realtime_sync.batch import attempt, run
from realtime_sync.errors import RateLimited

waits = threading.Event()

def work(job):
    attempt.refusal(RateLimited("try again in 300s"))
    waits.set()
    attempt.pause()

start = lambda: run(["a"], work, results=sys.argv[1])
threading.Thread(target=start, daemon=True).start()
waits.wait(60)
"""


def test_a_pause_ends_with_the_program(tmp_path: Path) -> None:
    """A job that was told to wait keeps no program from ending, and has no line."""
    path = tmp_path / "results.jsonl"
    subprocess.run([sys.executable, "-c", ENDING, str(path)], timeout=60, check=True)
    assert path.read_bytes() == b""


# --- wrong arguments


def never(job: Any) -> None:
    """No job begins."""
    raise AssertionError(f"{job} has begun")


def test_two_of_one_id(tmp_path: Path) -> None:
    """Among jobs in a list it is an error before the first one; of an iterator, when it comes."""
    with pytest.raises(ConfigurationError, match="two have the id 'a'"):
        run(["a", "b", "a"], never, results=tmp_path / "x.jsonl")
    with pytest.raises(ConfigurationError, match="two have the id 'a'"):
        run(iter(["a", "b", "a"]), echo)


def test_another_runs_file(tmp_path: Path) -> None:
    """Another worker's file, other jobs', the same ids that say something else, and no results."""
    path = tmp_path / "results.jsonl"
    run([{"id": 1, "text": "x"}], echo, results=path)
    before = path.read_bytes()
    for jobs, worker, said in (
        ([{"id": 1, "text": "x"}], never, "another worker"),
        ([{"id": 2, "text": "x"}], echo, "not among these"),
        ([{"id": 1, "text": "y"}], echo, "another job of the id 1"),
        (iter([{"id": 1, "text": "y"}]), echo, "another job of the id 1"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            run(jobs, worker, results=path)
    assert path.read_bytes() == before
    path.write_bytes(b"la la la\n")
    with pytest.raises(ConfigurationError, match=r"line 1: it is no result"):
        run([1], never, results=path)
    path.write_bytes(before + before)
    with pytest.raises(ConfigurationError, match=r"job 1 has a line already"):
        run([{"id": 1, "text": "x"}], echo, results=path)


@pytest.mark.parametrize(
    "wrong",
    [
        '"job": []',
        '"job": true',
        '"status": []',
        '"tokens": "many"',
        '"tokens": true',
        '"minutes": NaN',
        '"minutes": -1',
        '"seconds": 1e999',
        '"tokens": 1' + "0" * 400,
        '"error": "bad"',
        '"text": 3',
        '"run": {}',
        '"key": null',
        '"value": ' + "[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_a_result(wrong: str, tmp_path: Path) -> None:
    """It is named, with the cure, and the file is left alone."""
    path = tmp_path / "results.jsonl"
    run([1], echo, results=path)
    before = path.read_text() + '{"job": 2, "status": "completed", ' + wrong + "}\n"
    path.write_text(before)
    with pytest.raises(ConfigurationError, match=r"line 2: it is no result.*name another file"):
        run([1, 2], echo, results=path)
    with pytest.raises(RecordingError, match="line 2"):
        list(results(path))
    assert path.read_text() == before


def test_a_file_without_an_end_of_line(tmp_path: Path) -> None:
    """What is no piece of a result is left alone: a mistaken name costs nobody a file."""
    path = tmp_path / "precious.json"
    path.write_bytes(b'{"precious": 1}')
    with pytest.raises(ConfigurationError, match=r"line 1: it is no result"):
        run([1], never, results=path)
    assert path.read_bytes() == b'{"precious": 1}'


def test_a_file_that_is_being_written(tmp_path: Path) -> None:
    """Two runs cannot write one file."""
    path = tmp_path / "results.jsonl"

    def inner(job: Any) -> None:
        with pytest.raises(ConfigurationError, match="another run is writing"):
            run([2], never, results=path)

    assert run([1], inner, results=path).statuses == {"completed": 1}


def test_what_does_not_pickle() -> None:
    """For processes a worker, and what it holds, must pickle; on threads anything will do."""
    with pytest.raises(ConfigurationError, match=r"worker does not pickle"):
        run([1], lambda job: job, processes(1))
    with pytest.raises(ConfigurationError, match=r"args|keywords|does not pickle"):
        run([1], partial(echo_with, tool=lambda: 1), processes(1))
    assert run([1], lambda job: job).statuses == {"completed": 1}


def echo_with(job: Any, tool: Any) -> Any:
    """A worker with a tool."""
    return job, tool


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"retries": -1}, "retries"),
        ({"rate_limit": -1}, "rate_limit"),
        ({"rate_limit": {"token": 1}}, "no 'token'"),
        ({"executor": 3}, "executor"),
        ({"executor": lambda: 3}, "executor"),
        ({"jobs": "abc"}, "jobs"),
        ({"jobs": [{"name": 1}]}, "jobs: each needs an id"),
        ({"worker": "abc"}, "worker"),
        ({"on_result": 3}, "on_result"),
        ({"results": 3}, "results: a path, not 3"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], said: str) -> None:
    """Each is named."""
    with pytest.raises(ConfigurationError, match=said):
        run(**{"jobs": [1], "worker": never, **wrong})


# --- failures


def test_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost link is, as often as `retries` says; a wrong argument never."""
    monkeypatch.setattr("realtime_sync.batch.coordinator._BACK_OFF", (0.001, 0.001))
    left = {"lost twice": 2, "lost": 9}

    def work(job: str) -> str:
        if job == "wrong":
            raise ConfigurationError("no such thing")
        left[job] -= 1
        if left[job] >= 0:
            raise ConnectionLost("gone")
        return "there"

    found = by_id(run([*left, "wrong"], work, retries=2))
    assert {name: (one.status, one.attempts) for name, one in found.items()} == {
        "lost twice": ("completed", 3),
        "lost": ("failed", 3),
        "wrong": ("failed", 1),
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_a_worker_raises_is_told(error: type[BaseException]) -> None:
    """The job has failed, and the run goes on: it neither ends nor waits for ever."""

    def work(job: int) -> None:
        if job == 1:
            raise error

    found = by_id(run(range(3), work))
    assert [found[n].status for n in range(3)] == ["completed", "failed", "completed"]


class Untellable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise Untellable


class Uncoded(Exception):
    """Its code cannot be had."""

    @property
    def code(self) -> str:
        raise LookupError


class Empty(BaseException):
    """It is false."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("error", [Untellable, Uncoded, Empty])
def test_an_error_that_cannot_be_told(error: type[BaseException]) -> None:
    """The job has failed with its type, however odd it is, and the run ends."""

    def work(job: int) -> None:
        if job == 1:
            raise error

    ended = Task(run, range(3), work).result()
    told = by_id(ended)[1]
    assert (told.status, told.error and told.error["type"]) == ("failed", error.__name__)
    assert ended.statuses == {"completed": 2, "failed": 1}


def test_a_refused_key_ends_the_run(tmp_path: Path) -> None:
    """No job would fare better: it is said once, and the jobs have no lines."""
    path = tmp_path / "results.jsonl"
    with LocalServer(speed=None, voice="tones", api_key="right") as server:

        def work(job: str) -> Response:
            with RealtimeSession(endpoint=Compatible(server.url, "wrong")) as session:
                return session.ask(job)

        with pytest.raises(RealtimeError, match=r"no job can be run: AuthenticationError"):
            run(map(str, range(100)), work, results=path)
    assert path.read_bytes() == b""


def test_a_job_that_ends_its_process() -> None:
    """Executors are made anew; the job that breaks them, alone too, is told as crashed."""
    made: list[Inline] = []

    def make() -> Inline:
        made.append(Inline(lambda job: job == 3))
        return made[-1]

    found = by_id(run(range(10), echo, make))
    assert {job: one.status for job, one in found.items()} == {
        n: "crashed" if n == 3 else "completed" for n in range(10)
    }
    assert len(made) == 4


def test_a_process_that_ends_before_it_has_its_job() -> None:
    """The job that it was to run alone is not to blame."""
    made = itertools.count()

    class Killed(Inline):
        """The first executors end with their job, the next with whatever it is given first."""

        def __init__(self) -> None:
            self._number = next(made)
            super().__init__(lambda job: self._number < 2 and job == 3)

        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if self._number in (2, 3):
                self.broken, future = True, Future[Any]()
                future.set_exception(BrokenExecutor("killed while it began"))
                return future
            return super().submit(fn, *arguments, **more)

    assert run(range(5), echo, Killed).statuses == {"completed": 5}


def test_what_runs_alone_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of those that may end their processes, too."""
    beside: list[Any] = []
    alone: list[Future[Any]] = []

    class Landings(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if alone:
                alone.pop().set_result(tried.attempt(echo, 0, "1"))
            return super().get(block, timeout)

    there = SimpleNamespace(SimpleQueue=Landings, Empty=queue.Empty)
    monkeypatch.setattr("realtime_sync.batch.coordinator.queue", there)

    class Cluster(Inline):
        blamed = 1

        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            beside.extend((arguments[1],) if alone else ())
            if arguments[1] != 0:
                return super().submit(fn, *arguments, **more)
            future: Future[Any] = Future()
            if self.blamed:
                self.blamed -= 1
                future.set_exception(KilledWorker("4 workers have ended"))
            else:
                alone.append(future)
            return future

    assert run(range(6), echo, Cluster(), concurrency=2).statuses == {"completed": 6}
    assert beside == []


@pytest.mark.parametrize("first", [0, 5])
def test_many_jobs_that_end_their_process(first: int) -> None:
    """An executor that does other work is not to blame: each is told, however many there are."""
    wrong = range(first, first + 80)
    found = by_id(run(range(100), echo, lambda: Inline(lambda job: job in wrong)))
    assert {job: one.status for job, one in found.items()} == {
        n: "crashed" if n in wrong else "completed" for n in range(100)
    }


class KilledWorker(Exception):
    """As Dask has it."""


def test_a_job_that_ends_a_clusters_processes() -> None:
    """Dask blames whatever was there as well: only what ends them alone is told as crashed."""
    blamed = [3, 2, 4, 3]

    class Cluster(Inline):
        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if arguments[1] not in blamed:
                return super().submit(fn, *arguments, **more)
            blamed.remove(arguments[1])
            future: Future[Any] = Future()
            future.set_exception(KilledWorker("4 workers have ended"))
            return future

    found = by_id(run(range(6), echo, Cluster()))
    assert {job: one.status for job, one in found.items()} == {
        n: "crashed" if n == 3 else "completed" for n in range(6)
    }


def test_an_executor_that_cannot_be_made_anew() -> None:
    """It ends the run, and the error says what to do; one that always breaks ends it as well."""
    with pytest.raises(BrokenExecutor, match="a function that makes one"):
        run(range(10), echo, Inline(lambda job: job == 3))
    with pytest.raises(BrokenExecutor, match="it does nothing else either"):
        run(range(10), echo, lambda: Broken())


class Broken(Executor):
    """Never works."""

    def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("again"))
        return future


@pytest.mark.parametrize("error", [BrokenExecutor, ModuleNotFoundError])
def test_a_worker_that_cannot_be_loaded_there(error: type[Exception], tmp_path: Path) -> None:
    """No job has a line for it: neither one that ends the processes nor one a cluster lacks."""

    class Elsewhere(Inline):
        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if echo not in arguments:
                return super().submit(fn, *arguments, **more)
            future: Future[Any] = Future()
            future.set_exception(error("no module named shop"))
            return future

    path = tmp_path / "results.jsonl"
    with pytest.raises(ConfigurationError, match=r"worker: .*no module named shop; put it into"):
        run(range(10), echo, lambda: Elsewhere(), results=path)
    assert lines(path) == []


def test_what_an_executor_gives_back_runs_again() -> None:
    """A future that is cancelled under us, as a cluster does, is no result."""

    class Forgetful(Inline):
        forgets = 3

        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if self.forgets:
                self.forgets -= 1
                future: Future[Any] = Future()
                future.cancel()
                future.set_running_or_notify_cancel()
                return future
            return super().submit(fn, *arguments, **more)

    ended = run(range(5), echo, Forgetful(), concurrency=2)
    assert (ended.statuses, {one.attempts for one in ended}) == ({"completed": 5}, {1})


@pytest.mark.parametrize(("times", "status"), [(1, "completed"), (2, "failed")])
def test_an_error_of_the_executors_own(times: int, status: str) -> None:
    """An executor may lose an answer, as a cluster does with its worker: the job runs once more."""
    called: list[Any] = []

    class Losing(Inline):
        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            called.append(arguments[1])
            if arguments[1] != 2 or called.count(2) > times:
                return super().submit(fn, *arguments, **more)
            future: Future[Any] = Future()
            # what Dask gives for an answer whose worker has ended since
            future.set_exception(TypeError("cannot unpack non-iterable Attempt object"))
            return future

    found = by_id(run(range(5), echo, Losing(), retries=0))
    assert [found[n].status for n in range(5)] == ["completed"] * 2 + [status] + ["completed"] * 2
    assert len(called) == 6


def test_an_error_of_the_executors_own_after_a_break() -> None:
    """A process that ended before is another matter: the job runs once more, too."""
    errors: list[Exception] = [KilledWorker("4 workers have ended"), TypeError("no answer")]

    class Losing(Inline):
        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if arguments[1] != 2 or not errors:
                return super().submit(fn, *arguments, **more)
            future: Future[Any] = Future()
            future.set_exception(errors.pop(0))
            return future

    assert run(range(5), echo, Losing()).statuses == {"completed": 5}


def test_a_job_that_cannot_be_given_out() -> None:
    """It does not pickle, say: it is told, and the others run."""

    class Picky(Inline):
        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if arguments[1] == 2:
                raise TypeError("it does not pickle")
            return super().submit(fn, *arguments, **more)

    found = by_id(run(range(5), echo, Picky()))
    assert {job: one.status for job, one in found.items()} == {
        n: "failed" if n == 2 else "completed" for n in range(5)
    }


def test_results_that_cannot_be_read_back(tmp_path: Path) -> None:
    """A pipe, or a device, has no end; it is refused before anything waits for that."""
    pipe = tmp_path / "results.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="cannot be read back"):
        run([1], str, results=pipe)


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost unsaid: the error is raised, and nothing half stays in the file."""
    path = tmp_path / "results.jsonl"
    monkeypatch.setattr(Result, "line", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        run(range(5), echo, results=path)
    assert path.read_bytes() == b""


def test_an_executor_that_takes_no_job_any_more(tmp_path: Path) -> None:
    """As Dask's once its scheduler is gone: the run ends, and no job is told as failed for that."""

    class Gone(Exception):
        """As Dask has it."""

    class Closed(Inline):
        taken = 0

        def submit(self, fn: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
            if self.taken == 2:
                raise Gone
            self.taken += 1
            return super().submit(fn, *arguments, **more)

    path = tmp_path / "results.jsonl"
    with pytest.raises(Gone):
        run(range(5), echo, Closed(), results=path)
    assert [one["job"] for one in lines(path)] == [0, 1]


def test_an_executor_that_falls_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Dask's futures wait for ever once its scheduler is gone: whether it takes jobs is asked."""
    monkeypatch.setattr("realtime_sync.batch.coordinator._SILENCE", 0.1)
    monkeypatch.setattr("realtime_sync.batch.coordinator._GRACE", 0.05)

    class Silent(Executor):
        given = 0

        def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> Future[Any]:
            self.given += 1
            if self.given > 2:
                raise ConnectionError("the client is closed")
            return Future()

    path = tmp_path / "results.jsonl"
    running = Task(run, ["a", "b"], echo, Silent(), results=path)
    with pytest.raises(ConnectionError, match="is closed"):
        running.result()
    assert path.read_bytes() == b""


def test_an_executor_of_the_callers_stays() -> None:
    """It is not shut down."""
    with ThreadPoolExecutor(2) as pool:
        assert run(range(5), echo, pool).statuses == {"completed": 5}
        assert pool.submit(echo, 1).result(LIMIT) == "1"


@pytest.mark.parametrize(
    "given",
    [
        Outcome(status=["odd"]),  # type: ignore[arg-type]
        Outcome(3),  # type: ignore[arg-type]
        Outcome(minutes="5"),  # type: ignore[arg-type]
        Outcome(minutes=-1),
        Outcome(minutes=float("nan")),
        float("nan"),
    ],
)
def test_an_outcome_that_cannot_be(given: Any) -> None:
    """That job has failed, and the others run."""
    found = by_id(run(range(3), lambda job: given if job == 1 else str(job), retries=0))
    assert [found[n].status for n in range(3)] == ["completed", "failed", "completed"]


class Odd(dict[str, int]):
    """Pickles into what cannot be read back."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_what_executors_hand_on_is_plain() -> None:
    """A value becomes what its JSON says, in memory too: no process has to know its type."""
    value = {"odd": Odd(a=1), 1: (2, 3)}
    came = pickle.loads(pickle.dumps(tried.attempt(lambda _: value, 1, "1")))
    assert came.value == {"odd": {"a": 1}, "1": [2, 3]}
    assert type(came.value["odd"]) is dict


@pytest.mark.parametrize("depth", [300, 500, 700, 900, 5000])
def test_a_value_that_is_nested_too_deep(depth: int, tmp_path: Path) -> None:
    """That job has failed, and the others run; the file can be read."""

    def nest(job: Any) -> Any:
        value: Any = "x"
        for _ in range(depth if job == 1 else 100):
            value = [value]
        return value

    found = by_id(run(range(3), nest, results=tmp_path / "results.jsonl"))
    assert [found[n].status for n in range(3)] == ["completed", "failed", "completed"]
    assert found[1].error is not None
    assert "deep" in found[1].error["message"]


def test_a_job_that_is_nested_too_deep() -> None:
    """It is an error that names the job."""
    value: Any = "x"
    for _ in range(5000):
        value = [value]
    with pytest.raises(ConfigurationError, match=r"job 1: .*deep"):
        run([{"id": 0}, {"id": 1, "value": value}], never)


def test_an_id_that_is_no_unicode(tmp_path: Path) -> None:
    """A file's name may hold any byte: its job is known again."""
    path = tmp_path / "results.jsonl"
    run(["x\udcff.wav"], echo, results=path)
    assert run(["x\udcff.wav"], echo, results=path).skipped == 1


def test_a_class_makes_executors_and_one_that_was_shut_down_ends_the_run(tmp_path: Path) -> None:
    """No job has a line for what is the executor's fault."""
    assert run(range(3), echo, ThreadPoolExecutor).statuses == {"completed": 3}
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        run(range(3), echo, pool, results=tmp_path / "x.jsonl")
    assert lines(tmp_path / "x.jsonl") == []
