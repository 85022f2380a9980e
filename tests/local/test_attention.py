"""Turn detection: speech starts, stops, is committed, answered, and cuts off what is being said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from realtime_sync.audio import encode

from .driving import Driver, b64, done, every, only, types

Wire = dict[str, Any]

SPOKEN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


def sound(milliseconds: int) -> bytes:
    times = np.arange(24 * milliseconds) / 24_000
    return (6000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(48 * milliseconds)


def detecting(kind: str = "realtime", audio: Wire | None = None, **detection: Any) -> Driver:
    driver = Driver(kind)
    turns = {"type": "server_vad", **detection}
    heard = {"turn_detection": turns, **(audio or {})}
    driver.send("session.update", session={"type": kind, "audio": {"input": heard}})
    return driver


def hear(driver: Driver, audio: bytes) -> list[Wire]:
    return driver.give("input_audio_buffer.append", audio=b64(audio))


def test_a_turn_by_voice() -> None:
    """started, stopped, committed, the item, and a response by itself, as the service does."""
    driver = Driver()
    driver.say("before")
    assert hear(driver, silence(1000)) == []
    (started,) = hear(driver, sound(500))
    events = hear(driver, silence(300))
    stopped, committed, added, _, created = events
    assert [started["type"], *types(events)] == [*SPOKEN, "response.created"]
    assert started["audio_start_ms"] == 700
    assert stopped["audio_end_ms"] == 1700
    ids = {started["item_id"], stopped["item_id"], committed["item_id"], added["item"]["id"]}
    assert len(ids) == 1
    assert committed["previous_item_id"] == added["previous_item_id"]
    assert created["response"]["metadata"] is None
    assert done(driver.rest())["status"] == "completed"


def test_the_item_is_what_was_said() -> None:
    """It holds the audio from the start to the end that were told, and nothing else."""
    driver = detecting(create_response=False, prefix_padding_ms=100, silence_duration_ms=200)
    audio = silence(1000) + sound(500) + silence(1000)
    item_id = only(hear(driver, audio), SPOKEN[2])["item_id"]
    got = driver.send("conversation.item.retrieve", item_id=item_id)[0]["item"]
    assert base64.b64decode(got["content"][0]["audio"]) == audio[900 * 48 : 1700 * 48]


def test_milliseconds_go_on_over_turns() -> None:
    """They count from the session's beginning, commits and clears included."""
    driver = detecting(create_response=False, silence_duration_ms=200)
    speech = silence(400) + sound(400) + silence(400)
    starts = [only(hear(driver, speech), SPOKEN[0])["audio_start_ms"] for _ in range(3)]
    assert starts == [100, 1300, 2500]
    driver.send("input_audio_buffer.clear")
    assert only(hear(driver, speech), SPOKEN[0])["audio_start_ms"] == 3700


def test_padding_is_never_audio_of_the_turn_before() -> None:
    """Two turns share no audio."""
    driver = detecting(create_response=False, silence_duration_ms=100)
    events = hear(driver, sound(200) + silence(100) + sound(200) + silence(100))
    first, second = every(events, SPOKEN[0])
    assert first["audio_start_ms"] == 0
    assert second["audio_start_ms"] == every(events, SPOKEN[1])[0]["audio_end_ms"] == 300


def test_barge_in() -> None:
    """Speech ends the response that runs: cancelled, turn_detected, its item incomplete."""
    driver = detecting()
    hear(driver, sound(300))
    hear(driver, silence(600))
    driver.until("response.output_audio.delta")
    events = hear(driver, sound(100))
    assert types(events)[0] == SPOKEN[0]
    response = done(events)
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert only(events, "response.output_item.done")["item"]["status"] == "incomplete"
    assert done(hear(driver, silence(600)) + driver.rest())["status"] == "completed"


def test_without_interrupt_response() -> None:
    """What is being said goes on, and what is said meanwhile is committed without an answer."""
    driver = detecting(interrupt_response=False)
    hear(driver, sound(300) + silence(600))
    driver.until("response.output_audio.delta")
    assert types(hear(driver, sound(300) + silence(600))) == SPOKEN
    assert done(driver.rest())["status"] == "completed"


def test_without_create_response() -> None:
    """The turn ends with the item; a response is the client's to ask for."""
    driver = detecting(create_response=False)
    assert types(hear(driver, sound(300) + silence(600))) == SPOKEN
    assert driver.rest() == []


