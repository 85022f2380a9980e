"""Everything that the server sends fits the JSON Schemas of tests/data."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from realtime_sync.local.answers import Call
from realtime_sync.local.beta import Beta

from .driving import Driver
from .judge import judged, judged_events
from .test_desk import OFFER, SESSION, Office

Wire = dict[str, Any]
PCM = base64.b64encode(bytes(range(1, 241)) * 40).decode()  # 200 ms
SPOKEN: Wire = {
    "logprobs": [("Hello", -0.1), (" there", -0.2)],
    "segments": [{"text": "Hello there", "speaker": "A", "start": 0, "end": 1}],
    "languages": ["en"],
}
INCLUDE = ["item.input_audio_transcription.logprobs"]


def conversation(driver: Driver) -> list[Wire]:
    """One of everything that a realtime session says."""
    brain, script = driver.brain, driver.script
    heard = {"input": {"transcription": {"model": "whisper-1"}}}
    update = {"type": "realtime", "audio": heard, "include": INCLUDE}
    script.transcripts([SPOKEN, ValueError("noise")])
    events = [*brain.hello(), *driver.send("session.update", session=update)]
    for _ in range(2):
        driver.send("input_audio_buffer.append", audio=PCM)
        events += driver.send("input_audio_buffer.commit")
    events += driver.say("hello", id="u")
    script.reply(["one two", Call("f", '{"a": 1}')], ValueError("broken"), "text", "long " * 50)
    events += driver.respond()
    spoken = next(one["item"]["id"] for one in events if one["type"] == "response.output_item.done")
    events += driver.respond(metadata={"a": "b"})
    events += driver.respond(output_modalities=["text"], conversation="none")
    script.hold(after=2)
    events += driver.give("response.create", response={"output_modalities": ["text"]})
    for step in brain.advance(driver.now):
        events += step
        if any(one["type"].endswith("text.delta") for one in step):
            break
    events += driver.send("response.cancel") + driver.send("response.cancel")
    cut = {"item_id": spoken, "content_index": 0, "audio_end_ms": 50}
    events += driver.send("conversation.item.truncate", **cut)
    events += driver.send("conversation.item.retrieve", item_id="u")
    events += driver.send("conversation.item.delete", item_id="u")
    events += driver.send("input_audio_buffer.clear") + driver.send("nonsense")
    return events


@pytest.mark.parametrize("kind", ["realtime", "call"])
def test_realtime(kind: str) -> None:
    """A realtime session, and one inside a call."""
    events = conversation(Driver(kind))
    judged_events("ga_server_events", events)
    assert len({event["type"] for event in events}) >= 27
    for event in events:
        if event["type"].startswith("session."):
            judged("ga_session", "realtime.response", event["session"])
        if "item" in event:
            judged("ga_conversation_item", "item", event["item"])
        if "response" in event:
            judged("ga_response", "response", event["response"])


def test_beta() -> None:
    """The same conversation in the beta dialect, names and shapes."""
    dialect = Beta()
    events = [
        told
        for event in conversation(Driver(model="gpt-4o-realtime-preview"))
        for told in dialect.outgoing(event)
    ]
    judged_events("beta_server_events", events)
    assert "response.audio_transcript.done" in {event["type"] for event in events}


def transcription() -> list[Wire]:
    heard = {"input": {"transcription": {"model": "whisper-1", "language": "en"}}}
    preset = {"type": "transcription", "audio": heard, "include": INCLUDE}
    driver = Driver("transcription", preset=preset)
    driver.script.transcripts([SPOKEN])
    events = [*driver.brain.hello(), *driver.send("session.update", session=preset)]
    driver.send("input_audio_buffer.append", audio=PCM)
    return events + driver.send("input_audio_buffer.commit") + driver.send("response.create")


def test_transcription() -> None:
    """A transcription session."""
    events = transcription()
    judged_events("ga_server_events", events)
    for event in events[:2]:
        judged("transcription_session", "ga.response", event["session"])
        judged("ga_session", "transcription.response", event["session"])
    assert {"error"} <= {event["type"] for event in events}


def test_beta_transcription() -> None:
    """A transcription session in the beta dialect."""
    dialect = Beta()
    events = [told for event in transcription() for told in dialect.outgoing(event)]
    judged_events("beta_server_events", events)
    assert events[1]["type"] == "transcription_session.updated"
    judged("transcription_session", "beta.session", events[1]["session"])


def translation() -> list[Wire]:
    driver = Driver("translation")
    driver.script.transcripts(["one two", ValueError("lost")])
    heard = {"transcription": {"model": "m"}, "noise_reduction": {"type": "far_field"}}
    events = [
        *driver.brain.hello(),
        *driver.send("session.update", session={"audio": {"input": heard}}),
    ]
    for _ in range(6):
        events += driver.send("session.input_audio_buffer.append", audio=PCM)
    return events + driver.send("session.close")


def test_translation() -> None:
    """A translation session."""
    events = translation()
    judged_events("translation_server_events", events)
    assert len({event["type"] for event in events}) == 7
    judged("ga_session", "translation.session", events[0]["session"])


def test_rest() -> None:
    """Client secrets, of all three kinds."""
    office = Office()
    for body in (None, {"session": SESSION}, {"session": {"type": "transcription"}}):
        judged(
            "client_secret",
            "create.response",
            json.loads(office.post("/client_secrets", body).body),
        )
    body = {"session": {"model": "m", "audio": {"output": {"language": "de"}}}}
    judged("client_secret", "translations.create.request", body)
    reply = office.post("/translations/client_secrets", body)
    judged("client_secret", "translations.create.response", json.loads(reply.body))
    judged("calls", "create.request", {"sdp": OFFER, "session": SESSION})
