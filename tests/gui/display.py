"""A screen that nobody sees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def display(width: int = 800, height: int = 600) -> Iterator[str]:
    """An X display of our own, with Xvfb; its name.

    Raises:
        FileNotFoundError: Xvfb is not installed.
    """
    ready, told = os.pipe()
    size = f"{width}x{height}x24"
    try:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(told), "-screen", "0", size, "-nolisten", "tcp"],
            pass_fds=[told],
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        os.close(ready)
        raise
    finally:
        os.close(told)
    try:
        with os.fdopen(ready) as line:
            number = line.readline().strip()  # ends without one where the server does not start
        assert number, "Xvfb does not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)
