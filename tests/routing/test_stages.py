from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync import McpTool, Tool, ToolContext
from realtime_sync.errors import ConfigurationError, ToolError
from realtime_sync.events.local import ConversationEnded, StageChanged
from realtime_sync.routing import Router, StageRouter
from realtime_sync.tools import as_tools

from .conftest import Driver

Drive = Callable[[Router], Driver]


def price(drink: str) -> float:
    """A price."""
    return 2.5


def stock(drink: str) -> int:
    """A stock."""
    return 7


def hours() -> str:
    """Opening hours."""
    return "8 to 6"


def never() -> None:
    """Named by no stage."""


def names(router: StageRouter) -> list[str]:
    return [tool.name for tool in router.setting().tools]


def choices(router: StageRouter) -> list[str]:
    tool = next(t for t in router.setting().tools if t.name == "classify_response")
    found: list[str] = tool.to_wire()["parameters"]["properties"]["outcome"]["enum"]
    return found


def test_outcomes_move_on(bakery: dict[str, Any], drive: Drive) -> None:
    """An outcome leads to its stage, with that stage's prompt and ways out."""
    router = StageRouter(bakery)
    driver = drive(router)
    assert choices(router) == ["ordered", "nothing", "question"]
    assert driver.call("classify_response", outcome="ordered") == {"stage": "payment"}
    assert router.stage == "payment"
    assert choices(router) == ["paid", "changed", "question", "complaint"]
    assert "Have it paid." in router.instructions
    changed = StageChanged(from_stage="order", to_stage="payment", outcome="ordered")
    assert driver.events == [changed]


def test_an_unknown_outcome_is_answered(bakery: dict[str, Any], drive: Drive) -> None:
    """The model reads which there are; nothing changes, however often it is wrong."""
    router = StageRouter(bakery)
    driver = drive(router)
    for outcome in ("paid", "payment", "", "_end_", "Ordered"):
        said = driver.call("classify_response", outcome=outcome)
        assert said["error"]["type"] == "tool_error"
        assert said["error"]["message"] == (
            f"no outcome {outcome!r} in stage order; there are: ordered, nothing, question"
        )
    assert (router.stage, driver.events) == ("order", [])


def test_backtracking(bakery: dict[str, Any], drive: Drive) -> None:
    """Stages that are entered by their name go back to where the conversation came from."""
    router = StageRouter(bakery)
    driver = drive(router)
    for outcome, stage, stack in (
        ("ordered", "payment", ()),
        ("question", "question", ("payment",)),
        ("complaint", "complaint", ("payment", "question")),
        ("calm", "question", ("payment",)),
        ("answered", "payment", ()),
    ):
        assert driver.call("classify_response", outcome=outcome) == {"stage": stage}
        assert (router.stage, router.stack) == (stage, stack)


def test_backtracking_from_nowhere(bakery: dict[str, Any], drive: Drive) -> None:
    """With nothing to go back to, it goes to the start."""
    bakery["stages"]["payment"]["outcomes"]["changed"]["move_to"] = "_backtrack_"
    router = StageRouter(bakery)
    driver = drive(router)
    driver.call("classify_response", outcome="ordered")
    assert driver.call("classify_response", outcome="changed") == {"stage": "order"}


def test_the_end(bakery: dict[str, Any], drive: Drive) -> None:
    """At the end there is one tool, which ends; then all begins again, with nothing left over."""
    router = StageRouter(bakery)
    driver = drive(router)
    for outcome in ("ordered", "question", "complaint", "calm", "answered", "paid"):
        driver.call("classify_response", outcome=outcome)
    assert (router.stage, names(router)) == ("_end_", ["end_conversation"])
    assert "Say goodbye" in router.instructions
    assert router.outcomes == ()
    with pytest.raises(ToolError, match="the conversation is over"):
        router.step("ordered")
    assert driver.call("end_conversation") == {"conversation": "ended"}
    assert (router.stage, router.stack) == ("order", ())
    path = ("order", "payment", "question", "complaint", "question", "payment")
    assert driver.events[-1] == ConversationEnded(path=path)


def test_an_end_too_early(bakery: dict[str, Any]) -> None:
    """A call of a tool that is not there any more is answered."""
    with pytest.raises(ToolError, match="is in stage order; it goes on"):
        StageRouter(bakery).end()


