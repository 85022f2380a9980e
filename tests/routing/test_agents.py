from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError, ToolError
from realtime_sync.events.local import AgentHandoff
from realtime_sync.routing import Agent, AgentRouter, Router
from realtime_sync.tools import as_tools

from .conftest import Driver

Drive = Callable[[Router], Driver]


def bill() -> float:
    """The last bill."""
    return 7.5


@pytest.fixture
def front() -> Agent:
    """A front desk, which can hand over to billing, which can hand back."""
    billing = Agent("billing", "You know bills.", [bill], description="Questions about bills.")
    front = Agent("front desk", "You find out what it is about.", handoffs=[billing])
    billing.handoffs.append(front)
    return front


def test_a_hand_over(front: Agent, drive: Drive) -> None:
    """The agent's tools are its own, and those to hand over; a call of one hands over."""
    router = AgentRouter(front)
    driver = drive(router)
    (tool,) = router.setting().tools
    assert tool.to_wire()["name"] == "transfer_to_billing"
    assert "billing: Questions about bills." in tool.to_wire()["description"]
    assert driver.call("transfer_to_billing", reason="a bill") == {"agent": "billing"}
    assert router.agent.name == "billing"
    assert router.setting().instructions == "You know bills."
    assert [t.name for t in router.setting().tools] == ["bill", "transfer_to_front_desk"]
    told = AgentHandoff(from_agent="front desk", to_agent="billing", arguments={"reason": "a bill"})
    assert driver.events == [told]
    assert driver.call("transfer_to_front_desk") == {"agent": "front desk"}
    assert repr(router) == "<AgentRouter, front desk talks>"
    assert [repr(agent) for agent in router.agents] == ["<Agent front desk>", "<Agent billing>"]


def test_reset(front: Agent, drive: Drive) -> None:
    """reset() gives the conversation back to the first agent."""
    router = AgentRouter(front)
    drive(router).call("transfer_to_billing")
    router.reset()
    assert router.agent is front


def test_instructions_of_the_moment() -> None:
    """A function is asked whenever the agent takes over."""
    texts = iter(["first", "second"])
    router = AgentRouter(Agent("one", lambda: next(texts)))
    assert [router.setting().instructions for _ in range(2)] == ["first", "second"]


def test_instructions_that_are_awaited() -> None:
    """The function may be `async def`."""

    async def said() -> str:
        return "You know bills."

    assert AgentRouter(Agent("billing", said)).setting().instructions == "You know bills."


def test_names_in_other_scripts() -> None:
    """Each agent has a tool of its own, whatever it is called."""
    router = AgentRouter(Agent("前台", handoffs=[Agent("账单"), Agent("客服"), Agent("Küche")]))
    names = [tool.name for tool in router.setting().tools]
    assert names == ["transfer_to_4kr785k", "transfer_to_ubtq9x", "transfer_to_K_che"]


@pytest.mark.parametrize("given", [bill, "bill", 7, None, Agent("other")])
@pytest.mark.parametrize("name", ["tools", "handoffs"])
def test_what_is_no_list(name: str, given: Any) -> None:
    """It is refused at once, by its name."""
    with pytest.raises(TypeError, match=f"{name}: a list is needed, not"):
        Agent("billing", **{name: given})


def test_instructions_that_are_no_text() -> None:
    """What a function returns is checked."""
    fn: Any = lambda: None  # noqa: E731
    with pytest.raises(TypeError, match="agent one: instructions are a text, not None"):
        AgentRouter(Agent("one", fn)).setting()


def test_nobody_hands_over_to_a_stranger(front: Agent) -> None:
    """Only to those in `handoffs`."""
    with pytest.raises(ToolError, match="front desk does not hand over to other"):
        AgentRouter(front).step(Agent("other"))


def test_all_faults_at_once(front: Agent) -> None:
    """Whatever is wrong with any agent that can be reached is told at once."""
    billing = front.handoffs[0]
    wrong: Any = 7
    front.instructions = wrong
    billing.instructions = lambda context: "x"  # type: ignore[misc,assignment]  # the test
    billing.tools.append(int)
    billing.handoffs.append(Agent("front-desk"))
    billing.handoffs.append(Agent("front/desk"))
    with pytest.raises(ConfigurationError) as raised:
        AgentRouter(front)
    lines = str(raised.value).splitlines()
    assert lines[0] == "agents: 4 faults"
    assert "  front desk.instructions: a text or a function, not int" in lines
    assert "  billing.instructions: a function without arguments is needed" in lines
    assert "  front/desk: an agent is called 'front desk'; give it another name" in lines
    assert any(line.startswith("  billing.tools: a tool is a function") for line in lines)


def test_what_is_no_agent(front: Agent) -> None:
    """It is told where it stands."""
    wrong: Any = "billing"
    front.handoffs += [wrong, Agent(" ")]
    with pytest.raises(ConfigurationError) as raised:
        AgentRouter(front)
    assert str(raised.value).splitlines() == [
        "agents: 2 faults",
        "  front desk.handoffs: an Agent is needed, not str",
        "  front desk.handoffs: the name of an agent is a text, not ' '",
    ]


def test_tools_of_the_session(front: Agent) -> None:
    """They are there for every agent; a name may be taken once only."""
    router = AgentRouter(front)

    def clock() -> str:
        """The time."""
        return "noon"

    assert [tool.name for tool in router.bind(as_tools([clock]))] == ["clock"]
    with pytest.raises(ConfigurationError, match=r"billing.tools: tools with the same name: bill"):
        router.bind(as_tools([bill]))
