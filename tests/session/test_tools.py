from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import (
    NoReply,
    RealtimeSession,
    Tool,
    ToolContext,
    ToolError,
    ToolRetry,
    tool,
)
from realtime_sync.errors import ConfigurationError, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
WIRE = {"type": "function", "name": "wired", "parameters": {"type": "object", "properties": {}}}


def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


def endless() -> Iterator[int]:
    """Counts."""
    yield 1


@tool(name="renamed", description="Says hello.")
def greet(name: str) -> str:
    return f"hello {name}"


def outputs(session: RealtimeSession) -> list[str]:
    return [i.output for i in session.conversation.items if i.type == "function_call_output"]


def test_functions_and_tools(make: Opener, server: LocalServer) -> None:
    """tools= takes functions, Tool and wire dicts; functions run, and the model goes on."""
    with make(tools=[add, greet, WIRE]) as session:
        assert session.tools.names == ("add", "renamed", "wired")
        told = session.config.tools
        assert told[0]["parameters"]["required"] == ["a"]
        assert told[0]["description"] == "Adds two numbers."
        server.reply(server.call("add", a=2, b=3), "five")
        assert session.ask("go").text == "five"
        assert outputs(session) == ["5"]
    assert greet("you") == "hello you"
    assert isinstance(greet, Tool)


def test_several_calls(make: Opener, server: LocalServer) -> None:
    """Several calls run side by side; outputs go in call order, with one follow-up."""
    together = threading.Barrier(4)
    threads: set[str] = set()

    def count(n: int) -> int:
        """Counts."""
        threads.add(threading.current_thread().name)
        if n < 4:
            together.wait(LIMIT)
        return n

    with make(tools=[count]) as session:
        server.reply([server.call("count", n=n) for n in range(5)], "done")
        assert session.ask("go").text == "done"
        assert outputs(session) == ["0", "1", "2", "3", "4"]
        created = [e["type"] for e in server.received].count("response.create")
        assert created == 2
        assert all(name.startswith("realtime-tool-") for name in threads)
        calls = [i.call_id for i in session.conversation.items if i.type == "function_call"]
        answers = [i.call_id for i in session.conversation.items if i.output is not None]
        assert calls == answers


def test_speech_beside_a_call(make: Opener, server: LocalServer) -> None:
    """A response may speak and call."""
    with make(tools=[add]) as session:
        server.reply(["let me see", server.call("add", a=1)], "2")
        first = session.events("response.done")
        assert session.ask("go").text == "2"
        assert next(first).response.output[0].text == "let me see"


def test_whoever_started_the_response(make: Opener, server: LocalServer) -> None:
    """Functions run for every response of the default conversation; a handle is its own only."""
    with make(tools=[add]) as session:
        server.reply(server.call("add", a=1), "two")
        with session.expect("response.done", lambda e: e.response.output[0].text) as pending:
            response = session.response.create().wait()
        assert [call.name for call in response.function_calls] == ["add"]
        assert response.text == ""
        assert pending.result(timeout=LIMIT).response.output[0].text == "two"


def test_responses_of_the_server(peer: Peer) -> None:
    """Functions run for a response that the server began by itself, as by voice activity."""
    with RealtimeSession(endpoint=peer.endpoint, ping_interval=None) as session:
        link = peer.link()
        adding = threading.Thread(target=session.tools.add, args=(add,))
        adding.start()
        link.hear("session.update")
        link.say("session.updated", session={"id": "s"})
        adding.join(LIMIT)
        response = link.response({}, "r1")
        call = {
            "id": "i",
            "type": "function_call",
            "name": "add",
            "call_id": "c",
            "arguments": '{"a": 4}',
        }
        link.say("response.created", response=response)
        link.say("response.done", response={**response, "status": "completed", "output": [call]})
        assert link.hear("conversation.item.create")["item"]["output"] == "5"
        link.respond(link.hear("response.create"), "r2", "done")


def test_wire_dicts_only_report(make: Opener, server: LocalServer) -> None:
    """Calls of tools given as wire dicts are only reported."""
    with make(tools=[WIRE, add]) as session:
        server.reply(server.call("wired", x=1))
        response = session.ask("go")
        (call,) = response.function_calls
        assert (call.name, call.arguments) == ("wired", '{"x": 1}')
        assert outputs(session) == []


def test_out_of_band_only_reports(make: Opener, server: LocalServer) -> None:
    """Calls of a response with conversation="none" are only reported."""
    with make(tools=[add]) as session:
        server.reply(server.call("add", a=1))
        response = session.response.create(conversation="none").wait()
        assert [call.name for call in response.function_calls] == ["add"]
        session.input_audio_buffer.clear()
        assert "conversation.item.create" not in [e["type"] for e in server.received]


