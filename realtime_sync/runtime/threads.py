"""The threads of the library: none is started any more once the interpreter ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .clock import Deadline, Event

__all__ = ["Thread", "end"]

_ending = False


def end() -> None:
    """The interpreter ends."""
    global _ending
    _ending = True


class Thread(threading.Thread):
    """A thread that says itself that it has ended.

    What Ctrl-C interrupts a `join` of, Python 3.10 to 3.12 take for ended from then on, although it
    runs: no later `join` would wait for it. A daemon: what never returns must not keep the process
    alive.
    """

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)
        # start() waits for this one of Python's: Ctrl-C would leave it locked, and come out of it
        # as a RuntimeError, which says that there was no thread to be had
        self._started = Event()
        self._over = Event()
        self._process = os.getpid()  # in its forked child, no thread of this one runs

    def start(self) -> None:
        """Start it. Where Ctrl-C comes out of it, it may have begun.

        Raises:
            RuntimeError: The system has none left, or the interpreter ends: from 3.12 on Python
                says so itself, before it would start a thread that nobody ends.
        """
        if _ending:
            raise RuntimeError("the interpreter ends: no thread is started any more")
        super().start()

    def run(self) -> None:
        """What it is for."""
        try:
            super().run()
        finally:
            self._over.set()

    def is_alive(self) -> bool:
        """Whether it has begun, and is not over."""
        begun = self.ident is not None and self._process == os.getpid()
        return begun and not self._over.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, up to `timeout` seconds."""
        deadline = Deadline(timeout)
        if self.is_alive() and not self._over.wait(deadline.remaining()):
            return
        # where gevent has put its own class in place since, nobody tells ours of a greenlet's end
        if isinstance(self, threading.Thread):
            super().join(deadline.remaining())  # for what Python itself does at a thread's end
