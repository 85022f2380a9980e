"""The loudspeaker on a sound card in memory: position, underruns, loss, and an hour in seconds."""

from __future__ import annotations

import hashlib
import threading
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from realtime_sync.audio import DeviceChange, Microphone, Speaker, VirtualClock, ports
from realtime_sync.errors import DeviceLost, DeviceNotFound

from .portaudio import ROOM, FakeDevice


@pytest.fixture
def speak(on_card: Callable[..., Any]) -> Callable[..., Speaker]:
    """Makes a card, and a loudspeaker on it."""
    return partial(on_card, Speaker)


def sound(ms: float, value: int = 1000) -> bytes:
    return np.full(round(ms * 24), value, "<i2").tobytes()


def test_it_plays_what_it_was_given(speak: Any, clock: VirtualClock) -> None:
    """Byte for byte, by one thread of its own, without an underrun, and is heard out."""
    device = FakeDevice("out", 0, 1)
    speaker = speak(device, clock=clock).open()
    pcm = np.random.default_rng(0).integers(1, 9000, 24_000).astype("<i2").tobytes()
    speaker.play(pcm, "a")
    speaker.finish("a")
    clock.advance(1.2)
    speaker.wait_playback(timeout=5)
    assert bytes(device.played).strip(b"\0") == pcm.strip(b"\0")
    assert speaker.card.opened == [("out", 24_000, 1, "realtime-output")]
    assert (speaker.underruns, speaker.device) == (0, "out")


def test_the_position_is_what_the_device_has_played(speak: Any, clock: VirtualClock) -> None:
    """At each moment it is what went out, less what the device holds, to a slice."""
    device = FakeDevice("out", 0, 1)
    speaker = speak(device, clock=clock).open()
    clock.advance(0.5)
    speaker.play(sound(3000), "a")
    for _ in range(20):
        clock.advance(0.05)
        handed = len(bytes(device.played).strip(b"\0")) / 48
        assert speaker.position("a") == pytest.approx(max(0, handed - 1000 * ROOM), abs=21)


def test_stop_is_silence_after_what_the_device_holds(speak: Any, clock: VirtualClock) -> None:
    """Within 40 ms nothing but silence is handed over, and stop has said how much was heard."""
    device = FakeDevice("out", 0, 1)
    speaker = speak(device, clock=clock).open()
    speaker.play(sound(3000), "a")
    clock.advance(1)
    before = len(device.played)
    stopped = speaker.stop()
    clock.advance(1)
    heard = bytes(device.played).strip(b"\0")
    # 20 ms are in the hands of the thread already, 10 ms fade out
    assert len(device.played[:before].lstrip(b"\0")) / 48 <= len(heard) / 48 + 1
    assert stopped["a"] == pytest.approx(len(heard) / 48, abs=1)
    assert speaker.position("a") == stopped["a"]
    assert not speaker.playing


@pytest.mark.parametrize(
    ("device", "shape"),
    [
        (FakeDevice("out", 0, 2, 48_000, rates=(48_000,), least_channels=2), (48_000, 2)),
        (FakeDevice("out", 0, 2, 44_100, rates=(44_100,)), (44_100, 1)),
    ],
)
def test_a_device_that_refuses_24_khz(speak: Any, clock: VirtualClock, device, shape) -> None:
    """It is given its own rate, and both ears."""
    rate, channels = shape
    tone = (np.sin(np.arange(24_000) * 2 * np.pi * 440 / 24_000) * 8000).astype("<i2")
    speaker = speak(device, clock=clock)
    speaker.play(tone.tobytes(), "a")
    speaker.finish("a")
    clock.advance(0)
    speaker.open()
    clock.advance(1.5)
    speaker.wait_playback(timeout=5)
    assert speaker.card.opened[-1][:3] == ("out", rate, channels)
    heard = np.frombuffer(bytes(device.played), "<i2").reshape(-1, channels)
    assert (heard == heard[:, :1]).all()
    spectrum = np.abs(np.fft.rfft(heard[:rate, 0]))
    assert np.argmax(spectrum) == pytest.approx(440 * len(heard[:rate]) / rate, abs=1)


