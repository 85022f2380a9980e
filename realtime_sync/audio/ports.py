"""One device as sound at 24 kHz, whatever it speaks itself; found again when it is lost.

A port belongs to one thread: it opens, uses and closes the stream. PortAudio crashes when a stream
is closed while another thread reads it, so nobody else ever has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from ..errors import AudioError, DeviceLost, DeviceNotFound
from ..runtime.clock import Event
from .codecs import to_pcm16
from .formats import RATE
from .hardware import Backend, Device, DeviceChoice, Direction, RateRefused, backend_named
from .hardware import find_device as find
from .rates import Resampler

__all__ = ["DeviceChange", "InputPort", "OutputPort"]

log = logging.getLogger(__name__)

FRAME_MS: Final = 20

#: Seconds before each attempt to find a device again; after the last it is lost for good.
DELAYS: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
_STEADY: Final = 1_000 // FRAME_MS  # frames in a row after which a device counts as found


@dataclass(frozen=True)
class DeviceChange:
    """A device went away, or one is there again.

    Attributes:
        kind: "lost" or "restored".
        direction: "input" or "output".
        device: Its name; once restored that of the device now in use, which may be another.
        error: What was lost; None when restored.
    """

    kind: Literal["lost", "restored"]
    direction: Direction
    device: str
    error: DeviceLost | None = None


class _Port:
    """What microphone and loudspeaker have in common."""

    direction: Direction

    def __init__(
        self,
        choice: DeviceChoice,
        backend: str | None,
        on_change: Callable[[DeviceChange], object] | None,
    ) -> None:
        self._choice = choice
        self._backend: Backend = backend_named(backend)
        self._on_change = on_change
        self._stream: Any = None
        self._resampler: Resampler | None = None  # None: the device takes 24 kHz
        self._tries = 0  # DELAYS used up since it last worked
        self._good = 0  # frames in a row
        self.device: Device | None = None  # the one in use
        self.rate = RATE  # its rate, in Hz
        self.channels = 1  # of its stream

    def open(self) -> None:
        """Open the device that was chosen.

        Raises:
            DeviceNotFound: There is none like it.
            AudioError: It cannot be opened.
        """
        self._open(self._choice)

    def _open(self, choice: DeviceChoice) -> None:
        device = find(choice, self.direction, self._backend.devices())
        refused: Exception | None = None
        for rate, channels in _shapes(device, self.direction):
            try:
                opened = getattr(self._backend, f"open_{self.direction}")
                self._stream = opened(device, rate, channels, rate * FRAME_MS // 1000)
            except RateRefused as exc:
                refused = exc
                continue
            except OSError as exc:
                raise AudioError(
                    f"{self.direction} device {device.name!r} cannot be opened: {_said(exc)}; "
                    "another program may have it"
                ) from exc
            self.device, self.rate, self.channels = device, rate, channels
            self._resampler = None if rate == RATE else self._converter(rate)
            return
        raise AudioError(
            f"{self.direction} device {device.name!r} refuses every rate that was tried"
        ) from refused

    def _converter(self, rate: int) -> Resampler:
        raise NotImplementedError

    def reopen(self, exc: Exception, stop: Event) -> None:
        """The stream failed: close it, and open the device again, else the default one.

        Args:
            exc: What it failed with.
            stop: Ends the attempts.

        Raises:
            DeviceLost: No device came back, or `stop` was set.
        """
        name = self.device.name if self.device else "?"
        lost = DeviceLost(f"{self.direction} device {name!r} is gone: {_said(exc)}")
        lost.__cause__ = exc
        self.close()
        log.warning("%s", lost)
        self._tell(DeviceChange("lost", self.direction, name, lost))
        self._good = 0
        # a device that opens and fails at once uses them up as one does that is not there
        while self._tries < len(DELAYS) and not stop.wait(DELAYS[self._tries]):
            self._tries += 1
            for choice in dict.fromkeys((self._choice, None)):
                try:
                    self._open(choice)
                except (AudioError, DeviceNotFound, OSError) as failed:
                    log.debug("not there yet: %s", failed)
                    continue
                assert self.device is not None
                log.warning("%s device is now %r", self.direction, self.device.name)
                self._tell(DeviceChange("restored", self.direction, self.device.name))
                return
        raise lost

    def _worked(self) -> None:
        self._good += 1
        if self._good == _STEADY:
            self._tries = 0

    def _tell(self, change: DeviceChange) -> None:
        if self._on_change is not None:
            try:
                self._on_change(change)
            except Exception:
                log.exception("on_change raised")

    def close(self) -> None:
        """Close the stream, by the thread that opened it. Idempotent."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class InputPort(_Port):
    """A microphone, by the thread that reads it."""

    direction = "input"

    def _converter(self, rate: int) -> Resampler:
        # ours: soxr would add 20 ms and more
        return Resampler(rate, RATE, engine="numpy")

    def read(self) -> tuple[bytes, float]:
        """The next 20 ms or so, and how many milliseconds were lost before it.

        Raises:
            OSError: The device is gone; see `reopen`.
        """
        pcm, lost = self._stream.read(self.rate * FRAME_MS // 1000)
        self._worked()
        mono = _mixed(pcm, self.channels)
        return (self._resampler.feed(mono) if self._resampler else mono), lost * 1000 / self.rate


class OutputPort(_Port):
    """A loudspeaker, by the thread that writes it."""

    direction = "output"
    _begun = False  # something has been written to the stream

    def _open(self, choice: DeviceChoice) -> None:
        super()._open(choice)
        self._begun = False

    def _converter(self, rate: int) -> Resampler:
        return Resampler(RATE, rate, engine="numpy")

    def write(self, pcm: bytes) -> bool:
        """Hand over PCM16 mono at 24 kHz, once there is room; whether it had run dry.

        Raises:
            OSError: The device is gone; see `reopen`.
        """
        mono = self._resampler.feed(pcm) if self._resampler else pcm
        if not mono:
            return False  # the resampler's first
        frames = _spread(mono, self.channels)
        empty = self._stream.available() >= self._stream.room
        if empty:
            # ALSA begins to play with the first frames that it gets. Were they only these, it
            # would run dry before the next, and so on without end: sound would be swallowed as
            # fast as we can write. So an empty device is filled up, with silence first.
            frames = bytes(2 * self.channels * self._stream.room)[len(frames) :] + frames
        dry = self._stream.write(frames) or (empty and self._begun)
        self._begun = True
        self._worked()
        return bool(dry)

    def latency(self) -> float:
        """Seconds until what is written now will be heard."""
        waiting = (self._stream.room - self._stream.available()) / self.rate
        return float(max(waiting, self._stream.delay))


def _shapes(device: Device, direction: Direction) -> Iterator[tuple[int, int]]:
    """Rates and channels, the best first."""
    rates = dict.fromkeys((RATE, device.sample_rate, 48_000, 44_100, 16_000))
    for channels in (1, 2):
        if channels <= device.channels(direction):
            yield from ((rate, channels) for rate in rates)


def _mixed(pcm: bytes, channels: int) -> bytes:
    if channels == 1:
        return pcm
    return to_pcm16(np.frombuffer(pcm, "<i2").reshape(-1, channels))


def _spread(pcm: bytes, channels: int) -> bytes:
    if channels == 1:
        return pcm
    return np.repeat(np.frombuffer(pcm, "<i2"), channels).tobytes()


def _said(exc: Exception) -> str:
    return str(exc.args[-1]) if exc.args else type(exc).__name__
