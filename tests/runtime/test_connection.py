"""One session's link, queues and lock. The server is the test, over a link in memory."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from measured import Measured
from pipe import LIMIT, Line, Pipe, Task, arrived, gate, on_io, settled, until

from realtime_sync import RealtimeSession, errors
from realtime_sync.core.state import SessionState
from realtime_sync.errors import (
    ConnectionLost,
    QueueFull,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
    WouldDeadlock,
)
from realtime_sync.runtime import outbox
from realtime_sync.runtime.connection import Connection
from realtime_sync.runtime.futures import Reply

Seen = list[tuple[str, Any]]


def watched(session: RealtimeSession) -> list[str]:
    """Types of all events whose callbacks have run."""
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    return seen


# --- the invariants of the design


def test_i1_one_thread_touches_the_link(line: Line) -> None:
    """After the hand-over only realtime-io drives the link, whoever calls and whoever closes."""
    session, pipe = line.open()
    asking = [Task(session.ask, f"question {n}", timeout=LIMIT) for n in range(3)]
    session.on("response.done", lambda _: session.send({"type": "test.from.callback"}))
    for _ in range(3):  # the callbacks' events come in between
        item = pipe.expect("conversation.item.create", past="test.from.callback")
        create = pipe.expect("response.create", past="test.from.callback")
        pipe.confirm(item)
        pipe.respond(create)
        settled(session, pipe)
    for task in asking:
        task.result()
    Task(session.close).result()
    assert pipe.threads == {"realtime-io"}
    assert pipe.closed


class Watchdog:
    """In place of the connection's lock: knows who holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.holder: int | None = None

    def __enter__(self) -> None:
        assert not self.mine, "taken twice by one thread: it would wait for itself"
        self._lock.acquire()
        self.holder = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self.holder = None
        self._lock.release()

    @property
    def mine(self) -> bool:
        return self.holder == threading.get_ident()

    def _is_owned(self) -> bool:
        return self.mine


def test_i2_the_lock_is_held_across_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """No I/O, no callback, no join and no settling happens under the lock."""
    lock, offences = Watchdog(), []

    def guard(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def checked(*args: Any, **kwargs: Any) -> Any:
            if lock.mine:
                offences.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, checked)

    for name in ("receive", "send", "send_close", "flush", "close", "abort"):
        guard(Pipe, name)
    for name in ("set_result", "set_exception"):
        guard(Reply, name)
    guard(threading.Thread, "join")
    guard(threading.Thread, "start")
    session = line.session(instructions="x")
    session._connection._lock = lock  # type: ignore[assignment]  # it does what one does
    session.on("*", lambda _: offences.append("callback") if lock.mine else None)
    session.tap(lambda *_: offences.append("tap") if lock.mine else None)
    pipe = Pipe()
    pipe.greet()
    line.plan(pipe)
    opening = Task(session.open)
    pipe.confirm(pipe.expect("session.update"))
    opening.result()
    asking = Task(session.ask, "hello", timeout=LIMIT)
    pipe.take_turn()
    asking.result()
    future = session.request({"type": "input_audio_buffer.clear"})
    future.add_done_callback(lambda _: offences.append("done") if lock.mine else None)
    pipe.refuse(pipe.expect("input_audio_buffer.clear"))
    settled(session, pipe)
    session.submit("pending")
    session.close()
    assert offences == []


def test_i3_every_future_is_settled_when_the_session_ends(line: Line) -> None:
    """Whatever waits when the session closes gets SessionClosed, each an error of its own."""
    session, pipe = line.open()
    session.input_audio_buffer.append(bytes(9600))
    futures = [
        session.submit("first"),
        session.submit("queued"),
        session.request({"type": "input_audio_buffer.clear"}),
        session.request({"type": "response.create"}),
        session.request({"type": "response.cancel"}),
        session.request({"type": "conversation.item.delete", "item_id": "x"}),
        session.request({"type": "session.update", "session": {"type": "realtime"}}),
    ]
    arrived(session, pipe)
    session.close()
    raised = [future.exception(timeout=0) for future in futures]
    assert {type(error) for error in raised} == {SessionClosed}
    assert len({id(error) for error in raised}) == len(raised)


def test_i3_also_when_the_core_fails(
    line: Line, monkeypatch: pytest.MonkeyPatch, logged_errors: list[logging.LogRecord]
) -> None:
    """Nobody waits for ever though the core breaks at the very end."""
    session, _ = line.open()
    future = session.submit("hello")

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SessionState, "lost", broken)
    session.close()
    with pytest.raises(SessionClosed):
        future.result(timeout=0)
    assert len(logged_errors) == 1


