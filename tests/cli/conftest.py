"""The command as a process, and a server for it to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from realtime_sync.local import LocalServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]

_OURS = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "REALTIME_SYNC_MODEL", "REALTIME_SYNC_CONFIG"),
    *("FORCE_COLOR", "NO_COLOR"),
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has set must not reach a test."""
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server without pacing."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


@pytest.fixture
def run() -> Run:
    """Runs `python -m realtime_sync` with these arguments, to its end."""

    def command(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "realtime_sync", *arguments],
            input=stdin,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
        )

    return command


@pytest.fixture
def without() -> Run:
    """Runs the command where a package cannot be imported."""

    def command(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            f"import sys; sys.modules[{package!r}] = None\nimport realtime_sync.cli as c; c.main()"
        )
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100
        )

    return command
