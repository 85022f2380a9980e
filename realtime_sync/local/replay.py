"""The server's part of a recording: what was said is said again, once the client has done its part.

No sockets, no threads, no clock: whoever calls says what time it is.

What the client sends is taken for what it sent in the recording, if it is alike, or else of the
same type; what followed from that is said then, after as much time as it took. Of audio it counts
when it begins. Ids that the client has made are put where the recording has its own.
"""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from realtime_sync.errors import RecordingError
from realtime_sync.local.beta import Beta, Plain
from realtime_sync.local.causes import AUDIO, UPDATE, Causes
from realtime_sync.local.mind import Mind
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Script

if TYPE_CHECKING:
    from realtime_sync.recording import Entry

__all__ = ["Replay", "Replayed"]

Wire = dict[str, Any]

_NEVER = 1 << 40  # epoch seconds that no clock shows
CUT = 1006  # the code of a link that ended without a close frame
_BETA = ("response.text.", "response.audio.", "response.audio_transcript.")
#: Where a client event has what the client has made itself, and the server repeats.
_CLIENTS = ("id", "event_id", "item_id", "previous_item_id", "response_id", "call_id", "metadata")
#: The same, of what differs between two events that are alike.
_NAMES = ("id", "event_id", "item_id", "previous_item_id", "response_id", "metadata")
_SILENCE = {
    "audio/pcmu": b"\xff",
    "audio/pcma": b"\xd5",
    "g711_ulaw": b"\xff",
    "g711_alaw": b"\xd5",
}


class _Part:
    """What went over one link.

    Attributes:
        began: What is told first, of a recording that began in the middle of it.
        start: When it began, in seconds of the recording.
        sent: What the client sent, in order; of the audio the first piece.
        strands: Line of what the client sent -> what followed from it; None: what came by itself.
        causes: Read the events so far.
        over: The entry that tells of its loss, close code and reason; None: the client ended it.
    """

    def __init__(self, first: Entry) -> None:
        self.began = first.event if first.direction == "local" else None
        self.start = first.at
        self.sent: list[Entry] = []
        self.strands: dict[int | None, list[Entry]] = {None: []}
        self.causes = Causes()
        self.over: tuple[Entry, int, str] | None = None

    def add(self, entry: Entry) -> None:
        """The next entry."""
        if entry.direction == "sent":
            if self.causes.sent(entry):
                self.sent.append(entry)
        elif entry.direction == "received" and entry.type != "unparsable":
            self.strands.setdefault(self.causes.received(entry), []).append(entry)
        elif entry.type == "connection.lost" and self.over is None:
            code = entry.event.get("code")
            known = code if isinstance(code, int) and 1000 <= code < 5000 else CUT
            self.over = (entry, known, "")
            self.strands.setdefault(self.causes.lost(), []).append(entry)


class Replay:
    """A recording, as a server plays it: one link after the other.

    Args:
        path: Of the file.
        epoch: Seconds since 1970, now.
        partial: Play one that is cut, or has a gap, as far as it goes.

    Raises:
        RecordingError: It cannot be read; names the line.
        OSError: The same.
    """

    def __init__(self, path: Any, *, epoch: Callable[[], float], partial: bool = False) -> None:
        self.path = str(path)
        self._epoch = epoch
        self._parts = _parts(self.path, _entries(self.path, partial))
        self._begun = 0  # links
        self._last: Replayed | None = None  # the newest
        if not self._parts:
            raise RecordingError(
                f"{self.path}: no session begins in it, so there is nothing to play",
                path=self.path,
            )
        self.dialect = _dialect(self._parts)

    def next(self, script: Script, identity: str, speed: float | None, now: float) -> Replayed:
        """The session of the next link.

        Raises:
            Refusal: The recording has no further link.
        """
        if self._begun == len(self._parts):
            count = len(self._parts)
            raise Refusal("recording_over", f"The recording has {count} links, and no further one.")
        self._begun += 1
        part = self._parts[self._begun - 1]
        self._last = Replayed(self, part, script=script, identity=identity, speed=speed, now=now)
        return self._last

    @property
    def awaited(self) -> str | None:
        """What the client is to send next, and where that is; None: nothing. From any thread."""
        step = self._last and self._last.awaited
        return f"{step.type} (line {step.line} of {self.path})" if step else None

    def valid_until(self, session: Wire, entry: Entry | None) -> float:
        """When a session ends that is told of now, in epoch seconds."""
        told = entry.time if entry is not None else None
        return self._epoch() + (3600.0 if told is None else session["expires_at"] - told)


