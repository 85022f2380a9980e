"""Devices by sounddevice. Here alone is it imported."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from .hardware import Device, OneAtATime, RateRefused
from .quiet import quiet

with quiet():  # it looks for devices when it is imported
    import sounddevice

__all__ = ["BACKEND"]

_REFUSED: Final = {-9997, -9998}  # PortAudio's invalid sample rate, invalid number of channels


@contextmanager
def _as_oserror() -> Iterator[None]:
    """Its errors are no OSError, PyAudio's are: one kind for both."""
    try:
        yield
    except sounddevice.PortAudioError as exc:
        kind = RateRefused if _REFUSED & set(exc.args) else OSError
        raise kind(*exc.args) from exc


class _SoundDevice:
    name = "sounddevice"

    def __init__(self) -> None:
        self._lock = OneAtATime()
        self._streams = 0

    def devices(self) -> list[Device]:
        """All of them; as they were when the first open stream was opened."""
        with self._lock:
            if not self._streams:
                with quiet():  # only so does it see what was plugged in
                    sounddevice._terminate()
                    sounddevice._initialize()
            hosts = sounddevice.query_hostapis()
            default = tuple(sounddevice.default.device)
            return [_device(told, hosts, default) for told in sounddevice.query_devices()]

    def open_input(self, device: Device, rate: int, channels: int, frames: int) -> _Input:
        """Open a microphone."""
        return _Input(self, self._open(sounddevice.RawInputStream, device, rate, channels, frames))

    def open_output(self, device: Device, rate: int, channels: int, frames: int) -> _Output:
        """Open a loudspeaker."""
        return _Output(
            self, self._open(sounddevice.RawOutputStream, device, rate, channels, frames)
        )

    def _open(self, kind: Any, device: Device, rate: int, channels: int, frames: int) -> Any:
        with self._lock, quiet(), _as_oserror():
            stream = kind(
                samplerate=rate,
                blocksize=frames,
                device=device.index,
                channels=channels,
                dtype="int16",
                latency="low",
            )
            try:
                stream.start()
            except BaseException:
                stream.close()
                raise
            self._streams += 1
            return stream

    def close(self, stream: Any) -> None:
        """Close a stream, by the thread that used it."""
        # not stopped before: a loudspeaker would first play what it has
        with self._lock:
            stream.close(ignore_errors=True)
            self._streams -= 1

    def left(self) -> None:
        """Its terminating at exit would wait for the stream. It is never initialised anew."""
        atexit.unregister(sounddevice._exit_handler)


def _device(told: Any, hosts: Any, default: tuple[int, ...]) -> Device:
    return Device(
        index=told["index"],
        name=told["name"],
        host_api=hosts[told["hostapi"]]["name"],
        input_channels=told["max_input_channels"],
        output_channels=told["max_output_channels"],
        sample_rate=round(told["default_samplerate"]),
        default_input=told["index"] == default[0],
        default_output=told["index"] == default[1],
    )


class _Input:
    def __init__(self, backend: _SoundDevice, stream: Any) -> None:
        self._backend, self._stream = backend, stream

    def available(self) -> int:
        with _as_oserror():
            frames: int = self._stream.read_available
            return frames

    def read(self, frames: int, *, current: bool) -> tuple[bytes, int]:  # noqa: ARG002
        with _as_oserror():
            pcm, overflowed = self._stream.read(frames)
        # it says that there was an overflow, not of how much: a frame stands for it
        return bytes(pcm), int(overflowed)

    def close(self) -> None:
        self._backend.close(self._stream)


class _Output:
    def __init__(self, backend: _SoundDevice, stream: Any) -> None:
        self._backend, self._stream = backend, stream
        self.room: int = stream.write_available  # it is empty
        self.delay: float = stream.latency

    def available(self) -> int:
        with _as_oserror():
            frames: int = self._stream.write_available
            return frames

    def write(self, pcm: bytes) -> bool:
        with _as_oserror():
            return bool(self._stream.write(pcm))

    def close(self) -> None:
        self._backend.close(self._stream)


BACKEND: Final = _SoundDevice()
