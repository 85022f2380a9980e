"""Shapes of JSON values: each is a function that accepts a value or raises `Refusal`.

Knows the words of the protocol's errors, not the protocol. Written apart from
`realtime_sync.events`, so that a mistake in those models is not repeated here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime_sync.local.refusal import (
    Refusal,
    missing,
    out_of_range,
    too_long,
    unknown_parameter,
    wrong_type,
    wrong_value,
)

__all__ = [
    "Shape",
    "array",
    "anything",
    "base64_text",
    "by_type",
    "choice",
    "flag",
    "integer",
    "metadata",
    "nullable",
    "number",
    "record",
    "tagged",
    "text",
]

Shape = Callable[[Any, str], None]
"""Takes the value and its path; returns if it fits, else raises `Refusal`."""

_METADATA_PAIRS, _METADATA_KEY, _METADATA_VALUE = 16, 64, 512


def _is(value: object, kind: type) -> bool:
    # JSON's true is not a number, though Python's True is an int
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _expect(value: object, kind: type, path: str) -> None:
    if not _is(value, kind):
        raise wrong_type(path, (kind,), value)


def anything(value: Any, path: str) -> None:
    """Accepts every value."""


def flag(value: Any, path: str) -> None:
    """A boolean."""
    _expect(value, bool, path)


def text(max_length: int | None = None) -> Shape:
    """A string of at most `max_length` characters."""

    def check(value: Any, path: str) -> None:
        _expect(value, str, path)
        if max_length is not None and len(value) > max_length:
            raise too_long(path, max_length, len(value))

    return check


def number(low: float, high: float) -> Shape:
    """A number from `low` to `high`."""

    def check(value: Any, path: str) -> None:
        _expect(value, float, path)
        if not low <= value <= high:
            raise out_of_range(path, low, high, value)

    return check


def integer(low: int, high: int) -> Shape:
    """A whole number from `low` to `high`."""

    def check(value: Any, path: str) -> None:
        _expect(value, int, path)
        if not low <= value <= high:
            raise out_of_range(path, low, high, value)

    return check


def choice(*values: str | int) -> Shape:
    """One of `values`."""

    def check(value: Any, path: str) -> None:
        _expect(value, type(values[0]), path)
        if value not in values:
            raise wrong_value(path, value, values)

    return check


def nullable(shape: Shape) -> Shape:
    """What `shape` accepts, or null."""

    def check(value: Any, path: str) -> None:
        if value is not None:
            shape(value, path)

    return check


def by_type(shapes: Mapping[type, Shape]) -> Shape:
    """One shape for each JSON type that is allowed."""

    def check(value: Any, path: str) -> None:
        for kind, shape in shapes.items():
            if _is(value, kind):
                return shape(value, path)
        raise wrong_type(path, shapes, value)

    return check


def array(shape: Shape, *, least: int = 0, most: int | None = None) -> Shape:
    """A list of what `shape` accepts."""

    def check(value: Any, path: str) -> None:
        _expect(value, list, path)
        if len(value) < least or (most is not None and len(value) > most):
            raise out_of_range(f"{path}.length", least, most or 1 << 30, len(value))
        for index, element in enumerate(value):
            shape(element, f"{path}[{index}]")

    return check


def record(fields: Mapping[str, Shape], required: Sequence[str] = ()) -> Shape:
    """An object with these fields and no others."""

    def check(value: Any, path: str) -> None:
        _expect(value, dict, path)
        prefix = f"{path}." if path else ""
        for name in required:
            if name not in value:
                raise missing(prefix + name)
        for name, element in value.items():
            if name not in fields:
                raise unknown_parameter(prefix + name)
            fields[name](element, prefix + name)

    return check


def tagged(tag: str, shapes: Mapping[str, Shape]) -> Shape:
    """An object whose field `tag` says which shape the whole of it has."""

    def check(value: Any, path: str) -> None:
        _expect(value, dict, path)
        where = f"{path}.{tag}" if path else tag
        if tag not in value:
            raise missing(where)
        kind = value[tag]
        _expect(kind, str, where)
        if kind not in shapes:
            raise wrong_value(where, kind, shapes)
        shapes[kind](value, path)

    return check


def metadata(value: Any, path: str) -> None:
    """At most 16 pairs of short strings."""
    _expect(value, dict, path)
    if len(value) > _METADATA_PAIRS:
        raise Refusal(
            "object_above_max_properties",
            f"Invalid '{path}': too many properties. Expected at most {_METADATA_PAIRS}, "
            f"but got {len(value)} instead.",
            param=path,
        )
    for key, element in value.items():
        if len(key) > _METADATA_KEY:
            raise too_long(path, _METADATA_KEY, len(key))
        text(_METADATA_VALUE)(element, f"{path}.{key}")


def base64_text(value: Any, path: str) -> None:
    """A string that is valid base64."""
    _expect(value, str, path)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refusal(
            "invalid_value", f"Invalid '{path}': expected base64, but got: {exc}.", param=path
        ) from exc
