"""Opening a session: one attempt, and nothing left behind when it fails."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from pipe import LIMIT, Line, Pipe, Task, arrived, gate, greeted, settled, until

from realtime_sync import RealtimeSession
from realtime_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    RealtimeError,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
)
from realtime_sync.runtime import opening as opening_module
from realtime_sync.runtime.clock import Deadline
from realtime_sync.runtime.futures import Reply


def threads() -> list[str]:
    """What is left of ours; open() gives what connects a fraction of a second only."""
    for thread in threading.enumerate():
        if thread.name == "realtime-connect":
            thread.join(LIMIT)
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime-"))


def opens(session: RealtimeSession, line: Line) -> None:
    """It can be opened, and works."""
    pipe = Pipe()
    pipe.greet()
    line.plan(pipe)
    opening = Task(session.open)
    if session._setup.config is not None:
        pipe.confirm(pipe.expect("session.update"))
    assert opening.result() is session
    assert session.state == "open"
    asking = Task(session.ask, "hello", timeout=LIMIT)
    pipe.take_turn("Works.")
    assert asking.result().text == "Works."


def test_states(line: Line) -> None:
    """A session is new, connecting, open, closing and closed."""
    states: list[str] = []
    pipe = Pipe()
    session = line.session(instructions="x")
    states.append(session.state)
    line.plan(pipe)
    opening = Task(session.open)
    pipe.greet()
    update = pipe.expect("session.update")
    states.append(session.state)
    pipe.confirm(update)
    opening.result()
    settled(session, pipe)
    states.append(session.state)
    pipe.mute()
    closing = Task(session.close, timeout=LIMIT)
    until(lambda: session.state != "open", "to begin")
    states.append(session.state)
    pipe.cut()
    closing.result()
    states.append(session.state)
    assert states == ["new", "connecting", "open", "closing", "closed"]


def test_open_on_an_open_session(line: Line) -> None:
    """open() on an open session returns at once."""
    session, _ = line.open()
    assert session.open(timeout=0) is session
    assert len(line.dialled) == 1


def test_open_waits_for_all_of_it(line: Line) -> None:
    """open() returns when config and history are confirmed, in whatever order."""
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="x", history=["one", "two"])
    opening = Task(session.open)
    update = pipe.expect("session.update")
    items = [pipe.expect("conversation.item.create") for _ in range(2)]
    pipe.confirm(items[0])
    pipe.confirm(update)
    assert update["session"]["instructions"] == "x"
    assert session.state == "connecting"
    pipe.confirm(items[1])
    assert opening.result().state == "open"
    assert [item.text for item in session.conversation.items] == ["one", "two"]


def refused(code: int) -> ConnectError:
    return ConnectError.for_status(code, f"refused with {code}", "body")


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (refused(401), AuthenticationError),
        (refused(503), ConnectError),
        (ConnectError("refused"), ConnectError),
        (RealtimeTimeout("late"), RealtimeTimeout),
    ],
)
def test_no_link(line: Line, outcome: RealtimeError, kind: type[RealtimeError]) -> None:
    """An attempt that fails is raised as it is, leaves no thread, and can be made again."""
    session = line.session()
    line.plan(outcome)
    with pytest.raises(RealtimeError) as caught:
        session.open(timeout=LIMIT)
    assert type(caught.value) is kind
    assert session.state == "new"
    assert threads() == []
    opens(session, line)


def test_an_attempt_that_takes_too_long(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that passes while connecting is a RealtimeTimeout."""

    def slow(deadline: Any) -> ConnectError:
        while deadline.remaining():
            threading.Event().wait(0.01)
        return ConnectError("time ran out")

    monkeypatch.setattr(opening_module, "GRACE", LIMIT)
    session = line.session()
    line.plan(slow)
    with pytest.raises(RealtimeTimeout, match="time ran out; give it more by timeout="):
        session.open(timeout=0.05)
    assert session.state == "new"
    assert threads() == []
    opens(session, line)


