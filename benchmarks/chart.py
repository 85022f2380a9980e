"""`python -m benchmarks.chart RESULTS.json CHART.svg`: our share of theirs, a bar for each row."""

from __future__ import annotations

import json
import pathlib
import sys
from html import escape
from typing import Any, NamedTuple

__all__ = ["BARS", "Bar", "chart"]


class Bar(NamedTuple):
    """A row of the results, and how it is shown.

    Attributes:
        benchmark: Where the row is.
        name: The row's.
        unit: Its unit.
        label: In words.
        wanted: The largest ratio that would do; None: any.
    """

    benchmark: str
    name: str
    unit: str
    label: str
    wanted: float | None


BARS = (
    Bar("receive", "audio, callback", "µs CPU", "audio event to a callback", 0.25),
    Bar("receive", "text, callback", "µs CPU", "text event to a callback", 0.25),
    Bar("append", "append of 20 ms", "µs CPU", "append of 20 ms, flat out", 0.125),
    Bar("append", "append of 100 ms", "µs CPU", "append of 100 ms, flat out", 0.125),
    Bar("append", "paced, 50 sessions", "% of a core", "append, 50 sessions at real time", 0.333),
    Bar("import", "session made", "ms CPU", "from nothing to a session", 0.5),
    Bar("memory", "idle session", "KB a session", "idle session", None),
    Bar("receive", "audio, floor", "µs CPU", "audio event, of websocket-client by hand", 2),
    Bar("receive", "text, floor", "µs CPU", "text event, of websocket-client by hand", 2),
    Bar("ask", "ask, floor", "ms p50", "ask, of websocket-client by hand", 1.5),
)

_LEFT, _WIDTH, _LINE, _TOP = 290, 360, 34, 54
_FULL = 2.0  # the ratio at the right end
_OURS, _THEIRS, _WANTED = "#1f6f8b", "#d9dde1", "#c8442c"
_INK, _PALE = "#20262b", "#5b6670"


def chart(results: dict[str, Any]) -> str:
    """The chart, as SVG."""
    found = [(bar, row) for bar in BARS if (row := _find(results, bar)) is not None]
    height = _TOP + len(found) * _LINE + 34
    unit = _WIDTH / _FULL
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {height}" width="900" '
        f'height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f'<rect width="900" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "What it costs, as a share of the other side (less is better)", 15),
    ]
    for number, (bar, row) in enumerate(found):
        y = _TOP + number * _LINE
        ours, theirs, ratio = row["ours"], row["theirs"], row["ratio"]
        lines += [
            _text(_LEFT - 12, y + 15, bar.label, 13, anchor="end"),
            _rect(_LEFT, y, unit, _THEIRS),
            _rect(_LEFT, y, min(ratio, _FULL) * unit, _OURS),
            *([_rect(_LEFT + unit - 1, y, 2, "#ffffff")] if ratio > 1 else []),
            *([] if bar.wanted is None else [_rect(_LEFT + bar.wanted * unit - 1, y, 2, _WANTED)]),
            _text(
                _LEFT + _WIDTH + 12,
                y + 15,
                f"{ratio:.2f}   {_shown(ours['median'])} : {_shown(theirs['median'])} {bar.unit}",
                13,
            ),
        ]
    end = _TOP + len(found) * _LINE + 18
    lines += [
        _text(
            16,
            end,
            f"blue: ours; grey: theirs; red: wanted at most. {results['machine']}",
            11,
            _PALE,
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _find(results: dict[str, Any], bar: Bar) -> dict[str, Any] | None:
    rows = results["results"].get(bar.benchmark, {}).get("rows", [])
    return next((r for r in rows if (r["name"], r["unit"]) == (bar.name, bar.unit)), None)


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rect(x: float, y: float, width: float, ink: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" fill="{ink}"/>'


def _text(x: float, y: float, said: str, size: int, ink: str = _INK, anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{ink}" text-anchor="{anchor}" '
        f'xml:space="preserve">{escape(said)}</text>'
    )


def main() -> None:
    """Make the chart of a file of results."""
    source, target = map(pathlib.Path, sys.argv[1:])
    told = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(chart(told), encoding="utf-8")


if __name__ == "__main__":
    main()
