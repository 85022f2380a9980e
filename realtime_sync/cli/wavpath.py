"""Paths of the WAV files that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["WavPath", "not_twice"]


class WavPath(click.Path):
    """A file that can be written, and whose name says WAV, or nothing."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as it was given; anything else is wrong usage, before anybody is asked."""
        from ..audio.files import named_otherwise

        path = Path(str(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"there is no directory {path.parent}", param, ctx)
        if other := named_otherwise(path):
            self.fail(other, param, ctx)
        return value


def not_twice(**paths: str | None) -> None:
    """No file may be two of these options: one would destroy the other.

    Raises:
        click.UsageError: One is.
    """
    given: dict[Path, str] = {}
    for option, path in paths.items():
        # what is no file, as /dev/null, holds nothing
        if path is None or (Path(path).exists() and not Path(path).is_file()):
            continue
        other = given.setdefault(Path(path).resolve(), option)
        if other != option:
            raise click.UsageError(f"{other} and {option} are one file: {path}")
