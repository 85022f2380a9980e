"""What of an event a person is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.local.page.excerpt import brief, excerpt

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "item", "content", "response", "audio", "delta", "error"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def test_what_is_short_is_as_it_was() -> None:
    """A usual event is shown whole."""
    item = {"type": "message", "content": [{"type": "input_text", "text": "hello\n"}]}
    event = {"type": "conversation.item.create", "previous_item_id": None, "item": item}
    assert excerpt(event) == event


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"type": "input_audio_buffer.append", "audio": "AAAA" * 800}, "audio"),
        ({"type": "response.output_audio.delta", "delta": "AAAA" * 800}, "delta"),
        ({"type": "response.audio.delta", "delta": "AAAA" * 800}, "delta"),
    ],
)
def test_audio(event: dict[str, Any], field: str) -> None:
    """Of audio there is the beginning, and how much there was; the event itself is not changed."""
    assert excerpt(event)[field] == "AAAAAAAAAAAAAAAA… (2,400 bytes of audio)"
    assert len(event[field]) == 3200
    assert brief(event) == "2,400 bytes of audio"


def test_long_text() -> None:
    """A long text is cut short, and an event that has many is, too; it says so."""
    assert excerpt({"type": "x", "text": "a" * 5000})["text"].endswith("… (4,000 characters more)")
    many = excerpt({"type": "x", "items": ["b" * 900] * 100})
    assert len(json.dumps(many)) < 15_000
    assert many["items"][-1].endswith(" more)")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"client_secret": "canary0815"}},
        {"type": "x", "client_secret": {"value": "canary0815"}},
        {"type": "x", "text": "Bearer canary0815"},
        {"type": "x", "text": "use sk-canary0815, please"},
        {"type": "sk-canary0815", "text": "ek_canary0815"},
        {"type": "x", "text": "-" * 995 + " sk-canary0815"},
        {"type": "x", "tools": [{"type": "mcp", "authorization": "canary0815"}]},
        {"type": "x", "tools": [{"type": "mcp", "headers": {"X": "canary0815"}}]},
        {"type": "error", "error": {"message": "wrong key sk-canary0815"}},
    ],
)
def test_keys(event: dict[str, Any]) -> None:
    """No key is shown, wherever it stands."""
    assert "canary" not in json.dumps([excerpt(event), brief(event)])


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "response.output_text.delta", "delta": "Once upon\na time"}, "Once upon a time"),
        ({"type": "error", "error": {"message": "no"}}, "no"),
        ({"type": "input_audio_buffer.speech_started", "audio_start_ms": 300}, "at 300 ms"),
        (
            {
                "type": "response.done",
                "response": {"status": "completed", "usage": {"total_tokens": 7}},
            },
            "completed 7 tokens",
        ),
        (
            {
                "type": "conversation.item.added",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image"}],
                },
            },
            "message user hi [input_image]",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call", "name": "f", "arguments": "{}"},
            },
            "function_call f {}",
        ),
        ({"type": "input_audio_buffer.cleared"}, ""),
        (17, "no event: JSON object with a type was expected"),
        ({"type": 17}, "no event: JSON object with a type was expected"),
    ],
)
def test_in_a_few_words(event: object, words: str) -> None:
    """What is in it, in one line."""
    assert brief(event) == words


@given(JSON, st.sampled_from(["error", "response.done", "session.update", "x.delta", "x"]))
def test_whatever_it_is(value: Any, kind: str) -> None:
    """Anything that JSON can be is shown as what every browser can read."""
    for event in (value, {"type": kind, "item": value, "response": value, "session": value}):
        json.dumps(excerpt(event), allow_nan=False)
        assert len(brief(event)) <= 140


def test_deep() -> None:
    """What is nested without end is cut off."""
    deep: Any = 0
    for _ in range(900):
        deep = [deep]
    assert "…" in json.dumps(excerpt({"type": "x", "deep": deep}), ensure_ascii=False)
