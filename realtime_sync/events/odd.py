"""What does not fit into a model, taken out of a document and put back. Knows no particular model.

Servers send null where the schema has none, fractions for whole numbers, a shape of tomorrow. One
such value must not cost the event around it: a session that is told nothing of its tools is better
than none. Only where an event has the wrong shape itself (a delta that is a number, a response that
is a list) nothing can be made of it. Source: wire.md, rules 2 and 3.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

__all__ = ["Odd", "put_back", "take_odd"]

log = logging.getLogger(__name__)

Path = tuple[str | int, ...]

#: Faults of one event above which it is not mended: each costs time, on the I/O thread.
_MOST = 1000
#: JSON texts on the wire, which some servers send decoded.
_TEXTS = frozenset({"arguments", "output"})


class Odd(NamedTuple):
    """A value that was taken out."""

    path: Path  # at that moment
    value: Any
    instead: Any = None  # what stands there now; None: nothing


def take_odd(model: type[BaseModel], document: dict[str, Any], fault: ValidationError) -> list[Odd]:
    """Take out what a validation has found; changes the document.

    Returns:
        In the order in which it was taken; nothing, where the model cannot do without one of it.
    """
    if fault.error_count() > _MOST:
        return []
    found: dict[Path, Any] = {}
    for error in fault.errors(include_url=False, include_context=False):
        path = _path(document, error["loc"])
        found[path] = _instead(path, error["type"], error["input"])
    # of a union, only the branch that came furthest
    paths = sorted(found)  # what lies below a path comes right after it
    deepest = [p for p, after in zip(paths, [*paths[1:], ()], strict=True) if after[: len(p)] != p]
    if not all(_bearable(model, path, document, found[path]) for path in deepest):
        return []
    # from behind, or the places in a list would move
    return [_take(document, path, found[path]) for path in reversed(deepest)]


def _path(document: Any, location: Iterable[str | int]) -> Path:
    """The steps of a location that are there; others name a union's branch."""
    value, path = document, []
    for step in location:
        inside = isinstance(value, dict) and step in value
        if inside or (isinstance(value, list) and isinstance(step, int)):
            value = value[step]
            path.append(step)
    return tuple(path)


def _instead(path: Path, kind: str, value: Any) -> Any:
    if kind == "int_from_float":
        return int(value)
    if kind == "string_type" and path[-1:] and path[-1] in _TEXTS and isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return None


def _bearable(model: type[BaseModel], path: Path, document: Any, instead: Any) -> bool:
    if not path:
        return False
    if len(path) > 1 or instead is not None or document[path[0]] is None:
        return True
    field = model.model_fields.get(str(path[0]))
    return field is not None and not field.is_required() and field.default is None


def _take(document: Any, path: Path, instead: Any) -> Odd:
    *outer, last = path
    for step in outer:
        document = document[step]
    value = document[last]
    if instead is not None:
        document[last] = instead
    else:
        del document[last]
    if value is not None:
        log.debug("a value that does not fit was passed over: %s", path)
    return Odd(path, value, instead)


def put_back(document: Any, odd: Iterable[Odd]) -> None:
    """Put each where it stood, but where a copy of the value has something else by now."""
    for path, value, instead in reversed(tuple(odd)):
        *outer, last = path
        inner: Any = document
        try:
            for step in outer:
                inner = inner[step]
            if isinstance(inner, list) and instead is None:
                inner.insert(last, copy.deepcopy(value))
            elif (inner[last] if last in inner or isinstance(inner, list) else None) == instead:
                inner[last] = copy.deepcopy(value)
        except (LookupError, TypeError):
            continue
