"""close() in the middle of everything, and whatever else may come at the wrong moment."""

from __future__ import annotations

import contextlib
import logging
import signal
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from measured import Measured
from pipe import Later, Line, Task, gate, until

from realtime_sync import RealtimeSession
from realtime_sync.errors import RealtimeError, RealtimeTimeout, SessionClosed, WouldDeadlock
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import Deadline

from .conftest import Opener
from .peers import Peer, Socket

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(200))


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Starts a call on a thread; the list gets what it gives or raises."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as exc:
            results.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def tool_of_none() -> None:
    """Does nothing."""


CALLS: dict[str, Callable[[RealtimeSession], object]] = {
    "ask": lambda s: s.ask("x", timeout=None),
    "stream": lambda s: list(s.stream("x", timeout=None)),
    "submit": lambda s: s.submit("x").result(),
    "wait_for": lambda s: s.wait_for("never", timeout=None),
    "events": lambda s: list(s.events("never")),
    "create": lambda s: s.conversation.create("x", timeout=None),
    "response": lambda s: s.response.create(timeout=None),
    "update": lambda s: s.update(instructions="x", timeout=None),
    "clear": lambda s: s.input_audio_buffer.clear(timeout=None),
    "cancel": lambda s: s.response.cancel("r", timeout=None),
    "add tool": lambda s: s.tools.add(tool_of_none, timeout=None),
    "request": lambda s: s.request({"type": "input_audio_buffer.commit"}).result(),
}


@pytest.mark.parametrize("name", CALLS)
def test_close_ends_every_wait(name: str, bare: RealtimeSession, peer: Peer) -> None:
    """close() ends every wait: with SessionClosed, or with the end of the iterator."""
    link = peer.link()
    thread, results = in_thread(lambda: CALLS[name](bare))
    if name in ("wait_for", "events"):
        while not bare._watches:
            time.sleep(0.001)
    else:
        link.connection.recv(timeout=LIMIT)
    bare.close()
    thread.join(LIMIT)
    assert isinstance(results[0], SessionClosed) or results == [[]]


@pytest.mark.row("F38")
@pytest.mark.row("C12")
def test_close_is_idempotent(session: RealtimeSession) -> None:
    """Fifty threads may close at once; connection.closed comes once, and last."""
    seen: list[str] = []
    session.on("*", lambda e: seen.append(e.type))
    threads = [in_thread(session.close)[0] for _ in range(50)]
    for thread in threads:
        thread.join(LIMIT)
    session.close()
    assert seen == ["connection.closed"]
    assert session.state == "closed"


def test_close_flushes(session: RealtimeSession, server: LocalServer) -> None:
    """What was queued before close() is sent."""
    for n in range(500):
        session.send({"type": "input_audio_buffer.clear", "event_id": f"e{n}"})
    session.close()
    ids = [e["event_id"] for e in server.received if e["type"] == "input_audio_buffer.clear"]
    assert ids == [f"e{n}" for n in range(500)]


def test_callbacks_of_what_had_arrived(session: RealtimeSession) -> None:
    """close() lets the callbacks of what had arrived run, though they are slow."""
    seen: list[str] = []

    def slow(event: Any) -> None:
        time.sleep(0.002)
        seen.append(event.type)

    session.on("response.output_text.delta", slow)
    session.on("connection.closed", slow)
    pieces = len(list(session.stream("hello")))
    session.close()
    assert seen == ["response.output_text.delta"] * pieces + ["connection.closed"]


