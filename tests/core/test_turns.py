"""Turns and jobs; what happens to them is in the scenarios."""

from __future__ import annotations

from realtime_sync.core.turns import DEFAULT_ROUNDS, Job, Turn
from realtime_sync.events.client import ResponseCreate


def test_within() -> None:
    """A turn is within itself and within what it was begun in, however deep."""
    outer = Turn("outer")
    inner = Turn("inner", parent=outer)
    innermost = Turn("innermost", parent=inner)
    assert innermost.within(innermost)
    assert innermost.within(outer)
    assert not outer.within(inner)


def test_defaults() -> None:
    """A turn that nobody gave anything has no overrides and five rounds."""
    turn = Turn()
    assert (turn.params, turn.items, turn.max_rounds) == ({}, (), DEFAULT_ROUNDS)
    assert Job(ResponseCreate(), turn, first=True, handle=False).key == ""
    assert Job(ResponseCreate(event_id="e1"), turn, first=True, handle=False).key == "e1"
