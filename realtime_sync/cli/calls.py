"""Tool calls as people see them: what was called, what came of it, how long it took."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from .failures import line
from .screen import printable

if TYPE_CHECKING:
    from .screen import Screen

__all__ = ["LABEL", "STYLE", "Calls", "called", "ended"]

LABEL: Final = "tool  "
STYLE: Final = "bold magenta"
_MOST: Final = 60  # characters of one argument, and of an outcome


def called(name: str, arguments: Any) -> str:
    """A call as Python writes it; long arguments are cut."""
    if not isinstance(arguments, dict):
        return f"{printable(name)}({_short(str(arguments or ''))})"
    given = (
        f"{key}={_short(json.dumps(one, ensure_ascii=False))}" for key, one in arguments.items()
    )
    return printable(f"{name}({', '.join(given)})")


def ended(event: Any) -> str:
    """What came of it, and how long it took: of a `tool.finished`."""
    took = event.seconds
    said = f"{took * 1000:.0f} ms" if took < 1 else f"{took:.1f} s"
    if event.error is None:
        return f"→ {_short(event.output)}  {said}"
    error = event.error
    told = line(error) if isinstance(error, BaseException) else str(error)
    return f"✗ {_short(told)}  {said}"


def _short(text: str) -> str:
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= _MOST else flat[: _MOST - 1] + "…"


class Calls:
    """Lines of calls, for whoever reads along; for one thread.

    On a terminal a call is there while it runs, and its outcome behind it; through a pipe a line on
    stderr tells both.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._running: dict[str, str] = {}  # call id -> the call
        self._open: str | None = None  # the call whose line has no end yet

    def show(self, event: Any) -> None:
        """A `tool.started` or `tool.finished`."""
        if event.type == "tool.started":
            self._running[event.call_id] = called(event.name, event.arguments)
            if self._screen.is_terminal:
                self.end_line()
                self._begin(event.call_id)
            return
        call = self._running.pop(event.call_id, printable(event.name))
        if not self._screen.is_terminal:
            click.echo(f"{LABEL}{call} {ended(event)}", err=True)
        elif self._open == event.call_id:
            self._open = None
            self._screen.write(f" {ended(event)}", "red" if event.error is not None else "dim")
        else:
            self.end_line()
            self._screen.write(LABEL, STYLE, end="")
            self._screen.write(f"{call} {ended(event)}", "dim")

    def end_line(self) -> None:
        """Something else is to be written: the line that is open ends here."""
        if self._open is not None:
            self._open = None
            self._screen.write(" …", "dim")

    def _begin(self, call_id: str) -> None:
        self._open = call_id
        self._screen.write(LABEL, STYLE, end="")
        self._screen.write(self._running[call_id], end="")
