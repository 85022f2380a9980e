from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from realtime_sync import RealtimeSession, Response
from realtime_sync.errors import (
    ResponseFailed,
    ServerError,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def kinds(server: LocalServer) -> list[str]:
    """What was sent since the session was set up."""
    return [e["type"].removeprefix("conversation.") for e in server.received][1:]


def ping() -> str:
    """Pings."""
    return "pong"


def test_ask(session: RealtimeSession, server: LocalServer) -> None:
    """ask() gives the last response of the turn; its item goes out with its response.create."""
    response = session.ask("hello")
    assert isinstance(response, Response)
    assert (response.status, response.done) == ("completed", True)
    assert kinds(server) == ["item.create", "response.create"]
    assert session.conversation.items[0].text == "hello"


def test_ask_nothing(session: RealtimeSession, server: LocalServer) -> None:
    """With text, audio and image left out the model answers what is there."""
    session.conversation.create("hello")
    assert "Hello" in session.ask().text
    assert kinds(server) == ["item.create", "response.create"]


@pytest.mark.parametrize(
    "said",
    [
        {"audio": bytes(9600)},
        {"audio": np.zeros(4800, np.int16)},
        {"audio": np.zeros((4800, 2), np.float32)},
        {"text": "look", "image": b"\x89PNG\r\n\x1a\n"},
        {"text": "", "audio": np.zeros(4800, np.int16)},
    ],
)
def test_ask_with_sound_and_image(said: dict[str, Any], session: RealtimeSession) -> None:
    """A turn's item may have text, audio and an image."""
    assert session.ask(**said).status == "completed"
    assert session.submit(**said).result(LIMIT).status == "completed"
    assert list(session.stream(**said))


def test_submit(session: RealtimeSession) -> None:
    """submit() is the turn, not waited for."""
    future = session.submit("hello")
    assert future.result(timeout=LIMIT) is future.result()
    assert "Hello" in future.result().text


def test_stream(make: Opener, server: LocalServer) -> None:
    """stream() gives the text deltas of all responses of the turn, in order."""
    with make(tools=[ping]) as session:
        server.reply(["one two", server.call("ping")], "three four")
        stream = session.stream("go")
        pieces = list(stream)
        assert "".join(pieces) == "one twothree four"
        assert len(pieces) > 2
        assert stream.response.text == "three four"
        with pytest.raises(StopIteration):
            next(stream)


def test_stream_response(session: RealtimeSession, server: LocalServer) -> None:
    """stream.response is the newest response, None before the first."""
    server.script.hold(after=1)
    stream = session.stream("tell me a long story")
    next(stream)
    assert stream.response is session.response.active
    server.script.release()
    list(stream)
    assert stream.response.status == "completed"


def test_stream_of_speech(make: Opener, server: LocalServer) -> None:
    """The transcript counts as text."""
    with make(output_modalities=["audio"]) as session:
        server.reply("spoken words")
        assert "".join(session.stream("x")) == "spoken words"


def test_turns_go_in_order(session: RealtimeSession, server: LocalServer) -> None:
    """Turns go in the order of the calls, one item and its answer after the other."""
    futures = [session.submit(f"call {n}") for n in range(6)]
    answers = [future.result(LIMIT) for future in futures]
    texts = [item.text for item in session.conversation.items]
    assert texts[::2] == [f"call {n}" for n in range(6)]
    assert texts[1::2] == [answer.text for answer in answers]
    assert kinds(server) == ["item.create", "response.create"] * 6


def test_turn_waits_for_other_responses(session: RealtimeSession, server: LocalServer) -> None:
    """A turn's item is not sent while a response of the default conversation runs."""
    server.script.hold(after=1)
    server.reply(STORY)
    running = session.response.create()
    future = session.submit("hello")
    session.input_audio_buffer.clear()
    assert kinds(server) == ["response.create", "input_audio_buffer.clear"]
    server.script.release()
    assert "Hello" in future.result(LIMIT).text
    assert running.status == "completed"


def test_turn_waits_for_a_response_sent_by_hand(bare: RealtimeSession, peer: Peer) -> None:
    """A response.create sent by hand and not created yet is waited for too."""
    link = peer.link()
    bare.send({"type": "response.create"})
    first = link.hear("response.create")
    future = bare.submit("hello")
    bare.send({"type": "input_audio_buffer.clear"})
    link.hear("input_audio_buffer.clear")
    link.respond(first, "r1", "one")
    create = link.hear("response.create")
    link.respond(create, "r2", "two")
    assert future.result(LIMIT).text == "two"


def test_twenty_threads(session: RealtimeSession) -> None:
    """Twenty threads that ask at once each get the answer to their own question."""
    answers: dict[int, str] = {}
    together = threading.Barrier(20)

    def ask(n: int) -> None:
        together.wait(LIMIT)
        answers[n] = session.ask(f"count to {n + 1}").text

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    for n in range(20):
        numbers = [word for word in answers[n].replace(",", " ").replace(".", " ").split()]
        assert numbers[-1] == str(n + 1)


def test_overrides(make: Opener, server: LocalServer) -> None:
    """Overrides hold for every response of the turn; tool_choice for the first only."""
    with make(tools=[ping]) as session:
        server.reply(server.call("ping"), "done")
        session.ask("go", instructions="x", tool_choice="required", metadata={"a": "b"})
        creates = [e["response"] for e in server.received if e["type"] == "response.create"]
        assert [c["instructions"] for c in creates] == ["x", "x"]
        assert [c["metadata"]["a"] for c in creates] == ["b", "b"]
        assert [c.get("tool_choice") for c in creates] == ["required", None]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"conversation": "none"}, TypeError),
        ({"conversation": None}, TypeError),
        ({"input": []}, TypeError),
        ({"instruction": "x"}, TypeError),
        ({"on_active": "cancel"}, TypeError),
        ({"max_rounds": -1}, ValueError),
        ({"max_rounds": True}, ValueError),
        ({"max_rounds": "2"}, ValueError),
        ({"audio": b"odd"}, ValueError),
        ({"image": b"none"}, ValueError),
        ({"text": 5}, TypeError),
    ],
)
def test_refused_arguments(
    arguments: dict[str, Any],
    error: type[Exception],
    session: RealtimeSession,
    server: LocalServer,
) -> None:
    """What a turn does not take is refused before anything is sent."""
    for call in (session.ask, session.submit, session.stream):
        with pytest.raises(error):
            call(**{"text": "x", **arguments})
    session.input_audio_buffer.clear()
    assert kinds(server) == ["input_audio_buffer.clear"]


