"""What the server sends is what the models of the `openai` package say, validated, not only read.

Its client builds models without validating them; here every event is validated.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from openai.types.realtime.realtime_transcription_session_create_response import (
    RealtimeTranscriptionSessionCreateResponse,
)
from pydantic import TypeAdapter, ValidationError

from realtime_sync.local import LocalServer

from .dialling import dial, receive, send, until

EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
SPEECH = base64.b64encode(bytes(range(256)) * 60).decode()
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
SAID = [{"type": "input_text", "text": "count to 5"}]
USER = {"type": "message", "role": "user", "content": SAID}
HEARD = {
    "segments": [{"text": "hi", "speaker": "A", "start": 0.0, "end": 0.5}],
    "logprobs": [("hi", -0.1)],
    "languages": ["en"],
}


def validated(events: list[dict[str, Any]]) -> set[str]:
    """Their types, each event being one of the package's."""
    for event in events:
        assert EVENT.validate_python(event).type == event["type"]
    return {event["type"] for event in events}


def test_they_do_validate() -> None:
    """The judge is one: an event without what it must have is refused."""
    with pytest.raises(ValidationError):
        EVENT.validate_python({"type": "response.done", "event_id": "e"})


def session(server: LocalServer, **settings: Any) -> Any:
    connection = dial(server, "/v1/realtime?model=gpt-realtime")
    send(connection, "session.update", session={"type": "realtime", **settings})
    validated(until(connection, "session.updated"))
    return connection


def test_a_text_turn(server: LocalServer) -> None:
    """Every event of a text turn, and of a refusal."""
    with session(server, output_modalities=["text"]) as connection:
        send(connection, "conversation.item.create", item=USER)
        send(connection, "response.create")
        assert "response.output_text.delta" in validated(until(connection, "response.done"))
        send(connection, "conversation.item.delete", item_id="none")
        assert "error" in validated(until(connection, "error"))


def test_an_audio_turn(server: LocalServer) -> None:
    """Every event of speech in, its transcript, and speech out; and of the item's later life."""
    server.script.transcripts([HEARD])
    sound = {"input": {"transcription": {"model": "m"}, "turn_detection": None}}
    include = ["item.input_audio_transcription.logprobs"]
    with session(server, audio=sound, include=include) as connection:
        send(connection, "input_audio_buffer.append", audio=SPEECH)
        send(connection, "input_audio_buffer.commit")
        kind = "conversation.item.input_audio_transcription"
        told = until(connection, f"{kind}.completed")
        assert {f"{kind}.delta", f"{kind}.segment"} <= validated(told)
        item_id = told[0]["item_id"]
        send(connection, "response.create")
        events = until(connection, "response.done")
        assert "response.output_audio.delta" in validated(events)
        reply = events[-1]["response"]["output"][0]["id"]
        send(
            connection, "conversation.item.truncate", item_id=reply, content_index=0, audio_end_ms=9
        )
        send(connection, "conversation.item.retrieve", item_id=item_id)
        send(connection, "conversation.item.delete", item_id=item_id)
        send(connection, "input_audio_buffer.clear")
        assert "conversation.item.retrieved" in validated(
            until(connection, "input_audio_buffer.cleared")
        )


def test_a_tool_turn(server: LocalServer) -> None:
    """Every event of a call and of the answer to its output."""
    server.reply(server.call("weather"), "rain")
    with session(server, output_modalities=["text"], tools=[TOOL]) as connection:
        send(connection, "response.create")
        events = until(connection, "response.done")
        assert "response.function_call_arguments.done" in validated(events)
        call_id = events[-1]["response"]["output"][0]["call_id"]
        output = {"type": "function_call_output", "call_id": call_id, "output": "rain"}
        send(connection, "conversation.item.create", item=output)
        send(connection, "response.create")
        validated(until(connection, "response.done"))


def test_a_failure(server: LocalServer) -> None:
    """A response that fails, and a transcript that does."""
    server.reply(RuntimeError("hiccups"))
    server.script.transcripts([RuntimeError("mumbling")])
    sound = {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}}
    with session(server, audio=sound) as connection:
        send(connection, "response.create")
        validated(until(connection, "response.done"))
        send(connection, "input_audio_buffer.append", audio=SPEECH)
        send(connection, "input_audio_buffer.commit")
        validated(until(connection, "conversation.item.input_audio_transcription.failed"))


def test_a_transcription_session(server: LocalServer) -> None:
    """The session and every event of it."""
    with dial(server, "/v1/realtime?intent=transcription") as connection:
        created = receive(connection)
        validated([created])
        RealtimeTranscriptionSessionCreateResponse.model_validate(created["session"], strict=True)
        sound = {"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}}
        send(connection, "session.update", session={"type": "transcription", "audio": sound})
        send(connection, "input_audio_buffer.append", audio=SPEECH)
        send(connection, "input_audio_buffer.commit")
        validated(until(connection, "conversation.item.input_audio_transcription.completed"))


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_client_secrets(server: LocalServer, kind: Any) -> None:
    """The reply of the REST call, validated from its raw text."""
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client:
        raw = client.realtime.client_secrets.with_raw_response.create(session={"type": kind})
    ClientSecretCreateResponse.model_validate(json.loads(raw.http_response.text))