def test_the_end_drops_what_is_left_to_go_back_to(bakery: dict[str, Any], drive: Drive) -> None:
    """A conversation that ends deep inside leaves no stack to the next one."""
    bakery["stages"]["question"]["outcomes"]["bye"] = {"move_to": "_end_"}
    router = StageRouter(bakery)
    driver = drive(router)
    driver.call("classify_response", outcome="question")
    driver.call("classify_response", outcome="bye")
    assert router.stack == ("order",)
    driver.call("end_conversation")
    assert router.stack == ()


def test_reset(bakery: dict[str, Any], drive: Drive) -> None:
    """reset() goes to the start by itself."""
    router = StageRouter(bakery)
    drive(router).call("classify_response", outcome="question")
    assert repr(router) == "<StageRouter in question of order, payment, question, complaint>"
    router.reset()
    assert (router.stage, router.stack) == ("order", ())


def test_a_stage_without_a_way_out(drive: Drive) -> None:
    """It has no tool to move on by, and its prompt does not speak of one."""
    router = StageRouter({"stages": {"chat": {"accessible_from": "_start_", "goal": "Chat."}}})
    drive(router)
    assert names(router) == []
    assert "classify_response" not in router.instructions


def test_nobody_drives(bakery: dict[str, Any]) -> None:
    """Called without a session, the tool answers with an error."""
    router = StageRouter(bakery)
    router.bind(())
    (tool,) = router.setting().tools
    assert isinstance(tool, Tool)
    assert "there is no conversation" in tool.invoke('{"outcome": "ordered"}').output


# --- tools


def test_tools_of_stages(bakery: dict[str, Any]) -> None:
    """A stage's tools are functions of its own, or names of the router's or the session's tools.

    Tools that no stage names are given back: they are there in every stage.
    """
    stages = bakery["stages"]
    stages["order"]["tools"] = ["price", stock]
    stages["payment"]["tools"] = ["price", "hours", "server"]
    router = StageRouter(bakery, tools=[price, never])
    server = McpTool("server", server_url="https://example.com/mcp")

    def always() -> None:
        """Of every stage."""

    left = router.bind(as_tools([hours, server, always]))
    assert [tool.name for tool in left] == ["never", "always"]
    assert names(router) == ["price", "stock", "classify_response"]
    router.take(router.step("ordered"))
    assert names(router) == ["price", "hours", "server", "classify_response"]


def test_faults_of_tools_at_once(bakery: dict[str, Any]) -> None:
    """Tools that are missing, or there twice, are told at once, when the session is made."""
    stages = bakery["stages"]
    stages["order"]["tools"] = ["price", "pirce"]
    stages["payment"]["tools"] = ["refund", stock]
    router = StageRouter(bakery, tools=[price])
    with pytest.raises(ConfigurationError) as raised:
        router.bind(as_tools([stock, price, Tool(hours, name="end_conversation")]))
    assert str(raised.value).splitlines() == [
        "router: 5 faults",
        "  tools: both session and router have a tool 'price'",
        "  tools: 'end_conversation' is the router's own tool; rename yours",
        "  stages.order.tools: no tool 'pirce'; there are: price, stock, end_conversation",
        "  stages.payment.tools: no tool 'refund'; there are: price, stock, end_conversation",
        "  stages.payment.tools: 'stock' is the name of a tool of the session, too",
    ]


# --- any way through


@given(st.data())
def test_any_way_through(data: st.DataObject) -> None:
    """Whatever the model says, the router stands where a table of its moves says it does."""
    table = {
        "a": {"on": "b", "c": "c", "stop": "_end_"},
        "b": {"back": "_backtrack_", "on": "a", "c": "c"},
        "c": {"back": "_backtrack_", "on": "a"},
    }
    stages = {
        name: {
            "goal": "g",
            "outcomes": {o: {"move_to": t} for o, t in outcomes.items() if o != "c"},
        }
        for name, outcomes in table.items()
    }
    stages["a"]["accessible_from"] = "_start_"
    stages["c"]["accessible_from"] = "_all_"
    router = StageRouter({"stages": deepcopy(stages)})
    router.bind(())
    here, stack = "a", []
    for said in data.draw(st.lists(st.sampled_from(["on", "c", "back", "stop", "?"]))):
        if here == "_end_":
            router.take(router.end())
            here, stack = "a", []
        elif said not in table[here]:
            with pytest.raises(ToolError):
                router.step(said)
        else:
            router.take(router.step(said))
            target = table[here][said]
            if said == "c":
                stack.append(here)
            if target == "_backtrack_":
                target = stack.pop() if stack else "a"
            here = target
        assert (router.stage, router.stack) == (here, tuple(stack))
        assert json.dumps([tool.to_wire() for tool in router.setting().tools])
        context = ToolContext("call", "x")
        assert context.session is None
