"""Every call is answered, and the model sees no more than it should."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import itertools
import json
import logging

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from realtime_sync.tools import NoReply, Outcome, Tool, ToolError, ToolRetry
from realtime_sync.tools.call import MAX_ARGUMENTS, MAX_OUTPUT


class Colour(str, enum.Enum):
    RED = "red"


class Point(BaseModel):
    x: int


@dataclasses.dataclass
class Pair:
    a: int
    b: str


class Picky(BaseModel):
    word: str

    @field_validator("word")
    @classmethod
    def _never(cls, word: str) -> str:
        raise RuntimeError("secret of the validator")


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def add(a: int, b: int = 1) -> int:
    return a + b


def error_of(outcome: Outcome) -> dict[str, str]:
    return json.loads(outcome.output)["error"]


def returning(value):
    return Tool(lambda: value, name="give").invoke("{}")


def raising(error):
    def fail():
        raise error

    return Tool(fail).invoke("")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{", "Invalid JSON"),
        ("nonsense", "Invalid JSON"),
        ("[1]", "object"),
        ("null", "object"),
        ("7", "object"),
        ("", "a: Field required"),
        ("  ", "a: Field required"),
        ("{}", "a: Field required"),
        ('{"a": 1, "c": 2}', "c: Extra inputs are not permitted"),
        ('{"p0": 1}', "p0: Extra"),
        ('{"a": "one"}', "a: Input should be a valid integer"),
        ('{"a": null}', "a: Input should be a valid integer"),
        ('{"a": 1.5}', "a: Input should be a valid integer"),
        ('{"a": "\ud800"}', "Invalid JSON"),
        ("[" * 60_000, "Invalid JSON"),
        ('{"a": "' + "x" * MAX_ARGUMENTS + '"}', "at most 65536"),
    ],
)
def test_bad_arguments_are_answered_with_their_reason(arguments, reason):
    """The function is not called; the model reads in short what was wrong."""
    calls: list[int] = []

    def note(a: int, b: int = 1) -> None:
        calls.append(a)

    outcome = Tool(note).invoke(arguments)
    assert error_of(outcome)["type"] == "invalid_arguments"
    assert reason in error_of(outcome)["message"]
    assert outcome.error is not None
    assert reason in outcome.error
    assert len(outcome.output) < 1_000
    assert outcome.respond
    assert not calls


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_python_alone_takes_for_json_is_refused(number):
    """Also where a parameter takes any value."""

    def note(a): ...

    outcome = Tool(note).invoke(f'{{"a": [{number}]}}')
    assert "Invalid JSON" in error_of(outcome)["message"]


def test_many_problems_are_counted():
    """Five problems are named, the rest is a number."""
    message = error_of(Tool(add).invoke(json.dumps({f"x{i}": i for i in range(50)})))["message"]
    assert message.endswith("; and 46 more")


@settings(max_examples=60, deadline=None)
@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_arguments_are_answered(arguments):
    """Whatever text comes, one outcome with text that UTF-8 can carry."""
    outcome = Tool(add).invoke(arguments)
    outcome.output.encode()
    assert outcome.error is not None


MEAN = '{"mean":0.5,"all":[[0,1],[2,3]]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is: ü", "as it is: ü"),
        ("", ""),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        (float("nan"), "null"),
        ({"ä": [1, None]}, '{"ä":[1,null]}'),
        ((1, 2), "[1,2]"),
        (Point(x=1), '{"x":1}'),
        (Pair(1, "ß"), '{"a":1,"b":"ß"}'),
        ([Point(x=1), Pair(2, "c")], '[{"x":1},{"a":2,"b":"c"}]'),
        (Colour.RED, "red"),
        ({"c": Colour.RED}, '{"c":"red"}'),
        (datetime.date(2025, 1, 2), '"2025-01-02"'),
        (b"bytes", '"bytes"'),
        (numpy.int64(3), "3"),
        ({"mean": numpy.float32(0.5), "all": numpy.arange(4).reshape(2, 2)}, MEAN),
        ("half \ud83d", "half ?"),
    ],
)
def test_results_become_text(value, text):
    """str as it is, None as null, everything else as JSON with its own letters."""
    outcome = returning(value)
    assert outcome == Outcome(text)
    assert outcome.seconds >= 0


cyclic: list[object] = []
cyclic.append(cyclic)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        numpy.int64,
        {"x": object()},
        itertools.count(),
        (i for i in "ab"),
        cyclic,
        b"\xff",
        {1: add},
    ],
)
def test_what_cannot_be_written_is_an_error_text(value):
    """Objects, endless and cyclic things: the model reads that there is no result."""
    outcome = returning(value)
    assert error_of(outcome)["type"] == "invalid_result"
    assert type(value).__name__ in error_of(outcome)["message"]


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
@pytest.mark.parametrize("extra", [-1, 0, 1, 100_000])
def test_long_results_are_cut_with_a_notice(letter, extra):
    """At most 32 KiB of UTF-8, cut between letters, with the full size named."""
    text = letter * ((MAX_OUTPUT + extra) // len(letter.encode()))
    output = returning(text).output
    assert len(output.encode()) <= MAX_OUTPUT
    if len(text.encode()) <= MAX_OUTPUT:
        assert output == text
    else:
        kept, notice = output.split("\n")
        assert text.startswith(kept)
        assert notice == f"[cut: this is the beginning of {len(text.encode())} bytes]"


@pytest.mark.parametrize(
    ("error", "kind", "message", "reason"),
    [
        (ValueError("key sk-1"), "tool_failed", "the tool failed", "ValueError: key sk-1"),
        (KeyError(), "tool_failed", "the tool failed", "KeyError"),
        (SystemExit(3), "tool_failed", "the tool failed", "SystemExit: 3"),
        (KeyboardInterrupt(), "tool_failed", "the tool failed", "KeyboardInterrupt"),
        (GeneratorExit(), "tool_failed", "the tool failed", "GeneratorExit"),
        (asyncio.CancelledError(), "tool_failed", "the tool failed", "CancelledError"),
        (RecursionError("deep"), "tool_failed", "the tool failed", "RecursionError: deep"),
        (Unsayable(), "tool_failed", "the tool failed", "Unsayable"),
        (ToolError("no {seat} left"), "tool_error", "no {seat} left", "no {seat} left"),
        (ToolError(), "tool_error", "the tool failed", ""),
        (ToolRetry("no such date"), "retry", "no such date; correct this", "no such date"),
    ],
)
def test_what_a_tool_raises_is_answered(error, kind, message, reason):
    """Only the text of a ToolError is shown; the log and the events get the rest."""
    outcome = raising(error)
    assert error_of(outcome)["type"] == kind
    assert error_of(outcome)["message"].startswith(message)
    assert outcome.error == f"{kind}: {reason}"
    assert outcome.exception is error
    assert outcome.respond
    assert "sk-1" not in outcome.output


def test_a_failure_is_logged_once_with_its_traceback(caplog):
    """WARNING with traceback for a surprise, INFO without for what was raised on purpose."""
    caplog.set_level(logging.INFO, logger="realtime_sync")
    raising(ValueError("boom"))
    raising(ToolError("on purpose"))
    assert [(r.levelname, r.exc_info is not None) for r in caplog.records] == [
        ("WARNING", True),
        ("INFO", False),
    ]


def test_a_validator_that_breaks_is_a_failed_tool():
    """A type's own validator is the user's code: its error text stays hidden."""

    def pick(picky: Picky) -> None: ...

    outcome = Tool(pick).invoke('{"picky": {"word": "x"}}')
    assert error_of(outcome) == {"type": "tool_failed", "message": "the tool failed"}


def test_a_validation_error_inside_the_tool_is_its_failure():
    """Not the model's arguments were wrong, so it is not told so."""

    def inside() -> None:
        Point.model_validate({"x": "secret"})

    assert error_of(Tool(inside).invoke(""))["type"] == "tool_failed"


