"""Conversations as jobs: what the user says, or who he is, and what is expected. No session."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from ..errors import ConfigurationError
from .job import JobId

__all__ = ["Check", "Conversation", "Turn", "conversations"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says, and what is to come of it.

    Attributes:
        say: The text; None: `audio` says it.
        audio: Path of a sound file, where the worker runs.
        tools: Calls that are expected, in any order: a name, or {"name": …, "arguments": {…}} of
            which the call's must hold at least these. An empty list: no call at all. None: any.
        text: Patterns (regular expressions, letter case aside) that the answer has to hold.
        never: Patterns that it must not hold.
        within: Seconds within which the answer has to begin: its first text, or first words of
            what is spoken.

    Raises:
        ConfigurationError: A value is of another type.
    """

    say: str | None = None
    audio: str | None = None
    tools: Sequence[str | Mapping[str, Any]] | None = None
    text: Sequence[str] = ()
    never: Sequence[str] = ()
    within: float | None = None

    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name, (said, fits) in _TURN.items():
            if not fits(getattr(self, name)):
                raise ConfigurationError(f"{name}: {said}, not {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to be held.

    Attributes:
        id: Of the job.
        turns: What the user says, one after the other.
        user: Who the user is and what he wants, told to a model that then speaks for him, behind
            `turns` if there are any.
        max_turns: How often that user speaks at most.
        expect: What has to come of the conversation as a whole: `tools`, `text` and `never` of it
            are looked for in all answers, `within` holds for each.

    Raises:
        ConfigurationError: Nobody says anything, a pattern is none, or a value is of another type.
    """

    id: JobId
    turns: Sequence[Turn] = ()
    user: str | None = None
    max_turns: int = 8
    expect: Turn | None = None

    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name, (said, fits) in _CONVERSATION.items():
            if not fits(getattr(self, name)):
                raise ConfigurationError(
                    f"job {self.id!r}: {name}: {said}, not {getattr(self, name)!r}"
                )
        if not self.turns and not self.user:
            raise ConfigurationError(f"job {self.id!r}: turns or user: somebody has to speak")
        if type(self.max_turns) is not int or self.max_turns < 1:
            raise ConfigurationError(f"job {self.id!r}: max_turns: a number from 1 on")
        for turn in self.turns:
            if turn.say is None and turn.audio is None:
                raise ConfigurationError(f"job {self.id!r}: a turn needs say or audio")
        for turn in (*self.turns, *([self.expect] if self.expect else ())):
            for pattern in (*turn.text, *turn.never):
                try:
                    re.compile(pattern)
                except re.error as exc:
                    raise ConfigurationError(
                        f"job {self.id!r}: {pattern!r} is no regular expression: {exc}"
                    ) from exc

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Conversation:
        """One from JSON: the attributes' names; a turn may be the text that is said.

        Raises:
            ConfigurationError: There is no such attribute, or a value cannot be.
        """
        given = _known(cls, told, f"job {told.get('id')!r}")
        if "id" not in given:
            raise ConfigurationError("a conversation needs an id")
        where = f"job {told['id']!r}"
        turns = given.pop("turns", None)
        if not isinstance(turns, (list, tuple, type(None))):
            raise ConfigurationError(f"{where}: turns: a list of turns, not {turns!r}")
        given["turns"] = tuple(
            _turn(one, f"{where}: turns[{n}]") for n, one in enumerate(turns or ())
        )
        if given.get("expect") is not None:
            if not isinstance(given["expect"], (Mapping, Turn)):
                raise ConfigurationError(f"{where}: expect: an object, not {given['expect']!r}")
            given["expect"] = _turn(given["expect"], f"{where}: expect")
        return cls(**given)


def _text(value: Any) -> bool:
    return isinstance(value, (str, type(None)))


def _patterns(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def _call(value: Any) -> bool:
    if isinstance(value, Mapping):
        arguments = value.get("arguments")
        named = isinstance(value.get("name"), str)
        return named and (arguments is None or isinstance(arguments, Mapping))
    return isinstance(value, str)


def _seconds(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return value is None or (isinstance(value, (int, float)) and 0 <= value < math.inf)


_Kind: TypeAlias = tuple[str, Callable[[Any], bool]]
#: What each attribute may be, in words, and whether a value is that.
_TURN: dict[str, _Kind] = {
    "say": ("a text", _text),
    "audio": ("a path", lambda value: _text(value) or isinstance(value, os.PathLike)),
    "tools": (
        'a list of names, or of {"name": ..., "arguments": {...}}',
        lambda value: (
            value is None or (isinstance(value, (list, tuple)) and all(map(_call, value)))
        ),
    ),
    "text": ("a list of patterns", _patterns),
    "never": ("a list of patterns", _patterns),
    "within": ("seconds, a number from 0 on", _seconds),
}
_CONVERSATION: dict[str, _Kind] = {
    "id": (
        "a text or a whole number",
        lambda value: type(value) is int or (isinstance(value, str) and value != ""),
    ),
    "turns": (
        "a list of turns",
        lambda value: (
            isinstance(value, (list, tuple)) and all(isinstance(one, Turn) for one in value)
        ),
    ),
    "user": ("a text", _text),
    "expect": ("a Turn", lambda value: value is None or isinstance(value, Turn)),
}


def _turn(told: Any, where: str) -> Turn:
    if isinstance(told, Turn):
        return told
    if isinstance(told, str):
        return Turn(told)
    if not isinstance(told, Mapping):
        raise ConfigurationError(f"{where}: a turn is a text or an object, not {told!r}")
    given = _known(Turn, told, where)
    for name in ("text", "never", "tools"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    try:
        return Turn(**given)
    except ConfigurationError as exc:
        raise ConfigurationError(f"{where}: {exc}") from None


def _known(kind: type, told: Mapping[str, Any], where: str) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    wrong = [name for name in told if name not in names]
    if wrong:
        raise ConfigurationError(f"{where}: no {wrong[0]!r}; there are {', '.join(names)}")
    return dict(told)


def conversations(path: str | os.PathLike[str]) -> list[Conversation]:
    """The conversations in a file of JSON lines.

    ::

        {"id": 1, "turns": ["Hello!", {"say": "How much is tea?", "tools": ["price"]}]}
        {"id": 2, "user": "You want your money back.", "expect": {"text": "refund"}}

    Raises:
        ConfigurationError: A line is no conversation, or there is none; says which and why.
        OSError: The file cannot be read.
    """
    found = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                told = json.loads(line.decode("utf-8-sig"))
                if not isinstance(told, dict):
                    raise ValueError("it is no object")
                found.append(Conversation.of(told))
            except (ValueError, TypeError, RecursionError) as exc:
                raise ConfigurationError(f"{os.fspath(path)}, line {number}: {exc}") from exc
    if not found:
        raise ConfigurationError(
            f"{os.fspath(path)}: no conversation in it; it needs a line of JSON for each, such as"
            ' {"id": 1, "turns": ["Hello!"]}'
        )
    return found


# --- scores


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was expected.

    Attributes:
        what: In words.
        passed: Whether it came.
    """

    what: str
    passed: bool

    __hash__ = None  # type: ignore[assignment]


def checks(
    expected: Turn, text: str, calls: Sequence[Mapping[str, Any]], first: Sequence[float | None]
) -> list[Check]:
    """What was expected of an answer, or of all, and what of it came.

    Args:
        expected: What was.
        text: What was said.
        calls: name and arguments of each call.
        first: Seconds until each answer began; None: it never did.
    """
    found = [*_of_tools(expected.tools, calls)]
    for pattern in expected.text:
        found.append(Check(f"text: {pattern}", bool(re.search(pattern, text, re.IGNORECASE))))
    for pattern in expected.never:
        said = bool(re.search(pattern, text, re.IGNORECASE))
        found.append(Check(f"never: {pattern}", not said))
    if expected.within is not None:
        most = expected.within
        passed = all(one is not None and one <= most for one in first)
        found.append(Check(f"within: {most:g} s", passed))
    return found


def _of_tools(
    expected: Sequence[str | Mapping[str, Any]] | None, calls: Sequence[Mapping[str, Any]]
) -> Iterable[Check]:
    if expected is None:
        return
    if not expected:
        yield Check("tools: none", not calls)
    left = list(calls)
    for wanted in expected:
        asked = {"name": wanted} if isinstance(wanted, str) else dict(wanted)
        match = next((call for call in left if _holds(call, asked)), None)
        if match is not None:
            left.remove(match)
        said = asked.get("arguments")
        arguments = f" {json.dumps(said, ensure_ascii=False)}" if said else ""
        yield Check(f"tool: {asked.get('name')}{arguments}", match is not None)


def _holds(call: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    if call["name"] != asked.get("name"):
        return False
    given = call["arguments"] if isinstance(call["arguments"], dict) else {}
    return all(given.get(name) == value for name, value in (asked.get("arguments") or {}).items())
