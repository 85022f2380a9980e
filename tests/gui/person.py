"""Somebody who uses a sample with a window: by mouse and keyboard, and looks at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import realtime_sync

SAMPLES = Path(__file__).resolve().parents[2] / "samples"

#: How the bubbles of the samples look.
COLOURS = {"user": (0xCF, 0xE4, 0xFF), "assistant": (0xE9, 0xEC, 0xEF), "error": (0xFF, 0xD9, 0xD6)}


class Person:
    """At a screen with the window of a program on it.

    Args:
        env: Of that program; names the screen.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        window = self.do("search", "--sync", "--onlyvisible", "--name", "^realtime_sync$")
        shape = self.do("getwindowgeometry", "--shell", window.split()[0]).split()
        place = {key: int(value) for key, _, value in (line.partition("=") for line in shape)}
        self.x, self.y = place["X"], place["Y"]
        self.width, self.height = place["WIDTH"], place["HEIGHT"]
        # where nobody manages windows, keys go to the one under the mouse
        self.do("mousemove", str(self.x + self.width // 2), str(self.y + self.height // 2))

    def do(self, *what: str) -> str:
        """Do it, as xdotool puts it; what is said of it."""
        done = subprocess.run(
            ["xdotool", *what],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    def speak(self, enough: Callable[[], bool]) -> None:
        """Hold the space bar, with the button in focus, until that is so."""
        self.do("keydown", "space")
        ends = time.monotonic() + 20
        while not enough():
            assert time.monotonic() < ends, "nobody hears it"
            time.sleep(0.02)
        self.do("keyup", "space")

    def type(self, text: str) -> None:
        """Go from the button to the line above it, type, and come back."""
        self.do("key", "shift+Tab", "type", text)
        self.do("key", "Return", "Tab")

    def look(self) -> Any:
        """A picture of the window."""
        from PIL import ImageGrab

        whole = ImageGrab.grab(xdisplay=self._env["DISPLAY"]).convert("RGB")
        return whole.crop((self.x, self.y, self.x + self.width, self.y + self.height))

    def sees(self, seen: Callable[[Any], bool], what: str) -> Any:
        """Wait until the picture is such; the picture."""
        ends = time.monotonic() + 20
        while not seen(picture := self.look()):
            assert time.monotonic() < ends, f"nobody sees {what}"
        return picture


def bubbles(picture: Any, role: str) -> int:
    """How many stretches of a role's colour there are in a picture, one below the other."""
    wide, high = picture.size
    row = 3 * wide
    pixels, wanted = picture.tobytes(), bytes(COLOURS[role]) * 6
    filled = [wanted in pixels[at * row : (at + 1) * row] for at in range(high)]
    return sum(now and not before for before, now in zip([False, *filled], filled, strict=False))


@contextmanager
def running(sample: str, where: Path, *arguments: str, **env: str) -> Iterator[Person]:
    """A sample, with somebody before it; in the end it is told to end, and does so in silence."""
    settings = {
        **os.environ,
        "PYTHONPATH": str(Path(realtime_sync.__file__).parent.parent),  # also where not installed
        **env,
    }
    program = subprocess.Popen(
        [sys.executable, str(SAMPLES / sample), *arguments],
        env=settings,
        cwd=where,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Person(settings)
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=20)
        assert (program.returncode, said) == (0, "")
    finally:
        program.kill()
        program.communicate()
