"""The transcript of what the user said: scripted, else an honest "[speech, 1.2 s]".

There is no speech recognition here, and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime_sync.local.answers import Fail
from realtime_sync.local.conversation import Entry
from realtime_sync.local.heard import Heard
from realtime_sync.local.responses import Running, Step
from realtime_sync.local.schedule import Schedule
from realtime_sync.local.usage import USER_MS, words_of

__all__ = ["Transcripts", "speech_of"]

Wire = dict[str, Any]

_KIND = "conversation.item.input_audio_transcription"
_LISTENING = 0.2  # seconds from the commit to the first words
_WORD_GAP = 1 / 80


def speech_of(milliseconds: int) -> str:
    """What stands for words that nobody has recognised."""
    return f"[speech, {milliseconds / 1000:.1f} s]"


@dataclass(slots=True)
class _Waiting:
    """A transcript that others are to overtake.

    Attributes:
        left: How many are still to be complete before it.
        steps: Its events.
    """

    left: int
    steps: Iterator[Step]


class Transcripts:
    """The transcripts under way in one session.

    Args:
        schedule: Where their events go.
        event: Makes an event.
        new_id: Makes an id.
    """

    def __init__(
        self, schedule: Schedule[Running], event: Callable[..., Wire], new_id: Callable[[str], str]
    ) -> None:
        self._schedule = schedule
        self._event = event
        self._new_id = new_id
        self._waiting: list[_Waiting] = []

    def begin(
        self, entry: Entry, model: str, words: Heard | Fail | None, now: float, *, logprobs: bool
    ) -> None:
        """Starts the transcript of an item; `logprobs`: the session wants them."""
        if words is None:
            honest = speech_of(entry.audio_ms)
            words = Heard(honest, tuple(words_of(honest)))
        if isinstance(words, Fail):
            self._schedule.add(now, self.failed(entry, words))
            return
        steps = self.words(entry, model, words, logprobs=logprobs)
        if words.after:
            self._waiting.append(_Waiting(words.after, steps))
        else:
            self._schedule.add(now, steps)

    def advance(self, now: float) -> None:
        """Starts those that enough others have overtaken."""
        ready = [one for one in self._waiting if one.left <= 0]
        self._waiting = [one for one in self._waiting if one.left > 0]
        for one in ready:
            self._schedule.add(now, one.steps)

    def failed(self, entry: Entry, fail: Fail) -> Iterator[Step]:
        """The event of one that nobody has understood."""
        error = {"type": fail.type, "code": fail.code, "message": fail.message, "param": None}
        yield _LISTENING, partial(self._told, "failed", entry, {"error": error})

    def words(
        self, entry: Entry, model: str, words: Heard, *, logprobs: bool = False
    ) -> Iterator[Step]:
        """The events of one; when they have come, the item has it."""
        at, milliseconds = _LISTENING, entry.audio_ms
        for index, delta in enumerate(words.deltas):
            fields: Wire = {"delta": delta}
            if logprobs and words.logprobs:
                fields["logprobs"] = [words.logprobs[index]]
            yield at, partial(self._one, "delta", entry, fields)
            at += _WORD_GAP
        for segment in words.segments:
            fields = {"id": self._new_id("seg"), **segment}
            yield at, partial(self._one, "segment", entry, fields)
        entry.item["content"][entry.part]["transcript"] = words.transcript
        told: Wire = {
            "transcript": words.transcript,
            "usage": _usage(model, words.transcript, milliseconds),
        }
        if logprobs and words.logprobs:
            told["logprobs"] = list(words.logprobs)
        if words.languages:
            told["languages"] = [{"code": code} for code in words.languages]
        yield at, partial(self._told, "completed", entry, told)

    def _one(self, kind: str, entry: Entry, fields: Wire) -> list[Wire]:
        place = {"item_id": entry.id, "content_index": entry.part}
        return [self._event(f"{_KIND}.{kind}", **place, **fields)]

    def _told(self, kind: str, entry: Entry, fields: Wire) -> list[Wire]:
        for waiting in self._waiting:
            waiting.left -= 1
        return self._one(kind, entry, fields)


def _usage(model: str, transcript: str, milliseconds: int) -> Wire:
    if "whisper" in model:  # billed by time
        return {"type": "duration", "seconds": round(milliseconds / 1000, 1)}
    heard, said = -(-milliseconds // USER_MS), len(words_of(transcript))
    return {
        "type": "tokens",
        "total_tokens": heard + said,
        "input_tokens": heard,
        "output_tokens": said,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
    }
