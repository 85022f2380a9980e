"""One device as sound at 24 kHz, whatever it speaks itself; found again when it is lost.

A port belongs to one thread, which never calls the sound library itself: the stream has an owner,
and what is asked of that comes to an end, whatever the library does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ..errors import AudioError, DeviceLost, DeviceNotFound
from ..runtime.clock import Event
from .codecs import to_pcm16
from .formats import RATE
from .hardware import Backend, Device, DeviceChoice, Direction, RateRefused, backend_named
from .hardware import find_device as find
from .owner import StreamOwner
from .quiet import give_up, hush_alsa
from .rates import Resampler

__all__ = ["Changes", "DeviceChange", "InputPort", "OutputPort"]

log = logging.getLogger(__name__)

FRAME_MS: Final = 20

#: Seconds before each attempt to find a device again; after the last it is lost for good.
DELAYS: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
_STEADY: Final = 1_000 // FRAME_MS  # frames in a row after which a device counts as found
_OPENING: Final = 15.0  # seconds that the library may take for it
_LEAST: Final = 0.002  # seconds between two looks at a device
#: Seconds without a frame, in or out, after which a device counts as lost.
SILENT = 5.0


def pause(seconds: float, stop: Event) -> None:
    """Let time pass until there may be a frame. Tests put their devices' own time in its place."""
    stop.wait(seconds)


@dataclass(frozen=True)
class DeviceChange:
    """A device went away, or one is there again.

    Attributes:
        kind: "lost" or "restored".
        direction: "input" or "output".
        device: Its name; once restored that of the device now in use, which may be another.
        error: What was lost; None when restored.
        retrying: Whether it is looked for; it is told of once more when nothing was found.
    """

    kind: Literal["lost", "restored"]
    direction: Direction
    device: str
    error: DeviceLost | None = None
    retrying: bool = False


class Changes:
    """Who is told of them, on the device's thread; what one raises does not reach the others."""

    def __init__(self, on_change: Callable[[DeviceChange], object] | None) -> None:
        self._told: tuple[Callable[[DeviceChange], object], ...] = ()
        if on_change is not None:
            self.add(on_change)

    def __call__(self, change: DeviceChange) -> None:
        """Tell everybody."""
        for tell in self._told:
            try:
                tell(change)
            except Exception:
                log.exception("on_change raised")

    def add(self, tell: Callable[[DeviceChange], object]) -> None:
        """Tell one more."""
        self._told = (*self._told, tell)

    def remove(self, tell: Callable[[DeviceChange], object]) -> None:
        """Tell it no more."""
        self._told = tuple(one for one in self._told if one != tell)