@pytest.mark.parametrize("end", ["close", "cut"])
def test_i4_connection_closed_is_the_last_event(line: Line, end: str) -> None:
    """connection.closed comes once, behind everything that had arrived."""
    session, pipe = line.open()
    seen = watched(session)
    pipe.say("test.one", "test.two")
    if end == "close":
        arrived(session, pipe)
        session.close()
        assert seen[:2] == ["test.one", "test.two"]
        assert seen[-1] == "connection.closed"
        assert "connection.lost" not in seen
    else:
        with session.expect("connection.closed") as pending:
            pipe.cut()
        pending.result(timeout=LIMIT)
        session.close()
        assert seen == ["test.one", "test.two", "connection.lost", "connection.closed"]
    assert seen.count("connection.closed") == 1
    session._connection.emit(session_expiring())
    assert seen[-1] == "connection.closed"


def session_expiring() -> Any:
    from realtime_sync.events import SessionExpiring

    return SessionExpiring(expires_at=1)


def test_i4_a_tool_that_ends_after_the_session(line: Line) -> None:
    """tool.finished comes before connection.closed, once, though other sessions live."""
    with gate() as held:
        other, _ = line.open()

        def slow() -> str:
            """Slow."""
            held()
            return "done"

        session, pipe = line.open(tools=[])
        session._setup.entries  # noqa: B018  # the session has none yet
        adding = Task(session.tools.add, slow)
        pipe.confirm(pipe.expect("session.update"))
        adding.result()
        seen = watched(session)
        session.submit("call it")
        pipe.expect("conversation.item.create")
        begun = pipe.begin(pipe.expect("response.create"))
        call = {
            "id": "item_call",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "slow",
            "arguments": "{}",
        }
        response = {"id": begun, "status": "completed", "output": [call]}
        pipe.say({"type": "response.done", "response": response})
        held.wait()
        closed = threading.Event()
        session.on("connection.closed", lambda _: closed.set())
        closing = Task(session.close, timeout=LIMIT)
        assert closed.wait(LIMIT)
        held.open()
        closing.result()  # it has waited for the tool
        on_io(other, lambda: None)
        on_io(other, lambda: None)
        assert seen[-1] == "connection.closed"
        assert "tool.started" in seen
        assert seen.count("tool.finished") == 1


def test_i5_no_thread_lives_after_the_last_close(line: Line) -> None:
    """realtime-io is shared, and ends with the last session; so does each dispatcher."""

    def ours() -> list[str]:
        return sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime-"))

    one, pipe = line.open()
    two, _ = line.open()
    settled(one, pipe)
    assert ours() == ["realtime-dispatcher", "realtime-io"]
    one.close()
    assert ours() == ["realtime-io"]
    two.close()
    assert ours() == []


