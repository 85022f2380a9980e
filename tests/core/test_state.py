"""The entrance: what is logged, what survives, what is sent."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_sync.core import effects as fx
from realtime_sync.core.running import RESPONSE_ACTS, Running
from realtime_sync.core.state import _ACTS
from realtime_sync.core.turns import Turn
from realtime_sync.errors import ConfigurationError
from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.client import ResponseCreate
from realtime_sync.events.codec import client_event, parse
from realtime_sync.events.server import SERVER_EVENTS

from .play import Play


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (b"no json", "WARNING"),
        (b"[]", "WARNING"),
        (b'{"type":"response.created","response":[]}', "WARNING"),
        (b'{"type":"error","error":[]}', "WARNING"),
        (b'{"type":"something.new"}', "DEBUG"),
        (b'{"type":"rate_limits.updated"}', None),
    ],
)
def test_what_is_logged(text: bytes, level: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """No event and malformed events: WARNING; unknown ones: DEBUG; one line each."""
    caplog.set_level(logging.DEBUG, "realtime_sync.core")
    Play().state.received(parse(text), 0.0)
    assert [r.levelname for r in caplog.records] == ([level] if level else [])


def test_a_call_that_greets_is_no_surprise(caplog: pytest.LogCaptureFixture) -> None:
    """Beside a call we speak first; a server that greets nevertheless is not warned of."""
    play = Play(kind="sideband", config={"instructions": "Be brief."})
    play.wish({"linked": True})
    play.receive("session")
    assert caplog.records == []


@pytest.mark.row("B22", bound="one WARNING a second")
def test_nonsense_does_not_fill_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of it is warned of once a second, with the number of those left out."""
    caplog.set_level(logging.DEBUG, "realtime_sync.core")
    state = Play().state
    for at in range(3000):
        state.received(parse(b"nonsense"), at / 1024)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(caplog.records) == 3000
    assert [text.partition("; ")[2] for text in told] == [
        "",
        *["1023 more since the last of these"] * 2,
    ]


@pytest.mark.row("B24")
def test_foreign_text_is_one_line_of_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks, escapes and right-to-left marks of the peer's do not reach the log."""
    Play().state.received(UnknownEvent(type="unparsable", raw="a\nb\x1b[31m\u202e\ud800"), 0.0)
    message = caplog.records[0].getMessage()
    assert message.isascii()
    assert message.isprintable()


def test_a_bug_of_ours_is_shown_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`received` never raises: what goes wrong inside is logged as ERROR."""
    monkeypatch.setitem(RESPONSE_ACTS, "response.created", lambda *_: 1 / 0)
    Play().state.received(parse(b'{"type":"response.created"}'), 0.0)
    assert [r.levelname for r in caplog.records] == ["ERROR"]


def test_tables_name_real_events_and_methods() -> None:
    """No event of the tables is misspelt, and each of a response has a method of its class."""
    assert set(_ACTS) | set(RESPONSE_ACTS) <= set(SERVER_EVENTS)
    assert not set(_ACTS) & set(RESPONSE_ACTS)
    assert all(getattr(Running, act.__name__) is act for act in RESPONSE_ACTS.values())


def test_effects_are_taken_once() -> None:
    """What was taken is gone; nothing to do costs no new tuple."""
    state = Play().state
    state.received(parse(b'{"type":"session.created"}'), 0.0)
    assert [type(effect) for effect in state.take()] == [fx.Settle]
    assert state.take() is state.take() == ()


def test_a_create_without_response_object() -> None:
    """`response.create` needs no overrides, sent or sequenced."""
    play = Play()
    play.receive("session")
    assert play.state.create(ResponseCreate(event_id="c1"), Turn(), on_active="queue")
    assert play.taken() == ["send response.create c1"]


def test_an_item_without_id_is_given_one() -> None:
    """Its answer is known by its id, so we choose one; the caller's item is not changed."""
    play = Play()
    play.receive("session")
    item: dict[str, Any] = {"type": "message", "role": "user", "content": []}
    event = {"type": "conversation.item.create", "event_id": "x1", "item": item}
    assert play.wish({"send": event}) == ["send conversation.item.create item_1"]
    assert play.receive("added item_1") == ["settle x1 conversation.item.added"]
    assert item == {"type": "message", "role": "user", "content": []}


@pytest.mark.parametrize(
    ("session", "side", "audio_format"),
    [
        ({}, "input", "audio/pcm"),
        ({"audio": {"input": {}}}, "output", "audio/pcm"),
        ({"audio": {"input": {"format": {"rate": 24000}}}}, "input", "audio/pcm"),
        ({"audio": {"output": {"format": {"type": "audio/pcmu"}}}}, "output", "audio/pcmu"),
    ],
)
def test_audio_format(session: dict[str, Any], side: str, audio_format: str) -> None:
    """What the session says, else PCM16."""
    play = Play()
    play.receive({"type": "session.created", "session": session})
    assert play.state.audio_format(side) == audio_format


def test_what_the_link_cannot_say() -> None:
    """A session opens without an item of its history that has no words; a caller is told."""
    no_words = ConfigurationError("no words")
    play = Play(history=[{"type": "message", "role": "user", "content": []}])
    state = play.state
    state.received(parse(b'{"type":"session.created"}'), 0.0)
    (sent,) = state.take()
    assert isinstance(sent, fx.Send)
    state.unsaid(sent.event, no_words)
    assert [type(effect) for effect in state.take()] == [fx.Settle]
    assert state.recovery.ready
    event = client_event({"type": "input_audio_buffer.clear", "event_id": "mine"})
    state.sending(event)
    state.take()
    state.unsaid(event, no_words)
    (told,) = state.take()
    assert isinstance(told, fx.Reject)
    assert (told.key, str(told.error)) == ("mine", "no words")
    assert state.requests.drain() == []