@pytest.mark.row("F36", bound="timeout + 0.3 s")
@pytest.mark.parametrize("timeout", [0, 0.2])
def test_close_with_a_stuck_callback(
    timeout: float,
    make: Opener,
    caplog: pytest.LogCaptureFixture,
    measured: Measured,
) -> None:
    """Neither a slow callback nor its lock can hold close() beyond its timeout."""

    def closing() -> float:
        """Seconds that close() takes."""
        started, release = threading.Event(), threading.Event()
        session = make().open()
        session.on("input_audio_buffer.cleared", lambda _: (started.set(), release.wait(LIMIT)))
        session.input_audio_buffer.clear()
        assert started.wait(LIMIT)
        begun = time.monotonic()
        session.close(timeout=timeout)
        took = time.monotonic() - begun
        release.set()
        return took

    took = min(closing() for _ in range(3))  # what holds it would hold it each time
    measured(took - timeout, "s after the timeout")
    assert took < timeout + 0.3


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals between threads here")
@pytest.mark.row("F40")
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_in_close(session: RealtimeSession, caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C in close() while a callback runs: the next close() waits for that callback still."""
    started, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def slow(event: Any) -> None:
        started.set()
        release.wait(LIMIT)
        ran.append(event.type)

    session.on("input_audio_buffer.cleared", slow)
    session.on("connection.closed", slow)
    session.input_audio_buffer.clear()
    assert started.wait(LIMIT)
    main = threading.main_thread().ident or 0

    def press() -> None:
        session._connection._closed.wait(LIMIT)
        time.sleep(0.02)  # close() goes on to wait for the callback
        signal.pthread_kill(main, signal.SIGINT)

    thread, _ = in_thread(press)
    with pytest.raises(KeyboardInterrupt):
        session.close(timeout=LIMIT)
    thread.join(LIMIT)
    assert session._connection.dispatcher.join(Deadline(0)) is False
    release.set()
    session.close(timeout=LIMIT)
    assert ran == ["input_audio_buffer.cleared", "connection.closed"]
    assert not caplog.records


def test_close_against_a_mute_peer(bare: RealtimeSession, peer: Peer) -> None:
    """close() is bounded against a peer that says nothing any more."""
    link = peer.link()
    link.connection.socket.setblocking(True)
    pending = bare.submit("x")
    begun = time.monotonic()
    bare.close(timeout=0.4)
    assert time.monotonic() - begun < 0.8
    assert bare.state == "closed"
    assert isinstance(pending.exception(LIMIT), SessionClosed)


def test_close_while_opening() -> None:
    """close() while another thread opens ends that open() with SessionClosed."""
    with Socket(None) as silent:
        session = RealtimeSession(endpoint=silent.endpoint)
        thread, results = in_thread(session.open)
        while session.state != "connecting":
            time.sleep(0.001)
        session.close()
        thread.join(LIMIT)
    assert isinstance(results[0], SessionClosed)
    assert session.state == "closed"


def test_two_threads_open(server: LocalServer) -> None:
    """Two threads that open at once get one session; one failure is both's."""
    session = RealtimeSession(endpoint=server.endpoint)
    pairs = [in_thread(session.open) for _ in range(8)]
    for thread, _ in pairs:
        thread.join(LIMIT)
    assert [results[0] for _, results in pairs] == [session] * 8
    session.close()


@pytest.mark.parametrize("turn", range(5))
def test_two_threads_open_in_vain(turn: int, server: LocalServer) -> None:
    """Threads that open at once all get a typed error where the server refuses."""
    server.script.refuse(500, times=1000)
    session = RealtimeSession(endpoint=server.endpoint)
    pairs = [in_thread(session.open) for _ in range(8)]
    for thread, _ in pairs:
        thread.join(LIMIT)
    assert all(isinstance(results[0], RealtimeError) for _, results in pairs)
    assert session.state == "new"


@pytest.mark.parametrize(
    "where", ["callback", "done-callback", "connection.closed", "tool.started"]
)
def test_close_inside(where: str, make: Opener, server: LocalServer) -> None:
    """close() inside any kind of callback returns, and the session is closed."""
    done = threading.Event()

    def ping() -> str:
        """Pings."""
        return "pong"

    session = make(tools=[ping]).open()

    def close(_: object) -> None:
        session.close()
        done.set()

    if where == "callback":
        session.once("response.created", close)
    elif where != "done-callback":
        session.once(where, close)
    server.reply(server.call("ping"), "done")
    future = session.submit("x")
    if where == "done-callback":
        future.add_done_callback(close)
    if where == "connection.closed":
        future.result(LIMIT)
        session.close()
    assert done.wait(LIMIT)
    session.close()
    assert session.state == "closed"


def test_asking_after_the_last_event(session: RealtimeSession) -> None:
    """A callback of connection.closed that asks gets SessionClosed."""
    caught: list[BaseException] = []

    def ask(_: object) -> None:
        try:
            session.ask("x")
        except BaseException as exc:
            caught.append(exc)

    session.on("connection.closed", ask)
    session.close()
    assert [type(exc) for exc in caught] == [SessionClosed]


def test_close_at_every_moment(server: LocalServer) -> None:
    """Whenever close() comes, each asker gets his answer or SessionClosed, and nothing hangs."""
    for moment in range(12):
        session = RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]).open()
        pairs = [in_thread(lambda: session.ask("count to 5")) for _ in range(4)]  # noqa: B023
        time.sleep(moment / 2000)
        session.close()
        for thread, results in pairs:
            thread.join(LIMIT)
            assert not thread.is_alive()
            result = results[0]
            assert isinstance(result, SessionClosed) or getattr(result, "status", "") == "completed"


