"""Microphone and loudspeaker on real audio libraries, over the null sinks of a PulseAudio.

Where something is missing, each test says what to install. REALTIME_SYNC_NEEDS_AUDIO=1 makes that
a failure, for a machine that is meant to have it all.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nullsinks import NullSinks, missing

from realtime_sync.audio import DeviceChange, Microphone, Speaker, devices, ports
from realtime_sync.errors import DeviceNotFound
from realtime_sync.local.speech import tones
from realtime_sync.runtime.clock import monotonic

_needed = os.environ.get("REALTIME_SYNC_NEEDS_AUDIO") == "1"
_missing = missing()

pytestmark = pytest.mark.skipif(bool(_missing) and not _needed, reason=_missing or "")

BACKENDS = [
    "pyaudio",
    pytest.param(
        "sounddevice",
        marks=pytest.mark.skipif(
            find_spec("sounddevice") is None and not _needed,
            reason="needs sounddevice: pip install sounddevice",
        ),
    ),
]

TRIES = 4  # while the device itself says that the machine is too busy for it
PIECE = 4800  # bytes; 100 ms
SPOKEN = tones("What is heard here was said elsewhere, a moment ago.")


class Recording:
    """What a sink plays, for the length of a `with` block."""

    def __init__(self, sinks: NullSinks, sink: str, path: Path) -> None:
        self._sinks, self._sink, self._path = sinks, sink, path
        self.heard = np.empty(0)

    def __enter__(self) -> Recording:
        self._recorder = self._sinks.record(self._sink, self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.terminate()
        self._recorder.wait(10)
        raw = self._path.read_bytes()
        self.heard = np.frombuffer(raw[: len(raw) & ~1], "<i2").astype(float)


def likeness(said: bytes, heard: np.ndarray) -> float:
    """Normalised cross-correlation at the best lag."""
    wanted = np.frombuffer(said, "<i2").astype(float)
    size = 1 << int(np.ceil(np.log2(len(wanted) + len(heard))))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    lag = int(np.argmax(product[: len(heard)]))
    part = heard[lag : lag + len(wanted)]
    return float(part @ wanted[: len(part)] / np.sqrt((part @ part) * (wanted @ wanted)))


def sounding_ms(heard: np.ndarray) -> float:
    """From the first to the last sound, in milliseconds."""
    loud = np.flatnonzero(np.abs(heard) > 60)
    return float(loud[-1] - loud[0]) / 24 if len(loud) else 0.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_devices(sinks: NullSinks, backend: Any) -> None:
    """ALSA's way to PulseAudio is there, and both defaults."""
    there = devices(backend)
    assert any(device.default_input and device.input_channels for device in there)
    assert any(device.default_output and device.output_channels for device in there)
    with pytest.raises(DeviceNotFound, match="default"):
        Microphone("none such", backend=backend).open()


def check(said: bytes, heard: np.ndarray, torn: int = 0) -> None:
    """It is what was said, and as long; where it was torn, it is most of its pieces."""
    if torn:  # in each try, on a machine that is so busy
        pieces = [said[at : at + PIECE] for at in range(0, len(said) - PIECE, PIECE)]
        sounding = [one for one in pieces if sounding_ms(np.frombuffer(one, "<i2"))]
        found = sum(likeness(one, heard) >= 0.8 for one in sounding)
        assert found > len(sounding) / 2, (torn, found, len(sounding))
        return
    assert likeness(said, heard) >= 0.8
    wanted = sounding_ms(np.frombuffer(said, "<i2").astype(float))
    assert sounding_ms(heard) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_played_is_heard(sinks: NullSinks, backend: Any, tmp_path: Path) -> None:
    """Through the loudspeaker, as recorded from its sink: the sound, as long as it was.

    Where the machine was too busy for the device the speaker has counted it: then once more. What
    it calls whole is whole.
    """
    for _ in range(TRIES):
        with (
            Recording(sinks, "speaker", tmp_path / "heard.raw") as recording,
            Speaker(backend=backend) as speaker,
        ):
            speaker.play(SPOKEN, "a")
            speaker.finish("a")
            speaker.wait_playback(timeout=30)
            assert speaker.position("a") == pytest.approx(len(SPOKEN) / 48)
            threading.Event().wait(0.3)  # the recorder's own latency
        if not speaker.underruns:
            break
    check(SPOKEN, recording.heard, speaker.underruns)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_said_is_captured(sinks: NullSinks, backend: Any) -> None:
    """What is played into the virtual microphone comes out of `Microphone`, or counts as lost."""
    for _ in range(TRIES):
        with Microphone(backend=backend) as microphone:
            microphone.read()
            player = sinks.say(SPOKEN)
            heard = b""
            while len(heard) < len(SPOKEN) + 48_000 * 2:
                heard += microphone.read()
            player.wait(20)
        if not microphone.overflows:
            break
    check(SPOKEN, np.frombuffer(heard, "<i2").astype(float), microphone.overflows)


