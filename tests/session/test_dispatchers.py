from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import RealtimeSession

from .conftest import Opener

LIMIT = 15.0


def test_manual(make: Opener) -> None:
    """With "manual" callbacks run in pump(), on its thread; blocking calls need no pump."""
    session = make(dispatcher="manual")
    seen: list[str] = []
    session.on("response.done", lambda e: seen.append(threading.current_thread().name))
    with session:
        assert session.ask("hello").status == "completed"
        assert seen == []
        assert session.pump(LIMIT) >= 1
        assert seen == [threading.current_thread().name]
        assert session.pump() == 0
    assert session.pump() == 0


def test_pump_waits_for_something(make: Opener) -> None:
    """pump(timeout) waits up to that long and gives how many it ran; 0 does not wait."""
    with make(dispatcher="manual") as session:
        session.on("input_audio_buffer.cleared", lambda _: None)
        assert session.pump() == 0
        assert session.pump(0.01) == 0
        session.send({"type": "input_audio_buffer.clear"})
        assert session.pump(LIMIT) == 1


def test_no_frame_is_late(make: Opener) -> None:
    """With a budget no pump runs more callbacks than fit in it, and one; all run, in order."""
    took, budget = 0.001, 0.004  # seconds, of a callback at least, of a frame at most
    pieces: list[str] = []
    counts: list[int] = []
    never = threading.Event()
    with make(dispatcher="manual") as session:

        @session.on("response.output_text.delta")
        def slow(event: Any) -> None:
            never.wait(took)
            pieces.append(event.delta)

        answer = session.ask("Count to 60", timeout=LIMIT)
        session.input_audio_buffer.clear(timeout=LIMIT)  # answered: all before it waits now
        while count := session.pump(budget=budget):
            counts.append(count)
    assert "".join(pieces) == answer.text
    assert len(pieces) >= 60
    assert max(counts) <= budget / took + 1
    assert len(counts) >= len(pieces) / (budget / took + 1)


@pytest.mark.parametrize("budget", [-1, float("nan"), "1"])
def test_no_such_budget(budget: Any, make: Opener) -> None:
    """What is no number of seconds is refused, by name."""
    session = make(dispatcher="manual")
    with pytest.raises((ValueError, TypeError), match="budget"):
        session.pump(budget=budget)


def test_pump_after_close(make: Opener) -> None:
    """pump() works after close, for what was left, connection.closed last."""
    session = make(dispatcher="manual")
    seen: list[str] = []
    session.on("*", lambda event: seen.append(event.type))
    session.open()
    session.close()
    assert session.pump() == len(seen)
    assert seen[0] == "session.created"
    assert seen[-1] == "connection.closed"


def test_pump_inside_pump(make: Opener) -> None:
    """Inside a callback, or while another thread pumps, pump() gives 0 at once."""
    counts: list[int] = []
    with make(dispatcher="manual") as session:

        def heard(_: object) -> None:
            counts.append(session.pump(LIMIT))
            other = threading.Thread(target=lambda: counts.append(session.pump(LIMIT)))
            other.start()
            other.join(LIMIT)

        session.on("input_audio_buffer.cleared", heard)
        session.send({"type": "input_audio_buffer.clear"})
        assert session.pump(LIMIT) == 1
    assert counts == [0, 0]


def test_asking_in_pump(make: Opener) -> None:
    """A blocking call works from pump."""
    texts: list[str] = []
    with make(dispatcher="manual") as session:
        session.on("input_audio_buffer.cleared", lambda _: texts.append(session.ask("hello").text))
        session.send({"type": "input_audio_buffer.clear"})
        session.pump(LIMIT)
        assert texts[0]


def test_done_callbacks_are_pumped(make: Opener) -> None:
    """With "manual" done-callbacks of futures run in pump too."""
    ran: list[str] = []
    with make(dispatcher="manual") as session:
        future = session.submit("hello")
        future.add_done_callback(lambda _: ran.append(threading.current_thread().name))
        future.result(LIMIT)
        assert ran == []
        session.pump(LIMIT)
    assert ran == [threading.current_thread().name]


def test_ctrl_c_in_pump(make: Opener) -> None:
    """KeyboardInterrupt in a pumped callback belongs to the thread that pumps; no other is lost."""
    seen: list[str] = []

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with make(dispatcher="manual") as session:
        session.once("input_audio_buffer.cleared", interrupted)
        session.on("input_audio_buffer.cleared", lambda e: seen.append(e.type))
        session.input_audio_buffer.clear()
        session.input_audio_buffer.clear()
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # in whichever round
            while True:
                session.pump(LIMIT)
        while not seen:
            session.pump(LIMIT)
        assert session.ask("hello").status == "completed"


@pytest.mark.parametrize("dispatcher", ["thread", lambda fn: fn()])
def test_pump_with_other_dispatchers(dispatcher: object, make: Opener) -> None:
    """pump() with another dispatcher is a RuntimeError."""
    with make(dispatcher=dispatcher) as session, pytest.raises(RuntimeError, match="manual"):
        session.pump()


def test_function(make: Opener) -> None:
    """A dispatcher function gets functions to run one at a time, in order."""
    due: queue.Queue[Callable[[], None] | None] = queue.Queue()
    seen: list[tuple[str, str]] = []

    def loop() -> None:
        while (fn := due.get()) is not None:
            fn()

    gui = threading.Thread(target=loop, name="gui")
    gui.start()
    session = make(dispatcher=due.put)
    session.on("*", lambda event: seen.append((event.type, threading.current_thread().name)))
    with session:
        assert session.ask("hello").status == "completed"
    due.put(None)
    gui.join(LIMIT)
    assert {name for _, name in seen} == {"gui"}
    assert [kind for kind, _ in seen][-1] == "connection.closed"


def test_function_that_raises(make: Opener, logged_errors: list[logging.LogRecord]) -> None:
    """If dispatch raises it is logged, that batch is lost, and the session lives."""
    broken = threading.Event()
    seen = threading.Event()

    def dispatch(fn: Callable[[], None]) -> None:
        if not broken.is_set():
            broken.set()
            raise RuntimeError("main thread is not in main loop")
        fn()

    session = make(dispatcher=dispatch)
    session.on("input_audio_buffer.cleared", lambda _: seen.set())
    with session:
        session.input_audio_buffer.clear()
        assert broken.wait(LIMIT)
        session.input_audio_buffer.clear()
        assert seen.wait(LIMIT)
    assert len(logged_errors) == 1


def test_what_fn_raises(make: Opener, logged_errors: list[logging.LogRecord]) -> None:
    """The function given to dispatch never raises."""
    raised: list[BaseException] = []
    done = threading.Event()

    def dispatch(fn: Callable[[], None]) -> None:
        try:
            fn()
        except BaseException as exc:
            raised.append(exc)
        done.set()

    def bad(_: object) -> None:
        raise KeyboardInterrupt

    session: RealtimeSession = make(dispatcher=dispatch)
    session.on("input_audio_buffer.cleared", bad)
    with session:
        session.input_audio_buffer.clear()
        assert done.wait(LIMIT)
    assert raised == []
    assert len(logged_errors) == 1
