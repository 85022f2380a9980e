"""`session.interrupt`: silence, and a conversation that holds what was heard."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pipe import Line, arrived

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectionLost, SessionClosed
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer, drain

LIMIT = 15.0


def sent(server: LocalServer, kind: str) -> list[Any]:
    return [event for event in server.received if event["type"] == kind]


@pytest.fixture
def spoken(make: Opener) -> RealtimeSession:
    """An open session that speaks."""
    return make(output_modalities=["audio"]).open()


def test_running_response(spoken: RealtimeSession, server: LocalServer) -> None:
    """Cancelled, and truncated at what was heard; told once, with an estimate of the words."""
    told: list[Any] = []
    spoken.on("playback.interrupted", told.append)
    server.script.hold(after=12)
    server.reply("one two three four five six seven eight nine ten")
    with spoken.expect("response.output_audio.delta") as first:
        future = spoken.submit("count")
    delta = first.result(timeout=LIMIT)
    with spoken.expect("conversation.item.truncated") as truncated:
        spoken.interrupt(150)
        spoken.interrupt(150)
    cut = truncated.result(timeout=LIMIT)
    assert (cut.item_id, cut.audio_end_ms) == (delta.item_id, 150)
    response = future.result(LIMIT)
    assert response.status == "cancelled"
    drain(spoken)
    (event,) = told
    assert (event.reason, event.response_id, event.item_id) == (
        "client",
        response.id,
        delta.item_id,
    )
    assert event.played_ms == 150
    assert "one two three four five six seven eight nine ten".startswith(event.heard_text)
    assert len(sent(server, "response.cancel")) == 1
    assert len(sent(server, "conversation.item.truncate")) == 1


def test_after_the_response(spoken: RealtimeSession, server: LocalServer) -> None:
    """Playback lags reception: then only the truncate is sent."""
    server.reply("one two three four five six seven eight nine ten")
    response = spoken.ask("count", timeout=LIMIT)
    with (
        spoken.expect("conversation.item.truncated"),
        spoken.expect("playback.interrupted") as told,
    ):
        spoken.interrupt(500)
    assert told.result(timeout=LIMIT).played_ms == 500
    drain(spoken)
    assert not sent(server, "response.cancel")
    item = spoken.conversation.items[-1]
    assert response.text.startswith(item.transcript or "?")
    assert 0 < len(item.transcript or "") < len(response.text)


def test_more_than_has_come(spoken: RealtimeSession, server: LocalServer) -> None:
    """What was heard to its end is not cut; nothing is told."""
    told: list[Any] = []
    spoken.on("playback.interrupted", told.append)
    spoken.ask("hello", timeout=LIMIT)
    spoken.interrupt(3_600_000)
    drain(spoken)
    assert not told
    assert not sent(server, "conversation.item.truncate")


@pytest.mark.row("F47", bound="at most what was received")
def test_a_running_one_is_cut_at_what_has_come(
    spoken: RealtimeSession, server: LocalServer
) -> None:
    """The position is clamped: the server would refuse more than it has."""
    server.script.hold(after=12)
    server.reply("one two three four five six seven eight nine ten")
    with spoken.expect("response.output_audio.delta") as first:
        spoken.submit("count")
    ms = len(first.result(timeout=LIMIT).audio) / 48
    with spoken.expect("conversation.item.truncated") as truncated:
        spoken.interrupt(3_600_000)
    assert truncated.result(timeout=LIMIT).audio_end_ms % ms == 0


@pytest.mark.row("F47", bound="0 truncates; deleted after response.done")
def test_nothing_heard(spoken: RealtimeSession, server: LocalServer) -> None:
    """At 0 ms the item is deleted, after its response.done; no truncate is sent."""
    seen: list[str] = []
    spoken.tap(lambda direction, event: seen.append(event["type"]))
    server.script.hold(after=12)
    server.reply("one two three four five six seven eight nine ten")
    with spoken.expect("response.output_audio.delta") as first:
        spoken.submit("count")
    item_id = first.result(timeout=LIMIT).item_id
    with spoken.expect("conversation.item.deleted") as deleted:
        spoken.interrupt(0)
    assert deleted.result(timeout=LIMIT).item_id == item_id
    assert not sent(server, "conversation.item.truncate")
    assert seen.index("response.done") < seen.index("conversation.item.delete")
    assert [item.role for item in spoken.conversation.items] == ["user"]


def test_without_a_position(spoken: RealtimeSession, server: LocalServer) -> None:
    """Without a speaker of ours nobody knows what was heard: cancel only."""
    server.script.hold(after=12)
    with spoken.expect("response.output_audio.delta") as first:
        future = spoken.submit("tell me a story")
    first.result(timeout=LIMIT)
    with spoken.expect("playback.interrupted") as told:
        spoken.interrupt()
    assert future.result(LIMIT).status == "cancelled"
    assert told.result(timeout=LIMIT).item_id is None
    assert not sent(server, "conversation.item.truncate")


@pytest.mark.row("F47", bound="0 late deltas")
def test_no_delta_afterwards(spoken: RealtimeSession, server: LocalServer) -> None:
    """Not even one that waits for a slow callback; the handle collects all of it."""
    seen: list[int] = []
    waiting, go_on = threading.Event(), threading.Event()

    def slow(event: Any) -> None:
        seen.append(len(event.audio))
        waiting.set()
        go_on.wait(LIMIT)

    spoken.on("response.output_audio.delta", slow)
    server.script.hold(after=20)
    server.reply("one two three four five six seven eight nine ten")
    deltas = spoken.events("response.output_audio.delta", timeout=LIMIT)
    future = spoken.submit("count")
    assert waiting.wait(LIMIT)
    for _ in range(2):
        next(deltas)
    spoken.interrupt(0)
    go_on.set()
    response = future.result(LIMIT)
    drain(spoken)
    assert len(seen) == 1
    assert len(response.audio) > seen[0]


def test_one_about_to_begin(line: Line) -> None:
    """A response that was asked for and not created yet is cancelled as soon as it is."""
    session, pipe = line.open()
    future = session.submit()
    create = pipe.expect("response.create")
    session.interrupt()
    arrived(session, pipe)
    assert pipe.no_more()
    response_id = pipe.begin(create)
    assert pipe.expect("response.cancel")["response_id"] == response_id
    pipe.finish(response_id, status="cancelled")
    assert future.result(LIMIT).status == "cancelled"


def test_nothing_to_interrupt(spoken: RealtimeSession, server: LocalServer) -> None:
    """No error, and nothing is sent."""
    spoken.interrupt()
    spoken.interrupt(100)
    drain(spoken)
    assert {event["type"] for event in server.received} == {
        "session.update",
        "input_audio_buffer.clear",
    }


@pytest.mark.parametrize("wrong", [-1, float("nan"), "100", True])
def test_no_such_position(spoken: RealtimeSession, wrong: Any) -> None:
    """A position is milliseconds from 0 on."""
    with pytest.raises((ValueError, TypeError), match="played_ms: milliseconds"):
        spoken.interrupt(wrong)


def test_without_a_session(make: Opener) -> None:
    """Before open() there is none."""
    with pytest.raises(SessionClosed):
        make().interrupt()


def test_without_a_link(peer: Peer) -> None:
    """While there is no link it says so."""
    policy = ReconnectPolicy(delays=(60,))
    with RealtimeSession(endpoint=peer.endpoint, ping_interval=None, reconnect=policy) as session:
        with session.expect("connection.lost") as lost:
            peer.link().connection.close(1011)
        lost.result(timeout=LIMIT)
        with pytest.raises(ConnectionLost):
            session.interrupt()
