from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pipe import LIMIT

from realtime_sync.errors import ConfigurationError, RecordingError
from realtime_sync.recording import Recording, read, recorder

TEXT = b'{"type":"response.output_text.delta","delta":"Hi"}'
SOUND = b'{"type":"response.output_audio.delta","delta":"' + b"AAAA" * 12 + b'"}'


def held(path: Path) -> list[dict[str, Any]]:
    """The lines of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_what_is_written(tmp_path: Path) -> None:
    """Each frame is a line with direction and times; the first names the format, the last ends."""
    path = tmp_path / "a.jsonl"
    before = time.time()
    with Recording(path) as recording:
        recording.take("sent", b'{"type":"response.create","event_id":"e1"}')
        recording.take("received", TEXT)
        recording.note({"type": "connection.lost", "error": "gone", "code": 1006})
    header, sent, received, note, last = held(path)
    assert (header["format"], header["version"]) == ("realtime_sync recording", 1)
    assert before - 1 < header["time"] < time.time() + 1
    assert sent["event"] == {"type": "response.create", "event_id": "e1"}
    assert (sent["direction"], received["direction"]) == ("sent", "received")
    assert 0 <= sent["at"] <= received["at"] <= note["at"] <= last["at"] < LIMIT
    assert abs(sent["time"] - header["time"] - sent["at"]) < 0.001
    assert note["event"] == {"type": "connection.lost", "error": "gone", "code": 1006}
    assert last["event"] == {"type": "recording.ended", "events": 3, "missing": 0}
    assert [entry.type for entry in read(path)][2] == "connection.lost"
    assert (recording.written, recording.dropped, recording.error) == (3, 0, None)
    assert repr(recording) == f"<Recording {path} ended, 3 events>"


def test_audio_is_left_out_unless_wanted(tmp_path: Path) -> None:
    """Without audio its size and place are there; with it the audio itself."""
    for audio in (False, True):
        with Recording(tmp_path / "a.jsonl", audio=audio) as recording:
            recording.take("received", SOUND)
        header, line, _ = held(tmp_path / "a.jsonl")
        assert header["audio"] is audio
        if audio:
            assert line["event"]["delta"] == "AAAA" * 12
            assert "elided" not in line
        else:
            assert line["event"]["delta"] == ""
            assert line["elided"] == {"delta": 36}


def test_no_key_is_written(tmp_path: Path) -> None:
    """Neither what looks like a key, nor what stands where keys stand."""
    with Recording(tmp_path / "a.jsonl") as recording:
        recording.take("received", b'{"type":"error","error":{"message":"bad sk-abcdefgh1234"}}')
        recording.take("received", b"no JSON, but sk-abcdefgh1234")
        tool = {"type": "mcp", "authorization": "canary"}
        recording.note({"type": "recording.began", "session": {"tools": [tool]}})
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert "abcdefgh1234" not in text
    assert "canary" not in text
    assert held(tmp_path / "a.jsonl")[2]["event"]["type"] == "unparsable"


@pytest.mark.parametrize("frame", [b"\xff\xfe", b"[1]", b"{}", b"[" * 100_000, b'{"type":5}'])
def test_frames_that_are_no_events(tmp_path: Path, frame: bytes) -> None:
    """Whatever a server sends is a line that can be read."""
    with Recording(tmp_path / "a.jsonl") as recording:
        recording.take("received", frame)
    (entry,) = read(tmp_path / "a.jsonl")
    assert entry.type == "unparsable"


def test_half_a_surrogate_pair(tmp_path: Path) -> None:
    """What JSON can say and UTF-8 cannot is read back as it was."""
    with Recording(tmp_path / "a.jsonl") as recording:
        recording.take("received", b'{"type":"x","text":"\\ud83d \xc3\xa4"}')
    (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    (entry,) = read(tmp_path / "a.jsonl")
    assert entry.event["text"] == "\ud83d \xe4"


@pytest.mark.parametrize("before", [None, 0o644])
def test_only_its_owner_may_read_it(tmp_path: Path, before: int | None) -> None:
    """What people said is not for everybody on the machine, though the file was there already."""
    path = tmp_path / "a.jsonl"
    if before is not None:
        path.touch(before)
    with Recording(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_may_have_so_many_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At the limit it ends, whole, with a warning; what comes later is not taken."""
    path = tmp_path / "a.jsonl"
    recording = Recording(path, max_bytes=4096)
    for _ in range(200):
        recording.take("received", TEXT)
    recording._thread.join(LIMIT)
    assert recording.over
    assert isinstance(recording.error, RecordingError)
    assert "max_bytes=4096" in str(recording.error)
    assert "ended before its time" in caplog.text
    assert path.stat().st_size <= 4096
    assert len(list(read(path))) == recording.written > 10
    recording.close()


