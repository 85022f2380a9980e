"""A function as a tool: still a function, and something the wire understands."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Annotated

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.tools import Outcome, Tool, ToolContext, tool


@tool
def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@tool(name="minus", description="Takes away.", timeout=None, needs_approval=True, serial=True)
def subtract(a: int, b: int) -> int:
    return a - b


class Counter:
    def __init__(self) -> None:
        self.count = 0

    @tool(timeout=5, serial=True)
    def up(self, by: int = 1) -> int:
        """Counts."""
        self.count += by
        return self.count


def test_a_decorated_function_is_a_tool_and_a_function():
    """Calls pass through; name, docstring and signature stay the function's."""
    assert isinstance(add, Tool)
    assert add(2) == 3
    assert add(2, b=5) == 7
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert repr(add) == "<Tool add(a, b)>"


def test_options_are_kept():
    """What the decorator was given, and the defaults."""
    assert (add.timeout, add.needs_approval, add.serial) == (60, False, False)
    assert (subtract.timeout, subtract.needs_approval, subtract.serial) == (None, True, True)
    assert (subtract.name, subtract.description) == ("minus", "Takes away.")


def test_the_wire_form():
    """Type, name, description and parameters, flat; a fresh dict each time."""
    expected = {
        "type": "function",
        "name": "add",
        "description": "Adds.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
            "required": ["a"],
            "additionalProperties": False,
        },
    }
    assert add.to_wire() == expected
    add.to_wire()["parameters"]["properties"].clear()
    assert add.to_wire() == expected
    assert Tool(lambda: 0, name="bare").to_wire() == {
        "type": "function",
        "name": "bare",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def test_a_call_runs_the_function():
    """invoke reads, calls and writes."""
    assert add.invoke('{"a": 2}').output == "3"
    assert subtract.invoke('{"a": 2, "b": "1"}').output == "1"


def test_a_tool_of_a_class_is_bound_by_its_instance():
    """counter.up is a tool without self, with the same options; Counter.up still needs it."""
    counter = Counter()
    assert not Counter.up.bound
    assert counter.up.bound
    assert counter.up.name == "up"
    assert (counter.up.timeout, counter.up.serial, counter.up.description) == (5, True, "Counts.")
    assert list(counter.up.parameters["properties"]) == ["by"]
    assert counter.up(2) == 2
    assert counter.up.invoke('{"by": 3}').output == "5"
    assert counter.count == 5


def test_a_tool_kept_as_a_class_attribute_stays_itself():
    """A tool that needs no self is not bound to anything."""

    class Box:
        plus = add

    assert Box().plus is add


def test_a_tool_of_a_tool():
    """Wrapping a tool again renames it."""
    again = Tool(add, name="plus", timeout=3)
    assert (again.name, again.timeout, again.description) == ("plus", 3, "Adds.")
    assert again.parameters == add.parameters
    assert again.invoke('{"a": 1}').output == "2"


def test_the_functions_attributes_do_not_overwrite_the_tools():
    """fn.name is the function's own affair."""

    def marked() -> None: ...

    marked.name = "other"  # type: ignore[attr-defined]  # that is the point
    assert Tool(marked).name == "marked"


@pytest.mark.parametrize("name", ["", "with space", "ä", "x" * 65, "a.b", "line\n", 3])
def test_a_name_that_the_wire_refuses_is_refused(name):
    """1 to 64 letters, digits, _ and -; a lambda needs a name given."""
    with pytest.raises(ConfigurationError, match="name="):
        tool(name=name)(lambda: 0)
    with pytest.raises(ConfigurationError, match="name="):
        tool(lambda: 0)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "60"])
def test_a_timeout_that_cannot_be_is_refused(timeout):
    """Seconds above zero, or None."""
    with pytest.raises(ConfigurationError, match="timeout is seconds"):
        Tool(add.fn, timeout=timeout)


