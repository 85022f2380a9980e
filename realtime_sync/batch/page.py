"""A run as one page: figures, charts and what failed. Plain HTML with its drawings inside."""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.stats import percentiles
from .result import Result

__all__ = ["report"]

_ERRORS = 20  # kinds in the table
_NAMED = 5  # jobs of each
_BINS = 24
_WIDTH, _HEIGHT = 640, 180  # of a drawing, its axes included
_LEFT, _BOTTOM = 48, 28

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; background: #f5f6f8; margin: 0 }
main { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.05rem; margin: 0 0 .6rem }
section { background: #fff; border-radius: 8px; padding: 1rem 1.2rem; margin: 0 0 1rem;
  box-shadow: 0 1px 2px #0002 }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .8rem;
  margin: 0 }
dt { color: #667 } dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top;
  border-top: 1px solid #e4e7ec } th { color: #667; font-weight: normal; border-top: 0 }
td.n, th.n { font-variant-numeric: tabular-nums; text-align: right }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: #667 }
.bar { fill: #3a6ea5 } .axis { stroke: #c4cad3 } .mark { stroke: #c2572b; stroke-dasharray: 4 3 }
svg text.said { fill: #c2572b; paint-order: stroke; stroke: #fff; stroke-width: 4px }
"""


class _Collected:
    """What a page needs of the results, and no more: there may be many."""

    def __init__(self, results: Iterable[Result]) -> None:
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.first: list[float] = []  # seconds until answers began
        self.finished: list[float] = []
        self.scores: list[float] = []
        self.passed = 0
        self.checks: dict[str, list[int]] = {}  # what was expected -> how often it came, and not
        self.errors: dict[tuple[str, str], list[Any]] = {}
        self.tokens = 0
        self.minutes = 0.0
        self.again = 0
        for one in results:
            self._take(one)

    def _take(self, one: Result) -> None:
        self.statuses[one.status] += 1
        self.tokens += one.tokens
        self.minutes += one.minutes
        self.again += one.attempts > 1
        if one.finished:
            self.finished.append(one.finished)
        if one.error is not None:
            kind = (str(one.error.get("type")), str(one.error.get("code") or ""))
            self.errors.setdefault(kind, []).append((one.job, one.error.get("message")))
        else:
            self.seconds.append(one.seconds)
        if isinstance(one.value, dict) and isinstance(one.value.get("turns"), list):
            self._score(one.value)

    def _score(self, value: dict[str, Any]) -> None:
        turns = [turn for turn in value["turns"] if isinstance(turn, dict)]
        self.first += [t["first"] for t in turns if isinstance(t.get("first"), (int, float))]
        if isinstance(value.get("score"), (int, float)):
            self.scores.append(value["score"])
            self.passed += bool(value.get("passed"))
        for holder in (*turns, value):
            for check in holder.get("checks") or ():
                counts = self.checks.setdefault(str(check.get("what")), [0, 0])
                counts[not check.get("passed")] += 1


def report(
    results: Iterable[Result], path: str | os.PathLike[str], *, title: str = "Batch"
) -> None:
    """Write a page about a run: figures, charts, errors, and scores if there are any.

    It is one file that needs no other, and holds nothing of what was said but errors' messages.

    Args:
        results: Of the run, e.g. what `run` returned, or `results(path)`.
        path: Of the page; replaced if it is there.
        title: Its heading.

    Raises:
        OSError: It cannot be written.
    """
    found = _Collected(results)
    parts = [_section(title, _figures(found))]
    if len(found.finished) > 1:
        parts.append(_section("Jobs that ended, over time", _over_time(found.finished)))
    if found.seconds:
        parts.append(_section("Seconds a job took", _spread(found.seconds)))
    if found.first:
        parts.append(_section("Seconds until an answer began", _spread(found.first)))
    if found.scores:
        parts.append(_section("Scores of conversations", _spread(found.scores, "")))
    if found.checks:
        parts.append(_section("What was expected", _checks(found.checks)))
    if found.errors:
        parts.append(_section("Errors", _errors(found.errors)))
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{_STYLE}</style><main>{''.join(parts)}</main></html>\n"
    )
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(page)


def _safe(text: object) -> str:
    return html.escape(str(text))


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{_safe(title)}</h2>{inner}</section>"


def _figures(found: _Collected) -> str:
    jobs = found.statuses.total()
    span = max(found.finished) - min(found.finished) if found.finished else 0.0
    figures = {"jobs": f"{jobs:,}"}
    figures |= {status: f"{count:,}" for status, count in found.statuses.most_common()}
    if span > 0:
        figures["jobs a minute"] = f"{(jobs - 1) / span * 60:,.1f}"
    figures |= {f"p{point:g}, s": f"{value:.2f}" for point, value in _quantiles(found.seconds)}
    figures |= {"tokens": f"{found.tokens:,}", "minutes": f"{found.minutes:,.1f}"}
    if found.again:
        figures["tried again"] = f"{found.again:,}"
    if found.scores:
        figures["passed"] = f"{found.passed} of {len(found.scores)}"
        figures["mean score"] = f"{sum(found.scores) / len(found.scores):.0%}"
    shown = (
        f"<div><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>"
        for name, value in figures.items()
    )
    return f"<dl>{''.join(shown)}</dl>"


def _quantiles(values: Sequence[float]) -> list[tuple[float, float]]:
    return list(percentiles(values, 50, 95).items())


def _over_time(finished: Sequence[float]) -> str:
    """How many ended in each part of the run."""
    start = min(finished)
    span = max(finished) - start
    unit, name = (60.0, "min") if span > 300 else (1.0, "s")
    return _histogram([(moment - start) / unit for moment in finished], name, ())


def _spread(values: Sequence[float], unit: str = "s") -> str:
    return _histogram(values, unit, _quantiles(values) if unit else ())


def _histogram(values: Sequence[float], unit: str, marks: Iterable[tuple[float, float]]) -> str:
    """Values as bars, each as wide as another, with lines at some of them."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int((value - low) / span * _BINS))] += 1
    most = max(counts)
    wide, tall = _WIDTH - _LEFT - 10, _HEIGHT - _BOTTOM - 16

    def across(value: float) -> float:
        return _LEFT + (value - low) / span * wide

    base = _HEIGHT - _BOTTOM
    drawn = [
        f'<rect class="bar" x="{_LEFT + n * wide / _BINS + 1:.1f}" y="{base - c / most * tall:.1f}"'
        f' width="{wide / _BINS - 2:.1f}" height="{c / most * tall:.1f}"><title>{c}</title></rect>'
        for n, c in enumerate(counts)
        if c
    ]
    drawn.append(f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - 10}"/>')
    drawn.append(f'<text x="{_LEFT - 6}" y="{base - tall + 4}" text-anchor="end">{most:,}</text>')
    drawn.append(f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = low + share * span
        drawn.append(
            f'<text x="{across(at):.1f}" y="{base + 16}" text-anchor="{anchor}">'
            f"{at:.3g}{' ' + unit if unit else ''}</text>"
        )
    for n, (point, value) in enumerate(marks):
        x = across(value)
        drawn.append(f'<path class="mark" d="M{x:.1f} {base}V{base - tall}"/>')
        anchor, shift = ("end", -4) if x > _WIDTH - 90 else ("start", 4)
        drawn.append(
            f'<text class="said" x="{x + shift:.1f}" y="{base - tall + 4 + 13 * n}"'
            f' text-anchor="{anchor}">p{point:g} {value:.2f}</text>'
        )
    label = f"{len(values):,} values from {low:.3g} to {high:.3g} {unit}".strip()
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(drawn)}</svg>"
    )


def _checks(checks: dict[str, list[int]]) -> str:
    worst = sorted(checks.items(), key=lambda one: (-one[1][1], one[0]))
    rows = [
        f'<tr><td>{_safe(what)}<td class="n">{came}<td class="n">{missing}'
        for what, (came, missing) in worst
    ]
    return _table('<th><th class="n">came<th class="n">did not', rows)


def _errors(errors: dict[tuple[str, str], list[Any]]) -> str:
    most = sorted(errors.items(), key=lambda one: -len(one[1]))[:_ERRORS]
    rows = []
    for (kind, code), found in most:
        jobs = ", ".join(str(job) for job, _ in found[:_NAMED])
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        said = f"{kind} ({code})" if code else kind
        rows.append(
            f'<tr><td class="n">{len(found)}<td>{_safe(said)}<td>{_safe(str(found[0][1])[:300])}'
            f"<td>{_safe(jobs)}{more}"
        )
    return _table('<th class="n"><th>error<th>the first one says<th>jobs', rows)


def _table(head: str, rows: Iterable[str]) -> str:
    return f"<table><tr>{head}{''.join(rows)}</table>"
