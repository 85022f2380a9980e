"""Closing a session: from any thread, bounded, and everybody is told."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from measured import Measured
from pipe import LIMIT, Line, Pipe, Task, arrived, gate, on_io, settled, until

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import SessionClosed
from realtime_sync.runtime import telling
from realtime_sync.runtime.attempt import Attempt
from realtime_sync.runtime.clock import monotonic


def threads() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime-"))


def from_main(session: RealtimeSession, _: Pipe) -> None:
    session.close()


def from_another_thread(session: RealtimeSession, _: Pipe) -> None:
    Task(session.close).result()


def from_many_threads(session: RealtimeSession, _: Pipe) -> None:
    for task in [Task(session.close) for _ in range(20)]:
        task.result()


def from_a_callback(session: RealtimeSession, pipe: Pipe) -> None:
    closed = threading.Event()

    def close(_: Any) -> None:
        session.close()
        closed.set()

    session.on("test.close", close)
    pipe.say("test.close")
    assert closed.wait(LIMIT)


def from_a_done_callback(session: RealtimeSession, pipe: Pipe) -> None:
    closed = threading.Event()

    def close(_: Any) -> None:
        session.close()
        closed.set()

    session.request({"type": "input_audio_buffer.clear"}).add_done_callback(close)
    pipe.confirm(pipe.expect("input_audio_buffer.clear"))
    assert closed.wait(LIMIT)


def from_a_tap(session: RealtimeSession, _: Pipe) -> None:
    on_io(session, session.close)


def from_the_last_callback(session: RealtimeSession, _: Pipe) -> None:
    session.on("connection.closed", lambda _: session.close())
    session.close()


def from_a_finalizer(session: RealtimeSession, _: Pipe) -> None:
    class Owner:
        def __del__(self) -> None:
            session.close()

    gc.freeze()  # what other tests have left behind takes seconds to look through
    gc.disable()  # any thread may run it by chance
    try:
        owner = Owner()
        owner.itself = owner  # type: ignore[attr-defined]  # only the collector finds it
        del owner
        gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    assert session.state == "closed"


WAYS: list[Callable[[RealtimeSession, Pipe], None]] = [
    from_main,
    from_another_thread,
    from_many_threads,
    from_a_callback,
    from_a_done_callback,
    from_a_tap,
    from_the_last_callback,
    from_a_finalizer,
]


@pytest.mark.row("F38", bound="2 s")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_from_everywhere(
    line: Line, way: Callable[[RealtimeSession, Pipe], None], measured: Measured
) -> None:
    """close() may come from any thread; the callbacks run, the last event comes, once."""
    session, pipe = line.open()
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    pipe.say("test.before")
    settled(session, pipe)
    began = monotonic()
    way(session, pipe)
    session.close()
    took = monotonic() - began
    measured(took)
    assert took < 2
    assert session.state == "closed"
    assert threads() == []
    assert seen[0] == "test.before"
    assert seen[-1] == "connection.closed"
    assert seen.count("connection.closed") == 1
    assert pipe.closed


@pytest.mark.row("F38")
def test_from_a_tool(line: Line) -> None:
    """A tool may close the session that runs it; its result is dropped."""
    ran = threading.Event()

    def hang_up() -> str:
        """Hang up."""
        box[0].close()
        ran.set()
        return "bye"

    box: list[RealtimeSession] = []
    pipe = Pipe()
    line.plan(pipe)
    session = line.session(tools=[hang_up])
    box.append(session)
    opening = Task(session.open)
    pipe.greet()
    pipe.confirm(pipe.expect("session.update"))
    opening.result()
    future = session.submit("goodbye")
    pipe.expect("conversation.item.create")
    begun = pipe.begin(pipe.expect("response.create"))
    call = {
        "id": "item_call",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "hang_up",
        "arguments": "{}",
    }
    response = {"id": begun, "status": "completed", "output": [call]}
    pipe.say({"type": "response.done", "response": response})
    assert ran.wait(LIMIT)
    with pytest.raises(SessionClosed):
        future.result(timeout=0)
    session.close()
    assert "conversation.item.create" not in pipe.types[2:]


def test_never_opened(line: Line) -> None:
    """A session that was never opened closes, and stays closed."""
    session = line.session()
    session.close()
    session.close()
    assert session.state == "closed"
    with pytest.raises(SessionClosed):
        session.open()
    with pytest.raises(SessionClosed):
        session.send({"type": "test.sent"})


def test_what_was_queued_is_sent(line: Line) -> None:
    """close() flushes what was accepted, then says goodbye."""
    session, pipe = line.open()
    for n in range(100):
        session.send({"type": "test.sent", "n": n})
    session.close()
    assert pipe.types == ["test.sent"] * 100


@pytest.mark.row("C5")
def test_nothing_is_accepted_any_more(line: Line) -> None:
    """After close() every call raises SessionClosed."""
    session, _ = line.open()
    session.close()
    calls: list[Callable[[], Any]] = [
        lambda: session.send({"type": "test.sent"}),
        lambda: session.request({"type": "input_audio_buffer.clear"}),
        lambda: session.ask("hello"),
        lambda: session.submit("hello"),
        lambda: session.stream("hello"),
        lambda: session.update(instructions="x"),
        lambda: session.response.create(),
        lambda: session.input_audio_buffer.append(bytes(10)),
        lambda: session.wait_for("*"),
        lambda: session.expect("*"),
        lambda: session.events(),
        lambda: session.open(),
    ]
    for call in calls:
        with pytest.raises(SessionClosed):
            call()


@pytest.mark.parametrize("timeout", [0, 0.05, 0.4])
def test_a_mute_peer(line: Line, timeout: float, caplog: pytest.LogCaptureFixture) -> None:
    """A peer that has gone mute holds close() for no longer than its timeout."""
    session, pipe = line.open()
    future = session.submit("hello")
    pipe.mute()
    began = monotonic()
    session.close(timeout=timeout)
    assert monotonic() - began < timeout + 1
    with pytest.raises(SessionClosed):
        future.result(timeout=LIMIT)
    session.close()
    assert threads() == []


def test_a_second_close_that_has_less_time(line: Line) -> None:
    """Who closes a session that another thread is closing waits no longer than he says."""
    session, pipe = line.open()
    pipe.mute()
    first = Task(session.close, timeout=60)
    until(lambda: session.state != "open", "to begin")
    began = monotonic()
    session.close(timeout=0.2)
    assert monotonic() - began < 1
    first.result()
    assert session.state == "closed"


def test_close_after_an_interrupted_one(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in close(), wherever it comes, leaves a session that can be closed."""
    session, _ = line.open()
    loop = session._connection._loop

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "call", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.close()
    began = monotonic()
    session.close()
    assert monotonic() - began < 1
    assert session.state == "closed"
    assert threads() == []


