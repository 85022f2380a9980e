from __future__ import annotations

import gc
import logging
import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, events
from realtime_sync.errors import ConnectionLost, RealtimeTimeout, SessionClosed
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer, drain

LIMIT = 15.0


def test_wait_for(bare: RealtimeSession, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """wait_for gives the next such event that the predicate likes."""
    link = peer.link()
    seen: list[str] = []

    def likes(event: events.InputAudioBufferSpeechStarted) -> bool:
        seen.append(threading.current_thread().name)
        return event.audio_start_ms == 2

    watching, add = threading.Event(), bare._watches.add

    def added(wanted: Any) -> Any:
        watch = add(wanted)
        watching.set()
        return watch

    def say() -> None:
        assert watching.wait(LIMIT)
        for start in (1, 2, 3):
            link.say("input_audio_buffer.speech_started", audio_start_ms=start, item_id="i")

    monkeypatch.setattr(bare._watches, "add", added)
    thread = threading.Thread(target=say)
    thread.start()
    event = bare.wait_for(events.InputAudioBufferSpeechStarted, likes, timeout=LIMIT)
    thread.join()
    assert event.audio_start_ms == 2
    assert seen == [threading.current_thread().name] * 2


@pytest.mark.row("C14")
def test_wait_for_timeout(session: RealtimeSession) -> None:
    """wait_for raises RealtimeTimeout; 0 polls."""
    with pytest.raises(RealtimeTimeout):
        session.wait_for("response.done", timeout=0.01)
    with pytest.raises(RealtimeTimeout):
        session.wait_for("response.done", timeout=0)


@pytest.mark.row("C14")
def test_predicate_that_raises(session: RealtimeSession) -> None:
    """What a predicate raises is raised in the thread that waits; the session lives (C14)."""
    with session.expect("response.done", lambda _: 1 / 0) as pending:
        session.ask("hello")
    with pytest.raises(ZeroDivisionError):
        pending.result(timeout=LIMIT)
    assert session.ask("hello").status == "completed"


async def _later(event: object) -> bool:
    return event is None


@pytest.mark.row("C14", bound="at once")
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (5, "timeout=5"),
        (lambda: True, "one argument"),
        (_later, "coroutine function"),
    ],
    ids=["a number", "no argument", "async"],
)
def test_predicates_that_are_none(session: RealtimeSession, bad: Any, words: str) -> None:
    """What cannot judge an event is refused at once, not when one comes; so is a timeout there."""
    with pytest.raises(TypeError, match=words):
        session.wait_for("response.done", bad)
    with pytest.raises(TypeError, match=words):
        session.expect("response.done", bad)


def test_expect(session: RealtimeSession) -> None:
    """expect() watches from the call on; result(), in or after the block, gives the first match."""
    with session.expect("response.done") as pending:
        first = session.ask("hello")
        inside = pending.result(timeout=LIMIT)
        session.ask("hello")
    assert pending.result(timeout=0) is inside
    assert inside.response.id == first.id


def test_expect_sees_local_events(session: RealtimeSession) -> None:
    """wait_for, expect and events see local events too."""
    with session.expect("response.metrics") as metrics, session.events("response.*") as stream:
        response = session.ask("hello")
    assert metrics.result(timeout=LIMIT).response_id == response.id
    assert "response.metrics" in [event.type for event in stream]


def test_watchers_see_callback_error(
    session: RealtimeSession, logged_errors: list[logging.LogRecord]
) -> None:
    """A callback that raises is reported to watchers as well as to handlers."""

    def broken(_: events.Event) -> None:
        raise ZeroDivisionError

    session.on("response.done", broken)
    with session.events("callback.error", timeout=LIMIT) as reports:
        session.ask("hello")
        report = next(reports)
    assert isinstance(report, events.CallbackError)
    assert report.callback is broken
    assert isinstance(report.error, ZeroDivisionError)
    assert len(logged_errors) == 1


@pytest.mark.row("C13")
def test_expect_with_a_body_that_raises(session: RealtimeSession) -> None:
    """A body that raises ends the watch."""
    with pytest.raises(ZeroDivisionError), session.expect("response.done") as pending:
        raise ZeroDivisionError
    session.ask("hello")
    with pytest.raises(SessionClosed):
        pending.result(timeout=LIMIT)


def test_watchers_take_nothing_from_each_other(session: RealtimeSession) -> None:
    """Watchers and callbacks all see the same event."""
    heard: list[object] = []
    session.on("response.done", heard.append)
    one, two = session.events("response.done"), session.events("response.done")
    with session.expect("response.done") as pending:
        session.ask("hello")
    event = pending.result(timeout=LIMIT)
    assert next(one) is event
    assert next(two) is event
    session.close()
    assert heard == [event]


