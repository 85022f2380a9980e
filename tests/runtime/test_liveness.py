"""A link that is only half there is found in time, and no other."""

from __future__ import annotations

import pytest

from realtime_sync.runtime.liveness import PROBE, Liveness

INTERVAL = 10.0


def found(last: float) -> float:
    """When a server is found silent that says its last word at that moment."""
    liveness, now = Liveness(INTERVAL), 0.0
    due = liveness.begin()
    assert due is not None
    while True:
        now += due
        heard = min(now, last)
        if liveness.silent(heard):
            return now
        _, due = liveness.look(now, heard)


@pytest.mark.row("F16", "F18", bound="2 ping intervals after the last byte")
@pytest.mark.parametrize("last", [0.0, 0.01, 1.5, 5.0, 9.9, 10.0, 10.01, 99.7])
def test_within_two_intervals(last: float) -> None:
    """Whenever it falls silent, it is lost two intervals later at the latest."""
    assert last < found(last) <= last + 2 * INTERVAL + 0.01


def test_a_server_that_speaks_is_not_asked() -> None:
    """What comes is a sign of life; the next look is an interval after it."""
    liveness = Liveness(INTERVAL)
    assert liveness.begin() == INTERVAL
    assert liveness.look(10.0, 7.0) == (False, 7.0)
    assert not liveness.silent(7.0)
    assert liveness.look(17.0, 7.0) == (True, 10.0)
    assert liveness.silent(7.0)
    assert not liveness.silent(17.5)


def test_out_of_turn() -> None:
    """Asked after a suspend, it has five seconds, or an interval where that is shorter."""
    assert Liveness(INTERVAL).probe(100.0) == PROBE
    assert Liveness(1.0).probe(100.0) == 1.0


@pytest.mark.parametrize("none", [None, 0])
def test_never(none: float | None) -> None:
    """Without an interval it is never asked."""
    assert Liveness(none).begin() is None
