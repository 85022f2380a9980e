"""Words become sound, by espeak-ng and by tones; formats become each other."""

from __future__ import annotations

import sys
import threading
from array import array

import pytest

from realtime_sync.local import speech
from realtime_sync.local.speech import Speech, tones


def samples(pcm: bytes) -> array[int]:
    values = array("h", pcm)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def test_tones_are_deterministic_and_bounded() -> None:
    """The same words sound the same; longer ones longer; nothing clips; the edges are silent."""
    short, long = tones("hi"), tones("hello beautiful world")
    assert short == tones("hi")
    assert len(long) > len(short)
    heard = samples(long)
    assert 3000 < max(heard) < 8000
    assert heard[0] == heard[-1] == 0
    assert tones("") == b""


def test_tones_start_and_end_softly() -> None:
    """A tone fades in and out: no step between samples that would click."""
    heard = samples(tones("hi"))
    assert all(abs(value) < 300 for value in heard[:48])


def test_phrases() -> None:
    """Speech comes a sentence at a time; a long one in pieces."""
    assert len(list(Speech("tones").speak("One. Two three! Four?"))) == 3
    assert len(list(Speech("tones").speak("word " * 60))) == 3
    assert list(Speech("tones").speak("")) == []


def test_espeak() -> None:
    """espeak-ng, where it is installed, says words at a human pace, in 24 kHz PCM16."""
    pytest.importorskip("espeakng_loader", reason="extra voice: pip install espeakng-loader")
    (pcm,) = Speech().speak("Hello, how are you today?")
    assert 0.8 < len(pcm) / 48_000 < 4
    assert max(samples(pcm)) > 3000
    assert pcm != tones("Hello, how are you today?")


def test_espeak_from_many_threads() -> None:
    """It has one state in the process: threads take turns, and each gets its own words."""
    pytest.importorskip("espeakng_loader", reason="extra voice: pip install espeakng-loader")
    texts = ["one", "a somewhat longer sentence for the second thread", "three"] * 4
    alone = {text: b"".join(Speech().speak(text)) for text in texts}
    heard: list[tuple[str, bytes]] = []

    def say(text: str) -> None:
        heard.append((text, b"".join(Speech().speak(text))))

    threads = [threading.Thread(target=say, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(heard) == len(texts)
    assert all(abs(len(pcm) - len(alone[text])) < 2400 for text, pcm in heard)


def test_tones_where_espeak_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An espeak-ng that cannot be loaded is warned about once; tones take its place."""

    def broken() -> None:
        raise OSError("no data")

    monkeypatch.setattr(speech, "_Espeak", broken)
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda _: object())
    speech._loaded.cache_clear()
    try:
        assert b"".join(Speech().speak("hi")) == tones("hi")
        assert b"".join(Speech().speak("hi")) == tones("hi")
        assert len(caplog.records) == 1
    finally:
        speech._loaded.cache_clear()


def test_tones_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra there is no warning, only tones."""
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda _: None)
    speech._loaded.cache_clear()
    try:
        assert b"".join(Speech().speak("hi")) == tones("hi")
    finally:
        speech._loaded.cache_clear()


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_formats(name: str) -> None:
    """PCM to G.711 and back keeps the length and, roughly, the level; same formats keep bytes."""
    voice, pcm = Speech("tones"), tones("hello")
    small = voice.convert(pcm, "audio/pcm", name)
    assert len(small) == pytest.approx(len(pcm) / 6, abs=8)
    back = voice.convert(small, name, "audio/pcm")
    assert max(samples(back)) == pytest.approx(max(samples(pcm)), rel=0.1)
    assert voice.convert(b"abc", name, name) == b"abc"
    assert voice.convert(pcm + b"x", "audio/pcm", name) == small