def test_events(session: RealtimeSession) -> None:
    """events() has its own queue, filled from the call on; no types: all; close() ends it."""
    session.ask("before")
    drain(session)
    stream = session.events()
    some = session.events("response.created", events.ResponseDone)
    session.ask("hello")
    session.close()
    kinds = [event.type for event in stream]
    assert kinds[0] == "conversation.item.added"
    assert kinds[-1] == "connection.closed"
    assert kinds.count("response.done") == 1
    assert [event.type for event in some] == ["response.created", "response.done"]


def test_events_timeout(session: RealtimeSession) -> None:
    """Each wait of an iterator has its own timeout, after which it can be continued."""
    stream = session.events("response.done", timeout=0.01)
    with pytest.raises(RealtimeTimeout):
        next(stream)
    session.ask("hello")
    drain(session)
    assert next(stream).type == "response.done"


@pytest.mark.row("C13")
def test_one_iterator_in_two_threads(session: RealtimeSession) -> None:
    """Each event of it goes to one of them; none is lost, none comes twice."""
    stream, got = session.events("input_audio_buffer.cleared", timeout=LIMIT), list[str]()

    def read() -> None:
        got.extend(event.event_id for event in stream)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        session.input_audio_buffer.clear()
    for _ in range(25):  # together
        session.send({"type": "input_audio_buffer.clear"})
    session.input_audio_buffer.clear()
    session.close()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert len(got) == len(set(got)) == 51


@pytest.mark.row("C13")
def test_a_break(session: RealtimeSession) -> None:
    """Who stops iterating has stopped; the session lives, and what comes later is his again."""
    stream = session.events("response.done", timeout=LIMIT)
    for text in ("one", "two"):
        asked = session.ask(text)
        for event in stream:
            assert event.response.id == asked.id
            break
    assert session.state == "open"


def test_closed_iterator(session: RealtimeSession) -> None:
    """A closed iterator gives what had come and ends."""
    with session.events("response.done") as stream:
        session.ask("hello")
        drain(session)
    session.ask("hello")
    assert len(list(stream)) == 1


def test_forgotten_iterator(session: RealtimeSession) -> None:
    """Losing the last reference ends an iterator: nothing is kept for it any more."""
    stream = session.events()
    assert session._watches
    del stream
    gc.collect()
    assert not session._watches


@pytest.mark.row("C14")
def test_iterator_of_a_lost_session(bare: RealtimeSession, peer: Peer) -> None:
    """After what had come, events() raises ConnectionLost when the link was lost for good."""
    link = peer.link()
    stream = bare.events()
    with bare.expect("never.comes") as pending:
        link.say("input_audio_buffer.cleared")
        link.connection.close(1011, "gone")
    seen = []
    with pytest.raises(ConnectionLost) as caught:  # noqa: PT012  # after its last value
        for event in stream:
            seen.append(event.type)
    assert seen == ["input_audio_buffer.cleared", "connection.lost", "connection.closed"]
    assert (caught.value.code, caught.value.reason) == (1011, "gone")
    with pytest.raises(ConnectionLost):
        pending.result(timeout=LIMIT)


def test_waiting_when_closed(session: RealtimeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing ends every wait_for with SessionClosed."""
    caught: list[BaseException] = []
    watching, add = threading.Event(), session._watches.add
    monkeypatch.setattr(session._watches, "add", lambda *a: (add(*a), watching.set())[0])

    def wait() -> None:
        try:
            session.wait_for("never.comes", timeout=None)
        except BaseException as exc:
            caught.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    assert watching.wait(LIMIT)
    session.close()
    thread.join(LIMIT)
    assert [type(exc) for exc in caught] == [SessionClosed]


def test_audio_deltas(make: Opener, server: LocalServer) -> None:
    """Audio deltas have .audio, decoded once, beside the wire's .delta."""
    server.reply(b"\x01\x02" * 4800)
    with make(output_modalities=["audio"]) as session:
        deltas = session.events("response.output_audio.delta")
        session.ask("hello")
    got = list(deltas)
    assert b"".join(event.audio for event in got) == b"\x01\x02" * 4800
    assert all(event.audio is event.audio for event in got)
    assert all(isinstance(event.delta, str) for event in got)


def test_error_nobody_waits_for(session: RealtimeSession, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody waited for and nobody handles is logged as a WARNING."""
    with session.expect("error") as pending:
        session.send({"type": "conversation.item.delete", "item_id": "nope"})
    event = pending.result(timeout=LIMIT)
    drain(session)
    assert event.error.message in caplog.text
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_error_reaches_its_handlers(
    session: RealtimeSession, caplog: pytest.LogCaptureFixture
) -> None:
    """error reaches its handlers also when it was raised to a caller; nothing is logged then."""
    heard: list[events.Error] = []
    session.on("error", heard.append)
    with pytest.raises(Exception, match="nope"):
        session.conversation.delete("nope")
    session.close()
    assert [event.error.code for event in heard] == ["item_delete_invalid_item_id"]
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
