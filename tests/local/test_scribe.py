"""Transcription sessions."""

from __future__ import annotations

from typing import Any

import pytest

from .driving import Driver, checked, every, only, types

ON = {
    "type": "transcription",
    "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
}
INCLUDE = {"type": "transcription", "include": ["item.input_audio_transcription.logprobs"]}
TOLD = "conversation.item.input_audio_transcription"


@pytest.fixture
def scribe() -> Driver:
    made = Driver("transcription")
    made.send("session.update", session=ON)
    return made


def test_session_created() -> None:
    """The session is a transcription session, with no transcription yet."""
    (event,) = checked(Driver("transcription").brain.hello())
    session = event["session"]
    assert event["type"] == "session.created"
    assert session["type"] == "transcription"
    assert session["object"] == "realtime.transcription_session"
    assert session["expires_at"] == 1_800_000_000
    assert session["id"].startswith("sess_")
    assert session["audio"]["input"]["transcription"] is None
    assert "output" not in session["audio"]


def test_update_merges() -> None:
    """An update changes audio.input and include only where it says so."""
    driver = Driver("transcription")
    driver.send("session.update", session=ON)
    noise = {
        "type": "transcription",
        "audio": {"input": {"noise_reduction": {"type": "far_field"}}},
    }
    session = only(driver.send("session.update", session=noise), "session.updated")["session"]
    heard = session["audio"]["input"]
    assert heard["transcription"]["model"] == "gpt-4o-transcribe"
    assert heard["noise_reduction"] == {"type": "far_field", "strength": 1}


def test_a_commit_is_written_down(scribe: Driver) -> None:
    """committed, added, done, deltas, completed; no response."""
    scribe.script.transcripts(["hello there"])
    events = scribe.speak(1200)
    assert types(events) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TOLD}.delta",
        f"{TOLD}.delta",
        f"{TOLD}.completed",
    ]
    assert only(events, f"{TOLD}.completed")["transcript"] == "hello there"
    honest = only(scribe.speak(1200), f"{TOLD}.completed")
    assert honest["transcript"] == "[speech, 1.2 s]"


@pytest.mark.parametrize("kind", ["response.create", "response.cancel"])
def test_no_responses(scribe: Driver, kind: str) -> None:
    """A transcription session has no responses."""
    error = scribe.refused(kind)
    assert (error["code"], error["param"]) == ("invalid_value", "type")
    assert "transcription session" in error["message"]


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime"}, "invalid_parameter", "session.type"),
        ({"audio": {}}, "missing_required_parameter", "session.type"),
        ({"type": "transcription", "model": "m"}, "unknown_parameter", "session.model"),
        (
            {"type": "transcription", "audio": {"output": {}}},
            "unknown_parameter",
            "session.audio.output",
        ),
        (
            {
                "type": "transcription",
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-realtime-whisper"},
                        "turn_detection": {"type": "server_vad"},
                    }
                },
            },
            "invalid_value",
            "session.audio.input.turn_detection",
        ),
    ],
)
def test_refused_update(scribe: Driver, session: dict[str, Any], code: str, param: str) -> None:
    """What a transcription session does not have is refused."""
    error = scribe.refused("session.update", session=session)
    assert (error["code"], error["param"]) == (code, param)


def test_a_realtime_session_refuses_the_transcription_update(driver: Driver) -> None:
    """The two kinds do not change into each other."""
    error = driver.refused("session.update", session=ON)
    assert (error["code"], error["param"]) == ("invalid_parameter", "session.type")


def test_a_model_without_turn_detection(scribe: Driver) -> None:
    """With gpt-realtime-whisper the default detection goes off; usage is by time."""
    wanted = {"audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}}
    events = scribe.send("session.update", session={"type": "transcription", **wanted})
    session = only(events, "session.updated")["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    told = only(scribe.speak(1200), f"{TOLD}.completed")
    assert told["usage"] == {"type": "duration", "seconds": 1.2}


def test_a_failed_transcript(scribe: Driver) -> None:
    """An exception fails one transcript."""
    scribe.script.transcripts([RuntimeError("too noisy"), "fine"])
    assert only(scribe.speak(200), f"{TOLD}.failed")["error"]["message"] == "too noisy"
    assert only(scribe.speak(200), f"{TOLD}.completed")["transcript"] == "fine"


def test_segments_and_languages(scribe: Driver) -> None:
    """Segments come before completed, each with an id; the transcript is theirs."""
    segments = [
        {"text": "Good morning.", "speaker": "A", "start": 0, "end": 0.5},
        {"text": "Hello.", "speaker": "B", "start": 0.5, "end": 1},
    ]
    scribe.script.transcripts([{"segments": segments, "languages": ["en"]}])
    events = scribe.speak(1000)
    told = every(events, f"{TOLD}.segment")
    assert [(one["speaker"], one["text"]) for one in told] == [
        ("A", "Good morning."),
        ("B", "Hello."),
    ]
    assert len({one["id"] for one in told}) == 2
    completed = only(events, f"{TOLD}.completed")
    assert completed["transcript"] == "Good morning. Hello."
    assert completed["languages"] == [{"code": "en"}]
    assert events[-1] is completed


def test_logprobs_only_where_included(scribe: Driver) -> None:
    """Log-probabilities come with each delta and with completed, once the session includes them."""
    spoken = {"logprobs": [("Grüß", -0.1), (" Gott", -0.5)]}
    scribe.script.transcripts([spoken, spoken])
    assert not any("logprobs" in event for event in scribe.speak(200))
    scribe.send("session.update", session=INCLUDE)
    events = scribe.speak(200)
    deltas = every(events, f"{TOLD}.delta")
    assert [one["delta"] for one in deltas] == ["Grüß", " Gott"]
    assert deltas[0]["logprobs"] == [
        {"token": "Grüß", "bytes": list("Grüß".encode()), "logprob": -0.1}
    ]
    completed = only(events, f"{TOLD}.completed")
    assert completed["transcript"] == "Grüß Gott"
    assert [one["logprob"] for one in completed["logprobs"]] == [-0.1, -0.5]


def test_completed_wins_over_its_deltas(scribe: Driver) -> None:
    """Deltas need not add up to the transcript."""
    scribe.script.transcripts([{"transcript": "Hi.", "deltas": [" hi"]}])
    events = scribe.speak(200)
    assert only(events, f"{TOLD}.delta")["delta"] == " hi"
    assert only(events, f"{TOLD}.completed")["transcript"] == "Hi."


@pytest.mark.parametrize("speed", [None, 1.0])
def test_out_of_order(speed: float | None) -> None:
    """after=n completes an item only after n later ones."""
    driver = Driver("transcription", speed=speed, preset=ON)
    driver.script.transcripts(
        [{"transcript": "first", "after": 2}, RuntimeError("no"), "third", "fourth"]
    )
    events = [event for _ in range(4) for event in driver.speak(200)]
    order = [one.get("transcript", "-") for one in events if one["type"].startswith(f"{TOLD}.")]
    assert [one for one in order if one != "-"] == ["third", "first", "fourth"]


def test_preset() -> None:
    """A session may begin with the settings of a client secret."""
    heard = Driver("transcription", preset=ON).brain.session["audio"]["input"]
    assert heard["transcription"]["model"] == "gpt-4o-transcribe"


def test_repr(scribe: Driver) -> None:
    """The repr counts the items."""
    scribe.speak(100)
    assert repr(scribe.brain) == "<Scribe t, 1 items>"