def test_max_rounds(make: Opener, server: LocalServer) -> None:
    """After max_rounds rounds of tool calls one last response runs with tool_choice="none"."""
    with make(tools=[ping]) as session:
        server.reply(*[server.call("ping")] * 2, "enough")
        assert session.ask("go", max_rounds=2).text == "enough"
        choices = [
            e["response"].get("tool_choice")
            for e in server.received
            if e["type"] == "response.create"
        ]
        assert choices == [None, None, "none"]


def test_max_rounds_against_a_stubborn_model(make: Opener, server: LocalServer) -> None:
    """The response after the last round is the last, though the model calls in spite of "none"."""
    runs: list[int] = []

    def ping() -> str:
        """Pings."""
        runs.append(1)
        return "pong"

    with make(tools=[ping]) as session:
        server.reply(*[server.call("ping")] * 6, "end")
        session.ask("go", max_rounds=2, timeout=LIMIT)
        assert len(runs) == 2


def test_default_rounds(make: Opener, server: LocalServer) -> None:
    """A turn has five rounds, a response begun otherwise begins a turn of five too."""
    with make(tools=[ping]) as session:
        for begin in (lambda: session.ask("go"), lambda: session.response.create()):
            count = len(server.received)
            server.reply(*[server.call("ping")] * 5, "enough")
            with session.expect(
                "response.done", lambda e: e.response.output[0].type == "message"
            ) as pending:
                begin()
            pending.result(timeout=LIMIT)
            choices = [
                e["response"].get("tool_choice")
                for e in server.received[count:]
                if e["type"] == "response.create"
            ]
            assert choices == [None] * 5 + ["none"]


