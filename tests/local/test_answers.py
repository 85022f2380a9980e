"""The rules that the server answers by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from realtime_sync.local.answers import Call, Part, Question, Say, Sound, answer

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def user(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


def asked(*items: dict[str, Any], **fields: Any) -> list[Part]:
    given: dict[str, Any] = {"sound": None, "tools": [], "tool_choice": "auto", **fields}
    return answer(Question(items=items, now=datetime(2026, 11, 20, 14, 5), **given))


def said(text: str, **fields: Any) -> str:
    (part,) = asked(user(text), **fields)
    assert isinstance(part, Say)
    return part.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello!", 'You said: "Hello!"'),
        ("what time is it", "It is 14:05."),
        ("Tell me the time, please", "It is 14:05."),
        ("count to 4", "1, 2, 3, 4."),
        ("please count up to 2", "1, 2."),
        ("count to 0", "0."),
        ("call g {}", "No tool named g is registered. Registered tools: none."),
        ("which colour is a zebra", "which colour is a zebra"),
    ],
)
def test_rules(text: str, words: str) -> None:
    """Each rule answers in its words; anything else comes back with what can be asked."""
    assert words in said(text)


def test_counting_has_an_end() -> None:
    """A count too high to be useful stops at a thousand."""
    assert said("count to 99999999999999999999").endswith("1000.")


def test_stories() -> None:
    """A long story is long, a short one is shorter."""
    assert len(said("tell me a long story")) > 3 * len(said("Tell us a story")) > 1500


def test_call() -> None:
    """call NAME {json} calls a tool, whatever the JSON is worth."""
    assert asked(user("call f {broken"), tools=[TOOL]) != [Call("f", "{broken")]
    assert asked(user('Please call f {"a": 1}'), tools=[TOOL]) == [Call("f", '{"a": 1}')]
    assert asked(user("call f"), tools=[TOOL]) == [Call("f", "{}")]


def test_only_a_call_at_the_beginning_is_one() -> None:
    """Talking of a call is not asking for one."""
    assert asked(user("I will call f"), tools=[TOOL]) != [Call("f", "{}")]


def test_several_outputs_are_all_reported() -> None:
    """Outputs since the last message are told in order, by the names of their calls."""
    calls = [
        {"type": "function_call", "name": name, "call_id": name, "arguments": "{}"} for name in "ab"
    ]
    outputs = [
        {"type": "function_call_output", "call_id": name, "output": f"out {name}"} for name in "ab"
    ]
    (part,) = asked(user("x"), *calls, *outputs)
    assert part == Say("a returned: out a b returned: out b")


def test_sound_is_parroted() -> None:
    """Speech comes back as it is."""
    (part,) = asked(user(""), sound=(b"ab", "audio/pcm", 1230))
    assert part == Sound(b"ab", "audio/pcm", "[your speech, 1.2 s]")


def test_images_are_not_seen() -> None:
    """An image is acknowledged honestly."""
    item = user("what is this")
    item["content"].append({"type": "input_image", "image_url": "data:image/png;base64,"})
    (part,) = asked(item)
    assert isinstance(part, Say)
    assert "cannot see" in part.text


def test_demanded_arguments() -> None:
    """A forced call fills what the schema requires, by type."""
    kinds = ("string", "integer", "number", "boolean", "array", "null", "object")
    schema = {
        "type": "object",
        "properties": {**{kind: {"type": kind} for kind in kinds}, "e": {"enum": ["x", "y"]}},
        "required": [*kinds, "e"],
    }
    tool = {**TOOL, "parameters": schema}
    (part,) = asked(user("take 7"), tools=[tool], tool_choice="required")
    assert part == Call(
        "f",
        '{"string": "take 7", "integer": 7, "number": 7.0, "boolean": true, "array": [], '
        '"null": null, "object": {}, "e": "x"}',
    )


def test_a_demand_that_cannot_be_met() -> None:
    """Without that tool the answer is words."""
    assert isinstance(asked(user("x"), tool_choice="required")[0], Say)
    choice = {"type": "function", "name": "gone"}
    assert isinstance(asked(user("x"), tools=[TOOL], tool_choice=choice)[0], Say)


def test_a_demand_takes_the_tool_that_was_asked_for() -> None:
    """required with `call NAME` calls that one, with its JSON."""
    other = {**TOOL, "name": "g"}
    assert asked(user('call g {"x": 1}'), tools=[TOOL, other], tool_choice="required") == [
        Call("g", '{"x": 1}')
    ]