class Replayed(Mind):
    """One link of a recording."""

    def __init__(
        self,
        replay: Replay,
        part: _Part,
        *,
        script: Script,
        identity: str,
        speed: float | None,
        now: float,
    ) -> None:
        super().__init__(script=script, identity=identity)
        self._replay = replay
        self._part = part
        self._speed = speed
        self._expected = list(part.sent)  # what is to be heard
        self._strands = dict(part.strands)  # what follows from what has not been heard yet
        self._ids: dict[str, str] = {}  # of the recorded client -> of this one
        self._format = ""
        self._now = now  # when something was said last
        # what may be said, in the order of the recording; with the moment that its time counts from
        self._ready: list[tuple[int, float, Entry]] = []
        self._release(None, now - part.start / (speed or 1.0))

    def _release(self, line: int | None, zero: float) -> None:
        """What follows from this may be said now."""
        for entry in self._strands.pop(line, ()):
            heapq.heappush(self._ready, (entry.line, zero, entry))

    def hello(self) -> list[Wire]:
        """What a client hears first."""
        began = self._part.began
        if began is None:
            return [self._said(heapq.heappop(self._ready)[2])]
        greeting = [self._event("session.created", session=dict(began["session"]))]
        last: str | None = None
        for item in began.get("items", ()):
            for kind in ("added", "done"):
                name = f"conversation.item.{kind}"
                greeting.append(self._event(name, previous_item_id=last, item=item))
            last = item.get("id")
        for event in greeting:
            self._note(event, None)
        dialect = Beta() if self._replay.dialect == "beta" else Plain()
        return [told for event in greeting for told in dialect.outgoing(event)]

    def received(self, event: object, now: float) -> list[Wire]:
        """Takes a client event; what follows from it comes by `advance`."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(kind, str):
            return super().received(event, now)
        alike = [entry for entry in self._expected if entry.type == kind]
        if not alike:
            return [] if kind in AUDIO else self._unexpected(event)
        same = (entry for entry in alike if _nameless(entry.event) == _nameless(event))
        entry = next(same, alike[0])
        self._expected.remove(entry)
        self._learn(entry.event, event)
        item, made = event.get("item"), self._part.causes.made.get(entry.line)
        if made is not None and isinstance(item, dict) and isinstance(item.get("id"), str):
            self._ids[made] = item["id"]
        self._release(entry.line, now - entry.at / (self._speed or 1.0))
        return []

    def _unexpected(self, event: Wire) -> list[Wire]:
        if event["type"] == UPDATE and isinstance(event.get("session"), dict):
            # the configuration of a test need not be that of the recording
            self.session = {**self.session, **event["session"]}
            return [self._event("session.updated", session=self.reported_session())]
        awaited = self._replay.awaited
        after = f"; it waits for {awaited}" if awaited else ""
        text = f"The recording has no further {event['type']:.80} of the client's{after}."
        return self.refused(Refusal("not_in_recording", text), event)

    @property
    def awaited(self) -> Entry | None:
        """What the client is to send next. From any thread."""
        if self._ready:
            return None
        return next((one for one in tuple(self._expected) if one.line in self._strands), None)

    @property
    def due(self) -> float | None:
        """When the next event is to be said; None while the client is waited for."""
        if not self._ready or self.over is not None:
            return None
        _, zero, entry = self._ready[0]
        if self._speed is None:
            return self._now
        return max(self._now, zero + entry.at / self._speed)

    def advance(self, now: float) -> Iterator[list[Wire]]:
        """See `Mind.advance`."""
        while (due := self.due) is not None and due <= now:
            _, _, entry = heapq.heappop(self._ready)
            self._now = due
            if self._part.over is not None and self._part.over[0] is entry:
                self.over = self._part.over[1:]
                return
            yield [self._said(entry)]

    def _said(self, entry: Entry) -> Wire:
        """An event of the recording, as this client is to hear it."""
        from realtime_sync.recording.veil import place

        event: Wire = self._translated(entry.event)
        self._note(event, entry)
        silence = _SILENCE.get(self._format, b"\0")
        for where, size in entry.elided.items():
            place(event, where, base64.b64encode(silence * size).decode())
        return event

    def _note(self, event: Wire, entry: Entry | None) -> None:
        """Keep what is told of the session, whose end is told anew."""
        session = event.get("session")
        if not isinstance(session, dict):
            return
        ends = session.get("expires_at")
        if isinstance(ends, (int, float)) and 0 < ends < _NEVER:
            session["expires_at"] = int(self._replay.valid_until(session, entry))
        self.session = session
        audio = session.get("audio")
        output = audio.get("output") if isinstance(audio, dict) else None
        told = output.get("format") if isinstance(output, dict) else None
        fallback = session.get("output_audio_format", self._format)
        self._format = str(told.get("type") if isinstance(told, dict) else fallback)

    def _learn(self, recorded: Any, live: Any, name: str = "") -> None:
        """Remember which ids of this client stand for which of the recorded one."""
        if isinstance(recorded, dict) and isinstance(live, dict):
            for key in recorded.keys() & live.keys():
                self._learn(recorded[key], live[key], "metadata" if name == "metadata" else key)
        elif isinstance(recorded, list) and isinstance(live, list):
            for one, other in zip(recorded, live, strict=False):
                self._learn(one, other)
        elif isinstance(recorded, str) and isinstance(live, str) and name in _CLIENTS:
            self._ids[recorded] = live

    def _translated(self, value: Any) -> Any:
        """A copy with this client's ids in it."""
        if isinstance(value, dict):
            return {key: self._translated(held) for key, held in value.items()}
        if isinstance(value, list):
            return [self._translated(held) for held in value]
        return self._ids.get(value, value) if isinstance(value, str) else value


