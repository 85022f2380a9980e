from __future__ import annotations

import concurrent.futures
import logging
import pickle
import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, events
from realtime_sync.errors import (
    ConfigurationError,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
    WouldDeadlock,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
CLEAR = {"type": "input_audio_buffer.clear"}


def test_send(session: RealtimeSession, server: LocalServer) -> None:
    """send() takes a model or a dict and gives the event's id, made when absent."""
    made = session.send(CLEAR)
    assert session.send({**CLEAR, "event_id": "mine"}) == "mine"
    modelled = session.send(events.InputAudioBufferClear())
    session.input_audio_buffer.clear()
    ids = [e.get("event_id") for e in server.received if e["type"] == CLEAR["type"]]
    assert ids[:3] == [made, "mine", modelled]
    assert len(set(ids)) == 4


@pytest.mark.row("C9")
def test_send_unknown_type(session: RealtimeSession) -> None:
    """Any client event can be sent, one that we do not know too."""
    with session.expect("error") as pending:
        event_id = session.send({"type": "session.dance", "style": "tango"})
    assert pending.result(timeout=LIMIT).error.event_id == event_id


@pytest.mark.row("C9")
def test_send_does_not_change_the_dict(session: RealtimeSession, server: LocalServer) -> None:
    """The caller's dict is neither changed nor read later."""
    item: dict[str, Any] = {"type": "message", "role": "user", "content": []}
    item["content"].append({"type": "input_text", "text": "before"})
    event = {"type": "conversation.item.create", "item": item}
    session.send(event)
    item["content"][0]["text"] = "after"
    session.input_audio_buffer.clear()
    told = next(e for e in server.received if e["type"] == "conversation.item.create")
    assert told["item"]["content"][0]["text"] == "before"
    assert "event_id" not in event
    assert "id" not in item


CYCLE: dict[str, Any] = {"type": "x.y"}
CYCLE["self"] = CYCLE


@pytest.mark.row("C9")
@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({}, ConfigurationError),
        ({"type": 5}, ConfigurationError),
        ({"type": ""}, ConfigurationError),
        ({"type": "session.update"}, ConfigurationError),
        ({"type": "x.y", "value": float("nan")}, ConfigurationError),
        ({"type": "x.y", "value": object()}, ConfigurationError),
        ({"type": "x.y", "value": b"\xff"}, ConfigurationError),
        ({"type": "x.y", "event_id": 5}, ConfigurationError),
        (CYCLE, ConfigurationError),
        ("response.create", TypeError),
        (None, TypeError),
        (events.ResponseDone(), TypeError),
    ],
)
def test_bad_events(
    event: Any, error: type[Exception], session: RealtimeSession, server: LocalServer
) -> None:
    """What JSON cannot say, or the wire does not know, is refused and not sent (C9)."""
    for call in (session.send, session.request):
        with pytest.raises((error, ValueError)) as caught:
            call(event)
        assert caught.type is error or call == session.request
    session.input_audio_buffer.clear()
    assert [e["type"] for e in server.received] == ["session.update", "input_audio_buffer.clear"]


@pytest.mark.row("C9")
@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"type": "x.y", "value": float("nan")}, "value"),
        ({"type": "x.y", "a": [0, {"b": float("inf")}]}, "a.1.b"),
        ({"type": "x.y", "a": {"c": ("NaN", object())}}, "a.c.1"),
        ({"type": "response.create", "response": {"new": {"x": b"\xff"}}}, "response.new.x"),
        (CYCLE, "self.self"),
    ],
)
def test_where_an_event_cannot_be_said(
    event: dict[str, Any], path: str, session: RealtimeSession
) -> None:
    """The error names the place in the event, not only the event."""
    with pytest.raises(ConfigurationError) as caught:
        session.send(event)
    assert str(caught.value).startswith(f"{event['type']}: {path}: ")


@pytest.mark.row("B6", "C9")
def test_lone_surrogate(session: RealtimeSession, server: LocalServer) -> None:
    """Text with half a surrogate pair is sent as JSON can say it (B6)."""
    assert session.conversation.create("a\ud800b").id
    told = server.received[-1]["item"]["content"][0]["text"]
    assert told == "a\ud800b"


