"""The thread that has a stream, so that those who use it come to an end. Knows no sound library.

PortAudio crashes when two threads use a stream, and any of its calls may never return: when a sound
server dies while a piece of sound is half read, libpulse locks itself up for good, even where it is
only asked how much there is (pa_memimport_free waits for a block, holding the lock that the reader
needs to give it back). A thread in such a call cannot be ended. So it has the stream alone, and is
left behind with it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from ..runtime.clock import Condition
from ..runtime.threads import Thread

__all__ = ["StreamOwner", "hasten"]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a call of the library's may take before its thread is left behind.
STUCK = 2.0
_LOOKS: Final = 4  # in that time
_NICENESS: Final = -11  # that of PulseAudio itself


def hasten() -> None:
    """Have this thread run before others, where the system lets it: sound is not to be torn.

    On Linux as root, or within RLIMIT_NICE; elsewhere nothing happens.
    """
    if sys.platform == "linux":  # there alone a thread has a niceness of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class _Job:
    __slots__ = ("act", "done", "error", "value")

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None


class StreamOwner:
    """Does what it is asked, one thing at a time, on a thread of its own. Asked by one thread.

    Args:
        name: Its thread's.

    Attributes:
        stream: What it closes in the end; set by the act that opens it.
        left: It did not come back from the library: nothing can be asked of it any more.
    """

    def __init__(self, name: str) -> None:
        self.stream: Any = None
        self.left = False
        self._changed = Condition()  # guards what follows
        self._job: _Job | None = None
        self._over = False
        self._calls = 0  # of the library's, begun so far
        self._inside = False  # one of them goes on
        self._thread = Thread(self._run, name)
        self._thread.start()

    def do(self, act: Callable[[], T], *, limit: float | None = None) -> T:
        """What `act` returns, done by the owner; whatever it raises.

        Args:
            act: One call of the library, or several with `pause` in between.
            limit: Seconds that one call may take; None: `STUCK`.

        Raises:
            OSError: The library did not return.
        """
        job = _Job(act)
        with self._changed:
            if self._over:
                raise OSError("the stream was closed")
            self._job = job
            self._changed.notify_all()
            if not self._watch(lambda: job.done, limit or STUCK):
                raise OSError(f"the sound library has not returned within {limit or STUCK:g} s")
        if job.error is not None:
            raise job.error
        value: T = job.value
        return value

    def _watch(self, done: Callable[[], bool], limit: float) -> bool:
        """Wait as long as it does not stay in one call for so long. Hold the condition."""
        looks, call = 0, self._calls
        while not self._changed.wait_for(done, limit / _LOOKS):
            # looks, not time: a machine that slept has not waited
            looks = looks + 1 if self._inside and call == self._calls else 0
            call = self._calls
            if looks >= _LOOKS:
                self._leave()
                return False
        return True

    def pause(self, wait: Callable[[], object]) -> None:
        """Let time pass in an act: the library does not take it. On the owner's thread."""
        self._inside = False
        wait()
        self._calls += 1
        self._inside = True

    def end(self) -> None:
        """Close the stream, and end. Bounded; idempotent."""
        with self._changed:
            if self._over:
                return
            self._over = True
            self._changed.notify_all()
        for _ in range(_LOOKS):
            self._thread.join(STUCK / _LOOKS)
        if self._thread.is_alive():
            self._leave()

    def _leave(self) -> None:
        self._over = self.left = True
        name = self._thread.name
        self._thread.name = name.replace("realtime-", "left-")
        log.warning("%s does not come back from the sound library, and is left behind", name)

    # --- on its thread

    def _run(self) -> None:
        hasten()
        while (job := self._next()) is not None:
            self._calls += 1
            self._inside = True
            try:
                job.value = job.act()
            except BaseException as exc:  # raised where it was asked for
                job.error = exc
            with self._changed:
                self._inside = False
                job.done = True
                self._changed.notify_all()
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._job is not None or self._over)
            job, self._job = self._job, None
            return None if self._over else job

    def __repr__(self) -> str:
        return f"<StreamOwner {self._thread.name}>"
