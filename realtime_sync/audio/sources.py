"""Where sound comes from, as one kind of stream. No devices, no sessions, no threads."""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from ..errors import AudioError
from .codecs import EXPECTED, to_pcm16
from .files import open_file
from .formats import BYTES_PER_MS, RATE
from .rates import Resampler

__all__ = ["AudioSource", "frames_of"]

_SLICE = RATE * 2  # bytes that are looked at together, of sound that is here already
_RIFF = b"RIFF"
Frames = Generator[bytes, None, None]


class AudioSource(Protocol):
    """Anything that can be read; optionally with `sample_rate` in Hz, else 24000."""

    def read(self) -> bytes:
        """The next PCM16 mono chunk; b"" at the end. May block."""
        ...


def frames_of(source: Any, *, sample_rate: int | None = None, frame_ms: int) -> Frames:
    """PCM16 mono at 24 kHz from whatever it is, in frames of one length; the last may be shorter.

    Nothing is read before the first frame is asked for, and never more than a frame needs. Closed
    before its end, it closes its file.

    Args:
        source: The path of a sound file of any rate, as `open_file` takes; PCM16 bytes, or an
            int16 or float32 array; an `AudioSource`; or an iterable of such bytes or arrays.
        sample_rate: That of `source`, in Hz; None: its own, else 24 kHz. A file knows its own.
        frame_ms: Length of a frame, in milliseconds.

    Raises:
        TypeError: None of these.
        ValueError: As `to_pcm16`.
        AudioError: No sound file.
        OSError: It cannot be read.
    """
    chunks, rate = _opened(source, sample_rate)
    # what may be live must not be late; of the rest all is here already
    live = not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray))
    resampler = Resampler(rate, RATE, engine="numpy" if live else None)
    return _framed(_resampled(chunks, resampler), frame_ms * BYTES_PER_MS["audio/pcm"])


def _opened(source: Any, sample_rate: int | None) -> tuple[Iterator[bytes], int]:
    """Its PCM16 mono, and the rate of that."""
    if isinstance(source, (str, os.PathLike)):
        file = open_file(source)
        chunks = _file(file)
        next(chunks)  # begun: a generator that has not is closed without its `finally`
        return chunks, file.sample_rate
    if isinstance(source, io.IOBase):
        raise TypeError(
            "source: an open file does not say what it holds; give the path of a WAV file, or "
            'iter(lambda: file.read(4800), b"") for raw PCM16'
        )
    if isinstance(source, (bytes, bytearray, memoryview, np.ndarray)):
        return _sliced(source), sample_rate or RATE
    if callable(getattr(source, "read", None)):
        own = getattr(source, "sample_rate", None)
        return _mono(iter(source.read, b"")), sample_rate or own or RATE
    if isinstance(source, Iterable):
        return _mono(source), sample_rate or RATE
    raise TypeError(
        f"source: a WAV path, an AudioSource, chunks, or sound, not {type(source).__name__}; "
        f"{EXPECTED}"
    )


def _file(file: Any) -> Iterator[bytes]:
    try:
        yield b""  # until here it is begun
        yield from _mono(iter(file.read, b""))
    finally:
        file.close()


def _sliced(sound: Any) -> Iterator[bytes]:
    if isinstance(sound, memoryview):
        sound = sound.cast("B") if sound.contiguous else bytes(sound)
    if not isinstance(sound, np.ndarray) and bytes(sound[:4]) == _RIFF:
        raise AudioError("source: these are the bytes of a WAV file; give its path")
    step = _SLICE // 2 if isinstance(sound, np.ndarray) else _SLICE
    return _mono(sound[start : start + step] for start in range(0, len(sound), step))


def _mono(chunks: Iterable[Any]) -> Iterator[bytes]:
    rest = b""  # half a sample: a pipe cuts where it likes
    for chunk in chunks:
        if isinstance(chunk, (bytes, bytearray)):
            chunk = rest + bytes(chunk)
            rest = chunk[len(chunk) & ~1 :]
            chunk = chunk[: len(chunk) & ~1]
        pcm = to_pcm16(chunk)
        if pcm:
            yield pcm


def _resampled(chunks: Iterator[bytes], resampler: Resampler) -> Iterator[bytes]:
    for chunk in chunks:
        yield resampler.feed(chunk)
    yield resampler.flush()


def _framed(chunks: Iterator[bytes], size: int) -> Frames:
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        while len(kept) >= size:
            yield bytes(kept[:size])
            del kept[:size]
    if kept:
        yield bytes(kept)