class _Port:
    """What microphone and loudspeaker have in common."""

    direction: Direction
    PERIOD_MS: int  # what the library is asked to take in or give out at a time

    def __init__(
        self,
        choice: DeviceChoice,
        backend: str | None,
        changes: Changes,
        stop: Event,
    ) -> None:
        self._choice = choice
        self._backend: Backend = backend_named(backend)
        self._tell = changes
        self._stop = stop  # ends every wait for a device
        self._owner: StreamOwner | None = None  # of the stream; None: there is none
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
        try:
            self._open(self._choice)
        except OSError as exc:
            raise AudioError(f"{self.direction} device cannot be opened: {_said(exc)}") from exc

    def _open(self, choice: DeviceChoice) -> None:
        owner = StreamOwner(f"realtime-{self.direction}")
        try:
            found = owner.do(lambda: self._opened(choice, owner), limit=_OPENING)
        except BaseException:
            owner.end()
            if owner.left:
                self._left()
            raise
        hush_alsa()
        self._owner = owner
        self.device, self.rate, self.channels = found
        self._resampler = None if self.rate == RATE else self._converter(self.rate)

    def _opened(self, choice: DeviceChoice, owner: StreamOwner) -> tuple[Device, int, int]:
        """On the owner's thread, which may come back when nobody waits for it any more."""
        device = find(choice, self.direction, self._backend.devices())
        refused: Exception | None = None
        for rate, channels in _shapes(device, self.direction):
            try:
                opened = getattr(self._backend, f"open_{self.direction}")
                owner.stream = opened(device, rate, channels, rate * self.PERIOD_MS // 1000)
            except RateRefused as exc:
                refused = exc
                continue
            except OSError as exc:
                raise AudioError(
                    f"{self.direction} device {device.name!r} cannot be opened: {_said(exc)}; "
                    "another program may have it"
                ) from exc
            return device, rate, channels
        raise AudioError(
            f"{self.direction} device {device.name!r} refuses every rate that was tried"
        ) from refused

    def _ready(self, owner: StreamOwner, frames: int) -> tuple[bool, bool]:
        """Wait until the stream has so many frames, or room for them. On the owner's thread.

        To read or write then is no waiting: a call that waits may wait for ever.

        Returns:
            Whether it has; whether there was a wait.

        Raises:
            OSError: None came, or went, for a long time; or as the stream.
        """
        waited = 0.0
        while (missing := frames - owner.stream.available()) > 0:
            if self._stop.is_set():
                return False, True
            if waited > SILENT:
                raise OSError(f"no sound passed for {SILENT:g} s")
            seconds = min(max(missing / self.rate, _LEAST), FRAME_MS / 1000)
            owner.pause(lambda: pause(seconds, self._stop))  # noqa: B023  # called at once
            waited += seconds
        return True, waited > 0

    def _converter(self, rate: int) -> Resampler:
        raise NotImplementedError

    def reopen(self, exc: Exception) -> None:
        """The stream failed: close it, and open the device again, else the default one.

        Args:
            exc: What it failed with.

        Raises:
            DeviceLost: No device came back, or it is to stop.
        """
        name = self.device.name if self.device else "?"
        lost = DeviceLost(f"{self.direction} device {name!r} is gone: {_said(exc)}")
        lost.__cause__ = exc
        self.close()
        log.warning("%s", lost)
        self._tell(DeviceChange("lost", self.direction, name, lost, retrying=True))
        self._good = 0
        # a device that opens and fails at once uses them up as one does that is not there
        while self._tries < len(DELAYS) and not self._stop.wait(DELAYS[self._tries]):
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
        if not self._stop.is_set():
            self._tell(DeviceChange("lost", self.direction, name, lost))
        raise lost

    def _worked(self) -> None:
        self._good += 1
        if self._good == _STEADY:
            self._tries = 0

    def close(self) -> None:
        """Have the stream closed by its owner. Bounded; idempotent."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.end()
            if owner.left:
                self._left()

    def _left(self) -> None:
        self._backend.left()
        give_up()

    def _owned(self) -> StreamOwner:
        assert self._owner is not None, "open() comes first"
        return self._owner


class InputPort(_Port):
    """A microphone, by the thread that reads it."""

    direction = "input"
    PERIOD_MS = FRAME_MS
    _rest = bytearray()  # what was read and is no frame yet

    def _open(self, choice: DeviceChoice) -> None:
        super()._open(choice)
        self._rest = bytearray()

    def _converter(self, rate: int) -> Resampler:
        # ours: soxr would add 20 ms and more
        return Resampler(rate, RATE, engine="numpy")

    def read(self) -> tuple[bytes, float]:
        """The next 20 ms, and how many milliseconds were lost before it; b"" at a stop.

        Raises:
            OSError: The device is gone; see `reopen`.
        """
        size = self.rate * FRAME_MS // 1000 * 2 * self.channels
        lost = 0
        if len(self._rest) < size:
            owner = self._owned()
            missing = (size - len(self._rest)) // (2 * self.channels)
            pcm, lost = owner.do(lambda: self._read(owner, missing))
            self._rest += pcm
            if len(self._rest) < size:
                return b"", 0.0
            self._worked()
        mono = _mixed(bytes(self._rest[:size]), self.channels)
        del self._rest[:size]
        return (self._resampler.feed(mono) if self._resampler else mono), lost * 1000 / self.rate

    def _read(self, owner: StreamOwner, frames: int) -> tuple[bytes, int]:
        ready, waited = self._ready(owner, frames)
        if not ready:
            return b"", 0
        # all of it: libpulse locks itself up for good where its server dies while a piece of sound
        # is half read, and we would have to leave the thread behind
        pcm, lost = owner.stream.read(max(frames, owner.stream.available()), current=waited)
        return pcm, lost


class OutputPort(_Port):
    """A loudspeaker, by the thread that writes it."""

    direction = "output"
    PERIOD_MS = 30  # a device holds about three: less runs dry where the machine is busy
    _begun = False  # something has been written to the stream
    _latency = 0.0  # seconds, after that

    def _open(self, choice: DeviceChoice) -> None:
        super()._open(choice)
        self._begun = False
        self._latency = 0.0

    def _converter(self, rate: int) -> Resampler:
        return Resampler(RATE, rate, engine="numpy")

    def write(self, pcm: bytes) -> bool:
        """Hand over PCM16 mono at 24 kHz, once there is room; whether it had run dry.

        At a stop it may not be handed over.

        Raises:
            OSError: The device is gone; see `reopen`.
        """
        mono = self._resampler.feed(pcm) if self._resampler else pcm
        if not mono:
            return False  # the resampler's first
        owner = self._owned()
        dry, self._latency = owner.do(lambda: self._write(owner, _spread(mono, self.channels)))
        self._worked()
        return dry

    def _write(self, owner: StreamOwner, frames: bytes) -> tuple[bool, float]:
        stream = owner.stream
        size = len(frames) // (2 * self.channels)
        ready, _ = self._ready(owner, min(size, stream.room) or size)
        if not ready:
            return False, self._latency
        empty = stream.available() >= stream.room
        if empty:
            # ALSA begins to play with the first frames that it gets. Were they only these, it
            # would run dry before the next, and so on without end: sound would be swallowed as
            # fast as we can write. So an empty device is filled up, with silence first.
            frames = bytes(2 * self.channels * stream.room)[len(frames) :] + frames
        dry = stream.write(frames) or (empty and self._begun)
        self._begun = True
        waiting = (stream.room - stream.available()) / self.rate
        return bool(dry), float(max(waiting, stream.delay))

    def latency(self) -> float:
        """Seconds until what was written last will be heard."""
        return self._latency


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
