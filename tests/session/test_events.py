from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, events

from .conftest import Opener
from .peers import drain

LIMIT = 15.0


def test_kinds_of_types(make: Opener) -> None:
    """A handler takes a wire name, a prefix glob, "*" or a class, also before open()."""
    session = make()
    seen: dict[str, list[str]] = {name: [] for name in ("name", "glob", "all", "class", "local")}

    @session.on("response.done")
    def _(event: events.ResponseDone) -> None:
        seen["name"].append(event.response.status or "")

    session.on("response.*", lambda event: seen["glob"].append(event.type))
    session.on("*", lambda event: seen["all"].append(event.type))
    session.on(events.ResponseDone, lambda event: seen["class"].append(type(event).__name__))
    session.on(events.LocalEvent, lambda event: seen["local"].append(event.type))
    with session:
        session.ask("hello")
    assert seen["name"] == ["completed"]
    assert seen["class"] == ["ResponseDone"]
    assert seen["glob"][0] == "response.created"
    assert {name.split(".")[0] for name in seen["glob"]} == {"response"}
    assert seen["all"][0] == "session.created"
    assert seen["all"][-1] == "connection.closed"
    assert "response.output_text.delta" in seen["all"]
    assert seen["local"] == ["turn.started", "response.metrics", "turn.ended", "connection.closed"]


def test_order_and_double_registration(session: RealtimeSession) -> None:
    """Several handlers run in order of registration; one registered twice runs twice."""
    calls: list[str] = []
    once = lambda _: calls.append("once")  # noqa: E731
    twice = lambda _: calls.append("twice")  # noqa: E731
    session.on("input_audio_buffer.cleared", twice)
    session.once("input_audio_buffer.cleared", once)
    session.on("input_audio_buffer.cleared", twice)
    session.input_audio_buffer.clear()
    session.input_audio_buffer.clear()
    session.close()
    assert calls == ["twice", "once", "twice", "twice", "twice"]


def test_off(session: RealtimeSession) -> None:
    """off() takes one registration off and says whether there was one; bound methods compare."""

    class Listener:
        def __init__(self) -> None:
            self.count = 0

        def heard(self, _: object) -> None:
            self.count += 1

    listener = Listener()
    assert session.on("input_audio_buffer.cleared", listener.heard) == listener.heard
    assert session.off("input_audio_buffer.cleared", listener.heard)
    assert not session.off("input_audio_buffer.cleared", listener.heard)
    assert not session.off("*", listener.heard)
    session.input_audio_buffer.clear()
    session.close()
    assert listener.count == 0


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("response.text.delta", "response.output_text.delta"),
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.audio_transcript.done", "response.output_audio_transcript.done"),
    ],
)
def test_beta_names(beta: str, ga: str, session: RealtimeSession) -> None:
    """A name that only the beta dialect has is a ValueError that gives the GA name."""
    for call in (
        lambda: session.on(beta, print),
        lambda: session.on(beta),
        lambda: session.once(beta, print),
        lambda: session.wait_for(beta),
        lambda: session.expect(beta),
        lambda: session.events(beta),
    ):
        with pytest.raises(ValueError, match=ga):
            call()


@pytest.mark.parametrize("wanted", [5, None, str, "", "a*b", "*a"])
def test_bad_types(wanted: Any, session: RealtimeSession) -> None:
    """What is no type of event is refused at registration."""
    with pytest.raises((TypeError, ValueError)):
        session.on(wanted, print)


async def coroutine(_: object) -> None:
    """Cannot be a handler."""


@pytest.mark.row("C10")
@pytest.mark.parametrize("fn", [coroutine, lambda: None, lambda a, b: None, 5])
def test_bad_handlers(fn: Any, session: RealtimeSession) -> None:
    """What cannot be called with one event is refused at registration (C10)."""
    with pytest.raises(TypeError):
        session.on("*", fn)


@pytest.mark.row("C10")
def test_handlers_change_handlers(session: RealtimeSession) -> None:
    """A handler may register, unregister itself and others while it runs (C10)."""
    calls: list[str] = []
    changed = threading.Event()

    def first(_: object) -> None:
        calls.append("first")
        session.off("input_audio_buffer.cleared", first)
        session.off("input_audio_buffer.cleared", second)
        session.on("input_audio_buffer.cleared", third)
        changed.set()

    def second(_: object) -> None:
        calls.append("second")

    def third(_: object) -> None:
        calls.append("third")

    session.on("input_audio_buffer.cleared", first)
    session.on("input_audio_buffer.cleared", second)
    session.input_audio_buffer.clear()
    assert changed.wait(LIMIT)  # what came in between nobody would listen to
    drain(session)
    session.off("input_audio_buffer.cleared", third)
    session.close()
    assert calls[0] == "first"
    assert "second" not in calls
    assert "third" in calls


@pytest.mark.row("F35")
def test_callback_that_raises(
    session: RealtimeSession, logged_errors: list[logging.LogRecord]
) -> None:
    """A raising callback is logged and reported; the others run and the session lives."""
    reports: list[events.CallbackError] = []
    after = threading.Event()

    def bad(_: object) -> None:
        raise SystemExit("out of here")

    session.on("input_audio_buffer.cleared", bad)
    session.on("input_audio_buffer.cleared", lambda _: after.set())
    session.on("callback.error", reports.append)
    session.on("callback.error", bad)
    session.input_audio_buffer.clear()
    assert after.wait(LIMIT)
    assert session.ask("hello").status == "completed"
    session.close()
    assert len(reports) == 1  # an error in its own handler is only logged
    assert isinstance(reports[0].error, SystemExit)
    assert reports[0].callback is bad
    assert reports[0].event.type == "input_audio_buffer.cleared"
    assert len(logged_errors) == 2


def test_slow_callback_delays_no_answer(session: RealtimeSession) -> None:
    """A callback that blocks delays other callbacks, but no answer that another thread awaits."""
    release = threading.Event()
    session.on("input_audio_buffer.cleared", lambda _: release.wait(LIMIT))
    session.input_audio_buffer.clear()
    assert session.ask("hello").status == "completed"
    release.set()


def test_one_at_a_time_in_wire_order(session: RealtimeSession) -> None:
    """Callbacks run one at a time, in wire order."""
    running = threading.Lock()
    ids: list[str] = []

    def heard(event: events.ServerEvent) -> None:
        assert running.acquire(blocking=False)
        ids.append(event.event_id or "")
        running.release()

    for _ in range(3):
        session.on("conversation.item.*", heard)
    for _ in range(10):
        session.conversation.create("x")
    session.close()
    assert ids[::3] == ids[1::3] == ids[2::3]
    assert ids == sorted(ids)
    assert len(ids) == 60


def test_blocking_calls_in_callbacks(session: RealtimeSession) -> None:
    """Every kind of blocking call works inside a callback."""
    answers: list[object] = []
    done = threading.Event()

    def heard(_: object) -> None:
        answers.append(session.ask("hello").status)
        answers.append(session.conversation.create("x").text)
        answers.append(session.response.create().wait().status)
        answers.append("".join(session.stream("hello")) != "")
        with session.expect("input_audio_buffer.cleared") as pending:
            session.input_audio_buffer.clear()
        answers.append(pending.result(timeout=LIMIT).type)
        done.set()

    session.once("input_audio_buffer.cleared", heard)
    session.input_audio_buffer.clear()
    assert done.wait(LIMIT)
    assert answers == ["completed", "x", "completed", True, "input_audio_buffer.cleared"]
