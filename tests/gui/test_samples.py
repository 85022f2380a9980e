"""The samples with a window, used as a person would: by mouse and keyboard, looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer

from .person import Person, bubbles, running

#: Sample -> what it is made with.
NEEDS = {"tkchat.py": "tkinter", "qtchat.py": "PySide6.QtWidgets"}


def opens_windows(screen: str) -> bool:
    """Whether Qt finds what it needs for that; it aborts the process where not."""
    tried = "from PySide6.QtWidgets import QApplication; QApplication([])"
    env = {**os.environ, "DISPLAY": screen}
    done = subprocess.run([sys.executable, "-c", tried], env=env, capture_output=True, timeout=60)
    return done.returncode == 0


@pytest.fixture(params=NEEDS)
def program(
    request: pytest.FixtureRequest, screen: str, tmp_path: Path
) -> Iterator[tuple[Person, LocalServer]]:
    """A sample that runs, with sound files for devices."""
    pytest.importorskip(NEEDS[request.param], exc_type=ImportError)
    if shutil.which("xdotool") is None:
        pytest.skip("a person needs a mouse: apt-get install xdotool")
    if request.param == "qtchat.py" and not opens_windows(screen):
        pytest.skip("Qt needs more of the system for a window: apt-get install libxcb-cursor0")
    # the file speaks from the beginning on, however late somebody listens
    write_wav(tmp_path / "in.wav", b"\x10\x20" * 320_000, 16_000)
    with LocalServer(speed=None, voice="tones") as server:
        keys = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any", "DISPLAY": screen}
        with running(request.param, tmp_path, "in.wav", "out.wav", **keys) as person:
            yield person, server


def test_typing_and_speaking(program: tuple[Person, LocalServer]) -> None:
    """A held key and a typed line bring a turn each, and the window shows both sides of both."""
    person, server = program
    server.reply("I hear you.", "Good day to you.")
    person.speak(lambda: len(server.received) > 30)  # mostly 20 ms of sound each
    server.assert_said("I hear you.", "assistant", timeout=20)
    person.type("Hello there!")
    server.assert_said("Hello there!", "user", timeout=20)
    server.assert_said("Good day to you.", "assistant", timeout=20)

    def shows_it(picture: object) -> bool:
        return bubbles(picture, "user") == bubbles(picture, "assistant") == 2

    picture = person.sees(shows_it, "two of each side")
    assert bubbles(picture, "error") == 0
