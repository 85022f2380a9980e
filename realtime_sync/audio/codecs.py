"""Samples into other samples: PCM16, float32, G.711, other rates. No files, no devices, no state.

Three laws hold throughout. Bytes in, bytes out; an array in, an array out. PCM16 bytes are mono
and little-endian, arrays are int16 or float32 in [-1, 1] and shaped (frames,) or (frames,
channels). What is neither is refused with the format that was expected: wrong guesses are noise.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import Any, Final, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from .formats import BYTES_PER_MS, RATE, RATES, check_format, duration_ms

__all__ = [
    "BYTES_PER_MS",
    "RATE",
    "RATES",
    "alaw_decode",
    "alaw_encode",
    "decode",
    "duration_ms",
    "encode",
    "resample",
    "to_pcm16",
    "ulaw_decode",
    "ulaw_encode",
]

Bytes: TypeAlias = bytes | bytearray | memoryview
Array: TypeAlias = npt.NDArray[Any]
Int16: TypeAlias = npt.NDArray[np.int16]
Int32: TypeAlias = npt.NDArray[np.int32]
Float32: TypeAlias = npt.NDArray[np.float32]
Int64: TypeAlias = npt.NDArray[np.int64]
Uint8: TypeAlias = npt.NDArray[np.uint8]

EXPECTED: Final = (
    "expected PCM16 mono little-endian bytes, or an int16 or float32 (in [-1, 1]) numpy array "
    "of shape (frames,) or (frames, channels)"
)

MAX_CHANNELS: Final = 32  # more "channels" than that are frames in the wrong axis
MIN_RATE: Final = 1_000
MAX_RATE: Final = 768_000

FULL_SCALE: Final = 32_768.0  # int16 -> float32 -> int16 is then exact


def to_pcm16(audio: Bytes | Array, *, sample_rate: int | None = None, rate: int = RATE) -> bytes:
    """PCM16 mono bytes at `rate`, whatever was given: several channels are averaged.

    Args:
        audio: PCM16 mono bytes, or an int16 or float32 array; floats outside [-1, 1] are clipped.
        sample_rate: The rate `audio` has, in Hz; None: it already is at `rate`.
        rate: The rate wanted, in Hz.

    Raises:
        TypeError: Neither bytes nor a numpy array, or another dtype.
        ValueError: Odd byte count, another shape, NaN or infinity, a rate out of range.
    """
    samples = _samples(audio)
    if samples.ndim == 2:
        samples = _downmixed(samples)
    if sample_rate is not None:
        samples = _resampled(samples, sample_rate, rate)
    return _quantised(samples).astype("<i2", copy=False).tobytes()


def encode(pcm16: Bytes | Array, format: str) -> bytes:
    """Bytes in a session format from audio at 24 kHz; the G.711 ones are taken down to 8 kHz.

    Args:
        pcm16: What `to_pcm16` takes, at 24 kHz.
        format: "audio/pcm", "audio/pcmu" or "audio/pcma".

    Raises:
        TypeError: As `to_pcm16`.
        ValueError: As `to_pcm16`, or the format is unknown.
    """
    pcm = to_pcm16(pcm16, sample_rate=RATE, rate=RATES[check_format(format)])
    return pcm if format == "audio/pcm" else _coded(pcm, _ENCODERS[format])


def decode(data: Bytes, format: str) -> bytes:
    """PCM16 mono bytes at 24 kHz from bytes in a session format.

    Raises:
        TypeError: `data` is not bytes.
        ValueError: The format is unknown, or the byte count is odd in "audio/pcm".
    """
    raw = _raw(data)
    if check_format(format) == "audio/pcm":
        return to_pcm16(raw)
    return resample(_decoded(raw, _DECODERS[format]), RATES[format], RATE)


def _raw(audio: Any) -> bytes:
    # a memoryview over floats would pass as bytes and play as noise
    if isinstance(audio, memoryview) and audio.format not in {"B", "b", "c", "h", "<h"}:
        raise TypeError(f"{EXPECTED}, not a memoryview of format {audio.format!r}")
    if not isinstance(audio, (bytes, bytearray, memoryview)):
        raise TypeError(f"{EXPECTED}, not {type(audio).__name__}")
    return bytes(audio)


def _samples(audio: Any) -> Int16 | Float32:
    """The audio as a checked native array; bytes as (frames,)."""
    if not isinstance(audio, np.ndarray):
        raw = _raw(audio)
        if len(raw) % 2:
            raise ValueError(f"{len(raw)} bytes hold half a sample at the end; {EXPECTED}")
        return np.frombuffer(raw, dtype="<i2").astype(np.int16, copy=False)
    if (audio.dtype.kind, audio.dtype.itemsize) not in {("i", 2), ("f", 4)}:
        raise TypeError(f"{EXPECTED}, not {audio.dtype}; convert it with .astype()")
    if audio.ndim not in (1, 2) or (audio.ndim == 2 and not 1 <= audio.shape[1] <= MAX_CHANNELS):
        raise ValueError(f"{EXPECTED}, not {audio.shape}")
    if audio.dtype.kind == "i":
        return audio.astype(np.int16, copy=False)
    if not np.isfinite(audio).all():
        raise ValueError(f"the audio holds NaN or infinity; {EXPECTED}")
    return audio.astype(np.float32, copy=False)


def _downmixed(samples: Int16 | Float32) -> Int16 | Float32:
    mean: npt.NDArray[np.float64] = samples.mean(axis=1, dtype=np.float64)
    if samples.dtype == np.int16:
        return np.rint(mean).astype(np.int16)
    return mean.astype(np.float32)


def _quantised(samples: Int16 | Float32) -> Int16:
    if samples.dtype == np.int16:
        return samples  # type: ignore[return-value]  # mypy cannot narrow by dtype
    return _int16(samples * np.float32(FULL_SCALE))


def _int16(values: Float32) -> Int16:
    # clipped before the cast: the cast alone wraps, and a wrapped peak is a loud click
    return np.clip(np.rint(values), -32_768, 32_767).astype(np.int16)


# Kaiser-windowed sinc: flat up to 0.9 of the lower Nyquist frequency, 80 dB down from 1.0 on.
PASSBAND: Final = 0.9
STOPBAND_DB: Final = 80.0
BETA: Final = 0.1102 * (STOPBAND_DB - 8.7)
ZERO_CROSSINGS: Final = ceil((STOPBAND_DB - 7.95) / (14.36 * (1 - PASSBAND)))  # a side

BLOCK: Final = 1 << 20  # products at once: 4 MiB of float32, whatever the length of the audio


@overload
def resample(audio: Bytes, source_rate: int, target_rate: int) -> bytes: ...
@overload
def resample(audio: Array, source_rate: int, target_rate: int) -> Array: ...
def resample(audio: Bytes | Array, source_rate: int, target_rate: int) -> bytes | Array:
    """The same sound at another rate: round(frames * target_rate / source_rate) frames of it.

    Linear phase, no delay; what the lower rate cannot hold is 80 dB down. Int16 is clipped,
    float32 may overshoot. Beyond its ends the audio is taken to go on smoothly, so a piece
    resampled by itself neither clicks nor fades at them.

    Args:
        audio: PCM16 mono bytes, or an int16 or float32 array.
        source_rate: The rate it has, in Hz.
        target_rate: The rate wanted, in Hz.

    Raises:
        TypeError: Neither bytes nor such an array; a rate that is no int.
        ValueError: Odd byte count, another shape, NaN or infinity, a rate out of range.
    """
    result = _resampled(_samples(audio), source_rate, target_rate)
    if isinstance(audio, np.ndarray):
        return result
    return result.astype("<i2", copy=False).tobytes()


def _resampled(samples: Int16 | Float32, source: int, target: int) -> Int16 | Float32:
    up, down = ratio(source, target)
    if up == down or not len(samples):
        return samples.copy()
    frames = samples.astype(np.float32).reshape(len(samples), -1)
    half = half_width(up, down)
    # turned about its end points, the sound goes on smoothly; within its own peaks, without clicks
    padded = np.pad(frames, ((half, half), (0, 0)), mode="reflect", reflect_type="odd")
    np.clip(padded, frames.min(axis=0), frames.max(axis=0), out=padded)
    result = interpolated(padded, round(len(frames) * target / source), up, down)
    result = result.reshape((-1, *samples.shape[1:]))
    return _int16(result) if samples.dtype == np.int16 else result


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


# A G.711 code is a sign and a place on a scale of 128: 8 segments of 16 equal steps, each segment
# twice as steep as the one before. A step begins at its decision value; its level lies half a
# step above (half=1). Both in 16 bits, of which µ-law means the upper 14 and A-law the upper 13.
_PLACES: Final = np.arange(128, dtype=np.int64)
_SEGMENT: Final = _PLACES >> 4
_STEP: Final = 2 * (_PLACES & 0x0F)


def _ulaw_sizes(half: int) -> Int32:
    sizes: Int64 = (((_STEP + 32 + half) << _SEGMENT) - 33) * 4
    return sizes.astype(np.int32)


def _alaw_sizes(half: int) -> Int32:
    offset = np.where(_SEGMENT > 0, 32, 0) + half
    sizes: Int64 = ((_STEP + offset) << np.maximum(_SEGMENT - 1, 0)) * 8
    return sizes.astype(np.int32)


def _level_table(codes: Uint8, levels: Int32) -> Int16:
    """The sample that each of the 256 codes stands for."""
    table = np.empty(256, np.int16)
    table[codes], table[codes ^ 0x80] = levels, -levels
    return table


def _code_table(codes: Uint8, decisions: Int32) -> Uint8:
    """The code of each of the 65536 samples, by their two's complement."""
    samples = np.arange(65_536).astype(np.uint16).view(np.int16)
    # one's complement, as in the ITU's own G.191: -1 goes with 0, not with -8
    heights = np.where(samples < 0, ~samples, samples)
    found = codes[np.searchsorted(decisions, heights, side="right") - 1]
    return np.where(samples < 0, found ^ 0x80, found).astype(np.uint8)


