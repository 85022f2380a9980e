"""The GA server's behaviour: each flow in the order of wire.md section (h), each error code."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from realtime_sync.errors import ServerError
from realtime_sync.local.answers import Call

from .driving import (
    Driver,
    audio_of,
    b64,
    checked,
    done,
    every,
    only,
    squeezed,
    text_of,
    types,
)

ITEM_EVENTS = ["conversation.item.added", "conversation.item.done"]
TEXT_FLOW = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
CALL_FLOW = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


def test_session_created_comes_first_with_every_default(driver: Driver) -> None:
    """session.created is the only greeting and carries the whole session as the service does."""
    (event,) = checked(driver.brain.hello())
    session = event["session"]
    assert event["type"] == "session.created"
    assert session["id"].startswith("sess_")
    assert session["object"] == "realtime.session"
    assert session["model"] == "gpt-realtime-2.1"
    assert session["expires_at"] == 1_800_000_000
    assert session["output_modalities"] == ["audio"]
    assert session["max_output_tokens"] == "inf"
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "voice": "alloy",
        "speed": 1.0,
    }
    nulls = ("tracing", "prompt", "include")
    assert all(session[name] is None for name in nulls)


def test_event_ids_are_never_used_twice(driver: Driver) -> None:
    """Every server event has an id of its own."""
    events = driver.brain.hello() + driver.ask("hello") + driver.ask("count to 9")
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)


# Text


def test_client_text_item(driver: Driver) -> None:
    """item.create is answered by added and done; the first item has no previous one."""
    first = driver.say("one", id="a")
    second = driver.say("two")
    assert types(first) == types(second) == ITEM_EVENTS
    assert [event["previous_item_id"] for event in first] == [None, None]
    assert [event["previous_item_id"] for event in second] == ["a", "a"]
    assert first[1]["item"] == {
        "id": "a",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "one"}],
        "status": "completed",
    }


def test_text_response(driver: Driver) -> None:
    """A text response has the service's order, and its text is the sum of its deltas."""
    events = driver.ask("hello")
    assert squeezed(events) == TEXT_FLOW
    text = text_of(events)
    assert text == only(events, "response.output_text.done")["text"]
    assert text == done(events)["output"][0]["content"][0]["text"]
    assert "hello" in text
    created = only(events, "response.created")["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    assert created["conversation_id"] == driver.brain.conversation.id
    assert only(events, "conversation.item.added")["item"]["content"] == []
    assert only(events, "conversation.item.done")["item"]["status"] == "completed"
    assert (done(events)["status"], done(events)["status_details"]) == ("completed", None)


def test_usage_adds_up(driver: Driver) -> None:
    """The figures of a usage are sums of their parts, sound by its length."""
    driver.speak(1000)
    driver.script.reply("four words of speech")
    usage = done(driver.respond())["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"]["audio_tokens"] == 10
    assert usage["output_token_details"] == {"text_tokens": 4, "audio_tokens": 8}
    for side in ("input", "output"):
        details = usage[f"{side}_token_details"]
        parts = sum(details.get(f"{kind}_tokens", 0) for kind in ("text", "audio", "image"))
        assert parts == usage[f"{side}_tokens"]


def test_rate_limits_go_down(driver: Driver) -> None:
    """rate_limits.updated follows each response.done and counts."""
    driver.script.reply("a", "b")
    left = [
        only(driver.respond(), "rate_limits.updated")["rate_limits"][0]["remaining"]
        for _ in range(2)
    ]
    assert left == [999, 998]


# Audio


def test_audio_response(driver: Driver) -> None:
    """An audio response: transcript ahead of the audio, both closed, no bytes in the item."""
    driver.say("hello")
    driver.script.reply("one two three four five six seven eight nine ten")
    events = driver.respond()
    kinds = squeezed(events)
    assert kinds[:5] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
    ]
    assert kinds[-7:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    between = kinds[4:-7]
    assert set(between) == {
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
    }
    assert len(between) > 3  # interleaved, not one after the other
    transcript = only(events, "response.output_audio_transcript.done")["transcript"]
    deltas = every(events, "response.output_audio_transcript.delta")
    assert transcript == "".join(event["delta"] for event in deltas)
    assert done(events)["output"][0]["content"] == [
        {"type": "output_audio", "transcript": transcript}
    ]
    assert len(audio_of(events)) == 10 * 4800
    assert every(events, "response.content_part.added")[0]["part"] == {
        "type": "audio",
        "transcript": "",
    }


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_output_format(driver: Driver, name: str) -> None:
    """A response may have its own output format, which it names."""
    driver.script.reply("one two")
    events = driver.respond(audio={"output": {"format": {"type": name}}})
    assert done(events)["audio"]["output"]["format"] == {"type": name}
    assert len(audio_of(events)) == 200 * 8


def test_pcm_reply_comes_out_as_it_is(driver: Driver) -> None:
    """PCM given to reply() is the response's audio, byte for byte, with an honest transcript."""
    pcm = bytes(range(250)) * 96
    driver.script.reply(pcm)
    events = driver.respond()
    assert audio_of(events) == pcm
    transcript = only(events, "response.output_audio_transcript.done")["transcript"]
    assert transcript == "[sound, 0.5 s]"


def test_pcm_reply_in_text(driver: Driver) -> None:
    """In a text response PCM is told of, not sent."""
    driver.script.reply(bytes(48000))
    assert text_of(driver.respond(output_modalities=["text"])) == "[sound, 1.0 s]"


def test_manual_commit_and_parrot(driver: Driver) -> None:
    """commit: committed, added, done; the audio comes back from the response and from retrieve."""
    driver.say("before", id="first")
    events = driver.speak(300)
    assert types(events) == ["input_audio_buffer.committed", *ITEM_EVENTS]
    committed, added, finished = events
    assert committed["previous_item_id"] == added["previous_item_id"] == "first"
    assert committed["item_id"] == added["item"]["id"] == finished["item"]["id"]
    assert finished["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    spoken = b"\x01\x02" * 24 * 300
    reply = driver.respond()
    assert audio_of(reply) == spoken
    transcript = only(reply, "response.output_audio_transcript.done")["transcript"]
    assert transcript == "[your speech, 0.3 s]"
    for item_id in (committed["item_id"], done(reply)["output"][0]["id"]):
        (event,) = driver.send("conversation.item.retrieve", item_id=item_id)
        assert base64.b64decode(event["item"]["content"][0]["audio"]) == spoken


def test_manual_commit_without_turn_detection(driver: Driver) -> None:
    """Committing by hand works with turn detection off as well."""
    driver.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    )
    assert types(driver.speak(100))[0] == "input_audio_buffer.committed"


def test_clear_empties_the_buffer(driver: Driver) -> None:
    """clear is acknowledged, and a commit then finds nothing."""
    driver.send("input_audio_buffer.append", audio=b64(bytes(9600)))
    assert types(driver.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    error = driver.refused("input_audio_buffer.commit")
    assert "0.00ms" in error["message"]


def test_commit_of_too_little(driver: Driver) -> None:
    """Less than 100 ms cannot be committed; the message gives the milliseconds."""
    driver.send("input_audio_buffer.append", audio=b64(bytes(99 * 48)))
    error = driver.refused("input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "99.00ms" in error["message"]


def test_g711_input(driver: Driver) -> None:
    """In a G.711 session a millisecond is eight bytes."""
    driver.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
    )
    driver.send("input_audio_buffer.append", audio=b64(bytes(800)))
    assert types(driver.send("input_audio_buffer.commit"))[0] == "input_audio_buffer.committed"
    assert len(audio_of(driver.respond())) == 4800


def test_transcription_follows_the_commit(driver: Driver) -> None:
    """With transcription on, deltas and completed follow; retrieve knows the transcript then."""
    driver.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}},
    )
    driver.script.transcripts(["good day", ServerError("inaudible", code="audio_unintelligible")])
    kind = "conversation.item.input_audio_transcription"
    first, second, third = driver.speak(1000), driver.speak(500), driver.speak(1200)
    assert squeezed(first)[3:] == [f"{kind}.delta", f"{kind}.completed"]
    completed = only(first, f"{kind}.completed")
    assert completed["transcript"] == "good day"
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}
    assert only(second, f"{kind}.failed")["error"]["code"] == "audio_unintelligible"
    assert only(third, f"{kind}.completed")["transcript"] == "[speech, 1.2 s]"
    (event,) = driver.send("conversation.item.retrieve", item_id=completed["item_id"])
    assert event["item"]["content"][0]["transcript"] == "good day"


