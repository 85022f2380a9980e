"""The input audio buffer under turn detection: where speech begins, ends, and what it was.

No sockets, no threads, no clock. Time is what was heard, in milliseconds of the session's audio.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from realtime_sync.local.conversation import bytes_per_ms
from realtime_sync.local.sound import Sound

__all__ = ["Attention"]

Wire = dict[str, Any]

# Words cannot be understood here, so semantic_vad waits as long whatever was said: a quarter of
# the longest wait that the service allows itself for a speaker who has not come to an end.
_EAGERNESS = {"low": 2_000, "medium": 1_000, "high": 500, "auto": 1_000}
_SEMANTIC_PADDING = 300
_KEPT_MS = 30_000  # of what was not speech


class Attention:
    """Holds the audio that is not committed yet, and hears the speech in it.

    Attributes:
        buffer: That audio.
        speaking: Where the speech that goes on begins, in milliseconds; None in silence.
    """

    def __init__(self) -> None:
        self.buffer = Sound()
        self.speaking: int | None = None
        self._passed = 0.0  # milliseconds of the session's audio before the buffer
        self._settings: tuple[Wire | None, str] = (None, "audio/pcm")
        self._detector: Any = None  # None: made at the next audio, if there is to be one

    def set(self, detection: Wire | None, audio_format: str) -> None:
        """What `session.update` says of it; a change begins afresh with what comes next."""
        if (detection, audio_format) != self._settings:
            before = self._settings[1]
            self._settings = (detection, audio_format)
            if before != audio_format:
                self._pass(len(self.buffer), bytes_per_ms(before))
            self._forget()

    @property
    def heard_ms(self) -> int:
        """How much audio the session has heard."""
        return int(self._passed + len(self.buffer) / self._size)

    def hear(self, audio: bytes) -> list[Any]:
        """The changes from silence to speech and back, each with `kind` and `at_ms`."""
        detection, audio_format = self._settings
        if detection is not None and self._detector is None:
            self._detector = _detector(detection, audio_format, self.heard_ms)
        self.buffer.add(audio)
        return [] if self._detector is None else list(self._detector.hear(audio))

    def begin(self, at_ms: int) -> int:
        """Speech begins there; returns where it is said to: not in what was committed before."""
        self.speaking = max(at_ms, -int(-self._passed // 1))
        return self.speaking

    def speech(self, end_ms: int) -> Sound:
        """Takes the speech out, up to its end, and what came before it."""
        start, end = self._offset(self.speaking or 0), self._offset(end_ms)
        self._pass(start, self._size)
        taken = self._pass(end - start, self._size)
        self.speaking = None
        return taken

    def settle(self) -> None:
        """Drop the oldest of what was not speech, or an open microphone would fill the memory."""
        excess = len(self.buffer) - _KEPT_MS * self._size
        if self.speaking is None and self._detector is not None and excess > 0:
            self._pass(excess, self._size)

    def take(self) -> Sound:
        """All that is there, by the client's wish."""
        taken = self._pass(len(self.buffer), self._size)
        self._forget()
        return taken

    @property
    def _size(self) -> int:
        return bytes_per_ms(self._settings[1])

    def _offset(self, at_ms: int) -> int:
        return max(0, round((at_ms - self._passed) * self._size))

    def _pass(self, size: int, per_ms: int) -> Sound:
        taken = self.buffer.take(size)
        self._passed += len(taken) / per_ms
        return taken

    def _forget(self) -> None:
        self._detector = self.speaking = None


def _detector(detection: Wire, audio_format: str, heard_ms: int) -> Any:
    # when called: it brings numpy, which a text conversation has no need of
    home = import_module("realtime_sync.audio.detection")
    wanted = {"prefix_padding_ms": _SEMANTIC_PADDING}
    if detection["type"] == "semantic_vad":
        wanted["silence_duration_ms"] = _EAGERNESS[detection["eagerness"]]
    else:
        names = ("threshold", "prefix_padding_ms", "silence_duration_ms")
        wanted = {name: detection[name] for name in names}
    return home.SpeechDetector(format=audio_format, heard_ms=heard_ms, **wanted)
