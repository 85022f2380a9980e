"""Talking while a key is held, without devices and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConfigurationError, SessionClosed
from realtime_sync.local import LocalServer

from .conftest import LIMIT, Stage, silence, sound

Stages = Callable[..., Stage]


def sent(server: LocalServer, kind: str) -> list[Any]:
    return [event for event in server.received if event["type"] == kind]


def test_a_turn(stage: Stages, server: LocalServer) -> None:
    """What is said while the key is held, and just before, is answered aloud."""
    on = stage(turn_detection=None)
    server.reply(sound(700, 660))
    ptt = on.push_to_talk()
    on.microphone.say(silence(200) + sound(1000))
    on.pass_ms(600)  # 400 ms of it before the key
    assert not sent(server, "input_audio_buffer.append")
    with ptt as future:
        assert ptt.pressed
        on.pass_ms(800)
    on.until(future.done)
    response = future.result(LIMIT)
    assert response.status == "completed"
    on.until(lambda: not ptt.playing)
    assert len(on.sink.pcm) / 48 == pytest.approx(700, abs=30)
    item = on.session.conversation.retrieve(on.session.conversation.items[0].id or "")
    # the last of it was still on its way from the microphone when the key went up
    assert len(item.audio) / 48 == pytest.approx(500 + 800 + 60, abs=30)
    assert item.audio.startswith(silence(80))
    assert sound(500)[:960] in item.audio


def test_press_interrupts(stage: Stages, server: LocalServer) -> None:
    """The key silences the model, empties the buffer, and the conversation keeps what was heard."""
    on = stage(turn_detection=None)
    words = " ".join(f"word{n}" for n in range(40))
    server.reply(words, "fine")
    ptt = on.push_to_talk()
    future = on.session.submit("tell me")
    on.until(lambda: ptt.playing)
    on.pass_ms(500)
    with on.session.expect("playback.interrupted") as told:
        again = ptt.press()
    assert told.result(timeout=LIMIT).reason == "client"
    assert ptt.press() is again
    on.pass_ms(40)
    assert not ptt.playing
    on.pass_ms(300)
    assert ptt.release() is again
    assert ptt.release() is again
    on.until(again.done)
    assert again.result(LIMIT).text == "fine"
    assert future.done()
    (truncate,) = sent(server, "conversation.item.truncate")
    assert truncate["audio_end_ms"] == pytest.approx(500, abs=60)
    assert len(sent(server, "input_audio_buffer.clear")) == 1


def test_too_short(stage: Stages, server: LocalServer) -> None:
    """Under 100 ms the future fails with ValueError, and nothing is committed."""
    on = stage(turn_detection=None)
    ptt = on.push_to_talk()
    future = ptt.press()
    ptt.release()
    with pytest.raises(ValueError, match="100 ms"):
        future.result(LIMIT)
    on.step()
    assert not sent(server, "input_audio_buffer.commit")
    with ptt as again:
        on.pass_ms(200)
    on.until(again.done)
    assert again.result(LIMIT).status == "completed"


def test_a_block_that_fails(stage: Stages, server: LocalServer) -> None:
    """What was said is given up: no turn."""
    on = stage(turn_detection=None)
    ptt = on.push_to_talk()
    future = ptt.press()
    on.pass_ms(300)
    with pytest.raises(ZeroDivisionError), ptt:
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="given up"):
        future.result(LIMIT)
    on.step()
    assert not sent(server, "input_audio_buffer.commit")
    assert len(sent(server, "input_audio_buffer.clear")) == 2


def test_release_without_press(stage: Stages) -> None:
    """There is nothing to release."""
    on = stage(turn_detection=None)
    with pytest.raises(ConfigurationError, match="press"):
        on.push_to_talk().release()


def test_with_turn_detection(stage: Stages) -> None:
    """The server would end turns by itself."""
    with pytest.raises(ConfigurationError, match="turn_detection"):
        stage().push_to_talk()


def test_closing(stage: Stages) -> None:
    """close() gives the devices back; a key that was held ends with the session."""
    on = stage(turn_detection=None)
    ptt = on.push_to_talk()
    future = ptt.press()
    on.clock.release()
    ptt.close()
    assert ptt.ended
    on.session.close()
    with pytest.raises(SessionClosed):
        future.result(LIMIT)


def said_ms(on: Stage) -> list[float]:
    """Milliseconds of each of the user's items, as the server has them."""
    conversation = on.session.conversation
    users = [item.id or "" for item in conversation.items if item.role == "user"]
    return [len(conversation.retrieve(one).audio) / 48 for one in users]


@pytest.fixture
def linked(server: LocalServer) -> Iterator[Stage]:
    """A stage whose link is made anew."""
    policy = ReconnectPolicy(delays=(0, 0.05, 0.1))
    endpoint = server.endpoint
    with RealtimeSession(endpoint=endpoint, reconnect=policy, turn_detection=None) as session:
        made = Stage(session)
        yield made
        made.close()


def test_a_link_that_is_lost_while_the_key_is_held(linked: Stage, server: LocalServer) -> None:
    """All that was said is said again, and answered once."""
    server.reply("I have heard you")
    ptt = linked.push_to_talk()
    future = ptt.press()
    linked.pass_ms(600)
    with linked.session.expect("connection.restored") as restored:
        server.script.cut(after=0)
        linked.session.send({"type": "conversation.item.retrieve", "item_id": "nothing"})
        restored.result(timeout=LIMIT)
    linked.pass_ms(400)
    ptt.release()
    linked.until(future.done)
    assert future.result(LIMIT).text == "I have heard you"
    assert said_ms(linked) == [pytest.approx(1000 + 60, abs=30)]


def test_a_link_that_is_lost_with_the_commit(linked: Stage, server: LocalServer) -> None:
    """What the server had heard is said again to the next; nobody gets a refusal."""
    ptt = linked.push_to_talk()
    future = ptt.press()
    linked.pass_ms(600)
    with linked.session.expect("connection.restored") as restored:
        ptt.release()
        linked.pass_ms(40)
        server.script.cut(after=0)  # nothing of the turn is answered
        linked.clock.advance(0.02)
        restored.result(timeout=LIMIT)
    linked.until(future.done)
    assert future.result(LIMIT).text == "[your speech, 0.7 s]"
    assert said_ms(linked) == [pytest.approx(600 + 60, abs=30)]