@pytest.mark.parametrize("backend", BACKENDS)
def test_stop_is_quick_and_knows_where(sinks: NullSinks, backend: Any, tmp_path: Path) -> None:
    """After stop the last sound goes out within 40 ms; the recording holds what stop said.

    Twice, in as many runs as a machine may need that stands still for a moment now and then.
    """
    tone = (np.sin(np.arange(24_000 * 6) / 8) * 8000).astype("<i2").tobytes()
    last: list[float] = []

    def note(pcm: bytes) -> None:
        if any(pcm):
            last[:] = [monotonic()]

    misses: list[float] = []
    delays: list[float] = []
    good = 0
    for run in range(2 * TRIES):
        with (
            Recording(sinks, "speaker", tmp_path / f"{run}.raw") as recording,
            Speaker(backend=backend, monitor=note) as speaker,
        ):
            speaker.play(tone, f"item {run}")
            threading.Event().wait(1.0 + run % 3 * 0.137)  # the moment of a user who interrupts
            stopped_at = monotonic()
            stopped = speaker.stop()
            speaker.wait_playback(timeout=5)
            threading.Event().wait(0.3)
        delays.append(last[0] - stopped_at)
        misses.append(abs(sounding_ms(recording.heard) - stopped[f"item {run}"]))
        good += delays[-1] <= 0.04 and misses[-1] <= 100
        if good == 2:
            break
    assert good == 2, (delays, misses)


def test_nothing_is_printed(sinks: NullSinks) -> None:
    """Looking for devices and opening both leaves standard error empty."""
    script = (
        "from realtime_sync.audio import Microphone, Speaker, devices\n"
        "devices()\n"
        "with Microphone() as microphone, Speaker() as speaker: microphone.read()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert ran.returncode == 0
    assert ran.stderr == b""


def test_nothing_is_printed_at_an_underrun(sinks: NullSinks) -> None:
    """A machine that stands still for a moment leaves the speaker dry, and standard error empty."""
    script = (
        "import os, signal, subprocess, time\n"
        "from realtime_sync.audio import Speaker\n"
        "with Speaker() as speaker:\n"
        "    speaker.play(bytes(96000), 'a')\n"
        "    while speaker.position('a') < 100: time.sleep(0.01)\n"
        "    stopped = f'grep -q State:.T /proc/{os.getpid()}/status'\n"
        "    wake = f'until {stopped}; do sleep 0.01; done; sleep 0.5; kill -CONT {os.getpid()}'\n"
        "    with subprocess.Popen(['sh', '-c', wake]):\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    speaker.finish('a')\n"
        "    speaker.wait_playback(timeout=20)\n"
        "    print(speaker.underruns)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert int(ran.stdout) >= 1


def test_a_program_that_closes_nothing_ends(sinks: NullSinks) -> None:
    """Open streams do not hold the interpreter at its end."""
    script = (
        "from realtime_sync.audio import Microphone, Speaker\n"
        "microphone, speaker = Microphone().open(), Speaker().open()\n"
        "microphone.read(); speaker.play(bytes(48000))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_the_sound_server_dies_and_comes_back(
    sinks: NullSinks, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are told that their device is gone, and go on once it is there again."""
    # on a busy machine a sound server takes its time to come back
    monkeypatch.setattr(ports, "DELAYS", (*ports.DELAYS, 4.0, 4.0, 4.0))
    changes: list[DeviceChange] = []
    told = threading.Condition()

    def note(change: DeviceChange) -> None:
        with told:
            changes.append(change)
            told.notify_all()

    with (
        caplog.at_level(logging.CRITICAL, "realtime_sync"),
        Microphone(on_change=note) as microphone,
        Speaker(on_change=note) as speaker,
        told,
    ):
        microphone.read()
        sinks.stop()
        assert told.wait_for(lambda: len(changes) >= 2, 20)
        assert {(one.kind, one.direction) for one in changes} == {
            ("lost", "input"),
            ("lost", "output"),
        }
        sinks.start()
        assert told.wait_for(lambda: len(changes) >= 4, 20)
        assert [one.kind for one in changes[2:]] == ["restored", "restored"]
        microphone.discard()
        assert len(microphone.read()) == 960
        speaker.play(SPOKEN[:48_000], "a")
        speaker.finish("a")
        speaker.wait_playback(timeout=15)
