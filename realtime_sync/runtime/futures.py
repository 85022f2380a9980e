"""What a caller may wait on. No socket; knows nothing of events."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

from .clock import Condition, Deadline, expired, may_wait

__all__ = ["Reply"]

T = TypeVar("T")


class Reply(concurrent.futures.Future[T]):
    """A future of this library.

    `result(timeout=)` raises `RealtimeTimeout`, `cancel()` is False, and done-callbacks run where
    callbacks run: on the I/O thread, one that makes a blocking call would wait for itself.
    """

    def __init__(self, what: str, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self._condition = Condition()
        self._what = what  # names the call in a timeout's message
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
            RealtimeError: What went wrong.
        """
        return self.result_by(Deadline(timeout))

    def result_by(self, deadline: Deadline) -> T:
        """`result`, within a deadline that other steps share."""
        if not self.done():
            may_wait()
        try:
            return super().result(deadline.remaining())
        except concurrent.futures.TimeoutError:
            # on 3.10 this is not the built-in TimeoutError; and an answer may be one itself
            if self.done():
                return super().result(0)
            raise expired(self._what, deadline) from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What went wrong, or None; waits like `result`."""
        deadline = Deadline(timeout)
        if not self.done():
            may_wait()
        try:
            return super().exception(deadline.remaining())
        except concurrent.futures.TimeoutError:
            raise expired(self._what, deadline) from None

    def add_done_callback(self, fn: Callable[[concurrent.futures.Future[T]], Any]) -> None:
        """Have `fn(future)` run where callbacks run, once it is done."""
        super().add_done_callback(lambda future: self._post(lambda: fn(future)))
