"""Tools that talk to the model themselves, several at once; and how long tools take."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from realtime_sync import NoReply, RealtimeSession, tool
from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0


@pytest.mark.parametrize("threads", [1, 4])
def test_tools_that_ask(threads: int, make: Opener, server: LocalServer) -> None:
    """Each asks the model, which calls a tool again, once, and gets the answer to its question.

    No thread waits for one that waits for it.
    """

    def inner(n: int) -> str:
        """Answers."""
        return f"inner {n}"

    def outer(n: int) -> str:
        """Asks."""
        return session.ask(f'call inner {{"n": {n}}}', timeout=20).text

    with make(tools=[outer, inner], tool_threads=threads) as session:
        server.reply([server.call("outer", n=n) for n in range(6)])
        response = session.ask("go", timeout=30)
        calls = {item.call_id: item for item in session.conversation.items if item.arguments}
        outputs = [item for item in session.conversation.items if item.output]
        made = {"inner": {}, "outer": {}}
        for item in outputs:
            call = calls[item.call_id]
            made[call.name][json.loads(call.arguments)["n"]] = item.output
        assert len(outputs) == 12
        assert made["inner"] == {n: f"inner {n}" for n in range(6)}
        assert all(f"inner returned: inner {n}" in made["outer"][n] for n in range(6))
        assert "returned" in response.text


def test_a_serial_tool_that_calls_itself(make: Opener, server: LocalServer) -> None:
    """The inner call belongs to the outer one: it does not wait for it, others do."""
    running = threading.Lock()

    @tool(serial=True)
    def count(n: int) -> str:
        """Counts down, by way of the model."""
        if n == 0:
            return "zero"
        assert running.acquire(blocking=False)
        try:
            server.reply(server.call("count", n=0), f"from {n}")
            return session.ask("down", timeout=20).text
        finally:
            running.release()

    with make(tools=[count]) as session:
        server.reply([server.call("count", n=n) for n in (1, 2)])
        session.ask("go", timeout=30)
        outputs = {
            item.output
            for item in session.conversation.items
            if item.type == "function_call_output"
        }
        assert outputs == {"zero", "from 1", "from 2"}


def test_serial_tools_that_ask_for_each_other(make: Opener, server: LocalServer) -> None:
    """The call that would wait for itself is answered so at once; all the rest go on."""
    both = threading.Barrier(2)

    def asking(name: str, other: str) -> Any:
        def ask(n: int) -> str:
            """Asks for the other."""
            if n == 0:
                return name
            both.wait(LIMIT)
            return session.ask(f'call {other} {{"n": 0}}').text

        return tool(ask, name=name, serial=True, timeout=None)

    with make(tools=[asking("left", "right"), asking("right", "left")]) as session:
        server.reply([server.call("left", n=1), server.call("right", n=2)])
        began = session.ask("go", timeout=30)
        outputs = [item.output for item in session.conversation.items if item.output]
    refused = [output for output in outputs if output.startswith('{"error"')]
    assert len(outputs) == 4
    assert [json.loads(output)["error"]["type"] for output in refused] == ["busy"]
    assert "returned" in began.text


def test_how_long_tools_take(make: Opener, server: LocalServer) -> None:
    """Per call in tool.finished, per round in the metrics of its reply, in all in turn.ended."""
    together = threading.Barrier(2)

    def slow(n: int) -> int:
        """Waits for the other."""
        together.wait(LIMIT)
        threading.Event().wait(0.02)
        return n

    with make(tools=[slow]) as session:
        seen = session.events("tool.finished", "turn.ended", "response.metrics")
        pair = [server.call("slow", n=n) for n in range(2)]
        server.reply(pair, pair, "done")
        session.ask("go")
        plain = session.ask("hello")
    events: list[Any] = list(seen)
    finished = [event for event in events if event.type == "tool.finished"]
    ended = [event for event in events if event.type == "turn.ended"]
    metrics = [event.metrics for event in events if event.type == "response.metrics"]
    assert len(finished) == 4
    assert all(event.seconds >= 0.02 for event in finished)
    assert metrics[0].tools is None
    for n in (1, 2):
        first = [event.seconds for event in finished[(n - 1) * 2 : n * 2]]
        assert max(first) <= metrics[n].tools
    assert ended[0].tool_seconds == pytest.approx(metrics[1].tools + metrics[2].tools)
    assert ended[0].rounds == 2
    assert ended[1].tool_seconds == 0
    assert plain.metrics.tools is None


def test_no_reply_is_in_the_turn(make: Opener, server: LocalServer) -> None:
    """A round without a reply counts as well."""

    def note() -> NoReply:
        """Notes."""
        threading.Event().wait(0.01)
        return NoReply()

    with make(tools=[note]) as session:
        with session.expect("turn.ended") as ended:
            server.reply(server.call("note"))
            session.ask("go")
        assert ended.result(timeout=LIMIT).tool_seconds >= 0.01


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tool_threads": 0}, ConfigurationError),
        ({"tool_threads": True}, ConfigurationError),
        ({"approver": "me"}, ConfigurationError),
        ({"approval_timeout": -1}, ValueError),
    ],
)
def test_arguments_that_cannot_be(arguments: Any, error: type[Exception]) -> None:
    """Checked when the session is made; the message names the argument."""
    with pytest.raises(error, match=next(iter(arguments))):
        RealtimeSession(api_key="k", **arguments)
