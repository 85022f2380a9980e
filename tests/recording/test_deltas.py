from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipe import LIMIT

from realtime_sync.recording import Recording, read, recorder
from realtime_sync.recording.deltas import Deltas
from realtime_sync.recording.veil import unkeyed

KEY = "sk-proj-canaryCANARY0123_-x"
TEXTS = st.lists(
    st.sampled_from([KEY, "sk-", "ek_", "Bearer canary-canary-0", " ", ".", " word "]),
    max_size=8,
).map("".join)


def delta(text: str, item_id: str = "i") -> dict[str, Any]:
    return {"type": "response.output_text.delta", "item_id": item_id, "delta": text}


@given(text=TEXTS, cuts=st.lists(st.integers(0, 99)))
def test_however_it_is_cut(text: str, cuts: list[int]) -> None:
    """No part of a key is left in any delta, and of a text without keys nothing is missing."""
    deltas, ends = Deltas(), sorted({*(cut for cut in cuts if cut < len(text)), len(text)})
    pieces = [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    events = [delta(unkeyed(piece)) for piece in pieces]
    for event, piece in zip(events, pieces, strict=True):
        deltas.add(event, piece)
    deltas.end()
    assert not deltas
    left = "".join(event["delta"] for event in events)
    assert "canary" not in left.lower()
    if unkeyed(text) == text and all(unkeyed(piece) == piece for piece in pieces):
        assert left == text


@pytest.mark.parametrize(
    ("text", "held"),
    [("Hello", False), ("tas", False), (" s", True), ("ask sk-", True), ("", False)],
)
def test_what_waits(text: str, held: bool) -> None:
    """Only a text that may go on to be a key is waited for, until it is done."""
    deltas = Deltas()
    deltas.add(delta(text), text)
    assert bool(deltas) == held
    deltas.add({"type": "input_audio_buffer.speech_started"}, None)
    assert bool(deltas) == held
    deltas.add({"type": "response.output_text.done", "item_id": "i"}, None)
    assert not deltas


def test_a_text_without_end() -> None:
    """What is longer than any key is not waited for."""
    deltas, piece = Deltas(), "a" * 1000
    deltas.add(delta("sk-"), "sk-")
    for _ in range(5):
        deltas.add(delta(piece), piece)
    assert not deltas


@pytest.mark.parametrize("size", [1, 3, 9, 12])
def test_in_a_recording(tmp_path: Path, size: int) -> None:
    """A key that the model spells is in no line; what comes between stays where it was."""
    path, text = tmp_path / "a.jsonl", f"It is {KEY}, so."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    with Recording(path) as recording:
        for piece in pieces:
            recording.take("received", json.dumps(delta(piece)).encode())
            recording.take("received", json.dumps(delta("fine", "other")).encode())
            recording.take("sent", b'{"type":"input_audio_buffer.append","audio":""}')
    found = list(read(path))
    assert len(found) == 3 * len(pieces)
    said = [e.event["delta"] for e in found if e.event.get("item_id") == "i"]
    assert "".join(said) == "It is …, so."
    assert "canary" not in path.read_text(encoding="utf-8").lower()


def test_it_is_written_once_the_text_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited is in the file before the recording ends; it does not wait for ever."""
    there, write = threading.Event(), os.write

    def seen(file: int, data: Any) -> int:
        if b'"ay"' in bytes(data):
            there.set()
        return write(file, data)

    monkeypatch.setattr(recorder.os, "write", seen)
    with Recording(tmp_path / "a.jsonl") as recording:
        for piece in ("ask", " s", "ay"):
            recording.take("received", json.dumps(delta(piece)).encode())
        assert there.wait(LIMIT)
        there.clear()
        monkeypatch.setattr(recorder, "_WAITING", 2)
        for piece in ("or s", "ay"):
            recording.take("received", json.dumps(delta(piece, piece)).encode())
        recording.take("received", b'{"type":"input_audio_buffer.committed"}')
        assert there.wait(LIMIT)


@pytest.mark.parametrize("ending", ["cancelled", "lost", "closed"])
def test_a_text_that_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """What waits for a text's end is written where that never comes, while the recording goes on.

    A response that is cancelled has a `response.done`, but of its text there need be none.
    """
    there, write = threading.Event(), os.write

    def seen(file: int, data: Any) -> int:
        written = write(file, data)
        if b'"item_id":"i"' in bytes(data):
            there.set()
        return written

    monkeypatch.setattr(recorder.os, "write", seen)
    path = tmp_path / "a.jsonl"
    with Recording(path) as recording:
        recording.take("received", json.dumps(delta("Now ask s")).encode())
        if ending == "cancelled":
            done = {"type": "response.done", "response": {"id": "r", "status": "cancelled"}}
            recording.take("received", json.dumps(done).encode())
        else:
            recording.note({"type": f"connection.{ending}"})
        assert there.wait(LIMIT)
        lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1])["event"] == delta("Now ask s")
