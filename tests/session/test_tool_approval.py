"""An approver is the user's code: it may take its time, and ask the model itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import McpTool, tool
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


def test_an_approver_that_asks_the_model(make: Opener, server: LocalServer) -> None:
    """The turn that waits for its approval does not hold up the approver's own."""
    said: list[str] = []

    def approver(event: Any) -> bool:
        said.append(session.ask("may I?", timeout=LIMIT).text)
        return True

    with make(tools=[pay], approver=approver) as session:
        server.reply(server.call("pay", amount=5), "you may", "done")
        assert session.ask("pay").text == "done"
    assert said == ["you may"]


def test_an_approver_that_is_awaited(make: Opener, server: LocalServer) -> None:
    """`async def` will do."""

    async def approver(event: Any) -> bool:
        return event.arguments["amount"] == 5

    with make(tools=[pay], approver=approver) as session:
        server.reply([server.call("pay", amount=n) for n in (5, 6)], "done")
        session.ask("pay")
        outputs = [i.output or "" for i in session.conversation.items if i.output is not None]
    assert outputs[0] == "paid 5"
    assert "not approved" in outputs[1]


def test_an_approver_within_an_approver(make: Opener, server: LocalServer) -> None:
    """What the model calls while an approver asks it may need approval as well."""

    def approver(event: Any) -> bool:
        if event.arguments["amount"] < 10:
            return True
        return session.ask("pay the fee first", timeout=LIMIT).text == "fee paid"

    with make(tools=[pay], approver=approver) as session:
        server.reply(
            server.call("pay", amount=50), server.call("pay", amount=1), "fee paid", "done"
        )
        assert session.ask("pay").text == "done"
        outputs = [i.output for i in session.conversation.items if i.output is not None]
        assert outputs == ["paid 1", "paid 50"]


def test_an_approver_of_an_mcp_call_that_asks(make: Opener, server: LocalServer) -> None:
    """Though the response that wants the approval may still run."""
    server.script.mcp("docs", {"search": "found"})

    def approver(event: Any) -> bool:
        return session.ask("may I?", timeout=LIMIT).text == "you may"

    docs = McpTool("docs", server_url="https://docs.example/sse", require_approval="always")
    with make(tools=[docs], approver=approver) as session:
        server.reply(server.mcp_call("docs", "search"), "you may", "done")
        assert session.ask("find").text == "done"


def test_given_up_while_it_is_decided_whether_to_ask(make: Opener, server: LocalServer) -> None:
    """A call whose turn is given up in that moment is not begun."""
    deciding, go = threading.Event(), threading.Event()
    ran: list[int] = []

    def costly(arguments: Any) -> bool:
        deciding.set()
        assert go.wait(LIMIT)
        return False

    @tool(needs_approval=costly)
    def spend(amount: int) -> None:
        """Spends."""
        ran.append(amount)

    with make(tools=[spend]) as session, session.expect("tool.finished") as finished:
        server.reply(server.call("spend", amount=5))
        with session.stream("go"):
            assert deciding.wait(LIMIT)
        go.set()
        assert "not begun" in finished.result(timeout=LIMIT).output
    assert ran == []


@pytest.mark.parametrize("decision", ["rejected", "approved"])
def test_told_from_the_beginning(decision: str, make: Opener, server: LocalServer) -> None:
    """tool.started comes once, and before tool.finished, whatever the decision."""
    approver = {"rejected": lambda _: False, "approved": lambda _: True}[decision]
    with make(tools=[pay], approver=approver) as session:
        seen = session.events("tool.started", "tool.finished", "tool.approval_required")
        server.reply(server.call("pay", amount=5))
        session.ask("pay")
    assert [event.type for event in seen] == [
        *("tool.approval_required", "tool.started", "tool.finished")
    ]