def test_the_context_is_given_and_not_told():
    """A parameter with the hint ToolContext is filled in; the model neither sees nor sets it."""
    seen: list[object] = []

    def look(
        a: int,
        context: ToolContext,
        same: ToolContext | None = None,
        again: Annotated[ToolContext, "x"] = None,  # type: ignore[assignment]  # what people write
    ) -> int:
        seen.extend([context, same, again])
        return a

    found = Tool(look)
    assert list(found.parameters["properties"]) == ["a"]
    given = ToolContext("call_1", "look")
    assert found.invoke('{"a": 1}', given).output == "1"
    assert seen == [given] * 3
    assert found.invoke('{"a": 1}').output == "1"
    assert "context: Extra" in found.invoke('{"a": 1, "context": {}}').output
    given.cancelled.set()
    assert repr(given) == "<ToolContext of look call_1, cancelled>"


def test_a_coroutine_ends_when_it_is_abandoned(caplog):
    """The context's owner may end a coroutine that waits; a plain function only reads the event.

    Nothing has failed, and no log says so.
    """
    context, began = ToolContext(), threading.Event()

    async def sleep() -> None:
        began.set()
        await asyncio.sleep(60)

    outcomes: list[Outcome] = []
    waiting = Tool(sleep)
    thread = threading.Thread(target=lambda: outcomes.append(waiting.run({}, context)))
    thread.start()
    assert began.wait(15)
    context._abandon()
    thread.join(5)
    assert context.cancelled.is_set()
    assert outcomes[0].error == "tool_failed: CancelledError"
    assert not caplog.records
    context._abandon()


def test_a_coroutine_that_begins_too_late():
    """What nobody waits for any more when it begins ends where it first waits, and once: its own
    clean-up is let end."""
    context, cleaned = ToolContext(), []

    async def sleep() -> None:
        try:
            await asyncio.sleep(15)
        finally:
            context._abandon()
            await asyncio.sleep(0.01)
            cleaned.append("up")

    context._abandon()
    assert Tool(sleep).run({}, context).error == "tool_failed: CancelledError"
    assert cleaned == ["up"]


def test_whether_a_call_needs_approval():
    """A bool, or a function of the arguments with their defaults; when it raises: yes."""

    def pay(amount: float, currency: str = "EUR") -> None: ...

    asked: list[dict[str, object]] = []

    def above(arguments: dict[str, object]) -> bool:
        asked.append(arguments)
        return float(arguments["amount"]) > 10  # type: ignore[arg-type]  # is a number

    paying = Tool(pay, needs_approval=above)
    assert not paying.awaits_approval({"amount": 1.0})
    assert paying.awaits_approval({"amount": 11.0, "currency": "USD"})
    assert asked == [{"amount": 1.0, "currency": "EUR"}, {"amount": 11.0, "currency": "USD"}]
    assert Tool(pay, needs_approval=True).awaits_approval({})
    assert not Tool(pay).awaits_approval({})


@pytest.mark.parametrize("needed", [True, False])
def test_approval_may_be_awaited(needed):
    """An `async def` decides as a function does."""

    async def decide(arguments: dict[str, object]) -> bool:
        await asyncio.sleep(0)
        return needed

    assert Tool(lambda: 0, name="f", needs_approval=decide).awaits_approval({}) is needed


def test_approval_in_doubt(caplog):
    """What needs_approval raises is logged, and means yes."""
    assert Tool(lambda: 0, name="f", needs_approval=lambda a: a["x"]).awaits_approval({})
    assert "needs_approval of tool f raised" in caplog.text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"needs_approval": "yes"}, "needs_approval is True"),
        ({"retries": -1}, "retries is a number"),
        ({"description": 3}, "description is text"),
        ({"retries": True}, "retries is a number"),
        ({"retries": 1.5}, "retries is a number"),
    ],
)
def test_options_that_cannot_be_are_refused(options, reason):
    """The message names the tool, the option and what would do."""
    with pytest.raises(ConfigurationError, match=reason):
        Tool(add.fn, **options)


def test_errors_are_exposed_where_it_is_asked_for():
    """expose_errors: the model reads what the function raised."""

    def fail() -> None:
        raise ValueError("no such row")

    assert "no such row" not in Tool(fail).invoke("").output
    assert "ValueError: no such row" in Tool(fail, expose_errors=True).invoke("").output
