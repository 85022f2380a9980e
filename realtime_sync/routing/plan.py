"""The stages of a conversation as a table tells them, checked. Knows no tool, prompt or session.

The shape is that of intentional's intent router, so its tables load::

    background = "You are the voice of a small bakery."

    [stages.order]
    accessible_from = "_start_"
    goal = "Find out what the customer wants."
    tools = ["price_of"]
    outcomes.ordered = {description = "The order is clear.", move_to = "payment"}
"""

from __future__ import annotations

import os
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ConfigurationError
from ..tables import Faults, kind_of, nearest, read

__all__ = ["ALL", "BACKTRACK", "END", "PLACEHOLDERS", "START", "Outcome", "Plan", "Stage", "load"]

START: Final = "_start_"
END: Final = "_end_"
ALL: Final = "_all_"
BACKTRACK: Final = "_backtrack_"

#: What a template may name.
PLACEHOLDERS: Final = (
    *("background", "stage_name", "current_goal"),
    *("outcomes", "transitions", "intent_router_tool"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage may end, and where the conversation goes then."""

    description: str
    move_to: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `transitions`: stages that may be entered from it by their name."""

    name: str
    goal: str
    description: str
    accessible_from: tuple[str, ...]
    tools: tuple[Any, ...]
    outcomes: dict[str, Outcome]
    template: str | None
    transitions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages, in the order of the table."""

    source: str
    background: str
    template: str | None
    stages: dict[str, Stage]
    start: str


def load(config: Mapping[str, Any] | str | os.PathLike[str]) -> tuple[Plan, Faults]:
    """The stages that a table tells, and everything that is wrong with it, each with its key.

    Args:
        config: A dict, or the path of a .toml or .json file.

    Raises:
        ConfigurationError: There is no table.
    """
    if isinstance(config, Mapping):
        source, table = "router", config
    elif isinstance(config, (str, os.PathLike)):
        source, table = os.fspath(config), read(config)
    else:
        raise ConfigurationError(
            f"config: a dict, or the path of a .toml or .json file, not {type(config).__name__}"
        )
    faults = Faults(source)
    return _Reader(faults, source).plan(table), faults


class _Reader:
    """Reads a table, and goes on after each fault."""

    def __init__(self, faults: Faults, source: str) -> None:
        self._faults = faults
        self._source = source

    def plan(self, table: Mapping[str, Any]) -> Plan:
        self._faults.unknown(table, "", ("background", "template", "stages"))
        background = self._text(table, "", "background")
        template = self._template(table, "", "template")
        raw = self._table(table, "", "stages", needed=True)
        read = [self._stage(name, about) for name, about in raw.items()]
        stages = {stage.name: stage for stage in read if stage is not None}
        if not raw and isinstance(table.get("stages"), Mapping):
            self._faults.add("stages", "at least one is needed")
        start = self._start(stages) if raw else ""
        stages = {name: self._linked(stage, stages, raw) for name, stage in stages.items()}
        return Plan(self._source, background, template, stages, start)

    def _stage(self, name: Any, about: Any) -> Stage | None:
        path = f"stages.{name}"
        if not _is_name(name):
            self._faults.add(path, "the name of a stage is a line of text")
            return None
        if name.startswith("_") and name.endswith("_"):
            self._faults.add(path, "names between underscores are reserved; give it another")
        if not isinstance(about, Mapping):
            self._faults.add(path, f"a table is needed, not {kind_of(about)}")
            about = {"goal": "?"}
        known = ("goal", "description", "accessible_from", "tools", "outcomes", "template")
        self._faults.unknown(about, path, (*known, "custom_template"))
        key = "custom_template" if "custom_template" in about else "template"
        if key != "template" and "template" in about:
            self._faults.add(f"{path}.template", "custom_template is the same; leave one out")
        goal = self._text(about, path, "goal", needed=True)
        return Stage(
            name=name,
            goal=goal,
            description=self._text(about, path, "description") or goal,
            accessible_from=self._names(about, path, "accessible_from"),
            tools=self._list(about, path, "tools"),
            outcomes=self._outcomes(about, path),
            template=self._template(about, path, key),
        )

    def _outcomes(self, about: Mapping[str, Any], path: str) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for name, outcome in self._table(about, path, "outcomes").items():
            where = f"{path}.outcomes.{name}"
            if not _is_name(name):
                self._faults.add(where, "the name of an outcome is a line of text")
            elif not isinstance(outcome, Mapping):
                self._faults.add(
                    where, f'a table is needed, with "move_to", not {kind_of(outcome)}'
                )
            else:
                self._faults.unknown(outcome, where, ("description", "move_to"))
                found[name] = Outcome(
                    self._text(outcome, where, "description"),
                    self._text(outcome, where, "move_to", needed=True),
                )
        return found

    # --- how they hang together

    def _start(self, stages: Mapping[str, Stage]) -> str:
        starts = [name for name, stage in stages.items() if START in stage.accessible_from]
        if len(starts) != 1:
            which = f"these are: {', '.join(starts)}" if starts else "none is"
            self._faults.add("stages", f'one must be accessible_from = "{START}"; {which}')
        return starts[0] if starts else ""

    def _linked(self, stage: Stage, stages: Mapping[str, Stage], raw: Collection[str]) -> Stage:
        """The stage with where it leads; `raw`: all names, those of broken stages too."""
        path = f"stages.{stage.name}"
        for name in stage.accessible_from:
            self._known(f"{path}.accessible_from", name, (*raw, START, ALL))
        leads = tuple(
            other.name
            for other in stages.values()
            if other is not stage and {stage.name, ALL} & set(other.accessible_from)
        )
        for name, outcome in stage.outcomes.items():
            where = f"{path}.outcomes.{name}"
            if outcome.move_to:
                self._known(f"{where}.move_to", outcome.move_to, (*raw, END, BACKTRACK))
            if name in leads and outcome.move_to != name:
                message = (
                    f"it moves to {outcome.move_to}, but stage {name} can be entered from here"
                )
                self._faults.add(where, f"{message}, under the same name; give it another")
        fields = {name: getattr(stage, name) for name in Stage.__slots__}
        return Stage(**{**fields, "transitions": leads})

    def _known(self, path: str, name: str, known: Collection[str]) -> None:
        if name not in known:
            self._faults.add(path, f"no stage {name!r}; {nearest(name, known)}")

    # --- values

    def _text(self, table: Mapping[str, Any], path: str, key: str, needed: bool = False) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._wrong(path, key, "a text", value)
            return ""
        if needed and not value.strip():
            empty = ", not an empty one" if key in table else ""
            self._faults.add(f"{path}.{key}", f"a text is needed{empty}")
        return value.strip()

    def _table(
        self, table: Mapping[str, Any], path: str, key: str, needed: bool = False
    ) -> Mapping[Any, Any]:
        value = table.get(key, None if needed else {})
        if isinstance(value, Mapping):
            return value
        self._wrong(path, key, "a table", value)
        return {}

    def _list(self, table: Mapping[str, Any], path: str, key: str) -> tuple[Any, ...]:
        value = table.get(key, ())
        if isinstance(value, (list, tuple)):
            return tuple(value)
        self._wrong(path, key, "a list", value)
        return ()

    def _names(self, table: Mapping[str, Any], path: str, key: str) -> tuple[str, ...]:
        value = table.get(key, ())
        if isinstance(value, str):
            return (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            return tuple(value)
        self._wrong(path, key, "the name of a stage, or a list of names", value)
        return ()

    def _template(self, table: Mapping[str, Any], path: str, key: str) -> str | None:
        text = self._text(table, path, key)
        where = f"{path}.{key}" if path else key
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as exc:
            self._faults.add(where, f"{exc}; a brace that is meant as such is written twice")
            return None
        for _, name, form, conversion in parts:
            if name is not None and name not in PLACEHOLDERS:
                there = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
                self._faults.add(where, f"no placeholder {{{name}}}; there are: {there}")
            elif form or conversion:  # it may ask for a gigabyte, or fail when it is filled in
                self._faults.add(where, f"{{{name}}} stands alone, without : or !")
        return text or None

    def _wrong(self, path: str, key: str, wanted: str, value: Any) -> None:
        where = f"{path}.{key}" if path else key
        but = "" if value is None else f", not {kind_of(value)}"
        self._faults.add(where, f"{wanted} is needed{but}")


def _is_name(name: Any) -> bool:
    """Whether it can stand in a list that the model reads, a line each."""
    return isinstance(name, str) and bool(name.strip()) and name.isprintable()