# Calls


def test_function_call(driver: Driver) -> None:
    """A call: argument deltas, done with the name, no content parts."""
    events = driver.ask('call weather {"city": "Paris", "days": 2}', tools=[WEATHER])
    assert squeezed(events) == CALL_FLOW
    arguments = only(events, "response.function_call_arguments.done")
    assert json.loads(arguments["arguments"]) == {"city": "Paris", "days": 2}
    assert arguments["name"] == "weather"
    deltas = every(events, "response.function_call_arguments.delta")
    assert "".join(event["delta"] for event in deltas) == arguments["arguments"]
    (item,) = done(events)["output"]
    assert (item["type"], item["status"]) == ("function_call", "completed")
    assert len(item["call_id"]) <= 32


def test_tool_turn(driver: Driver) -> None:
    """After a function_call_output the response says what the tool returned."""
    events = driver.ask("call weather", tools=[WEATHER])
    call_id = done(events)["output"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "12 degrees"}
    added = driver.send("conversation.item.create", item=output)
    assert added[0]["item"]["output"] == "12 degrees"
    assert text_of(driver.respond(output_modalities=["text"])) == "weather returned: 12 degrees"


def test_message_and_several_calls_in_one_response(driver: Driver) -> None:
    """A list is one response: the message has output_index 0, the calls follow."""
    driver.script.reply(["Let me see.", Call("a", '{"x": 1}'), Call("b", "{}")])
    events = driver.respond(output_modalities=["text"])
    added = every(events, "response.output_item.added")
    assert [event["output_index"] for event in added] == [0, 1, 2]
    assert [item["type"] for item in done(events)["output"]] == [
        "message",
        "function_call",
        "function_call",
    ]
    previous = [event["previous_item_id"] for event in every(events, "conversation.item.added")]
    assert previous[1:] == [event["item"]["id"] for event in added[:2]]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_tool_choice_demands_a_call(driver: Driver, choice: Any) -> None:
    """required and a named function call, with arguments that the schema demands."""
    events = driver.ask("Rome for 3 days", tools=[WEATHER], tool_choice=choice)
    arguments = only(events, "response.function_call_arguments.done")["arguments"]
    assert json.loads(arguments) == {"city": "Rome for 3 days", "days": 3}


