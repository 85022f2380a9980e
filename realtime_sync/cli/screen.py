"""How text reaches people: with colours and whole words a line, or plain where it is piped.

The home of rich, which comes in when a screen is made. Foreign text is never taken for markup, and
what could steer a terminal never reaches one.
"""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Flow", "Line", "Live", "Screen", "folded", "loudness", "printable"]

Line = tuple[str, str, str]
"""Label, text, and the label's style."""

#: Escapes and other controls, and what turns the direction of writing around.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PIECES = re.compile(r"\n|[ ]+|[^\n ]+")  # a non-breaking space is part of its word
_BARS = " ▁▂▃▄▅▆▇█"
_QUIETEST = -60.0  # dBFS
_WIDEST = 100  # cells; longer lines are hard to read
_LABEL = 0.6  # of the width: a longer label leaves no room for text beside it
_BAR, _SHORTEST = 40, 6  # cells of a bar of progress
_HELD = 20  # cells of an unfinished word that may wait for its end


def printable(text: str) -> str:
    """Foreign text without what could steer a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def folded(text: str, stream: IO[Any]) -> str:
    """Lines that a terminal need not break within a word; through a pipe they stay as they are."""
    try:
        width = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # no terminal after all
        width = 0
    if width < 20:
        return text
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())] + "  "
        lines += textwrap.wrap(
            line.replace(": ", ":\N{NO-BREAK SPACE}", 1),  # a long path stays beside "Error:"
            width,
            subsequent_indent=indent,
            break_long_words=False,  # an address can be copied
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines).replace(":\N{NO-BREAK SPACE}", ": ")


def loudness(decibels: float) -> str:
    """A level in dBFS as one character; " " is silence."""
    share = 0.0 if math.isinf(decibels) else max(0.0, 1 - decibels / _QUIETEST)
    return _BARS[min(len(_BARS) - 1, round(share * (len(_BARS) - 1)))]


class Screen:
    """Standard output, as a person or a pipe sees it."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Console = Console(highlight=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self._console.is_terminal

    @property
    def width(self) -> int:
        """Cells that a line has; without end where nobody looks."""
        return max(20, min(self._console.width, _WIDEST)) if self.is_terminal else 1 << 30

    @property
    def has_colours(self) -> bool:
        """Whether styles show."""
        return self._console.color_system is not None and not self._console.no_color

    def cells(self, text: str) -> int:
        """How wide a text is on a terminal."""
        from rich.cells import cell_len

        return cell_len(text)

    def write(self, text: str, style: str = "", end: str = "\n") -> None:
        """Text as it is, flushed."""
        from rich.text import Text

        # Text: no markup in it; soft_wrap: rich must not break what is already in lines
        self._console.print(Text(text, style=style, end=""), soft_wrap=True, end=end)

    def labelled(self, label: str, text: str, style: str = "", label_style: str = "dim") -> None:
        """A whole text behind its label."""
        flow = Flow(self, label, style, label_style)
        flow.add(text)
        flow.end()

    def live(
        self,
        lines: Callable[[], list[Line]],
        progress: Callable[[], tuple[float, str]] | None = None,
    ) -> Live:
        """A block of lines at the bottom that is drawn again and again, within a `with` block.

        Args:
            lines: What it is now: label, text and the label's style of each. Called by a thread of
                rich's; where nobody looks it is not called at all.
            progress: How much of a job is done, 0 to 1, and words for behind the bar that shows it;
                called likewise. None: no bar.
        """
        return Live(self, self._console, lines, progress)


