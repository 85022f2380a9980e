"""Words become sound: espeak-ng where the extra `voice` is installed, tones otherwise.

espeak-ng is GPL-3: it comes with the package `espeakng_loader` (extra `voice`), never by itself.
Knows nothing of sessions or events.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import logging
import math
import re
import sys
import threading
from array import array
from collections.abc import Iterator
from typing import Any

__all__ = ["Speech", "tones"]

log = logging.getLogger(__name__)

RATE = 24_000

# C major pentatonic: any order of these is pleasant
_PITCHES = (261.63, 293.66, 329.63, 392.00, 440.00, 523.25)
_SYLLABLE = 0.13  # seconds
_GAP = 0.05
_FADE = 0.02
_LOUDNESS = 6000
_PHRASE_MOST = 25  # words
_VOWELS = re.compile(r"[aeiouy]+", re.IGNORECASE)


class Speech:
    """Speaks, and converts between the wire's audio formats.

    Args:
        engine: "auto" takes espeak-ng where it is installed; "tones" never does.
    """

    def __init__(self, engine: str = "auto") -> None:
        self._tones_only = engine == "tones"

    def speak(self, text: str) -> Iterator[bytes]:
        """PCM16 mono at 24 kHz, a phrase at a time, made as it is asked for."""
        espeak = None if self._tones_only else _espeak()
        for phrase in _phrases(text):
            yield tones(phrase) if espeak is None else espeak.speak(phrase)

    def convert(self, audio: bytes, source: str, target: str) -> bytes:
        """Audio in another of the wire's formats; the same bytes where they are equal."""
        if source == target:
            return audio
        # half a sample at the end of PCM would be refused; it cannot be heard either
        whole = audio[: len(audio) & ~1] if source == "audio/pcm" else audio
        codecs = _codecs()
        return bytes(codecs.encode(codecs.decode(whole, source), target))


def _phrases(text: str) -> Iterator[str]:
    """Sentences, long ones in pieces: nobody should wait for the end to hear the beginning."""
    phrase: list[str] = []
    for word in text.split():
        phrase.append(word)
        if word.endswith((".", "!", "?")) or len(phrase) == _PHRASE_MOST:
            yield " ".join(phrase)
            phrase = []
    if phrase:
        yield " ".join(phrase)


def _codecs() -> Any:
    # when called: it brings numpy, which a text conversation has no need of
    return importlib.import_module("realtime_sync.audio.codecs")


def tones(text: str) -> bytes:
    """One soft tone a syllable, a short pause after each word."""
    pause = bytes(int(_GAP * RATE) * 2)
    spoken = []
    for word in text.split():
        # by spelling: the same word always sounds the same
        seed = sum(map(ord, word.lower()))
        syllables = max(1, len(_VOWELS.findall(word)))
        spoken += [_tone(_PITCHES[(seed + n) % len(_PITCHES)]) for n in range(syllables)]
        spoken.append(pause)
    return b"".join(spoken)


@functools.lru_cache(maxsize=len(_PITCHES))
def _tone(pitch: float) -> bytes:
    count, fade = int(_SYLLABLE * RATE), int(_FADE * RATE)
    samples = array("h")
    for n in range(count):
        # a raised cosine at both ends: a tone that starts at once clicks
        edge = min(n, count - 1 - n, fade) / fade
        level = _LOUDNESS * (1 - math.cos(math.pi * edge)) / 2
        samples.append(round(level * math.sin(2 * math.pi * pitch * n / RATE)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_DONT_EXIT = 0x8000  # without it espeak-ng ends the process when its data is missing
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class _Espeak:
    """The process's one espeak-ng.

    Raises:
        OSError: The library or its data cannot be loaded.
    """

    def __init__(self) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._library = ctypes.CDLL(str(loader.get_library_path()))
        path = str(loader.get_data_path()).encode()
        self._rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, path, _DONT_EXIT)
        if self._rate <= 0:
            raise OSError("espeak-ng did not find its data")
        self._heard = bytearray()
        # kept: espeak-ng holds a bare pointer to it
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetVoiceByName(b"en-us")

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._heard += ctypes.string_at(samples, count * 2)
        return 0

    def speak(self, text: str) -> bytes:
        """PCM16 mono at 24 kHz."""
        data = text.replace("\0", " ").encode("utf-8", "replace")
        with _espeak_lock:
            self._heard.clear()
            self._library.espeak_Synth(
                data, ctypes.c_size_t(len(data) + 1), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            spoken = bytes(self._heard)
        return bytes(_codecs().resample(spoken, self._rate, RATE))


# espeak-ng keeps its state in C globals: one synthesis at a time in the whole process
_espeak_lock = threading.Lock()


def _espeak() -> _Espeak | None:
    """The engine, loaded at the first word; None where it cannot be had."""
    with _espeak_lock:
        return _loaded()


@functools.cache
def _loaded() -> _Espeak | None:
    if importlib.util.find_spec("espeakng_loader") is None:
        return None
    try:
        return _Espeak()
    except (OSError, AttributeError) as exc:
        log.warning("espeak-ng is installed but cannot be used, speaking in tones: %s", exc)
        return None
