"""Where speech begins and ends, by its loudness. No models, no sessions, no clock.

A frame of 20 ms is loud when its RMS, the mean taken out, reaches the threshold. Three loud frames
in a row are speech; it ends once nothing was loud for as long as is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from .codecs import FULL_SCALE, alaw_decode, ulaw_decode
from .formats import BYTES_PER_MS, check_format

__all__ = ["Speech", "SpeechDetector"]

FRAME_MS: Final = 20
_ONSET: Final = 3  # loud frames in a row; a click is shorter
_QUIETEST: Final = -60.0  # dBFS; what a threshold of 0 means
_SPAN: Final = 40.0  # dB from there to a threshold of 1
_DECODERS: Final = {"audio/pcmu": ulaw_decode, "audio/pcma": alaw_decode}


@dataclass(frozen=True, slots=True)
class Speech:
    """A change from silence to speech, or back.

    Attributes:
        kind: "started" or "stopped".
        at_ms: Where, in milliseconds of the audio heard: of "started" less the padding, of
            "stopped" with the silence that ended it.
    """

    kind: Literal["started", "stopped"]
    at_ms: int


class SpeechDetector:
    """Hears audio piece by piece, and tells where speech begins and ends.

    Args:
        format: "audio/pcm", "audio/pcmu" or "audio/pcma".
        threshold: 0 to 1, for -60 to -20 dBFS; 0.5 is -40 dBFS.
        prefix_padding_ms: Of audio before the first sound that belong to the speech.
        silence_duration_ms: Of silence that end it.
        heard_ms: Of audio that passed before this detector: where it begins to count.

    Attributes:
        speaking: Whether speech goes on.

    Raises:
        ValueError: The format is unknown, or a number is out of its range.
    """

    def __init__(
        self,
        *,
        format: str = "audio/pcm",
        threshold: float = 0.5,
        prefix_padding_ms: int = 300,
        silence_duration_ms: int = 500,
        heard_ms: int = 0,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold: from 0 to 1, not {threshold!r}")
        if prefix_padding_ms < 0 or silence_duration_ms < 0:
            raise ValueError("prefix_padding_ms, silence_duration_ms: milliseconds from 0 on")
        self._decode = _DECODERS.get(check_format(format))
        self._size = FRAME_MS * BYTES_PER_MS[format]
        decibels = _QUIETEST + _SPAN * threshold
        self._power = (FULL_SCALE * 10 ** (decibels / 20)) ** 2
        self._padding = prefix_padding_ms
        self._silence = silence_duration_ms
        self._rest = bytearray()  # less than a frame
        self._at = heard_ms  # where the next frame begins
        self._loud = 0  # loud frames in a row
        self._last = heard_ms  # where the last loud frame ended
        self.speaking = False

    def hear(self, data: bytes) -> list[Speech]:
        """What changed with this audio, in order; any number of bytes, half samples too."""
        self._rest += data
        whole = len(self._rest) - len(self._rest) % self._size
        if not whole:
            return []
        frames = bytes(self._rest[:whole])
        del self._rest[:whole]
        pcm = frames if self._decode is None else self._decode(frames)
        samples = np.frombuffer(pcm, "<i2").reshape(whole // self._size, -1)
        loud = samples.var(axis=1, dtype=np.float32) >= self._power
        return [speech for one in loud.tolist() if (speech := self._next(one)) is not None]

    def _next(self, loud: bool) -> Speech | None:
        start = self._at
        self._at += FRAME_MS
        if loud:
            self._loud += 1
            self._last = self._at
            if self.speaking or self._loud < _ONSET:
                return None
            self.speaking = True
            onset = start - (_ONSET - 1) * FRAME_MS
            return Speech("started", max(0, onset - self._padding))
        self._loud = 0
        if not self.speaking or self._at - self._last < self._silence:
            return None
        self.speaking = False
        return Speech("stopped", self._last + self._silence)