@pytest.mark.row("F46")
@pytest.mark.parametrize(
    ("raised", "shown", "level"),
    [
        (ToolError("no such city"), "no such city", logging.INFO),
        (ToolRetry("give a year"), "give a year", logging.INFO),
        (ValueError("sk-secret"), "the tool failed", logging.WARNING),
        (SystemExit(3), "the tool failed", logging.WARNING),
    ],
)
def test_exceptions(
    raised: BaseException,
    shown: str,
    level: int,
    make: Opener,
    server: LocalServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a tool raises becomes text that the model sees; only ToolError's own words."""
    caplog.set_level(logging.INFO, "realtime_sync")

    def bad() -> str:
        """Raises."""
        raise raised

    with make(tools=[bad]) as session:
        server.reply(server.call("bad"), "sorry")
        with session.expect("tool.finished") as pending:
            assert session.ask("go").text == "sorry"
        assert shown in outputs(session)[0]
        assert "sk-secret" not in outputs(session)[0]
        assert pending.result(timeout=LIMIT).error
    said = [r for r in caplog.records if r.name.startswith("realtime_sync.tools")]
    assert [record.levelno for record in said] == [level]


@pytest.mark.row("B16")
@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"a": "x"}', '{"c": 1}', "null"])
def test_bad_arguments(arguments: str, make: Opener, server: LocalServer) -> None:
    """Arguments that do not fit are answered with an error, not with a crash."""
    from realtime_sync.local.answers import Call

    with make(tools=[add]) as session:
        server.reply([Call("add", arguments)], "sorry")
        with session.expect("tool.started") as started:
            assert session.ask("go").text == "sorry"
        assert "invalid_arguments" in outputs(session)[0]
        assert started.result(timeout=LIMIT).arguments == (
            {"a": "x"} if "x" in arguments else {"c": 1} if "c" in arguments else arguments
        )


@pytest.mark.row("B16")
def test_unknown_tool(make: Opener, server: LocalServer) -> None:
    """A call of a tool that there is not is answered with the names that there are."""
    with make(tools=[add, greet]) as session:
        server.reply(server.call("subtract"), "sorry")
        assert session.ask("go").text == "sorry"
        assert "unknown_tool" in outputs(session)[0]
        assert "add, renamed" in outputs(session)[0]


def test_no_tools(session: RealtimeSession, server: LocalServer) -> None:
    """A session without functions reports every call."""
    server.reply(server.call("anything"))
    assert session.ask("go").function_calls[0].name == "anything"
    assert outputs(session) == []


def test_no_reply(make: Opener, server: LocalServer) -> None:
    """NoReply hands the value over and ends the turn; one other call asks for a reply."""

    def note(x: int) -> Any:
        """Notes."""
        return NoReply({"noted": x})

    with make(tools=[note, add]) as session:
        server.reply(server.call("note", x=1))
        response = session.ask("go")
        assert [call.name for call in response.function_calls] == ["note"]
        session.input_audio_buffer.clear()
        assert outputs(session) == ['{"noted":1}']
        server.reply([server.call("note", x=2), server.call("add", a=1)], "two")
        assert session.ask("go").text == "two"


def test_events(make: Opener, server: LocalServer) -> None:
    """tool.started and tool.finished tell of each call."""
    with make(tools=[add]) as session:
        server.reply(server.call("add", a=1), "done")
        seen = session.events("tool.*")
        session.ask("go")
    started, finished = list(seen)
    assert (started.name, started.arguments) == ("add", {"a": 1})
    assert (finished.call_id, finished.output, finished.error) == (started.call_id, "2", None)
    assert finished.seconds >= 0


@pytest.mark.row("F46", bound="run once")
def test_a_call_runs_once(peer: Peer) -> None:
    """A call id runs once per session, however often the server names it."""
    runs: list[int] = []

    def count() -> None:
        """Counts."""
        runs.append(1)

    with RealtimeSession(endpoint=peer.endpoint, ping_interval=None) as session:
        link = peer.link()
        adding = threading.Thread(target=session.tools.add, args=(count,))
        adding.start()
        link.hear("session.update")
        link.say("session.updated", session={"id": "s"})
        adding.join(LIMIT)
        call = {
            "id": "i",
            "type": "function_call",
            "name": "count",
            "call_id": "c",
            "arguments": "",
        }
        for n in range(2):
            done = {**link.response({}, f"r{n}"), "status": "completed", "output": [call]}
            link.say("response.created", response=link.response({}, f"r{n}"))
            link.say("response.done", response=done)
            if n == 0:
                link.hear("conversation.item.create")
                create = link.hear("response.create")
                link.respond(create, "follow", "x")
        with session.expect("input_audio_buffer.cleared") as pending:
            link.say("input_audio_buffer.cleared")
        pending.result(timeout=LIMIT)
    assert runs == [1]


def test_add_and_remove(session: RealtimeSession, server: LocalServer) -> None:
    """add() and remove() are pushed to the server and confirmed."""
    session.tools.add(add)
    session.tools.add(WIRE)
    assert session.tools.names == ("add", "wired")
    assert [t["name"] for t in session.config.tools] == ["add", "wired"]
    server.reply(server.call("add", a=1), "two")
    assert session.ask("go").text == "two"
    session.tools.remove("add")
    assert session.tools.names == ("wired",)
    assert [t["name"] for t in session.config.tools] == ["wired"]
    with pytest.raises(KeyError):
        session.tools.remove("add")


