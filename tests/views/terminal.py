"""What a terminal shows, as an SVG: a terminal emulator reads it, rich draws it."""

from __future__ import annotations

import io
import re
from itertools import groupby
from typing import Any

import pyte
import pyte.graphics
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

__all__ = ["COLUMNS", "THEMES", "draw", "rows"]

COLUMNS = 80
_LINES = 200  # of the emulator: more than anything shown here has

#: The emulator knows no faint text, and nothing here blinks: the one stands for the other.
pyte.graphics.TEXT = {**pyte.graphics.TEXT, 2: "+blink"}

#: Terminals as people have them: dark ones, and light ones.
THEMES: dict[str, TerminalTheme] = {"dark": SVG_EXPORT_THEME, "light": DEFAULT_TERMINAL_THEME}

#: The emulator's words for colours -> rich's.
_COLOURS = {
    "brown": "yellow",
    "brightbrown": "bright_yellow",
    "bfightmagenta": "bright_magenta",  # its slip
}


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return _COLOURS.get(name) or name.replace("bright", "bright_")


def _style(cell: Any) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
        dim=cell.blink,
    )


def _emulated(raw: str) -> Any:
    screen = pyte.Screen(COLUMNS, _LINES)
    pyte.Stream(screen).feed(raw)
    return screen


def rows(raw: str) -> list[str]:
    """The lines of a terminal that was sent this, without the empty ones at its end."""
    return "\n".join(line.rstrip() for line in _emulated(raw).display).rstrip().split("\n")


def draw(raw: str, title: str, theme: TerminalTheme) -> str:
    """An SVG of a terminal that was sent this."""
    screen = _emulated(raw)
    console = Console(
        width=COLUMNS,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    for row in range(len(rows(raw)) + 1):  # of the last one the drawing cuts what is low
        line = Text(no_wrap=True, end="\n")
        cells = [screen.buffer[row][column] for column in range(COLUMNS)]
        for style, alike in groupby(cells, _style):
            line.append("".join(cell.data for cell in alike), style)
        console.print(line, soft_wrap=True)
    return console.export_svg(title=title, theme=theme, unique_id="screen")
