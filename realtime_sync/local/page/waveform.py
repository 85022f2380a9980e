"""What is heard of a session, and where on its time: both directions' sound, and what happened.

Fed with every event; no clock, no thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pybase64

from realtime_sync.audio import Decoder, alaw_decode, ulaw_decode
from realtime_sync.local.page.excerpt import SOUNDS, inside
from realtime_sync.local.page.lane import Lane, Piece

__all__ = ["Span", "Waveform"]

Wire = dict[str, Any]

_SPANS = 500
_TIME_MOST = 1e9  # ms
_ITEMS = 100  # whose place is known
#: What the beta calls the formats.
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
#: A picture needs no other rate than there is.
_G711 = {"audio/pcmu": ulaw_decode, "audio/pcma": alaw_decode}
_PER_MS = {"audio/pcm": 24, "audio/pcmu": 8, "audio/pcma": 8}  # samples


@dataclass(slots=True)
class Span:
    """Something that begins and ends.

    Attributes:
        number: Its own, in the order in which they began.
        kind: "speech" of the user, "response", or "truncated": what was said and not heard.
        at: When it began, in ms of the session.
        until: When it ended; None: it goes on.
        note: A response's status.
        key: Of the item or response.
        revision: What the last change is known by.
    """

    number: int
    kind: str
    at: float
    until: float | None
    note: str
    key: str
    revision: int

    def wire(self) -> Wire:
        """As JSON has it; `n` is its number."""
        until = None if self.until is None else round(self.until, 1)
        return {
            "n": self.number,
            "kind": self.kind,
            "at": round(self.at, 1),
            "until": until,
            "note": self.note,
        }


class Waveform:
    """What one session sounds like.

    Written by the thread of its connection, under the lock of the ledger but for `piece`.
    """

    def __init__(self) -> None:
        self.input, self.output = Lane(), Lane()
        self.spans: deque[Span] = deque(maxlen=_SPANS)
        self._numbers = 0
        self._lanes = {"input": self.input, "output": self.output}
        self._formats = dict.fromkeys(self._lanes, "audio/pcm")
        self._halves = {way: Decoder() for way in self._lanes}  # PCM16 that ends inside a sample
        self._items: dict[str, float] = {}  # where the audio of each of the last ones begins

    def piece(self, way: str, event: Wire, at: float) -> Piece | None:
        """The sound of an event that goes "input" or "output"; None: it has none.

        Runs on the thread of the connection, without the lock: it looks at every sample.

        Args:
            way: "input" of a client event, "output" of a server event.
            event: It.
            at: When it came, in ms of the session.
        """
        kind = event["type"]
        sounds: list[object] = []
        if kind in SOUNDS and kind.endswith(".delta") == (way == "output"):
            sounds = [event.get(SOUNDS[kind])]
        elif kind == "conversation.item.create" and way == "input":
            content = inside(event, "item", "content")
            parts = content if isinstance(content, list) else []
            sounds = [one.get("audio") for one in parts if inside(one, "type") == "input_audio"]
        pcm = b"".join(self._pcm(way, one) for one in sounds)
        return self._lanes[way].piece(pcm, at, _PER_MS[self._formats[way]]) if pcm else None

    def heard(self, event: Wire, revision: int, piece: Piece | None) -> None:
        """A client event and its `piece`."""
        if piece is not None:
            counted = event["type"] != "conversation.item.create"
            self.input.place(piece, revision, counted=counted)

    def told(self, event: Wire, at: float, revision: int, piece: Piece | None) -> None:
        """A server event, at so many ms of the session; its `piece`."""
        if piece is not None:
            self._speak(event, piece, revision)
        taken = self._TAKEN.get(event["type"])
        if taken is not None:
            taken(self, event, at, revision)

    def since(self, revision: int) -> Wire:
        """What has changed since then, as JSON has it; hold the lock.

        `sounded` is how much sound there was each way, in ms; `input` and `output` are as of
        `Lane.since`, `spans` as of `Span.wire`.
        """
        return {
            "sounded": [round(self.input.sounded, 1), round(self.output.sounded, 1)],
            "input": self.input.since(revision),
            "output": self.output.since(revision),
            "spans": [span.wire() for span in self.spans if span.revision > revision],
        }

    def _pcm(self, way: str, text: object) -> bytes:
        """What a field of base64 sounds like; nothing where it is none: the brain says so."""
        if not isinstance(text, str):
            return b""
        try:
            data = pybase64.b64decode(text)
        except ValueError:
            return b""
        law = _G711.get(self._formats[way])
        return self._halves[way].feed(data) if law is None else law(data)

    def _session(self, event: Wire, _at: float, _revision: int) -> None:
        session = event.get("session")
        for way in self._lanes:
            name = inside(session, "audio", way, "format", "type")
            self._format(way, name or inside(session, f"{way}_audio_format"))

    def _format(self, way: str, name: object) -> None:
        known = _FORMATS.get(name, name) if isinstance(name, str) else None
        if known in _PER_MS and known != self._formats[way]:
            self._formats[way] = str(known)
            self._halves[way] = Decoder()

    def _speak(self, event: Wire, piece: Piece, revision: int) -> None:
        start = piece.start
        self.output.place(piece, revision)
        item = str(event.get("item_id"))
        if item not in self._items:
            self._items[item] = start
            if len(self._items) > _ITEMS:
                del self._items[next(iter(self._items))]
        for span in self.spans:
            # what stands in the place of what was not heard, is
            if span.kind == "truncated" and span.until is not None and span.until > start:
                self._end(span, max(span.at, start), revision)

    def _begin(self, kind: str, at: float, revision: int, key: object = None) -> Span:
        self._numbers += 1
        span = Span(self._numbers, kind, at, None, "", str(key), revision)
        self.spans.append(span)
        return span

    def _end(self, span: Span, at: float, revision: int, note: str = "") -> None:
        span.until, span.note, span.revision = max(span.at, at), note, revision

    def _running(self, kind: str, key: object = None) -> Span | None:
        """The last that has not ended."""
        for span in reversed(self.spans):
            if span.kind == kind and span.until is None and key in (None, span.key):
                return span
        return None

    def _speech_started(self, event: Wire, at: float, revision: int) -> None:
        self._begin("speech", self._whereabouts(event.get("audio_start_ms"), at), revision)

    def _speech_stopped(self, event: Wire, at: float, revision: int) -> None:
        span = self._running("speech")
        if span is not None:
            self._end(span, self._whereabouts(event.get("audio_end_ms"), at), revision)

    def _whereabouts(self, ms: Any, at: float) -> float:
        return self.input.whereabouts(ms) if _is_time(ms) else at

    def _created(self, event: Wire, at: float, revision: int) -> None:
        response = event.get("response")
        self._begin("response", at, revision, inside(response, "id"))
        self._format("output", inside(response, "audio", "output", "format", "type"))

    def _done(self, event: Wire, at: float, revision: int) -> None:
        span = self._running("response", str(inside(event, "response", "id")))
        if span is not None:
            self._end(span, at, revision, str(inside(event, "response", "status"))[:40])

    def _truncated(self, event: Wire, _at: float, revision: int) -> None:
        start = self._items.get(str(event.get("item_id")))
        heard: Any = event.get("audio_end_ms")
        if start is None or not _is_time(heard):
            return
        span = self._begin("truncated", start + heard, revision, event.get("item_id"))
        self._end(span, self.output.ends, revision)
        self.output.silence(span.at)

    def _cleared(self, _event: Wire, at: float, _revision: int) -> None:
        self.output.silence(at)

    _TAKEN: ClassVar[Mapping[str, Callable[..., None]]] = {
        "session.created": _session,
        "session.updated": _session,
        "input_audio_buffer.speech_started": _speech_started,
        "input_audio_buffer.speech_stopped": _speech_stopped,
        "response.created": _created,
        "response.done": _done,
        "conversation.item.truncated": _truncated,
        "output_audio_buffer.cleared": _cleared,
    }


def _is_time(ms: object) -> bool:
    """Whether it is milliseconds; a recording that is played may say anything."""
    return isinstance(ms, (int, float)) and 0 <= ms < _TIME_MOST
