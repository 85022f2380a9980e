"""What the server says: into the core, to those who wait, to callbacks, in that order.

The part of `Connection` that receives. All of it runs on the I/O thread, and each line of it once
an event: know what it costs before you add to it.
"""

from __future__ import annotations

import logging

from ..core.responses import ResponseRecord
from ..errors import BudgetExceeded
from ..events.base import Event, ServerEvent, UnknownEvent
from .carrier import Todo
from .clients import weakly
from .clock import monotonic
from .link import Link
from .relinking import Relinking
from .sending import wire

__all__ = ["Receiving"]

TEXT = 1
#: Made only for those who ask for it: it costs a snapshot of an item each time.
_UPDATED = "conversation.updated"


class Receiving(Relinking):
    """Takes in what the link brings."""

    def on_readable(self) -> None:
        """The link has something. Runs on the I/O thread."""
        link = self._link
        if link is None:
            return
        before = link.last_received
        messages = link.receive()
        if link.last_received != before:
            with self._lock:
                self._state.buffer.answered()
        if messages:
            self._take_in(link, messages)
        if link.ended is not None and self._link is link:
            self._link_ended(link)

    def _read(self, messages: list[tuple[int, bytes]]) -> list[ServerEvent]:
        """The events of messages, shown to taps and to the log."""
        dialect = self._dialect
        parse = dialect.parse
        events = [
            parse(payload) if opcode == TEXT else _binary(payload) for opcode, payload in messages
        ]
        if self._taps:
            for (_, payload), event in zip(messages, events, strict=True):
                self._taps.show("received", payload, event)
        if dialect.adds:
            events = dialect.completed(events)
        if wire.isEnabledFor(logging.DEBUG):
            for event in events:
                wire.debug("< %s", event.describe())
        return events

    def _take_in(self, link: Link, messages: list[tuple[int, bytes]]) -> None:
        events = self._read(messages)
        self._received += len(messages)
        todo = Todo()
        out: list[Event] = []
        over: list[ResponseRecord] = []  # response.get() must find them in their callbacks
        collect = self._carrier.collect
        at = monotonic()
        # before anybody can know of them: whoever then begins to listen must hear nothing older
        present, watching = self._handlers.present, self._watches.watching
        listened = present.ask_for(_UPDATED) or self._watches.ask_for(_UPDATED)
        with self._lock:
            if self._link is not link:
                return  # open() has given up meanwhile: this belongs to nobody
            state, running = self._state, self._state.running
            state.conversation.listened = listened
            last = running.last
            for event in events:
                state.received(event, at)
                if running.last is not last and running.last is not None:
                    over.append(last := running.last)
                if running.silent:
                    running.silent = False
                else:
                    out.append(event)
                effects = state.take()
                if effects:
                    collect(effects, todo)
                    out.extend(todo.local)
                    todo.local.clear()
            opened = self.phase in ("connecting", "reconnecting") and state.recovery.ready
            if opened:
                self.phase, self._opening = "open", None
                self._relinked(todo)
            unfit = state.recovery.unfit
        if self._relink.unproven:
            self._judge(events)
        for refusal in todo.errors:
            self._relink.refused(refusal, at)
        wanted = self._wanted(present, out)
        self._watches.feed(out, watching)
        self._carrier.carry_out(todo)
        self._dispatch_to(wanted, over)
        if opened:
            self._now_open()
        elif self._parting is not None:
            self._renew_if_idle()
        if todo.end is not None:
            self._end(todo.end)
        elif unfit is not None and self._link is link:
            self._lose(unfit)

    def _now_open(self) -> None:
        """The session is ready, on its first link or on another. Runs on the I/O thread."""
        self._plan()
        if self._budget is None and self._max_duration is not None and self._loop is not None:
            self._budget = self._loop.call_later(self._max_duration, weakly(self._time_is_up))

    def _time_is_up(self) -> None:
        if self.phase not in ("open", "reconnecting"):
            return  # it is being closed
        text = f"the session is {self._max_duration:g} s old; max_duration ended it"
        self._end(BudgetExceeded(text, limit="max_duration"))


def _binary(payload: bytes) -> UnknownEvent:
    return UnknownEvent(type="unparsable", raw=f"a binary frame of {len(payload)} bytes")
