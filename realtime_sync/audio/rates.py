"""Resampling of sound that comes piece by piece. No files, no devices, no threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .codecs import FULL_SCALE, Bytes, half_width, interpolated, ratio, resample

__all__ = ["Resampler"]

Float32 = npt.NDArray[np.float32]


class Resampler:
    """`resample`, for a stream: what comes out, joined, is what the whole would have become.

    Only at its beginning and its end, where the sound is guessed to go on, may a sample differ.

    Args:
        source_rate: The rate that comes in, in Hz.
        target_rate: The rate wanted, in Hz.

    Raises:
        TypeError, ValueError: As `resample`.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._rates = (source_rate, target_rate)
        self._up, self._down = ratio(source_rate, target_rate)
        self._half = half_width(self._up, self._down)
        # frames that are still looked at; the first `half` of them, once begun, have been turned
        # into output already
        self._kept: Float32 = np.empty((0, 1), np.float32)
        self._begun = False
        self._taken = self._given = 0  # frames in all, in and out

    def feed(self, pcm: Bytes) -> bytes:
        """The next PCM16 mono bytes in; what can be said of the output so far."""
        if self._up == self._down:
            return bytes(pcm)
        self._taken += len(pcm) // 2
        frames = np.frombuffer(pcm, "<i2").astype(np.float32).reshape(-1, 1)
        self._kept = np.concatenate((self._kept, frames))
        if not self._begun:
            if len(self._kept) <= 2 * self._half:
                return b""
            self._kept = _turned(self._kept, (self._half, 0))
            self._begun = True
        # each block of `down` frames is `up` of output, and begins at the same phase
        blocks = (len(self._kept) - 2 * self._half) // self._down
        if blocks < 1:
            return b""
        made = interpolated(self._kept, blocks * self._up, self._up, self._down)
        self._kept = self._kept[blocks * self._down :]
        return self._out(made)

    def flush(self) -> bytes:
        """The rest of the output: nothing more comes in."""
        kept, self._kept = self._kept, self._kept[:0]
        if not self._begun:  # too short to be a stream
            short = (kept[:, 0]).astype("<i2").tobytes()
            return resample(short, *self._rates)
        left = round(self._taken * self._rates[1] / self._rates[0]) - self._given
        if left <= 0:
            return b""
        whole = _turned(kept, (0, self._half + self._down))
        return self._out(interpolated(whole, left, self._up, self._down))

    def _out(self, made: Any) -> bytes:
        self._given += len(made)
        pcm: bytes = np.clip(np.rint(made), -FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()
        return pcm

    def __repr__(self) -> str:
        return f"<Resampler, {self._rates[0]} to {self._rates[1]} Hz>"


def _turned(frames: Float32, width: tuple[int, int]) -> Float32:
    """The sound goes on smoothly: turned about its end point, within its own peaks."""
    padded = np.pad(frames, (width, (0, 0)), mode="reflect", reflect_type="odd")
    np.clip(padded, frames.min(axis=0), frames.max(axis=0), out=padded)
    return padded
