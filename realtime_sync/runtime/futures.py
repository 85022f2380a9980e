"""What a caller may wait on. No socket; knows nothing of events."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import SessionClosed
from .clock import Condition, Deadline, expired, may_wait

__all__ = ["Reply"]

T = TypeVar("T")

#: How often this process has been forked off another: replies from before will never be settled.
forks = 0


def forked() -> None:
    """This is the child of a process that made replies."""
    global forks
    forks += 1


class Reply(concurrent.futures.Future[T]):
    """A future of this library.

    `result(timeout=)` raises `RealtimeTimeout`, `cancel()` is False, and done-callbacks run where
    callbacks run: on the I/O thread, one that makes a blocking call would wait for itself.
    """

    def __init__(self, what: str, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._condition = Condition()
        self._what = what  # names the call in a timeout's message
        self._forks = forks
        self._post = post  # hands a function to the dispatcher
        # or a caller's cancel() would make our set_result raise, and end the I/O thread
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> T:
        """The answer.

        Args:
            timeout: Seconds to wait; None waits for ever.

        Raises:
            RealtimeTimeout: It took longer; the work goes on.
            WouldDeadlock: Called in a tap.
            SessionClosed: Called in a forked child, which has no thread that could settle it.
            RealtimeError: What went wrong.
        """
        return self.result_by(Deadline(timeout))

    def result_by(self, deadline: Deadline) -> T:
        """`result`, within a deadline that other steps share."""
        self._await(deadline)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What went wrong, or None; waits like `result`."""
        self._await(Deadline(timeout))
        return super().exception(0)

    def _await(self, deadline: Deadline) -> None:
        if self.done():
            return
        may_wait()
        if self._forks != forks:
            raise SessionClosed("it is that of the process that forked this one; make one here")
        with self._condition:
            if not self._condition.wait_for(self.done, deadline.remaining()):
                raise expired(self._what, deadline)

    def add_done_callback(self, fn: Callable[[concurrent.futures.Future[T]], Any]) -> None:
        """Have `fn(future)` run where callbacks run, once it is done."""
        super().add_done_callback(lambda future: self._post(lambda: fn(future)))