def test_lost_and_found(speak: Any, clock: VirtualClock) -> None:
    """A device that goes away is told; the default one goes on where it stopped."""
    changes: list[DeviceChange] = []
    restored = threading.Event()

    def note(change: DeviceChange) -> None:
        changes.append(change)
        if change.kind == "restored":
            restored.set()

    headset, builtin = FakeDevice("headset", 0, 1), FakeDevice("built-in", 0, 1)
    speaker = speak(headset, builtin, clock=clock, device="headset", on_change=note)
    speaker.open()
    speaker.play(sound(2000), "a")
    speaker.finish("a")
    clock.advance(1)
    headset.gone = True
    clock.advance(0.1)
    assert restored.wait(5)
    clock.advance(1.5)
    speaker.wait_playback(timeout=5)
    assert [(one.kind, one.device) for one in changes] == [
        ("lost", "headset"),
        ("restored", "built-in"),
    ]
    before, after = bytes(headset.played).strip(b"\0"), bytes(builtin.played).strip(b"\0")
    assert len(before + after) / 48 == pytest.approx(2000, abs=1)


def test_lost_for_good(speak: Any, clock: VirtualClock, monkeypatch: Any) -> None:
    """Without another device whoever waits gets DeviceLost; nothing hangs."""
    monkeypatch.setattr(ports, "DELAYS", (0.0, 0.001))
    device = FakeDevice("out", 0, 1)
    speaker = speak(device, clock=clock).open()
    speaker.play(sound(1000), "a")
    clock.advance(0.1)
    device.gone = True
    clock.advance(0.1)
    with pytest.raises(DeviceLost, match="'out' is gone"):
        speaker.wait_playback(timeout=5)
    with pytest.raises(DeviceLost):
        speaker.write(sound(20))


def test_a_device_that_flaps_is_given_up(speak: Any, clock: VirtualClock, monkeypatch: Any) -> None:
    """One that opens and fails at once is not tried for ever."""
    monkeypatch.setattr(ports, "DELAYS", (0.0, 0.0, 0.0))
    device = FakeDevice("out", 0, 1)

    def fail(pcm: bytes) -> None:
        raise OSError(-9999, "Unanticipated host error")

    device.on_write = fail
    speaker = speak(device, clock=clock)
    speaker.play(sound(1000), "a")
    with pytest.raises(DeviceLost):
        speaker.wait_playback(timeout=5)
    assert len(speaker.card.opened) == 4


@pytest.mark.row("F48", bound="typed error")
def test_no_such_device(speak: Any, clock: VirtualClock) -> None:
    """open and write say so; play, which must not block, leaves it to them."""
    speaker = speak(FakeDevice("out", 0, 1), clock=clock, device="other")
    speaker.play(sound(20))
    for call in (speaker.open, lambda: speaker.write(sound(20))):
        with pytest.raises(DeviceNotFound, match="'other' is not here; there are: 0: out"):
            call()


def test_both_ways_at_once(card: Any, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A microphone and a loudspeaker share the library; each has its own thread and stream."""
    # what the microphone counts sound against: the machine may stand still meanwhile
    monkeypatch.setattr("realtime_sync.runtime.clock.monotonic", clock.now)
    hour_long_enough(card, clock, seconds=20)


@pytest.mark.long
def test_an_hour_each_way(card: Any, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour through both, in virtual time: bytes hash alike, memory grows by less than 5 MB."""
    monkeypatch.setattr("realtime_sync.runtime.clock.monotonic", clock.now)
    hour_long_enough(card, clock, seconds=3600)


def hour_long_enough(card: Any, clock: VirtualClock, seconds: int) -> None:
    spoken, heard, played, given = (hashlib.sha256() for _ in range(4))
    generator = np.random.default_rng(0)

    def hears(size: int) -> bytes:
        pcm = generator.integers(-9000, 9000, size // 2).astype("<i2").tobytes()
        frames.append(pcm)
        return pcm

    def plays(pcm: bytes) -> None:
        if any(pcm):  # silence comes before and between
            played.update(pcm)

    frames: list[bytes] = []
    mic, out = FakeDevice("mic"), FakeDevice("out", 0, 1)
    mic.hears, out.on_write = hears, plays
    made = card(mic, out, clock=clock)
    microphone, speaker = Microphone().open(), Speaker().open()
    base = grown = 0
    tracemalloc.start()
    try:
        for number in range(seconds):
            second = np.full(24_000, number + 1, "<i2").tobytes()
            given.update(second)
            speaker.play(second, f"item {number}")
            speaker.finish(f"item {number}")
            clock.advance(1)
            for _ in range(50):
                heard.update(microphone.read())
                spoken.update(frames.pop(0))
            if number == min(60, seconds // 2):
                base = tracemalloc.get_traced_memory()[0]
        clock.advance(1)
        speaker.wait_playback(timeout=5)
        grown = tracemalloc.get_traced_memory()[0] - base
        assert speaker.underruns == microphone.overflows == 0
    finally:
        tracemalloc.stop()
        made.release()
        microphone.close()
        speaker.close()
    assert spoken.digest() == heard.digest()
    assert given.digest() == played.digest()
    assert grown < 5_000_000
