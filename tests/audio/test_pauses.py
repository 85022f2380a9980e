from __future__ import annotations

import numpy as np

from realtime_sync.audio.pauses import Pauses

RNG = np.random.default_rng(1)


def frames(*parts: tuple[float, float]) -> list[bytes]:
    """Noise: (seconds, loudness) each, in frames of 100 ms."""
    sound = np.concatenate([RNG.normal(0, loud, round(24000 * s)) for s, loud in parts])
    pcm = np.clip(sound, -32768, 32767).astype("<i2").tobytes()
    return [pcm[start : start + 4800] for start in range(0, len(pcm), 4800)]


def cuts(pauses: Pauses, sound: list[bytes]) -> list[float]:
    return [(n + 1) / 10 for n, frame in enumerate(sound) if pauses.cut_after(frame)]


def test_at_the_first_pause_that_is_late_enough() -> None:
    """Pauses before the wanted length are passed over; the next one ends the piece, inside it."""
    speech = [(3.0, 3000.0), (0.6, 20.0)] * 4
    assert cuts(Pauses(5), frames(*speech)) == [6.9, 14.1]


def test_a_gap_within_a_word_is_no_pause() -> None:
    """Two hundred milliseconds of quiet end nothing."""
    assert cuts(Pauses(1), frames((1.5, 3000.0), (0.2, 0.0), (1.0, 3000.0))) == []


def test_without_a_pause() -> None:
    """Speech without end is cut at three times the wanted length."""
    assert cuts(Pauses(2), frames((13.0, 3000.0))) == [6.0, 12.0]


def test_a_noisy_room() -> None:
    """What is quiet is measured against the speech, not against silence."""
    assert cuts(Pauses(1), frames((2.0, 6000.0), (0.5, 400.0), (1.0, 6000.0))) == [2.3]


def test_silence_is_no_piece() -> None:
    """While nobody speaks nothing is cut, until it has been very long."""
    talk = frames((1.5, 3000.0), (2.5, 0.0), (1.0, 3000.0), (0.5, 0.0))
    assert cuts(Pauses(1), talk) == [1.8, 5.3]
    assert cuts(Pauses(1), frames((7.0, 0.0))) == [3.0, 6.0]


def test_what_is_left_at_the_end() -> None:
    """A short quiet tail behind a cut is no piece; sound is, and so is whatever was never cut."""
    for parts, left in (
        ([(1.5, 3000.0), (0.6, 0.0)], False),
        ([(1.5, 3000.0), (0.6, 0.0), (0.2, 3000.0)], True),
        ([(1.5, 3000.0), (2.0, 0.0)], True),
        ([(0.5, 0.0)], True),
        ([], False),
    ):
        pauses = Pauses(1)
        cuts(pauses, frames(*parts) if parts else [])
        assert pauses.left is left
