"""The echo canceller, over a simulated room."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import pytest

from realtime_sync.errors import AudioUnavailable
from realtime_sync.local.speech import Speech
from realtime_sync.voice.cancelling import EchoCanceller

Samples = npt.NDArray[np.float64]

LONG = "This is what the model says aloud. It goes on for a while, so that there is time to learn."
SHORT = "And this is what the user says, in other words than the model."
REFLECTIONS = ((30, 0.5), (47, 0.25), (71, 0.12))  # milliseconds, and how much comes back


def speech(text: str) -> Samples:
    return np.frombuffer(b"".join(Speech().speak(text)), "<i2").astype(float)


def power(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-9))


def room(far: Samples) -> Samples:
    echo = np.zeros(len(far))
    for milliseconds, share in REFLECTIONS:
        late = 24 * milliseconds
        echo[late:] += share * far[:-late]
    return echo


def heard(canceller: EchoCanceller, far: Samples, near: Samples) -> Samples:
    """What is left of the microphone, 20 ms at a time."""
    mixed = room(far) + near
    out = []
    for at in range(0, len(far), 480):
        canceller.far(far[at : at + 480].astype("<i2").tobytes())
        out.append(canceller.near(mixed[at : at + 480].astype("<i2").tobytes()))
    return np.frombuffer(b"".join(out), "<i2").astype(float)


def test_echo_goes_and_speech_stays() -> None:
    """After 2 s at least 20 dB less echo; what the user says then is as loud as it was."""
    pytest.importorskip("livekit", reason="needs livekit: pip install livekit")
    said, answer = speech(f"{LONG} {LONG}"), speech(SHORT)
    said, answer = (x[: len(x) // 480 * 480] for x in (said, answer))
    canceller = EchoCanceller()
    left = heard(canceller, said, np.zeros(len(said)))
    settled = slice(48_000, len(left))
    assert power(room(said)[settled]) - power(left[settled]) >= 20
    pause = np.zeros(24_000)
    heard(canceller, pause, pause)
    kept = heard(canceller, np.zeros(len(answer)), answer)
    assert abs(power(kept) - power(answer)) <= 3


def test_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that are no multiple of 10 ms are joined; nothing is lost."""
    pytest.importorskip("livekit", reason="needs livekit: pip install livekit")
    canceller = EchoCanceller()
    out = b"".join(canceller.near(bytes(2 * n)) for n in (100, 140, 500, 220))
    assert len(out) == 2 * 960


def test_without_livekit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    with pytest.raises(AudioUnavailable, match=r"realtime_sync\[aec\]"):
        EchoCanceller()
