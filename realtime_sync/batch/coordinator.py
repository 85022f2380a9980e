"""Jobs in, results out: the one thread that decides what runs, when, and what is tried again."""

from __future__ import annotations

import heapq
import math
import os
import queue
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Any

from ..errors import ConfigurationError, RealtimeError
from ..runtime.clock import monotonic
from .attempt import Attempt, attempt, give_up
from .job import JobId, digest, id_of
from .journal import Journal
from .limits import Limits, RateLimit
from .pool import Pool
from .result import Result, results
from .ticket import MOST, Ticket, failed, killed

__all__ = ["Coordinator", "Worker", "twice"]

_BACK_OFF = (0.5, 60.0)  # seconds before the second attempt; doubled up to this
_GRACE = 5.0  # seconds that what runs is waited for when the run is stopped
#: Seconds after which a wait looks up: a signal that comes just before the thread sleeps wakes
#: nobody, and Ctrl-C would be heard with the next result.
_POLL = 0.2
_SILENCE = 30.0  # seconds after which an executor is asked whether it is there

Worker = Callable[[Any], Any]
#: What came of an attempt, and what becomes of its job: None, it is not over.
_Landing = tuple[Ticket, Attempt | BaseException, Attempt | None]


class Coordinator:
    """One run. All of it in the thread of the caller, but for `_landed`."""

    def __init__(
        self,
        jobs: Iterator[Any],
        worker: Worker,
        pool: Pool,
        journal: Journal,
        name: str,
        rate: RateLimit,
        retries: int,
        on_result: Callable[[Result], object] | None,
    ) -> None:
        self._jobs: Iterator[Any] | None = jobs  # None: there are no more
        self._worker = worker
        self._pool = pool
        self._journal = journal
        self._name = name
        self._retries = retries
        self._on_result = on_result
        self._seen: set[JobId] = set()
        self._next: Ticket | None = None  # waits for the limits
        self._flying: set[Ticket] = set()
        self._later: list[tuple[float, int, Ticket]] = []  # when it is due; a heap
        self._count = 0  # tickets that were put there, and calls that were made
        self._suspects: deque[Ticket] = deque()  # each to run alone
        self._heard = monotonic()  # when an attempt has ended, or the executor has been asked
        self._loaded = not pool.pickles  # it is known that the executor can have the worker
        # from executors' threads
        self._landings: queue.SimpleQueue[_Landing] = queue.SimpleQueue()
        self.statuses: Counter[str] = Counter()
        self.skipped = 0
        self.tokens = 0
        self.minutes = 0.0
        self.stopped: str | None = None
        self._limits = Limits(rate, pool.concurrency, self._so_far())

    def _so_far(self) -> dict[str, float]:
        """What runs before have used."""
        used = {"tokens": 0.0, "minutes": 0.0}
        if self._journal.path is not None:
            for one in results(self._journal.path):
                self.statuses[one.status] += 1
                used["tokens"] += one.tokens
                used["minutes"] += one.minutes
        return used

    def run(self) -> None:
        """Until every job has its result, or a budget is used up."""
        try:
            while True:
                wait = self._admit()
                if not self._flying and math.isinf(wait):
                    return
                self._take(min(wait, _POLL))
        except BaseException:
            try:
                self._drain()
            finally:  # Ctrl-C once more: now
                self._cancel()
                for ticket in self._flying:
                    give_up(ticket.number)
            raise

    # --- jobs in

    def _admit(self) -> float:
        """Give out what may run; seconds until more may, infinite: once something has ended."""
        while True:
            now = monotonic()
            if len(self._flying) >= self._limits.room or (self._flying and self._one_alone()):
                return math.inf
            self._next = self._next or self._due(now)
            if self._next is None:
                return self._later[0][0] - now if self._later else math.inf
            self.stopped = self._limits.used_up()
            wait = math.inf if self.stopped is not None else self._limits.wait(now)
            if wait > 0:
                return wait
            ticket, self._next = self._next, None
            self._submit(ticket)

    def _one_alone(self) -> bool:
        """Whether what runs, or what comes next, has nothing beside it."""
        return bool(self._suspects) or next(iter(self._flying)).alone

    def _due(self, now: float) -> Ticket | None:
        """The next that may run; None: there is none now."""
        if self._suspects:
            ticket = self._suspects.popleft()
            ticket.alone = True
            return ticket
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        while self._jobs is not None:
            try:
                job = next(self._jobs)
            except StopIteration:
                self._jobs = None
                return None
            found, key = id_of(job), digest(job)
            if found in self._seen:
                raise twice(found)
            self._seen.add(found)
            if not self._journal.has(found, key):
                return Ticket(job, found, key)
            self.skipped += 1
        return None

    def _submit(self, ticket: Ticket) -> None:
        self._count += 1
        ticket.number = f"{self._name}-{os.getpid()}-{self._count}"
        self._flying.add(ticket)
        self._limits.began(monotonic())
        try:
            if ticket.alone:
                self._pool.warm_up()
            future = self._pool.submit(attempt, self._worker, ticket.job, ticket.number)
        except BrokenExecutor:
            self._flying.discard(ticket)
            raise
        except Exception as exc:  # the job does not pickle, say
            if self._pool.refuses_all(exc):
                self._flying.discard(ticket)
                raise
            verdict = failed(exc)
            self._keep(ticket, verdict)
            self._landings.put((ticket, exc, verdict))
            return
        ticket.generation = self._pool.generation
        ticket.future = future
        future.add_done_callback(lambda done: self._landed(ticket, done))

    # --- results out

    def _landed(self, ticket: Ticket, future: Any) -> None:
        """An attempt has ended. Runs in whichever thread the executor likes; never raises."""
        verdict: Attempt | None = None
        try:
            came = _came(future)
            verdict = ticket.verdict(came, self._retries)
            # here, not when we come to it: meanwhile jobs may keep us waiting
            if verdict is not None and not self._keep(ticket, verdict):
                return
        except BaseException as exc:  # the disk is full, say; else the run would wait for ever
            came = _Unkept(exc)
        self._landings.put((ticket, came, verdict))

    def _keep(self, ticket: Ticket, came: Attempt) -> bool:
        return self._journal.write(ticket.result(came, self._name))

    def _take(self, timeout: float) -> None:
        """Wait for what comes back, and see to all that has."""
        try:
            landing = self._landings.get(timeout=max(0.0, timeout))
        except queue.Empty:
            if self._flying and monotonic() - self._heard > _SILENCE:
                self._heard = monotonic()
                self._pool.ask()
            return
        self._heard = monotonic()
        while landing is not None:
            self._see_to(*landing)
            try:
                landing = self._landings.get_nowait()
            except queue.Empty:
                break
        self._journal.sync()

    def _see_to(
        self, ticket: Ticket, came: Attempt | BaseException, verdict: Attempt | None
    ) -> None:
        self._flying.discard(ticket)
        now = monotonic()
        if isinstance(came, _Unkept):
            raise came.error
        used = {} if not isinstance(came, Attempt) else _used(came)
        self._limits.ended(now, used, well=verdict is not None and bool(used))
        if isinstance(came, Attempt):
            self._loaded = True
            self._limits.told(now, came.told)
            self.tokens += came.tokens
            self.minutes += came.minutes
            if came.fate == "limited":
                self._limits.refused(now, came.wait)
        if isinstance(came, BrokenExecutor):
            self._pool.broken |= ticket.generation == self._pool.generation
        elif verdict is not None:
            self._pool.bore_fruit()
        if verdict is not None:
            self._done(ticket, verdict)
        elif isinstance(came, Attempt):
            self._again(ticket, came, now)
        else:
            self._broke(ticket, came)

    def _done(self, ticket: Ticket, verdict: Attempt) -> None:
        self.statuses[verdict.status] += 1
        if self._on_result is not None:
            self._on_result(ticket.result(verdict, self._name))

    def _again(self, ticket: Ticket, came: Attempt, now: float) -> None:
        if came.fate == "fatal":
            said = came.error or {}
            raise RealtimeError(
                f"no job can be run: {said.get('type')}: {said.get('message')}; what has ended is"
                " in the results file, and run() goes on from there"
            )
        if came.fate == "limited":
            ticket.refusals += 1
            due = now + self._limits.paused(now)
        else:
            ticket.attempts += 1
            due = now + min(_BACK_OFF[1], _BACK_OFF[0] * 2 ** (ticket.attempts - 1))
        self._put(ticket, due)

    def _broke(self, ticket: Ticket, came: BaseException) -> None:
        """The process that had it is gone, or the cluster has given it back."""
        if not self._loaded:
            self._pool.check(self._worker)
            self._loaded = True
        if killed(came) or isinstance(came, CancelledError):
            ticket.breaks += 1
        else:
            ticket.errors += 1
        if killed(came) and ticket.suspect(came):
            self._suspects.append(ticket)
        elif ticket.breaks > MOST:
            raise BrokenExecutor(f"the executor gave job {ticket.id!r} back {ticket.breaks} times")
        else:
            self._put(ticket, monotonic())

    def _put(self, ticket: Ticket, due: float) -> None:
        ticket.alone = False
        self._count += 1
        heapq.heappush(self._later, (due, self._count, ticket))

    def _drain(self) -> None:
        """The run is stopped: what runs may still end, for a while, and is kept."""
        end = monotonic() + _GRACE
        # a cluster's futures never say that they run, and can be cancelled meanwhile
        if any(ticket.future is not None and ticket.future.running() for ticket in self._flying):
            self._cancel()
        try:
            while self._flying and (left := end - monotonic()) > 0:
                ticket, *_ = self._landings.get(timeout=left)
                self._flying.discard(ticket)
        except queue.Empty:
            return

    def _cancel(self) -> None:
        """What has not begun."""
        for ticket in tuple(self._flying):
            if ticket.future is not None:
                ticket.future.cancel()


class _Unkept(BaseException):
    """A result that could not be written."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _came(future: Any) -> Attempt | BaseException:
    """What came of an attempt; never raises but for Ctrl-C."""
    try:
        # asked for, not raised: a worker may have raised KeyboardInterrupt, too
        error = future.exception()
        came = future.result() if error is None else error
    except Exception as exc:  # it was cancelled
        return exc
    if isinstance(came, (Attempt, BaseException)):
        return came
    return TypeError(f"the executor gave {type(came).__name__}")


def _used(came: Attempt) -> dict[str, float]:
    return {"requests": came.requests, "tokens": came.tokens, "minutes": came.minutes}


def twice(job: JobId) -> ConfigurationError:
    return ConfigurationError(f"jobs: two have the id {job!r}; each needs one of its own")
