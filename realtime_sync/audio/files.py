"""Sound files into PCM16 and back, piece by piece. No sessions, no devices, no threads.

WAV by the standard library, other kinds by libsndfile.
"""

from __future__ import annotations

import os
import stat
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from ..closing import Closing
from ..errors import AudioError, AudioUnavailable
from .codecs import MAX_CHANNELS, Array, Bytes, Int16, samples_of, to_pcm16
from .formats import RATE
from .libsndfile import CURE, SoundFileSource, check_shape, file_extra
from .polyphase import ratio

__all__ = ["FileSource", "WavSink", "WavSource", "open_file", "read_file", "read_wav", "write_wav"]

PIECE: Final = 65_536  # frames read at once
_UNKNOWN: Final = 0xFFFFFFFF  # the length of what is still being made
_MOST: Final = _UNKNOWN - 36
# what wave raises; RuntimeError where a chunk ends beyond the file
_ERRORS: Final = (wave.Error, EOFError, struct.error, RuntimeError)


def read_wav(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """The file's sound as PCM16 mono bytes, and its own rate in Hz.

    Several channels are averaged; 8, 24 and 32 bits become 16. A file that ends before its header
    says so (a recording cut off) gives the frames that are there.

    Raises:
        AudioError: It is no WAV file, its header is broken, or it is not linear PCM.
        OSError: It cannot be opened or read.
    """
    with WavSource(path) as wav:
        return b"".join(iter(wav.read, b"")), wav.sample_rate


def read_file(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """As `read_wav`, of any file that `open_file` takes; raises as that does."""
    file = open_file(path)
    try:
        return b"".join(iter(file.read, b"")), file.sample_rate
    finally:
        file.close()


#: How the names of sound files end, in small letters.
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")


def named_otherwise(path: str | os.PathLike[str]) -> str:
    """What is wrong with the name of a file to be written: it says another kind than WAV; or ""."""
    named = Path(path)
    if (kind := named.suffix.lower()) == ".wav" or kind not in SUFFIXES:
        return ""
    return f"what is written is WAV; name it {named.with_suffix('.wav')}"


class FileSource(Protocol):
    """A sound file, piece by piece: an `AudioSource` to be closed.

    Attributes:
        sample_rate: The file's own, in Hz.
    """

    sample_rate: int

    def read(self) -> bytes:
        """The next PCM16 mono bytes, 65,536 frames at most; b"" at the end."""
        ...

    def close(self) -> None:
        """Close the file. Idempotent."""
        ...


def open_file(path: str | os.PathLike[str]) -> FileSource:
    """A sound file of any rate and number of channels, which are averaged.

    WAV files of linear PCM are read by the standard library; FLAC, OGG, MP3 and other WAV files
    where `soundfile` is installed. A pipe has to hold WAV: it cannot be read twice.

    Raises:
        AudioUnavailable: It is no WAV file, and soundfile is not installed.
        AudioError: It is broken, or no sound file.
        OSError: It cannot be opened or read.
    """
    if stat.S_ISFIFO(os.stat(path).st_mode):
        return WavSource(path)  # opened anew it would lack its beginning, or wait for ever
    with open(path, "rb") as file:
        is_wav = file.read(4) == b"RIFF"
    if is_wav:
        try:
            return WavSource(path)
        except AudioError:
            if not file_extra():  # which knows more kinds of WAV than the standard library
                raise
    elif not file_extra():
        raise AudioUnavailable(
            f"{os.fspath(path)} is no WAV file; others are read by soundfile: pip install soundfile"
        )
    return SoundFileSource(path)


class WavSource(Closing):
    """A WAV file, piece by piece: an `AudioSource` that never holds the whole of it.

    Args:
        path: As for `read_wav`, which says what is taken.

    Attributes:
        sample_rate: The file's own, in Hz.

    Raises:
        AudioError: As `read_wav`.
        OSError: It cannot be opened or read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # opened here: wave takes a str only, and shuts nothing when a header it was handed is
        # broken
        self._file = open(path, "rb")  # noqa: SIM115  # closed by close()
        self._path = os.fspath(path)
        try:
            self._wav = wave.open(self._file)  # noqa: SIM115  # likewise
            _check(path, self._wav.getsampwidth(), self._wav.getnchannels(), self._wav)
        except _ERRORS as exc:
            self.close()
            raise _broken(path, exc) from exc
        except BaseException:
            self.close()
            raise
        self.sample_rate: int = self._wav.getframerate()
        self._width, self._channels = self._wav.getsampwidth(), self._wav.getnchannels()
        self._rest = b""  # of a frame that was cut

    def read(self) -> bytes:
        """The next PCM16 mono bytes, 65,536 frames at most; b"" at the end.

        Raises:
            AudioError: The file is broken.
            OSError: It cannot be read.
        """
        if self._file.closed:
            return b""
        frame = self._width * self._channels
        raw = b""
        # not in one: for a size that a pipe left at its maximum, wave would make room for 4 GB
        while not raw:
            try:
                piece = self._wav.readframes(PIECE)
            except _ERRORS as exc:
                raise _broken(self._path, exc) from exc
            if not piece:
                return b""
            got = self._rest + piece
            whole = len(got) // frame * frame
            raw, self._rest = got[:whole], got[whole:]
        samples = _FROM_WIDTH[self._width](np.frombuffer(raw, np.uint8))
        return to_pcm16(samples.reshape(-1, self._channels))

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __repr__(self) -> str:
        return f"<WavSource {self._path}, {self.sample_rate} Hz>"


def _broken(path: str | os.PathLike[str], exc: Exception) -> AudioError:
    said = str(exc) or "it ends within its header"
    return AudioError(f"{os.fspath(path)} is not a WAV file of PCM: {said}; {CURE}")


def _check(path: str | os.PathLike[str], width: int, channels: int, wav: wave.Wave_read) -> None:
    if width not in _FROM_WIDTH:
        raise AudioError(f"{os.fspath(path)} has {8 * width} bits a sample; {CURE}")
    check_shape(path, channels, wav.getframerate())


def write_wav(path: str | os.PathLike[str], pcm: Bytes | Array, rate: int = RATE) -> None:
    """Writes PCM16 mono, replacing the file.

    Args:
        path: Where to.
        pcm: What `to_pcm16` takes, at `rate`.
        rate: Its rate in Hz.

    Raises:
        TypeError: As `to_pcm16`.
        ValueError: As `to_pcm16`, the rate is out of range, or the name says another kind.
        OSError: The file cannot be written.
    """
    ratio(rate, RATE)  # before the file is made: nothing is left of what was refused
    frames = to_pcm16(pcm)
    with WavSink(path, sample_rate=rate) as sink:
        sink.write(frames)


class WavSink(Closing):
    """A WAV file that grows: an `AudioSink` that keeps nothing in memory.

    Its header is brought up to date once a second and at the end, so that what was written is
    readable whatever becomes of the program. Into a pipe the header goes as pipes have it, without
    a length. Belongs to one thread at a time.

    Args:
        path: Where to; what is there is replaced.
        sample_rate: Of what is written, in Hz.
        channels: Of what is written.

    Attributes:
        sample_rate: As given.

    Raises:
        TypeError, ValueError: A rate or a number of channels that cannot be; a name that says
            FLAC, OGG or the like.
        OSError: It cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, sample_rate: int = RATE, channels: int = 1
    ) -> None:
        ratio(sample_rate, RATE)
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"channels: 1 to {MAX_CHANNELS}, not {channels}")
        if other := named_otherwise(path):
            raise ValueError(f"{os.fspath(path)}: {other}")
        self.sample_rate = sample_rate
        self._channels = channels
        self._path = os.fspath(path)
        self._written = 0  # bytes of sound
        self._told = 0  # of these, in the header
        self._file = open(path, "wb")  # noqa: SIM115  # closed by close()
        self._grows = self._file.seekable()
        self._file.write(self._header(0 if self._grows else _UNKNOWN))

    def write(self, pcm: Bytes | Array) -> None:
        """Add sound. Does not wait for it to be heard.

        Args:
            pcm: PCM16 bytes, channels interleaved, or an int16 or float32 array; an array of
                another number of channels is averaged, if the file is mono.

        Raises:
            TypeError: As `to_pcm16`.
            ValueError: As `to_pcm16`, or part of a frame.
            AudioError: The file is closed, or full: WAV ends at 4 GiB.
            OSError: It cannot be written.
        """
        frames = self._frames(pcm)
        if self._file.closed:
            raise AudioError(f"{self._path} is closed")
        if self._grows and self._written + len(frames) > _MOST:
            raise AudioError(f"{self._path} is full: a WAV file ends at 4 GiB; begin another")
        self._file.write(frames)
        self._written += len(frames)
        if self._written - self._told >= 2 * self._channels * self.sample_rate:
            self._tell()

    def _frames(self, pcm: Bytes | Array) -> bytes:
        if self._channels == 1:
            return to_pcm16(pcm)
        samples = samples_of(pcm)
        if isinstance(pcm, np.ndarray) and samples.shape[1:] != (self._channels,):
            raise ValueError(f"{self._path} has {self._channels} channels; not {samples.shape}")
        if samples.size % self._channels:
            raise ValueError(f"{len(samples)} samples are no frames of {self._channels} channels")
        return to_pcm16(samples.ravel())

    def _tell(self) -> None:
        """Say in the header how much there is."""
        if self._grows:
            self._file.seek(0)
            self._file.write(self._header(self._written))
            self._file.seek(0, os.SEEK_END)
        self._file.flush()
        self._told = self._written

    def _header(self, size: int) -> bytes:
        frame = 2 * self._channels
        shape = (1, self._channels, self.sample_rate, self.sample_rate * frame, frame, 16)
        riff = struct.pack("<4sI4s", b"RIFF", min(size + 36, _UNKNOWN), b"WAVE")
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, *shape)
        return riff + form + struct.pack("<4sI", b"data", size)

    @property
    def played_ms(self) -> float:
        """What was written, in milliseconds."""
        return self._written / (2 * self._channels * self.sample_rate) * 1000

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if not self._file.closed:
            try:
                self._tell()
            finally:
                self._file.close()

    def __repr__(self) -> str:
        return f"<WavSink {self._path}, {self.sample_rate} Hz, {self.played_ms:.0f} ms>"


def _from_8(raw: Any) -> Int16:
    # the only width that WAV stores without a sign
    samples: Int16 = (raw.astype(np.int16) - 128) << 8
    return samples


def _upper_16(width: int) -> Callable[[Any], Int16]:
    def convert(raw: Any) -> Int16:
        upper = np.ascontiguousarray(raw.reshape(-1, width)[:, width - 2 :])
        samples: Int16 = upper.view("<i2").reshape(-1)
        return samples

    return convert


_FROM_WIDTH: Final[dict[int, Callable[[Any], Int16]]] = {
    1: _from_8,
    2: _upper_16(2),
    3: _upper_16(3),
    4: _upper_16(4),
}
