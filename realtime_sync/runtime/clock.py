"""Time, and waiting for it to pass. Everything monotonic, but for moments that a server names."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time

from ..errors import RealtimeTimeout, WouldDeadlock

__all__ = ["Condition", "Deadline", "Event", "Signal", "Sleep", "check_timeout", "monotonic", "nap"]

log = logging.getLogger(__name__)

monotonic = time.monotonic


def check_timeout(
    timeout: float | None, name: str = "timeout", unit: str = "seconds"
) -> float | None:
    """A caller's timeout, or other time, if it is one: from 0 on, or None.

    Raises:
        TypeError: Not a number.
        ValueError: Negative, NaN or infinite.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"{name}: {unit} as a number, or None; not {type(timeout).__name__}")
    try:
        fits = math.isfinite(timeout) and timeout >= 0
    except OverflowError:  # an integer beyond every float
        fits = False
    if not fits:
        raise ValueError(f"{name}: {unit} from 0 on, or None; not {timeout}")
    return timeout


class Deadline:
    """A timeout that several steps share."""

    __slots__ = ("_end", "timeout")

    def __init__(self, timeout: float | None) -> None:
        self.timeout = check_timeout(timeout)
        self._end = None if timeout is None else monotonic() + timeout

    def expire(self) -> None:
        """Let it have passed: what works under it is no longer wanted. From any thread."""
        self._end = 0.0

    def remaining(self) -> float | None:
        """Seconds left, never below 0; None: for ever."""
        if self._end is None:
            return None
        # threading cannot take more than TIMEOUT_MAX seconds, about 292 years
        return min(max(0.0, self._end - monotonic()), threading.TIMEOUT_MAX)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self._end is not None and monotonic() >= self._end


#: Threads on which a wait would wait for itself; the I/O thread adds itself.
forbidden: set[int] = set()


#: Whether somebody has been warned that he blocks an asyncio loop: once a process is enough.
_warned = False


def may_wait() -> None:
    """Refuse to block the thread that brings the answers; warn whoever blocks an asyncio loop.

    Raises:
        WouldDeadlock: This is the I/O thread: a tap is running.
    """
    if threading.get_ident() in forbidden:
        raise WouldDeadlock(
            "a blocking call inside a tap would wait for itself; make it in a callback instead"
        )
    global _warned
    if not _warned and _in_asyncio_loop():
        _warned = True
        log.warning(
            "a blocking call on the thread of a running asyncio loop: nothing else of that loop"
            " runs meanwhile; use asyncio.to_thread, or asyncio.wrap_future with submit()"
        )


def _in_asyncio_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # not imported for this: it would cost every program
    if asyncio is None or asyncio._get_running_loop() is None:
        return False
    # a Jupyter kernel runs every cell on the thread of its loop, which is meant to wait for it
    return "ipykernel.kernelapp" not in sys.modules


#: Seconds that the main thread sleeps at once.
NAP = 0.1


def nap(seconds: float | None) -> float | None:
    """How much of a wait to sleep through at once; None: all of it, which has no end.

    Python runs signal handlers on the main thread, between two steps of the program. One that comes
    just before that thread goes to sleep, that `_thread.interrupt_main()` stands for, or on Windows
    before Python 3.14 any at all, is heard only when it wakes up: so it does, now and then.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return seconds
    return NAP if seconds is None else min(seconds, NAP)


class Condition(threading.Condition):
    """A condition that Ctrl-C cannot leave locked.

    `with` on Python's own enters a function, which a signal may end just after it took the lock
    and before anybody is there to give it back: the I/O thread would wait for it for ever.
    """

    # looked up before, then called without a frame of Python in between
    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was notified in time. Holds the lock afterwards, whatever is raised.

        It may end early, on the main thread: look whether what you wait for is there, and wait on.
        """
        try:
            return super().wait(nap(timeout))
        except BaseException:
            if not self._is_owned():  # type: ignore[attr-defined]  # has no public name
                self.acquire()
            raise


class Event(threading.Event):
    """An event that Ctrl-C cannot leave locked.

    All of it is here: what gevent puts in the place of Python's is of another making.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition()
        self._happened = False  # guarded by the condition

    def is_set(self) -> bool:
        """Whether it was set, and not cleared since."""
        return self._happened

    def set(self) -> None:
        """End every wait."""
        with self._cond:
            self._happened = True
            self._cond.notify_all()

    def clear(self) -> None:
        """Make waits wait again."""
        with self._cond:
            self._happened = False

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was set in time."""
        with self._cond:
            return self._cond.wait_for(self.is_set, timeout)


class Signal:
    """Set once, from any thread; waited for by one. The lightest thing that can be waited for."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held until the signal is set
        self._lock.acquire()

    def set(self) -> None:
        """End the wait. Setting it twice is harmless."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # set before

    def wait(self, deadline: Deadline) -> bool:
        """Whether it was set in time."""
        may_wait()
        while True:
            seconds = nap(deadline.remaining())
            if self._lock.acquire(timeout=-1 if seconds is None else seconds):
                return True
            if deadline.passed:
                return False


def until(moment: float) -> float:
    """Seconds until a moment of the wall clock that a server has named, in epoch seconds."""
    # what is done with it is timed on the monotonic clock
    return moment - time.time()


class Sleep:
    """Notices that the machine was asleep: the wall clock went on, the monotonic one did not."""

    #: Seconds of difference that are no correction of the wall clock.
    LEAST = 5.0

    def __init__(self) -> None:
        self._ahead = time.time() - monotonic()

    def is_over(self) -> bool:
        """Whether it has slept since the last look. A wall clock that is set ahead looks alike."""
        before, self._ahead = self._ahead, time.time() - monotonic()
        return self._ahead - before >= self.LEAST


def expired(what: str, deadline: Deadline) -> RealtimeTimeout:
    """The error for a wait that took too long."""
    return RealtimeTimeout(
        f"{what}: no answer within {deadline.timeout:g} s; give it more by timeout="
    )
