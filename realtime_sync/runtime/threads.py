"""Starting threads, while that may be done. Once the interpreter ends, none is started any more."""

from __future__ import annotations

import threading

__all__ = ["end", "start"]

_ending = False


def start(thread: threading.Thread) -> None:
    """Start it.

    Raises:
        RuntimeError: The system has none left, or the interpreter ends: from 3.12 on Python says
            so itself, before it would start a thread that nobody ends.
    """
    if _ending:
        raise RuntimeError("the interpreter ends: no thread is started any more")
    thread.start()


def end() -> None:
    """The interpreter ends."""
    global _ending
    _ending = True
