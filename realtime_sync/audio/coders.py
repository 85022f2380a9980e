"""A session's audio format, piece by piece. No files, no devices, no threads."""

from __future__ import annotations

from .codecs import Array, Bytes, alaw_decode, alaw_encode, to_pcm16, ulaw_decode, ulaw_encode
from .formats import RATE, RATES, check_format
from .rates import Resampler

__all__ = ["Decoder", "Encoder"]

_ENCODERS = {"audio/pcmu": ulaw_encode, "audio/pcma": alaw_encode}
_DECODERS = {"audio/pcmu": ulaw_decode, "audio/pcma": alaw_decode}


class Encoder:
    """`encode`, for a stream: PCM16 mono at 24 kHz in, a session's format out, 5 ms later at most.

    Args:
        format: "audio/pcm", "audio/pcmu" or "audio/pcma".

    Raises:
        ValueError: Another.
    """

    def __init__(self, format: str = "audio/pcm") -> None:
        self._encode = _ENCODERS.get(check_format(format))
        # ours: what is spoken live cannot wait for soxr
        self._resampler = Resampler(RATE, RATES[format], engine="numpy")

    def feed(self, audio: Bytes | Array) -> bytes:
        """The next piece; raises as `to_pcm16`."""
        return self._out(self._resampler.feed(to_pcm16(audio)))

    def flush(self) -> bytes:
        """The rest: nothing more comes. What is fed next begins a new stream."""
        return self._out(self._resampler.flush())

    def _out(self, pcm: bytes) -> bytes:
        return self._encode(pcm) if self._encode else pcm


class Decoder:
    """`decode`, for a stream: a session's format in, PCM16 mono at 24 kHz out, whole samples.

    A piece may end inside a sample, as a delta may: the half waits for the next piece.

    Args:
        format: "audio/pcm", "audio/pcmu" or "audio/pcma".

    Raises:
        ValueError: Another.
    """

    def __init__(self, format: str = "audio/pcm") -> None:
        self._decode = _DECODERS.get(check_format(format))
        self._resampler = Resampler(RATES[format], RATE, engine="numpy")
        self._half = b""  # of a sample

    def feed(self, data: bytes) -> bytes:
        """The next piece."""
        if self._decode:
            pcm = self._decode(data)
        else:
            data = self._half + data
            whole = len(data) & ~1
            pcm, self._half = data[:whole], data[whole:]
        return bytes(self._resampler.feed(pcm))

    def flush(self) -> bytes:
        """The rest: nothing more comes; half a sample at the end is dropped."""
        self._half = b""
        return bytes(self._resampler.flush())
