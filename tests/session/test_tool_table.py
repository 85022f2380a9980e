"""Whatever happens to a call: one output, and one reply.

The rows that need a server of which every frame is written are in `test_tool_links`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import (
    NoReply,
    RealtimeSession,
    Tool,
    ToolContext,
    ToolError,
    ToolRetry,
    tool,
)
from realtime_sync.local import LocalServer
from realtime_sync.local.answers import Call
from realtime_sync.tools.call import MAX_ARGUMENTS, MAX_OUTPUT

from .conftest import Opener

LIMIT = 15.0
LATE = threading.Event()  # never set: what waits for it waits until its end is told


@pytest.fixture(params=["ga", "beta"])
def server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    """An embedded server that speaks either dialect."""
    with LocalServer(speed=None, voice="tones", dialect=request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    """Lets tools go that a test has left waiting, so that close() need not wait for them."""
    LATE.clear()
    yield
    LATE.set()


def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        """Fails."""
        raise error

    return fail


def returning(value: Any, **options: Any) -> Tool[..., Any]:
    return Tool(lambda: value() if callable(value) else value, name="give", **options)


async def breaks() -> None:
    """Fails in a loop."""
    raise KeyError("x")


@tool(timeout=0.05)
def hangs() -> str:
    """Takes its time."""
    LATE.wait(LIMIT)
    return "late"


def generated() -> Iterator[int]:
    yield 1


def kind_of(output: str) -> str:
    """The kind of an error, or the output itself."""
    try:
        return str(json.loads(output)["error"]["type"])
    except (ValueError, TypeError, KeyError):
        return output


def outputs(server: LocalServer) -> Counter[tuple[str, str]]:
    """What the model got, by call id."""
    items = [e["item"] for e in server.received if e["type"] == "conversation.item.create"]
    return Counter(
        (i["call_id"], kind_of(i["output"])) for i in items if i["type"] == "function_call_output"
    )


def creates(server: LocalServer) -> int:
    return [event["type"] for event in server.received].count("response.create")


def settled(session: RealtimeSession) -> None:
    """Returns when the server has answered everything that was sent so far."""
    session.input_audio_buffer.clear()


TABLE: dict[str, tuple[Any, Call, str]] = {
    "unknown name": (add, Call("fly", "{}"), "unknown_tool"),
    "empty JSON": (add, Call("add", ""), "invalid_arguments"),
    "blank JSON, none needed": (returning("ok"), Call("give", "  "), "ok"),
    "invalid JSON": (add, Call("add", '{"a": '), "invalid_arguments"),
    "JSON that is no object": (add, Call("add", "[1, 2]"), "invalid_arguments"),
    "a JSON null": (add, Call("add", "null"), "invalid_arguments"),
    "deeply nested JSON": (add, Call("add", "[" * 20_000), "invalid_arguments"),
    "missing argument": (add, Call("add", '{"b": 1}'), "invalid_arguments"),
    "surplus argument": (add, Call("add", '{"a": 1, "c": 1}'), "invalid_arguments"),
    "mistyped argument": (add, Call("add", '{"a": "one"}'), "invalid_arguments"),
    "too many arguments": (
        add,
        Call("add", '{"a": ' + "1" * MAX_ARGUMENTS + "}"),
        "invalid_arguments",
    ),
    "an expression": (add, Call("add", "__import__('os')"), "invalid_arguments"),
    "exception": (raising(ValueError("secret")), Call("fail", "{}"), "tool_failed"),
    "ToolError": (raising(ToolError("no seat")), Call("fail", "{}"), "tool_error"),
    "ToolRetry": (raising(ToolRetry("which one?")), Call("fail", "{}"), "retry"),
    "SystemExit": (raising(SystemExit(1)), Call("fail", "{}"), "tool_failed"),
    "KeyboardInterrupt": (raising(KeyboardInterrupt()), Call("fail", "{}"), "tool_failed"),
    "async tool that raises": (breaks, Call("breaks", "{}"), "tool_failed"),
    "timeout": (hangs, Call("hangs", "{}"), "timeout"),
    "None": (returning(None), Call("give", "{}"), "null"),
    "generator": (returning(generated), Call("give", "{}"), "invalid_result"),
    "unserialisable result": (returning(object), Call("give", "{}"), "invalid_result"),
    "non-ASCII": (returning({"ö": "日"}), Call("give", "{}"), '{"ö":"日"}'),
    "approval that nobody handles": (
        returning("ran", needs_approval=True),
        Call("give", "{}"),
        "rejected",
    ),
}


@pytest.mark.row("F46", "B16", bound="one output a call")
@pytest.mark.parametrize("row", TABLE)
def test_every_call_has_one_output_and_one_reply(
    row: str, make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the model calls and the tool does: one output, one reply, and the next turn goes."""
    given, call, expected = TABLE[row]
    with make(tools=[given, Tool(add, name="plus")]) as session:
        server.reply(call, "the reply", server.call("plus", a=1), "two")
        response = session.ask("go")
        assert response.text == "the reply"
        settled(session)
        assert [(kind, n) for (_, kind), n in outputs(server).items()] == [(expected, 1)]
        assert creates(server) == 2
        assert "secret" not in str(server.received)
        assert session.ask("again").text == "two"
        LATE.set()  # close() would wait for it