def test_tool_choice_none_prevents_a_call(driver: Driver) -> None:
    """With none even an asked-for call does not happen."""
    events = driver.ask("call weather", tools=[WEATHER], tool_choice="none")
    assert squeezed(events) == TEXT_FLOW


# Responses


def test_failed_response(driver: Driver) -> None:
    """An exception given to reply() fails the response with its text."""
    driver.script.reply(RuntimeError("the model is on fire"))
    events = driver.respond()
    assert types(events) == ["response.created", "response.done", "rate_limits.updated"]
    assert done(events)["status"] == "failed"
    assert done(events)["status_details"] == {
        "type": "failed",
        "error": {
            "type": "server_error",
            "code": "server_error",
            "message": "the model is on fire",
        },
    }


def test_failed_response_with_the_code_of_the_error(driver: Driver) -> None:
    """A ServerError's code and type go into the failure."""
    driver.script.reply(ServerError("slow down", code="rate_limit_exceeded", type="tokens"))
    error = done(driver.respond())["status_details"]["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "tokens")


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_max_output_tokens(driver: Driver, modality: str) -> None:
    """A longer answer is cut: item and response end as incomplete."""
    driver.script.reply("one two three four five")
    events = driver.respond(output_modalities=[modality], max_output_tokens=3)
    response = done(events)
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    (item,) = response["output"]
    part = item["content"][0]
    assert item["status"] == "incomplete"
    assert part.get("text", part.get("transcript")) == "one two three"
    assert response["max_output_tokens"] == 3


def test_max_output_tokens_of_sound(driver: Driver) -> None:
    """Sound is cut as well: 50 ms a token."""
    driver.script.reply(bytes(48_000))
    events = driver.respond(max_output_tokens=4)
    assert len(audio_of(events)) == 4 * 50 * 48
    assert done(events)["status"] == "incomplete"


def test_exactly_enough_tokens(driver: Driver) -> None:
    """An answer of just that length is complete."""
    driver.script.reply("one two three")
    assert done(driver.respond(output_modalities=["text"], max_output_tokens=3))["status"] == (
        "completed"
    )


def test_out_of_band_response(driver: Driver) -> None:
    """conversation none: no item events, no conversation id, nothing remembered."""
    before = len(driver.brain.conversation)
    events = driver.respond(
        conversation="none",
        output_modalities=["text"],
        metadata={"topic": "x"},
        input=[
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "count to 3"}],
            }
        ],
    )
    assert squeezed(events) == [
        kind for kind in TEXT_FLOW if not kind.startswith("conversation.item")
    ]
    assert text_of(events) == "1, 2, 3."
    assert done(events)["conversation_id"] is None
    assert done(events)["metadata"] == {"topic": "x"}
    assert len(driver.brain.conversation) == before


