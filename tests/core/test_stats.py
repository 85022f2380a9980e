from __future__ import annotations

import random

import numpy as np
import pytest

from realtime_sync.core.responses import ResponseRecord
from realtime_sync.core.stats import Tally, percentiles, spreads
from realtime_sync.core.usage import Metrics


def timed(**fields: float) -> Metrics:
    """Timings; what is not given never came."""
    none = dict.fromkeys(("created", "first_text", "first_audio", "done", "tokens_per_second"))
    return Metrics(**{**none, **fields})  # type: ignore[arg-type]  # floats and None


def test_percentiles_are_those_of_numpy() -> None:
    """For any number of values, between two of them by a straight line."""
    chance = random.Random(5)
    for count in (1, 2, 3, 10, 101, 1000):
        values = [chance.expovariate(1.0) for _ in range(count)]
        for point, value in percentiles(values, 0, 12.5, 50, 95, 99.9, 100).items():
            assert value == pytest.approx(float(np.percentile(values, point)))


def test_percentiles_of_little() -> None:
    """What never came is left out; of nothing there are none; the usual four are the default."""
    assert percentiles([None, 2.0, None], 50) == {50: 2.0}
    assert percentiles([]) == percentiles([None]) == {}
    assert list(percentiles([1, 2, 3])) == [50, 90, 95, 99]
    assert percentiles((n for n in (3, 1, 2)), 0, 50, 100) == {0: 1, 50: 2, 100: 3}
    for point in (-1, 101, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 100"):
            percentiles([1.0], point)


def test_spreads() -> None:
    """Each timing that any response had, with how many had it."""
    found = spreads([timed(done=n / 100, first_text=0.5) for n in range(1, 101)] + [timed()])
    assert set(found) == {"done", "first_text"}
    assert found["done"].count == 100
    assert found["done"].p50 == pytest.approx(0.505)
    assert found["done"].p99 == pytest.approx(0.9901)
    assert found["done"].max == 1.0
    assert found["first_text"].p95 == 0.5
    assert spreads([]) == {}


def test_a_tally_is_bounded() -> None:
    """Of a session that never ends the last thousand timings are kept."""
    tally = Tally()
    for number in range(1500):
        record = ResponseRecord(f"r{number}", default=True)
        record.timings.created, record.timings.done = 0.0, float(number)
        record.finish("completed" if number % 3 else "failed")
        tally.add(record)
    assert tally.statuses == {"completed": 1000, "failed": 500}
    assert len(tally.timed()) == 1000
    assert tally.timed()[0].done == 500.0
    assert tally.last.done == 1499.0
