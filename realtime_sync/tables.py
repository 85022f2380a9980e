"""Tables in TOML or JSON files, and what is wrong with them. Knows no key of theirs.

Every table that a user writes is read here, and told the same way: file, key, fault, cure, all
faults at once.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from .errors import ConfigurationError

__all__ = ["Faults", "kind_of", "nearest", "read"]


class Faults:
    """Everything that is wrong with a table, to be told at once. Belongs to one thread.

    Args:
        source: The file, or what else the table is called; stands before all of it.
    """

    def __init__(self, source: str) -> None:
        self._source = source  # the file, or what else it is
        self._found: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: str, message: str) -> None:
        """This is wrong at that key, "a.b[0].c"; "" where it is wrong with the whole."""
        self._found.append(f"{path}: {message}" if path else message)

    def unknown(self, table: Iterable[Any], path: str, known: Collection[str]) -> None:
        """Each key that the table has and should not, with what may be meant.

        Args:
            table: Its keys.
            path: Its own place; "" for the whole.
            known: All keys that it may have.
        """
        for key in table:
            if key not in known:
                name = str(key) or '""'
                where = f"{path}.{name}" if path else name
                self.add(where, f"unknown key; {nearest(key, known)}")

    def take(self, path: str, error: Exception) -> None:
        """What is wrong with a part that was checked by itself, below its key.

        Args:
            path: The key of the part.
            error: What its own `check` has raised, or another error, which is one fault.
        """
        source, found = getattr(error, "_faults", ("", [str(error)]))
        # a part that is a file of its own keeps its name
        prefix = "" if source in ("", path) else f"{source}: "
        for one in found:
            joint = "." if source == path else ": "
            self._found.append(f"{path}{joint if path else ''}{prefix}{one}")

    def check(self) -> None:
        """Complain, if there was anything.

        Raises:
            ConfigurationError: Lists all of it.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            said = self._found[0]
        else:
            lines = "".join(f"\n  {line}" for line in self._found)
            said = f"{len(self._found)} faults{lines}"
        error = ConfigurationError(f"{self._source}: {said}")
        error._faults = (self._source, list(self._found))  # type: ignore[attr-defined]  # for take
        raise error


def nearest(name: Any, known: Collection[str]) -> str:
    """The cure of a name that there is not: the one that is like it, else all that there are."""
    close = difflib.get_close_matches(str(name), known, 1)
    return f"do you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"


def kind_of(value: Any) -> str:
    """What kind of thing a value is, for people; never the value itself, which may be a key."""
    return "nothing" if value is None else type(value).__name__


def read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The table in a .toml or .json file, in UTF-8. A key that is there twice is a fault.

    Raises:
        ConfigurationError: There is no such file, it cannot be read, has another suffix, or no
            table in it; names the file, and the line where the parser does. Its text shows no part
            of the file but a key's name.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(f"{path}: a .toml or .json file is needed")
    try:
        table = reader(path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:  # whose text shows a part of the file
        raise ConfigurationError(f"{path}: it is not UTF-8, at byte {exc.start}") from None
    except RecursionError as exc:
        raise ConfigurationError(f"{path}: it is nested too deep; flatten it") from exc
    except ValueError as exc:  # a TOMLDecodeError, JSONDecodeError are such
        raise ConfigurationError(f"{path}: {exc}") from exc
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{path}: a table is needed, not {kind_of(table)}")
    return table


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{twice!r} is there twice in one object")
        return table

    return json.loads(text, object_pairs_hook=once)


def _toml(text: str) -> Any:
    # when called: before 3.11 it takes a package that is no dependency
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise ConfigurationError(
                "TOML is read on Python 3.11 and newer; before it, pip install tomli, or give JSON"
            ) from None
    return tomllib.loads(text)


_READERS: Final[dict[str, Callable[[str], Any]]] = {".toml": _toml, ".json": _json}
