from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.audio import Resampler, resample


def speechlike(frames: int, seed: int = 0) -> bytes:
    """Noise with slow swells: no two stretches are alike."""
    noise = np.random.default_rng(seed).normal(0, 4000, frames)
    swell = 1 + np.sin(np.arange(frames) / 500)
    return np.clip(noise * swell, -32768, 32767).astype("<i2").tobytes()


def streamed(pcm: bytes, source: int, target: int, sizes: list[int]) -> bytes:
    resampler, out, start = Resampler(source, target), [], 0
    for size in sizes:
        out.append(resampler.feed(pcm[start : start + 2 * size]))
        start += 2 * size
    return b"".join([*out, resampler.feed(pcm[start:]), resampler.flush()])


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000, 44101])
def test_a_stream_is_the_whole(rate: int) -> None:
    """Joined, the pieces have the length of the whole, and but for the ends its very samples."""
    pcm = speechlike(rate * 2)
    whole = np.frombuffer(resample(pcm, rate, 24000), "<i2")
    pieces = np.frombuffer(streamed(pcm, rate, 24000, [rate // 50] * 99), "<i2")
    assert len(pieces) == len(whole) == 48000
    assert np.array_equal(pieces[200:-200], whole[200:-200])
    assert np.abs(pieces.astype(int) - whole).max() < 3000  # a guess, but no click


@settings(max_examples=50, deadline=None)
@given(
    rate=st.sampled_from([8000, 11025, 16000, 32000, 48000]),
    frames=st.integers(0, 3000),
    sizes=st.lists(st.integers(0, 700), max_size=12),
)
def test_any_pieces(rate: int, frames: int, sizes: list[int]) -> None:
    """However it is cut, as many frames come out as of the whole."""
    pcm = speechlike(frames)
    assert len(streamed(pcm, rate, 24000, sizes)) == len(resample(pcm, rate, 24000))


def test_it_gives_what_it_has() -> None:
    """Output does not wait for the end: after a second, nearly a second has come."""
    resampler = Resampler(16000, 24000)
    assert len(resampler.feed(speechlike(16000))) > 2 * 23900


def test_bad_rates() -> None:
    """A rate that cannot be is refused at once."""
    with pytest.raises(ValueError, match="sample rate"):
        Resampler(0, 24000)
    with pytest.raises(TypeError, match="sample rate"):
        Resampler(8000.0, 24000)  # type: ignore[arg-type]
