"""A sound card in memory, for whoever asks for one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync.audio import VirtualClock, hardware, ports

from .portaudio import Card, FakeDevice

_BACKEND = "realtime_sync.audio.pyaudiobackend"


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Card]]:
    """Makes a card of the devices given, in place of PyAudio."""
    cards = []
    # not by monkeypatch, which would put back what an earlier card of the same test has left
    real = sys.modules.pop(_BACKEND, None)

    def insert(*devices: FakeDevice, clock: VirtualClock | None = None) -> Card:
        made = Card(*devices, clock=clock)
        cards.append(made)
        monkeypatch.setitem(sys.modules, "pyaudio", made.module())
        sys.modules.pop(_BACKEND, None)  # it has to import this one
        monkeypatch.setattr(ports, "pause", made.pause)
        monkeypatch.setattr(hardware, "find_spec", lambda name: name == "pyaudio" or None)
        return made

    yield insert
    sys.modules.pop(_BACKEND, None)
    if real is not None:
        sys.modules[_BACKEND] = real
    for made in cards:
        made.release()
    for thread in threading.enumerate():
        if thread.name.startswith("left-"):
            thread.join(5)
    assert not any(made.streams for made in cards), "a stream was left open"
    assert not any(made.libraries for made in cards), "PortAudio was left initialised"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def on_card(card: Callable[..., Card]) -> Iterator[Callable[..., Any]]:
    """Makes a card, and a microphone or a loudspeaker on it that is closed after the test."""
    made = []

    def on(kind: Any, *devices: FakeDevice, clock: VirtualClock, **how: Any) -> Any:
        there = card(*devices, clock=clock)
        one = kind(**how)
        one.card = there
        made.append(one)
        return one

    yield on
    for one in made:
        one.card.release()
        one.close()
