"""Threads of a chat: there while something is under way, and gone without being closed."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from pipe import LIMIT, Task, gate, lingering

from realtime_sync import ToolContext, tool
from realtime_sync.errors import SessionClosed
from realtime_sync.events.local import ToolStarted
from realtime_sync.runtime.clock import Deadline
from realtime_sync.runtime.dispatcher import Dispatcher
from realtime_sync.runtime.handlers import Handlers
from realtime_sync.runtime.threads import Thread
from realtime_sync.text import ChatSession, link

from .api import Api, called, chunk, held, refused, said

Chat = Callable[..., ChatSession]


def ours() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("realtime-")]


def all_end() -> None:
    """Returns once no thread of the library is left."""
    while threads := ours():  # one may start another at its end
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_no_thread_between_turns(api: Api, chat: Chat) -> None:
    """When a turn is over all threads end, of callbacks too; the next turn has them again."""
    assert ours() == []
    session = chat()
    came: list[str] = []
    session.on("response.done", lambda event: came.append(event.type))
    for count in range(1, 4):
        assert session.ask("Hello!").text == "Hello."
        all_end()
        assert len(came) == count
    session.update(temperature=0)
    all_end()
    assert session.state == "open"
    assert len(session.history) == 6


def test_a_chat_that_nobody_closes(api: Api) -> None:
    """One that is forgotten leaves no thread, and no warning: there is nothing to close."""
    session = ChatSession("gpt-text", base_url=api.url)
    session.ask("Hello!")
    all_end()
    gone = weakref.ref(session)
    del session
    gc.collect()  # a warning would be an error here
    assert gone() is None


def test_closing_one_that_sleeps(api: Api, chat: Chat) -> None:
    """close() between turns tells its callbacks and its watchers, and joins them."""
    session = chat()
    told: list[str] = []
    session.on("connection.closed", lambda event: told.append(event.type))
    session.ask("Hello!")
    all_end()
    events = session.events()
    session.close(timeout=LIMIT)
    assert [event.type for event in events] == ["connection.closed"]
    assert told == ["connection.closed"]
    assert session.state == "closed"
    assert ours() == []
    session.close()


def test_a_tool_that_runs_on(api: Api, chat: Chat) -> None:
    """What ends after its turn is told all the same."""
    with gate() as door:

        @tool(timeout=0.05)
        def dawdle() -> str:
            """Dawdles."""
            door()
            return "late"

        api.plan(called(("c1", "dawdle", {})), said("Too late."))
        session = chat(tools=[dawdle])
        assert session.ask("Dawdle!").text == "Too late."
        watched = session.events("tool.started", timeout=LIMIT)
        session._connection.emit(ToolStarted(call_id="c2", name="by hand"))
        assert next(watched).call_id == "c2"
    all_end()


def test_twenty_threads_ask(api: Api, chat: Chat) -> None:
    """Each of many gets the answer to its own question, whoever else makes the session wake."""
    session = chat()

    def echo(handler: Any) -> None:
        words = handler.body["messages"][-1]["content"]
        said(f"You said: {words}")(handler)

    api.plan(*[echo] * 60)
    names = [f"{n}" for n in range(20)]
    asking = [Task(lambda n=n: [session.ask(f"{n}.{k}").text for k in range(3)]) for n in names]
    for name, task in zip(names, asking, strict=True):
        assert task.result(60) == [f"You said: {name}.{k}" for k in range(3)]
    roles = [item.role for item in session.history]
    assert roles == ["user", "assistant"] * 60
    all_end()


def test_interrupt(api: Api, chat: Chat) -> None:
    """interrupt() ends the answer at once; what has come stays, and the API is hung up on."""
    with gate() as door:
        api.plan(held(door, chunk({"content": "Once upon"}), chunk({"content": " a time"})))
        session = chat()
        stream = session.stream("A story!")
        assert next(stream) == "Once upon"
        assert next(stream) == " a time"
        with session.expect("playback.interrupted") as interrupted:
            session.interrupt()
        assert interrupted.result(timeout=LIMIT).reason == "client"
        assert list(stream) == []
        assert stream.response is not None
        assert stream.response.status == "cancelled"
        all_end()  # also the one that has read the stream: the API still holds it
    assert [item.text for item in session.history] == ["A story!", "Once upon a time"]
    assert session.ask("Go on!").text == "Hello."
    assert [m["content"] for m in api.requests[-1]["messages"]] == [
        *("A story!", "Once upon a time", "Go on!")
    ]


def test_interrupt_before_it_begins(api: Api, chat: Chat) -> None:
    """A request that the API has not answered yet is given up: the turn ends as cancelled."""
    with gate() as door:
        api.plan(held(door))
        session = chat()
        asking = Task(session.ask, "Hello?")
        door.wait()
        session.interrupt()
        assert asking.result().status == "cancelled"
        assert session.history == ()
        session.interrupt()  # nothing runs: no error
        assert session.ask("Hello!").text == "Hello."


def test_interrupt_tells_tools(api: Api, chat: Chat) -> None:
    """A tool that runs is told, and no reply follows."""
    with gate() as door:

        def wait(context: ToolContext) -> str:
            """Waits."""
            door.reached.set()
            assert context.cancelled.wait(LIMIT)
            return "told"

        api.plan(called(("c1", "wait", {})))
        session = chat(tools=[wait])
        asking = Task(session.ask, "Wait!")
        door.wait()
        session.interrupt()
        asking.result()
    assert len(api.requests) == 1
    kinds = [item.type for item in session.history]
    assert kinds == ["message", "function_call", "function_call_output"]


def test_closing_a_stream_gives_it_up(api: Api, chat: Chat) -> None:
    """The end of `with` on a stream ends the response."""
    with gate() as door:
        api.plan(held(door, chunk({"content": "Once"})))
        session = chat()
        with session.stream("A story!") as stream:
            assert next(stream) == "Once"
        assert session.ask("Hello!").text == "Hello."
        door.open()
    assert [item.text for item in session.history] == ["A story!", "Once", "Hello!", "Hello."]


def test_new_handlers_in_a_tool_thread(api: Api, chat: Chat) -> None:
    """on() works from anywhere, and once() is for one event."""
    session = chat()
    came: list[str] = []
    session.once("response.done", lambda event: came.append(event.response.id))
    session.ask("Hello!")
    session.ask("Hello!")
    all_end()
    assert len(came) == 1


@pytest.mark.parametrize("count", [2000])
def test_a_dispatcher_that_retires_loses_nothing(count: int) -> None:
    """A thread that ends the moment it has nothing to do, and starts again, runs all, in order."""
    handlers, ran, done = Handlers(), list[str](), threading.Event()
    handlers.add("tool.started", lambda event: ran.append(event.call_id))
    dispatcher = Dispatcher(handlers, "thread", linger=0)
    for number in range(count):
        dispatcher.put([ToolStarted(call_id=str(number), name="x")])
        if number % 7 == 0:
            all_end()
    dispatcher.post(done.set)
    assert done.wait(LIMIT)
    assert ran == [str(number) for number in range(count)]
    dispatcher.stop()


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "reused"])
def test_a_request_that_nobody_waits_for(api: Api, chat: Chat, used: bool) -> None:
    """One that the API has not answered ends when it is given up, and is not made again."""
    session = chat(max_retries=3)
    if used:  # its link is used again
        session.ask("Hello!")
    asked = len(api.requests)
    with gate() as door:
        api.plan(held(door))
        with session.stream("Hello?"):
            door.wait()
        all_end()  # while the API still holds it
        assert session.ask("Are you there?").text == "Hello."
    assert len(api.requests) == asked + 2


def test_a_retry_that_nobody_waits_for(api: Api, chat: Chat) -> None:
    """What is given up while the client waits to ask again is not asked for again."""
    session = chat(max_retries=3)
    api.plan(refused(500, retry_after_ms="1000"))
    with session.stream("Hello?"):
        api.wait(1)
    all_end()
    assert len(api.requests) == 1


def test_closing_while_the_api_is_mute(api: Api, chat: Chat) -> None:
    """close() ends a request that the API does not answer."""
    with gate() as door:
        api.plan(held(door))
        session = chat()
        asking = Task(session.ask, "Hello?")
        door.wait()
        session.close(timeout=LIMIT)
        assert ours() == []
        with pytest.raises(SessionClosed):
            asking.result()


def test_a_thread_that_ends_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that is over has a thread for a moment: close() leaves none."""
    late = lingering(Thread)
    monkeypatch.setattr(link, "Thread", late)
    workers = link.Workers()
    workers.start(lambda: None)
    assert late.ending.wait(LIMIT)
    workers.join(Deadline(LIMIT))
    left = ours()
    late.go.set()
    assert left == []
    workers.start(lambda: None)
    all_end()
    workers.start(lambda: None)
    assert len(workers._threads) == 1  # the others are let go of
    all_end()


def test_two_requests_at_once(api: Api, chat: Chat) -> None:
    """Giving one up does not end the other one."""
    with gate() as first, gate() as second:
        api.plan(held(first), held(second, then=said("There.")))
        session = chat()
        given_up = session.stream("Hello?")
        first.wait()
        apart = Task(
            lambda: session.response.create(conversation="none", input="Apart.", timeout=LIMIT)
        )
        second.wait()
        given_up.close()
        second.open()
        response = apart.result()
        assert response.wait(timeout=LIMIT).text == "There."
    assert session.history == ()
    assert [m["content"] for m in api.requests[1]["messages"]] == ["Apart."]
