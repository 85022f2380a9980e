"""Blocking calls inside whatever the library calls, slow callbacks, and the order of locks."""

from __future__ import annotations

import graphlib
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from measured import Measured
from pipe import LIMIT, gate

import realtime_sync
from realtime_sync import RealtimeSession, ReconnectPolicy, items
from realtime_sync.errors import RealtimeError, RealtimeTimeout
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import Signal

from .conftest import Opener

ROOT = f"{pathlib.Path(realtime_sync.__file__).parent}/"
SOON = 5.0  # seconds within which no call may still be running
CLEAR = {"type": "input_audio_buffer.clear"}

CALLS: dict[str, Callable[[RealtimeSession], Any]] = {
    "ask": lambda s: s.ask("hello", timeout=4),
    "stream": lambda s: list(s.stream("hello", timeout=4)),
    "rounds": lambda s: list(s.rounds("hello", timeout=4)),
    "submit": lambda s: s.submit("hello").result(timeout=4),
    "request": lambda s: s.request(CLEAR).result(timeout=4),
    "response.create": lambda s: s.response.create(timeout=4, conversation="none").wait(timeout=4),
    "response.cancel": lambda s: s.response.cancel(timeout=4),
    "conversation.create": lambda s: s.conversation.create("x", timeout=4),
    "conversation.retrieve": lambda s: s.conversation.retrieve("nothing", timeout=4),
    "conversation.delete": lambda s: s.conversation.delete("nothing", timeout=4),
    "conversation.truncate": lambda s: s.conversation.truncate("nothing", 5, timeout=4),
    "conversation.clear": lambda s: s.conversation.clear(timeout=4),
    "conversation.sync": lambda s: s.conversation.sync([items.user("x")], timeout=4),
    "commit": lambda s: s.input_audio_buffer.commit(timeout=4),
    "clear": lambda s: s.input_audio_buffer.clear(timeout=4),
    "update": lambda s: s.update(instructions="x", timeout=4),
    "tools.add": lambda s: s.tools.add(answer),
    "wait_for": lambda s: s.wait_for("never", timeout=0.05),
    "expect": lambda s: s.expect("never").result(timeout=0.05),
    "events": lambda s: next(s.events("never", timeout=0.05)),
    "open": lambda s: s.open(timeout=4),
    "close": lambda s: s.close(timeout=4),
}


def answer() -> str:
    """A tool."""
    return "x"


def in_a_callback(session: RealtimeSession, _: LocalServer, run: Callable[[], None]) -> None:
    session.once("input_audio_buffer.cleared", lambda _: run())
    session.send(CLEAR)


def in_a_done_callback(session: RealtimeSession, _: LocalServer, run: Callable[[], None]) -> None:
    session.request(CLEAR).add_done_callback(lambda _: run())


def in_a_tool(session: RealtimeSession, server: LocalServer, run: Callable[[], None]) -> None:
    def go() -> str:
        """Goes."""
        run()
        return "done"

    session.tools.add(go)
    server.reply(server.call("go"))
    session.submit("go")


def in_a_guardrail(session: RealtimeSession, _: LocalServer, run: Callable[[], None]) -> None:
    session.guardrail(lambda _: run())
    session.submit("hello")


def in_the_last_callback(session: RealtimeSession, _: LocalServer, run: Callable[[], None]) -> None:
    session.on("connection.closed", lambda _: run())
    session.close()


