"""WAV files into PCM16 and back, by the standard library. No sessions, no devices."""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..errors import AudioError
from .codecs import MAX_CHANNELS, Array, Bytes, Int16, to_pcm16
from .formats import RATE
from .polyphase import MAX_RATE, MIN_RATE

__all__ = ["WavSource", "read_wav", "write_wav"]

_PIECE: Final = 65_536  # frames read at once
_CURE: Final = "convert it, e.g. with: ffmpeg -i in.wav -c:a pcm_s16le -ac 1 -ar 24000 out.wav"


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


class WavSource:
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
        except (wave.Error, EOFError, struct.error) as exc:
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
                piece = self._wav.readframes(_PIECE)
            except (wave.Error, EOFError, struct.error) as exc:
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

    def __enter__(self) -> WavSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<WavSource {self._path}, {self.sample_rate} Hz>"


def _broken(path: str | os.PathLike[str], exc: Exception) -> AudioError:
    said = str(exc) or "it ends within its header"
    return AudioError(f"{os.fspath(path)} is not a WAV file of PCM: {said}; {_CURE}")


def _check(path: str | os.PathLike[str], width: int, channels: int, wav: wave.Wave_read) -> None:
    name, rate = os.fspath(path), wav.getframerate()
    if width not in _FROM_WIDTH:
        raise AudioError(f"{name} has {8 * width} bits a sample; {_CURE}")
    if channels > MAX_CHANNELS:
        raise AudioError(f"{name} claims {channels} channels; {_CURE}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{name} claims {rate} frames a second; {_CURE}")


def write_wav(path: str | os.PathLike[str], pcm: Bytes | Array, rate: int = RATE) -> None:
    """Writes PCM16 mono, replacing the file.

    Args:
        path: Where to.
        pcm: What `to_pcm16` takes, at `rate`.
        rate: Its rate in Hz.

    Raises:
        TypeError: As `to_pcm16`.
        ValueError: As `to_pcm16`, or the rate is out of range.
        OSError: The file cannot be written.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"a sample rate lies between {MIN_RATE} and {MAX_RATE} Hz, not {rate}")
    frames = to_pcm16(pcm)
    with open(path, "wb") as file, wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate, len(frames) // 2, "NONE", "not compressed"))
        wav.writeframes(frames)


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
