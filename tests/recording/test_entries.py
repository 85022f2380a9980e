from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.errors import RecordingError
from realtime_sync.recording import Entry, read
from realtime_sync.recording.entries import headed

HEADER = {"format": "realtime_sync recording", "version": 1, "time": 12.5, "library": "0.1.0"}
EVENT = {"at": 0.5, "time": 13, "direction": "sent", "event": {"type": "response.create"}}
END = {"at": 1, "direction": "local", "event": {"type": "recording.ended"}}


def written(path: Path, *lines: Any) -> Path:
    """A file of these lines; text and bytes as they are."""
    texts = [line if isinstance(line, (str, bytes)) else json.dumps(line) + "\n" for line in lines]
    path.write_bytes(b"".join(t if isinstance(t, bytes) else t.encode() for t in texts))
    return path


def entries(path: Path) -> tuple[list[Entry], RecordingError | None]:
    """What can be read, and what ends it before its time."""
    found = []
    try:
        for entry in read(path):
            found.append(entry)
    except RecordingError as exc:
        return found, exc
    return found, None


def test_whole(tmp_path: Path) -> None:
    """A recording that is whole: its header, and its events with line, time and size."""
    elided = {**EVENT, "elided": {"delta": 9600}, "new": "ignored"}
    path = written(tmp_path / "a.jsonl", {**HEADER, "audio": True}, EVENT, elided, END)
    header, (first, second) = headed(path)
    assert (header.version, header.time, header.library, header.audio) == (1, 12.5, "0.1.0", True)
    assert first == Entry(2, 0.5, 13.0, "sent", {"type": "response.create"}, {}, first.end)
    assert (second.line, second.elided, second.type) == (3, {"delta": 9600}, "response.create")
    assert 0 < first.end < second.end < path.stat().st_size


@pytest.mark.parametrize(
    ("lines", "given", "line", "words"),
    [
        ([], 0, 1, "empty"),
        (["not JSON\n"], 0, 1, "not JSON"),
        (["[1]\n"], 0, 1, "JSON object"),
        (["\x00\xff" * 100 + "\n"], 0, 1, "not JSON"),
        ([{"kind": "message", "direction": "sent", "data": {}}], 0, 1, r"session\.record"),
        ([{**HEADER, "version": "1"}], 0, 1, "no recording"),
        ([{**HEADER, "version": 2}, EVENT], 0, 1, "version 2 .* newer .* pip install --upgrade"),
        ([HEADER], 0, 2, "is cut"),
        ([HEADER, EVENT, EVENT], 2, 4, "is cut"),
        ([HEADER, EVENT, json.dumps(EVENT)[:30]], 1, 3, "is cut: this line has no end"),
        ([HEADER, EVENT, json.dumps(EVENT)], 1, 3, "is cut: this line has no end"),
        ([HEADER, EVENT, "{,}\n", EVENT, END], 1, 3, "not JSON"),
        ([HEADER, EVENT, "[" * 100_000 + "\n"], 1, 3, "not JSON"),
        ([HEADER, {**EVENT, "event": {}}], 0, 2, '"event"'),
        ([HEADER, {**EVENT, "event": None}], 0, 2, '"event"'),
        ([HEADER, {**EVENT, "direction": "up"}], 0, 2, '"direction": one of sent, .*up'),
        ([HEADER, {**EVENT, "direction": ["sent"]}], 0, 2, '"direction"'),
        ([HEADER, {**EVENT, "at": -1}], 0, 2, '"at"'),
        ([HEADER, {**EVENT, "at": True}], 0, 2, '"at"'),
        ([HEADER, '{"at": NaN, "direction": "sent", "event": {"type": "x"}}\n'], 0, 2, '"at"'),
        ([HEADER, {**EVENT, "at": 10**400}], 0, 2, '"at"'),
        ([HEADER, EVENT, {**EVENT, "at": 0.4}, END], 1, 3, '"at": 0.4 .* before .* 0.5 '),
        ([HEADER, EVENT, {**END, "at": 0.4}], 1, 3, '"at"'),
        ([b"\x1f\x8b\x08\x00\n"], 0, 1, "compressed.*gunzip"),
        ([HEADER, {**EVENT, "elided": {"delta": -1}}], 0, 2, '"elided"'),
        ([HEADER, {**EVENT, "elided": 5}], 0, 2, '"elided"'),
        ([HEADER, EVENT, END, EVENT], 1, 4, "follows the end"),
        ([HEADER, EVENT, END, HEADER], 1, 4, "follows the end"),
    ],
)
def test_broken(tmp_path: Path, lines: list[Any], given: int, line: int, words: str) -> None:
    """Cut, spoilt, foreign or newer: the error names file and line, what came before is given."""
    path = written(tmp_path / "bug.jsonl", *lines)
    found, error = entries(path)
    assert len(found) == given
    assert error is not None
    assert (error.path, error.line) == (str(path), line)
    with pytest.raises(RecordingError, match=rf"bug\.jsonl, line {line}: .*{words}"):
        raise error


def test_every_cut(tmp_path: Path) -> None:
    """Wherever a recording is cut, what was whole is given, and the line of the cut is named."""
    whole = written(tmp_path / "whole.jsonl", HEADER, EVENT, EVENT, END).read_bytes()
    for size in range(len(whole)):
        path = written(tmp_path / "cut.jsonl", whole[:size])
        found, error = entries(path)
        lines = whole[:size].count(b"\n")
        assert error is not None
        assert error.line == lines + 1
        assert len(found) == max(0, min(lines - 1, 2))


@pytest.mark.parametrize("time", ["x", True, -1, 1e300, 10**400, math.nan, math.inf])
def test_a_time_that_cannot_be(tmp_path: Path, time: Any) -> None:
    """A date that no calendar has is one that the file does not say."""
    path = written(tmp_path / "a.jsonl", {**HEADER, "time": time}, {**EVENT, "time": time}, END)
    header, found = headed(path)
    assert header.time is None
    assert [entry.time for entry in found] == [None]


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is the system's error."""
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none.jsonl"))
