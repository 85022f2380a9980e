"""Which microphones and loudspeakers there are, and which of them is meant. Opens none.

Two libraries reach them: PyAudio and, where that is missing or asked for, sounddevice. Both are
bindings of PortAudio; each is imported in its own module, when it is first used.
"""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Literal, Protocol, TypeAlias

from ..errors import AudioError, AudioUnavailable, ConfigurationError, DeviceNotFound

__all__ = ["BACKENDS", "Backend", "Device", "DeviceChoice", "devices", "find_device"]

Direction: TypeAlias = Literal["input", "output"]
DeviceChoice: TypeAlias = "int | str | re.Pattern[str] | Device | None"

_TURN: Final = 5.0  # seconds

VARIABLES: Final = {
    "input": "REALTIME_SYNC_INPUT_DEVICE",
    "output": "REALTIME_SYNC_OUTPUT_DEVICE",
}


@dataclass(frozen=True)
class Device:
    """A microphone, a loudspeaker, or both.

    Attributes:
        index: Its number, which may change when another is plugged in.
        name: As the system calls it.
        host_api: Through which it is reached: "ALSA", "Core Audio", "Windows WASAPI", ...
        input_channels: 0: it is no microphone.
        output_channels: 0: it is no loudspeaker.
        sample_rate: Its own, in Hz.
        default_input: It is the system's microphone.
        default_output: It is the system's loudspeaker.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    sample_rate: int
    default_input: bool = False
    default_output: bool = False

    def channels(self, direction: Direction) -> int:
        """How many it has in that direction."""
        return self.input_channels if direction == "input" else self.output_channels


class InputStream(Protocol):
    """An open microphone. Every call by the thread that opened it."""

    def available(self) -> int:
        """Frames that can be read without waiting.

        Raises:
            OSError: The device is gone.
        """
        ...

    def read(self, frames: int, *, current: bool) -> tuple[bytes, int]:
        """So many frames of those that are there, and how many were lost just before them.

        Args:
            frames: How many.
            current: They had to be waited for: there is little more.

        Raises:
            OSError: The device is gone.
        """
        ...

    def close(self) -> None:
        """Stop and close it. Does not raise."""
        ...


class OutputStream(Protocol):
    """An open loudspeaker. Every call by the thread that opened it.

    Attributes:
        room: Frames that it takes in advance.
        delay: Seconds between taking and playing that it says it has.
    """

    room: int
    delay: float

    def available(self) -> int:
        """Frames that can be written without waiting; all its room, if it has run dry.

        Raises:
            OSError: The device is gone.
        """
        ...

    def write(self, pcm: bytes) -> bool:
        """Hand frames over, for which there is room; whether it is known to have run dry.

        Raises:
            OSError: The device is gone.
        """
        ...

    def close(self) -> None:
        """Stop and close it. Does not raise."""
        ...


class Backend(Protocol):
    """A library that reaches devices. Streams are PCM16, interleaved."""

    name: str

    def devices(self) -> list[Device]:
        """All of them, as they are now, or as they were when the first open stream was opened."""
        ...

    def open_input(self, device: Device, rate: int, channels: int, frames: int) -> InputStream:
        """Open a microphone, `frames` at a time.

        Raises:
            RateRefused: Not at this rate, or with so many channels.
            OSError: It cannot be opened.
        """
        ...

    def open_output(self, device: Device, rate: int, channels: int, frames: int) -> OutputStream:
        """Open a loudspeaker, `frames` at a time; raises as `open_input`."""
        ...

    def left(self) -> None:
        """A stream stays open for good, with a thread in the library that does not come back."""
        ...


class RateRefused(OSError):
    """The device does not take this rate, or so many channels."""


class OneAtATime:
    """PortAudio opens, closes and looks one at a time. A wait for another comes to an end."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_TURN):
            raise OSError("PortAudio is busy with another device, and does not return")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def devices(backend: str | None = None) -> list[Device]:
    """The microphones and loudspeakers of this machine.

    Args:
        backend: "pyaudio" or "sounddevice"; None: the first of them that is installed.

    Raises:
        AudioUnavailable: Neither is installed; the message has the line that installs it.
        AudioError: The library fails.
        ConfigurationError: No such backend.
    """
    try:
        return backend_named(backend).devices()
    except OSError as exc:
        raise AudioError(f"the sound library fails: {exc}") from exc


