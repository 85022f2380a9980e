"""What the page shows of one session. No thread, no socket; the lock is the ledger's."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Any

from realtime_sync.local.page.excerpt import inside, named
from realtime_sync.local.page.lane import Piece
from realtime_sync.local.page.spelling import Spelling
from realtime_sync.local.page.timings import Timings
from realtime_sync.local.page.waveform import Waveform

if TYPE_CHECKING:
    from realtime_sync.local.page.ledger import Ledger

__all__ = ["EVENTS_KEPT", "Sheet"]

Wire = dict[str, Any]

#: Of a session; the oldest go first.
EVENTS_KEPT = 2000
_SIZE_KEPT = 1 << 20  # characters of them


class Sheet:
    """One session, from its handshake on.

    Args:
        ledger: Which it is in.
        number: Its own, from 1 on.
        kind: "realtime", "transcription", "translation", or "sideband".
        model: As the client asked for it.
        dialect: "ga" or "beta".
        call_id: Of the call that a sideband has joined; else empty.
    """

    def __init__(
        self, ledger: Ledger, number: int, *, kind: str, model: str, dialect: str, call_id: str
    ) -> None:
        self.number = number
        self.size = 0  # characters of the events kept
        self.open = True
        self.revision = 0  # what the last change is known by
        self.waveform = Waveform()
        self.timings = Timings()
        self._ledger = ledger
        self._kind, self._model, self._dialect = kind, named(model), dialect
        self._label = named(call_id)
        self._began, self._date = ledger.clock(), ledger.epoch()
        self._ended: float | None = None  # ms from the beginning on
        self._counts = {"client": 0, "server": 0}
        self._last = 0.0  # when the last event was, in ms
        self._response = ""  # status of the last one; empty: there was none
        self._speaking = False
        self._events: deque[str] = deque()  # as JSON, the last of them numbered `_total`
        self._spelling = Spelling()  # holds those that are not to be seen yet
        self._total = 0

    @property
    def now(self) -> float:
        """Milliseconds from its beginning on."""
        return (self._ledger.clock() - self._began) * 1000

    def heard(self, event: object) -> None:
        """A client event, or what was none.

        Runs on the thread of its connection, as do `told` and `leave`; none of them may hold the
        lock, which they take.
        """
        self._take("client", event)

    def told(self, event: Wire) -> None:
        """A server event."""
        self._take("server", event)

    def leave(self) -> None:
        """The connection is no more."""
        left = self._spelling.end()
        with self._ledger.lock:
            for event in left:
                self._keep(event)
            self.open = self._speaking = False
            self._ended = self.now
            self.revision = self._ledger.changed()
            self._ledger.closed(self)

    def _take(self, who: str, event: Any) -> None:
        kind = inside(event, "type")
        kind = kind if isinstance(kind, str) else ""
        known = isinstance(event, dict) and kind != ""
        # before the lock: others wait for it
        at = self.now
        way = "input" if who == "client" else "output"
        piece = self.waveform.piece(way, event, at) if known else None
        shown = self._spelling.add(who, event, f"{at:.1f},{at - self._last:.1f}")
        with self._ledger.lock:
            revision = self._ledger.changed()
            for one in shown:
                self._keep(one)
            self._last, self.revision = at, revision
            self._counts[who] += 1
            if known:
                self._note(who, event, at, revision, piece)

    def _note(self, who: str, event: Wire, at: float, revision: int, piece: Piece | None) -> None:
        if who == "client":
            self.waveform.heard(event, revision, piece)
            self.timings.heard(event, at, revision)
        else:
            self.waveform.told(event, at, revision, piece)
            self.timings.told(event, at, revision)
            self._look_at(event["type"], event)

    def _keep(self, event: str) -> None:
        self._total += 1
        event = f"[{self._total},{event}]"
        self._events.append(event)
        self._grow(len(event))
        while len(self._events) > EVENTS_KEPT or self.size > _SIZE_KEPT:
            self._grow(-len(self._events.popleft()))

    def _grow(self, size: int) -> None:
        self.size += size
        self._ledger.grow(size)

    def forget(self) -> None:
        """Gives up the older half of its events; hold the lock. Runs on any connection's thread."""
        for _ in range(-(-len(self._events) // 2)):
            self._grow(-len(self._events.popleft()))

    def _look_at(self, kind: str, event: Wire) -> None:
        if kind in ("session.created", "session.updated", "transcription_session.updated"):
            session = event.get("session")
            self._label = named(inside(session, "id")) or self._label
            self._model = named(inside(session, "model")) or self._model
        elif kind == "response.created":
            self._response = "in_progress"
        elif kind == "response.done":
            self._response = named(inside(event, "response", "status"))
        elif kind.startswith("input_audio_buffer.speech_"):
            self._speaking = kind.endswith("started")

    def summary(self) -> Wire:
        """What the list of sessions shows, as JSON has it; hold the lock.

        `date` is when it began, in ms since 1970; `lasted` ms, null while it is open; `client` and
        `server` count the events of each; `response` is the status of the last one.
        """
        return {
            "n": self.number,
            "label": self._label,
            "kind": self._kind,
            "model": self._model,
            "dialect": self._dialect,
            "open": self.open,
            "date": round(self._date * 1000),
            "lasted": None if self._ended is None else round(self._ended, 1),
            "client": self._counts["client"],
            "server": self._counts["server"],
            "response": self._response,
            "speaking": self._speaking,
        }

    def events(self, after: int, most: int) -> tuple[list[str], int]:
        """The events behind that number that are kept, as JSON, and the number of the last.

        Args:
            after: 0 for all.
            most: Characters of them; one is given whatever its length. Hold the lock.
        """
        first = self._total - len(self._events) + 1
        found: list[str] = []
        number = max(after, first - 1)
        for event in itertools.islice(self._events, number - first + 1, None):
            most -= len(event)
            if found and most < 0:
                break
            found.append(event)
        return found, number + len(found)

    @property
    def total(self) -> int:
        """How many events there were, those that were given up included."""
        return self._total