@pytest.mark.parametrize("kind", ["input_audio_buffer.append", "output_audio_buffer.clear", "x.y"])
def test_request_that_nothing_answers(kind: str, session: RealtimeSession) -> None:
    """A request of an event that nothing acknowledges is a ValueError."""
    with pytest.raises(ValueError, match=kind):
        session.request({"type": kind, "audio": ""})


def test_request(session: RealtimeSession) -> None:
    """request() gives a future of the acknowledgement."""
    future = session.request({"type": "session.update", "session": {"type": "realtime"}})
    assert isinstance(future, concurrent.futures.Future)
    assert isinstance(future.result(LIMIT), events.SessionUpdated)
    created = session.request({"type": "response.create"}).result(LIMIT)
    assert isinstance(created, events.ResponseCreated)


def test_request_of_an_item_without_id(session: RealtimeSession) -> None:
    """The acknowledgement of an item is found, whether it had an id or not."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    event = {"type": "conversation.item.create", "item": item}
    assert session.request(event).result(LIMIT).item.text == "x"
    event["item"] = {**item, "id": "mine"}
    assert session.request(event).result(LIMIT).item.id == "mine"


def test_request_of_a_cancel(session: RealtimeSession, server: LocalServer) -> None:
    """The acknowledgement of response.cancel is response.done."""
    server.script.hold(after=1)
    response = session.response.create()
    done = session.request({"type": "response.cancel"}).result(LIMIT)
    assert isinstance(done, events.ResponseDone)
    assert done.response.id == response.id


def test_refused_request(session: RealtimeSession) -> None:
    """A refusal is the ServerError that names this event."""
    event = {"type": "conversation.item.retrieve", "item_id": "nope", "event_id": "mine"}
    error = session.request(event).exception(LIMIT)
    assert isinstance(error, ServerError)
    assert error.event_id == "mine"
    assert error.type == "invalid_request_error"
    assert error.code
    assert error.event.type == "error"
    assert error.event.error.event_id == "mine"


def test_futures(bare: RealtimeSession, peer: Peer) -> None:
    """result(timeout=) raises RealtimeTimeout, cancel() is False, callbacks run with callbacks."""
    link = peer.link()
    threads: list[str] = []
    done = threading.Event()
    future = bare.request(CLEAR)
    with pytest.raises(RealtimeTimeout):
        future.result(timeout=0)
    with pytest.raises(RealtimeTimeout):
        future.exception(timeout=0.01)
    assert not future.cancel()
    future.add_done_callback(lambda _: threads.append(threading.current_thread().name))
    future.add_done_callback(lambda _: done.set())
    link.say("input_audio_buffer.cleared")
    assert done.wait(LIMIT)
    assert threads == ["realtime-dispatcher"]
    assert concurrent.futures.wait([future]).done == {future}
    with pytest.raises(TypeError):
        pickle.dumps(future)


def test_done_callback_that_asks(session: RealtimeSession) -> None:
    """A done-callback may make blocking calls."""
    texts: list[str] = []
    done = threading.Event()

    def asked(_: object) -> None:
        texts.append(session.ask("hello").text)
        done.set()

    session.submit("hello").add_done_callback(asked)
    assert done.wait(LIMIT)
    assert texts[0]


def test_done_callback_after_close(session: RealtimeSession) -> None:
    """A done-callback added after the end runs at once."""
    future = session.submit("hello")
    future.result(LIMIT)
    session.close()
    ran: list[object] = []
    future.add_done_callback(ran.append)
    assert ran == [future]


def test_send_after_close(session: RealtimeSession) -> None:
    """Calls after close() raise SessionClosed."""
    session.close()
    for call in (
        lambda: session.send(CLEAR),
        lambda: session.request(CLEAR),
        lambda: session.ask("x"),
        lambda: session.submit("x"),
        lambda: session.stream("x"),
        lambda: session.update(voice="ash"),
        lambda: session.conversation.create("x"),
        lambda: session.conversation.clear(),
        lambda: session.response.create(),
        lambda: session.response.cancel(),
        lambda: session.input_audio_buffer.append(b"12"),
        lambda: session.input_audio_buffer.commit(),
        lambda: session.events(),
        lambda: session.expect("*"),
        lambda: session.wait_for("*"),
    ):
        with pytest.raises(SessionClosed):
            call()


@pytest.mark.row("C5")
def test_concurrent_sends(session: RealtimeSession, server: LocalServer) -> None:
    """Events of 16 threads are never torn, and each thread's stay in order (C5)."""

    def send(thread: int) -> None:
        for count in range(20):
            session.send({**CLEAR, "event_id": f"{thread}-{count}"})

    threads = [threading.Thread(target=send, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.input_audio_buffer.clear()
    ids = [e["event_id"].split("-") for e in server.received if "-" in e.get("event_id", "")]
    assert len(ids) == 320
    for thread in range(16):
        assert [int(n) for t, n in ids if int(t) == thread] == list(range(20))


def test_tap(make: Opener) -> None:
    """A tap sees the wire's dicts in wire order, sent and received, on the I/O thread."""
    session = make()
    seen: list[tuple[str, str]] = []
    threads: set[str] = set()

    def tap(direction: str, event: dict[str, Any]) -> None:
        seen.append((direction, event["type"]))
        threads.add(threading.current_thread().name)

    remove = session.tap(tap)
    with session:
        session.ask("hello")
        remove()
        session.ask("hello")
    assert seen[:5] == [
        ("received", "session.created"),
        ("sent", "session.update"),
        ("received", "session.updated"),
        ("sent", "conversation.item.create"),
        ("sent", "response.create"),
    ]
    assert seen.count(("received", "response.done")) == 1
    assert threads == {"realtime-io"}


def test_tap_that_raises(session: RealtimeSession, logged_errors: list[logging.LogRecord]) -> None:
    """A tap that raises is logged and taken off; others go on."""
    calls: list[str] = []

    def bad(direction: str, event: dict[str, Any]) -> None:
        calls.append(event["type"])
        raise ValueError("no")

    good: list[str] = []
    session.tap(bad)
    session.tap(lambda direction, event: good.append(direction))
    session.input_audio_buffer.clear()
    assert calls == ["input_audio_buffer.clear"]
    assert good == ["sent", "received"]
    assert len(logged_errors) == 1


def helper() -> None:
    """Could be a tool."""


BLOCKING = {
    "open": lambda s: s.open() if s.state != "open" else s.wait_for("x"),
    "ask": lambda s: s.ask("x"),
    "wait_for": lambda s: s.wait_for("x"),
    "next event": lambda s: next(s.events()),
    "expect": lambda s: s.expect("x").result(),
    "request": lambda s: s.request(CLEAR).result(),
    "stream": lambda s: next(s.stream("x")),
    "update": lambda s: s.update(instructions="x"),
    "create item": lambda s: s.conversation.create("x"),
    "clear": lambda s: s.conversation.clear(),
    "retrieve": lambda s: s.conversation.retrieve("x"),
    "response": lambda s: s.response.create(),
    "cancel": lambda s: s.response.cancel("x"),
    "clear audio": lambda s: s.input_audio_buffer.clear(),
    "add tool": lambda s: s.tools.add(helper),
}


@pytest.mark.parametrize("name", BLOCKING)
def test_blocking_call_in_a_tap(name: str, session: RealtimeSession, server: LocalServer) -> None:
    """Inside a tap a blocking call raises WouldDeadlock, and what would have waited is not sent."""
    caught: list[BaseException] = []

    def tap(direction: str, event: dict[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.cleared" and not caught:
            try:
                BLOCKING[name](session)
            except BaseException as exc:
                caught.append(exc)

    remove = session.tap(tap)
    session.input_audio_buffer.clear()
    remove()
    assert [type(exc) for exc in caught] == [WouldDeadlock]
    if name not in ("request", "stream"):
        session.input_audio_buffer.clear()
        kinds = [e["type"] for e in server.received]
        assert kinds == ["session.update", "input_audio_buffer.clear", "input_audio_buffer.clear"]


def test_what_a_tap_may_do(session: RealtimeSession) -> None:
    """A tap may send, submit, append and close: none of them blocks."""
    futures: list[Any] = []

    def tap(direction: str, event: dict[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.cleared":
            remove()
            session.input_audio_buffer.append(b"\0" * 4800)
            session.send(CLEAR)
            futures.append(session.submit("hello"))
        if event["type"] == "response.done":
            session.close()

    remove = session.tap(tap)
    session.tap(lambda d, e: session.close() if e["type"] == "response.done" else None)
    session.input_audio_buffer.clear()
    assert futures[0].result(LIMIT).status == "completed"
    session.close()
    assert session.state == "closed"
