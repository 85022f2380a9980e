"""Recorded sessions of real servers: each is taken in without a complaint.

The recordings are not part of the project; they are read where they stand.
"""

from __future__ import annotations

import json
import logging
import pathlib
from typing import Any

import pytest
from schemas import TRANSCRIPTS

from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.client import CLIENT_EVENTS
from realtime_sync.events.codec import client_event, dump, parse, parse_either
from realtime_sync.events.dialects import client_to_ga
from realtime_sync.events.items import Item
from realtime_sync.events.server import SERVER_EVENTS

from .play import Play

FILES = sorted(TRANSCRIPTS.glob("*__*.jsonl"))
EXAMPLES = TRANSCRIPTS / "openai_openapi_event_examples.jsonl"

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"the recorded sessions are not here: {TRANSCRIPTS} has none"
)


def received(path: pathlib.Path, direction: str = "received") -> list[dict[str, Any]]:
    """The messages that the client of a recording received, or "sent", in order."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        line["data"]
        for line in lines
        if line.get("kind") == "message" and line.get("direction") == direction
    ]


def texts(output: list[dict[str, Any]]) -> list[str]:
    """What the server says at the end that was said."""
    return [
        "".join(part.get("text") or part.get("transcript") or "" for part in item["content"])
        for item in output
        if item["type"] == "message"
    ]


class Told:
    """What a recording says of its items, read plainly: the last word on each, and their order."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.heard: dict[str, str] = {}  # user transcripts

    def read(self, raw: dict[str, Any]) -> None:
        """The next event."""
        kind = raw["type"]
        if kind in ("conversation.item.added", "conversation.item.created"):
            item, before = raw["item"], raw.get("previous_item_id")
            at = self.order.index(before) + 1 if before in self.order else len(self.order)
            self.order.insert(at, item["id"])
            self.items.setdefault(item["id"], item)
        elif kind in ("conversation.item.done", "response.output_item.done"):
            self.items[raw["item"]["id"]] = raw["item"]
        elif kind == "response.done":
            self.items |= {item["id"]: item for item in raw["response"]["output"]}
        elif kind.endswith("input_audio_transcription.completed"):
            self.heard[raw["item_id"]] = raw["transcript"]

    def shown(self, item_id: str) -> dict[str, Any]:
        """One item, as `shown` shows ours."""
        item = self.items[item_id]
        parts = item.get("content") or ()
        spoken = [p["transcript"] for p in parts if p.get("transcript") is not None]
        spoken = [self.heard[item_id]] if item_id in self.heard else spoken
        words = "".join(p.get("text") or p.get("transcript") or "" for p in parts)
        return {
            "id": item_id,
            "text": (self.heard.get(item_id) or words) if item["type"] == "message" else None,
            "transcript": "".join(spoken) if spoken else None,
            "status": item.get("status"),
            **{name: item.get(name) for name in ("role", "name", "arguments", "output")},
        }


def shown(item: Item) -> dict[str, Any]:
    """What the server tells of an item, as we have it."""
    names = ("id", "text", "transcript", "status", "role", "name", "arguments", "output")
    return {name: getattr(item, name) for name in names}


@pytest.mark.row("B12")
@pytest.mark.row("B11")
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_recording(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    """All of it parses, in either dialect; items and outputs end as their last done event has
    them, a user transcript as it was completed; nothing above DEBUG is logged, nothing is left."""
    caplog.set_level(logging.INFO, "realtime_sync")
    play, told = Play(), Told()
    for raw in received(path):
        event = parse_either(json.dumps(raw))
        assert not isinstance(event, UnknownEvent), raw
        play.state.received(event, play.at)
        play.taken()
        told.read(raw)
        if raw["type"] == "response.done":
            record = play.records[raw["response"]["id"]]
            assert (record.done, record.status) == (True, raw["response"]["status"])
            made = [item["id"] for item in raw["response"]["output"]]
            assert [shown(item) for item in record.output] == [told.shown(one) for one in made]
    items = [shown(item) for item in play.state.conversation.items()]
    assert items == [told.shown(item_id) for item_id in told.order]
    assert not [r for r in caplog.records if "base64" not in r.message], "said more than nothing"
    assert not play.state.running.responses
    play.wish({"lost": "the end"})


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_streamed_text_is_the_final_text(path: pathlib.Path) -> None:
    """Without any final event but `response.done` without output, the deltas tell the same."""
    play, told = Play(), {}
    for raw in received(path):
        if raw["type"].endswith(".done") and raw["type"] != "response.done":
            continue
        if raw["type"] == "response.done":
            told[raw["response"]["id"]] = texts(raw["response"]["output"])
            raw = {**raw, "response": {**raw["response"], "output": []}}
        play.state.received(parse_either(json.dumps(raw)), play.at)
        play.taken()
    streamed = {
        key: [item.text for item in record.output if item.type == "message"]
        for key, record in play.records.items()
    }
    assert streamed == told


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_what_others_sent(path: pathlib.Path) -> None:
    """What another client had to say can be said with ours: taken, and dumped as it was."""
    for raw in received(path, "sent"):
        event = client_event(client_to_ga(raw))
        assert type(event) is CLIENT_EVENTS[event.type]
        if raw == client_to_ga(raw):
            assert json.loads(dump(event)) == raw


def test_the_published_examples(caplog: pytest.LogCaptureFixture) -> None:
    """Every published server event parses and is taken in, in the order of the list."""
    caplog.set_level(logging.WARNING, "realtime_sync.core")
    play, seen = Play(), 0
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        example = json.loads(line)
        if "Server" not in example["schema"]:
            continue
        event = parse(json.dumps(example["example"]))
        if event.type in SERVER_EVENTS:
            assert not isinstance(event, UnknownEvent), example
            seen += 1
        play.state.received(event, play.at)
    assert seen > 40
    assert not [r for r in caplog.records if r.levelno > logging.WARNING]


def test_a_transcript_of_a_lost_session_is_forgotten() -> None:
    """One that was faster than its item: the item will not come over another link."""
    play = Play()
    play.receive("session")
    kind = "conversation.item.input_audio_transcription.delta"
    play.receive({"type": kind, "item_id": "u1", "content_index": 0, "delta": "hear"})
    assert "u1" in play.state.conversation.records
    play.unlink("cut")
    assert not play.state.conversation.records