def _entries(path: str, partial: bool) -> Iterator[Entry]:
    from realtime_sync.recording import read

    try:
        for entry in read(path):
            if entry.type == "recording.gap" and not partial:
                missing = entry.event.get("events")
                text = f"{path}, line {entry.line}: {missing} events are missing here; partial=True"
                raise RecordingError(f"{text} plays it all the same", path=path, line=entry.line)
            yield entry
    except RecordingError as exc:
        if not partial or exc.line == 1:
            raise


def _is_beginning(event: Wire) -> bool:
    """Whether a client can be told of it."""
    items = event.get("items", [])
    known = isinstance(items, list) and all(isinstance(item, dict) for item in items)
    return known and isinstance(event.get("session"), dict)


def _parts(path: str, entries: Iterable[Entry]) -> list[_Part]:
    parts: list[_Part] = []
    for entry in entries:
        created = entry.direction == "received" and entry.type == "session.created"
        began = entry.direction == "local" and entry.type == "recording.began"
        if began and not _is_beginning(entry.event):
            text = f"{path}, line {entry.line}: recording.began: an object session is needed, "
            raise RecordingError(f"{text}and a list of items", path=path, line=entry.line)
        if created or began:
            parts.append(_Part(entry))
        if parts:  # else before any session: a link that failed at once
            parts[-1].add(entry)
    return parts


def _dialect(parts: list[_Part]) -> str:
    for part in parts:
        for entry in (one for strand in part.strands.values() for one in strand):
            session = entry.event.get("session")
            if entry.type.startswith(_BETA) or (
                isinstance(session, dict) and "modalities" in session
            ):
                return "beta"
    return "ga"


def _nameless(value: Any) -> Any:
    """A copy without the ids that a client makes."""
    if isinstance(value, dict):
        return {key: _nameless(held) for key, held in value.items() if key not in _NAMES}
    return [_nameless(held) for held in value] if isinstance(value, list) else value