def test_out_of_band_runs_beside(paced: Driver) -> None:
    """An out-of-band response runs while the conversation's own is running."""
    paced.script.reply("word " * 50, "beside")
    paced.give("response.create", response={"output_modalities": ["text"]})
    paced.rest(most=10)
    beside = paced.give(
        "response.create", response={"conversation": "none", "output_modalities": ["text"]}
    )
    assert types(beside) == ["response.created"]
    events = paced.rest()
    first = every(events, "response.done")[0]["response"]
    assert first["id"] == beside[0]["response"]["id"]
    assert len(every(events, "response.done")) == 2


def test_input_with_reference(driver: Driver) -> None:
    """input replaces the context; item_reference takes an item of the conversation."""
    driver.say("count to 2", id="old")
    driver.say("hello")
    reference = [{"type": "item_reference", "id": "old"}]
    assert text_of(driver.respond(input=reference, output_modalities=["text"])) == "1, 2."
    unknown = [{"type": "item_reference", "id": "gone"}]
    error = driver.refused("response.create", response={"input": unknown})
    assert error["param"] == "response.input[0].id"


def test_empty_input(driver: Driver) -> None:
    """input [] is an empty context."""
    driver.say("count to 2")
    assert "without a model" in text_of(driver.respond(input=[], output_modalities=["text"]))


