"""MCP servers by script: the events of wire.md (h), each judged by its JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.local.answers import McpCall
from realtime_sync.local.mcp import McpServer, needs_approval

from .driving import Driver, done, every, only, squeezed
from .judge import judged, judged_events

Wire = dict[str, Any]


def driver(tools: Any, *, approval: Any = "never", late: bool = False) -> Driver:
    """A session that has an MCP server, its listing over."""
    made = Driver()
    made.script.mcp("docs", tools, late=late)
    made.listing = made.send("session.update", session=session(approval))  # type: ignore[attr-defined]  # for the tests
    judge(made.listing)  # type: ignore[attr-defined]  # just set
    return made


def session(approval: Any = "never") -> Wire:
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x/mcp"}
    return {"type": "realtime", "tools": [{**tool, "require_approval": approval}]}


def judge(events: list[Wire]) -> list[Wire]:
    judged_events("ga_server_events", events)
    for event in events:
        if "item" in event:
            judged("ga_conversation_item", "item", event["item"])
    return events


def respond(made: Driver, *parts: Any) -> list[Wire]:
    made.script.reply(list(parts))
    return judge(made.respond(output_modalities=["text"]))


def call(name: str = "search") -> McpCall:
    return McpCall("docs", name, '{"q":"x"}')


def test_a_listing():
    """In progress before the session is confirmed; then the item, and the end. Once a server."""
    made = driver({"search": "found"})
    assert squeezed(made.listing) == [
        "mcp_list_tools.in_progress",
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    item = only(made.listing, "conversation.item.done")["item"]
    assert [tool["name"] for tool in item["tools"]] == ["search"]
    assert squeezed(made.send("session.update", session=session())) == ["session.updated"]


@pytest.mark.parametrize("label", ["docs", "unknown"])
def test_a_listing_that_fails(label):
    """By the script's wish, or since nobody plays the server."""
    made = Driver()
    made.script.mcp("docs", ConnectionError("no"))
    tools = [{"type": "mcp", "server_label": label, "server_url": "https://x/mcp"}]
    events = judge(made.send("session.update", session={"type": "realtime", "tools": tools}))
    assert squeezed(events) == [
        "mcp_list_tools.in_progress",
        "session.updated",
        "mcp_list_tools.failed",
    ]


def test_a_call():
    """Its arguments stream in; it runs and ends within the response."""
    events = respond(driver({"search": "found"}), call(), "There.")
    assert squeezed(events)[:10] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.output_item.added",
    ]
    item = done(events)["output"][0]
    assert (item["output"], item["arguments"]) == ("found", '{"q":"x"}')


def test_a_late_call():
    """It ends after the response, whose output shows it without an outcome."""
    events = respond(driver({"search": lambda given: {"for": given["q"]}}, late=True), call())
    kinds = squeezed(events)
    assert kinds[kinds.index("response.done") :] == [
        "response.done",
        "rate_limits.updated",
        "response.mcp_call.completed",
        "response.output_item.done",
        "conversation.item.done",
    ]
    assert "output" not in done(events)["output"][0]
    assert only(events, "conversation.item.done")["item"]["output"] == '{"for": "x"}'


@pytest.mark.parametrize(
    ("name", "kind"), [("search", "tool_execution_error"), ("fly", "protocol_error")]
)
def test_a_call_that_fails(name, kind):
    """What the tool raises, and a tool that there is not."""
    events = respond(driver({"search": ValueError("no")}), call(name))
    assert every(events, "response.mcp_call.failed")
    assert done(events)["output"][0]["error"]["type"] == kind


def test_approval():
    """The request is the output; the answer brings the call, with a reference to it."""
    made = driver({"search": "found"}, approval="always")
    request = done(respond(made, call()))["output"][0]
    assert request["type"] == "mcp_approval_request"
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    events = judge(made.send("conversation.item.create", item={**answer, "approve": True}))
    assert squeezed(events) == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.added",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
    ]
    item = events[-1]["item"]
    assert (item["output"], item["approval_request_id"]) == ("found", request["id"])
    twice = made.refused("conversation.item.create", item={**answer, "approve": False})
    assert "already" in twice["message"]
    answer["approval_request_id"] = "nobody"
    other = made.refused("conversation.item.create", item={**answer, "approve": False})
    assert other["param"] == "item.approval_request_id"


def test_no_approval():
    """Nothing is called."""
    made = driver({"search": "found"}, approval="always")
    request = done(respond(made, call()))["output"][0]
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    events = made.send("conversation.item.create", item={**answer, "approve": False})
    assert squeezed(events) == ["conversation.item.added", "conversation.item.done"]


def test_a_cancelled_call():
    """Cut off while its arguments stream in: it does not run."""
    made = driver({"search": AssertionError("called")})
    made.script.reply(call())
    made.script.hold(after=1)
    made.give("response.create", response={"output_modalities": ["text"]})
    made.until("response.mcp_call_arguments.delta")
    events = judge(made.give("response.cancel"))
    assert done(events)["status"] == "cancelled"
    assert not every(events, "response.mcp_call.in_progress")


@pytest.mark.parametrize(
    ("wanted", "asks"),
    [
        (None, True),
        ("always", True),
        ("never", False),
        ({"never": {"tool_names": ["search"]}}, False),
        ({"never": {"tool_names": ["other"]}}, True),
        ({"always": {"tool_names": ["search"]}}, True),
        ({"always": {"tool_names": ["other"]}}, False),
    ],
)
def test_which_calls_need_approval(wanted, asks):
    """As the tool says; always, if it says nothing."""
    assert needs_approval({"require_approval": wanted}, "search") is asks


def test_results():
    """Text as it is, anything else as JSON."""
    server = McpServer({"text": "as it is", "data": lambda _: {"a": 1}, "none": lambda _: None})
    assert [server.call(name, "{}") for name in ("text", "data", "none")] == [
        {"output": "as it is"},
        {"output": '{"a": 1}'},
        {"output": "null"},
    ]
    assert server.call("data", "no json")["error"]["type"] == "tool_execution_error"
