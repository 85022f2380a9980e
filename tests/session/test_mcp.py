"""MCP servers, which the Realtime server calls: listing, calls, approval, and the reply."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from realtime_sync import McpTool, RealtimeSession, tool
from realtime_sync.errors import RealtimeTimeout
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0


def docs(approval: Any = "never") -> McpTool:
    return McpTool("docs", server_url="https://docs.example/mcp", require_approval=approval)


def creates(server: LocalServer) -> int:
    return [event["type"] for event in server.received].count("response.create")


def kinds(session: RealtimeSession) -> list[str]:
    return [item.type for item in session.conversation.items]


def test_open_waits_for_the_listing(make: Opener, server: LocalServer) -> None:
    """Once open() returns the tools are there."""
    server.script.mcp("docs", {"search": "found", "read": "text"})
    with make(tools=[docs()]) as session:
        (listed,) = session.conversation.items
        assert (listed.type, listed.server_label) == ("mcp_list_tools", "docs")
        assert [tool["name"] for tool in listed.tools] == ["search", "read"]
        assert session.tools.names == ("docs",)


def test_a_listing_that_fails(
    make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning, and the session opens."""
    server.script.mcp("docs", ConnectionError("no such host"))
    with make(tools=[docs()]) as session:
        assert "could not be listed" in caplog.text
        assert session.ask("hello").text


def test_a_listing_that_never_ends(peer: Peer) -> None:
    """open() ends in time, and says what it waited for."""
    told: list[Any] = []

    def confirm() -> None:
        link = peer.link()
        tools = link.hear("session.update")["session"]["tools"]
        link.say("session.updated", session={"id": "s", "type": "realtime", "tools": tools})
        told.append(link)

    server = threading.Thread(target=confirm)
    server.start()
    with pytest.raises(RealtimeTimeout, match="not listed their tools: docs"):
        RealtimeSession(endpoint=peer.endpoint, tools=[docs()]).open(timeout=1.5)
    server.join(LIMIT)
    assert told


@pytest.mark.parametrize("late", [False, True])
def test_a_call_is_followed_by_one_reply(late: bool, make: Opener, server: LocalServer) -> None:
    """Whether it ends within its response or after it, ask() gives the answer that follows."""
    server.script.mcp("docs", {"search": lambda given: f"found {given['query']}"}, late=late)
    with make(tools=[docs()]) as session:
        server.reply(server.mcp_call("docs", "search", query="x"), "It is there.", "next")
        response = session.ask("where?")
        assert response.text == "It is there."
        assert session.ask("and?").text == "next"
        assert creates(server) == 3
        call = next(item for item in session.conversation.items if item.type == "mcp_call")
        assert (call.name, call.output) == ("search", "found x")


def test_the_model_goes_on_by_itself(make: Opener, server: LocalServer) -> None:
    """A call with words after it in one response needs no other."""
    server.script.mcp("docs", {"search": "found"})
    with make(tools=[docs()]) as session:
        server.reply([server.mcp_call("docs", "search"), "It is there."])
        assert session.ask("where?").text == "It is there."
        assert creates(server) == 1


@pytest.mark.parametrize("late", [False, True])
def test_a_call_that_fails(late: bool, make: Opener, server: LocalServer) -> None:
    """The model hears of it, and replies."""
    server.script.mcp("docs", {"search": ValueError("no index")}, late=late)
    with make(tools=[docs()]) as session:
        server.reply([server.mcp_call("docs", "search"), server.mcp_call("docs", "fly")], "sorry")
        assert session.ask("where?").text == "sorry"
        errors = [i.error["type"] for i in session.conversation.items if i.type == "mcp_call"]
        assert errors == ["tool_execution_error", "protocol_error"]
        assert creates(server) == 2


@pytest.mark.parametrize("late", [False, True])
def test_beside_a_function(late: bool, make: Opener, server: LocalServer) -> None:
    """The turn waits for both, and has one reply."""
    running = threading.Event()

    def slow() -> str:
        """Waits."""
        running.wait(LIMIT)
        return "done"

    server.script.mcp("docs", {"search": "found"}, late=late)
    with make(tools=[docs(), slow]) as session:
        session.on("response.mcp_call.completed", lambda _: running.set())
        server.reply([server.call("slow"), server.mcp_call("docs", "search")], "both")
        assert session.ask("go").text == "both"
        assert creates(server) == 2


