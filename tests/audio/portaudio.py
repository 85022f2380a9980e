"""A sound card in memory, behind the functions of PyAudio that the library uses.

A `FakeDevice` keeps time by a clock: with a `VirtualClock` an hour passes in seconds. Put the
module in place of the real one by the fixture `card` of this folder's conftest.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from realtime_sync.audio.pace import REAL, Clock
from realtime_sync.runtime.clock import Event

ROOM = 0.06  # seconds that an output device takes in advance


class FakeDevice:
    """One device. What a microphone hears is `heard`; what a loudspeaker was given is `played`."""

    def __init__(
        self,
        name: str,
        inputs: int = 1,
        outputs: int = 0,
        rate: int = 24_000,
        rates: tuple[int, ...] = (8_000, 16_000, 24_000, 44_100, 48_000),
        least_channels: int = 1,
    ) -> None:
        self.name = name
        self.inputs, self.outputs = inputs, outputs
        self.rate, self.rates = rate, rates
        self.least_channels = least_channels
        self.heard = bytearray()  # still to be heard, PCM16 in the form it is opened in
        self.hears: Callable[[int], bytes] | None = None  # instead: gives so many bytes
        self.played = bytearray()
        self.on_write: Callable[[bytes], object] | None = None  # instead of `played`
        self.busy = False  # cannot be opened
        self.gone = False
        self.hangs = ""  # the function that does not return: "read", "open", ...
        self.dumb = False  # no sound comes out of it, and none goes in
        self.skip = 0.0  # seconds of sound that are lost next

    def tell(self, index: int) -> dict[str, Any]:
        return {
            "index": index,
            "name": self.name,
            "hostApi": 0,
            "maxInputChannels": self.inputs,
            "maxOutputChannels": self.outputs,
            "defaultSampleRate": float(self.rate),
        }


class _Stream:
    """What PyAudio's `open` gives."""

    def __init__(self, card: Card, device: FakeDevice, rate: int, channels: int, way: str) -> None:
        self._card, self._device = card, device
        self.rate, self.channels, self.way = rate, channels, way
        self._owner = threading.get_ident()
        self._clock = card.clock
        self._began = self._clock.now()
        self._frames = 0
        self._closed = False
        card.streams.append(self)
        card.opened.append((device.name, rate, channels, threading.current_thread().name))
        self._clock.enter()

    def _check(self) -> None:
        # PortAudio crashes where this complains
        assert threading.get_ident() == self._owner, "a stream belongs to one thread"
        hang(self._card, self._device, sys._getframe(1).f_code.co_name)
        if self._closed:
            raise OSError("Stream not open")
        if self._device.gone and not self._device.hangs:
            self._end()
            raise OSError(-9999, "Unanticipated host error")

    def get_read_available(self) -> int:
        self._check()
        if self._device.dumb:
            return 0
        if self._device.skip:
            self._began += self._device.skip
            self._device.skip = 0.0
        # whole frames, whatever the clock's last digit says
        ready = int((self._clock.now() - self._began) * self.rate + 1e-3) - self._frames
        return max(0, ready)

    def read(self, frames: int, exception_on_overflow: bool = True) -> bytes:
        assert exception_on_overflow is False, "it would close the stream"
        self._check()
        assert frames <= self.get_read_available(), "a read that waits may wait for ever"
        self._frames += frames
        size = 2 * frames * self.channels
        if self._device.hears is not None:
            return self._device.hears(size)
        pcm = bytes(self._device.heard[:size])
        del self._device.heard[:size]
        return pcm.ljust(size, b"\0")

    def get_write_available(self) -> int:
        self._check()
        room = round(ROOM * self.rate)
        if self._device.dumb:
            return 0
        played = int((self._clock.now() - self._began) * self.rate + 1e-3)
        if played > self._frames:  # it ran dry, and begins anew
            self._began = self._clock.now() - self._frames / self.rate
            played = self._frames
        return room - (self._frames - played)

    def write(self, pcm: bytes, exception_on_underflow: bool = True) -> None:
        assert exception_on_underflow is False
        self._check()
        frames = len(pcm) // (2 * self.channels)
        assert frames <= self.get_write_available(), "a write that waits may wait for ever"
        self._frames += frames
        if self._device.on_write is not None:
            self._device.on_write(pcm)
        else:
            self._device.played += pcm

    def get_output_latency(self) -> float:
        return 0.02

    def stop_stream(self) -> None:
        self._check()

    def close(self) -> None:
        self._check()
        self._end()

    def _end(self) -> None:
        self._closed = True
        self._clock.leave()
        self._card.streams.remove(self)


def hang(card: Card, device: FakeDevice, function: str) -> None:
    """Not return before the test is over, if the device is like that."""
    if device.hangs == function:
        card.clock.leave()  # it does not keep pace any more
        card.over.wait()
        card.clock.enter()


class Card:
    """All devices, and the module that shows them."""

    def __init__(self, *devices: FakeDevice, clock: Clock | None = None) -> None:
        self.devices = list(devices)
        self.clock: Clock = clock or REAL
        self.streams: list[_Stream] = []  # open
        self.opened: list[tuple[str, int, int, str]] = []  # device, rate, channels, thread
        self.libraries = 0  # initialised and not terminated
        self.over = Event()  # the test is

    def module(self) -> types.ModuleType:
        """What stands in for `pyaudio`."""
        made: Any = types.ModuleType("pyaudio")
        made.paInt16, made.paInvalidSampleRate, made.paInvalidChannelCount = 8, -9997, -9998
        made.PyAudio = lambda: _Library(self)
        return made

    def pause(self, seconds: float, stop: Event) -> None:
        """In place of the library's own: by this clock."""
        self.clock.wait_until(self.clock.now() + seconds, stop)

    def release(self) -> None:
        """Let every read and write return."""
        self.over.set()
        release = getattr(self.clock, "release", self.clock.wake)
        release()


class _Library:
    def __init__(self, card: Card) -> None:
        self._card = card
        card.libraries += 1
        self._seen = [one for one in card.devices if not one.gone]  # as PortAudio: once

    def terminate(self) -> None:
        assert not self._card.streams, "terminated under an open stream"
        self._card.libraries -= 1

    def get_device_count(self) -> int:
        return len(self._seen)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        return self._seen[index].tell(index)

    def get_host_api_info_by_index(self, index: int) -> dict[str, Any]:
        return {"name": "Fake"}

    def _default(self, kind: str) -> dict[str, Any]:
        for index, device in enumerate(self._seen):
            if getattr(device, kind):
                return device.tell(index)
        raise OSError("No Default Device Available")

    def get_default_input_device_info(self) -> dict[str, Any]:
        return self._default("inputs")

    def get_default_output_device_info(self) -> dict[str, Any]:
        return self._default("outputs")

    def open(self, *, rate: int, channels: int, format: int, frames_per_buffer: int, **how: Any):
        way = "input" if how.get("input") else "output"
        device = self._seen[how[f"{way}_device_index"]]
        hang(self._card, device, "open")
        if device.gone:
            raise OSError(-9996, "Invalid device")
        if device.busy:
            raise OSError(-9985, "Device unavailable")
        if channels < device.least_channels:
            raise OSError(-9998, "Invalid number of channels")
        if rate not in device.rates:
            raise OSError(-9997, "Invalid sample rate")
        return _Stream(self._card, device, rate, channels, way)