_ULAW_POSITIVE: Final = (0xFF - _PLACES).astype(np.uint8)
_ALAW_POSITIVE: Final = ((_PLACES | 0x80) ^ 0x55).astype(np.uint8)
_ULAW_LEVELS: Final = _level_table(_ULAW_POSITIVE, _ulaw_sizes(half=1))
_ALAW_LEVELS: Final = _level_table(_ALAW_POSITIVE, _alaw_sizes(half=1))
_ULAW_CODES: Final = _code_table(_ULAW_POSITIVE, _ulaw_sizes(half=0))
_ALAW_CODES: Final = _code_table(_ALAW_POSITIVE, _alaw_sizes(half=0))
_ENCODERS: Final = {"audio/pcmu": _ULAW_CODES, "audio/pcma": _ALAW_CODES}
_DECODERS: Final = {"audio/pcmu": _ULAW_LEVELS, "audio/pcma": _ALAW_LEVELS}


@overload
def ulaw_encode(audio: Bytes) -> bytes: ...
@overload
def ulaw_encode(audio: Array) -> Uint8: ...
def ulaw_encode(audio: Bytes | Array) -> bytes | Uint8:
    """G.711 µ-law: a byte a sample. PCM16 bytes give bytes, an int16 array gives uint8.

    Raises:
        TypeError: Neither PCM16 bytes nor an int16 array.
        ValueError: Odd byte count, or another shape than (frames,) or (frames, channels).
    """
    return _coded(audio, _ULAW_CODES)


