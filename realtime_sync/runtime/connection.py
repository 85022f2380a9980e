"""One session's link, queues and lock: where the brain meets the threads.

Callers change the core under the one lock, by `do`; the I/O thread feeds it what came, by
`on_readable`. Effects come back from both: sends are queued under the lock (wire order is lock
order), everything else is carried out after it is released.

It is one thing in parts, each a file, each built upon those before it: `telling`, `guarded`,
`sending`, `ending`, `relinking`, `receiving`, `opening`; what callers do comes last, here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ..core.state import SessionState
from ..core.stats import SessionStats, spreads
from ..errors import RealtimeTimeout, SessionClosed
from .carrier import Convert, Todo
from .clock import Deadline, Signal, monotonic
from .futures import Reply
from .guarded import SOON
from .link import Link
from .opening import Opening
from .taps import BEGAN, Recorder

__all__ = ["Connection", "Link"]

T = TypeVar("T")


class Connection(Opening):
    """Runs one session."""

    def do(
        self,
        act: Callable[[SessionState], Any],
        *,
        key: str | None = None,
        what: str = "",
        convert: Convert | None = None,
    ) -> Reply[Any] | None:
        """Change the core; the reply that is settled under `key`, if one is named.

        Args:
            act: Given the state, under the lock. What it raises is raised here.
            key: Under which the core will settle it.
            what: Names the call in a timeout's message.
            convert: Makes the caller's value of the core's, or raises; outside the lock.

        Raises:
            SessionClosed: There is no session to do it with.
        """
        self._check_alone()
        todo, reply = Todo(), None
        try:
            with self._lock:
                self.check_open()
                if key is not None:  # before anything is queued: the answer must never be faster
                    reply = self._carrier.expect(key, what, convert)
                self._state.running.now = monotonic()
                act(self._state)
                self._collect(todo)
            self._carry_out(todo)
        # BaseException: Ctrl-C in the middle of it must not leave half a wish in the core, for
        # which everybody behind it would wait
        except BaseException:
            if reply is not None and key is not None:
                self._withdraw_wish(key)
            self._carry_out(todo)
            raise
        return reply

    def _withdraw_wish(self, key: str) -> None:
        todo = Todo()
        with self._lock:
            self._carrier.forget(key)
            self._state.give_up(key)
            self._collect(todo)
        self._carry_out(todo)

    def look(self, read: Callable[[SessionState], T]) -> T:
        """What `read` finds in the core, under the lock. Also after the end."""
        with self._lock:
            return read(self._state)

    def stats(self) -> SessionStats:
        """The session's figures. Also after the end."""
        with self._lock:
            tally, usage = self._state.running.tally, self._state.running.usage
            timed, link = tally.timed(), self._link
            known = SessionStats(
                state=self.phase,
                responses=tally.statuses,
                timings={},
                usage=usage,
                events_received=self._received,
                events_sent=self._sent,
                unknown_events=tally.unknown,
                dropped_deltas=self.dispatcher.dropped,
                queued_bytes=self._outbox.waiting + (link.buffered if link is not None else 0),
                reconnects=self.reconnects,
            )
        return replace(known, timings=spreads(timed))  # sorting is no work for under the lock

    def wait(self, begin: Callable[[], Reply[Any]], key: str, deadline: Deadline) -> Any:
        """Wait for a reply; who stops waiting withdraws what only he wanted.

        Args:
            begin: Asks for it, by `do`. Called here, since Ctrl-C may come just between the two.
            key: Under which it is settled.
            deadline: For how long to wait.
        """
        reply = None
        try:
            reply = begin()
            return reply.result_by(deadline)
        except RealtimeTimeout:
            if self.give_up(key) or reply is None:
                raise
            # settled just now: it would be lost, and whatever it is would go on unowned
            return reply.result_by(Deadline(SOON))
        # BaseException: Ctrl-C, or whatever else a signal handler raises to end the wait
        except BaseException:
            self.give_up(key)
            raise

    def give_up(self, key: str) -> bool:
        """Nobody waits for this reply any more; False if it has been settled."""
        todo = Todo()
        with self._lock:
            waited = self._carrier.forget(key)
            if waited:
                self._state.give_up(key)
                self._collect(todo)
        self._carry_out(todo)
        return waited

    def follow(self, waiters: list[Callable[[], None]], ready: Callable[[], bool]) -> Signal | None:
        """A signal for when there is more to read of a live record; None: there is already."""
        with self._lock:
            if ready():
                return None
            if self.phase == "closed":  # in a forked child: nobody will bring more
                self.check_open()
            signal = Signal()
            waiters.append(signal.set)
            return signal

    def record(self, recorder: Recorder) -> None:
        """Give it the session as it is, and every frame from then on.

        Raises:
            SessionClosed: Nothing more will be said.
        """
        if self.phase in ("closing", "closed"):
            raise SessionClosed("a closed session says nothing that could be recorded")
        loop, began = self._loop, Signal()

        def begin() -> None:
            with self._lock:
                session, items = self._state.session, self._state.conversation.items()
                linked = self._link is not None  # else the next session hears it all
            if linked and session.id is not None:
                known = [{"type": item.type, **item.wire()} for item in items]
                recorder.note({"type": BEGAN, "session": session.wire(), "items": known})
            self._taps.record(recorder)
            if self.phase == "closed":  # meanwhile: nobody else would tell it
                recorder.end()
            began.set()

        if loop is None or loop.in_loop():
            begin()
        else:  # between two rounds of the I/O thread, so that nothing is missed, or there twice
            loop.call(begin)
            began.wait(Deadline(SOON))
