"""Calls of tools given as wire dicts: the caller answers them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import NoReply, RealtimeSession, ToolError
from realtime_sync.errors import ServerError, SessionClosed
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0
WIRE = {"type": "function", "name": "wired", "parameters": {"type": "object", "properties": {}}}


def outputs(session: RealtimeSession) -> list[str | None]:
    return [i.output for i in session.conversation.items if i.type == "function_call_output"]


def creates(server: LocalServer) -> int:
    return [event["type"] for event in server.received].count("response.create")


def test_one_reply_after_the_last(make: Opener, server: LocalServer) -> None:
    """Each output is confirmed; the reply comes once all calls of the response are answered."""
    with make(tools=[WIRE]) as session:
        server.reply([server.call("wired", n=n) for n in range(3)], "all three")
        calls = session.ask("go").function_calls
        with session.expect("response.done") as replied:
            for call in calls:
                item = session.submit_tool_output(call.call_id, {"n": 1})
                assert (item.type, item.output) == ("function_call_output", '{"n":1}')
            assert replied.result(timeout=LIMIT).response.output[0].text == "all three"
        assert creates(server) == 2
        assert outputs(session) == ['{"n":1}'] * 3


@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("early", [1, 2])
def test_before_the_response_is_over(
    early: int, wanted: tuple[bool, bool], make: Opener, server: LocalServer
) -> None:
    """Calls may be answered as soon as they are seen; one reply follows, once all are over."""
    with make(tools=[WIRE]) as session:
        server.script.hold(after={1: 1, 2: 6}[early])  # deltas; a call here has five
        server.reply([server.call("wired", n=n) for n in range(2)], "both")
        made = session.events("response.output_item.added", timeout=LIMIT)
        replies = session.events("response.output_text.done", timeout=LIMIT)
        future = session.submit("go")
        for n in range(early):
            session.submit_tool_output(next(made).item.call_id, n, respond=wanted[n])
            assert creates(server) == 1
        server.script.release()
        calls = future.result(LIMIT).function_calls
        for n in range(early, 2):
            session.submit_tool_output(calls[n].call_id, n, respond=wanted[n])
        if any(wanted):
            assert next(replies).text == "both"
        session.input_audio_buffer.clear()
        assert creates(server) == 1 + any(wanted)
        assert sorted(outputs(session)) == ["0", "1"]


@pytest.mark.parametrize("output", ["as it is", NoReply("as it is")])
def test_without_a_reply(output: Any, make: Opener, server: LocalServer) -> None:
    """respond=False, or a NoReply: the caller asks when it likes."""
    with make(tools=[WIRE]) as session:
        server.reply(server.call("wired"), "seen")
        (call,) = session.ask("go").function_calls
        session.submit_tool_output(call.call_id, output, respond=False)
        assert creates(server) == 1
        assert session.ask().text == "seen"
        assert outputs(session) == ["as it is"]


def test_what_cannot_be_submitted(make: Opener, server: LocalServer) -> None:
    """Twice, for a call of ours, no id, no JSON: refused, and nothing is sent."""

    def ours() -> str:
        """Runs here."""
        return "ran"

    with make(tools=[WIRE, ours]) as session:
        server.reply(server.call("ours"), "first", server.call("wired"), "second")
        assert session.ask("go").text == "first"
        done = next(i for i in session.conversation.items if i.type == "function_call")
        (call,) = session.ask("go").function_calls
        with pytest.raises(ToolError, match="cannot be written"):
            session.submit_tool_output(call.call_id, object())
        session.submit_tool_output(call.call_id, "x", False)
        sent = len(server.received)
        for call_id in (call.call_id, done.call_id):
            with pytest.raises(ValueError, match="answered already"):
                session.submit_tool_output(call_id, "y")
        for call_id in ("", None):
            with pytest.raises(ValueError, match="call_id"):
                session.submit_tool_output(call_id, "y")
        assert len(server.received) == sent
        assert outputs(session) == ["ran", "x"]
    with pytest.raises(SessionClosed):
        session.submit_tool_output("call_9", "z")


def test_an_output_that_the_server_refuses(make: Opener, server: LocalServer) -> None:
    """The caller hears of it, and may try again."""
    with make(tools=[WIRE]) as session:
        too_long = "call_" + "x" * 40
        for _ in range(2):
            with pytest.raises(ServerError):
                session.submit_tool_output(too_long, "y", respond=False)


def test_from_a_callback(make: Opener, server: LocalServer) -> None:
    """The way of a program that has only events."""
    said = threading.Event()
    session = make(tools=[WIRE])

    @session.on("response.done")
    def answer(event: Any) -> None:
        for item in event.response.output:
            if item.type == "function_call":
                session.submit_tool_output(item.call_id, "42")
            elif item.text == "the answer":
                said.set()

    with session:
        server.reply(server.call("wired"), "the answer")
        session.ask("go")
        assert said.wait(LIMIT)
