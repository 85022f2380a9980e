from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, Response, events, items
from realtime_sync.errors import (
    ConfigurationError,
    RealtimeTimeout,
    ResponseActive,
    ServerError,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def held(session: RealtimeSession, server: LocalServer, **overrides: Any) -> Response:
    """A response that stands still after two deltas."""
    server.script.hold(after=2)
    server.reply(STORY)
    return session.response.create(**overrides)


def test_create(session: RealtimeSession) -> None:
    """create() returns once response.created is in; wait() returns at its end."""
    response = session.response.create()
    assert response.id.startswith("resp_")
    assert response.status in ("in_progress", "completed")
    assert response.wait() is response
    assert (response.status, response.done) == ("completed", True)


def test_properties_in_progress(session: RealtimeSession, server: LocalServer) -> None:
    """A handle is live: while the response runs its properties show what has come."""
    response = held(session, server, metadata={"a": "b"})
    deltas = response.text_deltas()
    first = next(deltas) + next(deltas)
    assert (response.status, response.done) == ("in_progress", False)
    assert response.text == first
    assert [item.text for item in response.output] == [first]
    assert response.usage is response.status_details is response.metrics is None
    assert response.metadata == {"a": "b"}
    assert response.audio == b""
    assert response.function_calls == ()
    assert session.response.active is response
    assert session.response.get(response.id) is response
    server.script.release()
    response.wait()
    assert response.text == STORY
    assert session.response.active is None


def test_properties_when_done(make: Opener, server: LocalServer) -> None:
    """When done a response has its text, audio, calls, usage and metrics."""
    with make(output_modalities=["audio"]) as session:
        server.reply(["spoken", server.call("look", at="it")])
        response = session.response.create().wait()
        assert response.text == "spoken"
        assert len(response.audio) > 4800
        assert response.output[0].audio == response.audio
        assert response.output[0].transcript == "spoken"
        (call,) = response.function_calls
        assert (call.name, call.arguments) == ("look", '{"at": "it"}')
        assert response.output == (response.output[0], call)
        assert isinstance(response.usage, events.Usage)
        assert response.metadata == {}
        assert response.metrics.done >= response.metrics.first_audio >= 0
        assert response.metrics.created >= 0


def test_audio_in_the_output_format(make: Opener, server: LocalServer) -> None:
    """.audio is in this response's output format, which an override may change."""
    with make(output_modalities=["audio"]) as session:
        server.reply(b"\0" * 48000, b"\0" * 48000)
        assert len(session.response.create().wait().audio) == 48000
        short = session.response.create(output_format="audio/pcmu").wait()
        assert len(short.audio) == 8000
        assert len(b"".join(short.audio_chunks())) == 8000


def test_overrides(session: RealtimeSession, server: LocalServer) -> None:
    """Overrides are the wire's response fields plus the flat spellings."""
    session.response.create(
        instructions="shout",
        output_modalities=["audio"],
        voice="ash",
        output_format="audio/pcma",
        max_output_tokens=100,
        tool_choice="none",
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        metadata={"k": "v"},
    ).wait()
    told = server.received[-1]["response"]
    tag = told["metadata"].pop("realtime_sync")
    assert tag == server.received[-1]["event_id"]
    assert told == {
        "instructions": "shout",
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "ash", "format": {"type": "audio/pcma"}}},
        "max_output_tokens": 100,
        "tool_choice": "none",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "metadata": {"k": "v"},
    }


def test_null_override(bare: RealtimeSession, peer: Peer) -> None:
    """None reaches the wire as null from overrides."""
    thread = threading.Thread(target=lambda: bare.response.create(instructions=None, prompt=None))
    thread.start()
    link = peer.link()
    create = link.hear("response.create")
    assert create["response"]["instructions"] is None
    assert create["response"]["prompt"] is None
    link.respond(create, "r1", "x")
    thread.join(LIMIT)


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"instruction": "x"}, TypeError),
        ({"speed": 1}, TypeError),
        ({"turn_detection": None}, TypeError),
        ({"metadata": {"a": 1}}, ConfigurationError),
        ({"metadata": {str(n): "x" for n in range(17)}}, ConfigurationError),
        ({"metadata": {"a" * 65: "x"}}, ConfigurationError),
        ({"metadata": {"a": "x" * 513}}, ConfigurationError),
        ({"max_output_tokens": 5000}, ConfigurationError),
        ({"max_output_tokens": "lots"}, ConfigurationError),
        ({"output_modalities": "text"}, ConfigurationError),
        ({"input": [5]}, TypeError),
        ({"input": 5}, TypeError),
        ({"instructions": object()}, ConfigurationError),
        ({"on_active": "wait"}, ValueError),
        ({"timeout": -1}, ValueError),
    ],
)
def test_bad_overrides(
    overrides: dict[str, Any],
    error: type[Exception],
    session: RealtimeSession,
    server: LocalServer,
) -> None:
    """An override that there is not, or a wrong value, raises and sends nothing."""
    with pytest.raises(error):
        session.response.create(**overrides)
    session.input_audio_buffer.clear()
    assert "response.create" not in [e["type"] for e in server.received]


