"""The interface is one: the same tools, routers and handlers in every kind of session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pipe import LIMIT, Task, gate

from realtime_sync import (
    Agent,
    NoReply,
    StageRouter,
    ToolContext,
    ToolError,
    ToolRetry,
    items,
    tool,
)
from realtime_sync.calling import Calling
from realtime_sync.errors import ConfigurationError, RealtimeError, ResponseFailed, SessionClosed
from realtime_sync.local import LocalServer

from .kinds import KINDS, Make
from .test_routing import BAKERY, price_of


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, server: LocalServer) -> Iterator[Make]:
    """Makes sessions of one kind; they are closed at the end."""
    made: list[Calling] = []

    def new(**arguments: Any) -> Calling:
        made.append(KINDS[request.param](server, **arguments))
        return made[-1]

    yield new
    for session in made:
        session.close()


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def texts(session: Calling) -> list[str | None]:
    """What was said, without calls and outputs."""
    return [item.text for item in session.conversation.items if item.type == "message"]


def outputs(session: Calling) -> list[str | None]:
    """What calls were answered with."""
    there = session.conversation.items
    return [item.output for item in there if item.type == "function_call_output"]


# --- turns


def test_ask(make: Make, server: LocalServer) -> None:
    """ask() gives the last response of the turn; both sides stand in the conversation."""
    server.reply("Good day.")
    session = make(instructions="Be brief.")
    response = session.ask("Hello!")
    assert (response.text, response.status, response.done) == ("Good day.", "completed", True)
    assert response.usage is not None
    assert session.usage.responses == 1
    assert texts(session) == ["Hello!", "Good day."]
    assert [item.role for item in session.conversation.items] == ["user", "assistant"]


def test_stream_and_rounds(make: Make, server: LocalServer) -> None:
    """stream() gives the text of all responses, rounds() all items."""
    for _ in range(2):
        server.reply(["One moment.", server.call("add", a=1, b=2)], "It is 3.")
    session = make(tools=[add])
    stream = session.stream("1 + 2?")
    assert "".join(stream) == "One moment.It is 3."
    assert stream.response is not None
    assert stream.response.text == "It is 3."
    given = [(item.type, item.text or item.output) for item in session.rounds("And again?")]
    assert given == [
        ("message", "One moment."),
        ("function_call", None),
        ("function_call_output", "3"),
        ("message", "It is 3."),
    ]


def test_submit_and_callbacks(make: Make, server: LocalServer) -> None:
    """submit() is a future, whose callbacks run where those of events do."""
    server.reply("Hi.")
    session = make()
    threads: list[str] = []
    done = threading.Event()

    def note(_: Any) -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 2:
            done.set()

    session.on("response.done", note)
    future = session.submit("Hello!")
    future.add_done_callback(note)
    assert future.result(LIMIT).text == "Hi."
    assert done.wait(LIMIT)
    assert threads == ["realtime-dispatcher"] * 2


def test_events(make: Make, server: LocalServer) -> None:
    """A turn with a tool is told by the same events, in the same order."""
    server.reply(server.call("add", a=1, b=2), "It is 3.")
    session = make(tools=[add])
    kinds = ("response.created", "response.done", "tool.*", "turn.*")
    with session.events(*kinds, timeout=LIMIT) as events:
        session.ask("1 + 2?")
        told = [next(events).type for _ in range(8)]
    assert told == [
        *("response.created", "turn.started", "response.done", "tool.started", "tool.finished"),
        *("response.created", "response.done", "turn.ended"),
    ]


def test_events_of_a_call(make: Make, server: LocalServer) -> None:
    """tool.started and tool.finished say what was called, and what came of it."""
    server.reply(server.call("add", a=1, b=2), "It is 3.")
    session = make(tools=[add])
    with session.expect("tool.started") as started, session.expect("tool.finished") as finished:
        session.ask("1 + 2?")
    begun, over = started.result(timeout=LIMIT), finished.result(timeout=LIMIT)
    assert (begun.name, begun.arguments) == ("add", {"a": 1, "b": 2})
    assert (over.name, over.output, over.error) == ("add", "3", None)
    assert begun.call_id == over.call_id


def test_deltas_reach_handlers(make: Make, server: LocalServer) -> None:
    """on("response.output_text.delta") hears every piece of the text."""
    server.reply("Once upon a time there was a wizard.")
    session = make(dispatcher="manual")
    pieces: list[str] = []
    session.on("response.output_text.delta", lambda event: pieces.append(event.delta))
    session.ask("A story!")
    # the answer may be there before its events are handed over
    while "".join(pieces) != "Once upon a time there was a wizard.":
        assert session.pump(LIMIT)


def test_a_failed_response(make: Make, server: LocalServer) -> None:
    """A response that fails raises a typed error, and the session lives."""
    server.reply(RuntimeError("out of order"), "Hi.")
    session = make()
    with pytest.raises((ResponseFailed, RealtimeError), match="out of order"):
        session.ask("Hello!")
    assert session.ask("Hello!").text == "Hi."


def test_nobody_asks_twice(make: Make, server: LocalServer) -> None:
    """Turns of many threads go one after the other, each with its own answer."""
    session = make()
    asking = [Task(session.ask, f"echo {n}") for n in range(8)]
    for number, task in enumerate(asking):
        assert f"echo {number}" in task.result().text
    said = texts(session)
    for question, answer in zip(said[::2], said[1::2], strict=True):
        assert str(question) in str(answer)


def test_history_goes_round(make: Make, server: LocalServer) -> None:
    """What export() gives, history= takes: the same items under the same ids."""
    server.reply(server.call("add", a=1, b=2), "It is 3.")
    session = make(tools=[add], history=["Hello.", items.assistant("Hi.")])
    session.ask("1 + 2?")
    again = make(tools=[add], history=session.conversation.export())
    again.ask("And now?")
    before = [(i.id, i.type, i.text, i.output) for i in session.conversation.items]
    after = [(i.id, i.type, i.text, i.output) for i in again.conversation.items]
    assert after[: len(before)] == before
    assert len(before) == 6


def test_the_conversation(make: Make, server: LocalServer) -> None:
    """Items can be created and deleted between turns."""
    session = make()
    first = session.conversation.create("First.")
    session.conversation.create(items.system("It rains."), previous_item_id="root")
    assert texts(session) == ["It rains.", "First."]
    session.conversation.delete(first.id or "")
    assert texts(session) == ["It rains."]
    with pytest.raises(RealtimeError):
        session.conversation.delete("item_of_nobody")


def test_closed(make: Make) -> None:
    """A closed session stays closed."""
    session = make()
    session.ask("Hello!")
    with session.expect("connection.closed") as closed:
        session.close()
    assert closed.result(timeout=LIMIT).error is None
    with pytest.raises(SessionClosed):
        session.ask("Hello?")


# --- tools


def test_parallel_calls(make: Make, server: LocalServer) -> None:
    """Calls of one response run side by side; one reply follows, outputs in call order."""
    both = threading.Barrier(2)

    def meet(who: str) -> str:
        """Meets the other one."""
        both.wait(LIMIT)
        return f"{who} was there"

    calls = [server.call("meet", who="Ada"), server.call("meet", who="Bob")]
    server.reply(calls, "They met.")
    session = make(tools=[meet])
    assert session.ask("Meet!").text == "They met."
    assert outputs(session) == ["Ada was there", "Bob was there"]
    assert session.usage.responses == 2


def test_what_goes_wrong_in_a_tool(make: Make, server: LocalServer) -> None:
    """Every call is answered: the model reads what is meant for it, and nothing else."""

    def refuse() -> None:
        """Refuses."""
        raise ToolError("not on Sundays")

    def fail() -> None:
        """Breaks."""
        raise RuntimeError("a secret")

    calls = [server.call("refuse"), server.call("fail"), server.call("nobody")]
    server.reply([*calls, server.call("add", a="x")], "Sorry.")
    session = make(tools=[refuse, fail, add])
    assert session.ask("All of it!").text == "Sorry."
    refused, failed, unknown, wrong = outputs(session)
    assert "not on Sundays" in str(refused)
    assert "tool_failed" in str(failed)
    assert "a secret" not in str(failed)
    assert "no tool 'nobody'; there are: add, fail, refuse" in str(unknown)
    assert "invalid_arguments" in str(wrong)


def test_a_retry_has_an_end(make: Make, server: LocalServer) -> None:
    """ToolRetry asks the model to correct its call, as often as the tool says."""

    @tool(retries=1)
    def guess(number: int) -> str:
        """Guesses."""
        raise ToolRetry("too low")

    server.reply(*[server.call("guess", number=n) for n in range(2)], "I give up.")
    session = make(tools=[guess])
    assert session.ask("Guess!").text == "I give up."
    first, second = outputs(session)
    assert "correct this and call the tool again" in str(first)
    assert "do not call this tool again" in str(second)


def test_a_tool_takes_too_long(make: Make, server: LocalServer) -> None:
    """After its time the model is told; the tool is told, too, and its result is dropped."""
    told = threading.Event()
    with gate() as door:

        @tool(timeout=0.05)
        def dawdle(context: ToolContext) -> str:
            """Dawdles."""
            assert context.cancelled.wait(LIMIT)
            told.set()
            door()
            return "at last"

        server.reply(server.call("dawdle"), "Too late.")
        session = make(tools=[dawdle])
        assert session.ask("Dawdle!").text == "Too late."
        assert told.wait(LIMIT)
    assert "has not returned within 0.05 s" in str(outputs(session)[0])


def test_the_context(make: Make, server: LocalServer) -> None:
    """A tool knows its call and its session, and may ask the model something itself."""
    seen: list[tuple[str, str, bool]] = []

    def think(context: ToolContext) -> str:
        """Thinks."""
        seen.append((context.name, context.call_id, context.session is session))
        thought: str = context.session.ask("What do you think?").text
        return thought

    server.reply(server.call("think"), "Green.", "Green it is.")
    session = make(tools=[think])
    assert session.ask("Which colour?").text == "Green it is."
    ((name, call_id, same),) = seen
    assert (name, same) == ("think", True)
    assert call_id
    assert outputs(session) == ["Green."]


@pytest.mark.parametrize("how", ["approved", "rejected", "approver", "nobody"])
def test_approval(make: Make, server: LocalServer, how: str) -> None:
    """A call that needs approval waits for it; nobody there to give it: it is rejected."""
    paid: list[int] = []

    @tool(needs_approval=lambda arguments: arguments["euros"] > 5)
    def pay(euros: int) -> str:
        """Pays."""
        paid.append(euros)
        return "paid"

    server.reply([server.call("pay", euros=1), server.call("pay", euros=100)], "Well.")
    approver = (lambda event: event.arguments["euros"] < 50) if how == "approver" else None
    session = make(tools=[pay], approver=approver)
    if how == "approved":
        session.on("tool.approval_required", lambda event: session.approve(event.call_id))
    elif how == "rejected":
        session.on("tool.approval_required", lambda e: session.reject(e.call_id, "too much"))
    assert session.ask("Pay!").text == "Well."
    assert sorted(paid) == ([1, 100] if how == "approved" else [1])
    said = {"approved": "paid", "rejected": "too much", "approver": "not approved"}
    assert said.get(how, "nobody was there") in str(outputs(session)[1])


def test_no_reply(make: Make, server: LocalServer) -> None:
    """NoReply hands the value over, and ends the turn."""

    def note(text: str) -> NoReply:
        """Notes something."""
        return NoReply("noted")

    server.reply(["I note it.", server.call("note", text="x")], "Noted, as I said.")
    session = make(tools=[note])
    answered = lambda event: event.item.type == "function_call_output"  # noqa: E731
    with session.expect("conversation.item.added", answered) as added:
        assert session.ask("Note x!").text == "I note it."
    assert added.result(timeout=LIMIT).item.output == "noted"
    assert outputs(session) == ["noted"]
    assert session.usage.responses == 1
    assert session.ask("And?").text == "Noted, as I said."


def test_max_rounds(make: Make, server: LocalServer) -> None:
    """After so many rounds one last response runs without tools."""
    server.reply(*[server.call("add", a=n, b=0) for n in range(2)], "Enough.")
    session = make(tools=[add])
    assert session.ask("Go on!", max_rounds=2).text == "Enough."
    assert outputs(session) == ["0", "1"]


def test_serial_tools(make: Make, server: LocalServer) -> None:
    """Calls of a serial tool run one after the other."""
    running: list[int] = []
    most: list[int] = []

    @tool(serial=True)
    def work(number: int) -> int:
        """Works."""
        running.append(number)
        most.append(len(running))
        running.remove(number)
        return number

    server.reply([server.call("work", number=n) for n in range(4)], "Done.")
    session = make(tools=[work])
    session.ask("Work!")
    assert outputs(session) == ["0", "1", "2", "3"]
    assert most == [1, 1, 1, 1]


def test_tools_come_and_go(make: Make, server: LocalServer) -> None:
    """tools.add() and tools.remove() hold from the next response on."""
    session = make()
    session.tools.add(add)
    assert session.tools.names == ("add",)
    server.reply(server.call("add", a=1, b=2), "It is 3.")
    session.ask("1 + 2?")
    session.tools.remove("add")
    assert session.tools.names == ()
    server.reply(server.call("add", a=1, b=2), "It was 3.")
    session.ask("And again?")
    assert outputs(session)[0] == "3"
    assert "unknown_tool" in str(outputs(session)[1])
    with pytest.raises(KeyError):
        session.tools.remove("add")
    session.update(tools=[add, price_of])
    assert session.tools.names == ("add", "price_of")
    with pytest.raises(ConfigurationError, match="same name"):
        session.tools.add(add)


def test_a_guardrail(make: Make, server: LocalServer) -> None:
    """A guardrail reads what the model says."""
    server.reply("The password is swordfish.")
    session = make()

    @session.guardrail(every_chars=1)
    def no_password(text: str) -> str | None:
        return "a password" if "swordfish" in text else None

    with session.expect("guardrail.tripped") as tripped:
        response = session.ask("The password?")
    event = tripped.result(timeout=LIMIT)
    assert (event.response_id, event.reason) == (response.id, "a password")


# --- stages


def test_stages(make: Make, server: LocalServer) -> None:
    """A router moves the conversation on; the reply comes from the new stage."""
    server.reply(server.call("price_of", cake="plum"), "It is 4.20.")
    server.reply(server.call("classify_response", outcome="ordered"), "Please pay.")
    server.reply(server.call("classify_response", outcome="paid"), "")
    router = StageRouter(BAKERY)
    session = make(tools=[price_of], router=router, instructions="Be brief.")
    assert session.ask("How much?").text == "It is 4.20."
    assert router.stage == "order"
    assert session.tools.names == ("price_of", "classify_response")
    with session.expect("stage.changed") as changed:
        assert session.ask("I take it.").text == "Please pay."
    event = changed.result(timeout=LIMIT)
    assert (event.from_stage, event.to_stage, event.outcome) == ("order", "payment", "ordered")
    assert router.stage == "payment"
    assert session.tools.names == ("classify_response",)
    assert "Have it paid." in str(session.config.instructions)
    assert str(session.config.instructions).startswith("Be brief.\n\n")
    assert texts(session)[-2:] == ["I take it.", "Please pay."]


def test_a_wrong_outcome(make: Make, server: LocalServer) -> None:
    """An outcome that there is not leaves the stage, and the model may try again."""
    server.reply(server.call("classify_response", outcome="nonsense"))
    server.reply(server.call("classify_response", outcome="ordered"), "Please pay.")
    router = StageRouter(BAKERY)
    session = make(tools=[price_of], router=router)
    with session.events("tool.finished", timeout=LIMIT) as finished:
        assert session.ask("I take it.").text == "Please pay."
        first: Any = next(finished)
        second: Any = next(finished)
    assert "no outcome 'nonsense' in stage order; there are: ordered" in first.output
    assert second.error is None
    assert router.stage == "payment"


def test_the_end_of_a_conversation(make: Make, server: LocalServer) -> None:
    """At its end a conversation says goodbye, and begins anew."""
    server.reply(server.call("classify_response", outcome="ordered"))
    server.reply(server.call("classify_response", outcome="paid"))
    server.reply(["Goodbye!", server.call("end_conversation")], "Welcome!")
    router = StageRouter(BAKERY)
    session = make(tools=[price_of], router=router)
    with session.expect("conversation.ended") as ended:
        assert session.ask("I take it, and pay.").text == "Goodbye!"
    assert ended.result(timeout=LIMIT).path == ("order", "payment")
    assert router.stage == "order"
    assert session.ask("Hello!").text == "Welcome!"
    assert session.tools.names == ("price_of", "classify_response")


def test_agents(make: Make, server: LocalServer) -> None:
    """One agent hands over to another."""
    billing = Agent("billing", "You know bills.", tools=[price_of])
    front = Agent("front", "You greet.", handoffs=[billing])
    server.reply(server.call("transfer_to_billing", reason="a bill"), "Here is your bill.")
    session = make(router=front)
    with session.expect("agent.handoff") as handed:
        assert session.ask("My bill?").text == "Here is your bill."
    event = handed.result(timeout=LIMIT)
    assert (event.from_agent, event.to_agent) == ("front", "billing")
    assert session.tools.names == ("price_of",)
    assert session.config.instructions == "You know bills."
