"""The microphone on a sound card in memory: rates, overflows, loss, and who owns the stream."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from pipe import LIMIT

from realtime_sync.audio import DeviceChange, Microphone, PreRoll, Speaker, VirtualClock, ports
from realtime_sync.errors import AudioError, DeviceLost, DeviceNotFound

from .portaudio import FakeDevice

TONE = (np.sin(np.arange(24_000) / 20) * 8000).astype("<i2")


@pytest.fixture
def listen(on_card: Callable[..., Any]) -> Callable[..., Microphone]:
    """Makes a card, and a microphone on it."""
    return partial(on_card, Microphone)


def test_frames_as_they_are_spoken(listen: Any, clock: VirtualClock) -> None:
    """What the device hears comes out byte for byte, 20 ms at a time, by one thread of its own."""
    device = FakeDevice("mic")
    device.heard += TONE.tobytes()
    microphone = listen(device, clock=clock).open()
    clock.advance(1.001)
    frames = [microphone.read() for _ in range(50)]
    assert b"".join(frames) == TONE.tobytes()
    assert {len(frame) for frame in frames} == {960}
    assert microphone.card.opened == [("mic", 24_000, 1, "realtime-input")]
    assert (microphone.overflows, microphone.device) == (0, "mic")
    assert microphone.level == pytest.approx(-15.3, abs=0.5)


@pytest.mark.parametrize(
    ("device", "shape"),
    [
        (FakeDevice("mic", 2, 0, 44_100, rates=(44_100,)), (44_100, 1)),
        (FakeDevice("mic", 1, 0, 48_000, rates=(8_000, 48_000)), (48_000, 1)),
        (FakeDevice("mic", 2, 0, 48_000, rates=(48_000,), least_channels=2), (48_000, 2)),
        (FakeDevice("mic", 1, 0, 96_000, rates=(16_000,)), (16_000, 1)),
    ],
)
def test_a_device_that_refuses_24_khz(listen: Any, clock: VirtualClock, device, shape) -> None:
    """It is opened as it likes, and heard at 24 kHz mono all the same."""
    rate, channels = shape
    tone = (np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 8000).astype("<i2")
    device.heard += np.repeat(tone, channels).tobytes()
    microphone = listen(device, clock=clock).open()
    clock.advance(1.001)
    heard = np.frombuffer(b"".join(microphone.read() for _ in range(49)), "<i2")
    assert microphone.card.opened[-1][:3] == ("mic", rate, channels)
    ideal = np.sin(np.arange(len(heard)) * 2 * np.pi * 440 / 24_000) * 8000
    assert np.abs(heard - ideal)[200:].max() < 30
    assert len(heard) > 23_000


def test_a_device_that_refuses_everything(listen: Any, clock: VirtualClock) -> None:
    """No rate, another program, no such name: an error that says which; no thread is left."""
    for device, how, error, said in [
        (FakeDevice("mic", rates=()), {}, AudioError, "refuses every rate"),
        (FakeDevice("mic"), {"device": "other"}, DeviceNotFound, "'other' is not here"),
    ]:
        microphone = listen(device, clock=clock, **how)
        with pytest.raises(error, match=said):
            microphone.open()
        with pytest.raises(error, match=said):
            microphone.read()
    busy = FakeDevice("mic")
    busy.busy = True
    with pytest.raises(AudioError, match="cannot be opened: Device unavailable"):
        listen(busy, clock=clock).read()


@pytest.mark.row("F48", bound="counted, within 30 ms")
def test_a_library_that_fails(
    listen: Any, clock: VirtualClock, monkeypatch: Any, logged_errors: list[Any]
) -> None:
    """Whatever it raises, opening the microphone is an AudioError that says so."""
    microphone = listen(FakeDevice("mic", 1, 0, 24_000), clock=clock)

    def fail(*_: Any) -> Any:
        raise ValueError("Invalid input channel count")

    monkeypatch.setattr(ports, "find", fail)
    with pytest.raises(AudioError, match="Invalid input channel count"):
        microphone.open()
    with pytest.raises(AudioError, match="Invalid input channel count"):
        microphone.read()
    assert len(logged_errors) == 1


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("kind", [Microphone, Speaker])
def test_ctrl_c_while_a_device_is_opened(
    kind: Any, on_card: Callable[..., Any], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`with` gives it back, as soon as the library has come back: nobody else could."""
    device = on_card(kind, FakeDevice("mic", 1, 1, 24_000), clock=clock)
    opening, release, find = threading.Event(), threading.Event(), ports.find

    def slow(*args: Any) -> Any:
        opening.set()
        release.wait(LIMIT)
        return find(*args)

    def press() -> None:
        opening.wait(LIMIT)
        _thread.interrupt_main()

    monkeypatch.setattr(ports, "find", slow)
    pressing = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come as soon as that begins
        pressing.start()
        with device:
            pass
    pressing.join()
    release.set()
    device._thread.join(LIMIT)
    assert not device._thread.is_alive()


