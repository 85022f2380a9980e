from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.audio import Resampler, resample
from realtime_sync.errors import AudioUnavailable


def speechlike(frames: int, seed: int = 0) -> bytes:
    """Noise with slow swells: no two stretches are alike."""
    noise = np.random.default_rng(seed).normal(0, 4000, frames)
    swell = 1 + np.sin(np.arange(frames) / 500)
    return np.clip(noise * swell, -32768, 32767).astype("<i2").tobytes()


ENGINES = [
    "numpy",
    pytest.param(
        "soxr",
        marks=pytest.mark.skipif(find_spec("soxr") is None, reason="needs soxr: pip install soxr"),
    ),
]


def streamed(pcm: bytes, source: int, target: int, sizes: list[int], engine: Any) -> bytes:
    resampler, out, start = Resampler(source, target, engine=engine), [], 0
    for size in sizes:
        out.append(resampler.feed(pcm[start : start + 2 * size]))
        start += 2 * size
    return b"".join([*out, resampler.feed(pcm[start:]), resampler.flush()])


@settings(max_examples=60, deadline=None)
@given(
    source=st.sampled_from([8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]),
    target=st.sampled_from([8000, 16000, 24000, 44100, 48000]),
    frames=st.integers(0, 3000),
    channels=st.integers(0, 2),
    floats=st.booleans(),
    sizes=st.lists(st.integers(0, 700), max_size=12),
)
def test_a_stream_is_the_whole(source, target, frames, channels, floats, sizes) -> None:
    """However it is cut, the pieces are bit for bit what `resample` makes of the whole."""
    shape = (frames, channels) if channels else (frames,)
    whole = np.frombuffer(speechlike(frames * max(1, channels)), "<i2").reshape(shape)
    whole = (whole / 32768).astype(np.float32) if floats else whole.astype(np.int16)
    resampler, pieces, start = Resampler(source, target, engine="numpy"), [], 0
    for size in [*sizes, frames]:
        pieces.append(resampler.feed(whole[start : start + size]))
        start += size
    pieces.append(resampler.flush())
    joined, expected = np.concatenate(pieces), resample(whole, source, target)
    assert joined.dtype == expected.dtype
    assert np.array_equal(joined, expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_a_stream_has_the_length_of_the_whole(rate: int, engine: Any) -> None:
    """Two seconds in pieces of 20 ms become two seconds at 24 kHz, and sound alike."""
    pcm = speechlike(rate * 2)
    whole = np.frombuffer(resample(pcm, rate, 24000), "<i2")
    pieces = np.frombuffer(streamed(pcm, rate, 24000, [rate // 50] * 99, engine), "<i2")
    assert len(pieces) == len(whole) == 48000
    # they differ in what they keep of the last tenth below the lower Nyquist frequency
    assert np.corrcoef(pieces[200:-200], whole[200:-200])[0, 1] > 0.97


@settings(max_examples=50, deadline=None)
@given(
    rate=st.sampled_from([8000, 11025, 16000, 32000, 48000]),
    frames=st.integers(0, 3000),
    sizes=st.lists(st.integers(0, 700), max_size=12),
    engine=st.sampled_from(["numpy", None]),
)
def test_any_pieces(rate: int, frames: int, sizes: list[int], engine: Any) -> None:
    """However it is cut, as many frames come out as of the whole; soxr may round up a half."""
    pcm = speechlike(frames)
    made = len(streamed(pcm, rate, 24000, sizes, engine)) - len(resample(pcm, rate, 24000))
    assert made in ((0,) if engine == "numpy" else (0, 2))


def test_it_gives_what_it_has() -> None:
    """Our filter is 10 ms behind at most, piece after piece: right for what is live."""
    for rate in (8000, 16000, 22050, 44100, 48000):
        resampler, given = Resampler(rate, 24000, engine="numpy"), 0
        for piece in range(1, 50):
            given += len(resampler.feed(speechlike(rate // 50))) // 2
            assert piece * 20 - given / 24 <= (30 if piece == 1 else 10)


def test_a_flushed_stream_begins_anew() -> None:
    """After flush the next piece is the beginning of another stream, of another kind even."""
    resampler = Resampler(16000, 24000, engine="numpy")
    first = resampler.feed(speechlike(500)) + resampler.flush()
    assert resampler.feed(speechlike(500)) + resampler.flush() == first
    stereo = np.zeros((100, 2), np.int16)
    assert resampler.feed(stereo).shape[1:] == (2,)
    assert resampler.flush().shape[1:] == (2,)


def test_what_a_stream_refuses() -> None:
    """Half a sample, NaN, float64 and a piece unlike the first are refused; the stream goes on."""
    resampler = Resampler(16000, 24000)
    with pytest.raises(ValueError, match="half a sample"):
        resampler.feed(b"abc")
    with pytest.raises(ValueError, match="NaN"):
        resampler.feed(np.array([0, np.nan], np.float32))
    with pytest.raises(TypeError, match="float64"):
        resampler.feed(np.zeros(4))
    with pytest.raises(ValueError, match="shape"):
        resampler.feed(np.zeros((2, 2, 2), np.int16))
    assert resampler.flush() == b""
    resampler.feed(np.zeros(4, np.int16))
    with pytest.raises(ValueError, match="form of the first"):
        resampler.feed(np.zeros((4, 2), np.int16))
    assert len(resampler.flush()) == 6


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is unknown or not installed is an error that names the cure."""
    with pytest.raises(ValueError, match="numpy, soxr"):
        Resampler(8000, 24000, engine="sinc")  # type: ignore[arg-type]
    monkeypatch.setattr("realtime_sync.audio.rates.find_spec", lambda name: None)
    assert Resampler(8000, 24000).engine == "numpy"
    with pytest.raises(AudioUnavailable, match="pip install soxr"):
        Resampler(8000, 24000, engine="soxr")


def test_bad_rates() -> None:
    """A rate that cannot be is refused at once."""
    with pytest.raises(ValueError, match="sample rate"):
        Resampler(0, 24000)
    with pytest.raises(TypeError, match="sample rate"):
        Resampler(8000.0, 24000)  # type: ignore[arg-type]