TIMED: dict[str, Callable[[RealtimeSession, Any], Any]] = {
    "open": lambda s, t: s.open(timeout=t),
    "close": lambda s, t: s.close(timeout=t),
    "ask": lambda s, t: s.ask("x", timeout=t),
    "stream": lambda s, t: next(s.stream("x", timeout=t)),
    "rounds": lambda s, t: next(s.rounds("x", timeout=t)),
    "submit": lambda s, t: s.submit("x").result(timeout=t),
    "response.create": lambda s, t: s.response.create(timeout=t),
    "response.cancel": lambda s, t: s.response.cancel(timeout=t),
    "conversation.create": lambda s, t: s.conversation.create("x", timeout=t),
    "conversation.retrieve": lambda s, t: s.conversation.retrieve("x", timeout=t),
    "conversation.delete": lambda s, t: s.conversation.delete("x", timeout=t),
    "conversation.truncate": lambda s, t: s.conversation.truncate("x", 5, timeout=t),
    "conversation.clear": lambda s, t: s.conversation.clear(timeout=t),
    "conversation.sync": lambda s, t: s.conversation.sync([], timeout=t),
    "append": lambda s, t: s.input_audio_buffer.append(bytes(2), timeout=t),
    "commit": lambda s, t: s.input_audio_buffer.commit(timeout=t),
    "clear": lambda s, t: s.input_audio_buffer.clear(timeout=t),
    "update": lambda s, t: s.update(instructions="x", timeout=t),
    "reset": lambda s, t: s.reset(timeout=t),
    "wait_for": lambda s, t: s.wait_for("never", timeout=t),
    "expect": lambda s, t: s.expect("never").result(timeout=t),
    "events": lambda s, t: next(s.events("never", timeout=t)),
}


@pytest.mark.row("C4", bound="at once, nothing sent")
@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), -1, True, "5", 10**400], ids=str)
def test_a_timeout_that_is_none(
    name: str, timeout: object, session: RealtimeSession, server: LocalServer
) -> None:
    """What is no number of seconds from 0 on is refused by every call, before anything is done."""
    with pytest.raises((TypeError, ValueError)):
        TIMED[name](session, timeout)
    assert session.state == "open"
    sent = [event["type"] for event in server.received]
    assert sent == ["session.update"] or name == "submit"  # which has no timeout


@pytest.mark.row("C4", bound="at once")
@pytest.mark.parametrize("name", ["wait_for", "expect", "events"])
def test_nothing_is_a_poll(name: str, session: RealtimeSession) -> None:
    """0 seconds look, and do not wait."""
    with pytest.raises(RealtimeTimeout):
        TIMED[name](session, 0)


PLACES = [in_a_callback, in_a_done_callback, in_a_tool, in_a_guardrail, in_the_last_callback]


@pytest.mark.row("F37", bound="5 s")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_blocking_call(
    place: Callable[..., None], name: str, make: Opener, server: LocalServer, measured: Measured
) -> None:
    """Every blocking call comes back, or raises, wherever the library has called its caller."""
    session = make().open()
    over, raised, took = threading.Event(), [], []

    def run() -> None:
        if over.is_set():
            return  # a guardrail is asked more than once
        begun = time.monotonic()
        try:
            CALLS[name](session)
        except (RealtimeError, ValueError, TimeoutError) as exc:
            raised.append(exc)
        finally:
            took.append(time.monotonic() - begun)
            over.set()

    place(session, server, run)
    assert over.wait(SOON)
    measured(took[0])
    if name in ("ask", "stream", "submit", "clear", "update") and place is not in_the_last_callback:
        assert raised == []


@pytest.mark.row("F36", bound="0.25 s for 99 of 100; every ms of audio")
def test_a_callback_that_blocks(make: Opener, server: LocalServer, measured: Measured) -> None:
    """Answers, audio and pongs go on while it does; they are no slower."""

    def clear() -> float:
        session.input_audio_buffer.append(bytes(960))
        begun = time.monotonic()
        session.input_audio_buffer.clear(timeout=LIMIT)
        return time.monotonic() - begun

    with gate() as held:
        session = make(ping_interval=0.5).open()
        session.on("input_audio_buffer.cleared", held)
        clear()
        held.wait()
        series = []  # of a busy machine the second or third: it is the same callback that blocks
        while len(series) < 3 and not (series and series[-1] < 0.25):
            series.append(sorted(clear() for _ in range(100))[98])
        assert session.ask("hello", timeout=LIMIT).status == "completed"
        with pytest.raises(RealtimeTimeout):
            session.wait_for("never", timeout=1.2)  # so long that it is asked for a sign of life
        assert session.state == "open"
    heard = [event["type"] for event in server.received].count("input_audio_buffer.append")
    measured(series[-1], "s for 99 of 100")
    assert heard == 1 + 100 * len(series)
    assert series[-1] < 0.25