def test_i5_a_tool_that_still_runs_is_named(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """close() logs the name of a callback or I/O thread that it could not join."""
    with gate() as held:
        session, pipe = line.open()
        session.on("test.slow", held)
        pipe.say("test.slow")
        held.wait()
        session.close(timeout=1)
        assert session.state == "closed"
        assert ["realtime-dispatcher" in r.getMessage() for r in caplog.records] == [True]


def test_i6_nothing_of_an_older_attempt_is_sent(line: Line) -> None:
    """What was queued for a link that did not become a session is never sent over the next."""
    first = Pipe()
    session = line.session(instructions="x")
    futures: list[Any] = []
    called = threading.Event()

    def early(_: Any) -> None:
        if not futures:
            futures.append(session.request({"type": "input_audio_buffer.clear"}))
            called.set()

    session.on("session.created", early)
    line.plan(first)
    first.stall()
    first.greet()
    opening = Task(session.open)
    assert called.wait(LIMIT)
    first.cut()
    with pytest.raises(errors.ConnectError):
        opening.result()
    assert first.frames == []
    assert isinstance(futures[0].exception(timeout=0), ConnectionLost)
    second = Pipe()
    second.greet()
    line.plan(second)
    opening = Task(session.open)
    second.confirm(second.expect("session.update"))
    opening.result()
    arrived(session, second)
    assert second.no_more()


def test_i7_wire_order_is_the_order_of_acceptance(line: Line) -> None:
    """What one thread sends leaves in its order, whatever the others send meanwhile."""
    session, pipe = line.open()

    def send(name: str) -> None:
        for n in range(50):
            session.send({"type": "test.sent", "name": name, "n": n})

    for task in [Task(send, name) for name in "abcd"]:
        task.result()
    order: dict[str, list[int]] = {}
    for _ in range(200):
        event = pipe.expect("test.sent")
        order.setdefault(event["name"], []).append(event["n"])
    assert order == {name: list(range(50)) for name in "abcd"}


def test_i7_but_for_the_overtakers(line: Line) -> None:
    """Cancel and truncate overtake audio that waits, and nothing else does."""
    session, pipe = line.open()
    pipe.stall()
    audio = bytes(300_000)
    for _ in range(3):
        session.input_audio_buffer.append(audio)
    arrived(session, pipe)  # one of them is in the link now, the rest may be overtaken
    session.send({"type": "test.sent"})
    session.input_audio_buffer.append(audio)
    session.send({"type": "response.cancel"})
    session.send({"type": "input_audio_buffer.commit"})
    pipe.flow()
    append = "input_audio_buffer.append"
    for kind in [append] * 3 + ["test.sent", "response.cancel", append]:
        pipe.expect(kind)
    pipe.expect("input_audio_buffer.commit")


NASTY = [
    '{"type":"response.done"}',
    '{"type":"response.done","response":null}',
    '{"type":"response.output_text.delta","delta":5}',
    '{"type":"conversation.item.added","item":null}',
    '{"type":"session.created"}',
    '{"type":"session.updated","session":[]}',
    '{"type":"error","error":"str"}',
    '{"type":"error"}',
    '{"type":5}',
    '{"type":"response.output_audio.delta","delta":"!!"}',
    "{}",
    "[]",
    "null",
    "no json",
    "",
    "[" * 100_000,
    b"\xff\xfe",
    '{"type":"connection.closed"}',
    '{"type":"unparsable"}',
    '{"type":"\\u202e\\ud800\\n"}',
]


def test_i8_nothing_that_comes_breaks_the_session(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the server says, the session lives; each is visible to "*", in order."""
    session, pipe = line.open()
    seen: Seen = []
    session.on("*", lambda e: seen.append((e.type, type(e).__name__)))
    session.on("connection.closed", lambda e: seen.append(("fooled", e.error)))
    for raw in NASTY:
        pipe.say_text(raw)
    pipe.binary()
    settled(session, pipe)
    server = [one for one in seen if not one[0].startswith(("test.", "response.metrics"))]
    assert len(server) == len(NASTY) + 1
    assert [kind for kind, _ in server].count("unparsable") == 10
    assert "fooled" not in dict(seen)
    asking = Task(session.ask, "still there?", timeout=LIMIT)
    pipe.take_turn("Yes.")
    assert asking.result().text == "Yes."
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


def test_i9_a_timeout_stops_the_waiting_not_the_work(line: Line) -> None:
    """An answer that comes too late does not become that of the next call."""
    session, pipe = line.open()
    with pytest.raises(RealtimeTimeout):
        session.update(instructions="one", timeout=0)
    second = Task(session.update, instructions="two", timeout=LIMIT)
    first_event = pipe.expect("session.update")
    second_event = pipe.expect("session.update")
    pipe.confirm(first_event)
    arrived(session, pipe)
    assert second.running
    pipe.confirm(second_event)
    assert second.result().instructions == "two"


def test_i9_but_for_turns(line: Line) -> None:
    """A queued turn is withdrawn, a running one cancelled; its deltas reach nobody."""
    session, pipe = line.open()
    seen = watched(session)
    running = session.submit("first")
    pipe.expect("conversation.item.create")
    with pytest.raises(RealtimeTimeout):
        session.ask("queued, never sent", timeout=0)
    late = pipe.begin(pipe.expect("response.create"))
    pipe.finish(late, "Hi.")
    assert running.result(timeout=LIMIT).text == "Hi."
    with pytest.raises(RealtimeTimeout):
        session.ask("sent", timeout=0)
    pipe.expect("conversation.item.create")
    unwanted = pipe.begin(pipe.expect("response.create"))
    assert pipe.expect("response.cancel")["response_id"] == unwanted
    del seen[:]
    pipe.delta(unwanted, "too late")
    pipe.finish(unwanted, "too late", "cancelled")
    settled(session, pipe)
    assert "response.output_text.delta" not in seen
    assert "response.done" in seen
    assert pipe.no_more()


# --- negative controls of the design


@pytest.mark.row("F37")
def test_a_blocking_call_inside_a_callback(line: Line) -> None:
    """A callback may ask and wait: another thread brings the answer."""
    session, pipe = line.open()
    answers: list[str] = []
    session.on("test.go", lambda _: answers.append(session.ask("hello", timeout=LIMIT).text))
    pipe.say("test.go")
    pipe.take_turn("From a callback.")
    settled(session, pipe)
    assert answers == ["From a callback."]


def test_a_burst_before_the_answer(line: Line) -> None:
    """A burst of events before the awaited answer does not stand in its way."""
    session, pipe = line.open()
    session.on("test.burst", lambda _: None)
    with gate() as held:
        session.on("test.slow", held)
        pipe.say("test.slow")
        held.wait()
        asking = Task(session.ask, "hello", timeout=LIMIT)
        pipe.say(*["test.burst"] * 5000)
        pipe.take_turn("Here.")
        assert asking.result().text == "Here."


def test_a_done_callback_may_take_the_lock(line: Line) -> None:
    """A done-callback may call the session, blocking calls too; it runs where callbacks run."""
    session, pipe = line.open()
    done, names = threading.Event(), []

    def callback(future: Any) -> None:
        names.append(threading.current_thread().name)
        names.append(future.result().type)
        names.append(session.ask("and?", timeout=LIMIT).text)
        done.set()

    session.request({"type": "input_audio_buffer.clear"}).add_done_callback(callback)
    pipe.confirm(pipe.expect("input_audio_buffer.clear"))
    pipe.take_turn("Indeed.")
    assert done.wait(LIMIT)
    assert names == ["realtime-dispatcher", "input_audio_buffer.cleared", "Indeed."]


@pytest.mark.row("F36")
def test_a_slow_callback_delays_no_answer(line: Line) -> None:
    """While a callback blocks, another thread is answered, and iterators go on."""
    with gate() as held:
        session, pipe = line.open()
        session.on("*", held)
        events = session.events("response.done", timeout=LIMIT)
        pipe.say("test.slow")
        held.wait()
        asking = Task(session.ask, "hello", timeout=LIMIT)
        pipe.take_turn("Quick.")
        assert asking.result().text == "Quick."
        assert next(events).type == "response.done"


def test_cancel_of_a_future(line: Line) -> None:
    """A caller's cancel() is False, and the answer that comes then harms nobody."""
    session, pipe = line.open()
    future = session.request({"type": "input_audio_buffer.clear"})
    assert future.cancel() is False
    pipe.confirm(pipe.expect("input_audio_buffer.clear"))
    assert future.result(timeout=LIMIT).type == "input_audio_buffer.cleared"


def test_done_callbacks_after_close(line: Line) -> None:
    """A done-callback that is added when all is over still runs."""
    session, _ = line.open()
    future = session.submit("hello")
    seen: list[Any] = []
    future.add_done_callback(seen.append)
    session.close()
    assert seen == [future]
    future.add_done_callback(seen.append)
    assert seen == [future, future]


# --- taps


BLOCKING: dict[str, Callable[[RealtimeSession], Any]] = {
    "ask": lambda s: s.ask("hello"),
    "update": lambda s: s.update(instructions="x"),
    "wait_for": lambda s: s.wait_for("*", timeout=0),
    "expect": lambda s: s.expect("*").result(timeout=0),
    "events": lambda s: next(s.events(timeout=0)),
    "stream": lambda s: next(s.stream("hello")),
    "response.create": lambda s: s.response.create(),
    "response.cancel": lambda s: s.response.cancel("resp_1"),
    "conversation.create": lambda s: s.conversation.create("hello"),
    "conversation.delete": lambda s: s.conversation.delete("x"),
    "conversation.retrieve": lambda s: s.conversation.retrieve("x"),
    "conversation.truncate": lambda s: s.conversation.truncate("x", 5),
    "conversation.clear": lambda s: s.conversation.clear(),
    "clear": lambda s: s.input_audio_buffer.clear(),
    "tools.add": lambda s: s.tools.add(blocking_tool),
    "future": lambda s: s.submit("hello").result(timeout=0),
    "open": lambda s: s.open(),
}


def blocking_tool() -> None:
    """Not called."""


@pytest.mark.row("F37")
@pytest.mark.parametrize("name", BLOCKING)
def test_a_blocking_call_in_a_tap(line: Line, name: str) -> None:
    """A blocking call in a tap raises WouldDeadlock at once, and has sent nothing."""
    session, pipe = line.open()
    with pytest.raises(WouldDeadlock):
        on_io(session, lambda: BLOCKING[name](session))
    arrived(session, pipe)
    if name not in ("stream", "future"):  # those do not block until they are waited for
        assert pipe.frames == []
    assert session.state == "open"


def test_a_commit_in_a_tap(line: Line) -> None:
    """commit() blocks too."""
    session, _ = line.open()
    session.input_audio_buffer.append(bytes(9600))
    with pytest.raises(WouldDeadlock):
        on_io(session, session.input_audio_buffer.commit)


def test_what_a_tap_may_do(line: Line) -> None:
    """A tap may send, append and submit."""
    session, pipe = line.open()
    future = on_io(session, lambda: session.submit("hello"))
    on_io(session, lambda: session.input_audio_buffer.append(bytes(10)))
    on_io(session, lambda: session.send({"type": "test.sent"}))
    pipe.take_turn("Hi.")
    assert future.result(timeout=LIMIT).text == "Hi."
    pipe.expect("input_audio_buffer.append")
    pipe.expect("test.sent")


def test_taps_see_both_directions(line: Line) -> None:
    """Taps see what is sent and received, in wire order, as the wire has it."""
    session, pipe = line.open()
    seen: Seen = []
    remove = session.tap(lambda direction, event: seen.append((direction, event["type"])))
    session.send({"type": "test.sent", "x": None})
    pipe.expect("test.sent")
    pipe.say_text("no json")
    pipe.binary()
    arrived(session, pipe)
    remove()
    arrived(session, pipe)
    assert seen[:3] == [
        ("sent", "test.sent"),
        ("received", "unparsable"),
        ("received", "unparsable"),
    ]
    assert len(seen) == 5


def test_a_tap_that_raises_is_taken_off(line: Line, logged_errors: list[logging.LogRecord]) -> None:
    """A tap that raises harms only itself."""
    session, pipe = line.open()
    calls: list[str] = []

    def broken(direction: str, event: dict[str, Any]) -> None:
        calls.append(event["type"])
        raise ValueError("no")

    session.tap(broken)
    pipe.say("test.one", "test.two")
    arrived(session, pipe)
    assert calls == ["test.one"]
    assert len(logged_errors) == 1
    assert session.state == "open"


# --- overflow


@pytest.mark.row("B22", bound="10,000 events or 64 MB")
def test_a_callback_too_far_behind(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """A callback that is 10,000 events behind loses the oldest deltas, with one warning."""
    with gate() as held:
        session, pipe = line.open()
        seen: list[str] = []
        session.on("test.slow", held)
        session.on("response.*", lambda e: seen.append(getattr(e, "delta", e.type)))
        pipe.say("test.slow")
        held.wait()
        response_id = pipe.begin(None)
        for n in range(12_000):
            pipe.delta(response_id, str(n))
        pipe.finish(response_id, "All of it.")
        arrived(session, pipe)
        response = session.response.get(response_id)
        assert len(response.text) > 0
        held.open()
        settled(session, pipe)
    assert seen[0] == "response.created"
    assert "response.done" in seen
    deltas = [int(one) for one in seen if one.isdigit()]
    assert deltas == list(range(12_000 - len(deltas), 12_000))
    assert len(deltas) < 10_000
    assert [r.getMessage().split(" is ")[0] for r in caplog.records] == ["a callback"]


@pytest.mark.row("B22", bound="64 MB more")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_a_flood_and_its_memory(
    line: Line, caplog: pytest.LogCaptureFixture, measured: Measured
) -> None:
    """60,000 deltas, as fast as they go, to a callback that stands still: memory is bounded."""
    with gate() as held:
        session, pipe = line.open()
        session.on("response.*", held)
        pipe.finish(pipe.begin(None))
        held.wait()
        before = resident()
        for _ in range(60):
            response_id = pipe.begin(None)
            for _ in range(1_000):
                pipe.delta(response_id, "word ")
            pipe.finish(response_id, "All of it.")
            arrived(session, pipe)
        grown = resident() - before
        assert session.response.get(response_id).text == "All of it."
    measured(grown, "MB more")
    assert grown < 64


def resident() -> float:
    """MB that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_an_iterator_too_far_behind(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """So does an iterator; other readers lose nothing."""
    session, pipe = line.open()
    slow = session.events("response.*", timeout=LIMIT)
    response_id = pipe.begin(None)
    for n in range(12_000):
        pipe.delta(response_id, str(n))
    pipe.finish(response_id, "All of it.")
    response = None
    arrived(session, pipe)
    response = session.response.get(response_id)
    slow.close()
    kinds = [event.type for event in slow]
    assert kinds[0] == "response.created"
    assert kinds[-2:] == ["response.done", "response.metrics"]
    assert len(kinds) < 12_000
    assert len(list(response)) == 12_002
    assert ["an iterator of events" in r.getMessage() for r in caplog.records] == [True]


# --- losing the link


@pytest.mark.row("C14")
def test_loss_tells_everybody_the_right_thing(line: Line) -> None:
    """A lost link: ConnectionLost for what waits, with the part that came for a response."""
    session, pipe = line.open()
    seen = watched(session)
    turn = session.submit("hello")
    queued = session.submit("queued")
    request = session.request({"type": "input_audio_buffer.clear"})
    iterator = session.events("test.never")
    waiting = Task(session.wait_for, "test.never", timeout=None)
    until(lambda: len(session._watches._all) == 2, "the iterator's watcher and his")
    pipe.expect("conversation.item.create")
    response_id = pipe.begin(pipe.expect("response.create"))
    pipe.delta(response_id, "The answ")
    arrived(session, pipe)
    response = session.response.get(response_id)
    ending = Task(response.wait, timeout=None)
    pipe.cut(1011, "server fell over")
    for future in (turn, queued, request):
        with pytest.raises(ConnectionLost, match="1011: server fell over") as caught:
            future.result(timeout=LIMIT)
        assert caught.value.code == 1011
        assert caught.value.reason == "server fell over"
        if future is turn:
            assert caught.value.response is response
        else:
            assert caught.value.response is None
    for task in (ending, waiting):
        with pytest.raises(ConnectionLost):
            task.result()
    with pytest.raises(ConnectionLost):
        next(iterator)
    assert (response.status, response.text, response.done) == ("lost", "The answ", True)
    assert session.state == "closed"
    with pytest.raises(SessionClosed, match="1011") as closed:
        session.send({"type": "test.sent"})
    assert isinstance(closed.value.__cause__, ConnectionLost)
    session.close()
    assert seen[-2:] == ["connection.lost", "connection.closed"]
    assert pipe.closed


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 4000])
def test_close_codes(line: Line, code: int) -> None:
    """Whatever code the server closes with, who waits is told it."""
    session, pipe = line.open()
    future = session.submit("hello")
    pipe.cut(code)
    with pytest.raises(ConnectionLost) as caught:
        future.result(timeout=LIMIT)
    assert caught.value.code == code


def test_what_came_before_the_loss_counts(line: Line) -> None:
    """An answer that arrived just before the end is an answer."""
    session, pipe = line.open()
    future = session.submit("hello")
    pipe.take_turn("Just in time.")
    pipe.cut()
    assert future.result(timeout=LIMIT).text == "Just in time."


@pytest.mark.row("F49", bound="its session ends, no other")
@pytest.mark.parametrize("where", ["received", "parse"])
@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), MemoryError()], ids=repr)
def test_a_bug_of_ours_ends_one_session(
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
    logged_errors: list[logging.LogRecord],
    where: str,
    error: Exception,
) -> None:
    """A fault in the I/O thread ends its session with SessionClosed; the others live."""
    other, other_pipe = line.open()
    session, pipe = line.open()
    future = session.submit("hello")
    mine = session._connection._state
    received = SessionState.received

    def broken(self: SessionState, event: Any, at: float) -> None:
        if self is mine:
            raise error
        received(self, event, at)

    def unreadable(_: bytes) -> Any:
        raise error

    if where == "received":
        monkeypatch.setattr(SessionState, "received", broken)
    else:
        monkeypatch.setattr(session._connection._dialect, "parse", unreadable)
    pipe.say("test.any")
    with pytest.raises(SessionClosed, match="fault inside the library"):
        future.result(timeout=LIMIT)
    with pytest.raises(SessionClosed) as caught:
        session.ask("again")
    cause = caught.value.__cause__
    assert isinstance(cause, SessionClosed)
    assert type(cause.__cause__) is type(error)
    session.close()
    assert session.state == "closed"
    asking = Task(other.ask, "hello", timeout=LIMIT)
    other_pipe.take_turn("Unharmed.")
    assert asking.result().text == "Unharmed."
    assert logged_errors


# --- liveness


def test_a_silent_server_is_lost(line: Line) -> None:
    """A link silent for twice the ping interval is lost."""
    session, pipe = line.open(ping_interval=0.05)
    waiting = session.expect("test.never")
    pipe.mute()
    with pytest.raises(ConnectionLost, match="silent for") as caught:
        waiting.result(timeout=LIMIT)
    assert caught.value.code == 1006
    assert pipe.pings >= 1


def test_an_idle_server_that_answers_stays(line: Line) -> None:
    """A server that answers pings is alive, however little it says."""
    session, pipe = line.open(ping_interval=0.01)
    until(lambda: pipe.pings >= 10, "ten pings")
    assert session.state == "open"


@pytest.mark.row("F28", bound="only silence kills")
def test_a_server_that_sends_no_pongs(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it speaks, it lives; when it does neither, it is lost."""
    session, pipe = line.open(ping_interval=0.5)
    monkeypatch.setattr(pipe, "ping", lambda: None)
    with session.expect("connection.lost") as pending:
        for _ in range(55):
            arrived(session, pipe)
            assert session.state == "open"
            with pytest.raises(RealtimeTimeout):
                session.wait_for("never", timeout=0.02)
        assert "silent" in str(pending.result(timeout=LIMIT).error)


def test_silence_that_was_ours(line: Line) -> None:
    """After a suspend, or a tap that held everything, the server is asked before it is lost."""
    session, _ = line.open(ping_interval=0.05)
    on_io(session, lambda: threading.Event().wait(0.3))
    with pytest.raises(RealtimeTimeout):
        session.wait_for("test.never", timeout=0.2)
    assert session.state == "open"


@pytest.mark.row("F45", bound="asked at once, lost after 5 s")
def test_a_suspend(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sleep of ten minutes the server is asked at once, and a link that died is lost."""
    monkeypatch.setattr("realtime_sync.runtime.liveness.PROBE", 0.05)
    session, pipe = line.open(ping_interval=1000)
    other, lively = line.open(ping_interval=1000)
    pipe.mute()
    with session.expect("connection.lost") as pending:
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + 600)
        assert "silent" in str(pending.result(timeout=LIMIT).error)
    arrived(other, lively)
    assert (other.state, pipe.pings, lively.pings) == ("open", 1, 1)


@pytest.mark.row("F44", bound="nothing happens")
@pytest.mark.parametrize("jump", [-86400, -3600, 3600, 86400])
def test_a_wall_clock_that_jumps(jump: int, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall clock set by an hour or a day either way ends nothing."""
    session, pipe = line.open(ping_interval=1000)
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + jump)
    arrived(session, pipe)
    asking = Task(session.ask, "hello")
    pipe.take_turn("Hi.")
    assert asking.result().text == "Hi."
    assert session.state == "open"


def test_no_pings_where_none_are_wanted(line: Line) -> None:
    """ping_interval=None asks for no sign of life."""
    session, pipe = line.open(ping_interval=None)
    pipe.mute()
    with pytest.raises(RealtimeTimeout):
        session.wait_for("test.never", timeout=0.1)
    assert (pipe.pings, session.state) == (0, "open")


# --- a link that takes nothing


@pytest.fixture
def small_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer queue of 100 kB."""
    monkeypatch.setattr(outbox, "QUEUE_BYTES", 100_000)


@pytest.mark.row("F20")
@pytest.mark.usefixtures("small_queue")
def test_queue_full(line: Line) -> None:
    """When the link takes nothing, append() waits its timeout, then raises; nothing is torn."""
    session, pipe = line.open()
    pipe.stall()
    piece = bytes(30_000)
    session.input_audio_buffer.append(piece)
    session.input_audio_buffer.append(piece)
    for timeout in (0, 0.02):
        with pytest.raises(QueueFull, match="no room"):
            session.input_audio_buffer.append(piece, timeout=timeout)
    with pytest.raises(QueueFull):
        on_io(session, lambda: session.input_audio_buffer.append(piece))
    with pytest.raises(WouldDeadlock):
        on_io(session, lambda: session.input_audio_buffer.append(piece, timeout=1))
    session.send({"type": "test.sent"})  # only audio is refused
    waiting = Task(session.input_audio_buffer.append, piece, timeout=LIMIT)
    pipe.flow()
    waiting.result()
    for kind in ["input_audio_buffer.append"] * 2 + ["test.sent", "input_audio_buffer.append"]:
        pipe.expect(kind)
    assert pipe.no_more()


@pytest.mark.usefixtures("small_queue")
def test_waiting_for_room_ends_with_the_session(line: Line) -> None:
    """Who waits for room is told when the session ends."""
    session, pipe = line.open()
    pipe.stall()
    session.input_audio_buffer.append(bytes(70_000))
    waiting = Task(session.input_audio_buffer.append, bytes(70_000), timeout=None)
    pipe.cut()
    with pytest.raises(SessionClosed):
        waiting.result()


def test_a_long_queue_drains_by_itself(line: Line) -> None:
    """Megabytes that were queued at once all leave, though nothing else is sent."""
    session, pipe = line.open()
    on_io(session, lambda: [session.input_audio_buffer.append(bytes(4096)) for _ in range(1000)])
    for _ in range(1000):
        pipe.expect("input_audio_buffer.append")


# --- giving up


@pytest.mark.parametrize("method", ["ask", "update", "create"])
def test_ctrl_c_in_a_wait(line: Line, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """KeyboardInterrupt in a wait comes out; a turn is given up, and the session goes on."""
    session, pipe = line.open()

    def interrupted(self: Any, deadline: Any) -> None:
        raise KeyboardInterrupt

    calls: dict[str, Callable[[], Any]] = {
        "ask": lambda: session.ask("hello"),
        "update": lambda: session.update(instructions="x"),
        "create": session.response.create,
    }
    with monkeypatch.context() as patch:
        patch.setattr(Reply, "result_by", interrupted)
        with pytest.raises(KeyboardInterrupt):
            calls[method]()
    if method == "update":
        pipe.confirm(pipe.expect("session.update"))
    else:
        if method == "ask":
            pipe.expect("conversation.item.create")
        begun = pipe.begin(pipe.expect("response.create"))
        assert pipe.expect("response.cancel")["response_id"] == begun
        pipe.finish(begun, status="cancelled")
    asking = Task(session.ask, "again", timeout=LIMIT)
    pipe.take_turn("Here.")
    assert asking.result().text == "Here."


def test_a_timeout_that_comes_with_the_answer(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes just as the wait ends is not thrown away."""
    session, pipe = line.open()
    original = Connection.give_up

    def answered_meanwhile(self: Connection, key: str) -> bool:
        pipe.confirm(pipe.expect("session.update"))
        arrived(session, pipe)
        return original(self, key)

    monkeypatch.setattr(Connection, "give_up", answered_meanwhile)
    assert session.update(instructions="x", timeout=0).instructions == "x"


@pytest.mark.row("B17")
def test_a_refusal(line: Line) -> None:
    """An error that names a waiting call is raised there, and reaches the handlers as well."""
    session, pipe = line.open()
    seen: list[Any] = []
    session.on("error", seen.append)
    deleting = Task(session.conversation.delete, "x")
    event = pipe.expect("conversation.item.delete")
    pipe.refuse(event, "item_delete_invalid_item_id", "no such item")
    with pytest.raises(ServerError, match="no such item") as caught:
        deleting.result()
    assert caught.value.event_id == event["event_id"]
    settled(session, pipe)
    assert seen == [caught.value.event]


def test_a_forgotten_iterator_costs_nothing(line: Line) -> None:
    """An iterator that nobody holds any more is fed no more."""
    session, pipe = line.open()
    session.events()
    gc.collect()
    assert not session._watches
    with contextlib.closing(session.events()):
        assert session._watches
    arrived(session, pipe)
    gc.collect()
    until(lambda: not session._watches, "the I/O thread to let go of the last that it has fed")


def test_a_watch_that_is_as_late_as_can_be(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher made while the session ends is ended too: every wait ends."""
    session, _ = line.open()
    check = Connection.check_open

    def closing_now(self: Connection) -> None:
        check(self)
        session.close()

    monkeypatch.setattr(Connection, "check_open", closing_now)
    with pytest.raises(SessionClosed):
        session.wait_for("test.never", timeout=LIMIT)


def test_debug_log(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """In the wire's own log each event is one line, sent or received; audio is not in it."""
    caplog.set_level(logging.DEBUG, "realtime_sync.wire")
    session, pipe = line.open()
    session.input_audio_buffer.append(b"\1\2" * 100)
    pipe.expect("input_audio_buffer.append")
    pipe.say({"type": "conversation.item.deleted", "item_id": "item_1"})
    arrived(session, pipe)
    said = [record.getMessage() for record in caplog.records]
    assert {record.name for record in caplog.records} == {"realtime_sync.wire"}
    assert any(one.startswith("> input_audio_buffer.append, ") for one in said)
    assert any(
        one.startswith("< conversation.item.deleted") and one.endswith(" item=item_1")
        for one in said
    )
    assert "AQIBAg" not in caplog.text


def test_watchers_see_nothing_older(line: Line) -> None:
    """Who has an answer and begins to watch sees nothing that came with it or before it."""
    session, pipe = line.open()
    future = session.request({"type": "input_audio_buffer.clear"})
    event = pipe.expect("input_audio_buffer.clear")
    seen: list[str] = []

    def watch() -> list[str]:
        future.result(timeout=LIMIT)
        with session.events("input_audio_buffer.*", "test.end", timeout=LIMIT) as events:
            watching.set()
            return [next(events).type]

    watching = threading.Event()
    task = Task(watch)
    pipe.confirm(event)
    assert watching.wait(LIMIT)
    pipe.say("test.end")
    seen += task.result()
    assert seen == ["test.end"]


@pytest.mark.parametrize("kind", ["response.created", "response.done"])
def test_a_response_is_known_in_its_callbacks(line: Line, kind: str) -> None:
    """response.get() finds a response in all its callbacks, though many are over by then."""
    session, pipe = line.open()
    with gate() as held:
        texts: list[str] = []
        session.on("test.slow", held)
        session.on(kind, lambda e: texts.append(session.response.get(e.response.id).text))
        pipe.say("test.slow")
        held.wait()
        for n in range(5):
            pipe.respond({"response": {"conversation": "none"}}, f"text {n}")
        arrived(session, pipe)
        gc.collect()
        held.open()
        settled(session, pipe)
    assert texts == [f"text {n}" for n in range(5)]


def test_an_event_id_in_use(line: Line) -> None:
    """Two requests cannot share an event id; the first is answered all the same."""
    session, pipe = line.open()
    event = {"type": "input_audio_buffer.clear", "event_id": "mine"}
    future = session.request(event)
    with pytest.raises(ValueError, match="'mine' is that of a call that still waits"):
        session.request(event)
    pipe.confirm(pipe.expect("input_audio_buffer.clear"))
    future.result(timeout=LIMIT)
    assert pipe.no_more()