def test_a_link_that_comes_too_late(line: Line) -> None:
    """A link that an abandoned attempt makes in the end is dropped, and is not the next one's."""
    with gate() as held:
        late = greeted()

        def stuck(_: Any) -> Pipe:
            held()
            return late

        session = line.session(instructions="x")
        line.plan(stuck)
        with pytest.raises(RealtimeTimeout):
            session.open(timeout=0.05)
        assert session.state == "new"
        held.wait()
        fresh = Pipe()
        line.plan(fresh)
        opening = Task(session.open)
        fresh.greet()
        update = fresh.expect("session.update")
        (old,) = [t for t in threading.enumerate() if t.name == "realtime-connect"][:1]
        held.open()
        old.join(LIMIT)
        assert late.closed
        fresh.confirm(update)
        opening.result()
        assert session._connection._link is fresh
        assert late.frames == []


@pytest.mark.parametrize("said", [[], ["session.created"]])
def test_silence(line: Line, said: list[str]) -> None:
    """A server that never says what is waited for is a RealtimeTimeout."""
    pipe = Pipe()
    if said:
        pipe.greet()
    line.plan(pipe)
    session = line.session(instructions="x")
    with pytest.raises(RealtimeTimeout, match="open: no answer"):
        session.open(timeout=0.05)
    assert session.state == "new"
    assert threads() == []
    assert pipe.closed
    opens(session, line)


def test_a_refused_setup(line: Line) -> None:
    """A refusal of the configuration is a ServerError of open()."""
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="x")
    opening = Task(session.open)
    pipe.refuse(pipe.expect("session.update"), "invalid_value", "no such voice")
    with pytest.raises(ServerError, match="no such voice"):
        opening.result()
    assert session.state == "new"
    assert threads() == []
    opens(session, line)


def test_an_error_instead_of_a_greeting(line: Line) -> None:
    """An error that comes before session.created is raised by open()."""
    pipe = Pipe()
    pipe.refuse({}, "insufficient_quota", "no money left")
    line.plan(pipe)
    session = line.session()
    with pytest.raises(ServerError, match="no money left"):
        session.open(timeout=LIMIT)
    assert session.state == "new"


@pytest.mark.row("F30", bound="a typed error, nothing left")
@pytest.mark.parametrize("greeting", [False, True])
def test_a_link_that_is_cut_while_opening(line: Line, greeting: bool) -> None:
    """A link that ends before the session is up is a ConnectError."""
    pipe = greeted() if greeting else Pipe()
    pipe.cut(1013, "try later")
    line.plan(pipe)
    session = line.session(instructions="x")
    with pytest.raises(ConnectError, match="1013: try later"):
        session.open(timeout=LIMIT)
    assert session.state == "new"
    assert threads() == []
    opens(session, line)


def test_the_dispatcher_of_a_failed_attempt(line: Line) -> None:
    """Handlers stay, and work in the attempt that succeeds."""
    session, seen = line.session(), []
    session.on("session.created", lambda e: seen.append(e.session.id))
    pipe = Pipe()
    pipe.greet(id="sess_one")
    pipe.cut()
    line.plan(pipe)
    session._setup.config = None
    opening = Task(session.open)
    try:
        opening.result()
    except ConnectError:
        line.plan(greeted(id="sess_two"))
        session.open()
    session.close()
    assert seen[0] == "sess_one"


def test_two_threads_open(line: Line) -> None:
    """Two threads that open share one attempt, and its outcome."""
    pipe = Pipe()
    line.plan(pipe)
    session = line.session(instructions="x")
    opening = [Task(session.open) for _ in range(4)]
    pipe.greet()
    pipe.confirm(pipe.expect("session.update"))
    assert {task.result() for task in opening} == {session}
    assert len(line.dialled) == 1


def test_two_threads_fail(line: Line) -> None:
    """Where the attempt fails, both are told, and the session is new again."""
    with gate() as held:
        session = line.session()

        def failing(_: Any) -> ConnectError:
            held()
            return refused(401)

        line.plan(failing)
        first = Task(session.open)
        held.wait()
        second = Task(session.open)
        held.open()
        with pytest.raises(AuthenticationError):
            first.result()
        # the second may have come after all was over, and then made an attempt of its own
        try:
            second.result()
        except AuthenticationError:
            opens(session, line)
        assert session.state == "open"


