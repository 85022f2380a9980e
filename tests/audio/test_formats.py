"""The room's door: plain numbers without numpy, the rest on demand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realtime_sync import audio


@pytest.mark.parametrize(
    ("count", "format", "expected"),
    [(4_800, "audio/pcm", 100.0), (800, "audio/pcmu", 100.0), (1, "audio/pcma", 0.125)],
)
def test_durations(count, format, expected):
    """Milliseconds follow from the format's bytes a millisecond."""
    assert audio.duration_ms(count, format) == expected


def test_an_unknown_format_lists_the_known():
    """The message of a wrong format names the three."""
    with pytest.raises(ValueError, match="audio/pcm, audio/pcmu, audio/pcma"):
        audio.duration_ms(1, "pcm16")


def test_every_public_name_arrives():
    """All of __all__ can be had, is listed by dir, and nothing else is."""
    assert all(getattr(audio, name) is not None for name in audio.__all__)
    assert set(audio.__all__) <= set(dir(audio))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        audio.nonsense  # noqa: B018


def test_the_room_opens_without_numpy():
    """Importing realtime_sync.audio and counting milliseconds loads no numpy."""
    code = (
        "import sys, realtime_sync.audio as audio; audio.duration_ms(48);"
        "assert 'numpy' not in sys.modules; audio.resample; assert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
