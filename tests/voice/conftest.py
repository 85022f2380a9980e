"""Voice without devices: a virtual clock, sound that knows the time, a sink that remembers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from realtime_sync import RealtimeSession
from realtime_sync.audio import Player, VirtualClock
from realtime_sync.errors import ServerError
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import monotonic
from realtime_sync.voice import PushToTalk, Talk

LIMIT = 10.0  # seconds of real time; only failures reach it
STEP = 0.02


def sound(milliseconds: int, pitch: float = 440) -> bytes:
    times = np.arange(24 * milliseconds) / 24_000
    return (6000 * np.sin(2 * np.pi * pitch * times)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(48 * milliseconds)


class Sink:
    """Keeps what it is given, 20 ms at a time, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.slices: list[tuple[float, bytes]] = []

    def write(self, pcm: bytes) -> None:
        self.slices.append((self._clock.now(), pcm))

    @property
    def pcm(self) -> bytes:
        return b"".join(pcm for _, pcm in self.slices)


class Live:
    """A microphone that hears what it is told, and silence otherwise."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._coming = bytearray()
        self.heard = 0

    def say(self, pcm: bytes) -> None:
        self._coming += pcm

    def read(self) -> bytes:
        frame = bytes(self._coming[:960]).ljust(960, b"\0")
        del self._coming[:960]
        self.heard += 20
        return frame


class Stage:
    """A session of the server, both ends of it, and the time."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.clock = VirtualClock()
        self.sink = Sink(self.clock)
        self.microphone = Live(self.clock)
        self.player = Player(self.sink, clock=self.clock)
        self.line: Any = None

    def talk(self, source: Any = None, **options: Any) -> Talk:
        given = self.microphone if source is None else source
        self.line = Talk(self.session, given, self.player, clock=self.clock, **options)
        return self.line

    def push_to_talk(self, **options: Any) -> PushToTalk:
        self.line = PushToTalk(
            self.session, self.microphone, self.player, clock=self.clock, **options
        )
        return self.line

    def until(self, done: Callable[[], object]) -> None:
        """Let time pass until something has happened."""
        end = monotonic() + LIMIT
        while not done():
            self.step()
            assert monotonic() < end, "it never happened"

    def pass_ms(self, milliseconds: float) -> None:
        for _ in range(round(milliseconds / 20)):
            self.step()

    def step(self) -> None:
        """20 ms, and what they bring: all that the server says to what it has heard."""
        self.clock.advance(STEP)
        self.settle()

    def settle(self) -> None:
        """Wait until the server has said all that it says to what it has heard."""
        with contextlib.suppress(ServerError):
            self.session.conversation.retrieve("nothing")

    def close(self) -> None:
        self.clock.release()
        if self.line is not None:
            self.line.stop()
        self.player.close()


@pytest.fixture
def stage(server: LocalServer) -> Iterator[Callable[..., Stage]]:
    """Opens sessions, with a stage each; closes them all."""
    made: list[Stage] = []

    def new(**options: Any) -> Stage:
        session = RealtimeSession(endpoint=server.endpoint, reconnect=None, **options).open()
        made.append(Stage(session))
        return made[-1]

    yield new
    for one in made:
        one.close()
        one.session.close()
