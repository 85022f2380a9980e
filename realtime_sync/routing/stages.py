"""A conversation in stages: each with its goal, its tools and its ways out. Knows no session."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, ToolError
from ..events.base import one_line
from ..events.local import ConversationEnded, StageChanged
from ..tables import Faults
from ..tools import Tool, ToolContext, ToolEntry, as_tools
from .chart import chart
from .plan import BACKTRACK, END, Plan, Stage, load
from .prompt import END_TOOL, MOVE_TOOL, at_the_end, in_stage
from .router import Router, Setting, Step, move

__all__ = ["StageRouter"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the conversation stands.

    Attributes:
        stage: A stage of the plan, or END.
        stack: Stages to come back to, the latest last.
        path: Stages that it went through, this one included, but for END.
    """

    stage: str
    stack: tuple[str, ...]
    path: tuple[str, ...]

    def to(self, stage: str, stack: tuple[str, ...]) -> _Place:
        path = self.path if stage == END else (*self.path, stage)
        return _Place(stage, stack, path)


class StageRouter(Router):
    """Leads a conversation through stages.

    ::

        router = StageRouter("bakery.toml")
        with RealtimeSession(tools=[price_of], router=router) as session:
            ...

    A stage has a `goal`, `tools` (names of the session's or the router's tools, or in a dict the
    functions themselves), and `outcomes`: `{name: {"description": …, "move_to": …}}`. The model
    moves on by calling `classify_response` with an outcome. `move_to` names a stage; or `"_end_"`,
    where the model says goodbye and calls `end_conversation`; or `"_backtrack_"`, the stage that
    the conversation came from. It comes back from stages that were entered by their name: those
    whose `accessible_from` lists the stage it was in, or `"_all_"`. Exactly one stage is accessible
    from `"_start_"`. `background` is told in every stage; `template`, of one stage or of all, says
    how a prompt is built: `{background}`, `{stage_name}`, `{current_goal}`, `{outcomes}`,
    `{transitions}`, `{intent_router_tool}`.

    One router leads one session at a time. It stays where it is when the session closes.
    """

    def __init__(
        self, config: Mapping[str, Any] | str | os.PathLike[str], *, tools: Iterable[Any] = ()
    ) -> None:
        """See the class.

        Args:
            config: A dict, or the path of a .toml or .json file.
            tools: Tools beside those of the session; what no stage names is there in all.

        Raises:
            ConfigurationError: Everything that is wrong with it, each with its key.
            TypeError: A tool that cannot be one.
        """
        self._plan: Plan
        self._plan, faults = load(config)
        self._given = as_tools(tools)
        self._own = self._check(faults)  # stage -> its tools, some by name only
        self._tools: dict[str, tuple[ToolEntry, ...]] = {}  # of each stage, once bound
        self._place = _Place(self._plan.start, (), (self._plan.start,))

    def _check(self, faults: Faults) -> dict[str, list[str | ToolEntry]]:
        """Complain about all that is wrong, as far as it is known without a session."""
        found: dict[str, list[str | ToolEntry]] = {}
        for entry in self._given:
            _check_name(entry.name, "tools", faults)
        for name, stage in self._plan.stages.items():
            path, tools = f"stages.{name}.tools", found.setdefault(name, [])
            for given in stage.tools:
                try:
                    tools += [given] if isinstance(given, str) else as_tools([given])
                except (ConfigurationError, TypeError) as exc:
                    faults.add(path, str(exc))
            names = [one if isinstance(one, str) else one.name for one in tools]
            for twice in sorted({one for one in names if names.count(one) > 1}):
                faults.add(path, f"{twice!r} is there twice")
            for one in names:
                _check_name(one, path, faults)
        faults.check()
        for name in self._plan.stages.keys() - self._reached():
            log.warning("%s: stage %s is never reached", self._plan.source, name)
        return found

    def _reached(self) -> set[str]:
        reached, left = set(), [self._plan.start]
        while left:
            name = left.pop()
            if name in reached or name not in self._plan.stages:
                continue
            reached.add(name)
            stage = self._plan.stages[name]
            left += [*stage.transitions, *(one.move_to for one in stage.outcomes.values())]
        return reached

    # --- where it stands

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of all stages, in the order of the table."""
        return tuple(self._plan.stages)

    @property
    def stage(self) -> str:
        """Where the conversation stands: a stage, or "_end_"."""
        return self._place.stage

    @property
    def stack(self) -> tuple[str, ...]:
        """Stages that `_backtrack_` goes back to, the latest last."""
        return self._place.stack

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What the model may call `classify_response` with now: outcomes, then stages."""
        stage = self._plan.stages.get(self._place.stage)
        return _choices(stage) if stage is not None else ()

    @property
    def instructions(self) -> str:
        """What the model is told now."""
        return self._instructions(self._place.stage)

    def _instructions(self, name: str) -> str:
        stage = self._plan.stages.get(name)
        return in_stage(self._plan, stage) if stage is not None else at_the_end(self._plan)

    def reset(self) -> None:
        """Stand at the start again, with nothing to go back to.

        It does not tell a session: call it between conversations.
        """
        self._place = _Place(self._plan.start, (), (self._plan.start,))

    def to_mermaid(self) -> str:
        """The stages as a Mermaid flowchart: solid arrows are outcomes, dotted ones stages that
        are entered by their name."""
        return chart(self._plan)

    # --- for whoever drives it

    def bind(self, tools: Iterable[ToolEntry]) -> tuple[ToolEntry, ...]:
        """See `Router`."""
        entries = tuple(tools)
        faults = Faults(self._plan.source)
        known: dict[str, ToolEntry] = {}
        for entry in (*self._given, *entries):
            if entry.name in known:
                faults.add("tools", f"both session and router have a tool {entry.name!r}")
            _check_name(entry.name, "tools", faults)
            known[entry.name] = entry
        named: set[str] = set()
        bound: dict[str, tuple[ToolEntry, ...]] = {}
        for name, stage_tools in self._own.items():
            found: list[ToolEntry] = []
            for one in stage_tools:
                if not isinstance(one, str):
                    found.append(one)
                    if one.name in {entry.name for entry in entries}:
                        message = f"{one.name!r} is the name of a tool of the session, too"
                        faults.add(f"stages.{name}.tools", message)
                elif one in known:
                    found.append(known[one])
                    named.add(one)
                else:
                    message = f"no tool {one!r}; there are: {', '.join(known) or 'none'}"
                    faults.add(f"stages.{name}.tools", message)
            bound[name] = (*found, *self._way_out(self._plan.stages[name]))
        faults.check()
        self._tools = {**bound, END: (self._end_tool(),)}
        return tuple(entry for entry in (*self._given, *entries) if entry.name not in named)

    def setting(self, step: Step | None = None) -> Setting:
        """See `Router`."""
        place: _Place = self._place if step is None else step.to
        return Setting(self._instructions(place.stage), self._tools[place.stage])

    def take(self, step: Step) -> None:
        """See `Router`."""
        self._place = step.to

    def step(self, outcome: str) -> Step:
        """Where an outcome leads; nothing has changed yet.

        Raises:
            ToolError: There is no such outcome here.
        """
        here, stage = self._place, self._plan.stages.get(self._place.stage)
        if stage is None:
            raise ToolError(f"the conversation is over; call {END_TOOL}")
        if outcome in stage.outcomes:
            place = self._after(stage.outcomes[outcome].move_to)
        elif outcome in stage.transitions:
            place = here.to(outcome, (*here.stack, here.stage))
        else:
            there = ", ".join(_choices(stage))
            said = one_line(outcome)
            raise ToolError(f"no outcome '{said}' in stage {stage.name}; there are: {there}")
        event = StageChanged(from_stage=here.stage, to_stage=place.stage, outcome=outcome)
        return Step(place, {"stage": place.stage}, event)

    def _after(self, target: str) -> _Place:
        here = self._place
        if target != BACKTRACK:
            return here.to(target, here.stack)
        if not here.stack:
            return here.to(self._plan.start, ())
        return here.to(here.stack[-1], here.stack[:-1])

    def end(self) -> Step:
        """The end of the conversation: back to the start, with nothing to go back to.

        Raises:
            ToolError: The conversation is not at its end.
        """
        if self._place.stage != END:
            raise ToolError(f"the conversation is in stage {self._place.stage}; it goes on")
        place = _Place(self._plan.start, (), (self._plan.start,))
        event = ConversationEnded(path=self._place.path)
        return Step(place, {"conversation": "ended"}, event, ends=True)

    # --- the tools to move on by

    def _way_out(self, stage: Stage) -> tuple[ToolEntry, ...]:
        choices = _choices(stage)
        if not choices:
            return ()

        def classify_response(outcome: str, context: ToolContext) -> Any:
            """Move the conversation on. Call it as soon as an outcome is there.

            Args:
                outcome: Which one, of those that the instructions list.
            """
            return move(context, lambda: self.step(outcome))

        tool: Tool[..., Any] = Tool(classify_response, name=MOVE_TOOL, timeout=None, serial=True)
        # beyond the type hint: the function answers a wrong one in words that help
        tool.parameters["properties"]["outcome"]["enum"] = list(choices)
        return (tool,)

    def _end_tool(self) -> ToolEntry:
        def end_conversation(context: ToolContext) -> Any:
            """End the conversation, once you have said goodbye."""
            return move(context, self.end)

        return Tool(end_conversation, name=END_TOOL, timeout=None, serial=True)

    def __repr__(self) -> str:
        return f"<StageRouter in {self.stage} of {', '.join(self.stages)}>"


def _choices(stage: Stage) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*stage.outcomes, *stage.transitions)))


def _check_name(name: str, path: str, faults: Faults) -> None:
    if name in (MOVE_TOOL, END_TOOL):
        faults.add(path, f"{name!r} is the router's own tool; rename yours")