@pytest.mark.parametrize(("threshold", "told"), [(0.2, 5), (0.9, 0)])
def test_threshold(threshold: float, told: int) -> None:
    """What is below it is no speech."""
    driver = detecting(threshold=threshold, create_response=False)
    quiet = (np.frombuffer(sound(400), "<i2") // 6).astype("<i2").tobytes()
    assert len(hear(driver, quiet + silence(600))) == told


@pytest.mark.parametrize(("eagerness", "waits"), [("low", 2000), ("auto", 1000), ("high", 500)])
def test_semantic_vad(eagerness: str, waits: int) -> None:
    """The same events; it waits as long as its eagerness says."""
    driver = Driver()
    turns = {"type": "semantic_vad", "eagerness": eagerness, "create_response": False}
    driver.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": turns}}},
    )
    events = hear(driver, sound(400) + silence(3000))
    assert types(events) == SPOKEN
    assert only(events, SPOKEN[1])["audio_end_ms"] == 400 + waits


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_telephone_formats(format: str) -> None:
    """G.711 is heard as PCM is, to the millisecond."""
    driver = detecting(audio={"format": {"type": format}}, create_response=False)
    events = hear(driver, encode(silence(1000) + sound(500) + silence(600), format))
    assert only(events, SPOKEN[0])["audio_start_ms"] == 700
    assert only(events, SPOKEN[1])["audio_end_ms"] == 1700


def test_turned_off() -> None:
    """Without turn detection nothing is told, and the buffer waits for a commit."""
    driver = detecting()
    heard = {"turn_detection": None}
    driver.send("session.update", session={"type": "realtime", "audio": {"input": heard}})
    assert hear(driver, sound(400) + silence(2000)) == []
    assert types(driver.send("input_audio_buffer.commit"))[0] == SPOKEN[2]


def test_a_commit_in_the_middle_of_speech() -> None:
    """It takes what is there, as the item that was announced; what follows is another speech."""
    driver = detecting()
    (started,) = hear(driver, sound(400))
    committed = only(driver.send("input_audio_buffer.commit"), SPOKEN[2])
    assert committed["item_id"] == started["item_id"]
    (again,) = hear(driver, sound(400))
    assert again["item_id"] != started["item_id"]
    assert again["audio_start_ms"] == 400


def test_another_format_in_the_middle() -> None:
    """Milliseconds go on; what was heard before stays as it was."""
    driver = detecting(create_response=False)
    hear(driver, silence(1000))
    law = {"format": {"type": "audio/pcmu"}}
    driver.send("session.update", session={"type": "realtime", "audio": {"input": law}})
    events = hear(driver, encode(silence(1000) + sound(300) + silence(600), "audio/pcmu"))
    assert only(events, SPOKEN[0])["audio_start_ms"] == 1700


def test_silence_is_not_kept_for_ever() -> None:
    """An open, quiet microphone fills no memory, and the milliseconds stay right."""
    driver = detecting(create_response=False)
    for _ in range(12):
        hear(driver, silence(10_000))
    assert len(driver.brain._attention.buffer) <= 30_000 * 48
    assert only(hear(driver, sound(100)), SPOKEN[0])["audio_start_ms"] == 120_000 - 300


def test_idle_timeout() -> None:
    """After so long without speech, counted from what is played, an empty turn is answered."""
    driver = detecting(idle_timeout_ms=5000)
    hear(driver, sound(1000) + silence(600))
    first = driver.until("response.done")
    played = sum(
        len(base64.b64decode(e["delta"])) for e in every(first, "response.output_audio.delta")
    )
    began = driver.now
    hear(driver, silence(700))
    events = driver.until("response.created")
    assert types(events)[-5:] == [
        "input_audio_buffer.timeout_triggered",
        *SPOKEN[2:],
        "response.created",
    ]
    assert driver.now == pytest.approx(began + played / 48_000 + 5, abs=0.01)
    triggered = only(events, "input_audio_buffer.timeout_triggered")
    assert (triggered["audio_start_ms"], triggered["audio_end_ms"]) == (1600, 2300)
    assert triggered["item_id"] == only(events, SPOKEN[2])["item_id"]


def after_speech(driver: Driver) -> None:
    hear(driver, sound(200))


def after_a_response(driver: Driver) -> None:
    driver.give("response.create", response={"output_modalities": ["text"], "metadata": None})
    while driver.brain._active is not None:
        driver.rest(most=1)
    heard = {"turn_detection": None}
    driver.give("session.update", session={"type": "realtime", "audio": {"input": heard}})


@pytest.mark.parametrize("act", [after_speech, after_a_response])
def test_no_idle_timeout(act: Callable[[Driver], None]) -> None:
    """Speech, or another response, ends the waiting."""
    driver = detecting(idle_timeout_ms=5000)
    hear(driver, sound(1000) + silence(600))
    driver.until("response.done")
    act(driver)
    assert "input_audio_buffer.timeout_triggered" not in types(driver.rest())


def test_transcription_session() -> None:
    """There too: started, stopped, committed, and what was said; nothing answers."""
    driver = detecting("transcription", audio={"transcription": {"model": "gpt-4o-transcribe"}})
    driver.script.transcripts(["hello there"])
    events = hear(driver, silence(500) + sound(500) + silence(600)) + driver.rest()
    assert types(events)[:5] == SPOKEN
    kind = "conversation.item.input_audio_transcription.completed"
    assert only(events, kind)["transcript"] == "hello there"
    assert not [kind for kind in types(events) if kind.startswith("response.")]
