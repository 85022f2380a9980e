"""One response under way: its events, in the order and at the pace of the service.

No clock: a step says how long after the response's beginning it is due. No sockets, no threads.
"""

from __future__ import annotations

import base64
import heapq
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from realtime_sync.local.answers import Call, Fail, Part, Say, Sound
from realtime_sync.local.conversation import Entry, bytes_per_ms
from realtime_sync.local.plan import Plan, Voice
from realtime_sync.local.usage import ASSISTANT_MS, input_tokens, usage, words_of

__all__ = ["Running", "Step"]

Wire = dict[str, Any]
Step = tuple[float, Callable[[], list[Wire]] | None]
"""Seconds after the beginning, and what then makes the events: not before, for it changes state.

None in its place: what comes next is not known yet, and is asked for at the next occasion.
"""

_Streaming = Generator[Step, None, float]  # returns when it was over

THINKING = 0.15  # seconds from response.created to the first item, at speed 1
WORD_GAP = 1 / 80  # the service sends 60 to 100 text deltas a second
AUDIO_LEAD = 0.05  # the transcript starts ahead of the audio
AUDIO_DELTA_MS = 200  # the size of one audio delta
# The service sends audio several times faster than it is played, so that playback lags reception
# and an interruption has something to cut; 4 keeps a reply of ten seconds interruptible for 2.5.
AUDIO_RATE = 4.0


@dataclass(slots=True)
class _Open:
    """The output item that is being streamed."""

    entry: Entry
    index: int
    kind: str  # "text", "audio" or "call"
    previous: str | None
    text: str = ""


