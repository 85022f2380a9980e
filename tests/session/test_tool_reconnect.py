"""A tool that runs while the link is lost: it goes on, and its result reaches the model."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, ToolContext
from realtime_sync.errors import ConnectionLost
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0


@pytest.mark.parametrize("when", ["while there is no link", "after the new one"])
def test_a_result_after_a_loss(when: str, make: Opener, server: LocalServer) -> None:
    """It runs once, is not told to stop, and has one output and one reply over the new link."""
    begun, go = threading.Event(), threading.Event()
    seen: list[Any] = []

    def slow(context: ToolContext) -> str:
        """Takes its time."""
        begun.set()
        assert go.wait(LIMIT)
        seen.append(context.cancelled.is_set())
        return "found"

    session = make(tools=[slow], reconnect=ReconnectPolicy(delays=(0.05,), jitter=0))
    lost = threading.Event()

    @session.on("connection.lost")
    def _(event: Any) -> None:
        lost.set()
        if when == "while there is no link":
            go.set()

    with session, session.expect("connection.restored") as restored:
        server.reply(server.call("slow"), "the answer")
        future = session.submit("go")
        assert begun.wait(LIMIT)
        server.script.cut()
        session.send({"type": "input_audio_buffer.clear"})  # any answer cuts the link
        assert lost.wait(LIMIT)
        restored.result(timeout=LIMIT)
        go.set()
        assert future.result(LIMIT).text == "the answer"
        assert seen == [False]
        outputs = [i.output for i in session.conversation.items if i.output is not None]
        assert outputs == ["found"]


def test_a_result_after_a_reset(make: Opener, server: LocalServer) -> None:
    """The new conversation has no such call: its turn is lost, its tool told, nothing is sent."""
    began, go = threading.Event(), threading.Event()
    contexts: list[ToolContext] = []

    def work(context: ToolContext) -> str:
        """Works."""
        contexts.append(context)
        began.set()
        go.wait(LIMIT)
        return "done"

    with make(tools=[work]) as session:
        server.reply([server.call("work"), "wait"], "hello")
        future = session.submit("go")
        assert began.wait(LIMIT)
        queued = session.submit("and you?")
        session.reset()
        assert contexts[0].cancelled.is_set()
        with pytest.raises(ConnectionLost, match="the session was reset"):
            future.result(LIMIT)
        with session.expect("tool.finished") as finished:
            go.set()
        finished.result(timeout=LIMIT)
        assert queued.result(LIMIT).text == "hello"
        settled = [item.type for item in session.conversation.items]
        assert settled == ["message", "message"]
        kinds = [event.get("item", {}).get("type") for event in server.received]
        assert "function_call_output" not in kinds


def test_a_call_of_a_lost_response(make: Opener, server: LocalServer) -> None:
    """Its response is lost after one whole call: not run, and answered over the next link."""
    ran: list[int] = []

    def count(n: int) -> None:
        """Counts."""
        ran.append(n)

    session = make(tools=[count], reconnect=ReconnectPolicy(delays=(0.05,), jitter=0))
    with session, session.expect("connection.restored") as restored:
        server.script.hold(after=6)  # deltas; a call here has five
        server.reply([server.call("count", n=n) for n in range(2)], "next")
        seen = session.events("response.output_item.added", timeout=LIMIT)
        future = session.submit("go")
        whole, half = next(seen).item, next(seen).item
        server.script.cut()
        session.send({"type": "input_audio_buffer.clear"})  # any answer cuts the link
        assert isinstance(future.exception(LIMIT), ConnectionLost)
        assert half.id in restored.result(timeout=LIMIT).skipped
        server.script.release()
        assert session.ask("and now?").text == "next"
        calls = {i.call_id: i for i in session.conversation.items if i.type == "function_call"}
        outputs = {i.call_id: i.output for i in session.conversation.items if i.output is not None}
    assert calls.keys() == outputs.keys() == {whole.call_id}
    assert "not run" in str(outputs[whole.call_id])
    assert ran == []
