"""The openai package's synchronous client completes its turns against the embedded server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.resources.realtime.realtime import RealtimeConnection

from realtime_sync.local import LocalServer

# websockets 17 wants connect() in a with statement; the openai package does not do that yet
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def connection(server: LocalServer) -> Iterator[RealtimeConnection]:
    with (
        openai.OpenAI(base_url=server.url, api_key="x") as client,
        client.realtime.connect(model="gpt-realtime") as connected,
    ):
        assert connected.recv().type == "session.created"
        yield connected


def until(connection: RealtimeConnection, kind: str) -> list[Any]:
    events: list[Any] = []
    for event in connection:
        assert event.type != "error", event
        events.append(event)
        if event.type == kind:
            break
    return events


def ask(connection: RealtimeConnection, text: str) -> None:
    content: Any = [{"type": "input_text", "text": text}]
    connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )
    connection.response.create()


def test_text_turn(connection: RealtimeConnection) -> None:
    """A text turn with its own parsed models."""
    connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
    ask(connection, "count to 5")
    events = until(connection, "response.done")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "1, 2, 3, 4, 5."
    assert events[-1].response.output[0].content[0].text == "1, 2, 3, 4, 5."


def test_audio_turn(connection: RealtimeConnection) -> None:
    """Audio in by hand comes back as audio out."""
    spoken = bytes(range(256)) * 60
    connection.input_audio_buffer.append(audio=base64.b64encode(spoken).decode())
    connection.input_audio_buffer.commit()
    connection.response.create()
    events = until(connection, "response.done")
    deltas = [event.delta for event in events if event.type == "response.output_audio.delta"]
    assert b"".join(map(base64.b64decode, deltas)) == spoken


def test_tool_turn(connection: RealtimeConnection) -> None:
    """A call, its output, and the answer that uses it."""
    connection.session.update(
        session={"type": "realtime", "output_modalities": ["text"], "tools": [TOOL]}
    )
    ask(connection, 'call weather {"city": "Oslo"}')
    (call,) = until(connection, "response.done")[-1].response.output
    assert (call.name, call.arguments) == ("weather", '{"city": "Oslo"}')
    connection.conversation.item.create(
        item={"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    )
    connection.response.create()
    done = until(connection, "response.done")[-1].response
    assert done.output[0].content[0].text == "weather returned: rain"
