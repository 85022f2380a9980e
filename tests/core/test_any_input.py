"""Any input: shuffled, doubled, cut off, changed at random, it raises nothing and loses nobody."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.core.state import SessionState
from realtime_sync.events.codec import parse

from .play import Play
from .test_scenarios import scenarios
from .wire import Server

Step = tuple[str, dict[str, Any]]  # ("wish" or "event", what)


def steps(scenario: dict[str, Any]) -> list[Step]:
    """A scenario as one list of wishes and events."""
    server, found = Server(), []
    for phase in scenario["phases"]:
        found += [("wish", wish) for wish in phase.get("do", ())]
        found += [("event", e) for said in phase.get("receive", ()) for e in server.events(said)]
    return found


SCENARIOS = [(s.get("given", {}), steps(s)) for _, _, s in scenarios()]
VALUES = st.sampled_from(
    [None, 0, -1, 10**200, 1.5, True, "", "r1", "e1", "i1", "x" * 99, "\ud800", [], {}, [None]]
)


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[dict[str, Any], list[Step]]:
    """A scenario, or two of them mixed, with some steps lost, doubled, moved and changed."""
    given_, first = draw(st.sampled_from(SCENARIOS))
    more = draw(st.sampled_from(SCENARIOS))[1] if draw(st.booleans()) else []
    taken = [*first, *(step for step in more if step[0] == "event")]
    taken = taken[: draw(st.integers(1, len(taken)))]
    for _ in range(draw(st.integers(0, 8))):
        place, other = (draw(st.integers(0, len(taken) - 1)) for _ in range(2))
        act = draw(st.sampled_from(["drop", "double", "move", "change"]))
        kind, what = taken[place]
        if act == "drop" and len(taken) > 1:
            del taken[place]
        elif act == "double" and kind == "event":  # a caller's ids are never the same
            taken.insert(other, (kind, what))
        elif act == "move":
            taken.insert(other, taken.pop(place))
        elif act == "change" and kind == "event" and what:
            taken[place] = (kind, _changed(draw, what))
    return given_, taken


def _changed(draw: st.DrawFn, event: dict[str, Any]) -> dict[str, Any]:
    event = copy.deepcopy(event)
    inner: Any = event
    while True:
        keys = [*inner] if isinstance(inner, dict) else list(range(len(inner)))
        key = draw(st.sampled_from(keys))
        if not isinstance(inner[key], (dict, list)) or not inner[key] or draw(st.booleans()):
            break
        inner = inner[key]
    if draw(st.booleans()) and isinstance(inner, dict):
        del inner[key]
    else:
        inner[key] = draw(VALUES)
    return event


class Errors(logging.Handler):
    """Raises where the core would log an error."""

    def emit(self, record: logging.LogRecord) -> None:
        assert record.levelno < logging.ERROR, self.format(record)


@pytest.fixture(autouse=True)
def _no_errors() -> Any:
    """Hypothesis runs many examples in one test: each is to fail by itself."""
    logger, handler = logging.getLogger("realtime_sync.core"), Errors()
    logger.addHandler(handler)
    propagated, logger.propagate = logger.propagate, False
    yield
    logger.removeHandler(handler)
    logger.propagate = propagated


@pytest.mark.row("B25")
@given(disturbed())
@settings(max_examples=600, deadline=None)
def test_nothing_raises_and_nobody_is_forgotten(example: tuple[dict[str, Any], list[Step]]) -> None:
    """No ERROR, readable items at every moment, and one answer for everybody in the end."""
    given_, taken = example
    play = Play(**given_)
    for kind, what in taken:
        if kind == "wish":
            play.wish(what)
        else:
            play.state.received(parse(json.dumps(what)), play.at)
            play.taken()
        for item in play.state.conversation.items():
            assert item.wire()
        for record in play.records.values():
            assert isinstance(record.output, tuple)
        assert set(play.answers.values()) <= {0, 1}
    _end(play)


def _end(play: Play) -> None:
    play.wish({"lost": "the end"})
    assert set(play.answers.values()) == {1}, play.answers
    assert not play.state.running.responses
    assert not play.state.sequencer.turns
    assert not play.state.requests.drain()
    assert not play.state.creates.drain()
    assert all(record.done for record in play.records.values())
    assert play.wish({"retry": True}) == []


EVENTS = [e for _, taken in SCENARIOS for kind, e in taken if kind == "event"]


@pytest.mark.row("B10")
@given(st.lists(st.sampled_from(EVENTS), max_size=30), st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_events_in_any_order(events: list[dict[str, Any]], asked_at: int) -> None:
    """Events of all scenarios in any order, an asker among them."""
    play = Play(tools=[["add", "ask"], ["mine"]])
    for number, event in enumerate(events):
        if number == asked_at:
            play.wish({"begin": "A", "text": "hi"})
            play.wish({"create": "c1"})
        play.state.received(parse(json.dumps(event)), play.at)
        play.taken()
    _end(play)


@given(st.lists(st.binary(max_size=80), max_size=20))
@settings(max_examples=100, deadline=None)
def test_noise(texts: list[bytes]) -> None:
    """What is no event changes nothing."""
    state: SessionState = Play().state
    for text in texts:
        state.received(parse(text), 0.0)
    assert state.conversation.items() == ()
