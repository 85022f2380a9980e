"""Resampling of sound that comes piece by piece. No files, no devices, no threads."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final, Literal, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from ..errors import AudioUnavailable
from .codecs import (
    EXPECTED,
    Array,
    Bytes,
    rounded,
    samples_of,
)
from .polyphase import half_width, interpolated, ratio, turned

__all__ = ["ENGINES", "Resampler"]

Float32 = npt.NDArray[np.float32]
Engine: TypeAlias = Literal["numpy", "soxr"]

ENGINES: Final = ("numpy", "soxr")


class Resampler:
    """`resample`, for a stream: what comes out, joined, has the length of the whole.

    Two engines do it. "numpy", always there, gives bit for bit what `resample` makes of the whole,
    2 to 7 ms after it came in: right for what is live. "soxr", an extra, takes a tenth of the time
    and 20 to 75 ms longer, in bursts: right for files. docs/audio.rst has the figures.

    Belongs to one thread.

    Args:
        source_rate: The rate that comes in, in Hz.
        target_rate: The rate wanted, in Hz.
        engine: "numpy" or "soxr"; None: soxr where it is installed.

    Attributes:
        engine: The one in use.

    Raises:
        TypeError: A rate that is no int.
        ValueError: A rate out of range, or no such engine.
        AudioUnavailable: soxr was asked for and is not installed.
    """

    def __init__(self, source_rate: int, target_rate: int, *, engine: Engine | None = None) -> None:
        ratio(source_rate, target_rate)  # checks both
        if engine is not None and engine not in ENGINES:
            raise ValueError(f"engine: {', '.join(ENGINES)} or None, not {engine!r}")
        self._rates = (source_rate, target_rate)
        self.engine: Engine = engine or ("soxr" if find_spec("soxr") else "numpy")
        if self.engine == "soxr" and find_spec("soxr") is None:
            raise AudioUnavailable('soxr is not installed: pip install soxr, or engine="numpy"')
        self._kind: tuple[Any, ...] | None = None  # of what is fed: all pieces are of one kind
        self._filter: _Filter | None = None  # from the first piece on; None: nothing to do

    @overload
    def feed(self, audio: Bytes) -> bytes: ...
    @overload
    def feed(self, audio: Array) -> Array: ...
    def feed(self, audio: Bytes | Array) -> Any:
        """The next piece in; out comes what can be said so far, in the form that came in.

        Args:
            audio: PCM16 mono bytes, or an int16 or float32 array.

        Raises:
            TypeError: Neither bytes nor such an array.
            ValueError: Odd byte count, another shape, NaN or infinity, or another kind of piece
                than the first was.
        """
        samples = samples_of(audio)
        kind = (isinstance(audio, np.ndarray), samples.dtype, samples.shape[1:])
        if self._kind is None:
            self._begin(kind)
        elif kind != self._kind:
            raise ValueError(f"every piece of a stream has the form of the first; {EXPECTED}")
        if self._filter is None:
            return self._out(samples)
        frames = samples.astype(np.float32).reshape(len(samples), *(samples.shape[1:] or (1,)))
        return self._out(self._filter.feed(frames))

    def _begin(self, kind: tuple[Any, ...]) -> None:
        self._kind = kind
        if self._rates[0] != self._rates[1]:
            make = _Polyphase if self.engine == "numpy" else _Soxr
            self._filter = make(*self._rates, kind[2][0] if kind[2] else 1)

    def flush(self) -> Any:
        """The rest of the output; b"" if nothing was fed. What is fed next begins a new stream."""
        rest: Any = b""
        if self._kind is not None:
            left = self._filter.flush() if self._filter else np.empty((0, *self._kind[2]))
            rest = self._out(left)
        self._kind = self._filter = None
        return rest

    def _out(self, made: Any) -> Any:
        as_array, dtype, shape = self._kind or (False, np.dtype(np.int16), ())
        made = made.reshape((-1, *shape))
        if dtype == np.int16:
            made = rounded(made) if made.dtype == np.float32 else made.astype(np.int16)
        return made.astype(dtype) if as_array else made.astype("<i2", copy=False).tobytes()

    def __repr__(self) -> str:
        return f"<Resampler, {self._rates[0]} to {self._rates[1]} Hz, {self.engine}>"


class _Filter(Protocol):
    def feed(self, frames: Float32) -> Float32: ...
    def flush(self) -> Float32: ...


class _Polyphase:
    """The filter of `resample`, with what it still looks at carried from piece to piece."""

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        self._rates = (source_rate, target_rate)
        self._up, self._down = ratio(source_rate, target_rate)
        self._half = half_width(self._up, self._down)
        # frames that are still looked at; the first `half` of them, once begun, have been turned
        # into output already
        self._kept: Float32 = np.empty((0, channels), np.float32)
        self._begun = False
        self._taken = self._given = 0  # frames in all, in and out

    def feed(self, frames: Float32) -> Float32:
        self._taken += len(frames)
        self._kept = np.concatenate((self._kept, frames))
        if not self._begun:
            if len(self._kept) <= 2 * self._half:
                return self._kept[:0]
            self._kept = turned(self._kept, self._half, before=self._half, after=0)
            self._begun = True
        # each block of `down` frames is `up` of output, and begins at the same phase
        blocks = (len(self._kept) - 2 * self._half) // self._down
        if blocks < 1:
            return self._kept[:0]
        made = interpolated(self._kept, blocks * self._up, self._up, self._down)
        self._kept = self._kept[blocks * self._down :]
        self._given += len(made)
        return made

    def flush(self) -> Float32:
        left = round(self._taken * self._rates[1] / self._rates[0]) - self._given
        if left <= 0:
            return self._kept[:0]
        before = 0 if self._begun else self._half
        whole = turned(self._kept, self._half, before=before, after=self._half + self._down)
        return interpolated(whole, left, self._up, self._down)


class _Soxr:
    """The SoX resampler, at its high quality."""

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        import soxr

        self._stream: Any = soxr.ResampleStream(source_rate, target_rate, channels, dtype="float32")
        self._nothing = np.empty((0, channels), np.float32)

    def feed(self, frames: Float32) -> Float32:
        return self._made(frames, last=False)

    def flush(self) -> Float32:
        return self._made(self._nothing, last=True)

    def _made(self, frames: Float32, *, last: bool) -> Float32:
        made: Float32 = self._stream.resample_chunk(frames, last=last)
        return made.reshape(-1, frames.shape[1])
