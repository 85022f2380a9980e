"""What tests of the table of faults have measured; `python tests/measured.py` measures it anew.

It runs the tests that take the fixture `measured`, once each, and keeps the worst of their cases in
`tests/measured.json`. With arguments, those of pytest, it runs fewer and keeps the other figures.
The figures are committed: the table must not differ from run to run.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

__all__ = ["Figures", "Measured", "read"]

#: What the fixture of that name gives: called with a value, and its unit if it is not seconds.
Measured = Callable[..., None]

FILE = pathlib.Path(__file__).with_suffix(".json")
TESTS = FILE.parent


@dataclass
class Figures:
    """Test -> unit -> the worst value."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    about: str = ""

    def add(self, test: str, value: float, unit: str) -> None:
        mine, short = self.figures.setdefault(test, {}), float(f"{value:.3g}")
        mine[unit] = max(short, mine.get(unit, short))

    def text(self, test: str) -> str:
        """As the table shows it: two significant digits."""
        return "; ".join(
            f"{float(f'{value:.2g}'):g} {unit}"
            for unit, value in self.figures.get(test, {}).items()
        )


def read() -> Figures:
    """The figures that are committed."""
    return Figures(**json.loads(FILE.read_text(encoding="utf-8")))


class Collector:
    """A plugin of pytest's: runs what measures, and keeps what it has measured."""

    def __init__(self) -> None:
        self.found = Figures()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if "measured" in getattr(item, "fixturenames", ())]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("[")[0].removeprefix("tests/")
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "measured":
                self.found.add(test, *value)


def measure(*arguments: str) -> int:
    collector = Collector()
    chosen = arguments or (str(TESTS),)
    code = pytest.main(["-q", "-p", "no:cacheprovider", *chosen], plugins=[collector])
    figures = read() if arguments else Figures()
    figures.figures = dict(sorted({**figures.figures, **collector.found.figures}.items()))
    figures.about = (
        f"Measured on {datetime.date.today()} under {platform.system()} and Python"
        f" {platform.python_version()}, on a machine of {os.cpu_count()} cores with"
        f" {os.getloadavg()[0]:.0f} processes waiting for them."
    )
    FILE.write_text(json.dumps(vars(figures), indent=1) + "\n", encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(measure(*sys.argv[1:]))
