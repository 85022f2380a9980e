"""Values that no model has: they cost what they are worth, not the event around them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import cases, named

from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.codec import dump, parse
from realtime_sync.events.server import SERVER_EVENTS

GA = "ga_server_events.json"
ITEM = {"id": "i", "type": "message", "role": "user", "content": [{"type": "input_text"}]}


def told(event: Any) -> Any:
    return json.loads(dump(event))


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ({"type": "session.created", "session": {"id": "s", "tools": 1}}, "session.id"),
        ({"type": "session.created", "session": {"id": "s", "audio": "pcm16"}}, "session.id"),
        (
            {"type": "session.created", "session": {"id": "s", "audio": {"output": {"voice": 5}}}},
            "session.id",
        ),
        (
            {
                "type": "session.updated",
                "session": {"id": "s", "audio": {"output": {"voice": {"id": []}}}},
            },
            "session.id",
        ),
        ({"type": "session.created", "session": {"id": "s", "expires_at": "soon"}}, "session.id"),
        ({"type": "conversation.item.added", "item": {"id": "i", "content": "x"}}, "item.id"),
        (
            {"type": "conversation.item.added", "item": {**ITEM, "content": [None, 5, {}, "x"]}},
            "item.id",
        ),
        (
            {"type": "response.done", "response": {"id": "r", "status": "completed", "usage": []}},
            "response.status",
        ),
        ({"type": "response.done", "response": {"id": "r", "output": [None, ITEM]}}, "response.id"),
        ({"type": "response.done", "response": {"id": "r", "status_details": "no"}}, "response.id"),
        (
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "transcript": "hello",
                "usage": 3,
                "logprobs": {"a": 1},
                "languages": ["en", {"code": "de"}],
            },
            "transcript",
        ),
        ({"type": "error", "error": {"message": "m", "param": ["a"]}}, "error.message"),
        ({"type": "response.output_text.delta", "delta": "x", "event_id": 5}, "delta"),
        (
            {"type": "rate_limits.updated", "event_id": "e", "rate_limits": ["tokens"]},
            "event_id",
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else value,
)
def test_an_odd_value_costs_itself(raw: dict[str, Any], read: str) -> None:
    """The event keeps its class and all else it says, and is written as it came."""
    event: Any = parse(json.dumps(raw))
    assert type(event) is SERVER_EVENTS[raw["type"]]
    value, wanted = event, raw
    for step in read.split("."):
        value, wanted = getattr(value, step), wanted[step]
    assert value == wanted
    assert told(event) == raw
    assert told(pickle.loads(pickle.dumps(event))) == raw


def test_what_is_left_of_a_list() -> None:
    """Entries that are none are passed over; the others keep their order."""
    content = [None, {"text": "a"}, 5, {"text": "b", "audio": 7}]
    raw = {"type": "conversation.item.added", "item": {"content": content}}
    event: Any = parse(json.dumps(raw))
    assert [(part.text, part.audio) for part in event.item.content] == [("a", None), ("b", None)]
    assert told(event) == raw


def test_fractions_of_milliseconds() -> None:
    """Where the wire has whole numbers, the fraction is cut off; it is written as it came."""
    raw = {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 12.75}
    event: Any = parse(json.dumps(raw))
    assert (event.item_id, event.audio_start_ms) == ("i", 12)
    assert told(event) == raw
    assert told(event.model_copy(update={"audio_start_ms": 9}))["audio_start_ms"] == 9
    tokens = {"type": "response.done", "response": {"usage": {"total_tokens": 3.5}}}
    event = parse(json.dumps(tokens))
    assert event.response.usage.total_tokens == 3


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "response.function_call_arguments.done", "arguments": {"city": "Köln"}},
        {"type": "response.output_item.done", "item": {"arguments": {"city": "Köln"}}},
    ],
    ids=lambda raw: raw["type"],
)
def test_decoded_arguments(raw: dict[str, Any]) -> None:
    """Arguments that a server sends as an object are the JSON text that they should have been."""
    event: Any = parse(json.dumps(raw))
    text = event.item.arguments if "item" in raw else event.arguments
    assert json.loads(text) == {"city": "Köln"}
    assert told(event) == raw


def test_an_event_of_oddities_only() -> None:
    """A flood of values that do not fit is not mended one by one."""
    limits = ["tokens"] * 100_000
    event = parse(json.dumps({"type": "rate_limits.updated", "rate_limits": limits}))
    assert isinstance(event, UnknownEvent)


ODD = st.sampled_from([None, 5, -0.5, True, "x", [], {}, [[]], {"type": []}, [None, {"id": {}}]])


#: What may be told in short, by a text -> the field of the object that it means.
IN_SHORT = {
    "format": "type",
    "noise_reduction": "type",
    "transcription": "model",
    "turn_detection": "type",
}


def meant(value: Any, where: str = "") -> Any:
    """What is told in short, as the object that is written for it."""
    if isinstance(value, list):
        return [meant(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    # of the sound that goes in or out: what is free, like metadata, may have such names, too
    short = IN_SHORT if where in ("input", "output") else {}
    return {
        name: {short[name]: inner}
        if name in short and isinstance(inner, str)
        else meant(inner, name)
        for name, inner in value.items()
    }


@pytest.mark.parametrize("name", cases(GA))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_odd_value_below_an_event(name: str, data: st.DataObject) -> None:
    """Wherever it stands inside an object of an event: the event is read, and written the same."""
    raw: dict[str, Any] = data.draw(named(GA, name, extra=True))
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(data, raw)
    event = parse(json.dumps(raw))
    assert not isinstance(event, UnknownEvent)
    # an error told as a text or by a number is written as the object that it means
    if "error" not in json.dumps(raw):
        assert told(event) == meant(raw)  # as Python has it: 1 for true, where a number is wanted


def _spoil(data: st.DataObject, event: dict[str, Any]) -> None:
    """Put an odd value somewhere below the event's own fields."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        steps = list(value) if isinstance(value, dict) else range(len(value))
        for step in steps:
            places.append((value, step))
            if isinstance(value[step], (dict, list)):
                walk(value[step])

    for value in event.values():
        if isinstance(value, (dict, list)):
            walk(value)
    if places:
        inner, step = data.draw(st.sampled_from(places))
        inner[step] = copy.deepcopy(data.draw(ODD))