def test_one_active_response(paced: Driver) -> None:
    """A second create while one runs is refused and names the running one."""
    paced.script.reply("word " * 50)
    (created,) = paced.give("response.create", event_id="first")
    (event,) = paced.give("response.create", event_id="second")
    error = event["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["message"]
    assert error["event_id"] == "second"
    assert done(paced.rest())["status"] == "completed"


def test_busy_on_demand(driver: Driver) -> None:
    """The script can refuse the next creates as if a response were running."""
    driver.script.busy(times=2)
    for _ in range(2):
        error = driver.refused("response.create")
        assert error["code"] == "conversation_already_has_active_response"
        assert "resp_" in error["message"]
    assert done(driver.respond())["status"] == "completed"


@pytest.mark.parametrize("modality", ["text", "audio"])
@pytest.mark.parametrize("by_id", [False, True])
def test_cancel(paced: Driver, modality: str, by_id: bool) -> None:
    """Cancel closes what is open and ends the response as cancelled, with what was said."""
    paced.script.reply("word " * 100)
    (created,) = paced.give("response.create", response={"output_modalities": [modality]})
    said = paced.rest(most=20)
    named = {"response_id": created["response"]["id"]} if by_id else {}
    events = paced.give("response.cancel", **named)
    assert types(events)[-5:] == [
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = done(events)
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert response["output"][0]["status"] == "incomplete"
    part = response["output"][0]["content"][0]
    deltas = [
        event["delta"] for event in said if "delta" in event and "audio.d" not in event["type"]
    ]
    assert part.get("text", part.get("transcript")) == "".join(deltas)
    assert paced.rest() == []
    assert paced.refused("response.cancel")["code"] == "response_cancel_not_active"


def test_cancel_before_the_first_item(paced: Driver) -> None:
    """A cancel while the server still thinks ends a response without output."""
    paced.script.reply("late")
    paced.give("response.create")
    events = paced.give("response.cancel")
    assert types(events) == ["response.done", "rate_limits.updated"]
    assert done(events)["output"] == []


def test_cancel_of_an_out_of_band_response(paced: Driver) -> None:
    """Without id only the conversation's own response is meant."""
    (created,) = paced.give("response.create", response={"conversation": "none"})
    assert paced.give("response.cancel")[0]["error"]["code"] == "response_cancel_not_active"
    events = paced.give("response.cancel", response_id=created["response"]["id"])
    assert done(events)["status"] == "cancelled"


def test_item_created_while_a_response_runs(paced: Driver) -> None:
    """Such an item follows the assistant's, which is in the conversation already."""
    paced.script.reply("word " * 50)
    paced.give("response.create", response={"output_modalities": ["text"]})
    added = only(paced.until("conversation.item.added"), "conversation.item.added")
    mine = paced.give(
        "conversation.item.create",
        item={"type": "message", "role": "user", "content": []},
    )
    assert mine[0]["previous_item_id"] == added["item"]["id"]


def test_hold_and_release(driver: Driver) -> None:
    """A held response stands still after so many deltas, until released."""
    driver.script.reply("one two three four")
    driver.script.hold(after=2)
    driver.give("response.create", response={"output_modalities": ["text"]})
    events = driver.rest(most=5)
    assert list(driver.brain.advance(driver.now)) == []
    assert text_of(events) == "one two"
    assert not every(events, "response.done")
    driver.script.release()
    assert text_of(driver.rest()) == " three four"


# Items


def test_previous_item_id(driver: Driver) -> None:
    """root goes to the front, an id right after it, an unknown one nowhere."""
    item = {"type": "message", "role": "user", "content": []}
    driver.say("a", id="a")
    driver.say("b", id="b")
    front = driver.send(
        "conversation.item.create", item={**item, "id": "front"}, previous_item_id="root"
    )
    middle = driver.send(
        "conversation.item.create", item={**item, "id": "middle"}, previous_item_id="a"
    )
    assert front[0]["previous_item_id"] is None
    assert middle[0]["previous_item_id"] == "a"
    order = [entry.id for entry in driver.brain.conversation.entries()]
    assert order == ["front", "a", "middle", "b"]
    error = driver.refused("conversation.item.create", item=item, previous_item_id="gone")
    assert error["code"] == "item_create_invalid_previous_item_id"
    assert len(driver.brain.conversation) == 4


def test_history_is_accepted(driver: Driver) -> None:
    """A history of every kind that a client may send goes in, with its ids."""
    history = [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "answer",
            "status": "incomplete",
            "content": [{"type": "output_text", "text": "a"}],
        },
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "o"},
        {
            "type": "mcp_approval_request",
            "id": "r",
            "server_label": "s",
            "name": "n",
            "arguments": "{}",
        },
        {
            "type": "mcp_approval_response",
            "id": "m",
            "approval_request_id": "r",
            "approve": True,
        },
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                {"type": "input_audio", "audio": b64(bytes(4800))},
            ],
        },
    ]
    for item in history:
        assert types(driver.send("conversation.item.create", item=item)) == ITEM_EVENTS
    calls = [entry.item for entry in driver.brain.conversation.entries()][2:4]
    assert calls[0]["call_id"] == "c1"
    assert calls[1]["call_id"].startswith("call_")