async def later(value: int) -> int:
    await asyncio.sleep(0)
    if value < 0:
        raise ToolError("below zero")
    return value


class Later:
    async def __call__(self, value: int) -> int:
        return await later(value)


@pytest.mark.parametrize("fn", [later, Later(), lambda value: later(int(value))])
def test_coroutines_are_awaited(fn):
    """async def, objects with an async __call__, and functions that return a coroutine."""
    tool = Tool(fn, name="later")
    assert tool.invoke('{"value": 2}').output == "2"
    assert error_of(tool.invoke('{"value": -1}'))["message"] == "below zero"


def test_a_coroutine_within_a_running_loop_is_answered():
    """invoke on a loop's own thread cannot await; it says so, and leaves no warning behind."""

    async def main() -> Outcome:
        return Tool(later).invoke('{"value": 2}')

    outcome = asyncio.run(main())
    assert error_of(outcome)["type"] == "tool_failed"
    assert "event loop" in str(outcome.error)


def test_no_reply_hands_over_without_asking():
    """The value is written as usual; a value that cannot be written is answered after all."""
    assert returning(NoReply({"a": 1})) == Outcome('{"a":1}', respond=False)
    assert returning(NoReply()) == Outcome("null", respond=False)
    assert returning(NoReply(object())).respond


def test_a_refused_call_has_an_outcome_too():
    """What never ran is answered in the same form."""
    outcome = Outcome.refused("unknown_tool", "no tool fly; there are: walk")
    assert error_of(outcome) == {"type": "unknown_tool", "message": "no tool fly; there are: walk"}
    assert outcome.error == "unknown_tool: no tool fly; there are: walk"
