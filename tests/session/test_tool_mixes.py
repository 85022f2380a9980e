"""Any mix of calls: each has one output, in call order, and each round at most one reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from realtime_sync import NoReply, RealtimeSession, ToolContext, ToolError, ToolRetry, tool
from realtime_sync.local import LocalServer
from realtime_sync.local.answers import Call
from realtime_sync.tools.execution import MOST_ABANDONED

from .conftest import Opener

LIMIT = 10.0


def few_hang(mix: list[list[str]]) -> bool:
    """Whether no call is refused though none of those that hang has returned by then."""
    return sum(names.count("hangs") for names in mix) <= MOST_ABANDONED


def plain(n: int) -> int:
    """Counts."""
    return n


def quiet(n: int) -> NoReply:
    """Counts, and says nothing."""
    return NoReply(n)


async def awaits(n: int) -> int:
    """Counts in a loop."""
    await asyncio.sleep(0)
    return n


@tool(serial=True)
def alone(n: int) -> int:
    """Counts, alone."""
    return n


def fails(n: int) -> None:
    """Fails."""
    raise (SystemExit if n % 2 else ValueError)(n)


def tells(n: int) -> None:
    """Tells why not."""
    raise ToolError(str(n))


def again(n: int) -> None:
    """Wants another call."""
    raise ToolRetry(str(n))


@tool(timeout=0.02)
def hangs(n: int, context: ToolContext) -> int:
    """Takes its time."""
    context.cancelled.wait(LIMIT)
    return n


@tool(needs_approval=True)
def asks(n: int) -> int:
    """Needs approval, which even numbers get."""
    return n


WIRED = {"type": "function", "name": "wired", "parameters": {"type": "object", "properties": {}}}
TOOLS = [plain, quiet, awaits, alone, fails, tells, again, hangs, asks, WIRED]

#: Tool -> the output of its call number n; None: it is only reported.
OUTPUTS: dict[str, Any] = {
    **dict.fromkeys(("plain", "quiet", "awaits", "alone"), lambda n: str(n)),
    "fails": lambda n: "tool_failed",
    "tells": lambda n: "tool_error",
    "again": lambda n: "retry",
    "hangs": lambda n: "timeout",
    "asks": lambda n: "rejected" if n % 2 else str(n),
    "nowhere": lambda n: "unknown_tool",
    "broken": lambda n: "invalid_arguments",
    "wired": None,
}

rounds = st.lists(
    st.lists(st.sampled_from(sorted(OUTPUTS)), min_size=1, max_size=6), max_size=3
).filter(few_hang)


def made(name: str, n: int) -> Call:
    if name == "broken":
        return Call("plain", '{"n": ')
    return Call(name, json.dumps({"n": n}))


def kind_of(output: str) -> str:
    """The kind of an error, or the output itself."""
    try:
        return str(json.loads(output)["error"]["type"])
    except TypeError:
        return output


def foretold(mix: list[list[str]], max_rounds: int) -> tuple[list[list[str]], int]:
    """The outputs of each round, and how many responses there are."""
    outputs: list[list[str]] = []
    n = 0
    for at, names in enumerate(mix):
        ours = [(name, n + i) for i, name in enumerate(names) if OUTPUTS[name] is not None]
        n += len(names)
        if at == max_rounds:  # the last response was to make none
            outputs.append(["cancelled"] * len(ours))
            return outputs, at + 1
        outputs.append([OUTPUTS[name](number) for name, number in ours])
        if all(name == "quiet" for name, _ in ours):
            return outputs, at + 1
    return outputs, len(mix) + 1


def check_events(events: Iterator[Any]) -> None:
    """Each call is told of twice: when it starts, and when it is finished."""
    told: dict[str, list[str]] = {}
    for event in events:
        told.setdefault(event.call_id, []).append(event.type)
    assert all(types == ["tool.started", "tool.finished"] for types in told.values()), told


def run(mix: list[list[str]], max_rounds: int, threads: int) -> None:
    with LocalServer(speed=None) as server:
        session = RealtimeSession(
            endpoint=server.endpoint,
            output_modalities=["text"],
            tools=TOOLS,
            tool_threads=threads,
            approver=lambda event: event.arguments["n"] % 2 == 0,
        )
        numbers = iter(range(100))
        server.reply(*[[made(name, next(numbers)) for name in names] for names in mix], "end")
        outputs, responses = foretold(mix, max_rounds)
        with session:
            events = session.events("tool.started", "tool.finished")
            response = session.ask("go", max_rounds=max_rounds, timeout=LIMIT)
            session.input_audio_buffer.clear()  # when it is confirmed all else has arrived
            assert (response.text == "end") == (responses > len(mix))
        check_events(events)
        received = server.received
    got = [
        kind_of(event["item"]["output"])
        for event in received
        if event["type"] == "conversation.item.create" and "output" in event["item"]
    ]
    assert got == [output for of_round in outputs for output in of_round]
    creates = [event["response"] for event in received if event["type"] == "response.create"]
    assert len(creates) == responses
    last = [create.get("tool_choice") == "none" for create in creates]
    assert last == [at == max_rounds for at in range(responses)]


quietly = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
mixes = given(rounds, st.integers(0, 3), st.integers(1, 4))


@settings(quietly, max_examples=30)
@mixes
def test_any_mix(mix: list[list[str]], max_rounds: int, threads: int) -> None:
    """One output for each call of ours, in call order; one reply, unless none was asked for."""
    run(mix, max_rounds, threads)


@pytest.mark.long
@settings(quietly, max_examples=600)
@mixes
def test_any_mix_at_length(mix: list[list[str]], max_rounds: int, threads: int) -> None:
    """The same, more of it."""
    run(mix, max_rounds, threads)


def test_an_endless_name(make: Opener, server: LocalServer) -> None:
    """What the model calls is cut where it is told back to it."""
    with make(tools=[plain]) as session:
        server.reply(server.call("x" * 100_000), "no such tool")
        assert session.ask("x").text == "no such tool"
        (said,) = [i.output or "" for i in session.conversation.items if i.output is not None]
        assert "there are: plain" in said
        assert len(said) < 1000
