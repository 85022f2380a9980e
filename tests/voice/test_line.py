"""Microphone and speaker beside what else a session does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.local import LocalServer

from .conftest import LIMIT, Stage, silence, sound
from .test_talk import sent

Stages = Callable[..., Stage]


class Guard:
    """Stops what holds a word, once it may say so."""

    def __init__(self, on: Stage, word: str) -> None:
        self.go = threading.Event()
        self.word = word
        self.told = threading.Event()  # of what is in `tripped`
        self.tripped: list[Any] = []
        self.interrupted: list[Any] = []
        on.session.guardrail(self.check)
        on.session.on("guardrail.tripped", self.note)
        on.session.on("playback.interrupted", self.interrupted.append)

    def note(self, event: Any) -> None:
        self.tripped.append(event)
        self.told.set()

    def check(self, text: str) -> bool:
        self.go.wait(LIMIT)
        return self.word in text


@pytest.fixture
def words() -> str:
    return " ".join(f"word{n}" for n in range(40))


def test_a_guardrail_stops_what_plays(stage: Stages, server: LocalServer, words: str) -> None:
    """The speaker falls silent, and the conversation holds what was heard."""
    on = stage()
    guard = Guard(on, "word20")
    server.reply(words)
    talk = on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.pass_ms(500)
    guard.go.set()
    on.until(lambda: not talk.playing and guard.interrupted)
    on.settle()  # callbacks may be faster than the server hears
    (told,) = guard.interrupted
    assert (told.reason, told.response_id) == ("guardrail", guard.tripped[0].response_id)
    (truncate,) = sent(server, "conversation.item.truncate")
    assert truncate["audio_end_ms"] == int(told.played_ms) > 0
    assert on.session.conversation.items[-1].transcript == told.heard_text


def test_a_guardrail_stops_nothing_else(stage: Stages, server: LocalServer, words: str) -> None:
    """While it stops a response out of band, what plays is played, and cut nowhere."""
    on = stage()
    guard = Guard(on, "bad")
    guard.go.set()
    server.reply(words, "that is bad")
    talk = on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.session.response.create(conversation="none", input=["x"], output_modalities=["text"])
    assert guard.told.wait(LIMIT)  # by threads that no virtual time waits for
    on.pass_ms(500)
    assert talk.playing
    assert guard.interrupted == []
    assert sent(server, "conversation.item.truncate") == []


def test_a_guardrail_stops_the_first_of_two(stage: Stages, server: LocalServer, words: str) -> None:
    """Of two responses that wait for the speaker, the one that it read falls silent."""
    on = stage()
    guard = Guard(on, "word20")
    server.reply(words, sound(1000, 660))
    talk = on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    second = on.session.submit("more")
    second.result(LIMIT)
    on.pass_ms(300)
    guard.go.set()
    assert guard.told.wait(LIMIT)
    on.until(lambda: guard.interrupted)
    on.until(lambda: not talk.playing)
    on.settle()
    (told,) = guard.interrupted
    assert told.response_id == guard.tripped[0].response_id != second.result().id
    played = len(on.sink.pcm.strip(b"\0")) / 48
    assert 1000 <= played <= 1000 + told.played_ms + 200
    assert len(sent(server, "conversation.item.truncate")) == 1


def test_a_link_that_is_lost_with_a_turn_detected_here(server: LocalServer) -> None:
    """What was said is said again to the next server, and answered; nothing is refused."""
    policy = ReconnectPolicy(delays=(0, 0.05, 0.1))
    with RealtimeSession(
        endpoint=server.endpoint, reconnect=policy, turn_detection=None
    ) as session:
        on = Stage(session)
        talk = on.talk(local_vad=True, echo="none")
        on.microphone.say(sound(800) + silence(300))
        on.pass_ms(900)
        with session.expect("connection.restored") as restored:
            server.script.cut(after=0)
            session.send({"type": "conversation.item.retrieve", "item_id": "nothing"})
            restored.result(timeout=LIMIT)
        on.until(lambda: talk.playing)
        (item,) = (one for one in session.conversation.items if one.role == "user")
        heard = len(session.conversation.retrieve(item.id or "").audio) / 48
        assert 800 <= heard <= 800 + 800
        on.close()
