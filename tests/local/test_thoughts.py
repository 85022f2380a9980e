"""What a language model says, cut into sentences, and the pace of what comes late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from realtime_sync.local.responses import Step
from realtime_sync.local.schedule import Schedule
from realtime_sync.local.script import Script
from realtime_sync.local.thoughts import _sentences


@pytest.mark.parametrize(
    ("words", "whole", "rest"),
    [
        ("One two", "", "One two"),
        ("One two.", "", "One two."),  # "2." may go on as "2.5"
        ("One two. Three", "One two. ", "Three"),
        ('He said "yes!" Then', 'He said "yes!" ', "Then"),
        ("Pi is 3.14 or", "", "Pi is 3.14 or"),
        ("One\ntwo", "One\n", "two"),
        ("一二。三", "一二。", "三"),
        ("word " * 50 + "x", "word " * 50, "x"),
        ("x" * 300, "", "x" * 300),
    ],
)
def test_sentences(words: str, whole: str, rest: str) -> None:
    """A sentence is spoken once it is whole, a very long one where one may breathe."""
    assert _sentences(words) == (whole, rest)


def test_what_comes_late_is_not_made_up_for() -> None:
    """What was not known in time keeps its pace from when it is: nothing comes in a burst."""
    known = False

    def steps() -> Iterator[Step]:
        while not known:
            yield 0.5, None
        for at in (0.5, 1.0, 1.5):
            yield at, lambda: [{"type": "x"}]

    schedule: Schedule[object] = Schedule(Script(), 2.0)
    schedule.add(10.0, steps())
    assert schedule.due is None
    assert list(schedule.advance(12.0)) == []
    assert schedule.due is None
    known = True
    assert len(list(schedule.advance(15.0))) == 1
    assert schedule.due == 15.25
    assert len(list(schedule.advance(15.3))) == 1
    assert schedule.due == 15.5
