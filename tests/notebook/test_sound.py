"""Audio that a page plays."""

from __future__ import annotations

import pytest

from realtime_sync.audio import alaw_encode, ulaw_encode
from realtime_sync.notebook.sound import LONGEST, player

from .reading import read

PCM = b"\x10\x20\xf0\xdf" * 12_000  # one second at 24 kHz


def test_pcm() -> None:
    """PCM16 goes as it is; half a sample at the end does not."""
    assert read(player(PCM + b"\x01", "audio/pcm", instead="")).sounds == [(24_000, 1, PCM)]


@pytest.mark.parametrize(
    ("kind", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)]
)
def test_telephones(kind: str, encode: object) -> None:
    """A telephone's audio becomes PCM16 at its rate, which every browser plays."""
    assert callable(encode)
    page = read(player(encode(PCM[:16_000]), kind, instead=""))
    ((rate, channels, pcm),) = page.sounds
    assert (rate, channels, len(pcm)) == (8_000, 1, 16_000)
    assert page.elements[0][1]["title"] == "1.0 s"


def test_too_long() -> None:
    """More than a minute is not put into the notebook's file; the page says where it is."""
    page = read(player(PCM * LONGEST + PCM, "audio/pcm", instead="response.audio has it"))
    assert page.sounds == []
    assert page.text == "61 s of audio: more than a page is given (60 s); response.audio has it"
    assert len(read(player(PCM * LONGEST, "audio/pcm", instead="")).sounds) == 1