class Live:
    """Lines that change, and above them those that do not any more."""

    def __init__(
        self,
        screen: Screen,
        console: Console,
        lines: Callable[[], list[Line]],
        progress: Callable[[], tuple[float, str]] | None = None,
    ) -> None:
        self._screen = screen
        self._console = console
        self._lines = lines
        self._progress = progress
        self._drawn: Any = None

    def write(self, label: str, text: str, style: str = "") -> None:
        """A line that changes no more."""
        if not self._screen.is_terminal:
            self._screen.write(f"{label.strip()}: {' '.join(text.split())}")
            return
        self._console.print(_laid(label, text, style, self._console.width))

    def note(self, text: str) -> None:
        """Something to know, on stderr; what is drawn makes room for it."""
        if sys.stderr is not None:
            self.line(folded(text, sys.stderr), sys.stderr)

    def line(self, text: str, stream: IO[str]) -> None:
        """A line as it is, on a stream; what is drawn makes room for it."""
        if self._drawn is None or not stream.isatty():
            click.echo(text, file=stream)
            return
        from rich.text import Text

        self._console.print(Text(text), soft_wrap=True)

    def _draw(self) -> Any:
        from rich.console import Group

        width = self._console.width
        bar = () if self._progress is None else (_barred(*self._progress(), width),)
        return Group(*(_laid(*line, width) for line in self._lines()), *bar)

    def __enter__(self) -> Live:
        if self._screen.is_terminal:
            from rich.live import Live as Drawn

            self._drawn = Drawn(
                console=self._console,
                get_renderable=self._draw,
                refresh_per_second=10,
                transient=True,
            )
            self._drawn.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._drawn is not None:
            self._drawn.__exit__(*exc)


def _laid(label: str, text: str, style: str, width: int) -> Any:
    """A label, and the text to its right, all its lines; below it where there is no room."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    if cell_len(label) > width * _LABEL:
        return Text.assemble((label, style), printable(text), overflow="fold")
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_row(Text(label, style=style), Text(printable(text)))
    return table


def _barred(share: float, words: str, width: int) -> Any:
    """A bar, so much of it full, and words behind it, in one line."""
    from rich.cells import cell_len
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    room = max(_SHORTEST, min(_BAR, width - cell_len(words) - 8))  # the percentage, and gaps
    table = Table.grid(padding=(0, 1))
    percent = Text(f"{share:4.0%}", style="dim")
    bar = ProgressBar(1.0, min(1.0, share), width=room)
    said = Text(words, style="dim")
    said.truncate(max(1, width - room - 8), overflow="ellipsis")
    table.add_row(bar, percent, said)
    return table


class Flow:
    """Text that arrives in pieces: whole words a line, all lines behind the label.

    Args:
        screen: Where it is written.
        label: Written before the first line; the others are as far to the right.
        style: Of the text.
        label_style: Of the label.
    """

    def __init__(
        self, screen: Screen, label: str = "", style: str = "", label_style: str = "dim"
    ) -> None:
        self._screen = screen
        self._style = style
        self._indent = screen.cells(label)
        self._column = self._indent
        self._held = ""  # the beginning of a word whose end has not come
        self._begun = bool(label)  # whether there is a line to end
        if label:
            screen.write(label, label_style, end="")

    def add(self, piece: str) -> None:
        """The next piece."""
        self._begun = True
        if not self._screen.is_terminal:
            # through a pipe text goes as it is: whoever reads it there may want every character
            self._screen.write(piece, end="")
            return
        pieces = _PIECES.findall(self._held + printable(piece).expandtabs(4))
        self._held = ""
        last = pieces[-1] if pieces else ""
        if last.strip() and self._screen.cells(last) <= _HELD:
            self._held = pieces.pop()
        self._write(pieces)

    def end(self, mark: str = "", style: str = "dim") -> None:
        """The last line ends here; `mark` says why where that needs saying."""
        self._write([self._held] if self._held else [])
        self._held = ""
        if self._begun or mark:
            self._screen.write(mark, style)

    def _write(self, pieces: list[str]) -> None:
        text = "".join(self._placed(piece) for piece in pieces)
        if text:
            self._screen.write(text, self._style, end="")

    def _placed(self, piece: str) -> str:
        """A word, a space or a line break, with the line break that it needs."""
        new_line = "\n" + " " * self._indent
        width = self._screen.cells(piece)
        if piece == "\n":
            self._column = self._indent
            return new_line
        room = self._screen.width - self._column
        if piece.isspace():
            self._column += min(width, room)
            return piece[:room]
        if width > room and self._column > self._indent:
            self._column = self._indent + width
            return new_line + piece
        self._column += width
        return piece
