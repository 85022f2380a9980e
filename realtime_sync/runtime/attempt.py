"""One attempt to make a link, on a thread of its own. Knows no session."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from ..errors import ConnectError, RealtimeError
from .clock import Deadline
from .dialect import Dialect
from .link import Connect, Link
from .loop import Loop
from .threads import Thread

__all__ = ["Attempt"]

log = logging.getLogger(__name__)


class Attempt:
    """Makes a link on `realtime-connect`, and tells of it on the I/O thread."""

    def __init__(
        self,
        connect: Connect,
        loop: Loop,
        *,
        seconds: float,
        made: Callable[[Attempt], None],
        failed: Callable[[Attempt, RealtimeError], None],
    ) -> None:
        """
        Args:
            connect: Makes the link.
            loop: Whose thread is told.
            seconds: For the link, and for what its taker makes of it.
            made: The link is there; `take` it.
            failed: There is none, and why.
        """
        self.deadline = Deadline(seconds)
        self._connect = connect
        self._loop = loop
        self._made = made
        self._failed = failed
        # the link until somebody pops it, which only one can: its taker, or whoever drops it
        self._box: deque[tuple[Link, Dialect]] = deque()
        self._unwanted = False
        self.thread = Thread(self._run, "realtime-connect")

    def start(self) -> None:
        """Begin.

        Raises:
            ConnectError: There is no thread to be had: too many, or the interpreter ends.
        """
        try:
            self.thread.start()
        except RuntimeError as exc:
            raise ConnectError(f"no thread to connect on: {exc}") from exc

    def _run(self) -> None:
        error: RealtimeError
        try:
            self._box.append(self._connect(self.deadline))
        except RealtimeError as exc:
            error = exc
        # BaseException: a key function may call sys.exit(), and the session must hear of it
        except BaseException as exc:
            log.exception("connecting failed in an unexpected way")
            error = ConnectError(f"connecting: {type(exc).__name__} was raised")
        else:
            self._loop.call(lambda: self._made(self))
            if self._unwanted:  # told before or after: cancel() has seen the box, or we see this
                self._drop()
            return
        self._loop.call(lambda: self._failed(self, error))

    def take(self) -> tuple[Link, Dialect] | None:
        """The link, once, and its dialect; None: it is gone."""
        try:
            return self._box.pop()
        except IndexError:
            return None

    def cancel(self) -> None:
        """Nobody wants the link any more. From any thread; does not wait."""
        self._unwanted = True
        self.deadline.expire()
        self._drop()

    def _drop(self) -> None:
        made = self.take()
        if made is not None:
            made[0].abort()
            made[0].close()  # ours: nobody else has seen it
