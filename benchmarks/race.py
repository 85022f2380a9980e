"""Two ways of doing one thing, run in turn, and what each took. Knows no particular thing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Row", "race"]

#: What one run took: measure -> value, e.g. {"ms": 1.5}.
Taken = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One measure of both.

    Attributes:
        name: What was done.
        unit: Of the values; less is better.
        ours: One value a round.
        theirs: Likewise; the runs alternated, so that a slow moment of the machine hits both.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Our median as a part of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def to_json(self) -> dict[str, Any]:
        """Medians, the middle half of the values (quartiles), and the ratio."""
        return {
            "name": self.name,
            "unit": self.unit,
            "rounds": len(self.ours),
            "ours": _spread(self.ours),
            "theirs": _spread(self.theirs),
            "ratio": round(self.ratio, 3),
        }

    def __str__(self) -> str:
        ours, theirs = _spread(self.ours), _spread(self.theirs)
        return (
            f"{self.name:30} {self.unit:8} ours {_shown(ours)}  theirs {_shown(theirs)}  "
            f"ratio {self.ratio:.2f}"
        )


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, median, high = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    )
    return {"low": round(low, 3), "median": round(median, 3), "high": round(high, 3)}


def _shown(spread: dict[str, float]) -> str:
    return "{median:8.1f} ({low:.1f} to {high:.1f})".format(**spread)


def race(
    name: str, ours: Callable[[], Taken], theirs: Callable[[], Taken], rounds: int
) -> list[Row]:
    """Run both in turn, and once before that uncounted; a row for each measure."""
    ours()
    theirs()
    taken = [(ours(), theirs()) for _ in range(rounds)]
    return [
        Row(name, unit, tuple(a[unit] for a, _ in taken), tuple(b[unit] for _, b in taken))
        for unit in taken[0][0]
    ]
