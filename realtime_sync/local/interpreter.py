"""A translation session: one continuous stream, which gives the input back.

There is no model that could translate, and none that could hear: the words are scripted, else an
honest "[speech, 1.0 s]". No sockets, no threads, no clock: output is driven by input.
"""

from __future__ import annotations

import base64
import copy
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from realtime_sync.local import settings
from realtime_sync.local.answers import Fail
from realtime_sync.local.mind import Mind
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Script
from realtime_sync.local.transcripts import speech_of
from realtime_sync.local.usage import words_of
from realtime_sync.local.vocabulary import TRANSLATION_SHAPES

__all__ = ["Interpreter"]

Wire = dict[str, Any]

_BYTES_PER_MS = 48  # PCM16 at 24 kHz
_FRAME = 200 * _BYTES_PER_MS
_LAG = 2 * _FRAME  # kept back until more comes or the client closes, as a translation trails
_UNHEARD_MS = 1000  # of sound, after which an honest text is due


class Interpreter(Mind):
    """What the server knows about one translation session.

    Args:
        model: The model that the client asked for; any name.
        script: Has the transcripts.
        identity: As in `Mind`.
        expires_at: Epoch seconds, reported only.
        ends: As in `Mind`.
        preset: A session update that holds from the beginning, checked already.
    """

    SHAPES = TRANSLATION_SHAPES

    def __init__(
        self,
        model: str,
        *,
        script: Script,
        identity: str,
        expires_at: int,
        ends: float = math.inf,
        preset: Wire | None = None,
    ) -> None:
        super().__init__(script=script, identity=identity, ends=ends)
        self.session = {
            "id": self._new_id("sess"),
            "type": "translation",
            "model": model,
            "expires_at": expires_at,
            "audio": {
                "input": {"transcription": None, "noise_reduction": None},
                "output": {"language": "en"},
            },
        }
        self._merge(preset or {})
        self._buffer = bytearray()  # input that has not come out yet
        self._elapsed = 0  # milliseconds of input that have come out
        self._unheard = 0  # of these, sound that no text stands for yet
        self._words: tuple[deque[str], deque[str]] = (deque(), deque())  # heard, and translated

    def _merge(self, wanted: Wire) -> None:
        for side, fields in copy.deepcopy(wanted.get("audio", {})).items():
            held = self.session["audio"][side]
            if fields.get("noise_reduction") is not None:
                new = fields["noise_reduction"]
                fields["noise_reduction"] = settings.noise_reduction(held["noise_reduction"], new)
            held.update(fields)

    def _update(self, event: Wire, _now: float) -> list[Wire]:
        self._merge(event["session"])
        return [self._event("session.updated", session=self.reported_session())]

    def _append(self, event: Wire, _now: float) -> list[Wire]:
        self._buffer += base64.b64decode(event["audio"])
        return self._sent(keep=_LAG)

    def _close(self, _event: Wire, _now: float) -> list[Wire]:
        events = [*self._sent(keep=0), *self._honest(least=1), *self._last_words()]
        self.over = (1000, "")
        return [*events, self._event("session.closed")]

    def _sent(self, *, keep: int) -> list[Wire]:
        """The frames that come out while more than `keep` bytes are there."""
        events: list[Wire] = []
        while len(self._buffer) - keep >= _FRAME or (self._buffer and not keep):
            frame = bytes(self._buffer[:_FRAME])
            del self._buffer[:_FRAME]
            events += self._frame(frame)
        return events

    def _frame(self, frame: bytes) -> list[Wire]:
        milliseconds = len(frame) // _BYTES_PER_MS
        self._elapsed += milliseconds
        events: list[Wire] = []
        # a stream is fed silence while nobody speaks: no words stand for that
        if frame.count(0) < len(frame):
            events += self._said(milliseconds)
        audio = self._event(
            "session.output_audio.delta",
            delta=base64.b64encode(frame).decode("ascii"),
            elapsed_ms=self._elapsed,
            sample_rate=24000,
            channels=1,
            format="pcm16",
        )
        return [*events, audio]

    def _said(self, milliseconds: int) -> list[Wire]:
        if not any(self._words):
            words = self._script.next_transcript()
            if isinstance(words, Fail):
                return self.refused(Refusal(words.code, words.message, type=words.type))
            if words is None:
                self._unheard += milliseconds
                return self._honest(least=_UNHEARD_MS)
            translated = words.translation
            self._words[0].extend(words.deltas)
            self._words[1].extend(words.deltas if translated is None else words_of(translated))
        return self._next_words()

    def _honest(self, *, least: int) -> list[Wire]:
        if self._unheard < least:
            return []
        text = speech_of(self._unheard) + " "
        self._unheard = 0
        return [*self._heard(text), *self._translated(text)]

    def _next_words(self) -> list[Wire]:
        heard, translated = self._words
        return [
            *(self._heard(heard.popleft()) if heard else ()),
            *(self._translated(translated.popleft()) if translated else ()),
        ]

    def _last_words(self) -> list[Wire]:
        events: list[Wire] = []
        while any(self._words):
            events += self._next_words()
        return events

    def _heard(self, text: str) -> list[Wire]:
        if self.session["audio"]["input"]["transcription"] is None:
            return []
        kind = "session.input_transcript.delta"
        return [self._event(kind, delta=text, elapsed_ms=self._elapsed)]

    def _translated(self, text: str) -> list[Wire]:
        kind = "session.output_transcript.delta"
        return [self._event(kind, delta=text, elapsed_ms=self._elapsed)]

    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {
        "session.update": _update,
        "session.input_audio_buffer.append": _append,
        "session.close": _close,
    }