def test_the_second_thread_fails_when_all_is_cleaned_up(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told of a failure finds a session that is as new, and may open it again."""
    session, waiting = line.session(), threading.Semaphore(0)
    connection = session._connection
    withdraw, result_by = connection._withdraw, Reply.result_by

    def open_second() -> str:
        with pytest.raises(AuthenticationError):
            session.open()
        return session.state

    def counted(reply: Reply[Any], deadline: Deadline) -> Any:
        waiting.release()
        return result_by(reply, deadline)

    with gate() as dialling, gate() as cleaning:

        def failing(_: Any) -> ConnectError:
            dialling()
            return refused(401)

        def slowly(*args: Any) -> None:
            cleaning()
            withdraw(*args)

        monkeypatch.setattr(Reply, "result_by", counted)
        monkeypatch.setattr(connection, "_withdraw", slowly)
        line.plan(failing)
        first, second = Task(session.open), Task(open_second)
        for _ in range(2):
            assert waiting.acquire(timeout=LIMIT)
        dialling.open()
        cleaning.wait()
        second.thread.join(0.05)
        assert second.running
        cleaning.open()
        assert second.result() == "new"
    with pytest.raises(AuthenticationError):
        first.result()


@pytest.mark.parametrize("name", ["realtime-io", "realtime-connect"])
def test_ctrl_c_while_a_thread_begins(
    line: Line, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The thread that open() has just started ends; the session is as new."""
    session, start = line.session(), threading.Thread.start

    def pressed(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            raise KeyboardInterrupt

    line.plan(Pipe())  # whose server never greets
    begun = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", pressed)
        with pytest.raises(KeyboardInterrupt):
            session.open(timeout=LIMIT)
    for thread in set(threading.enumerate()) - begun:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert session.state == "new"


@pytest.mark.row("F49", bound="a typed error, nothing left")
@pytest.mark.parametrize("name", ["realtime-io", "realtime-connect"])
def test_no_thread_can_be_started(line: Line, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where the system has no thread left, open() raises ConnectError and can be tried again."""
    session, start = line.session(), threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ConnectError, match="can't start new thread"):
            session.open(timeout=LIMIT)
    assert session.state == "new"
    assert threads() == []
    opens(session, line)


def test_no_descriptor_is_left(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no descriptor left, it is the same (F49)."""
    session = line.session()

    def refuse() -> Any:
        raise OSError(24, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("realtime_sync.runtime.loop.socket.socketpair", refuse)
        with pytest.raises(ConnectError, match="too many open files"):
            session.open(timeout=LIMIT)
    assert session.state == "new"
    opens(session, line)


def test_open_after_a_loss(line: Line) -> None:
    """A session that was lost for good stays closed; the SessionClosed says from what."""
    session, pipe = line.open()
    waiting = session.expect("test.never")
    pipe.cut(1011, "oops")
    with pytest.raises(ConnectionLost):
        waiting.result(timeout=LIMIT)
    with pytest.raises(SessionClosed) as caught:
        session.open()
    assert isinstance(caught.value.__cause__, ConnectionLost)


# --- callbacks of session.created, while open() still waits


def test_a_call_in_session_created(line: Line) -> None:
    """A callback of session.created may call the session, though open() has not returned."""
    pipe, answers = Pipe(), []
    session = line.session(instructions="x")
    session.on(
        "session.created", lambda _: answers.append(session.conversation.create("early").text)
    )
    line.plan(pipe)
    opening = Task(session.open)
    pipe.greet()
    update = pipe.expect("session.update")
    pipe.confirm(pipe.expect("conversation.item.create"))
    pipe.confirm(update)
    opening.result()
    settled(session, pipe)
    assert answers == ["early"]


def test_what_was_begun_while_opening_fails_with_it(line: Line) -> None:
    """What a callback began is told when opening fails: requests, watchers, done-callbacks."""
    pipe, begun = Pipe(), threading.Event()
    session = line.session(instructions="x")
    kept: dict[str, Any] = {}
    told = threading.Event()

    def early(_: Any) -> None:
        kept["future"] = session.submit("early")
        kept["future"].add_done_callback(lambda _: told.set())
        kept["events"] = session.events("test.never")
        kept["pending"] = session.expect("test.never")
        begun.set()

    session.once("session.created", early)
    line.plan(pipe)
    opening = Task(session.open)
    pipe.greet()
    assert begun.wait(LIMIT)
    pipe.refuse(pipe.expect("session.update"))
    with pytest.raises(ServerError):
        opening.result()
    with pytest.raises(SessionClosed):
        kept["future"].result(timeout=0)
    with pytest.raises(SessionClosed):
        kept["pending"].result(timeout=0)
    assert list(kept["events"]) == []
    assert told.wait(LIMIT)
    assert threads() == []
    opens(session, line)


def test_manual_callbacks_of_a_failed_attempt(line: Line) -> None:
    """With a manual dispatcher nothing that is due is lost by a failed attempt."""
    session, seen = line.session(dispatcher="manual"), []
    session.on("*", lambda e: seen.append(e.type))
    pipe = greeted()
    pipe.refuse({}, "odd", "no")
    session._setup.config = None
    line.plan(Pipe(), greeted())
    with pytest.raises(RealtimeTimeout):
        session.open(timeout=0.05)
    session.open()
    assert session.pump(LIMIT) == 1  # open() may return first
    session.close()
    session.pump()
    assert seen == ["session.created", "connection.closed"]


# --- closing while opening


@pytest.mark.parametrize("greeting", [False, True])
def test_close_while_opening(line: Line, greeting: bool) -> None:
    """close() ends an attempt: open() raises SessionClosed, and the session stays closed."""
    pipe = greeted() if greeting else Pipe()
    line.plan(pipe)
    session = line.session(instructions="x")
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    opening = Task(session.open)
    if greeting:
        pipe.expect("session.update")
    until(lambda: session.state != "new", "to begin")
    session.close()
    with pytest.raises(SessionClosed):
        opening.result()
    assert session.state == "closed"
    assert threads() == []
    assert seen[-1] == "connection.closed"
    with pytest.raises(SessionClosed, match="stays closed"):
        session.open()


def test_close_while_connecting(line: Line) -> None:
    """A link that is made after close() is dropped by the thread that made it."""
    with gate() as held:
        pipe = greeted()

        def slow(_: Any) -> Pipe:
            held()
            return pipe

        line.plan(slow)
        session = line.session()
        opening = Task(session.open)
        held.wait()
        closing = Task(session.close)
        until(lambda: session.state == "closing", "to begin")
        held.open()
        closing.result()
        with pytest.raises(SessionClosed):
            opening.result()
    assert threads() == []
    assert pipe.closed
    assert session.state == "closed"


def test_close_in_session_created(line: Line) -> None:
    """A callback of session.created may close the session that is being opened."""
    pipe = Pipe()
    line.plan(pipe)
    session = line.session(instructions="x")
    session.on("session.created", lambda _: session.close())
    opening = Task(session.open)
    pipe.greet()
    with pytest.raises(SessionClosed):
        opening.result()
    session.close()
    assert session.state == "closed"


def test_the_greeting_that_comes_with_the_close(line: Line, monkeypatch: Any) -> None:
    """session.created that arrives while close() works opens nothing."""
    from realtime_sync.runtime.connection import Connection

    pipe = Pipe()
    line.plan(pipe)
    session = line.session()
    original = Connection._take_in

    def close_first(self: Connection, *args: Any) -> None:
        closing.append(Task(session.close))
        until(lambda: session.state != "connecting", "to begin")
        original(self, *args)

    closing: list[Task] = []
    monkeypatch.setattr(Connection, "_take_in", close_first)
    opening = Task(session.open)
    pipe.greet()
    with pytest.raises(SessionClosed):
        opening.result()
    closing[0].result()
    assert session.state == "closed"
    assert threads() == []


def test_a_second_greeting(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """A second session.created is taken over, with a warning, and sends nothing again."""
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="x")
    opening = Task(session.open)
    pipe.confirm(pipe.expect("session.update"))
    opening.result()
    pipe.greet(id="sess_2")
    arrived(session, pipe)
    assert session.id == "sess_2"
    assert pipe.no_more()
    assert "second session.created" in caplog.text


def test_lost_just_after(line: Line) -> None:
    """A link that is lost as soon as it was up closes the session; it is not new again."""
    session, pipe = line.open()
    with session.expect("connection.closed") as pending:
        pipe.cut()
    assert isinstance(pending.result(timeout=LIMIT).error, ConnectionLost)
    with pytest.raises(SessionClosed):
        session.open()


# --- opening as the time is up


@pytest.mark.parametrize("step", ["_last_words", "_withdraw"])
def test_open_just_after_the_time_was_up(
    line: Line, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A session that is open before its attempt is given up is open; its first turns have answers.

    Another thread may use it already.
    """
    session, pipe = line.session(instructions="x"), greeted()
    connection, asked = session._connection, []
    clean_up = getattr(connection, step)

    def late(*args: Any) -> Any:
        reply = connection._opening
        pipe.confirm(pipe.expect("session.update"))
        assert reply is not None
        reply.result_by(Deadline(LIMIT))
        asked.append(Task(session.submit, "hello").result())
        return clean_up(*args)

    monkeypatch.setattr(connection, step, late)
    line.plan(pipe)
    assert session.open(timeout=0.05) is session
    pipe.take_turn("Hello.")
    assert asked[0].result(LIMIT).text == "Hello."


@pytest.mark.parametrize(
    ("arguments", "unsaid"),
    [
        ({}, "has not said session.created"),
        ({"instructions": "x"}, "has not confirmed the configuration"),
    ],
)
def test_what_a_late_open_was_waiting_for(
    line: Line, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], unsaid: str
) -> None:
    """Once the link is up, a timeout says what has not come, and waits for no attempt's words."""
    monkeypatch.setattr(opening_module, "GRACE", 60)
    session, pipe = line.session(**arguments), Pipe()
    line.plan(pipe)
    task = Task(session.open)
    settled(session, pipe)  # the link is up
    if arguments:
        pipe.greet()
        update = pipe.expect("session.update")
    connection = session._connection
    assert connection._opening is not None
    late = connection._last_words(RealtimeTimeout("open: too late"), connection._opening)
    assert isinstance(late, RealtimeTimeout)
    assert str(late).startswith("open: too late; ")
    assert unsaid in str(late)
    if arguments:
        pipe.confirm(update)
    else:
        pipe.greet()
    assert task.result() is session


def test_ctrl_c_as_the_session_opens(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in open() leaves no thread and nobody waiting, even if the session has opened."""
    session, pipe = line.session(instructions="x"), greeted()
    result_by, asked = Reply.result_by, []

    def interrupted(reply: Reply[Any], deadline: Deadline) -> Any:
        pipe.confirm(pipe.expect("session.update"))
        result_by(reply, deadline)
        asked.append(Task(session.submit, "hello").result())
        raise KeyboardInterrupt

    line.plan(pipe)
    with monkeypatch.context() as patch:
        patch.setattr(Reply, "result_by", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.open()
    with pytest.raises(SessionClosed):
        asked[0].result(timeout=LIMIT)
    assert session.state == "closed"
    assert threads() == []


def test_the_traceback_of_a_refusal_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no key sees his own line and the doors behind it, no thread's insides."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set") as raised:
        RealtimeSession().open()
    files = [Path(frame.filename).name for frame in traceback.extract_tb(raised.tb)]
    assert files[0] == "test_opening.py"
    assert files[-1] == "opening.py"
    assert len(files) <= 5
