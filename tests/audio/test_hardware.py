"""Which device is meant, and what to install where none can be reached."""

from __future__ import annotations

import builtins
import platform
import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from realtime_sync.audio import Device, Microphone, Speaker, devices, hardware
from realtime_sync.audio.hardware import find_device, install_line
from realtime_sync.errors import AudioUnavailable, ConfigurationError, DeviceNotFound

from .portaudio import FakeDevice

THERE = [
    Device(0, "HDA Intel: ALC257 Analog (hw:0,0)", "ALSA", 2, 2, 44_100),
    Device(1, "USB Headset: Audio (hw:1,0)", "ALSA", 1, 2, 48_000),
    Device(2, "HDMI 0", "ALSA", 0, 8, 48_000),
    Device(3, "default", "ALSA", 32, 32, 44_100, default_input=True, default_output=True),
    Device(4, "USB Headset: Audio (hw:1,0)", "JACK", 1, 2, 48_000),
]


@pytest.mark.parametrize(
    ("choice", "direction", "index"),
    [
        (None, "input", 3),
        (2, "output", 2),
        ("default", "input", 3),
        ("usb", "input", 1),
        ("HDMI", "output", 2),
        (re.compile(r"hw:0,\d"), "input", 0),
        (THERE[4], "output", 4),
        (replace(THERE[4], index=9), "output", 4),
        (replace(THERE[1], index=9), "output", 1),
        (replace(THERE[1], host_api="OSS"), "output", 1),
    ],
)
def test_the_device_that_is_meant(choice: Any, direction: Any, index: int) -> None:
    """By index, name, part of a name in any case, pattern, or an entry of devices().

    Such an entry is the one with its name, by its own way to it where that is still there.
    """
    assert find_device(choice, direction, THERE).index == index


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (2, "input device 2 is not here; there are: 0: HDA"),
        ("Bluetooth", "'Bluetooth' is not here"),
        (re.compile("^x"), r"'\^x' is not here"),
        ("hw:", "may be 0: HDA .*1: USB .*give the index"),
        (9, "is not here"),
    ],
)
def test_none_or_several(choice: Any, said: str) -> None:
    """One that is not there, plays only, or may be several: the message lists what there is."""
    with pytest.raises(DeviceNotFound, match=said):
        find_device(choice, "input", THERE)


@pytest.mark.parametrize("wrong", [True, 3.5, b"usb", ["usb"]])
@pytest.mark.parametrize("make", [Microphone, Speaker])
def test_what_names_no_device(make: Any, wrong: Any) -> None:
    """It is refused by the call, not by a thread."""
    with pytest.raises(TypeError, match="device: an index, a name, a pattern or None, not "):
        make(wrong)


def test_no_device_at_all() -> None:
    """A machine without a microphone says so."""
    with pytest.raises(DeviceNotFound, match="no default input device; there are: none"):
        find_device(None, "input", THERE[2:3])
    with pytest.raises(TypeError, match="an index, a name, a pattern"):
        find_device(True, "input", THERE)


@pytest.mark.parametrize(
    ("variable", "direction", "value", "index"),
    [
        ("REALTIME_SYNC_INPUT_DEVICE", "input", "1", 1),
        ("REALTIME_SYNC_OUTPUT_DEVICE", "output", "hdmi", 2),
        ("REALTIME_SYNC_OUTPUT_DEVICE", "output", " ", 3),
    ],
)
def test_the_environment_chooses(monkeypatch, variable, direction, value, index) -> None:
    """The variable counts where nothing was said, and only there."""
    monkeypatch.setenv(variable, value)
    assert find_device(None, direction, THERE).index == index
    assert find_device(0, direction, THERE).index == 0


def test_a_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable it was."""
    monkeypatch.setenv("REALTIME_SYNC_INPUT_DEVICE", "Bluetooth")
    with pytest.raises(DeviceNotFound, match="REALTIME_SYNC_INPUT_DEVICE=Bluetooth is not here"):
        find_device(None, "input", THERE)
    monkeypatch.setenv("REALTIME_SYNC_INPUT_DEVICE", "\N{SUPERSCRIPT TWO}")
    with pytest.raises(DeviceNotFound, match="REALTIME_SYNC_INPUT_DEVICE="):
        find_device(None, "input", THERE)


def test_devices_are_listed_anew(card: Any) -> None:
    """What is plugged in between two calls is there; nothing stays initialised."""
    made = card(FakeDevice("one", 1, 0, 16_000))
    listed = devices()
    assert listed == [Device(0, "one", "Fake", 1, 0, 16_000, default_input=True)]
    made.devices.append(FakeDevice("two", 0, 2, 48_000))
    assert [device.name for device in devices()] == ["one", "two"]
    assert devices()[1].default_output


def test_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing PyAudio is AudioUnavailable, with the one line that installs it here."""
    real = builtins.__import__

    def without(name: str, *args: Any, **how: Any) -> Any:
        if name in ("pyaudio", "sounddevice"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **how)

    for name in ("pyaudiobackend", "sounddevicebackend"):
        monkeypatch.delitem(sys.modules, f"realtime_sync.audio.{name}", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(hardware, "find_spec", lambda name: None)
    line = re.escape(install_line("pyaudio"))
    with pytest.raises(AudioUnavailable, match=f"pyaudio cannot be loaded.*{line}"):
        devices()
    with pytest.raises(AudioUnavailable, match="pip install sounddevice"):
        devices("sounddevice")
    with pytest.raises(ConfigurationError, match="pyaudio, sounddevice"):
        devices("alsa")


@pytest.mark.parametrize(
    ("system", "release", "line"),
    [
        ("Linux", {"ID": "debian"}, "sudo apt-get install -y portaudio19-dev gcc python3-dev && "),
        ("Linux", {"ID": "mint", "ID_LIKE": "ubuntu debian"}, "sudo apt-get install"),
        ("Linux", {"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install"),
        ("Linux", {"ID": "arch"}, "sudo pacman"),
        ("Linux", {"ID": "other"}, "pip install pyaudio (after PortAudio's"),
        ("Linux", None, "pip install pyaudio (after PortAudio's"),
        ("Darwin", None, "brew install portaudio && pip install pyaudio"),
        ("Windows", None, "pip install pyaudio"),
    ],
)
def test_the_line_fits_the_system(monkeypatch, system, release, line) -> None:
    """Each family of systems has its own line."""

    def told() -> dict[str, str]:
        if release is None:
            raise OSError("no file")
        return release

    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "freedesktop_os_release", told)
    assert install_line("pyaudio").startswith(line)
