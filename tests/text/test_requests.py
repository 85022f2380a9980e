"""A conversation as messages, and as input items: nothing that an API would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync import Item, items
from realtime_sync.text.completions import body_of, messages_of
from realtime_sync.text.model import Request
from realtime_sync.text.responses import input_of


def call(call_id: str, name: str = "f", arguments: str | None = "{}") -> Item:
    fields = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return Item.model_validate(fields)


def out(call_id: str) -> Item:
    return items.function_output(call_id, f"out of {call_id}")


def short(messages: list[dict[str, Any]]) -> list[str]:
    """Messages in short: role, content, and which calls."""
    told = []
    for message in messages:
        calls = "".join(f" {one['id']}" for one in message.get("tool_calls", ()))
        told.append(f"{message['role']}: {message.get('tool_call_id', message['content'])}{calls}")
    return told


def messages(*there: Item) -> list[str]:
    return short(messages_of(Request("m", items=there)))


user, said = items.user, items.assistant

CASES: dict[str, tuple[list[Item], list[str]]] = {
    "plain": (
        [user("a"), said("b"), items.system("c")],
        ["user: a", "assistant: b", "system: c"],
    ),
    "a round": (
        [user("a"), said("b"), call("1"), call("2"), out("1"), out("2"), said("c")],
        ["user: a", "assistant: b 1 2", "tool: 1", "tool: 2", "assistant: c"],
    ),
    "two rounds": (
        [user("a"), call("1"), out("1"), call("2"), out("2"), said("c")],
        ["user: a", "assistant: None 1", "tool: 1", "assistant: None 2", "tool: 2", "assistant: c"],
    ),
    "outputs in another order": (
        [call("1"), call("2"), out("2"), out("1")],
        ["assistant: None 1 2", "tool: 1", "tool: 2"],
    ),
    "words behind the call": ([call("1"), said("a"), out("1")], ["assistant: a 1", "tool: 1"]),
    "words before and behind": (
        [said("a"), call("1"), said("b"), out("1")],
        ["assistant: a 1", "tool: 1", "assistant: b"],
    ),
    "the user speaks between": (
        [call("1"), user("a"), out("1"), said("b")],
        ["assistant: None 1", "tool: 1", "user: a", "assistant: b"],
    ),
    "a call that still runs": ([user("a"), call("1"), user("b")], ["user: a", "user: b"]),
    "an output of nobody": ([user("a"), out("9"), said("b")], ["user: a", "assistant: b"]),
    "an output before its call": ([out("1"), call("1"), user("a")], ["user: a"]),
    "a call twice": (
        [call("1"), out("1"), call("1"), out("1")],
        ["assistant: None 1", "tool: 1"],
    ),
    "nothing said": ([user("a"), said(""), user("b")], ["user: a", "user: b"]),
    "nothing at all": ([], []),
}


@pytest.mark.parametrize("name", CASES)
def test_messages(name: str) -> None:
    """Each call stands in the assistant's message, its answer right behind it."""
    there, told = CASES[name]
    assert messages(*there) == told


_ITEMS = st.one_of(
    st.sampled_from("abc").map(user),
    st.sampled_from(["", "x"]).map(said),
    st.sampled_from("123").map(call),
    st.sampled_from("123").map(out),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_ITEMS, max_size=14))
def test_any_conversation(there: list[Item]) -> None:
    """Whatever order items come in, every API takes it: each call is answered, once, in place."""
    told = messages_of(Request("m", instructions="i", items=tuple(there)))
    waiting: list[str] = []
    for message in told[1:]:
        if message["role"] == "tool":
            assert waiting.pop(0) == message["tool_call_id"]
            continue
        assert waiting == []
        waiting = [one["id"] for one in message.get("tool_calls", ())]
        assert message["content"] or waiting
    assert waiting == []
    called: list[str] = []
    for one in input_of(Request("m", items=tuple(there))):
        if one.get("type") == "function_call":
            called.append(one["call_id"])
        elif one.get("type") == "function_call_output":
            called.remove(one["call_id"])
    assert called == []


def test_a_body_without_tools() -> None:
    """What goes with tools alone is left out where there are none."""
    options = {"parallel_tool_calls": False}
    body = body_of(Request("m", tool_choice="none", options=options))
    assert body == {
        "model": "m",
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_words_of_the_realtime_api() -> None:
    """max_output_tokens and reasoning are what chat completions call otherwise."""
    options = {"max_output_tokens": 9, "reasoning": {"effort": "low"}, "store": True}
    body = body_of(Request("m", options=options, metadata={"a": "b"}))
    assert body["max_completion_tokens"] == 9
    assert body["reasoning_effort"] == "low"
    assert body["metadata"] == {"a": "b"}
    assert "max_output_tokens" not in body
    assert "metadata" not in body_of(Request("m", metadata={"a": "b"}))


def test_input_items() -> None:
    """The Responses API has items much like ours; those without words or calls are left out."""
    image = Item.model_validate(
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "This?"},
                {"type": "input_image", "image_url": "https://example.org/a.png"},
            ],
        }
    )
    there = (user("a"), said("b"), call("1", arguments=""), out("1"), image, call("2"))
    assert input_of(Request("m", items=there)) == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "out of 1"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "This?"},
                {
                    "type": "input_image",
                    "image_url": "https://example.org/a.png",
                    "detail": "auto",
                },
            ],
        },
    ]
    assert json.dumps(input_of(Request("m", items=there)))