def test_refused(session: RealtimeSession) -> None:
    """A create that the server refuses is a ServerError, and the next one is not held up."""
    with pytest.raises(ServerError):
        session.response.create(output_modalities=["video"])
    assert session.response.create().wait().status == "completed"


@pytest.mark.parametrize(
    "given",
    [
        "hello",
        [items.user("hello")],
        ["hello"],
        items.user("hello"),
        {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    ],
)
def test_input(given: Any, session: RealtimeSession, server: LocalServer) -> None:
    """input takes what conversation.create takes: one, or several in a list."""
    response = session.response.create(conversation="none", input=given).wait()
    assert "Hello" in response.text
    (item,) = server.received[-1]["response"]["input"]
    assert item["content"] == [{"type": "input_text", "text": "hello"}]
    assert session.conversation.items == ()


def test_input_reference(session: RealtimeSession) -> None:
    """input may refer to an item of the conversation; [] is no context at all."""
    item = session.conversation.create("hello")
    session.conversation.create("count to 3")
    reference = {"type": "item_reference", "id": item.id}
    response = session.response.create(conversation="none", input=[reference]).wait()
    assert "Hello" in response.text
    assert session.response.create(conversation="none", input=[]).wait().status == "completed"


def test_out_of_band(session: RealtimeSession, server: LocalServer) -> None:
    """conversation="none" runs beside the others and ignores on_active."""
    running = held(session, server)
    for on_active in ("queue", "raise", "skip", "cancel"):
        beside = session.response.create(conversation="none", on_active=on_active)
        assert beside.wait().status == "completed"
    assert running.status == "in_progress"
    assert session.response.active is running
    server.script.release()
    running.wait()
    assert len(session.conversation.items) == 1


@pytest.mark.row("C8")
def test_queue(session: RealtimeSession, server: LocalServer) -> None:
    """on_active="queue" goes after the running one."""
    running = held(session, server)
    with pytest.raises(RealtimeTimeout):
        session.response.create(timeout=0.02)
    assert sum(e["type"] == "response.create" for e in server.received) == 1
    got: list[Response] = []
    thread = threading.Thread(target=lambda: got.append(session.response.create()))
    thread.start()
    server.script.release()
    thread.join(LIMIT)
    assert running.status == "completed"
    assert got[0].wait().status == "completed"
    # the one that was given up was withdrawn
    assert sum(e["type"] == "response.create" for e in server.received) == 2


def test_cancel_first(session: RealtimeSession, server: LocalServer) -> None:
    """on_active="cancel" cancels the running one and goes next."""
    running = held(session, server)
    waiting = session.submit("later")
    response = session.response.create(on_active="cancel", metadata={"i": "am next"})
    assert running.status == "cancelled"
    assert response.wait().status == "completed"
    assert waiting.result(LIMIT).status == "completed"
    creates = [e for e in server.received if e["type"] == "response.create"]
    assert creates[1]["response"]["metadata"]["i"] == "am next"


@pytest.mark.row("C8")
def test_raise(session: RealtimeSession, server: LocalServer) -> None:
    """on_active="raise" raises ResponseActive with the running response."""
    running = held(session, server)
    with pytest.raises(ResponseActive) as caught:
        session.response.create(on_active="raise")
    assert caught.value.response is running
    server.script.release()
    running.wait()
    session.response.create(on_active="raise").wait()


def test_skip(session: RealtimeSession, server: LocalServer) -> None:
    """on_active="skip" returns None, and nothing is sent."""
    running = held(session, server)
    assert session.response.create(on_active="skip") is None
    server.script.release()
    running.wait()
    assert session.response.create(on_active="skip").wait().status == "completed"
    assert sum(e["type"] == "response.create" for e in server.received) == 2


def test_server_started(bare: RealtimeSession, peer: Peer) -> None:
    """active and get() know responses that the server started; an unknown id is a KeyError."""
    link = peer.link()
    with bare.expect("response.created") as pending:
        link.say("response.created", response=link.response({}, "r1"))
    pending.result(timeout=LIMIT)
    response = bare.response.active
    assert response.id == "r1"
    assert bare.response.get("r1") is response
    with pytest.raises(ResponseActive):
        bare.response.create(on_active="raise")
    with pytest.raises(KeyError):
        bare.response.get("nope")
    link.say("response.done", response={**link.response({}, "r1"), "status": "completed"})
    assert response.wait(timeout=LIMIT).status == "completed"
