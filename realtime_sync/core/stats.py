"""How a session has done so far, in figures. No thread, no socket, no clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .usage import Metrics, SessionUsage, metrics

if TYPE_CHECKING:
    from .responses import ResponseRecord

__all__ = ["LAST", "SessionStats", "Spread", "Tally", "percentiles", "spreads"]

#: Responses whose timings are kept.
LAST = 1000


def percentiles(values: Iterable[float | None], *points: float) -> dict[float, float]:
    """The values below which so many percent of all lie.

    ::

        percentiles([m.first_audio for m in timings], 50, 95)   # {50: 0.31, 95: 0.84}

    Between two values it goes by a straight line, as NumPy and spreadsheets do.

    Args:
        values: Any numbers; None (what never came) is left out.
        points: From 0, the least, to 100, the greatest; none given: 50, 90, 95 and 99.

    Returns:
        Point -> value; empty where there are no values.

    Raises:
        ValueError: A point outside of that.
    """
    wanted = points or (50, 90, 95, 99)
    for point in wanted:
        if not 0 <= point <= 100:
            raise ValueError(f"a percentile is from 0 to 100, not {point}")
    known = sorted(value for value in values if value is not None)
    if not known:
        return {}
    found = {}
    for point in wanted:
        place = (len(known) - 1) * point / 100
        below = int(place)
        above = min(below + 1, len(known) - 1)
        found[point] = known[below] + (known[above] - known[below]) * (place - below)
    return found


@dataclass(frozen=True, slots=True)
class Spread:
    """How one timing is spread over responses, in its unit (seconds; tokens a second).

    Attributes:
        count: How many had it.
        p50, p90, p95, p99: Percentiles: so many percent are at most that.
        max: The greatest.
    """

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class SessionStats:
    """A session's figures since `open()`, over reconnects; a snapshot.

    Attributes:
        state: As `session.state`.
        responses: How many ended, by status: "completed", "cancelled", "failed", "incomplete",
            "lost".
        timings: Of the last 1000 responses, by the names that `Metrics` has ("first_text",
            "first_audio", "done", ...); what no response had is not there.
        usage: As `session.usage`.
        events_received: Messages of the server.
        events_sent: Messages that have left for it.
        unknown_events: Of those received, how many have no model, or were malformed.
        dropped_deltas: Deltas that callbacks have lost, since they were too slow.
        queued_bytes: What waits to be sent.
        reconnects: How often another link has taken over, renewals included.
        underruns: How often our speaker had nothing to play, though an item went on; while it is
            in use.
        dropped_audio_ms: The user's audio that was lost since the network was too slow, in
            milliseconds; while our microphone is in use.
    """

    state: str
    responses: Mapping[str, int]
    timings: Mapping[str, Spread]
    usage: SessionUsage
    events_received: int = 0
    events_sent: int = 0
    unknown_events: int = 0
    dropped_deltas: int = 0
    queued_bytes: int = 0
    reconnects: int = 0
    underruns: int = 0
    dropped_audio_ms: float = 0.0

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """One line, as a terminal shows it; all the figures are attributes."""
        told = [self.state, *(f"{count} {status}" for status, count in self.responses.items())]
        for name in ("first_audio", "first_text", "done"):
            if name in self.timings:
                told.append(f"{name} {self.timings[name].p50:.3f} s (median)")
        told += [f"{self.usage.total_tokens} tokens"] if self.usage.total_tokens else []
        return f"<SessionStats {', '.join(told)}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        from ..notebook.cards import stats_card

        return stats_card(self)


class Tally:
    """What is counted of the responses of a session."""

    def __init__(self) -> None:
        self.unknown = 0  # events
        self._statuses: Counter[str] = Counter()
        self._timed: deque[Metrics] = deque(maxlen=LAST)

    def add(self, record: ResponseRecord) -> None:
        """A response has ended."""
        self._statuses[record.status] += 1
        self._timed.append(metrics(record))

    @property
    def last(self) -> Metrics:
        """Of the response that ended last."""
        return self._timed[-1]

    @property
    def statuses(self) -> dict[str, int]:
        """How many ended, by status."""
        return dict(self._statuses)

    def timed(self) -> tuple[Metrics, ...]:
        """The timings of the last ones."""
        return tuple(self._timed)


def spreads(timed: Iterable[Metrics]) -> dict[str, Spread]:
    """How each timing is spread; without those that no response had."""
    known = tuple(timed)
    found = {}
    for field in fields(Metrics):
        values = [v for one in known if (v := getattr(one, field.name)) is not None]
        if values:
            p50, p90, p95, p99 = percentiles(values, 50, 90, 95, 99).values()
            found[field.name] = Spread(len(values), p50, p90, p95, p99, max(values))
    return found