def test_timeouts_at_the_moment_of_the_answer(session: RealtimeSession) -> None:
    """A timeout just when the answer comes gives one or the other, and the session goes on."""
    with gate() as held:
        remove = session.tap(held)  # holds the I/O thread: no answer comes
        with pytest.raises(RealtimeTimeout):
            session.ask("hello", timeout=0.01)
        remove()
    for n in range(150):
        with contextlib.suppress(RealtimeTimeout):
            assert session.ask("hello", timeout=n / 100_000).status == "completed"
    assert session.ask("hello", timeout=LIMIT).status == "completed"
    assert session.response.create(on_active="raise", timeout=LIMIT).wait().done
    assert not session._connection._carrier._waiters


def test_timeouts_of_requests(session: RealtimeSession) -> None:
    """The same for everything that is acknowledged; answers are never taken for another's."""
    for n in range(100):
        try:
            assert session.update(instructions=str(n), timeout=n / 200_000).instructions == str(n)
        except RealtimeTimeout:
            pass
        try:
            assert session.conversation.create(str(n), timeout=n / 200_000).text == str(n)
        except RealtimeTimeout:
            pass
    assert session.update(instructions="last").instructions == "last"
    assert [item.text for item in session.conversation.items] == [str(n) for n in range(100)]


def press_soon() -> None:
    """Ctrl-C for the main thread. Not before `pytest.raises`: on a slow machine it may be fast."""
    main = threading.main_thread().ident or 0
    Later(lambda: signal.pthread_kill(main, signal.SIGINT)).go()


def interrupt_soon(session: RealtimeSession, *, reading: bool = False) -> threading.Thread:
    """Ctrl-C for the main thread, as soon as the model speaks; if it reads that, while it waits."""
    ready = session.expect("response.output_text.delta")

    def run() -> None:
        ready.result(timeout=LIMIT)
        running = session.response.active
        assert running is not None
        until(lambda: running._record.waiters or not reading, "the stream has a reader who waits")
        time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.row("F40")
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_in_ask(session: RealtimeSession, server: LocalServer) -> None:
    """Ctrl-C in ask() gives the turn up: its response is cancelled, and the session lives."""
    server.script.hold(after=2)
    server.reply(STORY)
    done = session.events("response.done", timeout=LIMIT)
    thread = interrupt_soon(session)
    with pytest.raises(KeyboardInterrupt):
        session.ask("x")
    thread.join(LIMIT)
    assert next(done).response.status == "cancelled"
    assert session.ask("hello").status == "completed"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no SIGALRM here")
@pytest.mark.usefixtures("uncollected")
def test_a_handler_of_ones_own_ends_ask(session: RealtimeSession, server: LocalServer) -> None:
    """Whatever a signal handler raises gives the turn up, like Ctrl-C: time limits are made so."""

    class TooLong(Exception):
        pass

    def too_long(*_: object) -> None:
        raise TooLong

    server.script.hold(after=2)
    server.reply(STORY)
    done = session.events("response.done", timeout=LIMIT)
    session.once("response.output_text.delta", lambda _: signal.setitimer(signal.ITIMER_REAL, 0.01))
    before = signal.signal(signal.SIGALRM, too_long)
    try:
        with pytest.raises(TooLong):
            session.ask("x", timeout=LIMIT)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert next(done).response.status == "cancelled"
    server.script.release()
    assert session.ask("hello").status == "completed"


