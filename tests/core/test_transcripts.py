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
from realtime_sync.events.codec import parse
from realtime_sync.events.server import SERVER_EVENTS

from .play import Play

FILES = sorted(TRANSCRIPTS.glob("*__*.jsonl"))
EXAMPLES = TRANSCRIPTS / "openai_openapi_event_examples.jsonl"

BETA = ("response.text.", "response.audio", "conversation.item.created")

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"the recorded sessions are not here: {TRANSCRIPTS} has none"
)


def received(path: pathlib.Path) -> list[dict[str, Any]]:
    """The messages that the client of a recording received, in order."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        line["data"]
        for line in lines
        if line.get("kind") == "message" and line.get("direction") == "received"
    ]


def speaks_ga(path: pathlib.Path) -> bool:
    """Whether deltas have the names of the GA dialect."""
    return not any(raw["type"].startswith(BETA) for raw in received(path))


GA_FILES = [*filter(speaks_ga, FILES)]


def texts(output: list[dict[str, Any]]) -> list[str]:
    """What the server says at the end that was said."""
    return [
        "".join(part.get("text") or part.get("transcript") or "" for part in item["content"])
        for item in output
        if item["type"] == "message"
    ]


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_recording(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    """Known types parse, texts are the server's, nothing above DEBUG is logged, nothing is left."""
    caplog.set_level(logging.INFO, "realtime_sync")
    play = Play()
    for raw in received(path):
        event = parse(json.dumps(raw))
        if raw["type"] in SERVER_EVENTS:
            assert not isinstance(event, UnknownEvent), raw
        play.state.received(event, play.at)
        play.taken()
        if raw["type"] == "response.done":
            record = play.records[raw["response"]["id"]]
            assert record.done
            said = [item.text for item in record.output if item.type == "message"]
            assert said == texts(raw["response"]["output"])
    assert not [r for r in caplog.records if "base64" not in r.message], "said more than nothing"
    assert not play.state.running.responses
    play.wish({"lost": "the end"})


@pytest.mark.parametrize("path", GA_FILES, ids=[path.stem for path in GA_FILES])
def test_streamed_text_is_the_final_text(path: pathlib.Path) -> None:
    """Without any final event but `response.done` without output, the deltas tell the same."""
    play, told = Play(), {}
    for raw in received(path):
        if raw["type"].endswith(".done") and raw["type"] != "response.done":
            continue
        if raw["type"] == "response.done":
            told[raw["response"]["id"]] = texts(raw["response"]["output"])
            raw = {**raw, "response": {**raw["response"], "output": []}}
        play.state.received(parse(json.dumps(raw)), play.at)
        play.taken()
    streamed = {
        key: [item.text for item in record.output if item.type == "message"]
        for key, record in play.records.items()
    }
    assert streamed == told


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
