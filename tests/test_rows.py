"""The table of faults in docs/faults.rst is that of the tests.

`python tests/test_rows.py` writes it anew. `python tests/measured.py` measures the bounds anew.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import measured
from rows import ELSEWHERE, OPEN, ROWS

TESTS = pathlib.Path(__file__).parent
TABLE = TESTS.parent / "docs" / "faults.rst"

HEAD = """\
Faults
======

What goes wrong, what the library does then, and the test that shows it. Written by
``python tests/test_rows.py`` from the marker ``row`` of the tests, and what they say of themselves;
the bound is what the test asserts, and beside it stands what ``python tests/measured.py`` has
measured, the worst of all cases of the test. F: links, processes and callers' code; B: bad input of
the server's; C: bad input of the caller's. What needs another system says so.

{about}

.. list-table::
   :header-rows: 1
   :widths: 6 22 36 12 10 14
   :class: faults

   * - row
     - what goes wrong
     - behaviour
     - bound
     - measured
     - test
"""


@dataclass(frozen=True)
class Shown:
    """One test that shows some rows."""

    rows: tuple[str, ...]
    behaviour: str
    bound: str
    test: str


@functools.cache
def functions() -> list[tuple[str, ast.FunctionDef]]:
    """Every test, and where it stands, in the order of files and lines."""
    return [
        (f"{path.relative_to(TESTS)}::{node.name}", node)
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def shown() -> Iterator[Shown]:
    """All tests with the marker."""
    for where, node in functions():
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.row":
                rows = tuple(ast.literal_eval(argument) for argument in mark.args)
                named = {key.arg: ast.literal_eval(key.value) for key in mark.keywords}
                said = (ast.get_docstring(node) or "").partition("\n\n")[0]
                yield Shown(rows, " ".join(said.split()), named.get("bound", ""), where)


def table() -> str:
    figures = measured.read()
    marked = list(shown())
    lines = [HEAD.format(about=textwrap.fill(figures.about, 100))]
    for row, what in ROWS.items():
        tests = [one for one in marked if row in one.rows]
        if row in OPEN:
            tests.append(Shown((row,), f"*Open:* {OPEN[row]}", "", ""))
        if row in ELSEWHERE:
            tests.append(Shown((row,), f"*Elsewhere:* {ELSEWHERE[row]}", "", ""))
        for at, one in enumerate(tests):
            cells = [row if at == 0 else "", what if at == 0 else "", one.behaviour, one.bound]
            cells.append(figures.text(one.test))
            cells.append(f"``{one.test}``" if one.test else "")
            for column, cell in enumerate(cells):
                lead = "   * - " if column == 0 else "     - "
                text = textwrap.fill(cell, 92, subsequent_indent=" " * 7, break_on_hyphens=False)
                lines.append((lead + text).rstrip())
    return "\n".join(lines) + "\n"


def test_every_row_is_shown_or_open() -> None:
    """A row has a test, or a reason why it has none; and a test names only rows that there are."""
    named = {row for one in shown() for row in one.rows}
    assert named <= set(ROWS)
    assert set(ROWS) - named <= set(OPEN)
    assert set(ELSEWHERE) <= set(ROWS)


def test_what_is_measured_has_been_measured() -> None:
    """Each test of a row that measures something has its figures, and no other has."""
    rows = {one.test for one in shown()}
    assert {test for test in measuring() if test in rows} == set(measured.read().figures)


def measuring() -> Iterator[str]:
    """The tests that take the fixture `measured`."""
    for where, node in functions():
        if "measured" in [one.arg for one in node.args.args]:
            yield where


def test_the_table_is_that_of_the_tests() -> None:
    """docs/faults.rst is up to date; `python tests/test_rows.py` writes it."""
    assert TABLE.read_text(encoding="utf-8") == table()


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