@pytest.mark.row("F40")
@pytest.mark.parametrize("call", ["stream", "wait", "wait_for", "events"])
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_elsewhere(call: str, session: RealtimeSession, server: LocalServer) -> None:
    """Ctrl-C ends every other wait as well; `with` on a stream gives its turn up."""
    server.script.hold(after=2)
    server.reply(STORY)
    if call == "stream":
        thread = interrupt_soon(session, reading=True)
        with pytest.raises(KeyboardInterrupt), session.stream("x") as stream:
            list(stream)
        thread.join(LIMIT)
        assert stream.response.wait(timeout=LIMIT).status == "cancelled"
    else:
        response = session.response.create()
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come before the call
            press_soon()
            {
                "wait": response.wait,
                "wait_for": lambda: session.wait_for("never"),
                "events": lambda: next(session.events("never")),
            }[call]()
        assert response.status == "in_progress"
        assert session.response.cancel()


@pytest.mark.parametrize("call", ["stream", "rounds"])
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_in_a_loop(call: str, session: RealtimeSession, server: LocalServer) -> None:
    """Ctrl-C in a loop over a turn gives it up, though the prompt keeps the loop's traceback."""
    server.script.hold(after=2)
    server.reply(STORY)
    done = session.events("response.done", timeout=LIMIT)
    thread = interrupt_soon(session, reading=True)
    with pytest.raises(KeyboardInterrupt) as kept:
        for _ in getattr(session, call)("x"):
            pass
    thread.join(LIMIT)
    assert next(done).response.status == "cancelled"
    assert session.ask("hello").status == "completed"
    assert kept.tb is not None


@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_in_open() -> None:
    """Ctrl-C in open() leaves a session that is as new."""
    with Socket(None) as silent:
        session = RealtimeSession(endpoint=silent.endpoint)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come before the call
            press_soon()
            session.open()
    assert session.state == "new"


@pytest.mark.parametrize("frame", range(4))
def test_ctrl_c_while_a_turn_is_queued(
    session: RealtimeSession, monkeypatch: pytest.MonkeyPatch, frame: int
) -> None:
    """Ctrl-C before ask() even waits gives the turn up too; no later turn waits for it."""
    put, count = session._connection._carrier._put, iter(range(100))

    def interrupted(event: object) -> None:
        at = next(count)
        if at == frame // 2 and frame % 2:
            raise KeyboardInterrupt
        put(event)  # type: ignore[arg-type]
        if at == frame // 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(session._connection._carrier, "_put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.ask("first")
    assert session.ask("second", timeout=LIMIT).status == "completed"