def find_device(choice: DeviceChoice, direction: Direction, among: Sequence[Device]) -> Device:
    """The device that is meant.

    Args:
        choice: Its index; its name, or a part of it in any case; a regular expression
            (`re.compile`) to be found in its name; or None: what REALTIME_SYNC_INPUT_DEVICE or
            REALTIME_SYNC_OUTPUT_DEVICE says (index, name or part), else the system's default.
        direction: "input" or "output".
        among: The devices that there are.

    Raises:
        DeviceNotFound: None fits, or several do equally well; the message lists what there is.
        TypeError: None of these.
    """
    check_choice(choice)
    able = [device for device in among if device.channels(direction)]
    if choice is None and (named := os.environ.get(VARIABLES[direction], "").strip()):
        choice = int(named) if named.isdecimal() else named
        said = f"{VARIABLES[direction]}={named}"
    else:
        said = f"{direction} device {getattr(choice, 'pattern', choice)!r}"
    found = _fitting(choice, direction, able)
    # the same hardware is often there once for each of the system's ways to it: the first is best
    if len({device.name for device in found}) == 1 or (found and choice is None):
        return found[0]
    there = ", ".join(f"{device.index}: {device.name}" for device in able) or "none"
    if found:
        several = ", ".join(f"{device.index}: {device.name}" for device in found)
        raise DeviceNotFound(f"{said} may be {several}; give the index or more of the name")
    if choice is None:
        raise DeviceNotFound(f"this machine has no default {direction} device; there are: {there}")
    raise DeviceNotFound(f"{said} is not here; there are: {there}")


def check_choice(choice: DeviceChoice) -> DeviceChoice:
    """What `find_device` takes as `choice`, if it is that.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(choice, bool) or not (
        choice is None or isinstance(choice, (int, str, re.Pattern, Device))
    ):
        raise TypeError(f"device: an index, a name, a pattern or None, not {type(choice).__name__}")
    return choice


def _fitting(choice: DeviceChoice, direction: Direction, able: list[Device]) -> list[Device]:
    if choice is None:
        return [one for one in able if getattr(one, f"default_{direction}")] or able[:1]
    if isinstance(choice, Device):
        # by name first: indices change when something is plugged in
        named = [one for one in able if one.name == choice.name]
        return sorted(
            named, key=lambda one: (one.host_api != choice.host_api, one.index != choice.index)
        )
    if isinstance(choice, int):
        return [one for one in able if one.index == choice]
    if isinstance(choice, re.Pattern):
        return [one for one in able if choice.search(one.name)]
    exact = [one for one in able if one.name == choice]
    return exact or [one for one in able if choice.casefold() in one.name.casefold()]


def _pyaudio() -> Any:
    from .pyaudiobackend import BACKEND

    return BACKEND


def _sounddevice() -> Any:
    from .sounddevicebackend import BACKEND

    return BACKEND


#: Name -> what imports it, in the order in which they are tried.
BACKENDS: Final[dict[str, Callable[[], Any]]] = {"pyaudio": _pyaudio, "sounddevice": _sounddevice}


def backend_named(name: str | None) -> Backend:
    """The library of that name, imported now; None: the first that is installed.

    Raises:
        AudioUnavailable: It is not installed; the message has the line that installs it.
        ConfigurationError: No such name.
    """
    if name is not None and name not in BACKENDS:
        raise ConfigurationError(f"backend: {', '.join(BACKENDS)} or None, not {name!r}")
    wanted = [name] if name else [one for one in BACKENDS if find_spec(one)] or ["pyaudio"]
    try:
        backend: Backend = BACKENDS[wanted[0]]()
    except (ImportError, OSError) as exc:  # sounddevice raises OSError without PortAudio
        raise AudioUnavailable(
            f"{wanted[0]} cannot be loaded ({exc}); install it with: {install_line(wanted[0])}"
        ) from exc
    return backend


#: Family of Linux -> what PyAudio needs there before pip.
_LINUX: Final = {
    "debian": "sudo apt-get install -y portaudio19-dev gcc python3-dev",
    "ubuntu": "sudo apt-get install -y portaudio19-dev gcc python3-dev",
    "fedora": "sudo dnf install -y portaudio-devel gcc python3-devel",
    "rhel": "sudo dnf install -y portaudio-devel gcc python3-devel",
    "arch": "sudo pacman -S --noconfirm portaudio gcc",
    "suse": "sudo zypper install -y portaudio-devel gcc python3-devel",
    "alpine": "sudo apk add portaudio-dev gcc musl-dev python3-dev",
}


def install_line(package: str) -> str:
    """The one line that installs it on this system."""
    pip = f"pip install {package}"
    if platform.system() == "Darwin" and package == "pyaudio":
        return f"brew install portaudio && {pip}"
    if platform.system() != "Linux":
        return pip  # its wheels bring PortAudio along
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    families = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    first = next((_LINUX[one] for one in families if one in _LINUX), None)
    return f"{first} && {pip}" if first else f"{pip} (after PortAudio's own development package)"
