"""FLAC, OGG, MP3 and odd WAV files, by libsndfile. Here alone is soundfile imported."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, Final

from ..closing import Closing
from ..errors import AudioError
from .codecs import MAX_CHANNELS, to_pcm16
from .polyphase import MAX_RATE, MIN_RATE

__all__ = ["CURE", "SoundFileSource", "check_shape", "file_extra"]

_PIECE: Final = 65_536  # frames read at once
CURE: Final = "convert it, e.g. with: ffmpeg -i in.wav -c:a pcm_s16le -ac 1 -ar 24000 out.wav"


def file_extra() -> bool:
    """Whether soundfile is installed."""
    return find_spec("soundfile") is not None


def check_shape(path: str | os.PathLike[str], channels: int, rate: int) -> None:
    """Whether a file may be what its header says.

    Raises:
        AudioError: So many channels, or frames a second, cannot be.
    """
    if channels > MAX_CHANNELS:
        raise AudioError(f"{os.fspath(path)} claims {channels} channels; {CURE}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{os.fspath(path)} claims {rate} frames a second; {CURE}")


class SoundFileSource(Closing):
    """A sound file, piece by piece: an `AudioSource`.

    Args:
        path: A file of any kind that libsndfile knows; several channels are averaged.

    Attributes:
        sample_rate: The file's own, in Hz.

    Raises:
        AudioError: It is broken, or of no such kind.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import soundfile

        self._path = os.fspath(path)
        self._errors: Any = (soundfile.SoundFileError, RuntimeError)
        try:
            self._file: Any = soundfile.SoundFile(self._path)
        except self._errors as exc:
            raise self._broken(exc) from exc
        try:
            check_shape(path, self._file.channels, self._file.samplerate)
        except AudioError:
            self.close()
            raise
        self.sample_rate: int = self._file.samplerate

    def read(self) -> bytes:
        """The next PCM16 mono bytes, 65,536 frames at most; b"" at the end.

        Raises:
            AudioError: The file is broken.
        """
        if self._file.closed:
            return b""
        try:
            frames = self._file.read(_PIECE, dtype="float32", always_2d=True)
            return to_pcm16(frames)
        except (*self._errors, ValueError) as exc:
            raise self._broken(exc) from exc

    def _broken(self, exc: Exception) -> AudioError:
        return AudioError(
            f"{self._path} cannot be read: {exc}; convert it to WAV, e.g. with ffmpeg"
        )

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __repr__(self) -> str:
        return f"<SoundFileSource {self._path}, {self.sample_rate} Hz>"