@pytest.mark.row("F46", bound="32 KiB")
def test_an_oversized_result_is_cut(make: Opener, server: LocalServer) -> None:
    """Of ten megabytes 32 KiB and a notice."""
    with make(tools=[returning("x" * 10_000_000)]) as session:
        server.reply(server.call("give"), "ok")
        assert session.ask("go").text == "ok"
        settled(session)
        ((_, output),) = outputs(server)
        assert len(output) <= MAX_OUTPUT
        assert output.endswith("[cut: this is the beginning of 10000000 bytes]")


def test_a_hanging_coroutine_is_ended(make: Opener, server: LocalServer) -> None:
    """An async tool whose time is over is cancelled in its own loop: no thread is left behind."""
    import asyncio

    ended = threading.Event()

    @tool(timeout=0.05)
    async def sleeps() -> None:
        """Sleeps."""
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with make(tools=[sleeps]) as session:
        server.reply(server.call("sleeps"), "ok")
        assert session.ask("go").text == "ok"
        assert ended.wait(LIMIT)
        settled(session)
        assert [kind for _, kind in outputs(server)] == ["timeout"]


@pytest.mark.parametrize("how", ["refused", "timed out", "by the approver", "approver raises"])
def test_a_call_that_is_not_approved(
    how: str, make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not run; the model is told so, and goes on."""
    ran: list[int] = []

    @tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Pays."""
        ran.append(amount)
        return "paid"

    def approver(event: Any) -> Any:
        if how == "approver raises":
            raise ValueError("no")
        return "too much"

    options: dict[str, Any] = {"tools": [pay]}
    if how in ("by the approver", "approver raises"):
        options["approver"] = approver
    if how == "timed out":
        options["approval_timeout"] = 0.05
    session = make(**options)
    if how == "refused":
        session.on("tool.approval_required", lambda e: session.reject(e.call_id, "too much"))
    if how == "timed out":
        session.on("tool.approval_required", lambda e: None)
    with session:
        server.reply(server.call("pay", amount=5), "a pity")
        assert session.ask("pay").text == "a pity"
        settled(session)
        assert [kind for _, kind in outputs(server)] == ["rejected"]
        assert creates(server) == 2
        assert ran == []
        item = next(i for i in session.conversation.items if i.type == "function_call_output")
        assert item.output is not None
        if how in ("refused", "by the approver"):
            assert "too much" in item.output


def test_an_approved_call_runs(make: Opener, server: LocalServer) -> None:
    """Its time begins with the approval; the decision counts once."""

    @tool(needs_approval=lambda arguments: arguments["amount"] > 10, timeout=0.5)
    def pay(amount: int) -> str:
        """Pays."""
        return f"paid {amount}"

    with make(tools=[pay]) as session, session.expect("tool.approval_required") as asked:
        server.reply([server.call("pay", amount=5), server.call("pay", amount=50)], "done")
        future = session.submit("pay")
        event = asked.result(timeout=LIMIT)
        assert (event.name, event.arguments) == ("pay", {"amount": 50})
        time.sleep(0.6)  # longer than its time: that has not begun
        assert session.approve(event.call_id)
        assert not session.approve(event.call_id)
        assert not session.reject(event.call_id)
        assert not session.approve("call_unknown")
        assert future.result(LIMIT).text == "done"
        settled(session)
        assert sorted(kind for _, kind in outputs(server)) == ["paid 5", "paid 50"]


def test_approved_for_always(make: Opener, server: LocalServer) -> None:
    """always=True approves what waits and what comes; other tools still ask."""

    @tool(needs_approval=True)
    def pay(amount: int) -> int:
        """Pays."""
        return amount

    @tool(needs_approval=True)
    def leave() -> None:
        """Leaves."""

    with make(tools=[pay, leave]) as session, session.events("tool.approval_required") as asked:
        server.reply([server.call("pay", amount=n) for n in range(3)], "paid")
        future = session.submit("pay")
        waiting = [next(asked) for _ in range(3)]
        assert session.approve(waiting[1].call_id, always=True)
        assert future.result(LIMIT).text == "paid"
        assert not session.approve(waiting[0].call_id)
        server.reply([server.call("pay", amount=9), server.call("leave")], "gone")
        future = session.submit("again")
        left = next(asked)
        assert left.name == "leave"
        assert session.reject(left.call_id)
        assert future.result(LIMIT).text == "gone"


def test_the_approver_is_asked_one_after_the_other(make: Opener, server: LocalServer) -> None:
    """On a thread of its own: a handler may be faster, and the first decision counts."""
    asking = threading.Lock()
    names: list[str] = []

    def approver(event: Any) -> bool:
        assert asking.acquire(blocking=False)
        names.append(threading.current_thread().name)
        asking.release()
        return bool(event.arguments["n"] % 2)

    @tool(needs_approval=True)
    def do(n: int) -> int:
        """Does."""
        return n

    with make(tools=[do], approver=approver) as session:
        server.reply([server.call("do", n=n) for n in range(6)], "done")
        assert session.ask("go").text == "done"
        settled(session)
        kinds = sorted(kind for _, kind in outputs(server))
        assert kinds == ["1", "3", "5", "rejected", "rejected", "rejected"]
        assert len(names) == 6
        assert all(name.startswith("realtime-tool-") for name in names)


def test_no_reply(make: Opener, server: LocalServer) -> None:
    """One output, and no reply."""
    with make(tools=[returning(NoReply("noted"))]) as session:
        server.reply(server.call("give"))
        session.ask("go")
        settled(session)
        assert [kind for _, kind in outputs(server)] == ["noted"]
        assert creates(server) == 1


def test_a_tool_that_is_removed_meanwhile(make: Opener, server: LocalServer) -> None:
    """The last tool goes while the model calls it: unknown, said so, and the model goes on."""
    with make(tools=[add]) as session:
        server.script.hold(after=1)
        server.reply(server.call("add", a=1), "sorry")
        with session.expect("response.function_call_arguments.delta") as calling:
            future = session.submit("go")
            calling.result(timeout=LIMIT)
        session.tools.remove("add")
        server.script.release()
        assert future.result(LIMIT).text == "sorry"
        settled(session)
        assert [kind for _, kind in outputs(server)] == ["unknown_tool"]


def test_given_up(make: Opener, server: LocalServer) -> None:
    """Who gives a turn up: what runs is told, what has not begun is not begun; no reply follows."""
    told, begun = threading.Event(), threading.Event()
    count: list[int] = []

    def wait(n: int, context: ToolContext) -> str:
        """Waits."""
        count.append(n)
        begun.set()
        assert context.cancelled.wait(LIMIT)
        assert context.session is session
        told.set()
        return "stopped"

    with make(tools=[wait], tool_threads=1) as session:
        server.reply([server.call("wait", n=n) for n in range(3)], "never", "next")
        with session.events("tool.finished") as finished:
            with session.stream("go"):
                assert begun.wait(LIMIT)
            for _ in range(3):
                next(finished)
        assert told.is_set()
        assert session.ask("else").text == "never"
        settled(session)
        assert Counter(kind for _, kind in outputs(server)) == {"stopped": 1, "cancelled": 2}
        assert count == [0]


def test_session_closed(make: Opener, server: LocalServer) -> None:
    """The tool is told, its result is dropped; its thread is joined."""
    begun, told = threading.Event(), threading.Event()

    def wait(context: ToolContext) -> str:
        """Waits."""
        begun.set()
        told.set() if context.cancelled.wait(LIMIT) else None
        return "dropped"

    session = make(tools=[wait]).open()
    server.reply(server.call("wait"))
    future = session.submit("go")
    assert begun.wait(LIMIT)
    session.close()
    assert told.is_set()
    assert future.exception(LIMIT) is not None
    assert not outputs(server)


def test_wrong_again_and_again(make: Opener, server: LocalServer) -> None:
    """After `retries` wrong calls in a turn the model is told to give up; a right one forgives."""

    @tool(retries=1)
    def guess(n: int) -> str:
        """Guesses."""
        if n != 3:
            raise ToolRetry(f"{n} is wrong")
        return "right"

    calls = [Call("guess", '{"n": 1}'), Call("guess", "{}"), server.call("guess", n=3)]
    with make(tools=[guess]) as session:
        server.reply(*calls, server.call("guess", n=2), "done")
        assert session.ask("go").text == "done"
        told = [i.output for i in session.conversation.items if i.type == "function_call_output"]
        assert ["do not call this tool again" in (text or "") for text in told] == [
            False,
            True,
            False,
            False,
        ]
        assert "call the tool again" in (told[0] or "")
        assert "call the tool again" in (told[3] or "")
