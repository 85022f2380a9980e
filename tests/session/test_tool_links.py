"""The rows of the table of tool calls that need a server of which every frame is written."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession, ToolContext
from realtime_sync.errors import ConnectionLost

from .peers import Link, Peer

LIMIT = 15.0
Wire = dict[str, Any]


class Tools:
    """A tool that counts, and one that waits to be let go."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.context: ToolContext | None = None

    def count(self, n: int = 0) -> str:
        """Counts."""
        self.ran.append(n)
        return f"counted {n}"

    def wait(self, context: ToolContext) -> str:
        """Waits."""
        self.context = context
        self.begun.set()
        self.go.wait(LIMIT)
        return "waited"


@pytest.fixture
def tools() -> Iterator[Tools]:
    made = Tools()
    yield made
    made.go.set()


@pytest.fixture
def session(peer: Peer, tools: Tools) -> Iterator[RealtimeSession]:
    """An open session of the peer, which has confirmed the tools."""
    made = RealtimeSession(
        endpoint=peer.endpoint, ping_interval=None, tools=[tools.count, tools.wait], reconnect=None
    )
    opening = threading.Thread(target=made.open)
    opening.start()
    link = peer.link()
    told = link.hear("session.update")["session"]
    link.say("session.updated", session={**told, "id": "s"})
    opening.join(LIMIT)
    made.peer_link = link  # type: ignore[attr-defined]  # for the tests
    yield made
    tools.go.set()
    made.close()


@pytest.fixture
def link(session: RealtimeSession) -> Link:
    return session.peer_link  # type: ignore[attr-defined, no-any-return]  # see above


def call(call_id: str, name: str = "count", arguments: str = "{}") -> Wire:
    item = {"id": f"item_{call_id}_{len(arguments)}", "type": "function_call", "name": name}
    return {**item, "call_id": call_id, "arguments": arguments, "status": "completed"}


def calls(link: Link, create: Wire, response_id: str, *items: Wire) -> None:
    """Answers a create with these calls."""
    response = link.response(create, response_id)
    link.say("response.created", response=response)
    done = {**response, "status": "completed", "output": list(items)}
    link.say("response.done", response=done)


def output(link: Link) -> tuple[str, str]:
    item = link.hear("conversation.item.create")["item"]
    return item["call_id"], item["output"]


def test_the_same_call_twice(session: RealtimeSession, link: Link, tools: Tools) -> None:
    """It runs once; its output is sent again, and the model goes on."""
    future = session.submit()
    calls(link, link.hear("response.create"), "r1", call("c1"))
    assert output(link) == ("c1", "counted 0")
    calls(link, link.hear("response.create"), "r2", call("c1"))
    assert output(link) == ("c1", "counted 0")
    link.respond(link.hear("response.create"), "r3", "done")
    assert future.result(LIMIT).text == "done"
    assert tools.ran == [0]


def test_the_same_id_with_other_arguments(
    session: RealtimeSession, link: Link, tools: Tools, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not run; the model is told to call again, and does."""
    future = session.submit()
    calls(link, link.hear("response.create"), "r1", call("c1"))
    assert output(link) == ("c1", "counted 0")
    calls(link, link.hear("response.create"), "r2", call("c1", arguments='{"n": 7}'))
    assert json.loads(output(link)[1])["error"]["type"] == "duplicate_call"
    link.respond(link.hear("response.create"), "r3", "done")
    assert future.result(LIMIT).text == "done"
    assert tools.ran == [0]
    assert "another call" in caplog.text


def test_interrupted_by_speech(session: RealtimeSession, link: Link, tools: Tools) -> None:
    """The tool is told; its output goes to the model; the reply is that to what the user said."""
    future = session.submit()
    calls(link, link.hear("response.create"), "r1", call("c1", "wait"))
    assert tools.begun.wait(LIMIT)
    assert tools.context is not None
    assert not tools.context.cancelled.is_set()
    link.say("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
    assert tools.context.cancelled.wait(LIMIT)
    link.say("input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=500)
    link.say("input_audio_buffer.committed", item_id="u1")
    response = link.response({}, "v1")
    link.say("response.created", response=response)
    tools.go.set()
    assert output(link) == ("c1", "waited")
    assert future.result(LIMIT).id == "r1"
    link.say("response.done", response={**response, "status": "completed"})
    again = session.submit()
    # the next create is the next turn's: there was no other reply to the output
    link.respond(link.hear("response.create"), "r2", "next")
    assert again.result(LIMIT).text == "next"


@pytest.mark.row("F46")
def test_link_lost(session: RealtimeSession, link: Link, tools: Tools) -> None:
    """Who waits hears of it, the tool is told, and its result is dropped."""
    future = session.submit()
    calls(link, link.hear("response.create"), "r1", call("c1", "wait"))
    assert tools.begun.wait(LIMIT)
    link.connection.socket.shutdown(socket.SHUT_RDWR)
    link.over.set()
    error = future.exception(LIMIT)
    assert isinstance(error, ConnectionLost)
    assert error.response is not None
    assert error.response.id == "r1"
    assert tools.context is not None
    assert tools.context.cancelled.wait(LIMIT)


def test_a_response_that_is_cancelled(session: RealtimeSession, link: Link, tools: Tools) -> None:
    """Its whole calls are answered, though they do not run; a half one is not."""
    future = session.submit()
    create = link.hear("response.create")
    response = link.response(create, "r1")
    link.say("response.created", response=response)
    half = {**call("c2", arguments='{"n": '), "status": "incomplete"}
    link.say(
        "response.done",
        response={**response, "status": "cancelled", "output": [call("c1"), half]},
    )
    call_id, said = output(link)
    assert (call_id, json.loads(said)["error"]["type"]) == ("c1", "cancelled")
    assert future.result(LIMIT).status == "cancelled"
    again = session.submit()
    link.respond(link.hear("response.create"), "r2", "next")
    assert again.result(LIMIT).text == "next"
    assert tools.ran == []


def test_a_caller_who_cancels(session: RealtimeSession, link: Link, tools: Tools) -> None:
    """response.cancel() while tools run: they are told, and no reply follows."""
    future = session.submit()
    calls(link, link.hear("response.create"), "r1", call("c1", "wait"))
    assert tools.begun.wait(LIMIT)
    assert session.response.cancel() is False
    assert tools.context is not None
    assert tools.context.cancelled.is_set()
    tools.go.set()
    assert output(link) == ("c1", "waited")
    assert future.result(LIMIT).id == "r1"
