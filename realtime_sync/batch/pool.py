"""An executor, made anew when it breaks; and processes that end with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as FutureTimeout
from multiprocessing import connection
from typing import Any, TypeAlias

from ..errors import ConfigurationError

__all__ = ["Maker", "Pool", "processes"]

Maker: TypeAlias = Callable[[], Executor]

#: Executors made anew without any job having ended well in between, after which the next has to
#: show that it works: then it is the jobs that break them, each of them four at most.
_FRUITLESS = 6
_TRIES = 3  # of what can harm no process: one may end by accident
_PROBE = 60.0  # seconds within which a new executor has to do something trivial
_SILENCE = (CancelledError, FutureTimeout)  # nobody can say
_THREADS = 16  # where nothing says how many
_OTHERS = 64


def processes(count: int | None = None, **arguments: Any) -> Maker:
    """What makes a pool of processes, for `run`; each runs one job at a time.

    They are started afresh, never forked, so the program needs its `if __name__ == "__main__":`.
    They end when the program does, however it ends; Ctrl-C is the program's own affair.

    Args:
        count: Of processes; None: one a core.
        arguments: More of `ProcessPoolExecutor`'s.

    Raises:
        ConfigurationError: A count below 1.
    """
    if count is not None and (type(count) is not int or count < 1):
        raise ConfigurationError(f"count: a number of processes from 1 on, not {count!r}")
    given = {
        "mp_context": multiprocessing.get_context("spawn"),
        "initializer": _begin_process,
        **arguments,
    }
    return lambda: ProcessPoolExecutor(count or os.cpu_count(), **given)


@contextlib.contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The cluster at an address, e.g. "tcp://10.0.0.1:8786".

    Raises:
        ConfigurationError: The package distributed is missing.
        OSError: Nobody is there.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as exc:
        raise ConfigurationError("a Dask cluster needs: pip install distributed") from exc
    with Client(address) as client:
        yield client.get_executor()


def _begin_process() -> None:
    """Runs in each process, first."""
    # Ctrl-C reaches all processes of a terminal; what runs is to end with a result
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="realtime-batch-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process never notices by itself that its parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


class Pool:
    """What jobs are given to.

    Args:
        executor: One of the caller's, what makes one, or None: threads.
        concurrency: Jobs at a time; None: as many as the executor runs.

    Raises:
        ConfigurationError: Neither an executor nor what makes one.
    """

    def __init__(self, executor: Executor | Maker | None, concurrency: int | None) -> None:
        if executor is None:
            executor = _threads(concurrency or _THREADS)
        self._make: Maker | None = None
        if isinstance(executor, type) or not hasattr(executor, "submit"):
            if not callable(executor):
                raise ConfigurationError(
                    "executor: a concurrent.futures.Executor, or a function that makes one; not"
                    f" {type(executor).__name__}"
                )
            self._make = executor
            executor = executor()
            if not hasattr(executor, "submit"):
                raise ConfigurationError(
                    f"executor: the function gave {type(executor).__name__}, not an Executor"
                )
        self._executor: Any = executor
        self.generation = 0  # of executors
        self.broken = False
        self._fruitless = 0
        self.concurrency = concurrency or self._size()

    def _size(self) -> int:
        size = getattr(self._executor, "_max_workers", None)
        return size if isinstance(size, int) and size > 0 else _OTHERS

    @property
    def pickles(self) -> bool:
        """Whether what it is given leaves the process."""
        return not isinstance(self._executor, ThreadPoolExecutor)

    def submit(self, fn: Callable[..., Any], *arguments: Any) -> Any:
        """A future of the call.

        Raises:
            BrokenExecutor: It is broken, and nobody can make it anew.
        """
        if self.broken:
            self._renew()
        try:
            return self._executor.submit(fn, *arguments)
        except BrokenExecutor:
            self._renew()
            return self._executor.submit(fn, *arguments)

    def _renew(self) -> None:
        self._fruitless += 1
        if self._make is None:
            raise BrokenExecutor(
                "the executor is broken, and run() cannot make it anew: give it a function that"
                " makes one, e.g. processes(4). What has ended is in the results file"
            )
        self._replace()
        if self._fruitless % _FRUITLESS == 0:
            self._check_works()

    def _replace(self) -> None:
        assert self._make is not None
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._make()
        self.generation += 1
        self.broken = False

    def check(self, worker: Callable[[Any], Any]) -> None:
        """See that it can have the worker: it has failed with the first job, which says nothing.

        Raises:
            ConfigurationError: The worker cannot be loaded there.
            BrokenExecutor: Nothing runs there.
        """
        why: Exception | None = None
        for _ in range(_TRIES):
            why = self._refusal(callable, worker)
            if not isinstance(why, BrokenExecutor):
                break
        if why is None or isinstance(why, _SILENCE):
            return
        if self.broken:
            self._renew()
            self._check_works()
        name = getattr(worker, "__qualname__", type(worker).__qualname__)
        raise ConfigurationError(
            f"worker: {name} cannot be loaded where the jobs run: {why}; put it into a module that"
            " can be imported there, and its tools: a function of a notebook, of `python -c`, or"
            ' below `if __name__ == "__main__":` cannot'
        ) from why

    def refuses_all(self, error: Exception) -> bool:
        """Whether the error with which it took no job is its own: it was shut down, say."""
        try:
            self._executor.submit(os.getpid)
        except Exception as exc:
            return type(exc) is type(error)
        return False

    def ask(self) -> None:
        """See that an executor of the caller's is there: some never say of what they have.

        Raises whatever it raises when it is given something.
        """
        if self._make is None and self.pickles:
            self._executor.submit(os.getpid)

    def warm_up(self) -> None:
        """See that a process of ours is there: one that ends now is not the next job's affair."""
        if self._make is None:
            return
        for _ in range(_TRIES):
            if not isinstance(self._refusal(os.getpid), BrokenExecutor):
                return

    def _refusal(self, fn: Callable[..., Any], *arguments: Any) -> Exception | None:
        """Why it cannot do what can harm no process; None: it can."""
        if self.broken:
            self._renew()
        doing: Any = None
        try:
            doing = self._executor.submit(fn, *arguments)
            doing.result(_PROBE)
        except BrokenExecutor as exc:
            self.broken = True
            return exc
        except Exception as exc:
            # what giving it out raises is heard with the next job
            return None if doing is None else exc
        return None

    def _check_works(self) -> None:
        """See that it does what can harm no process.

        Raises:
            BrokenExecutor: It does not.
        """
        for _ in range(_TRIES):
            if not isinstance(self._refusal(os.getpid), (BrokenExecutor, *_SILENCE)):
                return
            self._replace()
        raise BrokenExecutor(
            f"the executor broke {self._fruitless} times, no job has ended well meanwhile, and it"
            " does nothing else either: see what ends its processes. What has ended is in the"
            " results file"
        )

    def bore_fruit(self) -> None:
        """A job has ended, and not the process that ran it."""
        self._fruitless = 0

    def close(self, *, wait: bool) -> None:
        """End it, if it is ours.

        Args:
            wait: Until what it runs has ended. Else its processes are ended: they would keep the
                program from ending.
        """
        if self._make is None:
            return
        # has no public name before Python 3.14; gone after the shutdown
        left = {} if wait else dict(getattr(self._executor, "_processes", None) or {})
        self._executor.shutdown(wait=wait, cancel_futures=True)
        for process in left.values():
            process.kill()  # a fork may have the program's own handlers of gentler signals


def _threads(count: int) -> Maker:
    return lambda: ThreadPoolExecutor(count, thread_name_prefix="realtime-batch")
