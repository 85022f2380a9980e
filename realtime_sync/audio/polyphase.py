"""The filter that changes rates: its weights, and sums by them. No formats, no state.

Arrays here are float32, shaped (frames, channels).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_RATE", "MIN_RATE", "half_width", "interpolated", "ratio", "turned"]

Float32: TypeAlias = npt.NDArray[np.float32]
Int64: TypeAlias = npt.NDArray[np.int64]

MIN_RATE: Final = 1_000
MAX_RATE: Final = 768_000

# Kaiser-windowed sinc: flat up to 0.9 of the lower Nyquist frequency, 80 dB down from 1.0 on.
PASSBAND: Final = 0.9
STOPBAND_DB: Final = 80.0
BETA: Final = 0.1102 * (STOPBAND_DB - 8.7)
ZERO_CROSSINGS: Final = ceil((STOPBAND_DB - 7.95) / (14.36 * (1 - PASSBAND)))  # a side

BLOCK: Final = 1 << 20  # products at once: 4 MiB of float32, whatever the length of the audio


def ratio(source: int, target: int) -> tuple[int, int]:
    for rate in (source, target):
        if not isinstance(rate, (int, np.integer)) or isinstance(rate, bool):
            raise TypeError(f"a sample rate is an int in Hz, not {rate!r}")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(f"a sample rate lies between {MIN_RATE} and {MAX_RATE} Hz, not {rate}")
    common = gcd(int(source), int(target))
    return int(target) // common, int(source) // common


def half_width(up: int, down: int) -> int:
    """Input frames that an output frame looks at, on either side."""
    return ceil(ZERO_CROSSINGS * max(1.0, down / up))


def turned(frames: Float32, half: int, *, before: int, after: int) -> Float32:
    """The sound going on smoothly beyond its ends: turned about its end points, without clicks.

    Looks at `half + 1` frames of either end and no others, as a stream must, so that the whole and
    its pieces agree.
    """
    parts = [frames]
    for width, end in ((before, slice(0, half + 1)), (after, slice(-half - 1, None))):
        if width:
            near = frames[end]
            sides = (width, 0) if end.start == 0 else (0, width)
            grown = np.pad(near, (sides, (0, 0)), mode="reflect", reflect_type="odd")
            beyond = grown[:width] if end.start == 0 else grown[len(near) :]
            # within the peaks that are near: what overshoots clicks
            beyond = np.clip(beyond, near.min(axis=0), near.max(axis=0))
            parts.insert(0 if end.start == 0 else len(parts), beyond)
    return np.concatenate(parts)


def interpolated(padded: Float32, count: int, up: int, down: int) -> Float32:
    """`count` frames at every down/up-th frame of the input.

    `padded` begins `half_width` frames before the first of them; a stream can therefore hand in
    what it kept of the last piece instead of a guess.
    """
    width = 2 * half_width(up, down)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
    result = np.empty((count, padded.shape[1]), np.float32)
    step = max(1, BLOCK // (width * padded.shape[1]))
    small = up * width <= BLOCK
    for start in range(0, count, step):
        places = np.arange(start, min(start + step, count), dtype=np.int64) * down
        phases = places % up
        rows = _bank(up, down)[phases] if small else _taps(phases, up, down)
        # einsum, not a matrix product: BLAS rounds differently with the length of a piece
        pieces = windows[places // up + 1]
        result[start : start + step] = np.einsum("nct,nt->nc", pieces, rows)
    return result


@lru_cache(maxsize=16)
def _bank(up: int, down: int) -> Float32:
    return _taps(np.arange(up, dtype=np.int64), up, down)


def _taps(phases: Int64, up: int, down: int) -> Float32:
    """One row of weights per phase, each summing to one, so that silence stays silence."""
    half = half_width(up, down)
    cutoff = min(1.0, up / down) * (1 + PASSBAND) / 2
    distance = np.arange(1 - half, half + 1) - (phases / up)[:, None]
    window = np.i0(BETA * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2)))
    taps = np.sinc(cutoff * distance) * window
    weights: npt.NDArray[np.float64] = taps / taps.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
