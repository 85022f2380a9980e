"""Sound: samples, codecs, rates, files. Ignorant of sessions and of the wire's events.

formats     rates, sizes and durations of the session's formats; the only part without numpy
codecs      PCM16, float32, G.711, resampling; the home of numpy
polyphase   the filter that changes rates
rates       resampling of what comes piece by piece
files       sound files in, WAV files out
libsndfile  FLAC, OGG, MP3; the home of soundfile
sources     a file, an array, a microphone: one kind of stream
pauses      where speech may be cut
detection   where speech begins and ends

Importing the room loads no numpy: the names below arrive when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .formats import BYTES_PER_MS, RATE, RATES, duration_ms

if TYPE_CHECKING:
    from .codecs import (
        alaw_decode,
        alaw_encode,
        decode,
        encode,
        level,
        resample,
        to_pcm16,
        ulaw_decode,
        ulaw_encode,
    )
    from .detection import Speech, SpeechDetector
    from .files import WavSink, WavSource, open_file, read_wav, write_wav
    from .rates import Resampler
    from .sources import AudioSource

__all__ = [
    "resample",
    "ulaw_encode",
    "ulaw_decode",
    "alaw_encode",
    "alaw_decode",
    "to_pcm16",
    "encode",
    "decode",
    "level",
    "read_wav",
    "write_wav",
    "WavSource",
    "WavSink",
    "open_file",
    "AudioSource",
    "Resampler",
    "SpeechDetector",
    "Speech",
    "duration_ms",
    "BYTES_PER_MS",
    "RATE",
    "RATES",
]

_HOMES = {
    "resample": "codecs",
    "ulaw_encode": "codecs",
    "ulaw_decode": "codecs",
    "alaw_encode": "codecs",
    "alaw_decode": "codecs",
    "to_pcm16": "codecs",
    "encode": "codecs",
    "decode": "codecs",
    "level": "codecs",
    "read_wav": "files",
    "write_wav": "files",
    "WavSource": "files",
    "WavSink": "files",
    "open_file": "files",
    "AudioSource": "sources",
    "Resampler": "rates",
    "SpeechDetector": "detection",
    "Speech": "detection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value  # found once, then as quick as any other name
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
