"""The end of a session: closed in good order, or lost for good; everybody is told, once.

The part of `Connection` that ends. Callers close; everything else runs on the I/O thread.
"""

from __future__ import annotations

import logging

from ..core.state import OPEN
from ..errors import (
    AuthenticationError,
    BudgetExceeded,
    ConnectError,
    ConnectionLost,
    RealtimeError,
    SessionClosed,
)
from ..events import local
from ..events.base import LocalEvent
from . import loop as io
from .carrier import Todo
from .clock import Deadline, monotonic
from .guarded import SOON
from .link import Link
from .sending import Sending

__all__ = ["Ending"]

log = logging.getLogger(__name__)

#: The close code of a server that does not accept the key. Source: wire.md (g).
KEY_REFUSED = 3000


class Ending(Sending):
    """Ends a session."""

    def close(self, deadline: Deadline) -> None:
        """End the session: flush, say goodbye, fail what waits. Idempotent, from any thread."""
        inside = self._inside()
        self._begin_closing(deadline)
        loop = self._loop
        if loop is not None and not (loop.in_loop() or inside):  # inside: it waits for us
            self._await_end(loop, deadline)
        if self.phase == "closed" and not (inside or self.in_loop):
            self._taps.end()  # of a session that was never open
            self._taps.join(deadline)

    def _begin_closing(self, deadline: Deadline) -> None:
        todo = Todo()
        with self._lock:
            phase = self.phase
            if phase in ("connecting", "open", "reconnecting"):
                self.phase = "closing"
            if phase == "connecting":  # at once: session.created may be on its way
                error = SessionClosed("the session was closed while it was opening")
                self._carrier.reject(OPEN, error, todo)
            elif phase == "new":
                self.phase = "closed"
                self._closed.set()
        loop = self._loop
        self._carrier.carry_out(todo)
        # again where somebody is at it: he may have been interrupted, or have more time than we
        if phase in ("open", "reconnecting", "closing") and loop is not None:
            loop.call(lambda: self._say_goodbye(deadline))

    def _await_end(self, loop: io.Loop, deadline: Deadline) -> None:
        if not self._closed.wait(deadline.remaining()):
            log.warning("the session did not end in time: the I/O thread is held by a tap")
        if not self.dispatcher.join(deadline):
            callback, left = self.dispatcher.calling, self.dispatcher.abandon()
            log.warning(
                "a callback still runs on realtime-dispatcher: %r; %d more are dropped",
                callback,
                left,
            )
        if not loop.join(deadline.remaining()):
            log.warning("realtime-io still runs")
        for thread in self._dialling:
            if thread.ident is not None:  # it has begun
                thread.join(deadline.remaining())
            if thread.is_alive():
                log.warning("realtime-connect still waits for the key or for the name's address")

    def _say_goodbye(self, deadline: Deadline) -> None:
        link = self._link
        if self._opening is not None:
            return  # open() ends what it began
        if link is None or link.ended is not None or self._loop is None:
            self._finish(None)
            return
        with self._lock:
            rest = self._outbox.take(self._outbox.size)
        self._give(link, rest)
        link.send_close(1000)
        link.flush()
        left = deadline.remaining()
        if self._pinger is not None:
            self._pinger.cancel()
        # the other half is for the callbacks and the joins
        half = SOON if left is None else left / 2
        self._last_moment = min(self._last_moment, monotonic() + half)
        wait = max(0.0, self._last_moment - monotonic())
        self._pinger = self._loop.call_later(wait, lambda: self._finish(None))

    def on_fault(self, error: BaseException) -> None:
        """The safety net: a bug of ours in the I/O thread ends this session, not the others."""
        cause = SessionClosed(f"a fault inside the library ended the session: {error!r}")
        cause.__cause__ = error
        self._finish(cause)

    def _end(self, error: RealtimeError) -> None:
        """Say goodbye, and tell everybody why. Runs on the I/O thread."""
        link = self._link
        if link is not None and link.ended is None:
            link.send_close(1000)
            link.flush()
        self._finish(error)

    def _finish(self, error: RealtimeError | None) -> None:
        """Nothing more will come. Runs on the I/O thread, once."""
        todo = Todo()
        with self._lock:
            if self.phase == "closed":
                return
            opening = self._opening is not None
            if opening:
                self._given_up = True
                self._carrier.reject(OPEN, _opening_error(error), todo)
            else:
                self.phase = "closed"
                self.error = error
            link, self._link = self._link, None
            room = self._outbox.clear()
            self._reject_all(error or _closed_by_you(), todo)
        for timer in (self._pinger, self._alarm, self._renewer, self._budget, self._minder):
            if timer is not None:
                timer.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._loop is not None and link is not None:
            self._drop_link(self._loop, link)
        for signal in room:
            signal.set()
        self._carrier.carry_out(todo)
        if not opening:  # else open() cleans up, and says why
            self._say_last(error, todo)

    def _drop_link(self, loop: io.Loop, link: Link) -> None:
        loop.unwatch(link)
        link.abort()
        link.close()

    def _say_last(self, error: RealtimeError | None, todo: Todo) -> None:
        last: list[LocalEvent] = [*todo.local, *self._on_end()]
        if error is not None and not isinstance(error, BudgetExceeded):
            last.append(local.ConnectionLost(error=error, retrying=False))
        self._publish([*last, local.ConnectionClosed(error=error)])
        self._taps.end()
        self._watches.end(error)
        self.dispatcher.stop()
        self._client.loop = None
        if self._loop is not None:
            self._loop.release(0)
        self._closed.set()


def _closed_by_you() -> SessionClosed:
    return SessionClosed("the session was closed")


def _opening_error(error: RealtimeError | None) -> RealtimeError:
    """Why a link that came up did not become a session."""
    if error is None:
        return _closed_by_you()
    refused = isinstance(error, ConnectionLost) and error.code == KEY_REFUSED
    kind = AuthenticationError if refused else ConnectError
    return kind(f"the server ended the connection while it was being set up: {error}")
