from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from realtime_sync.recording.veil import audio_parts, hide, place, unkeyed

KEY = "sk-proj-abcDEF0123456789_-x"


@pytest.mark.parametrize(
    "text", [KEY, f"bad key {KEY}.", f"Authorization: Bearer {KEY}", "ek_68af296e8e408191a1120"]
)
def test_keys_by_their_looks(text: str) -> None:
    """What looks like a key is taken out, wherever it stands."""
    shown = unkeyed(f'{{"message":"{text}"}}')
    assert "abcDEF" not in shown
    assert "68af29" not in shown
    assert "…" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("authorization: bearer abcDEF0123", "authorization: bearer …"),
        ("https://mcp.example.com/?api_key=abcDEF&x=1", "https://mcp.example.com/?api_key=…&x=1"),
        ("https://h/?x=1&Access-Token=abcDEF#part", "https://h/?x=1&Access-Token=…#part"),
        ("wss://ada:abcDEF@h/mcp or https://h/a@b", "wss://…@h/mcp or https://h/a@b"),
        ("GET /v1/realtime?model=m&api-key=abcDEF", "GET /v1/realtime?model=m&api-key=…"),
        ("is 1 + 1 = 2? A keyboard says so", "is 1 + 1 = 2? A keyboard says so"),
    ],
)
def test_keys_in_urls(text: str, shown: str) -> None:
    """Of a URL, as an MCP server's may be, neither user and password nor a key in its query."""
    event = json.dumps({"type": "x", "server_url": text})
    assert json.loads(unkeyed(event))["server_url"] == shown


@pytest.mark.parametrize("text", ["sess_0123456789abcdef", "task-force", "risk_assessment_done"])
def test_what_is_no_key(text: str) -> None:
    """Ids and words stay."""
    assert unkeyed(text) == text


def test_keys_by_their_place() -> None:
    """Fields for keys are emptied; of an MCP tool the values of its headers; nothing else is."""
    tool = {"type": "mcp", "server_label": "x", "authorization": "a", "headers": {"X-Key": "b"}}
    schema = {"properties": {"headers": {"type": "object"}, "authorization": {"type": "string"}}}
    session = {"tools": [tool, {"type": "function", "parameters": schema}]}
    event: dict[str, Any] = {"type": "session.update", "session": session}
    secret = {"type": "session.created", "session": {"client_secret": {"value": "c", "at": 1}}}
    untouched = copy.deepcopy(schema)
    hide(event)
    hide(secret)
    assert tool["authorization"] == "…"
    assert tool["headers"] == {"X-Key": "…"}
    assert schema == untouched
    assert secret["session"]["client_secret"] == {"value": "…", "at": 1}


@pytest.mark.parametrize(
    ("event", "where"),
    [
        ({"type": "input_audio_buffer.append", "audio": "AA=="}, ["audio"]),
        ({"type": "response.output_audio.delta", "delta": "AA=="}, ["delta"]),
        ({"type": "response.audio.delta", "delta": "AA=="}, ["delta"]),
        ({"type": "session.output_audio.delta", "delta": "AA=="}, ["delta"]),
        ({"type": "response.output_text.delta", "delta": "AA=="}, []),
        ({"type": "response.output_audio.delta"}, []),
        (
            {
                "type": "conversation.item.create",
                "item": {"content": [{"type": "input_text"}, {"audio": "AA=="}, 5]},
            },
            ["item.content.1.audio"],
        ),
        (
            {
                "type": "response.done",
                "response": {"output": [{}, {"content": [{"audio": "AA=="}]}], "input": 5},
            },
            ["response.output.1.content.0.audio"],
        ),
        ({"type": "response.content_part.done", "part": {"audio": "AA=="}}, ["part.audio"]),
        ({"type": "x", "item": 5, "response": [], "part": None}, []),
    ],
)
def test_audio(event: dict[str, Any], where: list[str]) -> None:
    """All audio of an event is found, and can be taken out and put back."""
    whole = copy.deepcopy(event)
    for known, put, text in list(audio_parts(event)):
        assert (known, text) == (where[0], "AA==")
        put("")
    assert [known for known, _, _ in audio_parts(event)] == where
    assert (event == whole) == (not where)
    for known in where:
        assert place(event, known, "AA==")
    assert event == whole
    assert not place(event, "nowhere.audio", "AA==")