def test_overflows_are_counted(listen: Any, clock: VirtualClock, monkeypatch: Any) -> None:
    """Sound that the device has lost is counted, in milliseconds, and raises nothing."""
    device = FakeDevice("mic")
    microphone = listen(device, clock=clock)
    monkeypatch.setattr("realtime_sync.runtime.clock.monotonic", clock.now)
    microphone.open()
    clock.advance(1.001)
    assert microphone.overflows == 0
    device.skip = 0.3
    clock.advance(1)
    assert microphone.overflows == 1
    assert microphone.lost_ms == pytest.approx(300, abs=30)


def test_a_reader_that_is_late(listen: Any, clock: VirtualClock) -> None:
    """Five seconds are kept for it; what is older is dropped and counted."""
    microphone = listen(FakeDevice("mic"), clock=clock).open()
    clock.advance(7.001)
    assert microphone.lost_ms == pytest.approx(2000, abs=20)
    assert sum(len(microphone.read()) for _ in range(250)) == 240_000
    clock.advance(1)
    microphone.discard(keep_ms=500)
    assert sum(len(microphone.read()) for _ in range(25)) == 24_000


def test_lost_and_found(listen: Any, clock: VirtualClock) -> None:
    """A device that goes away is told, and the default one goes on in its place."""
    changes: list[DeviceChange] = []
    restored = threading.Event()

    def note(change: DeviceChange) -> None:
        changes.append(change)
        if change.kind == "restored":
            restored.set()

    headset, builtin = FakeDevice("headset"), FakeDevice("built-in")
    microphone = listen(headset, builtin, clock=clock, device="headset", on_change=note)
    microphone.open()
    clock.advance(0.1)
    builtin.heard += TONE.tobytes()
    headset.gone = True
    clock.advance(0.1)
    assert restored.wait(5)
    clock.advance(1)
    for _ in range(10):
        microphone.read()
    clock.advance(0.2)
    assert [(one.kind, one.device) for one in changes] == [
        ("lost", "headset"),
        ("restored", "built-in"),
    ]
    assert isinstance(changes[0].error, DeviceLost)
    assert microphone.device == "built-in"


def test_lost_for_good(listen: Any, clock: VirtualClock, monkeypatch: Any) -> None:
    """Without another device reading raises DeviceLost, after what had been heard."""
    monkeypatch.setattr(ports, "DELAYS", (0.0, 0.001))
    device = FakeDevice("mic")
    microphone = listen(device, clock=clock).open()
    clock.advance(0.041)
    device.gone = True
    clock.advance(0.05)
    assert len(microphone.read()) == len(microphone.read()) == 960
    with pytest.raises(DeviceLost, match="'mic' is gone: Unanticipated host error"):
        microphone.read()


@pytest.mark.row("F48", bound="by the thread that owns the stream")
def test_close_ends_a_read(listen: Any, clock: VirtualClock) -> None:
    """A read that waits returns b"" when another thread closes; afterwards all is over."""
    microphone = listen(FakeDevice("mic"), clock=clock).open()
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(microphone.read()))
    reader.start()
    microphone.card.release()
    microphone.close()
    reader.join(5)
    assert microphone.read() == b""
    assert microphone.device is None
    with pytest.raises(AudioError, match="closed"):
        microphone.open()


def test_pre_roll() -> None:
    """The newest 500 ms of what was pushed, whole frames in, the length asked for out."""
    roll = PreRoll()
    for number in range(100):
        roll.push(bytes([number, 0]) * 480)
    kept = roll.take()
    assert len(kept) == 24_000
    assert kept[0] == 75
    assert kept[-2] == 99
    assert roll.take() == b""
    roll.push(b"\1\0")
    assert roll.take() == b"\1\0"
    none = PreRoll(0)
    none.push(b"\1\0")
    assert none.take() == b""
