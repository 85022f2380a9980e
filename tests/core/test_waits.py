"""Who waits for whom among turns that tools begin: random nests, and corners they do not reach."""

from __future__ import annotations

import pytest

from realtime_sync.core.turns import Turn
from realtime_sync.core.waits import Waits

from .nests import Nest

#: Where nobody waits for a thread.
ENOUGH = 1000


def play(seed: int, *, faults: float = 0) -> None:
    """Two nests: tools that run one call at a time, threads enough; few threads, no such tools.

    Where both come together, a ring of waits may go over threads, which only time ends.
    """
    for nest in (
        Nest(seed, serial=True, threads=ENOUGH, faults=faults),
        Nest(seed, serial=False, faults=faults),
    ):
        nest.run()
        where = f"seed {seed}, serial {nest.serial}, faults {faults}"
        assert all(nest.settled.values()), f"{where}: somebody waits for ever"
        assert not nest.calls, f"{where}: a call has no answer"
        assert set(nest.ran.values()) <= {1}, f"{where}: a call has run twice"
        assert not nest.state.sequencer.turns, where
        # where a tool runs on whom nobody waits for, its question may come between two others
        assert faults or not nest.mixed, f"{where}: the answer to another's question"


@pytest.mark.parametrize("faults", [0, 0.02])
def test_nests(faults: float) -> None:
    """Tools that ask, whose answers call tools that ask: nobody waits for ever, no two are mixed.

    Likewise, but for the mixing, where turns are given up, tools run out of time, links are lost.
    """
    for seed in range(10):
        play(seed, faults=faults)


@pytest.mark.long
@pytest.mark.parametrize("faults", [0, 0.02])
def test_nests_at_length(faults: float) -> None:
    """The same, a hundred times as often."""
    for seed in range(10, 1010):
        play(seed, faults=faults)


def test_the_second_question_of_a_tool() -> None:
    """It waits for the first, and whether that may go is all that is looked at."""
    outer = Turn("outer")
    first, second, other = (
        Turn(key, parent=outer, caller=caller)
        for key, caller in (("1", "a"), ("2", "a"), ("3", "b"))
    )
    waits = Waits([outer], [first, second, other], set(), 1)
    assert [waits.is_behind(turn) for turn in (first, second, other)] == [False, True, False]


def test_a_turn_that_was_another_one_all_along() -> None:
    """What its tools have begun is no deeper than what the other's would have."""
    turn = Turn("turn", parent=Turn("outer"), caller="a")
    own = Turn(parent=turn)
    own.part = True
    assert own.callers == turn.callers == ("a",)
    assert Turn(parent=own, caller="b").callers == ("b", "a")
