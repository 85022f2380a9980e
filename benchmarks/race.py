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
        unit: Of the values; less is better, but of "sessions".
        ours: One value a round.
        theirs: Likewise; the runs alternated, so that a slow moment of the machine hits both. Empty
            where they have no such thing.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float | None:
        """Our median as a part of theirs; None where that is nothing."""
        theirs = statistics.median(self.theirs) if self.theirs else 0
        return statistics.median(self.ours) / theirs if theirs else None

    def to_json(self) -> dict[str, Any]:
        """Medians, the middle half of the values (quartiles), and the ratio."""
        return {
            "name": self.name,
            "unit": self.unit,
            "rounds": len(self.ours),
            "ours": _spread(self.ours),
            "theirs": _spread(self.theirs) if self.theirs else None,
            "ratio": self.ratio and round(self.ratio, 3),
        }

    def __str__(self) -> str:
        theirs = f"  theirs {_shown(_spread(self.theirs))}" if self.theirs else ""
        ratio = "" if self.ratio is None else f"  ratio {self.ratio:.2f}"
        return f"{self.name:30} {self.unit:8} ours {_shown(_spread(self.ours))}{theirs}{ratio}"


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, median, high = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    )
    return {"low": round(low, 3), "median": round(median, 3), "high": round(high, 3)}


def _shown(spread: dict[str, float]) -> str:
    return "{median:9.2f} ({low:.2f} to {high:.2f})".format(**spread)


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
