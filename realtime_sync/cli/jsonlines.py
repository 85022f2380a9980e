"""`--json`: lines for other programs, and nothing between them on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .screen import Live

__all__ = ["JsonLines", "json_option"]


class JsonLines:
    """Standard output, taken for lines of JSON: what others print goes to stderr from now on.

    Tools print, on import too; so do C code and the programs that they start. `stream` is where
    the lines go: UTF-8, as JSON is; None: the process has no standard output.
    """

    def __init__(self) -> None:
        self.stream: IO[str] | None = _taken()

    def write(self, told: Any, live: Live | None = None) -> None:
        """A line, flushed; what is drawn at the bottom of the terminal makes room for it."""
        if self.stream is None:
            return
        line = json.dumps(told, ensure_ascii=False)
        if live is None:
            click.echo(line, file=self.stream)
        else:
            live.line(line, self.stream)


def _taken() -> IO[str] | None:
    """The standard output that there was; its descriptor is stderr's now."""
    if sys.stdout is None:
        return None
    try:
        out = sys.stdout.fileno()
    except OSError:  # no file: a test that reads what is printed
        return sys.stdout
    sys.stdout.flush()
    # half a surrogate pair has no UTF-8; as JSON escapes it, it can be said
    kept = open(os.dup(out), "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    other = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    os.dup2(other, out)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with stderr
    return kept


def json_option(help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the option --json; it takes `JsonLines` as `as_json`, else None."""

    def taken(context: click.Context, _option: Any, given: bool) -> JsonLines | None:
        if not given or context.resilient_parsing:
            return None
        lines = JsonLines()
        if lines.stream not in (None, sys.stdout):
            context.call_on_close(lines.stream.close)
        return lines

    return click.option("--json", "as_json", is_flag=True, callback=taken, help=help)
