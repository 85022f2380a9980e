"""Agents that hand the conversation over to each other. Know no session."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..errors import ConfigurationError, ToolError
from ..events.local import AgentHandoff
from ..tables import Faults
from ..tools import Tool, ToolContext, ToolEntry, as_tools
from ..tools.call import finished
from .router import Router, Setting, Step, move

__all__ = ["Agent", "AgentRouter"]

Instructions = str | Callable[[], str | Awaitable[str]]


class Agent:
    """One role of the model: what it is told, what it may do, and to whom it may hand over.

    ::

        billing = Agent("billing", "You know about bills.", tools=[last_bill])
        front = Agent("front desk", "You find out what it is about.", handoffs=[billing])
        billing.handoffs.append(front)
        with RealtimeSession(router=front) as session:
            ...

    Attributes:
        name: Unique among the agents that can reach each other.
        instructions: A text; or a function without arguments, `async def` too, asked whenever the
            agent takes over.
        tools: What `tools=` of a session takes.
        handoffs: Agents that it may hand over to; a list that may grow until a session is made.
        description: What other agents are told that it is for.
        voice: None: the one before. After the first audio no voice can change any more: it is left
            as it is, with a warning.
    """

    def __init__(
        self,
        name: str,
        instructions: Instructions = "",
        tools: Iterable[Any] = (),
        handoffs: Iterable[Agent] = (),
        *,
        description: str = "",
        voice: Any = None,
    ) -> None:
        self.name = name
        self.instructions = instructions
        self.tools = _listed("tools", tools)
        self.handoffs: list[Agent] = _listed("handoffs", handoffs)
        self.description = description
        self.voice = voice

    def __repr__(self) -> str:
        return f"<Agent {self.name}>"


class AgentRouter(Router):
    """Has one agent talk at a time. `RealtimeSession(router=agent)` makes one.

    Args:
        agent: The one that begins.

    Raises:
        ConfigurationError: Everything that is wrong with it and those it can reach.
    """

    def __init__(self, agent: Agent) -> None:
        self._first = self._agent = agent
        self._tools: dict[Agent, tuple[ToolEntry, ...]] = {}  # of each agent, once bound
        self.bind(())

    @property
    def agent(self) -> Agent:
        """Who talks."""
        return self._agent

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All that can be reached, the first one first."""
        return tuple(self._tools)

    def reset(self) -> None:
        """The first agent talks again; it does not tell a session."""
        self._agent = self._first

    # --- for whoever drives it

    def bind(self, tools: Iterable[ToolEntry]) -> tuple[ToolEntry, ...]:
        """See `Router`."""
        entries, faults = tuple(tools), Faults("agents")
        agents = _reachable(self._first, faults)
        faults.check()
        names: dict[str, Agent] = {}
        for agent in agents:
            _check(agent, faults)
            other = names.setdefault(_tool_name(agent), agent)
            if other is not agent:
                faults.add(agent.name, f"an agent is called {other.name!r}; give it another name")
        bound = {agent: self._bound(agent, entries, faults) for agent in agents}
        faults.check()
        self._tools = bound
        return entries

    def _bound(
        self, agent: Agent, entries: tuple[ToolEntry, ...], faults: Faults
    ) -> tuple[ToolEntry, ...]:
        try:
            own = (*as_tools(agent.tools), *(self._way_to(other) for other in agent.handoffs))
            both: list[Any] = [*entries, *own]
            as_tools(both)  # complains about names that are taken
        except (ConfigurationError, TypeError) as exc:
            faults.add(f"{agent.name}.tools", str(exc))
            return ()
        return own

    def setting(self, step: Step | None = None) -> Setting:
        """See `Router`; runs `instructions`, where that is a function."""
        agent: Agent = self._agent if step is None else step.to
        said = agent.instructions
        text = finished(said(), ToolContext(name=agent.name)) if callable(said) else said
        if not isinstance(text, str):
            raise TypeError(f"agent {agent.name}: instructions are a text, not {text!r}")
        return Setting(text, self._tools[agent], agent.voice)

    def take(self, step: Step) -> None:
        """See `Router`."""
        self._agent = step.to

    def step(self, agent: Agent, reason: str = "") -> Step:
        """A hand-over to another agent; nothing has changed yet.

        Raises:
            ToolError: The one who talks may not hand over to that one.
        """
        here = self._agent
        if agent not in here.handoffs:
            raise ToolError(f"{here.name} does not hand over to {agent.name}")
        event = AgentHandoff(
            from_agent=here.name, to_agent=agent.name, arguments={"reason": reason}
        )
        return Step(agent, {"agent": agent.name}, event)

    def _way_to(self, agent: Agent) -> ToolEntry:
        def transfer(context: ToolContext, reason: str = "") -> Any:
            """Hand the conversation over.

            Args:
                reason: Why, in a few words.
            """
            return move(context, lambda: self.step(agent, reason))

        about = f": {agent.description}" if agent.description else "."
        description = f"Hand the conversation over to {agent.name}{about}"
        return Tool(transfer, name=_tool_name(agent), description=description)

    def __repr__(self) -> str:
        return f"<AgentRouter, {self._agent.name} talks>"


def _listed(name: str, given: Any) -> list[Any]:
    if isinstance(given, str) or callable(given) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: a list is needed, not {type(given).__name__}")
    return list(given)


def _tool_name(agent: Agent) -> str:
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", agent.name)
    if not plain.strip("_-"):  # in another script
        plain = agent.name.encode("punycode").decode()
    return f"transfer_to_{plain}"[:64]


def _reachable(first: Agent, faults: Faults) -> list[Agent]:
    found: list[Agent] = []
    left: list[tuple[str, Any]] = [("", first)]
    while left:
        path, agent = left.pop(0)
        if not isinstance(agent, Agent):
            faults.add(path, f"an Agent is needed, not {type(agent).__name__}")
        elif not isinstance(agent.name, str) or not agent.name.strip():
            faults.add(path, f"the name of an agent is a text, not {agent.name!r}")
        elif agent not in found:
            found.append(agent)
            left += [(f"{agent.name}.handoffs", other) for other in agent.handoffs]
    return found


def _check(agent: Agent, faults: Faults) -> None:
    said = agent.instructions
    if not isinstance(said, str) and not callable(said):
        faults.add(f"{agent.name}.instructions", f"a text or a function, not {type(said).__name__}")
    if callable(said) and _needs_arguments(said):
        faults.add(f"{agent.name}.instructions", "a function without arguments is needed")


def _needs_arguments(fn: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fn).bind()
    except TypeError:
        return True
    except ValueError:  # of some functions in C nothing is known
        return False
    return False
