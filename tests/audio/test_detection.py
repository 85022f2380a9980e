"""Where speech begins and ends, by its loudness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.audio import Speech, SpeechDetector, alaw_encode, resample, ulaw_encode


def sound(milliseconds: int, decibels: float = -20.0) -> bytes:
    """A tone whose RMS is so loud."""
    times = np.arange(24 * milliseconds) / 24_000
    peak = 32_768 * 10 ** (decibels / 20) * 2**0.5
    return (peak * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(48 * milliseconds)


def test_exact_milliseconds() -> None:
    """Speech starts at its first sound less the padding, and stops with the silence after it."""
    detector = SpeechDetector(prefix_padding_ms=300, silence_duration_ms=200)
    told = detector.hear(silence(1000) + sound(500) + silence(199))
    assert told == [Speech("started", 700)]
    assert detector.speaking
    assert detector.hear(silence(1)) == [Speech("stopped", 1700)]
    assert not detector.speaking


def test_the_padding_ends_where_the_audio_begins() -> None:
    """There is nothing before the first sample."""
    assert SpeechDetector().hear(sound(100))[0] == Speech("started", 0)


def test_a_click_is_no_speech() -> None:
    """Two loud frames are not enough, three are."""
    assert SpeechDetector().hear(silence(400) + sound(40) + silence(400)) == []
    assert SpeechDetector().hear(silence(400) + sound(60))[0].at_ms == 100


def test_a_pause_is_no_end() -> None:
    """Silence shorter than asked for belongs to the speech."""
    detector = SpeechDetector(silence_duration_ms=500)
    told = detector.hear(sound(300) + silence(480) + sound(300) + silence(500))
    assert [one.kind for one in told] == ["started", "stopped"]
    assert told[1].at_ms == 1580


@pytest.mark.parametrize(
    ("threshold", "loud", "quiet"), [(0, -58, -62), (0.5, -38, -42), (1, -18, -22)]
)
def test_the_threshold(threshold: float, loud: float, quiet: float) -> None:
    """0 to 1 stand for -60 to -20 dBFS."""
    assert SpeechDetector(threshold=threshold).hear(sound(200, loud))
    assert not SpeechDetector(threshold=threshold).hear(sound(200, quiet))


def test_an_offset_is_no_sound() -> None:
    """A microphone whose zero lies elsewhere is as quiet as any other."""
    assert SpeechDetector().hear(b"\x00\x20" * 24_000) == []


@pytest.mark.parametrize(
    ("format", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)]
)
def test_telephone_audio(format: str, encode: object) -> None:
    """G.711 gives the same milliseconds."""
    pcm = resample(silence(1000) + sound(500) + silence(600), 24_000, 8_000)
    detector = SpeechDetector(format=format, heard_ms=100)
    told = detector.hear(encode(pcm))  # type: ignore[operator]
    assert told == [Speech("started", 800), Speech("stopped", 2100)]


@given(st.lists(st.integers(1, 5000), max_size=60))
def test_pieces_make_no_difference(cuts: list[int]) -> None:
    """However the audio is cut, in the middle of a sample too, the same is told."""
    audio = silence(300) + sound(200) + silence(600) + sound(400) + silence(700)
    detector, told, at = SpeechDetector(), [], 0
    for size in [*cuts, len(audio)]:
        told += detector.hear(audio[at : at + size])
        at += size
    assert told == SpeechDetector().hear(audio)


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 1.5}, {"prefix_padding_ms": -1}, {"silence_duration_ms": -1}, {"format": "mp3"}],
)
def test_numbers_out_of_range(wrong: dict[str, object]) -> None:
    """Each is refused by name."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SpeechDetector(**wrong)  # type: ignore[arg-type]
