"""Where speech may be cut. No models, no sessions: loudness alone."""

from __future__ import annotations

import numpy as np

from .formats import BYTES_PER_MS

__all__ = ["Pauses"]

_QUIET_MS = 300  # of quiet is a pause between words
_FLOOR = 60.0  # loudness (RMS of int16) below which everything is quiet: about -55 dB
_SHARE = 0.12  # of the loudest so far, below which it is quiet: about -18 dB
_FADING = 0.995  # what is left of the loudest after a frame without it
_TAIL_MS = 1000  # of quiet after the last piece that are no piece of their own
_LATEST = 3  # times the length wanted: then it is cut, pause or not


class Pauses:
    """Decides, frame by frame, where a piece ends: at a pause, once it is long enough.

    Args:
        seconds: The length wanted; without a pause a piece becomes three times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._wanted = seconds * 1000
        self._loudest = 0.0
        self._quiet = 0.0  # milliseconds of quiet at the end
        self._piece = 0.0  # milliseconds since the last cut
        self._spoken = 0.0  # of these, since the first sound
        self._cut = False  # there was one

    def cut_after(self, frame: bytes) -> bool:
        """Whether a piece ends with this frame.

        Args:
            frame: PCM16 mono at 24 kHz, some 100 ms of it.
        """
        milliseconds = len(frame) / BYTES_PER_MS["audio/pcm"]
        samples = np.frombuffer(frame, "<i2").astype(np.float32)
        loudness = float(np.sqrt(np.mean(samples * samples))) if len(samples) else 0.0
        self._loudest = max(loudness, self._loudest * _FADING)
        quiet = loudness < max(_FLOOR, _SHARE * self._loudest)
        self._quiet = self._quiet + milliseconds if quiet else 0.0
        self._piece += milliseconds
        if self._spoken or not quiet:
            self._spoken += milliseconds
        at_pause = self._spoken >= self._wanted and self._quiet >= _QUIET_MS
        if not at_pause and (self._spoken or self._piece) < _LATEST * self._wanted:
            return False
        self._piece = 0.0
        self._spoken, self._cut = 0.0, True
        return True

    @property
    def left(self) -> bool:
        """Whether what came since the last cut is a piece: more than a short, quiet tail."""
        tail = self._cut and not self._spoken and self._piece < _TAIL_MS
        return self._piece > 0 and not tail
