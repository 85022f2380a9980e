"""Real events, spoilt at random: whatever a server sends, the parser and the core bear it.

The events are those of the embedded server, in both dialects, and of the recordings where they
stand. A failure names its seed; `REALTIME_SYNC_SEED` gives another.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from core.play import Play
from local.driving import Driver
from local.test_schemas import conversation, transcription, translation
from schemas import TRANSCRIPTS

from realtime_sync.events.base import ServerEvent, UnknownEvent
from realtime_sync.events.codec import dump, parse, parse_either
from realtime_sync.local.beta import Beta
from realtime_sync.runtime.clock import monotonic

Json = dict[str, Any]

# before conftest takes the variables of this name away
_seed = int(os.environ.get("REALTIME_SYNC_SEED", "1"))


@functools.cache
def sessions() -> list[list[Json]]:
    """What servers say, a list for each session."""
    ga = [conversation(Driver("realtime")), conversation(Driver("call")), transcription()]
    beta = [[said for event in events for said in Beta().outgoing(event)] for events in ga]
    return [*ga, *beta, translation(), *recorded()]


def recorded() -> Iterator[list[Json]]:
    for path in sorted(TRANSCRIPTS.glob("*__*.jsonl")):
        lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        events = [line["data"] for line in lines if line.get("direction") == "received"]
        if events:
            yield events


# --- spoiling


def _junk(chance: random.Random) -> Any:
    """A value of any kind, the awkward ones of each."""
    return chance.choice(
        [
            *(None, True, False, 0, -1, 2**63, 10**40, 1.5, -0.0, 1e308, "", "x", "0", "null"),
            *("\ud800", "\x00\u202e", "A" * 5000, "AAA", [], {}, [None], {"type": None}, [[]]),
            *({"": {}}, [{"id": 5}], {"delta": []}, functools.reduce(lambda v, _: [v], range(70))),
        ]
    )


def _inner(chance: random.Random, event: Json) -> tuple[Any, Any]:
    """An object or a list somewhere in an event, and a key of it."""
    inner: Any = event
    while True:
        keys = [*inner] if isinstance(inner, dict) else [*range(len(inner))]
        key = chance.choice(keys)
        below = inner[key]
        if not isinstance(below, (dict, list)) or not below or chance.random() < 0.3:
            return inner, key
        inner = below


def _drop(chance: random.Random, inner: Any, key: Any) -> None:
    del inner[key]


def _flip(chance: random.Random, inner: Any, key: Any) -> None:
    inner[key] = _junk(chance)


def _truncate(chance: random.Random, inner: Any, key: Any) -> None:
    if isinstance(inner[key], (str, list)):
        inner[key] = inner[key][: chance.randrange(len(inner[key]) + 1)]


def _double(chance: random.Random, inner: Any, key: Any) -> None:
    if isinstance(inner, list):
        inner.append(inner[key])
    else:
        inner[f"{key}_"] = inner[key]


def _swap(chance: random.Random, inner: Any, key: Any) -> None:
    other = chance.choice([*inner] if isinstance(inner, dict) else [*range(len(inner))])
    inner[key], inner[other] = inner[other], inner[key]


_SPOIL: list[Callable[[random.Random, Any, Any], None]] = [_drop, _flip, _truncate, _double, _swap]


def spoilt(chance: random.Random, event: Json) -> Json:
    """An event with a few of its values changed."""
    event = copy.deepcopy(event)
    for _ in range(chance.randint(1, 3)):
        if event:
            chance.choice(_SPOIL)(chance, *_inner(chance, event))
    return event


def shaken(chance: random.Random, text: bytes) -> bytes:
    """A text with a few of its bytes lost, doubled, moved, or other ones."""
    for _ in range(chance.randint(1, 3)):
        start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        end = min(end, start + chance.choice([1, 4, 5000]))
        piece = text[start:end]
        match chance.randrange(6):
            case 0:
                text = text[:start]
            case 1:
                text = text[:start] + text[end:]
            case 2:
                text = text[:end] + piece + text[end:]
            case 3:
                text = text[:start] + chance.randbytes(len(piece)) + text[end:]
            case 4:
                text = text[:start] + text[end:] + piece
            case 5:
                text = (
                    text[:start] + chance.choice([b"\xff", b"\\ud800", b"NaN", b"{["]) + text[end:]
                )
    return text


def stream(chance: random.Random) -> Iterator[bytes]:
    """A session's frames: some lost, some twice, some too early, some spoilt, some shaken."""
    events = [*chance.choice(sessions())]
    for _ in range(chance.randint(0, 10)):
        at, to = (chance.randrange(len(events)) for _ in range(2))
        match chance.randrange(3):
            case 0 if len(events) > 1:
                del events[at]
            case 1:
                events.insert(to, events[at])
            case _:
                events.insert(to, events.pop(at))
    for event in events:
        luck = chance.random()
        said = spoilt(chance, event) if luck < 0.6 else event
        text = json.dumps(said).encode()
        yield shaken(chance, text) if luck < 0.3 else text


# --- what must bear it


class Complaints(logging.Handler):
    """Collects what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


def _taken(event: ServerEvent) -> None:
    """Everything that can be asked of an event."""
    assert isinstance(event, ServerEvent)
    assert isinstance(event.type, str)
    assert event.describe().isprintable()
    assert repr(event)
    assert isinstance(getattr(event, "audio", b""), bytes)
    if event.type != "unparsable":
        told = json.loads(dump(event))
        assert told == event.raw if isinstance(event, UnknownEvent) else told["type"] == event.type


def _session(chance: random.Random) -> int:
    """Plays one spoilt session; how many events it had."""
    play = Play(tools=[["f", "weather"], []])
    play.wish({"begin": "A", "text": "hi"})
    count = 0
    for text in stream(chance):
        for read in (parse, parse_either):
            _taken(read(text))
        play.state.received(parse_either(text), float(count))
        play.taken()
        count += 1
    for item in play.state.conversation.items():
        assert json.dumps(item.wire())
    play.wish({"lost": "the end"})
    assert set(play.answers.values()) == {1}
    return count


def fuzz(seconds: float, least: int) -> None:
    """Spoilt sessions, one after another; each has a seed of its own."""
    complaints, logger = Complaints(), logging.getLogger("realtime_sync")
    logger.addHandler(complaints)
    level, logger.propagate = logger.level, False  # else most of the time goes into warnings
    logger.setLevel(logging.ERROR)
    seed, end, events = _seed, monotonic() + seconds, 0
    try:
        while monotonic() < end or events < least:
            events += _session(random.Random(seed))
            assert not complaints.said
            seed += 1
    except Exception as exc:
        pytest.fail(f"REALTIME_SYNC_SEED={seed}: {exc!r} {complaints.said}", pytrace=True)
    finally:
        logger.removeHandler(complaints)
        logger.setLevel(level)
        logger.propagate = True


@pytest.mark.row("B25")
def test_spoilt_events() -> None:
    """Two seconds of them: nothing raises, nothing is logged as an error, nobody is forgotten."""
    fuzz(2.0, least=500)


@pytest.mark.long
@pytest.mark.parametrize("half", ["first", "second"])
def test_spoilt_events_at_length(half: str) -> None:
    """The same for a minute, in two halves: after one, pytest takes a test for hung."""
    fuzz(30.0, least=10_000)
