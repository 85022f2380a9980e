"""A run of an assistant as compatible servers stream it: what comes out of its events."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.errors import ResponseFailed
from realtime_sync.text.model import Call, Ended, Piece, Text
from realtime_sync.text.runs import ThreadRun
from realtime_sync.text.service import Service

Wire = dict[str, Any]


def run(status: str, **more: Any) -> Wire:
    """An event of the run itself."""
    return {"event": f"thread.run.{status}", "data": {"id": "run_1", "status": status, **more}}


def message(kind: str, text: str) -> Wire:
    """An event of its message."""
    content = [{"index": 0, "type": "text", "text": {"value": text, "annotations": []}}]
    told: Wire = {"content": content} if kind != "delta" else {"delta": {"content": content}}
    return {"event": f"thread.message.{kind}", "data": {"id": "msg_1", **told}}


def step(**call: Any) -> Wire:
    """An event of its calls."""
    calls = [{"type": "function", **call}]
    delta = {"step_details": {"type": "tool_calls", "tool_calls": calls}}
    return {"event": "thread.run.step.delta", "data": {"id": "step_1", "delta": delta}}


def pieces(*events: Wire) -> list[Piece]:
    """What a run brings."""
    read = ThreadRun(
        events,
        "thread_1",
        service=Service(base_url="http://127.0.0.1", api_key="x"),
        cancel=lambda *_: None,
        name_call=lambda call_id: call_id,
        told=lambda _: None,
    )
    return list(read)


def test_text_at_the_end_only() -> None:
    """A message that came in no pieces is told when it is complete; one that did, once."""
    assert pieces(run("in_progress"), message("completed", "Hi."), run("completed")) == [
        Text("Hi.", "msg_1"),
        Ended(),
    ]
    told = pieces(message("delta", "Hi."), message("completed", "Hi."), run("completed"))
    assert told == [Text("Hi.", "msg_1"), Ended()]


def test_calls_without_an_index() -> None:
    """Calls that have no index are told apart by their ids."""
    names = [{"id": f"c{n}", "function": {"name": "f", "arguments": f"[{n}]"}} for n in (1, 2)]
    waits = {"submit_tool_outputs": {"tool_calls": names}}
    told = pieces(*(step(**name) for name in names), run("requires_action", required_action=waits))
    assert told == [Call("c1", "c1", "f", "[1]"), Call("c2", "c2", "f", "[2]"), Ended()]


def test_an_error_of_the_stream() -> None:
    """An error that the API streams is a failed response, in the API's words."""
    with pytest.raises(ResponseFailed, match="too busy") as failed:
        pieces(run("queued"), {"code": "busy", "message": "too busy"})
    assert failed.value.code == "busy"


def test_a_sign_of_life() -> None:
    """A sign of life is no event."""
    told = pieces(run("queued"), {}, message("delta", "Hi."), run("completed"))
    assert told == [Text("Hi.", "msg_1"), Ended()]