def test_failed(make: Opener, server: LocalServer) -> None:
    """A failed response, in any round, raises ResponseFailed with what arrived."""
    with make(tools=[ping]) as session:
        server.reply(["half", RuntimeError("boom")])
        with pytest.raises(ResponseFailed) as caught:
            session.ask("go")
        assert caught.value.response.text == "half"
        assert caught.value.response.status == "failed"
        assert caught.value.message == "boom"
        server.reply(server.call("ping"), RuntimeError("later"))
        error = session.submit("go").exception(LIMIT)
        assert isinstance(error, ResponseFailed)
        assert error.message == "later"
        server.reply(["half", RuntimeError("boom")])
        pieces = []
        with pytest.raises(ResponseFailed) as late:  # noqa: PT012  # after its last value
            for piece in session.stream("go"):
                pieces.append(piece)
        assert "".join(pieces) == "half"
        assert late.value.response.text == "half"
        assert session.ask("hello").status == "completed"


def test_incomplete_and_cancelled(session: RealtimeSession, server: LocalServer) -> None:
    """Incomplete and cancelled responses return."""
    server.reply(STORY)
    assert session.ask("x", max_output_tokens=3).status == "incomplete"
    server.script.hold(after=2)
    server.reply(STORY)
    with session.expect("response.output_text.delta") as pending:
        future = session.submit("x")
    pending.result(timeout=LIMIT)
    assert session.response.cancel()
    assert future.result(LIMIT).status == "cancelled"
    server.script.hold(after=2)
    server.reply(STORY)
    stream = session.stream("x")
    assert next(stream)
    session.response.active.cancel()
    list(stream)
    assert stream.response.status == "cancelled"


def test_refused_item(bare: RealtimeSession, peer: Peer) -> None:
    """If the server refuses the item, the turn fails with it and its response is cancelled."""
    link = peer.link()
    future = bare.submit("x")
    item = link.hear("conversation.item.create")
    create = link.hear("response.create")
    refusal = {"message": "no", "type": "t", "code": "c", "event_id": item["event_id"]}
    link.say("error", error=refusal)
    error = future.exception(LIMIT)
    assert isinstance(error, ServerError)
    assert error.code == "c"
    link.say("response.created", response=link.response(create, "r1"))
    assert link.hear("response.cancel")["response_id"] == "r1"


def test_refused_response(session: RealtimeSession) -> None:
    """If the server refuses the response, the turn fails with ServerError."""
    for call in (
        lambda: session.ask("x", output_modalities=["video"]),
        lambda: session.submit("x", output_modalities=["video"]).result(LIMIT),
        lambda: list(session.stream("x", output_modalities=["video"])),
    ):
        with pytest.raises(ServerError):
            call()
    assert session.ask("hello").status == "completed"


def test_busy(session: RealtimeSession, server: LocalServer) -> None:
    """A create refused because another response runs is tried again, its item sent once."""
    server.script.busy(times=2)
    assert "Hello" in session.ask("hello").text
    assert kinds(server) == ["item.create"] + ["response.create"] * 3
    assert len(session.conversation.items) == 2


def test_tools_of_one_turn(make: Opener, server: LocalServer) -> None:
    """A turn may be given some of the session's functions; one that would not run is refused."""

    def other() -> None:
        """Is not the session's."""

    with make(tools=[ping]) as session:
        server.reply(server.call("ping"), "done")
        assert session.ask("go", tools=[ping]).text == "done"
        assert [t["name"] for t in server.received[-1]["response"]["tools"]] == ["ping"]
        for call in (session.ask, session.submit, session.stream, session.response.create):
            with pytest.raises(TypeError, match="other"):
                call(tools=[other])
