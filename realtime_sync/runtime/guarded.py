"""The one lock of a session, what it guards, and what its threads share beside that.

The part of `Connection` that has the core at hand: under the lock effects are collected, after it
is released they are carried out.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..core import effects as fx
from ..core.responses import ResponseRecord
from ..core.state import SessionState
from ..errors import (
    BudgetExceeded,
    ConfigurationError,
    RealtimeError,
    SessionClosed,
    WouldDeadlock,
    copy_of,
)
from ..events.base import ClientEvent, LocalEvent
from ..policy import ReconnectPolicy
from . import clock, process
from . import loop as io
from .attempt import Attempt
from .carrier import Carrier, Todo
from .clients import Weak, weakly
from .clock import Deadline, monotonic
from .dialect import Dialect
from .dispatcher import Dispatch
from .futures import Reply
from .handlers import Handlers
from .link import Connect, Link
from .liveness import Liveness
from .outbox import APPEND, Outbox
from .relink import Relink
from .taps import Taps
from .telling import Telling
from .threads import Thread
from .watches import Watches

__all__ = ["SOON", "Guarded"]

log = logging.getLogger(__name__)

#: Seconds for what has to end by itself once it is told to.
SOON = 2.0


class Guarded(Telling):
    """Holds what a session consists of."""

    _begin_closing: Callable[[Deadline], None]  # of Ending

    def __init__(
        self,
        new_state: Callable[[], SessionState],
        *,
        connect: Connect,
        blame: Callable[[], object],
        handlers: Handlers,
        watches: Watches,
        taps: Taps,
        dispatch: str | Dispatch,
        on_call: Callable[[fx.CallEffect], None],
        on_end: Callable[[], list[LocalEvent]],
        handle: Callable[[ResponseRecord], Any],
        ping_interval: float | None = 10.0,
        max_duration: float | None = None,
        reconnect: ReconnectPolicy | None = None,
    ) -> None:
        super().__init__(handlers=handlers, watches=watches, taps=taps, dispatch=dispatch)
        # "new", "connecting", "open", "reconnecting", "closing", "closed"
        self.phase = "new"
        self.opened: float | None = None  # when `open` was called, by the monotonic clock
        self.error: RealtimeError | None = None  # why it was lost; None where it was closed
        self._new_state = new_state  # makes what a fresh session begins with
        # makes a link, and says what is spoken over it; on a thread of its own
        self._connect = connect
        self._liveness = Liveness(ping_interval)
        self._max_duration = max_duration  # seconds from `open` on; None: no end
        self._carrier = self._new_carrier(on_call, handle)
        self._on_end = on_end  # what is to be told before connection.closed; never blocks
        # guards the state, the carrier's waiters, the outbox, the link with its dialect, and the
        # phase; never held across I/O, a callback, a join or the settling of a future
        # re-entrant, since a signal handler or a finalizer may close the session on top of a frame
        # that holds it; whatever else is tried there is refused
        self._lock = threading.RLock()
        self._state = new_state()
        self._outbox = Outbox()
        self._link: Link | None = None  # None while there is none
        self._dialect = Dialect()  # of the link, or of the last one
        self._pinger: io.Timer | None = None
        self._budget: io.Timer | None = None  # ends the session; None before `open` is through
        self._received = self._sent = 0  # messages so far; the I/O thread counts them
        self._blame = blame  # where the last link led is tried after all others, for a while
        self._relink = Relink(reconnect)
        self._attempt: Attempt | None = None  # the one under way
        self._dialling: tuple[Thread, ...] = ()  # of attempts; those that may not have ended yet
        self._alarm: io.Timer | None = None  # the next attempt, or the end of the present one
        self._renewer: io.Timer | None = None  # what a renewal does next
        self._renewal_due: float | None = None  # when this session is to be renewed; None: never
        self._parting: float | None = None  # until when a renewal waits for an idle moment
        self._told = False  # connection.lost has been told, connection.restored has not
        self._resetting = False  # the next session begins with an empty conversation
        self._reset: Reply[Any] | None = None  # what those who reset wait for
        self._links = 0  # that the session was ready on
        self._opening: Reply[Any] | None = None  # what `open` waits for; None: nobody opens
        self._dialler: threading.Thread | None = None  # makes that attempt
        self._given_up = False  # that attempt has failed, and is being cleaned up
        self._cleaned = clock.Event()  # set when nothing of it is left
        self._last_moment = math.inf  # until then the peer may answer our close frame
        self._client = Weak(self)  # is called by the loop, which must not keep us alive
        process.watch_over(self)

    def _new_carrier(
        self, on_call: Callable[[fx.CallEffect], None], handle: Callable[[ResponseRecord], Any]
    ) -> Carrier:
        return Carrier(
            put=self._queue,
            put_audio=self._queue_audio,
            wake=self._wake_loop,
            unsaid=self._unsaid,
            post=lambda fn: self.dispatcher.post(fn),
            call=on_call,
            later=self._later,
            handle=handle,
            handlers=self._handlers,
        )

    def _inside(self) -> bool:
        """Whether this thread is inside the lock already: a signal handler, or a finalizer."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]  # has no public name

    def _check_alone(self) -> None:
        if self._inside():
            raise WouldDeadlock(
                "a signal handler or finalizer has interrupted a call of this session; only close()"
                " is safe there"
            )

    def check_open(self) -> None:
        """Complain unless there is a session to do something with.

        Raises:
            SessionClosed: Not opened yet, closed, or lost for good (then from the loss).
        """
        # session.created lets its own callbacks make calls while open() waits for the rest
        if self.phase in ("open", "reconnecting"):
            return
        if self.phase == "connecting" and not self._given_up and self._state.session.id:
            return
        if isinstance(self.error, BudgetExceeded):
            raise copy_of(self.error)
        if self.error is not None:
            raise SessionClosed(f"the session is closed: {self.error}") from self.error
        if self.phase in ("new", "connecting"):
            raise SessionClosed(
                'the session is not open yet; open it by "with session:", or open()'
            )
        raise SessionClosed("the session is closed, and stays so; make a new one")

    def check(self, event: ClientEvent) -> None:
        """Complain about what the link has no words for, before anything is registered.

        Raises:
            ConfigurationError: JSON or the server's dialect has no form for it; names the field.
        """
        self._dialect.check(event)

    def _collect(self, todo: Todo) -> None:
        """Queue what the core wants sent; Ctrl-C in between loses none of it. Hold the lock."""
        rest = deque(self._state.take())
        try:
            while rest:
                self._carrier.collect((rest[0],), todo)
                rest.popleft()
        finally:
            self._state.put_back(rest)

    def _carry_out(self, todo: Todo) -> None:
        """Do what is left of effects that no event of the server has brought about."""
        self._carrier.carry_out(todo)
        for event in todo.local:
            self.emit(event)

    def _queue(self, event: ClientEvent) -> None:
        """Hold the lock."""
        self._outbox.put(event.type, self._dialect.dump(event, self._state.session))

    def _queue_audio(self, frame: bytes) -> None:
        """Hold the lock."""
        self._outbox.put(APPEND, frame)

    def _wake_loop(self) -> None:
        if self._loop is not None:
            self._loop.wake(self._client)

    def _unsaid(self, event: ClientEvent, error: ConfigurationError) -> tuple[fx.Effect, ...]:
        """Hold the lock."""
        self._state.unsaid(event, error)
        return self._state.take()

    def _later(self, delay: float) -> None:
        if self._loop is not None:
            self._loop.call_later(delay, weakly(self._retry))

    def _retry(self) -> None:
        todo = Todo()
        with self._lock:
            if self.phase not in ("connecting", "open", "reconnecting"):
                return
            self._state.running.now = monotonic()
            self._state.retry()
            self._carrier.collect(self._state.take(), todo)
        self._carry_out(todo)

    def _reject_all(self, error: RealtimeError, todo: Todo) -> None:
        """Everybody who waits gets this error, whatever state the core is in. Hold the lock."""
        try:
            self._state.lost(error)
            self._carrier.collect(self._state.take(), todo)
        except Exception:  # a bug of ours; it must not leave anybody waiting for ever
            log.exception("the core could not be told of the end")
        self._carrier.reject_all(error, todo)
