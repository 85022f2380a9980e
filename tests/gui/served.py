"""The sample of a chat in a web page, served by Streamlit."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import realtime_sync

from .person import SAMPLES

SAMPLE = SAMPLES / "streamlitchat.py"


@contextmanager
def serving(where: Path, **env: str) -> Iterator[str]:
    """The page; its URL.

    Args:
        where: The folder that it runs in.
        env: For its environment.
    """
    for _ in range(5):
        port = _free_port()
        program = _begun(where, port, env)
        try:
            assert program.stdout is not None
            # none where somebody else was faster to take the port
            if any("127.0.0.1" in line for line in program.stdout):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            program.terminate()
            program.communicate(timeout=20)
    raise AssertionError("streamlit does not begin to serve")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _begun(where: Path, port: int, env: dict[str, str]) -> subprocess.Popen[str]:
    root = str(Path(realtime_sync.__file__).parent.parent)  # also where it is not installed
    options = ["--server.headless", "true", "--server.address", "127.0.0.1"]
    options += ["--server.port", str(port)]
    return subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(SAMPLE), *options],
        env={**os.environ, "PYTHONPATH": root, **env},
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