def test_a_peer_that_takes_nothing(line: Line) -> None:
    """So does one that reads nothing any more."""
    session, pipe = line.open()
    pipe.stall()
    session.input_audio_buffer.append(bytes(1_000_000))
    began = monotonic()
    session.close(timeout=0.2)
    assert monotonic() - began < 1
    pipe.wait_closed()
    assert session.state == "closed"


def test_a_mute_peer_and_no_limit(line: Line) -> None:
    """close(timeout=None) waits two seconds for the peer, then ends the link."""
    session, pipe = line.open()
    pipe.mute()
    Task(session.close, timeout=None).result(LIMIT)
    assert session.state == "closed"


def test_a_short_ping_interval(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mute peer is not taken for a lost link while the session is being closed."""
    session, pipe = line.open(ping_interval=0.02)
    ended: list[Any] = []
    session.on("connection.closed", lambda e: ended.append(e.error))
    goodbye = pipe.send_close

    def mute_from_now_on(*args: Any) -> None:
        pipe.mute()
        goodbye(*args)

    monkeypatch.setattr(pipe, "send_close", mute_from_now_on)
    session.close(timeout=2)
    assert ended == [None]


def test_a_callback_that_never_returns(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that does not return holds close() for no longer than its timeout."""
    with gate() as held:
        session, pipe = line.open()
        session.on("test.slow", held)
        future = session.submit("hello")
        pipe.say("test.slow")
        held.wait()
        began = monotonic()
        session.close(timeout=0.5)
        assert monotonic() - began < 1.5
        with pytest.raises(SessionClosed):
            future.result(timeout=LIMIT)
        assert session.state == "closed"
        assert "realtime-dispatcher" in caplog.text


@pytest.mark.row("F36", bound="named after 10 s; nothing else waits")
def test_a_callback_that_does_not_return_is_named(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose callbacks stand still reads which one it is; the session goes on beside it."""
    monkeypatch.setattr(telling, "STUCK", 0.02)
    named, texts = threading.Event(), []

    def warning(*told: Any) -> None:
        texts.append(told[0] % told[1:])
        named.set()

    monkeypatch.setattr(telling.log, "warning", warning)
    session, pipe = line.open()
    with gate() as held:

        def stuck_for_ever(_: Any) -> None:
            held()

        session.on("test.held", stuck_for_ever)
        pipe.say("test.held")
        assert named.wait(LIMIT)
        asking = Task(session.ask, "hello")
        pipe.take_turn("Hi.")
        assert asking.result().text == "Hi."
    assert [text for text in texts if "stuck_for_ever" in text] == texts[:1]


def test_a_tap_that_holds_everything(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """A tap that blocks the I/O thread holds close() for no longer than its timeout."""
    with gate() as held:
        session, pipe = line.open()
        session.tap(held)
        pipe.say("test.any")
        held.wait()
        began = monotonic()
        session.close(timeout=0.1)
        assert monotonic() - began < 1
        assert "held by a tap" in caplog.text
    session.close()
    assert session.state == "closed"


def test_events_that_come_while_closing(line: Line) -> None:
    """Events that arrive before the peer's close frame still reach their callbacks."""
    session, pipe = line.open()
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    pipe.mute()
    closing = Task(session.close)
    until(lambda: session.state != "open", "to begin")
    pipe.say("test.late")
    pipe.cut(1000)
    closing.result()
    assert seen == ["test.late", "connection.closed"]


def test_watchers_at_the_end(line: Line) -> None:
    """An iterator ends, and who waits for an event gets SessionClosed."""
    session, pipe = line.open()
    events = session.events()
    waiting = Task(session.wait_for, "test.never", timeout=None)
    pending = session.expect("test.never")
    arrived(session, pipe)
    session.close()
    with pytest.raises(SessionClosed):
        waiting.result()
    with pytest.raises(SessionClosed):
        pending.result(timeout=0)
    assert [e.type for e in events][-1] == "connection.closed"
    assert list(events) == []


def test_followers_at_the_end(line: Line) -> None:
    """Who follows a response gets what came, then SessionClosed."""
    session, pipe = line.open()
    stream = session.stream("hello", timeout=LIMIT)
    pipe.expect("conversation.item.create")
    response_id = pipe.begin(pipe.expect("response.create"))
    pipe.delta(response_id, "The answ")
    assert next(stream) == "The answ"
    response = session.response.active
    assert response is not None
    waiting = Task(response.wait, timeout=None)
    session.close()
    for call in (waiting.result, lambda: next(stream), response.wait):
        with pytest.raises(SessionClosed):
            call()
    assert (response.status, response.text) == ("lost", "The answ")


def test_manual(line: Line) -> None:
    """With a manual dispatcher close() runs nothing; what was left can be pumped after it."""
    session, pipe = line.open(dispatcher="manual")
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    pipe.say("test.one")
    arrived(session, pipe)
    session.close()
    assert seen == []
    while session.pump():
        pass
    assert seen[-1] == "connection.closed"
    assert "test.one" in seen


def test_close_inside_pump(line: Line) -> None:
    """A pumped callback may close the session."""
    session, pipe = line.open(dispatcher="manual")
    seen: list[str] = []
    session.on("test.close", lambda _: session.close())
    session.on("connection.closed", lambda e: seen.append(e.type))
    pipe.say("test.close")
    while session.pump(LIMIT):  # it waits until there is more, or no more will come
        pass
    assert seen == ["connection.closed"]


def test_with(line: Line) -> None:
    """The end of `with` closes, also when the body raised."""
    session = line.session()
    with pytest.raises(ZeroDivisionError), session as same:  # noqa: PT012  # the body is the point
        assert same is session
        assert session.state == "open"
        raise ZeroDivisionError
    assert session.state == "closed"


def test_one_session_s_end_is_not_the_other_s(line: Line) -> None:
    """Closing one session leaves the others as they are."""
    one, _ = line.open()
    two, pipe = line.open()
    one.close()
    asking = Task(two.ask, "hello", timeout=LIMIT)
    pipe.take_turn("Still here.")
    assert asking.result().text == "Still here."


@pytest.mark.row("F30", bound="no link after close()")
def test_a_link_that_is_lost_while_closing(line: Line) -> None:
    """It ends the session at once, and is not made anew."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0, 0)))
    waiting = session.submit("hello")
    pipe.expect("conversation.item.create")
    pipe.mute()
    closing = Task(session.close, timeout=1000)
    until(lambda: session.state == "closing", "to begin")
    pipe.cut()
    closing.result()
    assert isinstance(waiting.exception(0), SessionClosed)
    assert (session.state, len(line.dialled)) == ("closed", 1)


def test_the_thread_that_has_made_the_link(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is joined as well, though it has told of the link and has nothing more to do."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,)))
    run = Attempt._run
    with gate() as held:

        def slowly(attempt: Attempt) -> None:
            run(attempt)
            held()

        monkeypatch.setattr(Attempt, "_run", slowly)
        with session.expect("connection.restored") as restored:
            pipe.cut()
        restored.result(timeout=LIMIT)
        held.wait()
        closing = Task(session.close, timeout=LIMIT)
        closing.thread.join(0.05)
        assert closing.running
        held.open()
        closing.result()
    assert threads() == []


@pytest.mark.row("F42")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process")  # 3.12 warns of every fork beside threads
def test_in_a_forked_child(line: Line) -> None:
    """In a forked child the session is closed, and says why; the parent's goes on."""
    session, pipe = line.open()
    young = line.session()
    settled(session, pipe)
    child = os.fork()
    if not child:
        code = 1
        try:
            session.send({"type": "test.sent"})
        except SessionClosed as exc:
            session.close()
            if "forked" in str(exc) and session.state == "closed" and young.state == "new":
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pipe.no_more()
    asking = Task(session.ask, "hello", timeout=LIMIT)
    pipe.take_turn("Still here.")
    assert asking.result().text == "Still here."
