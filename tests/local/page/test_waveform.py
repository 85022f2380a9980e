"""What is heard of a session, from its events."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from realtime_sync.audio import ulaw_encode
from realtime_sync.local.page.waveform import Waveform

Wire = dict[str, Any]

LOUD = struct.pack("<h", 16_384)


def sound(ms: int) -> str:
    return base64.b64encode(LOUD * (24 * ms)).decode()


def append(ms: int) -> Wire:
    return {"type": "input_audio_buffer.append", "audio": sound(ms)}


def delta(ms: int, item: str = "item") -> Wire:
    return {"type": "response.output_audio.delta", "item_id": item, "delta": sound(ms)}


def hear(waveform: Waveform, event: Wire, at: float, revision: int) -> None:
    """What the client says."""
    waveform.heard(event, revision, waveform.piece("input", event, at))


def tell(waveform: Waveform, event: Wire, at: float, revision: int) -> None:
    """What the server says."""
    waveform.told(event, at, revision, waveform.piece("output", event, at))


def spans(waveform: Waveform) -> list[tuple[str, float, float | None, str]]:
    told = waveform.since(0)["spans"]
    return [(one["kind"], one["at"], one["until"], one["note"]) for one in told]


def test_both_ways() -> None:
    """What the client appends and what the server says stand in a lane each."""
    waveform = Waveform()
    hear(waveform, append(100), 1000, 1)
    tell(waveform, delta(60), 2000, 2)
    told = waveform.since(0)
    assert told["sounded"] == [100, 60]
    assert base64.b64decode(told["input"][1])[:6] == bytes([127] * 5 + [0])
    assert base64.b64decode(told["output"][2])[:4] == bytes([127] * 3 + [0])
    assert waveform.since(1)["input"] == {}


def test_audio_of_items() -> None:
    """Audio that the client sends as an item is the user's, too."""
    waveform = Waveform()
    part = {"type": "input_audio", "audio": sound(100)}
    item = {"type": "message", "role": "user", "content": [part]}
    hear(waveform, {"type": "conversation.item.create", "item": item}, 0, 1)
    assert waveform.since(0)["sounded"] == [100, 0]


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"input": {"format": {"type": "audio/pcmu"}}}},
        {"input_audio_format": "g711_ulaw"},
    ],
)
def test_formats(session: Wire) -> None:
    """Audio is in the format that the session has, in either dialect's words."""
    waveform = Waveform()
    tell(waveform, {"type": "session.updated", "session": session}, 0, 1)
    coded = base64.b64encode(ulaw_encode(LOUD * 800)).decode()
    hear(waveform, {"type": "input_audio_buffer.append", "audio": coded}, 0, 2)
    assert waveform.since(0)["sounded"][0] == pytest.approx(100, abs=10)
    assert waveform.since(0)["input"][0] == base64.b64encode(bytes([130] * 5 + [0] * 45)).decode()


def test_speech() -> None:
    """Speech stands where the sound is that the server means, not where it says so."""
    waveform = Waveform()
    hear(waveform, append(1000), 5000, 1)
    started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 200}
    tell(waveform, started, 6000, 2)
    assert spans(waveform) == [("speech", 5200, None, "")]
    tell(waveform, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 700}, 6000, 3)
    assert spans(waveform) == [("speech", 5200, 5700, "")]


def test_responses() -> None:
    """A response stands from its beginning to its end, with how it ended."""
    waveform = Waveform()
    tell(waveform, {"type": "response.created", "response": {"id": "r"}}, 10, 1)
    done = {"type": "response.done", "response": {"id": "r", "status": "failed"}}
    tell(waveform, done, 90, 2)
    assert spans(waveform) == [("response", 10, 90, "failed")]


def test_truncated() -> None:
    """What was truncated stands from where the listener was to the end of what was said."""
    waveform = Waveform()
    tell(waveform, delta(500, "before"), 0, 1)
    tell(waveform, delta(1000), 100, 1)
    cut = {"type": "conversation.item.truncated", "item_id": "item", "audio_end_ms": 300}
    tell(waveform, cut, 800, 2)
    assert spans(waveform) == [("truncated", 800, 1500, "")]
    tell(waveform, delta(100, "next"), 1200, 3)  # takes the place of what nobody heard
    assert spans(waveform) == [("truncated", 800, 1200, "")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": "&"},
        {"type": "input_audio_buffer.append", "audio": 7},
        {"type": "input_audio_buffer.append"},
        {"type": "some.input_audio_buffer.append", "audio": "AAAA"},
        {"type": "conversation.item.create", "item": {"content": [7, {"type": "input_audio"}]}},
        {"type": "conversation.item.create", "item": 7},
        {"type": "response.output_audio.delta", "delta": None, "item_id": []},
        {"type": "response.created", "response": []},
        {"type": "response.done"},
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 1e308},
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": "x"},
        {"type": "conversation.item.truncated", "item_id": {}, "audio_end_ms": -1},
        {"type": "session.updated", "session": {"audio": {"input": {"format": {"type": []}}}}},
    ],
)
def test_what_makes_no_sense(event: Wire) -> None:
    """An event that is not as it should be draws nothing, and does no harm."""
    waveform = Waveform()
    hear(waveform, event, 1, 1)
    tell(waveform, event, 1, 1)
    assert waveform.since(0)["sounded"] == [0, 0]