def test_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full ends the recording, with a warning and nothing worse."""
    recording = Recording(tmp_path / "a.jsonl")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(recorder.os, "write", full)
    recording.take("received", TEXT)
    recording._thread.join(LIMIT)
    assert isinstance(recording.error, OSError)
    assert recording.over
    assert "No space left" in caplog.text
    recording.take("received", TEXT)  # too late; does no harm
    recording.close()


def test_ctrl_c_while_its_thread_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends and closes the file, once: its number may be another's by then."""
    closed: list[int] = []
    close, start = os.close, threading.Thread.start

    def pressed(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    begun = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", pressed)
        patch.setattr(os, "close", lambda number: (closed.append(number), close(number)))
        with pytest.raises(KeyboardInterrupt):
            Recording(tmp_path / "a.jsonl")
        for thread in set(threading.enumerate()) - begun:
            thread.join(LIMIT)
            assert not thread.is_alive()
    assert len(closed) == 1
    assert [line.get("event", {}).get("type") for line in held(tmp_path / "a.jsonl")] == [
        None,
        "recording.ended",
    ]


def test_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk cannot take is missing, and the file says how many events that are."""
    monkeypatch.setattr(recorder, "HELD", 3 * len(TEXT))
    writing, go = threading.Event(), threading.Event()
    write = os.write
    recording = Recording(tmp_path / "a.jsonl")

    def slow(file: int, data: Any) -> int:
        writing.set()
        assert go.wait(LIMIT)
        return write(file, data)

    monkeypatch.setattr(recorder.os, "write", slow)
    recording.take("received", TEXT)
    assert writing.wait(LIMIT)
    for _ in range(10):
        recording.take("received", TEXT)
    go.set()
    recording.close()
    assert recording.dropped > 0
    found = list(read(tmp_path / "a.jsonl"))
    gaps = [entry.event["events"] for entry in found if entry.type == "recording.gap"]
    assert sum(gaps) == recording.dropped
    assert len(found) - len(gaps) + recording.dropped == 11


def test_time_goes_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap that is told of while an event comes in does not stand before it with a later time."""
    monkeypatch.setattr(recorder, "HELD", -1)  # it takes none
    recording = Recording(tmp_path / "a.jsonl")
    came = []

    def now() -> float:
        moment = time.monotonic()
        if threading.current_thread() is recording._thread and not came:
            came.append(moment)
            recording.note({"type": "connection.lost"})
        return time.monotonic()

    monkeypatch.setattr(recorder, "monotonic", now)
    recording.take("received", TEXT)
    recording.close()
    assert recording.dropped == 1
    found = [entry.type for entry in read(tmp_path / "a.jsonl")]
    assert found[0] == "recording.gap"


def test_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes a few bytes at a time gets all of them."""
    write = os.write
    monkeypatch.setattr(recorder.os, "write", lambda file, data: write(file, data[:7]))
    with Recording(tmp_path / "a.jsonl") as recording:
        recording.take("received", TEXT)
    assert len(list(read(tmp_path / "a.jsonl"))) == 1


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    """A path that cannot be written is an error at once, and no thread is left."""
    with pytest.raises(FileNotFoundError):
        Recording(tmp_path / "none" / "a.jsonl")
    with pytest.raises(ConfigurationError, match="max_bytes"):
        Recording(tmp_path / "a.jsonl", max_bytes=10)
    with pytest.raises(ConfigurationError, match="max_bytes"):
        Recording(tmp_path / "a.jsonl", max_bytes=True)
