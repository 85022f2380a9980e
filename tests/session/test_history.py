from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from realtime_sync import Item, RealtimeSession, items
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TONE = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")


def texts(session: RealtimeSession) -> list[str | None]:
    return [item.text for item in session.conversation.items]


# --- values


def test_items_are_values(session: RealtimeSession) -> None:
    """Items are frozen, equal by content, not hashable, and pickle."""
    item = session.conversation.create(items.user("x"))
    assert item == session.conversation.items[0]
    assert items.user("x") == items.user("x")
    assert items.user("x") != items.user("y")
    with pytest.raises(Exception, match="frozen"):
        item.role = "system"  # type: ignore[misc]
    with pytest.raises(TypeError):
        hash(item)
    assert pickle.loads(pickle.dumps(item)) == item
    sound = items.user(audio=TONE)
    assert pickle.loads(pickle.dumps(sound)).audio == TONE.tobytes()
    assert isinstance(item, Item)


def test_configs_events_and_usage_are_values(session: RealtimeSession) -> None:
    """Events, configs and usage are values too."""
    with session.expect("response.done") as pending:
        session.ask("hello")
    values = {
        "type": pending.result(timeout=LIMIT),
        "id": session.config,
        "responses": session.usage,
    }
    for field, value in values.items():
        again = pickle.loads(pickle.dumps(value))
        assert again == value
        with pytest.raises(TypeError):
            hash(value)
        with pytest.raises(Exception, match=r"frozen|assign"):
            setattr(value, field, "x")


def test_response_output_equals_the_mirror(session: RealtimeSession) -> None:
    """An item is equal to itself wherever it is looked up."""
    response = session.ask("hello")
    assert response.output[0] == session.conversation.items[-1]


# --- export and history


def test_round_trip(make: Opener, server: LocalServer) -> None:
    """export() is JSON-ready, ids included, and accepted by history=."""

    def ping() -> str:
        """Pings."""
        return "pong"

    with make(tools=[ping]) as session:
        session.conversation.create(items.system("rules"))
        server.reply(server.call("ping"), "done")
        session.ask("go")
        session.conversation.create(items.user("look", image=PNG))
        exported = session.conversation.export()
        before = session.conversation.items
    assert json.loads(json.dumps(exported)) == exported
    with make(history=exported) as again:
        assert again.conversation.export() == exported
        assert [i.id for i in again.conversation.items] == [i.id for i in before]
        assert again.conversation.items == before


def test_a_history_with_half_a_call(make: Opener, server: LocalServer) -> None:
    """Half a call is refused when the session is made; export() never gives one."""
    half = {"type": "function_call", "id": "it", "call_id": "c1", "name": "f", "arguments": "{}"}
    with pytest.raises(ValueError, match=r"history\[0\] it"):
        make(history=[half])
    with make() as session:
        session.conversation.create(half)
        session.conversation.create("x")
        exported = session.conversation.export()
    assert [item["type"] for item in exported] == ["message"]
    with make(history=exported) as again:
        assert texts(again) == ["x"]


def test_packed(make: Opener, server: LocalServer) -> None:
    """pack=True sends the history as one user message, images in their places."""
    with make(
        history=["a", items.assistant("b"), items.user("c", image=PNG)], pack=True
    ) as session:
        (item,) = session.conversation.items
        assert [part.type for part in item.content] == ["input_text", "input_image", "input_text"]
        assert "assistant: b" in item.text


def test_assistant_audio_as_transcript(make: Opener, server: LocalServer) -> None:
    """Assistant audio is exported as its transcript."""
    with make(output_modalities=["audio"]) as session:
        server.reply("spoken words")
        session.ask("x")
        exported = session.conversation.export()
    assert exported[-1]["content"] == [{"type": "output_text", "text": "spoken words"}]
    with make(history=exported) as again:
        assert texts(again)[-1] == "spoken words"


def test_user_audio(make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    """User audio is sent as audio if it is there, else as its transcript, else left out."""
    audio = items.user(audio=TONE).wire()
    said = {"type": "input_audio", "transcript": "hi"}
    history = [
        audio,
        {"role": "user", "content": [said]},
        {"role": "user", "content": [{"type": "input_audio", "transcript": None}], "id": "lost"},
    ]
    with make(history=history) as session:
        sent = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
        assert [part["type"] for item in sent for part in item["content"]] == [
            "input_audio",
            "input_text",
        ]
        assert len(session.conversation.items) == 2
    assert [r.levelname for r in caplog.records if "lost" in r.getMessage()] == ["WARNING"]


def test_transcribed_user_audio(make: Opener, server: LocalServer) -> None:
    """A user item from the buffer is exported as the transcript that came later."""
    server.script.transcripts(["good morning"])
    with make(transcription="whisper-1") as session:
        with session.expect("conversation.item.input_audio_transcription.completed") as pending:
            session.input_audio_buffer.append(TONE)
            session.input_audio_buffer.commit()
            pending.result(timeout=LIMIT)
        item = session.conversation.items[0]
        assert (item.transcript, item.text) == ("good morning", "good morning")
        assert session.conversation.export()[0]["content"] == [
            {"type": "input_text", "text": "good morning"}
        ]


def test_history_takes_what_create_takes(make: Opener) -> None:
    """history= takes items, dicts and strings."""
    dicted = {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]}
    with make(history=["a", dicted, items.user("c")]) as session:
        assert texts(session) == ["a", "b", "c"]
