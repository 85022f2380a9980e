from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

import realtime_sync.local
from realtime_sync.cli import demo as room
from realtime_sync.local import LocalServer

from .conftest import Run

Prepare = Callable[[LocalServer], object]


def test_the_demo_passes_and_shows_what_came(run: Run) -> None:
    """All steps pass, on a pipe without colours, within half a minute."""
    started = time.monotonic()
    done = run("demo")
    assert time.monotonic() - started < 30  # it takes five, and as long as a process takes to begin
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n  ok      ") == 4
    assert "\x1b" not in done.stdout
    for words in (
        'model   Hello! You said: "Hello! Can you hear me?"',
        'call    multiply {"a": 6, "b": 7}',
        "multiply returned: 42",
        "… [cancelled]",
        "model   1, 2, 3, 4, 5.",
        "ms of audio",
        "response.output_audio.delta",
    ):
        assert words in done.stdout


def prepared(monkeypatch: pytest.MonkeyPatch, prepare: Prepare, **settings: Any) -> None:
    class Prepared(LocalServer):
        def __init__(self) -> None:
            super().__init__(**{"speed": None, "voice": "tones", **settings})
            prepare(self)

    monkeypatch.setattr(realtime_sync.local, "LocalServer", Prepared)


def failing(monkeypatch: pytest.MonkeyPatch, step: int) -> str:
    """What the demo shows of one step that fails."""
    monkeypatch.setattr(room, "_STEPS", (room._STEPS[step],))
    done = CliRunner().invoke(room.demo)
    assert done.exit_code == 1, done.output
    assert done.output.endswith("Error: 1 of 1 steps failed\n")
    assert done.output.count("FAILED") == 1
    return next(line for line in done.output.splitlines() if "FAILED" in line)


@pytest.mark.parametrize(
    ("step", "prepare", "why"),
    [
        (0, lambda server: server.reply(RuntimeError("hiccups")), "hiccups"),
        (0, lambda server: server.reply("Hello."), "did not come in pieces"),
        (0, lambda server: server.script.cut(after=8), "ended the connection"),
        (0, lambda server: server.script.mute(after=8), "did not come within"),
        (1, lambda server: server.reply("No."), "did not call the function"),
        (1, lambda server: server.reply(server.call("multiply", a=1)), "did not run as asked"),
        (
            1,
            lambda server: server.reply(server.call("multiply", a=6, b=7), "So."),
            "tell the result",
        ),
        (2, lambda server: None, "the story was not cancelled"),
        (3, lambda server: server.reply("Hi there.", bytes(9600)), "did not come back intact"),
    ],
)
def test_a_step_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, step: int, prepare: Prepare, why: str
) -> None:
    """The line names what did not happen, and the exit code is 1."""
    prepared(monkeypatch, prepare)
    if "within" in why:  # what comes, comes in time on however slow a machine
        monkeypatch.setattr(room, "_PATIENCE", 0.5)
    assert why in failing(monkeypatch, step)


def test_the_other_steps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure does not keep the rest from being tried."""
    prepared(monkeypatch, lambda server: server.reply(RuntimeError("hiccups")))
    monkeypatch.setattr(room, "_STEPS", room._STEPS[:2])
    done = CliRunner().invoke(room.demo)
    assert done.exit_code == 1
    assert "  ok      the model called a Python function" in done.output
    assert done.output.endswith("Error: 1 of 2 steps failed\n")


def test_without_the_extra_local_one_line_says_what_to_install(without: Run) -> None:
    """No server, no demo: what to install, exit code 1."""
    done = without("websockets", "demo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "realtime_sync[local]" in done.stderr
    assert done.stderr.count("\n") == 1