@pytest.mark.parametrize("call", ["ask", "say", "create"])
def test_ctrl_c_before_the_wait(call: str, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when the question is queued and nobody waits yet: what comes of it is cancelled."""
    session, pipe = line.open()
    do = session._connection.do

    def interrupted(*args: Any, **named: Any) -> None:
        do(*args, **named)
        raise KeyboardInterrupt

    calls = {
        "ask": lambda: session.ask("first"),
        "say": lambda: session.say("first"),
        "create": session.response.create,
    }
    with monkeypatch.context() as patched:
        patched.setattr(session._connection, "do", interrupted)
        with pytest.raises(KeyboardInterrupt):
            calls[call]()
    if call == "ask":
        pipe.confirm(pipe.expect("conversation.item.create"))
    running = pipe.begin(pipe.expect("response.create"))
    assert pipe.expect("response.cancel")["response_id"] == running
    pipe.finish(running, status="cancelled")
    asking = Task(session.ask, "second")
    pipe.take_turn("Hi.")
    assert asking.result().text == "Hi."


@pytest.mark.row("F38")
def test_close_in_a_signal_handler(session: RealtimeSession, server: LocalServer) -> None:
    """A signal handler may close the session, also on top of one of its own calls."""
    server.script.hold(after=2)
    server.reply(STORY)
    refused: list[BaseException] = []

    def hang_up(*_: object) -> None:
        for call in (lambda: session.send({"type": "x"}), session.open, session.submit):
            try:
                call()
            except WouldDeadlock as exc:
                refused.append(exc)
        session.close()

    before = signal.signal(signal.SIGUSR1, hang_up)
    try:
        future = session.submit("hello")
        begun = time.monotonic()
        session._look(lambda _: signal.raise_signal(signal.SIGUSR1))  # inside the lock
        session.close()
        assert time.monotonic() - begun < LIMIT / 2
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert session.state == "closed"
    assert len(refused) == 3
    with pytest.raises(SessionClosed):
        future.result(timeout=0)


@pytest.mark.row("F39")
def test_user_locks(session: RealtimeSession) -> None:
    """No lock of the library's is held in callbacks: a user's lock, held while calling, is safe."""
    mine = threading.RLock()

    def heard(_: object) -> None:
        with mine:
            pass

    session.on("*", heard)
    with mine:
        for _ in range(5):
            session.ask("hello", timeout=LIMIT)
            session.input_audio_buffer.clear(timeout=LIMIT)
    session.close()


@pytest.mark.row("B22", bound="10,000 events")
def test_slow_reader_loses_deltas_only(
    session: RealtimeSession, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback far behind loses the oldest deltas, with one WARNING; nothing else is lost."""
    release, blocked = threading.Event(), threading.Event()
    kinds: list[str] = []

    def heard(event: Any) -> None:
        blocked.set()
        release.wait(4 * LIMIT)  # longer than the answer takes
        kinds.append(event.type)

    session.on("response.*", heard)
    server.reply(" ".join(["word"] * 12_000))
    response = session.ask("x", timeout=3 * LIMIT)
    release.set()
    session.close()
    assert blocked.is_set()
    deltas = sum(kind.endswith(".delta") for kind in kinds)
    assert deltas < 12_000
    others = [kind for kind in kinds if not kind.endswith(".delta")]
    assert others[0] == "response.created"
    assert "response.done" in others
    assert len(response.text.split()) == 12_000
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


@pytest.mark.row("C18", bound="200 sessions, one I/O thread")
def test_200_sessions(server: LocalServer) -> None:
    """Many sessions share one I/O thread; each is isolated, and all of them end."""
    made = [
        RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]).open(timeout=LIMIT)
        for _ in range(200)
    ]
    assert sum(t.name == "realtime-io" for t in threading.enumerate()) == 1
    futures = [session.submit(f"count to {n + 1}") for n, session in enumerate(made[:30])]
    for n, future in enumerate(futures):
        assert str(n + 1) in future.result(LIMIT).text
    made[0].close()
    assert made[1].ask("hello").status == "completed"
    for session in made:
        session.close()


@pytest.mark.row("C18", bound="nothing of one reaches the other")
def test_sessions_that_share_things(make: Opener, server: LocalServer) -> None:
    """One callback, tool, TLS context and dict for two sessions: each has its own events."""
    heard: list[str] = []
    ran: list[str] = []

    def look(city: str) -> str:
        """Looks."""
        ran.append(city)
        return city

    shared = {"tools": [look], "config": {"instructions": "x"}}
    context = ssl.create_default_context()
    first, second = (make(**shared, ssl_context=context).open() for _ in range(2))
    for session in (first, second):
        session.on("response.done", lambda event: heard.append(event.response.id))
    server.reply(server.call("look", city="Oslo"), "cold", "warm")
    assert first.ask("how is it?").text == "cold"
    assert ran == ["Oslo"]
    assert second.conversation.items == ()
    assert second.ask("and here?").text == "warm"
    first.update(instructions="y")
    assert second.config.instructions == "x"
    first.close()
    second.close()
    assert len(heard) == len(set(heard)) == 3
