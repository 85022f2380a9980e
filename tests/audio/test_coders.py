"""A session's format, piece by piece, is what it would have been as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.audio import Decoder, Encoder, codecs

FORMATS = st.sampled_from(sorted(codecs.RATES))
CUTS = st.lists(st.integers(0, 900), max_size=10)


def cut(data: bytes, sizes: list[int], step: int = 1) -> list[bytes]:
    pieces, start = [], 0
    for size in sizes:
        pieces.append(data[start : start + size * step])
        start += size * step
    return [*pieces, data[start:]]


@settings(deadline=None, max_examples=60)
@given(samples=st.binary(max_size=4000), format=FORMATS, sizes=CUTS)
def test_encoded_in_pieces(samples: bytes, format: str, sizes: list[int]) -> None:
    """However PCM16 is cut, the joined pieces are what `encode` makes of all of it."""
    pcm = samples[: len(samples) & ~1]
    encoder = Encoder(format)
    joined = b"".join([*map(encoder.feed, cut(pcm, sizes, 2)), encoder.flush()])
    assert joined == codecs.encode(pcm, format)


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=4000), format=FORMATS, sizes=CUTS)
def test_decoded_in_pieces(data: bytes, format: str, sizes: list[int]) -> None:
    """However it is cut, inside a sample too, it is what `decode` makes of all of it."""
    if format == "audio/pcm":
        data = data[: len(data) & ~1]
    decoder = Decoder(format)
    joined = b"".join([*map(decoder.feed, cut(data, sizes)), decoder.flush()])
    assert joined == codecs.decode(data, format)


def test_what_they_refuse() -> None:
    """An unknown format; half a sample that no piece completes is dropped, not heard as noise."""
    for kind in (Encoder, Decoder):
        with pytest.raises(ValueError, match="unknown audio format"):
            kind("audio/opus")
    decoder = Decoder()
    assert decoder.feed(b"\1\0\2") == b"\1\0"
    assert decoder.flush() == b""
    assert decoder.feed(b"\3\0") == b"\3\0"
    with pytest.raises(ValueError, match="half a sample"):
        Encoder().feed(b"abc")
    assert Encoder().feed(np.array([1], np.int16)) == b"\1\0"
