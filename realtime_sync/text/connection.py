"""A connection that holds no thread while nothing is under way. Knows no model.

Nobody speaks first to a text session: between turns there is nothing to listen to. So it gives the
I/O thread back when its last turn is over, and takes it again for the next one; a session that is
forgotten then leaves nothing behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..core.state import SessionState
from ..events.base import LocalEvent
from ..runtime import loop as io
from ..runtime.carrier import Convert
from ..runtime.clock import Deadline
from ..runtime.connection import Connection, Link
from ..runtime.dispatcher import Dispatcher
from ..runtime.futures import Reply

__all__ = ["TextConnection"]

#: Seconds without an event after which the thread of the callbacks ends.
LINGER = 0.1


class TextConnection(Connection):
    """Runs one session of a text model."""

    _calls = 0  # that are being made; while there are, the thread stays

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(self._handlers, self._dispatch, self._callback_raised, LINGER)

    def open(self, deadline: Deadline) -> None:
        """See `Connection`."""
        super().open(deadline)
        self._rest()

    def do(
        self,
        act: Callable[[SessionState], Any],
        *,
        key: str | None = None,
        what: str = "",
        convert: Convert | None = None,
    ) -> Reply[Any] | None:
        """See `Connection`."""
        with self._awake():
            return super().do(act, key=key, what=what, convert=convert)

    def give_up(self, key: str) -> bool:
        """See `Connection`."""
        with self._awake():
            return super().give_up(key)

    def emit(self, event: LocalEvent) -> None:
        """See `Connection`."""
        with self._awake():
            super().emit(event)

    def _callback_raised(self, event: LocalEvent) -> None:
        with self._awake():
            super()._callback_raised(event)

    def close(self, deadline: Deadline) -> None:
        """See `Connection`."""
        super().close(deadline)
        self.dispatcher.join(deadline)

    def _begin_closing(self, deadline: Deadline) -> None:
        with self._lock:
            asleep = self.phase == "open" and self._loop is None
            if asleep:
                self.phase = "closing"
        if not asleep:
            super()._begin_closing(deadline)
            return
        # no thread is ours that could do it, and none would be: here and now
        if self._link is not None:
            self._link.close()
        self._finish(None)

    # --- the thread

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        """While this lasts there is a thread, if the session is open."""
        if self._inside():  # a signal handler, or a finalizer: refused by whatever it calls
            yield
            return
        with self._lock:
            self._calls += 1
        try:
            self._rouse()
            yield
        finally:
            with self._lock:
                self._calls -= 1
            self._rest()

    def _rouse(self) -> None:
        if self._loop is not None or self.phase != "open":
            return
        loop = io.acquire()
        with self._lock:
            wanted = self.phase == "open" and self._loop is None
            link = self._link
            if wanted:
                self._loop = self._client.loop = loop
        if wanted and link is not None:
            loop.call(lambda: self._watch(loop, link))
        else:
            loop.release(0)

    def _watch(self, loop: io.Loop, link: Link) -> None:
        if self._loop is loop and self._link is link:
            loop.watch(link, self._client)

    def _rest(self) -> None:
        """Give the thread back, once nothing is under way."""
        loop = self._loop
        if loop is not None and self._idle:
            loop.call(self._sleep)

    def _take_in(self, link: Link, messages: list[tuple[int, bytes]]) -> None:
        super()._take_in(link, messages)
        if self._idle:
            self._sleep()

    def _sleep(self) -> None:
        """Runs on the I/O thread."""
        with self._lock:
            loop, link = self._loop, self._link
            if loop is None or link is None or not (self._idle and loop.in_loop()):
                return
            self._loop = self._client.loop = None
        if self._minder is not None:
            self._minder.cancel()
            self._minder = None
        # another thread may have taken it again by now: what it asks for runs behind this
        loop.unwatch(link)
        loop.release(0)

    @property
    def _idle(self) -> bool:
        with self._lock:
            state, sequencer = self._state, self._state.sequencer
            turns = sequencer.jobs or sequencer.turns or sequencer.active or sequencer.loose
            asked = state.requests or state.creates.oldest() or state.running.cancels
            busy = self._calls or turns or asked or state.running.responses
            return self.phase == "open" and not (busy or self._carrier.waits or self._outbox.size)
