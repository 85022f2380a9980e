"""Responses as they run: who is woken, who is remembered, what is let go of."""

from __future__ import annotations

import base64
import gc
import json
import tracemalloc
import weakref

import pytest

from realtime_sync.core import effects as fx
from realtime_sync.core.running import REMEMBERED
from realtime_sync.events.codec import parse
from realtime_sync.events.local import ResponseMetrics, TurnEnded

from .play import Play
from .wire import AUDIO_100_MS


def opened(**given: object) -> Play:
    play = Play(**given)
    play.receive("session")
    return play


def test_who_follows_is_woken() -> None:
    """Followers at the next event, those who wait for the end at the end; each once."""
    play = opened()
    play.receive("created r1")
    record = play.state.running.responses["r1"]
    woken: list[str] = []
    record.waiters.append(lambda: woken.append("more"))
    record.enders.append(lambda: woken.append("end"))
    assert play.receive("text r1 i1 Hi") == ["wake 1"]
    assert play.receive("text r1 i1 Hi") == []
    record.waiters.append(lambda: woken.append("more"))
    assert play.receive("done r1") == ["wake 2"]


def test_who_follows_a_turn_is_woken() -> None:
    """At each new response and at the end."""
    play = opened()
    play.wish({"begin": "A"})
    turn = play.turns["A"]
    turn.waiters.append(lambda: None)
    assert play.receive("created r1 e1") == ["wake 1"]
    turn.waiters.append(lambda: None)
    assert play.receive("done r1") == ["settle A r1", "wake 1"]


def test_metrics_are_told_at_the_end() -> None:
    """Each response has one `response.metrics`, after its end."""
    play = opened()
    play.receive("created r1")
    play.state.received(parse(b'{"type":"response.done","response":{"id":"r1"}}'), 5.0)
    told = [e.event for e in play.state.take() if isinstance(e, fx.Emit)]
    assert [type(event) for event in told] == [ResponseMetrics, TurnEnded]
    assert told[0].response_id == "r1"


def test_the_first_response_after_speech_has_its_latency() -> None:
    """From the end of the speech; the next response followed no speech any more."""
    play = opened()
    play.receive({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 9, "item_id": "u"})
    stopped = play.at
    for said in ("created r1", "created o1", "done r1", "created r2"):
        play.receive(said)
    assert play.records["r1"].timings.speech == pytest.approx(stopped)
    assert play.records["r2"].timings.speech is None


def test_rate_limits_add_up_by_name() -> None:
    """A limit that the server leaves out stays as it was told before."""
    play = opened()
    for name, left in (("tokens", 5), ("requests", 3), ("tokens", 4)):
        limits = [{"name": name, "remaining": left}]
        play.receive({"type": "rate_limits.updated", "rate_limits": limits})
    left = {name: limit.remaining for name, limit in play.state.running.rate_limits.items()}
    assert left == {"tokens": 4, "requests": 3}


def test_every_response_counts() -> None:
    """The session's usage adds up over default and out-of-band responses, and transcripts."""
    play = opened()
    usage = {"total_tokens": 3, "output_tokens": 2}
    for number, conversation in enumerate(["conv_1", None]):
        told = {"id": f"r{number}", "conversation_id": conversation, "metadata": None}
        play.receive({"type": "response.created", "response": told})
        play.receive({"type": "response.done", "response": {**told, "usage": usage}})
    play.receive(
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "u1",
            "usage": {"type": "duration", "seconds": 2},
        }
    )
    total = play.state.running.usage
    assert (total.responses, total.total_tokens, total.transcription_seconds) == (2, 6, 2)


def test_a_finished_response_is_known_as_long_as_it_is_held() -> None:
    """The last one by us, older ones by their holders; then nothing of it is left at once."""
    play = Play(tools=[["add"], []])
    play.receive("session")
    play.wish({"begin": "A"})
    for said in ("created r1 e1", "call r1 f1 call_1 add {}", "done r1"):
        play.receive(said)
    running = play.state.running
    assert running.finished["r1"] is running.last
    for said in ("created v1", "text v1 i1 x", "done v1"):
        play.receive(said)
    gone = weakref.ref(running.finished["r1"])
    play.records.clear()
    play.wish({"give_up": "A"})
    play.wish({"tool": "call_1", "output": "1"})
    play.turns.clear()
    gc.disable()  # nothing may need it: a response holds all of its audio
    try:
        assert gone() is None
    finally:
        gc.enable()
    assert "r1" not in running.finished
    assert not play.state.calls.waited_for


