"""Translation sessions: a continuous stream that gives the input back."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .driving import Driver, b64, checked, every, only, types

FRAME = bytes(range(1, 241)) * 40  # 200 ms
HEAR = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}


@pytest.fixture
def interpreter() -> Driver:
    return Driver("translation")


def feed(driver: Driver, audio: bytes) -> list[dict[str, Any]]:
    return driver.send("session.input_audio_buffer.append", audio=b64(audio))


def sound(events: list[dict[str, Any]]) -> bytes:
    deltas = every(events, "session.output_audio.delta")
    return b"".join(base64.b64decode(one["delta"]) for one in deltas)


def said(events: list[dict[str, Any]], side: str = "output") -> str:
    return "".join(one["delta"] for one in every(events, f"session.{side}_transcript.delta"))


def test_session_created(interpreter: Driver) -> None:
    """The session is a translation session with its language."""
    (event,) = checked(interpreter.brain.hello(), interpreter.judge)
    session = event["session"]
    assert (session["type"], session["model"]) == ("translation", "gpt-realtime-2.1")
    assert session["audio"]["output"]["language"] == "en"
    assert session["expires_at"] == 1_800_000_000


def test_update(interpreter: Driver) -> None:
    """An update merges: language, transcription, noise reduction and its strength."""
    update: dict[str, Any] = {
        "audio": {
            "input": {"noise_reduction": {"type": "far_field", "strength": 0.5}},
            "output": {"language": "de"},
        }
    }
    interpreter.send("session.update", session=update)
    near = {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}
    interpreter.send("session.update", session=near)
    session = only(interpreter.send("session.update", session=HEAR), "session.updated")["session"]
    assert session["audio"] == {
        "input": {
            "transcription": {"model": "gpt-realtime-whisper"},
            "noise_reduction": {"type": "near_field", "strength": 0.5},
        },
        "output": {"language": "de"},
    }
    off = {"audio": {"input": {"noise_reduction": None, "transcription": None}}}
    session = only(interpreter.send("session.update", session=off), "session.updated")["session"]
    assert session["audio"]["input"] == {"transcription": None, "noise_reduction": None}


def test_the_input_comes_back_behind_itself(interpreter: Driver) -> None:
    """Output trails input, and the rest comes out with session.close."""
    events = feed(interpreter, FRAME * 4 + b"\1\2")
    assert sound(events) == FRAME * 2
    assert [one["elapsed_ms"] for one in every(events, "session.output_audio.delta")] == [200, 400]
    end = interpreter.send("session.close")
    assert sound(end) == FRAME * 2 + b"\1\2"
    assert types(end)[-1] == "session.closed"
    assert interpreter.brain.over == (1000, "")


def test_appends_of_any_size(interpreter: Driver) -> None:
    """However the input is cut, the output is the input."""
    events: list[dict[str, Any]] = []
    for start in range(0, len(FRAME) * 3, 1111):
        events += feed(interpreter, (FRAME * 3)[start : start + 1111])
    events += interpreter.send("session.close")
    assert sound(events) == FRAME * 3


def test_honest_words(interpreter: Driver) -> None:
    """Without a script the text says how much sound there was, and silence says nothing."""
    events = feed(interpreter, FRAME * 7) + interpreter.send("session.close")
    assert said(events) == "[speech, 1.0 s] [speech, 0.4 s] "
    assert said(events, "input") == ""  # transcription is off
    silent = Driver("translation")
    events = feed(silent, bytes(len(FRAME)) * 9) + silent.send("session.close")
    assert said(events) == ""
    assert len(sound(events)) == len(FRAME) * 9


def test_scripted_words(interpreter: Driver) -> None:
    """Scripted transcripts come a word a frame, the translation on its side."""
    interpreter.send("session.update", session=HEAR)
    interpreter.script.transcripts([{"transcript": "Guten Tag", "translation": "Hello"}, "Ja"])
    events = feed(interpreter, FRAME * 5)
    assert said(events, "input") == "Guten TagJa"
    assert said(events) == "HelloJa"


def test_words_left_at_the_end(interpreter: Driver) -> None:
    """What was begun is said to its end before session.closed."""
    interpreter.script.transcripts(["one two three four"])
    events = feed(interpreter, FRAME) + interpreter.send("session.close")
    assert said(events) == "one two three four"
    assert types(events)[-1] == "session.closed"


def test_a_scripted_failure(interpreter: Driver) -> None:
    """An exception becomes an error; the stream goes on."""
    interpreter.script.transcripts([RuntimeError("lost it")])
    events = feed(interpreter, FRAME * 3)
    assert only(events, "error")["error"]["message"] == "lost it"
    assert sound(events) == FRAME


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_value"),
        ({"type": "response.create"}, "invalid_value"),
        ({"type": "session.input_audio_buffer.append", "audio": "?"}, "invalid_value"),
        ({"type": "session.update", "session": {"voice": "x"}}, "unknown_parameter"),
        ({"type": "session.update"}, "missing_required_parameter"),
    ],
)
def test_refused(interpreter: Driver, event: dict[str, Any], code: str) -> None:
    """The events of the other kinds of session are not taken."""
    assert interpreter.refused(**{"kind": event.pop("type"), **event})["code"] == code


def test_preset() -> None:
    """A session may begin with the settings of a client secret."""
    made = Driver("translation", preset={"model": "m", "audio": {"output": {"language": "fr"}}})
    assert made.brain.session["audio"]["output"]["language"] == "fr"
    assert repr(made.brain) == "<Interpreter t>"
