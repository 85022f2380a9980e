from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.cli.replay import _paced
from realtime_sync.local import LocalServer
from realtime_sync.recording import read
from realtime_sync.runtime import clock

from .conftest import Run

HEADER = {"format": "realtime_sync recording", "version": 1, "library": "0.1.0", "audio": False}
SESSION = {"model": "m", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
SAID: list[tuple[str, Any]] = [
    ("received", {"type": "session.created", "session": SESSION}),
    ("sent", {"type": "response.create"}),
    ("received", {"type": "response.output_audio_transcript.delta", "item_id": "a", "delta": "He"}),
    ("received", {"type": "response.output_audio.delta", "item_id": "a", "delta": ""}),
    (
        "received",
        {"type": "response.output_audio_transcript.delta", "item_id": "a", "delta": "llo\x1b[2J"},
    ),
    ("received", {"type": "response.done", "response": {"status": "completed"}}),
    ("local", {"type": "connection.lost", "error": "the link was lost", "code": 1006}),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A recording of a response that takes half a second."""
    lines: list[Any] = [HEADER]
    for number, (direction, event) in enumerate(SAID):
        line = {"at": number / 12, "direction": direction, "event": event}
        if event["type"] == "response.output_audio.delta":
            line["elided"] = {"delta": 800}
        lines.append(line)
    lines.append({"at": 0.5, "direction": "local", "event": {"type": "recording.ended"}})
    path = tmp_path / "bug.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_what_it_shows(run: Run, file: Path) -> None:
    """A line an event, deltas of one item together; nothing in it steers a terminal."""
    done = run("replay", str(file), "--speed", "max")
    assert done.stdout.splitlines() == [
        "bug.jsonl: realtime_sync 0.1.0, audio left out",
        "    0.000 < session.created  m",
        "    0.083 > response.create",
        "    0.167 < response.output_audio_transcript.delta ×2  Hello�[2J",
        "    0.250 < response.output_audio.delta  100 ms of audio",
        "    0.417 < response.done  completed",
        "    0.500 ! connection.lost  the link was lost",
        "7 events, 0.500 s",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_each_delta(run: Run, file: Path) -> None:
    """With --deltas each has its line."""
    done = run("replay", str(file), "--speed", "max", "--deltas")
    assert [line[12:60] for line in done.stdout.splitlines() if ".delta" in line] == [
        "response.output_audio_transcript.delta  He",
        "response.output_audio.delta  100 ms of audio",
        "response.output_audio_transcript.delta  llo�[2J",
    ]


def test_as_json(run: Run, file: Path) -> None:
    """With --json each event is a line for other programs, at once."""
    done = run("replay", str(file), "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["direction"], line["event"]) for line in lines] == SAID
    assert lines[3]["elided"] == {"delta": 800}
    assert (lines[0]["line"], lines[-1]["at"]) == (2, 0.5)


@pytest.mark.parametrize("speed", [1.0, 2.0, math.inf])
def test_its_time(file: Path, speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event comes when its time has come, divided by the speed; without end: at once."""
    if speed == math.inf:
        monkeypatch.setattr(clock, "Signal", None)  # no wait at all
    began, late = time.monotonic(), []
    for entry in _paced(read(file), speed):
        late.append(time.monotonic() - began - entry.at / speed)
    assert len(late) == len(SAID)
    assert min(late) >= 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe(run: Run, file: Path) -> None:
    """What another program writes can be shown: the file is read once, from its beginning on."""
    done = run("replay", "/dev/stdin", "--speed", "max", stdin=file.read_text(encoding="utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "7 events, 0.500 s"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal(file: Path) -> None:
    """Whoever looks sees a bar, and deltas as they come; Ctrl-C ends it."""
    from .terminal import Terminal

    with Terminal("replay", str(file), "--speed", "0.1") as terminal:
        terminal.expect("session.created  m")
        terminal.expect("━")
        terminal.expect("%")
        terminal.expect("transcript.delta  He")
        terminal.type("\x03")
        assert terminal.ended() == 1


@pytest.mark.parametrize(
    ("spoil", "line", "words"),
    [
        (lambda text: text[: text.index("llo") + 1], 6, "is cut"),
        (lambda text: text[: text.index('{"at": 0.5, "direction": "local"')], 8, "is cut"),
        (lambda text: text.replace('"local"', "local"), 8, "not JSON"),
        (lambda text: text.replace('"version": 1', '"version": 2'), 1, "pip install --upgrade"),
        (lambda text: "WEBVTT\n" + text, 1, "no recording"),
        (lambda text: "", 1, "empty"),
    ],
)
def test_broken(run: Run, file: Path, spoil: Any, line: int, words: str) -> None:
    """Exit code 1, one line that names the file's, and what came before it is shown."""
    file.write_text(spoil(file.read_text(encoding="utf-8")), encoding="utf-8")
    for options in (("--speed", "max"), ("--json",)):
        done = run("replay", str(file), *options)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert f"bug.jsonl, line {line}: " in done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert ("session.created" in done.stdout) == (line > 1)
        assert ("connection.lost" in done.stdout) == (line > 8)
        assert ("transcript.delta" in done.stdout) == (line > 1)


@pytest.mark.parametrize(
    "arguments", [[], ["none.jsonl"], ["."], ["FILE", "--speed", "0"], ["FILE", "--speed", "x"]]
)
def test_wrong_usage_is_2(run: Run, file: Path, arguments: list[str]) -> None:
    """No file, or a speed that cannot be: exit code 2."""
    done = run("replay", *[str(file) if one == "FILE" else one for one in arguments])
    assert (done.returncode, done.stdout) == (2, "")


def test_what_record_writes(run: Run, server: LocalServer, tmp_path: Path) -> None:
    """It shows what a session has recorded."""
    server.reply(server.call("lookup", city="Oslo"), ["Hel", RuntimeError("hiccups")])
    path = tmp_path / "a.jsonl"
    with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
        session.record(path)
        session.ask("How is it?")
    shown = run("replay", str(path), "--speed", "max").stdout
    for words in (
        "! recording.began",
        "> conversation.item.create  user: How is it?",
        'response.output_item.done  lookup: {"city": "Oslo"}',
        "< response.done  completed, ",
        "! connection.closed",
    ):
        assert words in shown
