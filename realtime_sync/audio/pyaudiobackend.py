"""Devices by PyAudio. Here alone is it imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyaudio

from ..runtime.clock import monotonic
from .hardware import Device, OneAtATime, RateRefused
from .quiet import quiet

__all__ = ["BACKEND"]

_REFUSED: Final = {pyaudio.paInvalidSampleRate, pyaudio.paInvalidChannelCount}
_STEP = 0.04  # seconds that have to be missing at once to be called lost
_DRIFT = 0.02  # of the difference between the two clocks, taken as drift at each look


class _PyAudio:
    """The library, initialised while somebody uses it: only so does it see what was plugged in."""

    name = "pyaudio"

    def __init__(self) -> None:
        self._lock = OneAtATime()
        self._users = 0
        self._library: Any = None

    def _enter(self) -> Any:
        with self._lock:
            if not self._users:
                with quiet():
                    self._library = pyaudio.PyAudio()
            self._users += 1
            return self._library

    def leave(self) -> None:
        """One stream fewer."""
        with self._lock:
            self._users -= 1
            if not self._users:
                library, self._library = self._library, None
                with quiet():
                    library.terminate()

    @contextmanager
    def _used(self) -> Iterator[Any]:
        library = self._enter()
        try:
            yield library
        finally:
            self.leave()

    def devices(self) -> list[Device]:
        """All of them; as they were when the first open stream was opened."""
        with self._lock, self._used() as library:
            default = {
                kind: _default(getattr(library, f"get_default_{kind}_device_info"))
                for kind in ("input", "output")
            }
            return [
                _device(library, library.get_device_info_by_index(index), default)
                for index in range(library.get_device_count())
            ]

    def open_input(self, device: Device, rate: int, channels: int, frames: int) -> _Input:
        """Open a microphone."""
        stream = self._open(rate, channels, frames, input=True, input_device_index=device.index)
        return _Input(self, stream, rate)

    def open_output(self, device: Device, rate: int, channels: int, frames: int) -> _Output:
        """Open a loudspeaker."""
        stream = self._open(rate, channels, frames, output=True, output_device_index=device.index)
        return _Output(self, stream)

    def _open(self, rate: int, channels: int, frames: int, **how: Any) -> Any:
        library = self._enter()
        try:
            with self._lock, quiet():
                return library.open(
                    format=pyaudio.paInt16,
                    channels=channels,
                    rate=rate,
                    frames_per_buffer=frames,
                    **how,
                )
        except BaseException as exc:
            self.leave()
            if isinstance(exc, OSError) and _REFUSED & set(exc.args):
                raise RateRefused(*exc.args) from exc
            if isinstance(exc, ValueError):  # its own checks, of rate and channels too
                raise RateRefused(str(exc)) from exc
            raise

    def close(self, stream: Any) -> None:
        """Close a stream, by the thread that used it."""
        try:
            # not stopped before: a loudspeaker would first play what it has
            with self._lock:
                stream.close()
        except OSError:
            pass  # what was lost is closed already, and says so
        self.leave()

    def left(self) -> None:
        """Its user is never counted out: the library is not terminated under it."""


def _default(ask: Any) -> int | None:
    try:
        return int(ask()["index"])
    except OSError:
        return None  # there is none


def _device(library: Any, told: dict[str, Any], default: dict[str, int | None]) -> Device:
    name = told["name"]
    return Device(
        index=told["index"],
        name=name if isinstance(name, str) else bytes(name).decode("utf-8", "replace"),
        host_api=library.get_host_api_info_by_index(told["hostApi"])["name"],
        input_channels=told["maxInputChannels"],
        output_channels=told["maxOutputChannels"],
        sample_rate=round(told["defaultSampleRate"]),
        default_input=told["index"] == default["input"],
        default_output=told["index"] == default["output"],
    )


def _checked(frames: int) -> int:
    """A count of frames; PyAudio gives PortAudio's error codes as such."""
    if frames < 0:
        raise OSError(frames, f"PortAudio's error {frames}")
    return frames


class _Input:
    def __init__(self, backend: _PyAudio, stream: Any, rate: int) -> None:
        self._backend, self._stream = backend, stream
        self._rate = rate
        self._frames = 0  # read so far
        self._began: float | None = None  # the time of frame 0
        self._behind = 0.0  # seconds that the device's clock is usually behind ours

    def available(self) -> int:
        return _checked(self._stream.get_read_available())

    def read(self, frames: int, *, current: bool) -> tuple[bytes, int]:
        # PyAudio tells of an overflow by an exception that closes the stream, or not at all: so
        # the frames are counted against the time
        pcm = self._stream.read(frames, exception_on_overflow=False)
        self._frames += frames
        return pcm, self._lost(self.available()) if current else 0

    def _lost(self, unread: int) -> int:
        """Frames that are missing, of all that should have come by now."""
        now = monotonic()
        come = (self._frames + unread) / self._rate
        if self._began is None:
            self._began = now - come
        behind = now - self._began - come
        gap = behind - self._behind
        if gap > _STEP:
            self._behind = behind
            return round(gap * self._rate)
        self._behind += gap * _DRIFT
        return 0

    def close(self) -> None:
        self._backend.close(self._stream)


class _Output:
    def __init__(self, backend: _PyAudio, stream: Any) -> None:
        self._backend, self._stream = backend, stream
        self.room: int = stream.get_write_available()  # it is empty
        self.delay: float = stream.get_output_latency()

    def available(self) -> int:
        return _checked(self._stream.get_write_available())

    def write(self, pcm: bytes) -> bool:
        # to have it say that it ran dry, by an exception, would have it close the stream
        self._stream.write(pcm, exception_on_underflow=False)
        return False

    def close(self) -> None:
        self._backend.close(self._stream)


BACKEND: Final = _PyAudio()
