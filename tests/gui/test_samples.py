"""The samples with a window, used as a person would: by mouse and keyboard, looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_sync
from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer

ROOT = Path(__file__).resolve().parents[2]


class Person:
    """Somebody at a screen: the window of a program, a mouse and a keyboard."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        window = self.do("search", "--sync", "--onlyvisible", "--name", "realtime_sync").split()[0]
        shape = self.do("getwindowgeometry", "--shell", window).split()
        place = {key: int(value) for key, _, value in (line.partition("=") for line in shape)}
        self.x, self.y = place["X"], place["Y"]
        self.width, self.height = place["WIDTH"], place["HEIGHT"]

    def do(self, *what: str) -> str:
        """Do it; what is said of it."""
        done = subprocess.run(
            ["xdotool", *what],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    def point(self, up: int, *what: str) -> None:
        """Move the mouse to the middle, so many pixels above the lower edge, and do something."""
        place = str(self.x + self.width // 2), str(self.y + self.height - up)
        self.do("mousemove", *place, *what)

    def look(self) -> Any:
        """A picture of the window."""
        from PIL import ImageGrab

        whole = ImageGrab.grab(xdisplay=self._env["DISPLAY"])
        return whole.crop((self.x, self.y, self.x + self.width, self.y + self.height))

    def reads(self, lines: int) -> None:
        """Wait until the window shows at least so many lines of text."""
        ends = time.monotonic() + 20
        while self.lines() < lines:
            assert time.monotonic() < ends, f"{self.lines()} lines"

    def lines(self) -> int:
        """How many lines of text there are above the line to type in."""
        picture = self.look().convert("L").crop((5, 5, self.width - 30, self.height - 60))
        wide, high = picture.size
        pixels = picture.tobytes()
        inked = [min(pixels[row * wide : (row + 1) * wide]) < 100 for row in range(high)]
        return sum(now and not before for before, now in zip([False, *inked], inked, strict=False))


@pytest.fixture
def program(screen: str, tmp_path: Path) -> Iterator[tuple[Person, LocalServer]]:
    """The sample tkchat.py, running, with sound files for devices."""
    pytest.importorskip("tkinter")
    if shutil.which("xdotool") is None:
        pytest.skip("a person needs a mouse: apt-get install xdotool")
    write_wav(tmp_path / "in.wav", b"\x10\x20" * 40_000, 16_000)
    with LocalServer(speed=None, voice="tones") as server:
        env = {
            **os.environ,
            "DISPLAY": screen,
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "any",
            # the library under test, also where it is not installed
            "PYTHONPATH": str(Path(realtime_sync.__file__).parent.parent),
        }
        running = subprocess.Popen(
            [sys.executable, str(ROOT / "samples" / "tkchat.py"), "in.wav", "out.wav"],
            env=env,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Person(env), server
        finally:
            running.terminate()
            _, said = running.communicate(timeout=20)
            assert said == ""


def test_typing_and_speaking(program: tuple[Person, LocalServer]) -> None:
    """A typed line and a held button bring a turn each, and the window shows them."""
    person, server = program
    person.point(40, "click", "1")
    person.do("type", "Hello there!")
    person.do("key", "Return")
    server.assert_said("Hello there!", "user", timeout=20)
    person.reads(2)
    person.point(12, "mousedown", "1")
    person.do("sleep", "0.6", "mouseup", "1")
    server.assert_said("your speech", "assistant", timeout=20)
    person.reads(4)