def test_a_response_and_its_turn_do_not_keep_each_other() -> None:
    """Whoever holds the last response of a turn holds no other."""
    play = Play(tools=[["add"], []])
    play.receive("session")
    play.wish({"begin": "A"})
    for said in ("created r1 e1", "call r1 f1 call_1 add {}", "done r1"):
        play.receive(said)
    play.wish({"tool": "call_1", "output": "1"})
    for said in ("created r2 e3", "done r2"):
        play.receive(said)
    assert [record.turn for record in play.turns["A"].records] == [None, None]


def test_ids_of_finished_responses_are_remembered_up_to_a_limit() -> None:
    """A doubled `response.created` begins nothing, be it never so late within the limit."""
    play = opened()
    for number in range(REMEMBERED + 2):
        play.receive(f"created r{number}")
        play.receive(f"done r{number}")
    assert len(play.state.running._over) == REMEMBERED
    play.receive(f"created r{REMEMBERED}")
    assert not play.state.running.responses


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.added", "item": {"id": "i1"}},
        {"type": "response.content_part.added"},
        {"type": "response.output_text.delta", "item_id": "i1", "delta": "x"},
        {"type": "response.output_text.done", "item_id": "i1", "text": "x"},
        {"type": "response.output_audio.delta", "item_id": "i1", "delta": "AAAA"},
        {"type": "response.output_audio.done", "item_id": "i1"},
        {"type": "response.function_call_arguments.delta", "item_id": "i1", "delta": "x"},
        {"type": "response.function_call_arguments.done", "item_id": "i1", "arguments": "x"},
        {"type": "response.mcp_call_arguments.delta", "item_id": "i1", "delta": "x"},
        {"type": "response.mcp_call_arguments.done", "item_id": "i1", "arguments": "x"},
    ],
)
def test_events_of_unknown_responses_leave_no_trace(event: dict[str, object]) -> None:
    """Nothing is kept for a response that we never heard of."""
    play = opened()
    assert play.receive({**event, "response_id": "r9"}) == []
    assert not play.state.conversation.records
    assert not play.state.running.responses


def test_audio_that_comes_after_a_cut_does_not_count() -> None:
    """A second cut at the same place, while the rest still comes, cuts nothing more."""
    play = opened()
    place = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    audio = {"type": "response.output_audio.delta", **place, "delta": AUDIO_100_MS}
    words = {"type": "response.output_audio_transcript.delta", **place, "delta": "one two"}
    begun = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    for said in (
        "created r1",
        {"type": "response.output_item.added", **place, "item": begun},
        {"type": "conversation.item.added", "item": begun},
        words,
        audio,
        audio,
        "truncated i1 100",
        audio,
        audio,
        "truncated i1 100",
    ):
        play.receive(said)
    assert play.shown("items") == ["assistant i1: one (incomplete)"]


def test_audio_is_kept_once() -> None:
    """Although every callback has read `.audio`: what is kept of it is the base64, 4/3 of it."""
    play = opened()
    play.receive("created r1")
    place = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    count, size = 200, 48_000
    tracemalloc.start()
    try:
        for number in range(count):
            piece = base64.b64encode(bytes([number]) * size).decode()
            raw = {"type": "response.output_audio.delta", **place, "delta": piece}
            event = parse(json.dumps(raw))
            play.state.received(event, 0.0)
            assert event.audio == bytes([number]) * size
            assert event.audio_size == size
        kept = tracemalloc.get_traced_memory()[0] / (count * size)
    finally:
        tracemalloc.stop()
    assert 1.33 < kept < 1.5


@pytest.mark.parametrize("size", range(7))
def test_size_of_audio(size: int) -> None:
    """Known without decoding it."""
    piece = base64.b64encode(bytes(size)).decode()
    event = parse(json.dumps({"type": "response.output_audio.delta", "delta": piece}))
    assert event.audio_size == len(event.audio) == size


def test_items_out_of_band_stay_out_of_the_mirror() -> None:
    """Also of a response that ended long ago, no record is left in the conversation."""
    play = opened()
    play.wish({"create": "o1", "response": {"conversation": "none"}})
    for said in ("created r1 o1", "text r1 i1 x", "done r1"):
        play.receive(said)
    assert not play.state.conversation.records
