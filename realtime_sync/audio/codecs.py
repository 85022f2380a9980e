"""Samples into other samples: PCM16, float32, G.711, other rates. No files, no devices, no state.

Three laws hold throughout. Bytes in, bytes out; an array in, an array out. PCM16 bytes are mono
and little-endian, arrays are int16 or float32 in [-1, 1] and shaped (frames,) or (frames,
channels). What is neither is refused with the format that was expected: wrong guesses are noise.
"""

from __future__ import annotations

import logging
from functools import cache
from math import inf, log10
from typing import Any, Final, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from .formats import BYTES_PER_MS, RATE, RATES, check_format, duration_ms
from .polyphase import half_width, interpolated, ratio, turned

__all__ = [
    "BYTES_PER_MS",
    "RATE",
    "RATES",
    "alaw_decode",
    "alaw_encode",
    "decode",
    "duration_ms",
    "encode",
    "level",
    "peaks",
    "resample",
    "to_pcm16",
    "ulaw_decode",
    "ulaw_encode",
]

log = logging.getLogger(__name__)

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

#: Where float samples are no loud ones any more, but those of another scale.
FAR: Final = 8

MAX_CHANNELS: Final = 32  # more "channels" than that are frames in the wrong axis

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
    samples = samples_of(audio)
    if samples.ndim == 2:
        samples = _downmixed(samples)
    samples = _clipped(samples)  # before it is multiplied: the largest floats would overflow
    if sample_rate is not None:
        samples = _resampled(samples, sample_rate, rate)
    return _quantised(samples).astype("<i2", copy=False).tobytes()


def level(audio: Bytes | Array) -> float:
    """How loud it is: RMS over all channels in dBFS, a full-scale sine being -3; silence is -inf.

    Args:
        audio: What `to_pcm16` takes.

    Raises:
        TypeError, ValueError: As `to_pcm16`.
    """
    samples = samples_of(audio)
    scale = FULL_SCALE if samples.dtype == np.int16 else 1.0
    flat = samples.ravel().astype(np.float64)
    power = float(flat @ flat) / max(1, len(flat)) / scale**2
    return 10 * log10(power) if power else -inf


def peaks(pcm16: bytes, size: int) -> bytes:
    """The loudest sample of every `size`, as 0 to 255 in a byte each; the last are maybe fewer.

    Args:
        pcm16: PCM16 mono bytes; half a sample at the end does not count.
        size: Samples, at least 1.
    """
    samples = np.abs(np.frombuffer(pcm16, "<i2", len(pcm16) // 2).astype(np.int32))
    columns = -(-len(samples) // size)
    table = np.zeros(columns * size, np.int32)
    table[: len(samples)] = samples
    loudest = table.reshape(columns, size).max(axis=1, initial=0)
    return bytes((loudest * 255 // 32_768).astype(np.uint8))


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


def samples_of(audio: Any) -> Int16 | Float32:
    """The audio as a checked native array; bytes as (frames,)."""
    if not isinstance(audio, np.ndarray):
        raw = _raw(audio)
        if len(raw) % 2:
            raise ValueError(f"{len(raw)} bytes hold half a sample at the end; {EXPECTED}")
        return np.frombuffer(raw, dtype="<i2").astype(np.int16, copy=False)
    plain: Array = np.asarray(audio)  # of a subclass the samples: a mask is no noise
    if (plain.dtype.kind, plain.dtype.itemsize) not in {("i", 2), ("f", 4)}:
        raise TypeError(f"{EXPECTED}, not {plain.dtype}; convert it with .astype()")
    if plain.ndim not in (1, 2) or (plain.ndim == 2 and not 1 <= plain.shape[1] <= MAX_CHANNELS):
        raise ValueError(f"{EXPECTED}, not {plain.shape}")
    if plain.dtype.kind == "i":
        return plain.astype(np.int16, copy=False)
    if not np.isfinite(plain).all():
        raise ValueError(f"the audio holds NaN or infinity; {EXPECTED}")
    return plain.astype(np.float32, copy=False)


def _clipped(samples: Any) -> Any:
    if samples.dtype == np.int16:
        return samples
    if samples.max(initial=0) > FAR:
        _warn_of_scale()
    return np.clip(samples, -1, 1)


@cache
def _warn_of_scale() -> None:
    """Once: it is noise from beginning to end, and nobody would know why."""
    log.warning(
        "float audio that goes far beyond [-1, 1] is clipped; is it PCM16 in float32? Divide it by"
        " 32768, or convert it with .astype('int16')"
    )


def _downmixed(samples: Int16 | Float32) -> Int16 | Float32:
    mean: npt.NDArray[np.float64] = samples.mean(axis=1, dtype=np.float64)
    if samples.dtype == np.int16:
        return np.rint(mean).astype(np.int16)
    return mean.astype(np.float32)


def _quantised(samples: Int16 | Float32) -> Int16:
    if samples.dtype == np.int16:
        return samples  # type: ignore[return-value]  # mypy cannot narrow by dtype
    return rounded(samples * np.float32(FULL_SCALE))


def rounded(values: Float32) -> Int16:
    # clipped before the cast: the cast alone wraps, and a wrapped peak is a loud click
    return np.clip(np.rint(values), -32_768, 32_767).astype(np.int16)


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
    result = _resampled(samples_of(audio), source_rate, target_rate)
    if isinstance(audio, np.ndarray):
        return result
    return result.astype("<i2", copy=False).tobytes()


def _resampled(samples: Int16 | Float32, source: int, target: int) -> Int16 | Float32:
    up, down = ratio(source, target)
    if up == down or not len(samples):
        return samples.copy()
    frames = samples.astype(np.float32).reshape(len(samples), -1)
    half = half_width(up, down)
    padded = turned(frames, half, before=half, after=half)
    result = interpolated(padded, round(len(frames) * target / source), up, down)
    result = result.reshape((-1, *samples.shape[1:]))
    return rounded(result) if samples.dtype == np.int16 else result


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
    samples = samples_of(audio)
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