def test_delete(driver: Driver) -> None:
    """delete is acknowledged; a second one finds nothing."""
    driver.say("x", id="x")
    (event,) = driver.send("conversation.item.delete", item_id="x")
    assert (event["type"], event["item_id"]) == ("conversation.item.deleted", "x")
    error = driver.refused("conversation.item.delete", item_id="x")
    assert error["code"] == "item_delete_invalid_item_id"


def test_retrieve_of_an_unknown_item(driver: Driver) -> None:
    """retrieve of an unknown id is refused."""
    error = driver.refused("conversation.item.retrieve", item_id="x")
    assert error["code"] == "item_retrieve_invalid_item_id"


def test_truncate(driver: Driver) -> None:
    """truncate cuts the audio and the words of the part that is cut."""
    driver.script.reply("one two three four")
    item_id = done(driver.respond())["output"][0]["id"]
    fields = {"item_id": item_id, "content_index": 0, "audio_end_ms": 200}
    (event,) = driver.send("conversation.item.truncate", **fields)
    assert event["type"] == "conversation.item.truncated"
    assert {name: event[name] for name in fields} == fields
    (retrieved,) = driver.send("conversation.item.retrieve", item_id=item_id)
    part = retrieved["item"]["content"][0]
    assert part["transcript"] == "one two"
    assert len(base64.b64decode(part["audio"])) == 200 * 48
    error = driver.refused("conversation.item.truncate", **{**fields, "audio_end_ms": 201})
    assert error["code"] == "invalid_value"
    assert "already shorter than 201ms" in error["message"]


def test_truncate_of_what_cannot_be_truncated(driver: Driver) -> None:
    """Unknown items, and what is not assistant audio."""
    driver.say("x", id="x")
    fields = {"content_index": 0, "audio_end_ms": 0}
    unknown = driver.refused("conversation.item.truncate", item_id="gone", **fields)
    assert unknown["code"] == "item_truncate_invalid_item_id"
    user = driver.refused("conversation.item.truncate", item_id="x", **fields)
    assert user["code"] == "unsupported_content_type"


def test_truncate_after_a_cancel(paced: Driver) -> None:
    """The usual interruption: cancel, then truncate to what was heard."""
    paced.script.reply("word " * 100)
    paced.give("response.create")
    item_id = only(paced.until("response.output_item.added"), "response.output_item.added")["item"][
        "id"
    ]
    paced.until("response.output_audio.delta")
    paced.give("response.cancel")
    events = paced.give(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120
    )
    assert types(events) == ["conversation.item.truncated"]


# Session


def update(driver: Driver, **session: Any) -> dict[str, Any]:
    (event,) = driver.send("session.update", session={"type": "realtime", **session})
    assert event["type"] == "session.updated", event
    return event["session"]


def test_update_merges(driver: Driver) -> None:
    """Only what is present changes; the answer is the whole session."""
    session = update(driver, instructions="Be brief.", audio={"output": {"voice": "marin"}})
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["audio"]["output"]["speed"] == 1.0
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert session["model"] == "gpt-realtime-2.1"
    assert update(driver, instructions="")["instructions"] == ""


