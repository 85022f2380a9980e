"""What a chat endpoint is asked, and how what it streams is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_sync.local.asked import Chunks

Wire = dict[str, Any]


def piece(arguments: Any, name: str | None = None, **more: Any) -> Wire:
    return {"function": {"name": name, "arguments": arguments}, **more}


#: Pieces of calls, as endpoints stream them -> the numbers of the calls' arguments.
CALLS: dict[str, tuple[list[Wire], list[int]]] = {
    "no index": ([piece('{"n"', "f", id="a"), piece(": 1}")], [1]),
    "no index, two": ([piece('{"n": 1}', "f", id="a"), piece('{"n": 2}', "f", id="b")], [1, 2]),
    "one index": (
        [piece('{"n": 1}', "f", id="a", index=0), piece('{"n": 2}', "f", id="b", index=0)],
        [1, 2],
    ),
    "no ids": ([piece('{"n": 1}', "f", index=0), piece('{"n": 2}', "f", index=0)], [1, 2]),
    "the name again": (
        [piece('{"n"', "f", id="a", index=0), piece(": 1}", "f", id="a", index=0)],
        [1],
    ),
    "the name late": ([piece('{"n"', id="a", index=0), piece(": 1}", "f", id="a", index=0)], [1]),
    "the id late": ([piece('{"n"', "f", index=0), piece(": 1}", "f", id="a", index=0)], [1]),
    "an object": ([piece({"n": 1}, "f", id="a", index=0)], [1]),
    "odd indexes": (
        [piece('{"n": 1}', "f", id="a", index=0), piece('{"n": 2}', "f", id="b", index="1")],
        [1, 2],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    """Calls are put together as each endpoint streams them."""
    pieces, wanted = CALLS[name]
    chunks = Chunks()
    for call in pieces:
        assert list(chunks.read({"choices": [{"delta": {"tool_calls": [call]}}]})) == []
    assert [(c.name, json.loads(c.arguments)["n"]) for c in chunks.calls()] == [
        ("f", number) for number in wanted
    ]


def test_a_refusal() -> None:
    """What a model will not do is said aloud, too."""
    chunks = Chunks()
    chunk = {"choices": [{"delta": {"content": None, "refusal": "No."}, "finish_reason": "stop"}]}
    assert list(chunks.read(chunk)) == ["No."]
    assert chunks.ended().reason is None


def test_parts_and_choices() -> None:
    """Text may come as parts, of which thoughts are none; and of several choices one is said."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    parts = [thought, {"type": "text", "text": "Yes."}]
    other = {"index": 1, "delta": {"content": "No."}, "finish_reason": "length"}
    first = {"index": 0, "delta": {"content": parts}, "finish_reason": "stop"}
    chunks = Chunks()
    assert list(chunks.read({"choices": [first, other]})) == ["Yes."]
    assert chunks.ended().reason is None


def test_half_a_surrogate_pair() -> None:
    """What no UTF-8 can say is not said, nor sent back with the history."""
    chunk = json.loads('{"choices": [{"delta": {"content": "a\\ud800b"}}]}')
    assert list(Chunks().read(chunk)) == ["a?b"]