class Running:
    """A response from `response.created` to `response.done`."""

    def __init__(
        self,
        plan: Plan,
        parts: Iterable[Part],
        *,
        event: Callable[..., Wire],
        new_id: Callable[[str], str],
        voice: Voice,
    ) -> None:
        self.plan = plan
        self.done = False
        self._event = event
        self._new_id = new_id
        self._voice = voice
        self._output: list[Entry] = []
        self._open: _Open | None = None  # None between two items
        self._left = plan.max_tokens  # tokens that may still be sent, None for any number
        self._cut = False  # True once an answer was longer than that
        self._deltas = 0
        self._words = 0
        self._input = input_tokens(plan.context, plan.instructions)
        # tokens taken and made as somebody else has counted them, None where nobody has
        self._counted: tuple[int | None, int | None] = (None, None)
        self.steps = self._run(list(parts))

    def __repr__(self) -> str:
        return f"<Running {self.plan.id}, {len(self._output)} items>"

    @property
    def standing(self) -> bool:
        """True once it has sent as many deltas as it is to be held after."""
        return self.plan.hold is not None and self._deltas >= self.plan.hold

    @property
    def spoken(self) -> bool:
        """True once it has sent audio."""
        return any(entry.part is not None for entry in self._output)

    @property
    def tokens(self) -> int:
        """Tokens taken in and given out so far."""
        return sum(self._input.values()) + self._words

    @property
    def audio_ms(self) -> int:
        """Length of the audio that it has sent."""
        return sum(entry.audio_ms for entry in self._output)

    def created(self) -> Wire:
        return self._event("response.created", response=self._reported("in_progress", None, None))

    def interrupt(self, reason: str) -> list[Wire]:
        """Closes what is open, and the response: the answer to a cancel."""
        self.steps.close()
        details = {"type": "cancelled", "reason": reason}
        closing = self._close("incomplete") if self._open else []
        return [*closing, *self._finish("cancelled", details)]

    def _run(self, parts: list[Part]) -> Generator[Step, None, None]:
        at = THINKING
        for part in parts:
            if isinstance(part, Fail):
                yield at, partial(self._fail, part)
                return
            at = yield from self._STREAMS[type(part)](self, part, at)
            if self.done:
                return
            if self._cut:
                yield at, partial(self._run_out, "max_output_tokens")
                return
            yield at, partial(self._close, "completed")
        yield at, partial(self._finish, "completed", None)

    def _say(self, part: Say, at: float) -> _Streaming:
        words = self._within_budget(words_of(part.text))
        if self.plan.modality == "text":
            return (yield from self._text(words, at))
        yield at, partial(self._begin_message, "audio")
        return (yield from self._spoken(words, at))

    def _sound(self, part: Sound, at: float) -> _Streaming:
        words = words_of(part.transcript)
        if self.plan.modality == "text":
            return (yield from self._text(self._within_budget(words), at))
        target = self.plan.format["type"]
        audio = self._voice.convert(part.audio, part.format, target)
        if self._left is not None:
            most = self._left * ASSISTANT_MS * bytes_per_ms(target)
            self._cut = len(audio) > most
            audio = audio[:most]
            self._left -= -(-len(audio) // (ASSISTANT_MS * bytes_per_ms(target)))
        yield at, partial(self._begin_message, "audio")
        return (yield from self._audio(words, iter((audio,)), at))

    def _text(self, words: list[str], at: float) -> _Streaming:
        yield at, partial(self._begin_message, "text")
        for word in words:
            at += WORD_GAP
            yield at, partial(self._delta, "response.output_text.delta", word)
        return at

    def _spoken(self, words: list[str], at: float) -> _Streaming:
        """Words in the server's voice."""
        target = self.plan.format["type"]
        spoken = self._voice.speak("".join(words)) if words else iter(())
        sounds = (self._voice.convert(pcm, "audio/pcm", target) for pcm in spoken)
        return (yield from self._audio(words, sounds, at))

    def _audio(self, words: list[str], sounds: Iterator[bytes], at: float) -> _Streaming:
        began = at
        spoken = ((began + (n + 1) * WORD_GAP, 0, word) for n, word in enumerate(words))
        gap = AUDIO_DELTA_MS / 1000 / AUDIO_RATE
        chunks = _chunks(sounds, AUDIO_DELTA_MS * bytes_per_ms(self.plan.format["type"]))
        heard = ((began + AUDIO_LEAD + n * gap, 1, chunk) for n, chunk in enumerate(chunks))
        # lazily: the second sentence is spoken while the first one is being sent
        merged: Iterator[tuple[float, int, Any]] = heapq.merge(
            spoken, heard, key=lambda one: one[:2]
        )
        for due, _, delta in merged:
            at = due
            if isinstance(delta, str):
                yield at, partial(self._delta, "response.output_audio_transcript.delta", delta)
            else:
                yield at, partial(self._audio_delta, delta)
        return at

    def _call(self, part: Call, at: float) -> _Streaming:
        pieces = self._within_budget(re.findall(r"\w+|\W+", part.arguments))
        item = {
            "id": self._new_id("item"),
            "type": "function_call",
            "status": "in_progress",
            "name": part.name,
            "call_id": self._new_id("call"),
            "arguments": "",
        }
        yield at, partial(self._begin, item, "call")
        for piece in pieces:
            at += WORD_GAP
            yield at, partial(self._delta, "response.function_call_arguments.delta", piece)
        return at

    def _within_budget(self, pieces: list[str]) -> list[str]:
        if self._left is None:
            return pieces
        taken = pieces[: self._left]
        self._left -= len(taken)
        self._cut = len(taken) < len(pieces)
        return taken

    def _begin_message(self, kind: str) -> list[Wire]:
        item = {
            "id": self._new_id("item"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        events = self._begin(item, kind)
        part = self._event("response.content_part.added", **self._place(), part=self._part(kind))
        self._entry.item["content"] = self._content()
        return [*events, part]

    def _begin(self, item: Wire, kind: str) -> list[Wire]:
        entry = Entry(item, format=self.plan.format["type"])
        conversation = self.plan.conversation
        previous = conversation.add(entry) if conversation is not None else None
        self._open = _Open(entry, len(self._output), kind, previous)
        self._output.append(entry)
        events = [
            self._event(
                "response.output_item.added",
                response_id=self.plan.id,
                output_index=self._open.index,
                item=entry.reported(),
            )
        ]
        return events + self._item_event("conversation.item.added")

    def _delta(self, kind: str, delta: str) -> list[Wire]:
        assert self._open is not None
        self._open.text += delta
        self._deltas += 1
        self._words += 1
        place = self._call_place() if self._open.kind == "call" else self._place()
        return [self._event(kind, **place, delta=delta)]

    def _audio_delta(self, chunk: bytes) -> list[Wire]:
        entry = self._entry
        entry.part = 0  # there is something to truncate from the first delta on
        entry.audio.add(chunk)
        self._deltas += 1
        delta = base64.b64encode(chunk).decode("ascii")
        return [self._event("response.output_audio.delta", **self._place(), delta=delta)]

    def _close(self, status: str) -> list[Wire]:
        """The `.done` events of the open item, finished or cut off."""
        assert self._open is not None
        entry = self._entry
        entry.item["status"] = status
        events = self._CLOSINGS[self._open.kind](self)
        events += self._item_event("conversation.item.done")
        events.append(
            self._event(
                "response.output_item.done",
                response_id=self.plan.id,
                output_index=self._open.index,
                item=entry.reported(),
            )
        )
        self._open = None
        return events

    def _close_text(self) -> list[Wire]:
        assert self._open is not None
        text, place = self._open.text, self._place()
        self._entry.item["content"] = self._content()
        return [
            self._event("response.output_text.done", **place, text=text),
            self._event("response.content_part.done", **place, part=self._part("text")),
        ]

    def _close_audio(self) -> list[Wire]:
        assert self._open is not None
        text, place = self._open.text, self._place()
        self._entry.item["content"] = self._content()
        return [
            self._event("response.output_audio.done", **place),
            self._event("response.output_audio_transcript.done", **place, transcript=text),
            self._event("response.content_part.done", **place, part=self._part("audio")),
        ]

    def _close_call(self) -> list[Wire]:
        assert self._open is not None
        item, arguments = self._entry.item, self._open.text
        item["arguments"] = arguments
        return [
            self._event(
                "response.function_call_arguments.done",
                **self._call_place(),
                name=item["name"],
                arguments=arguments,
            )
        ]

    def _run_out(self, reason: str) -> list[Wire]:
        details = {"type": "incomplete", "reason": reason}
        return [*self._close("incomplete"), *self._finish("incomplete", details)]

    def _fail(self, part: Fail) -> list[Wire]:
        error = {"type": part.type, "code": part.code, "message": part.message}
        return self._finish("failed", {"type": "failed", "error": error})

    def _finish(self, status: str, details: Wire | None) -> list[Wire]:
        self.done = True
        taken, made = self._counted
        given = self._input if taken is None else {"text": taken, "audio": 0, "image": 0}
        figures = usage(given, self._words if made is None else made, self.audio_ms)
        response = self._reported(status, details, figures)
        return [self._event("response.done", response=response)]

    def _reported(self, status: str, details: Wire | None, figures: Wire | None) -> Wire:
        plan = self.plan
        return {
            "object": "realtime.response",
            "id": plan.id,
            "status": status,
            "status_details": details,
            "output": [entry.reported() for entry in self._output],
            "conversation_id": plan.conversation.id if plan.conversation is not None else None,
            "output_modalities": [plan.modality],
            "max_output_tokens": "inf" if plan.max_tokens is None else plan.max_tokens,
            "audio": {"output": {"format": dict(plan.format), "voice": plan.voice}},
            "usage": figures,
            "metadata": plan.metadata,
        }

    def _item_event(self, kind: str) -> list[Wire]:
        if self.plan.conversation is None or self._open is None:
            return []
        item = self._open.entry.reported()
        return [self._event(kind, previous_item_id=self._open.previous, item=item)]

    @property
    def _entry(self) -> Entry:
        assert self._open is not None
        return self._open.entry

    def _part(self, kind: str) -> Wire:
        assert self._open is not None
        return {"type": kind, "text" if kind == "text" else "transcript": self._open.text}

    def _content(self) -> list[Wire]:
        assert self._open is not None
        part = self._part(self._open.kind)
        return [{**part, "type": f"output_{self._open.kind}"}]

    def _place(self) -> Wire:
        assert self._open is not None
        return {
            "response_id": self.plan.id,
            "item_id": self._open.entry.id,
            "output_index": self._open.index,
            "content_index": 0,
        }

    def _call_place(self) -> Wire:
        place = {**self._place(), "call_id": self._entry.item["call_id"]}
        del place["content_index"]
        return place

    _STREAMS: ClassVar[dict[type, Callable[..., _Streaming]]] = {
        Say: _say,
        Sound: _sound,
        Call: _call,
    }
    _CLOSINGS: ClassVar[dict[str, Callable[..., list[Wire]]]] = {
        "text": _close_text,
        "audio": _close_audio,
        "call": _close_call,
    }


def _chunks(sounds: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in chunks of one size, the last one shorter."""
    rest = bytearray()
    for sound in sounds:
        rest += sound
        whole = len(rest) - len(rest) % size
        for start in range(0, whole, size):
            yield bytes(rest[start : start + size])
        del rest[:whole]
    if rest:
        yield bytes(rest)