@pytest.mark.parametrize("how", ["handler", "watcher", "approver"])
def test_approved(how: str, make: Opener, server: LocalServer) -> None:
    """tool.approval_required has the request's id; approved, the call runs, and a reply follows."""
    server.script.mcp("docs", {"search": "found"})
    options = {"approver": lambda event: event.name == "search"} if how == "approver" else {}
    session = make(tools=[docs("always")], **options)
    if how == "handler":
        session.on("tool.approval_required", lambda event: session.approve(event.call_id))
    with session:
        server.reply(server.mcp_call("docs", "search", query="x"), "It is there.")
        with session.expect("tool.approval_required") as asked:
            future = session.submit("where?")
            event = asked.result(timeout=LIMIT)
        if how == "watcher":
            assert session.approve(event.call_id)
        assert future.result(LIMIT).text == "It is there."
        assert (event.name, event.arguments) == ("search", {"query": "x"})
        assert not session.approve(event.call_id)
        assert kinds(session)[-4:-1] == [
            "mcp_approval_request",
            "mcp_approval_response",
            "mcp_call",
        ]
        request = session.conversation.items[-4]
        assert request.id == event.call_id
        assert creates(server) == 2


@pytest.mark.parametrize("how", ["handler", "nobody", "late"])
def test_rejected(
    how: str, make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """By a human, since nobody is there, since the time is over: the model replies to it."""
    server.script.mcp("docs", {"search": AssertionError("called")})
    options = {"approval_timeout": 0.05} if how == "late" else {}
    session = make(tools=[docs("always")], **options)
    if how != "nobody":
        decide = {"handler": lambda e: session.reject(e.call_id, "not now")}.get(how, print)
        session.on("tool.approval_required", decide)
    with session:
        server.reply(server.mcp_call("docs", "search"), "a pity")
        assert session.ask("where?").text == "a pity"
        assert "mcp_call" not in kinds(session)
        (said,) = [
            event["item"]
            for event in server.received
            if event.get("item", {}).get("type") == "mcp_approval_response"
        ]
        assert said["approve"] is False
        assert said["reason"]
        assert ("not now" in said["reason"]) == (how == "handler")
        assert creates(server) == 2
    assert bool(caplog.records) == (how != "handler")


def test_for_always(make: Opener, server: LocalServer) -> None:
    """always=True: later calls of this server's tool are approved unasked, others are not."""
    server.script.mcp("docs", {"search": "found", "read": "text"})
    asked: list[str] = []
    session = make(tools=[docs("always")])

    @session.on("tool.approval_required")
    def decide(event: Any) -> None:
        asked.append(event.name)
        session.approve(event.call_id, always=True)

    with session:
        server.reply(server.mcp_call("docs", "search"), "one", server.mcp_call("docs", "search"))
        server.reply("two", server.mcp_call("docs", "read"), "three")
        assert [session.ask("go").text for _ in range(3)] == ["one", "two", "three"]
    assert asked == ["search", "read"]


def test_some_need_approval(make: Opener, server: LocalServer) -> None:
    """A filter of names."""
    server.script.mcp("docs", {"search": "found", "write": "written"})
    session = make(tools=[docs({"never": {"tool_names": ["search"]}})])
    asked: list[str] = []

    @session.on("tool.approval_required")
    def decide(event: Any) -> None:
        asked.append(event.name)
        session.approve(event.call_id)

    with session:
        calls = [server.mcp_call("docs", "search"), server.mcp_call("docs", "write")]
        server.reply(calls, "done")
        assert session.ask("go").text == "done"
    assert asked == ["write"]


def test_added_later(make: Opener, server: LocalServer) -> None:
    """tools.add takes an MCP server, too, and waits until its tools are listed."""
    server.script.mcp("docs", {"search": "found"})
    with make() as session:
        session.tools.add(docs())
        assert kinds(session) == ["mcp_list_tools"]
        server.reply(server.mcp_call("docs", "search"), "there")
        assert session.ask("where?").text == "there"


def test_max_rounds_count_mcp(make: Opener, server: LocalServer) -> None:
    """MCP calls count as rounds: after max_rounds one last response without tools."""
    server.script.mcp("docs", {"search": "found"})
    with make(tools=[docs()]) as session:
        server.reply(*[server.mcp_call("docs", "search")] * 2, "last")
        assert session.ask("go", max_rounds=2).text == "last"
        last = [e for e in server.received if e["type"] == "response.create"][-1]
        assert last["response"]["tool_choice"] == "none"


@tool(needs_approval=True)
def pay() -> str:
    """Pays."""
    return "paid"


def test_one_approval_for_all_kinds(make: Opener, server: LocalServer) -> None:
    """Functions and MCP calls wait side by side, each decided by its own id."""
    server.script.mcp("docs", {"search": "found"})
    with make(tools=[docs("always"), pay]) as session:
        server.reply([server.mcp_call("docs", "search"), server.call("pay")], "done")
        with session.events("tool.approval_required") as asked:
            future = session.submit("go")
            ids = {event.name: event.call_id for event in (next(asked), next(asked))}
        assert session.reject(ids["pay"], "no money")
        assert session.approve(ids["search"])
        assert future.result(LIMIT).text == "done"
        output = next(i for i in session.conversation.items if i.type == "function_call_output")
        assert json.loads(output.output or "")["error"]["message"] == "no money"
