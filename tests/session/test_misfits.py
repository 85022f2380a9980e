"""What the server would refuse: left out and named, or never sent; the session lives."""

from __future__ import annotations

from typing import Any

import pytest
from pipe import LIMIT, Line, Task, greeted

from realtime_sync import RealtimeSession
from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer

from .conftest import Opener


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of, by path."""
    return [r.getMessage().partition(":")[0] for r in caplog.records if r.levelname == "WARNING"]


def test_a_model_that_does_not_reason(
    make: Opener, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What the model does not take is left out, at the start and later, and warned about once."""
    session = make(model="gpt-realtime", reasoning={"effort": "low"}).open()
    session.update(reasoning={"effort": "high"}, instructions="x")
    assert session.ask("Hi.", reasoning={"effort": "low"}).status == "completed"
    assert session.ask("Hi.", reasoning={"effort": "low"}).status == "completed"
    assert "reasoning" not in str(server.received)
    assert warned(caplog) == ["session.reasoning", "response.reasoning"]
    assert "gpt-realtime does not reason" in caplog.text


def test_a_model_that_does(make: Opener, server: LocalServer) -> None:
    """For others it is sent."""
    make(model="gpt-realtime-2.1", reasoning={"effort": "low"}).open()
    assert server.received[0]["session"]["reasoning"] == {"effort": "low"}


def test_both_modalities(make: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Text and audio together is audio, which brings its transcript."""
    session = make(output_modalities=["text", "audio"]).open()
    assert session.config.output_modalities == ("audio",)
    assert warned(caplog) == ["session.output_modalities"]


def test_the_servers_word_counts(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """It is the model that the server names, not the one that was asked for."""
    pipe = greeted(model="gpt-realtime-mini-2025-12-15")
    line.plan(pipe)
    session = line.session(model="my-deployment", parallel_tool_calls=True, instructions="x")
    opening = Task(session.open)
    update = pipe.expect("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "x"}
    pipe.confirm(update)
    opening.result(LIMIT)
    assert warned(caplog) == ["session.parallel_tool_calls"]


def test_interruptions_without_answers(make: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Speech that cancels responses and begins none is hardly meant: sent, and warned about."""
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": True}
    session = make(turn_detection=detection).open()
    assert session.config.audio is not None
    assert session.config.audio.input is not None
    assert session.config.audio.input.turn_detection is not None
    assert session.config.audio.input.turn_detection.create_response is False
    assert warned(caplog) == ["session.audio.input.turn_detection"]
    assert "interrupt_response" in caplog.text


def update_voice(session: RealtimeSession, **output: Any) -> None:
    event = {"type": "session.update", "session": {"type": "realtime", "audio": {"output": output}}}
    session.request(event).result(LIMIT)


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.update(voice="sage"),
        lambda session: session.update(voice="sage", tools=[]),
        lambda session: update_voice(session, voice="sage"),
    ],
)
def test_a_voice_after_the_first_audio(make: Opener, server: LocalServer, change: Any) -> None:
    """Once the model has spoken its voice stays: the update is refused here, unsent."""
    session = make(output_modalities=["audio"], voice="ash").open()
    session.update(voice="echo")
    session.ask("Hello!")
    before = len(server.received)
    with pytest.raises(ConfigurationError, match=r"audio\.output\.voice: it cannot change"):
        change(session)
    assert len(server.received) == before
    session.update(voice="echo", instructions="y")  # no change
    assert session.ask("Hello!").status == "completed"


def test_a_voice_after_text(make: Opener) -> None:
    """Text alone does not bind the voice."""
    session = make().open()
    session.ask("Hello!")
    held = session.update(voice="sage")
    assert held.audio is not None
    assert held.audio.output is not None
    assert held.audio.output.voice == "sage"


def test_speed_within_a_response(line: Line) -> None:
    """The speed changes between turns only."""
    pipe = greeted(audio={"output": {"speed": 1.0}})
    line.plan(pipe)
    session = line.session().open()
    turn = session.submit()
    create = pipe.expect("response.create")
    with session.expect("response.created") as pending:
        response_id = pipe.begin(create)
        pending.result(timeout=LIMIT)
    with pytest.raises(ConfigurationError, match=r"audio\.output\.speed: it can change between"):
        session.update(speed=1.5)
    pipe.finish(response_id)
    turn.result(LIMIT)
    changing = Task(session.update, speed=1.5)
    pipe.confirm(pipe.expect("session.update"))
    changing.result(LIMIT)
