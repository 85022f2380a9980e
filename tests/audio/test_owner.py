"""Devices whose library does not return: everything of ours comes to an end all the same."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync.audio import DeviceChange, Microphone, Speaker, owner, ports, quiet
from realtime_sync.audio.owner import StreamOwner
from realtime_sync.errors import AudioError, DeviceLost
from realtime_sync.runtime.clock import monotonic

from .portaudio import Card, FakeDevice

LIMIT = 10.0  # seconds; only failures reach it


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is long, though not too short for a machine that stands still for a moment."""
    monkeypatch.setattr(owner, "STUCK", 0.5)
    monkeypatch.setattr(ports, "SILENT", 0.5)
    monkeypatch.setattr(ports, "_OPENING", 0.5)
    monkeypatch.setattr(quiet, "_given_up", False)  # for this test


class Changes:
    """What is told of a device."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, change: DeviceChange) -> None:
        with self._changed:
            self.all.append((change.kind, change.device))
            if change.error is not None:
                self.errors.append(str(change.error))
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= count, LIMIT), self.all


@pytest.fixture
def open_on(card: Any) -> Iterator[Callable[..., Any]]:
    """Opens a microphone or a loudspeaker on these devices, in real time."""
    made: list[Any] = []

    def new(kind: Any, *devices: FakeDevice, **how: Any) -> Any:
        card(*devices)
        made.append(kind(**how))
        return made[-1].open()

    yield new
    for one in made:
        began = monotonic()
        one.close()
        assert monotonic() - began < LIMIT / 2
        assert one._thread is None or not one._thread.is_alive()


@pytest.mark.parametrize("function", ["read", "get_read_available"])
def test_a_read_that_never_returns(
    open_on: Any, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The microphone is lost, and the default one goes on; the thread in the call is left."""
    changes = Changes()
    headset, builtin = FakeDevice("headset"), FakeDevice("built-in")
    microphone = open_on(Microphone, builtin, headset, device="headset", on_change=changes)
    assert len(microphone.read()) == 960
    headset.hangs, headset.gone = function, True
    changes.wait(2)
    assert changes.all == [("lost", "headset"), ("restored", "built-in")]
    assert "not returned within 0.5 s" in changes.errors[0]
    microphone.discard()
    assert len(microphone.read()) == 960
    assert microphone.device == "built-in"
    assert "realtime-input does not come back from the sound library" in caplog.text


@pytest.mark.parametrize("function", ["write", "get_write_available"])
def test_a_write_that_never_returns(open_on: Any, function: str) -> None:
    """The loudspeaker is lost, and what is said is played on the default one."""
    changes = Changes()
    headset, builtin = FakeDevice("headset", 0, 1), FakeDevice("built-in", 0, 1)
    speaker = open_on(Speaker, builtin, headset, device="headset", on_change=changes)
    headset.hangs, headset.gone = function, True
    changes.wait(2)
    assert changes.all == [("lost", "headset"), ("restored", "built-in")]
    speaker.play(b"\1\1" * 2400, "a")
    speaker.finish("a")
    speaker.wait_playback(timeout=LIMIT)
    assert bytes(builtin.played).count(b"\1\1") >= 2399


def test_a_close_that_never_returns(open_on: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Closing ends in time; the library is busy, and another device says so."""
    device = FakeDevice("both", 1, 1)
    microphone = open_on(Microphone, device)
    device.hangs = "close"
    began = monotonic()
    microphone.close()
    assert monotonic() - began < LIMIT / 2
    assert not microphone._thread.is_alive()
    assert "does not come back" in caplog.text


@pytest.mark.parametrize("kind", [Microphone, Speaker])
def test_an_open_that_never_returns(open_on: Any, kind: Any) -> None:
    """It is a typed error, in time."""
    device = FakeDevice("both", 1, 1)
    device.hangs = "open"
    with pytest.raises(AudioError, match="has not returned within"):
        open_on(kind, device)


@pytest.mark.parametrize(("kind", "channels"), [(Microphone, (1, 0)), (Speaker, (0, 1))])
def test_a_device_without_a_sound(
    open_on: Any, kind: Any, channels: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that gives and takes nothing, and says no word about it, is lost as any other."""
    monkeypatch.setattr(ports, "DELAYS", (0.0, 0.01))
    changes = Changes()
    device = FakeDevice("dead", *channels)
    opened = open_on(kind, device, on_change=changes)
    device.dumb = True
    changes.wait(1)
    assert "no sound passed for 0.5 s" in changes.errors[0]
    use = opened.read if kind is Microphone else lambda: opened.write(b"\1\1" * 2400)
    with pytest.raises(DeviceLost, match="'dead' is gone"):
        for _ in iter(use, b""):
            pass


def test_a_slow_call_is_none_that_hangs() -> None:
    """What takes its time between calls is not left behind, however long it takes."""
    slow = StreamOwner("realtime-slow")
    wait = threading.Event()

    def act() -> str:
        for _ in range(20):
            slow.pause(lambda: wait.wait(0.05))
        return "done"

    assert slow.do(act) == "done"
    with pytest.raises(ZeroDivisionError):
        slow.do(lambda: 1 / 0)
    slow.end()
    slow.end()
    with pytest.raises(OSError, match="closed"):
        slow.do(act)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread's own priority is Linux's")
def test_a_thread_of_sound_runs_before_others() -> None:
    """Where the system lets it; the others stay as they are."""
    owner = StreamOwner("realtime-quick")
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    there = owner.do(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    owner.end()
    assert there in (-11, before)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_what_returns_too_late_is_closed(card: Any) -> None:
    """A stream that is open at last, when nobody waits for it any more, is closed by its owner."""
    device = FakeDevice("mic")
    device.hangs = "open"
    made: Card = card(device)
    with pytest.raises(AudioError):
        Microphone().open()
    made.release()
    for thread in threading.enumerate():
        if thread.name.startswith("left-"):
            thread.join(LIMIT)
    assert len(made.opened) == 1
    assert not made.streams
