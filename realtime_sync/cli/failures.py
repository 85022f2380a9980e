"""Errors as people read them: one line on stderr and exit code 1, no traceback."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import IO, Any, ParamSpec, TypeVar

import click

from .. import errors
from .screen import folded, printable

__all__ = ["Failure", "line", "lines", "reported", "show_events"]

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


class Failure(click.ClickException):
    """What ended a command, as people read it: whole words a line."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, on stderr where nothing else is named."""
        stream = sys.stderr if file is None else file
        click.echo(folded(f"Error: {self.format_message()}", stream), file=stream)


def line(error: BaseException) -> str:
    """An error in one printable line."""
    if isinstance(error, OSError) and error.strerror:
        said = error.strerror.lower()
        said = f"{error.filename}: {said}" if error.filename else said
    else:
        said = str(error) or type(error).__name__
    return printable(" ".join(said.split()))  # an error may quote the server


def lines(error: BaseException) -> str:
    """An error that lists several faults, a printable line each."""
    return "\n".join(printable(one) for one in str(error).splitlines())


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Lets a command end with one line where it ends with an error of ours or the system's."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise  # click knows: whoever read us has seen enough
        except (errors.RealtimeError, OSError, ValueError) as exc:
            log.debug("the command failed", exc_info=exc)
            raise Failure(line(exc)) from exc

    return run


def show_events(verbose: bool) -> None:
    """With `--verbose`: the library's log, every event included, on stderr; else none of it."""
    if not verbose:
        # commands say themselves what a person is to know; Python would print warnings as well
        logging.getLogger("realtime_sync").addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    library = logging.getLogger("realtime_sync")
    library.addHandler(handler)
    library.setLevel(logging.DEBUG)
