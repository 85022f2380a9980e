"""An hour of voice each way: nothing is lost, nothing is kept."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.errors import ServerError
from realtime_sync.local import LocalServer
from realtime_sync.local.attention import Attention
from realtime_sync.voice.input import Input

from .conftest import Stage, silence, sound

Stages = Callable[..., Stage]

MINUTE = sound(58_000) + silence(2_000)
REPLY = sound(60_000, 660)
SETTLED = 3  # minutes, while whatever is kept for a while fills up
DETECTION = {"type": "server_vad", "create_response": False, "interrupt_response": False}


def resident() -> float:
    """Megabytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


class Digest:
    """Of what went by, a piece at a time, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        data = data[: self._limit - self.size]
        self.size += len(data)
        self._hash.update(data)

    def __str__(self) -> str:
        return f"{self.size} {self._hash.hexdigest()}"


class Speech:
    """A microphone into which somebody speaks, minute after minute."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._at = 0

    def read(self) -> bytes:
        frame = MINUTE[self._at : self._at + 960]
        self._at = (self._at + 960) % len(MINUTE)
        self._digest.add(frame)
        return frame


class Hashing:
    """A sink that keeps nothing."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest

    def write(self, pcm: bytes) -> None:
        self._digest.add(pcm)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize("minutes", [2, pytest.param(60, marks=pytest.mark.long)])
def test_an_hour(
    stage: Stages, server: LocalServer, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """Memory grows by less than 5 MB from the fourth minute on; what arrives is what was said."""
    faulthandler.cancel_dump_traceback_later()  # pytest takes a test of a minute for hung
    said, arrived, heard, told = (Digest(minutes * len(REPLY)) for _ in range(4))
    hear = Attention.hear

    def noted(self: Attention, audio: bytes) -> list[Any]:
        arrived.add(audio)
        return hear(self, audio)

    monkeypatch.setattr(Attention, "hear", noted)
    on = stage(turn_detection=DETECTION)
    on.player._output._sink = Hashing(heard)  # type: ignore[attr-defined]
    on.talk(Speech(said), echo="none", barge_in="manual", transcription=None)
    before = 0.0
    for minute in range(minutes):
        server.reply(REPLY)
        told.add(REPLY)
        on.session.submit("go on").result(30)
        on.until(lambda: on.player.playing)
        while on.player.playing:
            on.clock.advance(1.0)
            on.settle()  # or the time runs away from the network
        server._received.clear()  # kept for tests to look at, as long as the server lives
        if minute == min(SETTLED, minutes // 2):
            before = resident()
    on.step()
    grown = resident() - before
    assert isinstance(on.line._input, Input)
    on.clock.release()
    on.line.stop()
    with contextlib.suppress(ServerError):
        on.session.conversation.retrieve("nothing")  # the server has heard all before it
    assert arrived.size == minutes * len(REPLY)
    assert str(arrived) == str(said)
    assert str(heard) == str(told)
    assert grown < 5