# --- the order of locks


class Locks:
    """Every lock that the library makes, and in which order each thread takes them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.order: dict[str, set[str]] = {}  # a lock -> those that were held when it was taken
        self._mine = threading.local()
        self._known = threading.Lock()
        for name in ("Lock", "RLock"):
            patch.setattr(threading, name, self._maker(getattr(threading, name)))

    @property
    def held(self) -> list[Traced]:
        """What this thread holds, oldest first."""
        held: list[Traced] = self._mine.__dict__.setdefault("held", [])
        return held

    def _maker(self, make: Callable[[], Any]) -> Callable[[], Any]:
        def made() -> Any:
            frame: Any = sys._getframe(1)
            while frame is not None and not frame.f_code.co_filename.startswith(ROOT):
                frame = frame.f_back
            # who sets a Signal has not taken its lock
            if frame is None or isinstance(frame.f_locals.get("self"), Signal):
                return make()
            place = frame.f_code.co_filename.removeprefix(ROOT)
            return Traced(make(), f"{place}:{frame.f_lineno}", self)

        return made

    def took(self, lock: Traced) -> None:
        held = self.held
        before = {one.name for one in held if one is not lock}
        if before:
            with self._known:
                self.order.setdefault(lock.name, set()).update(before)
        held.append(lock)

    def gave(self, lock: Traced) -> None:
        for at in range(len(self.held) - 1, -1, -1):
            if self.held[at] is lock:
                del self.held[at]
                return


class Traced:
    """A lock that says who takes it."""

    def __init__(self, inner: Any, name: str, locks: Locks) -> None:
        self.name = name
        self._inner = inner
        self._locks = locks

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        taken: bool = self._inner.acquire(blocking, timeout)
        if taken:
            self._locks.took(self)
        return taken

    def release(self) -> None:
        self._inner.release()
        self._locks.gave(self)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)  # what a Condition asks an RLock for
        if name == "_release_save":
            return lambda: (self._locks.gave(self), value())[1]
        if name == "_acquire_restore":
            return lambda state: (value(state), self._locks.took(self))[0]
        return value


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Locks]:
    with monkeypatch.context() as patch:
        yield Locks(patch)


@pytest.mark.row("F39", bound="no cycle, none held in user's code")
def test_locks_are_taken_in_one_order(locks: Locks) -> None:
    """Every lock of the library's has its place in one order, and callbacks, tools, guardrails and
    done-callbacks run with none of them held: but for the one by which callbacks take turns, which
    is taken first of all, and by no call."""
    found: list[tuple[str, list[str]]] = []

    def note(what: str) -> None:
        found.append((what, [lock.name for lock in locks.held]))

    def look() -> str:
        """Looks."""
        note("tool")
        return "x"

    def check(_: str) -> None:
        note("guardrail")

    policy = ReconnectPolicy(delays=(0, 0, 0))
    with LocalServer(speed=None, voice="tones") as server:
        for _ in range(2):
            session = RealtimeSession(
                endpoint=server.endpoint, output_modalities=["text"], tools=[look], reconnect=policy
            )
            session.on("*", lambda _: note("callback"))
            session.guardrail(check)
            with session:
                server.reply(server.call("look"), "seen")
                future = session.submit("go")
                future.add_done_callback(lambda _: note("done"))
                assert future.result(LIMIT).text == "seen"
                session.input_audio_buffer.append(bytes(9600))
                session.conversation.create("x")
                with session.expect("connection.restored") as pending:
                    server.script.cut()
                    session.send(CLEAR)
                    pending.result(timeout=LIMIT)
                list(session.stream("hello"))
                session.update(instructions="x")
                session.close()
    assert {what for what, _ in found} == {"callback", "tool", "guardrail", "done"}
    turns = {name for what, held in found if what == "callback" for name in held}
    assert [name.partition(":")[0] for name in turns] == ["runtime/dispatcher.py"]
    assert {name for _, held in found for name in held} == turns
    assert turns.isdisjoint(locks.order)
    graphlib.TopologicalSorter(locks.order).prepare()  # raises CycleError
    assert locks.order, "no lock was ever taken under another: are they traced?"