@pytest.mark.row("C11")
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (add, ConfigurationError),
        (5, TypeError),
        (lambda: 1, ConfigurationError),
        ({"type": "function"}, ConfigurationError),
        ({"name": "x"}, ConfigurationError),
        ({**WIRE, "name": "add"}, ConfigurationError),
        ({**WIRE, "name": "bad name!"}, ConfigurationError),
        ({**WIRE, "parameters": {"a": object()}}, ConfigurationError),
        (endless, TypeError),
        (print, TypeError),
        (LocalServer, TypeError),
    ],
)
def test_bad_tools(given: Any, error: type[Exception], make: Opener, server: LocalServer) -> None:
    """What cannot be a tool is refused at registration (C11); nothing has changed."""
    with make(tools=[add]) as session:
        count = len(server.received)
        with pytest.raises(error):
            session.tools.add(given)
        assert session.tools.names == ("add",)
        assert len(server.received) == count
    with pytest.raises(error):
        make(tools=[add, given])


def test_refused_tool(session: RealtimeSession) -> None:
    """A tool that the server refuses is not there."""
    with pytest.raises(ServerError):
        session.tools.add({"type": "telepathy", "name": "x"})
    assert session.tools.names == ()
    session.tools.add(add)
    with pytest.raises(ServerError):
        session.update({"temperature": 1}, tools=[])
    assert session.tools.names == ("add",)


def test_adding_at_once(session: RealtimeSession) -> None:
    """Tools that several threads add at once are all there in the end."""

    def made(n: int) -> Any:
        return tool(name=f"t{n}")(lambda: n)

    threads = [threading.Thread(target=session.tools.add, args=(made(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert sorted(session.tools.names) == [f"t{n}" for n in range(8)]
    assert tuple(t["name"] for t in session.config.tools) == session.tools.names


def test_tool_that_changes_tools(make: Opener, server: LocalServer) -> None:
    """A tool may add and remove tools, itself too."""

    def once() -> str:
        """Runs once."""
        session.tools.remove("once")
        session.tools.add(add)
        return "gone"

    with make(tools=[once]) as session:
        server.reply(server.call("once"), server.call("add", a=1), "done")
        assert session.ask("go").text == "done"
        assert outputs(session) == ["gone", "2"]


def test_async_function(make: Opener, server: LocalServer) -> None:
    """A coroutine function runs in a loop of its own."""

    async def later(x: int) -> int:
        """Later."""
        return x + 1

    with make(tools=[later]) as session:
        server.reply(server.call("later", x=1), "done")
        assert session.ask("go").text == "done"
        assert outputs(session) == ["2"]


def test_close_inside_a_tool(make: Opener, server: LocalServer) -> None:
    """close() inside a tool works; the tool's result is dropped."""
    ended = threading.Event()

    def leave() -> str:
        """Closes."""
        session.close()
        ended.set()
        return "dropped"

    session = make(tools=[leave]).open()
    server.reply(server.call("leave"))
    future = session.submit("go")
    assert ended.wait(LIMIT)
    assert future.exception(LIMIT) is not None
    assert session.state == "closed"


@pytest.mark.row("F46")
@pytest.mark.parametrize("end", ["closed", "lost"])
def test_a_tool_at_the_end_of_its_session(end: str, make: Opener, server: LocalServer) -> None:
    """It is told, and what began is said to be over, before all is; its result is dropped."""
    started, release = threading.Event(), threading.Event()
    contexts: list[ToolContext] = []

    def stuck(context: ToolContext) -> str:
        """Waits."""
        contexts.append(context)
        started.set()
        release.wait(LIMIT)
        return "late"

    told: list[Any] = []
    session = make(tools=[stuck]).open()
    session.on("tool.*", told.append)

    @session.on("connection.closed")
    def _(event: Any) -> None:
        told.append(event)
        release.set()  # close() waits for it

    server.reply(server.call("stuck"))
    future = session.submit("go")
    assert started.wait(LIMIT)
    if end == "closed":
        session.close()
    else:
        server.script.cut()
        session.send({"type": "input_audio_buffer.clear"})
    assert future.exception(LIMIT) is not None
    session.close()
    assert [event.type for event in told] == ["tool.started", "tool.finished", "connection.closed"]
    assert told[1].error == "cancelled: the session is over"
    assert told[1].seconds > 0
    assert contexts[0].cancelled.is_set()


def test_stuck_tool(make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    """A tool that outlives close() is logged by name; its result is dropped."""
    started, release = threading.Event(), threading.Event()

    def stuck() -> str:
        """Waits."""
        started.set()
        release.wait(LIMIT)
        return "late"

    session = make(tools=[stuck]).open()
    server.reply(server.call("stuck"))
    session.submit("go")
    assert started.wait(LIMIT)
    session.close(timeout=0.05)
    assert "tool stuck still runs" in caplog.text
    release.set()
