"""Keys that nobody sees, however they are spelt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_sync.local.page.spelling import Spelling

Wire = dict[str, Any]

KEY = "sk-canary0815canary"


def delta(text: object, item: str = "item") -> Wire:
    return {"type": "response.output_text.delta", "item_id": item, "delta": text}


def shown(lines: list[str]) -> list[Wire]:
    """The events themselves."""
    return [json.loads(f"[{line}]")[-1] for line in lines]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_a_key_in_pieces(size: int) -> None:
    """A key that is spread over deltas is in none of them, nor in all of them together."""
    spelling, text = Spelling(), f"the key is {KEY}, keep it"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    lines = [line for piece in pieces for line in spelling.add("server", delta(piece), "1,1")]
    lines += spelling.add("server", {"type": "response.output_text.done", "text": text}, "2,1")
    *deltas, done = shown(lines)
    assert len(deltas) == len(pieces)
    assert "".join(one["delta"] for one in deltas) == "the key is …, keep it" == done["text"]
    assert not {part for part in pieces if part in KEY and len(part) > 2} & {
        json.loads(f"[{line}]")[-2] for line in lines
    }


def test_only_as_long_as_it_may_be_one() -> None:
    """What begins no key is shown at once; what waits, waits for the next word, and in order."""
    spelling = Spelling()
    assert len(spelling.add("server", delta("a wor"), "1,1")) == 1
    assert spelling.add("server", delta("d s"), "2,1") == []
    assert spelling.add("client", {"type": "response.cancel"}, "3,1") == []
    lines = spelling.add("server", delta("aid so"), "4,1")
    assert [json.loads(f"[{line}]")[0] for line in lines] == [2, 3, 4]


@pytest.mark.parametrize(
    "kind",
    ["response.done", "conversation.item.input_audio_transcription.completed"],
)
def test_the_end_of_a_text(kind: str) -> None:
    """With the end of a text nothing waits any more."""
    spelling = Spelling()
    assert spelling.add("server", delta("it ends so s"), "1,1") == []
    assert len(spelling.add("server", {"type": kind}, "2,1")) == 2
    assert spelling.add("server", delta("it ends so s"), "3,1") == []
    assert len(spelling.end()) == 1


def test_it_never_waits_for_long() -> None:
    """However long a text may still become a key, no more than 200 events wait for it."""
    spelling = Spelling()
    spelling.add("server", delta("Bearer "), "1,1")
    lines = []
    for _ in range(200):
        assert lines == []
        lines = spelling.add("client", {"type": "input_audio_buffer.clear"}, "1,1")
    assert len(lines) == 201


@pytest.mark.parametrize("text", [None, 7, ["s"]])
def test_what_is_no_text(text: object) -> None:
    """A delta that is not as it should be is shown as it is."""
    assert shown(Spelling().add("server", delta(text), "1,1")) == [delta(text)]


def test_a_key_as_a_name() -> None:
    """Neither a field nor an event may be named by a key."""
    event = {"type": KEY, KEY: 1, "x": {KEY: 2}}
    assert "canary" not in "".join(Spelling().add("client", event, "1,1"))
