"""Why an event is refused: the server's error codes and the words that go with them.

Knows nothing of sockets, sessions or time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "Refusal",
    "missing",
    "out_of_range",
    "too_long",
    "unknown_parameter",
    "wrong_type",
    "wrong_value",
]

_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class Refusal(Exception):
    """An event that the server answers with `error`.

    Args:
        code: The wire's code, e.g. "invalid_value".
        message: What was wrong, for people.
        param: Path of the offending field, None where there is none.
        type: The wire's class of error.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.type = type

    def wire(self, client_event_id: str | None) -> dict[str, Any]:
        """The `error` object of the event that tells the client."""
        return {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": client_event_id,
        }


def missing(path: str) -> Refusal:
    return Refusal(
        "missing_required_parameter", f"Missing required parameter: '{path}'.", param=path
    )


def unknown_parameter(path: str) -> Refusal:
    return Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", param=path)


def wrong_type(path: str, expected: Iterable[type], value: object) -> Refusal:
    """The refusal of a value whose JSON type does not fit."""
    wanted = " or ".join(_TYPE_NAMES[kind] for kind in expected)
    got = _TYPE_NAMES.get(type(value), "something else")
    message = f"Invalid type for '{path}': expected {wanted}, but got {got} instead."
    return Refusal("invalid_type", message, param=path)


def wrong_value(path: str, value: object, allowed: Iterable[object]) -> Refusal:
    """The refusal of a value outside an enumeration."""
    choices = ", ".join(f"'{one}'" for one in allowed)
    shown = str(value)[:200]
    return Refusal(
        "invalid_value",
        f"Invalid value: '{shown}'. Supported values are: {choices}.",
        param=path,
    )


def out_of_range(path: str, low: float, high: float, value: float) -> Refusal:
    message = f"Invalid '{path}': expected a value from {low} to {high}, but got {value} instead."
    return Refusal("invalid_value", message, param=path)


def too_long(path: str, limit: int, length: int) -> Refusal:
    message = (
        f"Invalid '{path}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {length} instead."
    )
    return Refusal("string_above_max_length", message, param=path)