def test_session_settings_hold_for_responses(driver: Driver) -> None:
    """A response takes what the session says unless it says otherwise."""
    update(driver, output_modalities=["text"], max_output_tokens=2, tools=[WEATHER])
    driver.script.reply("one two three", "one two three")
    short = done(driver.respond())
    assert (short["output_modalities"], short["status"]) == (["text"], "incomplete")
    assert done(driver.respond(max_output_tokens="inf"))["status"] == "completed"
    driver.say("call weather")
    assert squeezed(driver.respond(max_output_tokens="inf")) == CALL_FLOW


REFUSED_UPDATES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "session.type"),
    ({"type": "fancy"}, "invalid_value", "session.type"),
    ({"type": "transcription"}, "invalid_parameter", "session.type"),
    ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
    ({"modalities": ["text"]}, "unknown_parameter", "session.modalities"),
    ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
    ({"model": "another"}, "invalid_parameter", "session.model"),
    ({"instructions": 5}, "invalid_type", "session.instructions"),
    ({"instructions": None}, "invalid_type", "session.instructions"),
    ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities.length"),
    ({"output_modalities": ["smell"]}, "invalid_value", "session.output_modalities[0]"),
    ({"max_output_tokens": 5000}, "invalid_value", "session.max_output_tokens"),
    ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
    ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    ({"audio": {"output": {"speed": 2}}}, "invalid_value", "session.audio.output.speed"),
    ({"audio": {"output": {"voice": "me"}}}, "invalid_value", "session.audio.output.voice"),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
        "invalid_value",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": None}}}},
        "invalid_type",
        "session.audio.input.turn_detection.create_response",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 10}}}},
        "invalid_value",
        "session.audio.input.turn_detection.idle_timeout_ms",
    ),
]


@pytest.mark.parametrize(("session", "code", "param"), REFUSED_UPDATES)
def test_refused_update(driver: Driver, session: dict[str, Any], code: str, param: str) -> None:
    """A wrong field refuses the whole update with its code and path."""
    if session and "type" not in session:
        session = {"type": "realtime", "tools": [WEATHER], **session}
    error = driver.refused("session.update", session=session)
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == "invalid_request_error"
    assert driver.brain.session["tools"] == []  # all or nothing


def test_voice_is_locked_after_audio(driver: Driver) -> None:
    """Once there was assistant audio the voice stays; naming the same one again is no change."""
    driver.respond()
    error = driver.refused(
        "session.update",
        session={"type": "realtime", "instructions": "x", "audio": {"output": {"voice": "ash"}}},
    )
    assert error["code"] == "cannot_update_voice"
    assert driver.brain.session["instructions"] != "x"
    update(driver, audio={"output": {"voice": "alloy"}})


def test_tracing_is_frozen(driver: Driver) -> None:
    """Tracing cannot be changed once it is on."""
    update(driver, tracing="auto")
    error = driver.refused("session.update", session={"type": "realtime", "tracing": None})
    assert error["param"] == "session.tracing"


# Wrong events

REFUSED_EVENTS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"type": "nonsense"}, "invalid_value", "type"),
    ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
    ({"type": "response.create", "extra": 1}, "unknown_parameter", "extra"),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "a*b"}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_type", "audio"),
    ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
    ({"type": "conversation.item.delete"}, "missing_required_parameter", "item_id"),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "x",
            "content_index": 1,
            "audio_end_ms": 0,
        },
        "invalid_value",
        "content_index",
    ),
    (
        {"type": "response.create", "response": {"temperature": 1}},
        "unknown_parameter",
        "response.temperature",
    ),
    (
        {"type": "response.create", "response": {"conversation": "mine"}},
        "invalid_value",
        "response.conversation",
    ),
    (
        {"type": "response.create", "response": {"metadata": {"k" * 65: "v"}}},
        "string_above_max_length",
        "response.metadata",
    ),
    (
        {"type": "response.create", "response": {"metadata": {str(n): "v" for n in range(17)}}},
        "object_above_max_properties",
        "response.metadata",
    ),
]

