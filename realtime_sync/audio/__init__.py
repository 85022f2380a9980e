"""Sound: samples, codecs, rates, files. Ignorant of sessions and of the wire's events.

formats     rates, sizes and durations of the session's formats; the only part without numpy
codecs      PCM16, float32, G.711, resampling; the home of numpy
polyphase   the filter that changes rates
rates       resampling of what comes piece by piece
coders      a session's format, piece by piece
files       sound files in, WAV files out
libsndfile  FLAC, OGG, MP3; the home of soundfile
sources     a file, an array, a microphone: one kind of stream
pauses      where speech may be cut
detection   where speech begins and ends
pace        real time for what knows none; a virtual clock for tests
playback    what is still to be played, and how far the listener has come
outputs     where slices go: a device, or a sink of the user's
player      the thread that plays: `Player`, `Speaker`
microphone  the thread that listens: `Microphone`
ports       one device as sound at 24 kHz, found again when it is lost
owner       the thread that has a stream, left behind where PortAudio never returns
hardware    which devices there are; pyaudiobackend and sounddevicebackend reach them
quiet       silence for C libraries that print

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
    from .coders import Decoder, Encoder
    from .detection import Speech, SpeechDetector
    from .files import WavSink, WavSource, open_file, read_wav, write_wav
    from .hardware import Device, devices
    from .microphone import Microphone, PreRoll
    from .outputs import AudioSink
    from .pace import PacedSource, VirtualClock
    from .player import Player, Speaker
    from .ports import DeviceChange
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
    "Microphone",
    "Speaker",
    "Player",
    "AudioSink",
    "devices",
    "Device",
    "DeviceChange",
    "PacedSource",
    "PreRoll",
    "VirtualClock",
    "Resampler",
    "Encoder",
    "Decoder",
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
    "Microphone": "microphone",
    "Speaker": "player",
    "Player": "player",
    "AudioSink": "outputs",
    "devices": "hardware",
    "Device": "hardware",
    "DeviceChange": "ports",
    "PacedSource": "pace",
    "PreRoll": "microphone",
    "VirtualClock": "pace",
    "Resampler": "rates",
    "Encoder": "coders",
    "Decoder": "coders",
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
