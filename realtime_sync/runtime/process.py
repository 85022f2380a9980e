"""What becomes of sessions that nobody holds any more, or whose process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
import weakref
from typing import TYPE_CHECKING

from ..errors import SessionClosed
from . import futures, threads
from .clients import Weak
from .clock import Deadline

if TYPE_CHECKING:
    from .guarded import Guarded

__all__ = ["watch_over"]

#: Seconds for the goodbyes of a process that ends without having closed its sessions.
AT_EXIT = 1.0

_all: weakref.WeakSet[Guarded] = weakref.WeakSet()


def watch_over(connection: Guarded) -> None:
    """Close it if its owner does not. Keeps it no longer than its owner does."""
    weakref.finalize(connection, _forgotten, connection._client).atexit = False
    _all.add(connection)


def _forgotten(client: Weak) -> None:
    """A session is collected that nobody has closed. Starts no thread, and waits for nothing."""
    loop, client.loop = client.loop, None
    if loop is not None:
        loop.call(lambda: loop.abandon(client))
        warnings.warn("a session was not closed: use `with`, or close()", ResourceWarning, 2)


def _at_exit() -> None:
    """Say goodbye for whoever forgot to. Nothing is logged: there may be no stderr any more."""
    threads.end()
    deadline = Deadline(AT_EXIT)
    left = [one for one in list(_all) if one.phase not in ("new", "closed") and not one._inside()]
    for connection in left:  # all of them before any is waited for
        connection._begin_closing(deadline)
    for connection in left:
        connection._closed.wait(deadline.remaining())
        connection.dispatcher.join(deadline)
    for connection in list(_all):
        connection._taps.join(deadline)  # what was recorded is to be in its file


def _after_fork_in_child() -> None:
    """Link and threads are the parent's; whoever goes on here is told so instead of waiting."""
    futures.forked()
    for connection in list(_all):
        connection._lock = threading.RLock()  # a thread that is not here may have held the old one
        if connection.phase not in ("new", "closed"):
            connection.phase = "closed"
            connection.error = SessionClosed(
                "it is that of the process that forked this one; make one here"
            )
            connection._loop = connection._link = connection._client.loop = None
            connection._closed.set()
            connection._watches.orphaned(connection.error)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # pragma: no branch  # not on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)