REFUSED_ITEMS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "item.type"),
    ({"type": "poem"}, "invalid_value", "item.type"),
    ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
    ({"type": "message"}, "missing_required_parameter", "item.role"),
    ({"type": "message", "role": "developer", "content": []}, "invalid_value", "item.role"),
    ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
    (
        {"type": "message", "role": "user", "content": [{"type": "output_text", "text": ""}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "message", "role": "system", "content": [{"type": "input_audio", "audio": ""}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "message", "role": "assistant", "content": [{"type": "output_audio"}]},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "?"}]},
        "invalid_value",
        "item.content[0].audio",
    ),
    (
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}],
        },
        "invalid_value",
        "item.content[0].image_url",
    ),
    (
        {"type": "message", "role": "user", "content": [], "id": "x" * 33},
        "string_above_max_length",
        "item.id",
    ),
    ({"type": "function_call_output", "call_id": "c"}, "missing_required_parameter", "item.output"),
    (
        {"type": "function_call_output", "call_id": "c", "output": {}},
        "invalid_type",
        "item.output",
    ),
    (
        {"type": "function_call", "name": "f", "arguments": "", "parameters": 1},
        "unknown_parameter",
        "item.parameters",
    ),
]


@pytest.mark.parametrize(("event", "code", "param"), REFUSED_EVENTS)
def test_refused_event(driver: Driver, event: dict[str, Any], code: str, param: str | None) -> None:
    """A wrong event is answered by an error with code, path and the event's id."""
    error = driver.refused(**{"kind": event["type"], **{k: event[k] for k in event if k != "type"}})
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(("item", "code", "param"), REFUSED_ITEMS)
def test_refused_item(driver: Driver, item: dict[str, Any], code: str, param: str) -> None:
    """A wrong item is refused and does not enter the conversation."""
    error = driver.refused("conversation.item.create", item=item)
    assert (error["code"], error["param"]) == (code, param)
    assert len(driver.brain.conversation) == 0


def test_id_that_exists(driver: Driver) -> None:
    """An item id is used once."""
    driver.say("x", id="x")
    item = {"type": "message", "role": "user", "content": [], "id": "x"}
    assert driver.refused("conversation.item.create", item=item)["param"] == "item.id"


@pytest.mark.parametrize("event", [None, 5, "text", [], {}, {"type": 5}, {"type": None}])
def test_what_is_no_event(driver: Driver, event: Any) -> None:
    """What is no object, or has no type, is an invalid_event."""
    (answer,) = checked(driver.brain.received(event, 0.0))
    assert answer["error"]["code"] == "invalid_event"
    assert answer["error"]["event_id"] is None


def test_long_event_id(driver: Driver) -> None:
    """An event_id has at most 512 characters."""
    (answer,) = driver.send("input_audio_buffer.clear", event_id="x" * 513)
    assert answer["error"]["code"] == "string_above_max_length"


def test_deep_nesting(driver: Driver) -> None:
    """JSON too deep to copy is refused, and the next event is answered."""
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"a": deep}
    tool = {"type": "function", "name": "f", "parameters": deep}
    error = driver.refused("session.update", session={"type": "realtime", "tools": [tool]})
    assert error["code"] == "invalid_value"
    assert types(driver.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]


# Pace


def test_pace(paced: Driver) -> None:
    """Words come at 80 a second and audio at four times its length."""
    paced.script.reply("word " * 40, bytes(48_000 * 4))
    paced.send("response.create", response={"output_modalities": ["text"]})
    assert paced.now == pytest.approx(0.15 + 40 / 80, abs=0.02)
    began = paced.now
    paced.respond()
    assert paced.now - began == pytest.approx(1.15, abs=0.1)


def test_repr(driver: Driver) -> None:
    """A brain shows its identity and how much it holds."""
    assert repr(driver.brain) == "<Brain t, 0 items>"
