"""The session's audio formats: rates, sizes, durations. Plain numbers: no numpy, no samples.

Apart from `codecs`, so that a session can count milliseconds without loading numpy.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BYTES_PER_MS", "RATE", "RATES", "check_format", "duration_ms"]

RATE: Final = 24_000  # Hz; what PCM16 means wherever no rate is named

RATES: Final[dict[str, int]] = {"audio/pcm": RATE, "audio/pcmu": 8_000, "audio/pcma": 8_000}

BYTES_PER_MS: Final[dict[str, int]] = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}


def check_format(format: str) -> str:
    """The format itself, if it is one.

    Raises:
        ValueError: It is none of the three.
    """
    if format not in RATES:
        raise ValueError(f"unknown audio format {format!r}; use one of {', '.join(RATES)}")
    return format


def duration_ms(n_bytes: int, format: str = "audio/pcm") -> float:
    """How long that many bytes sound, in milliseconds.

    Raises:
        ValueError: The format is unknown.
    """
    return n_bytes / BYTES_PER_MS[check_format(format)]
