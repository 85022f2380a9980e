"""What our filter and soxr let through that they should not, how late they are, what they cost."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import numpy as np

from realtime_sync.audio import Resampler, resample

from .race import Row

PAIRS = [(48_000, 24_000), (44_100, 24_000), (16_000, 24_000), (8_000, 24_000), (24_000, 48_000)]
_SECONDS = 1.0
_FRAME = 0.02  # seconds fed at once


def rows(rounds: int) -> list[Row]:
    """For each pair of rates: strays and ripple, how late, and what it costs; theirs is soxr."""
    if find_spec("soxr") is None:
        raise SystemExit("this compares with soxr: pip install soxr")
    return [row for source, target in PAIRS for row in pair(source, target, rounds)]


def pair(source: int, target: int, rounds: int) -> list[Row]:
    """The rows of one pair of rates."""
    engines = ("numpy", "soxr")
    name = f"{source} to {target} Hz"
    stray = "aliases" if target < source else "images"
    told = [response(source, target, engine) for engine in engines]
    timed = [[timing(source, target, engine) for engine in engines] for _ in range(rounds)]
    late, cost = ([[1e6 * one[side][part] for one in timed] for side in (0, 1)] for part in (0, 1))
    return [
        Row(f"{name}, {stray}", "dB", (told[0][1],), (told[1][1],)),
        Row(f"{name}, ripple", "dB/1000", (1e3 * told[0][0],), (1e3 * told[1][0],)),
        Row(f"{name}, late", "us", tuple(late[0]), tuple(late[1])),
        Row(f"{name}, 20 ms", "us CPU", tuple(cost[0]), tuple(cost[1])),
    ]


def response(source: int, target: int, engine: Any) -> tuple[float, float]:
    """Largest deviation up to 0.9 of the lower Nyquist frequency, and the strongest stray, in dB.

    Strays: of tones in the passband what lies above half the source's rate (images), or of tones
    above half the target's rate what is left (aliases).
    """
    edge = min(source, target) / 2
    ripple, stray = 0.0, -999.0
    for part in np.linspace(0.05, 0.9, 12):
        made = through(part * edge, source, target, engine)
        ripple = max(ripple, abs(loudness(made)))
        if target > source:
            spectrum = np.abs(np.fft.rfft(made * np.blackman(len(made))))
            above = spectrum[np.fft.rfftfreq(len(made), 1 / target) > source / 2]
            stray = max(stray, 20 * np.log10(above.max() / spectrum.max()))
    if target < source:
        for part in np.linspace(1.0, min(1.9, 0.98 * source / target), 12):
            stray = max(stray, loudness(through(part * edge, source, target, engine)))
    return ripple, stray


def through(frequency: float, source: int, target: int, engine: Any) -> Any:
    """A full sine, resampled, without its ends."""
    count = int(source * _SECONDS)
    tone = np.sin(2 * np.pi * frequency * np.arange(count) / source).astype(np.float32)
    resampler = Resampler(source, target, engine=engine)
    made = np.concatenate([resampler.feed(tone), resampler.flush()])
    return made[len(made) // 8 : -len(made) // 8].astype(np.float64)


def loudness(samples: Any) -> float:
    """RMS in dB relative to a full sine."""
    return float(20 * np.log10(max(np.sqrt(2 * np.mean(samples**2)), 1e-12)))


def timing(source: int, target: int, engine: Any) -> tuple[float, float]:
    """The most that it was ever late, and the processor's seconds for a frame."""
    frame = np.random.default_rng(0).integers(-9000, 9000, int(source * _FRAME)).astype(np.int16)
    resampler, given, late = Resampler(source, target, engine=engine), 0, 0.0
    resample(frame, source, target)  # the table of weights is made once
    began = time.process_time()
    for number in range(1, 101):
        given += len(resampler.feed(frame))
        if number > 20:
            late = max(late, number * _FRAME - given / target)
    return late, (time.process_time() - began) / 100