@overload
def alaw_encode(audio: Bytes) -> bytes: ...
@overload
def alaw_encode(audio: Array) -> Uint8: ...
def alaw_encode(audio: Bytes | Array) -> bytes | Uint8:
    """G.711 A-law: a byte a sample. PCM16 bytes give bytes, an int16 array gives uint8.

    Raises:
        TypeError: Neither PCM16 bytes nor an int16 array.
        ValueError: Odd byte count, or another shape than (frames,) or (frames, channels).
    """
    return _coded(audio, _ALAW_CODES)


@overload
def ulaw_decode(data: Bytes) -> bytes: ...
@overload
def ulaw_decode(data: Array) -> Int16: ...
def ulaw_decode(data: Bytes | Array) -> bytes | Int16:
    """PCM16 from G.711 µ-law: bytes give PCM16 bytes, a uint8 array gives int16.

    Raises:
        TypeError: Neither bytes nor a uint8 array.
    """
    return _decoded(data, _ULAW_LEVELS)


@overload
def alaw_decode(data: Bytes) -> bytes: ...
@overload
def alaw_decode(data: Array) -> Int16: ...
def alaw_decode(data: Bytes | Array) -> bytes | Int16:
    """PCM16 from G.711 A-law: bytes give PCM16 bytes, a uint8 array gives int16.

    Raises:
        TypeError: Neither bytes nor a uint8 array.
    """
    return _decoded(data, _ALAW_LEVELS)


@overload
def _coded(audio: Bytes, codes: Uint8) -> bytes: ...
@overload
def _coded(audio: Array, codes: Uint8) -> Uint8: ...
def _coded(audio: Bytes | Array, codes: Uint8) -> bytes | Uint8:
    samples = _samples(audio)
    if samples.dtype != np.int16:
        raise TypeError("G.711 takes PCM16 bytes or an int16 array; see to_pcm16 for float32")
    result = codes[np.ascontiguousarray(samples).view(np.uint16)]
    return result if isinstance(audio, np.ndarray) else result.tobytes()


@overload
def _decoded(data: Bytes, levels: Int16) -> bytes: ...
@overload
def _decoded(data: Array, levels: Int16) -> Int16: ...
def _decoded(data: Bytes | Array, levels: Int16) -> bytes | Int16:
    if isinstance(data, np.ndarray):
        if data.dtype != np.uint8:
            raise TypeError(f"G.711 is bytes or a uint8 array, not {data.dtype}")
        return levels[data]
    return levels[np.frombuffer(_raw(data), np.uint8)].astype("<i2", copy=False).tobytes()
