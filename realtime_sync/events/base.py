"""What all events share. Knows no particular event."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pydantic_core

from .value import Value

__all__ = [
    "ClientEvent",
    "Event",
    "LocalEvent",
    "ServerEvent",
    "UnknownEvent",
    "one_line",
    "told",
]


def one_line(text: object, limit: int = 200) -> str:
    """Foreign text as one printable line: no line breaks, escapes or right-to-left marks."""
    # json escapes control characters and, in ascii, everything that could steer a terminal
    quoted = json.dumps(str(text))[1:-1]
    return quoted if len(quoted) <= limit else quoted[: limit - 1] + "…"


class Event(Value):
    """Any event: from the server, to the server, or of this library.

    Attributes:
        type: Its wire name, always the GA dialect's.
    """

    type: str = ""

    def describe(self) -> str:
        """One line for logs: the type and its ids, never audio or keys."""
        ids = (
            f" {name.removesuffix('_id')}={one_line(value, 64)}"
            for name in ("event_id", "response_id", "item_id", "call_id")
            if (value := getattr(self, name, None))
        )
        return one_line(self.type, 80) + "".join(ids)


class ServerEvent(Event):
    """An event from the server. What the wire requires but a server leaves out reads as empty."""

    event_id: str | None = None


class ClientEvent(Event):
    """An event to the server.

    Attributes:
        event_id: At most 512 characters; the server names it in the error that refuses the event.
    """

    event_id: str | None = None


class LocalEvent(Event):
    """An event of this library's own; it never was on the wire."""

    def wire(self) -> dict[str, Any]:
        """The JSON-ready dict of what was set, for logs: errors and functions as text."""
        return {"type": self.type, **told(self)}


def told(value: Value) -> dict[str, Any]:
    """What was set of a value that was never on the wire, and may hold anything."""
    return {name: _told(value[name]) for name in type(value).model_fields if name in value}


def _told(value: Any) -> Any:
    if isinstance(value, Value):
        return value.wire()
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return pydantic_core.to_jsonable_python(value, fallback=repr)


class UnknownEvent(ServerEvent):
    """What the models do not know, or a known type in a shape that they do not know.

    Attributes:
        type: As the server wrote it; "unparsable" for text that is no event at all.
        raw: The JSON value as it came; for "unparsable" the text, at most 64 KiB of it.
    """

    raw: Any = None

    def wire(self) -> dict[str, Any]:
        """What came, where it was an object."""
        return copy.deepcopy(self.raw) if isinstance(self.raw, dict) else super().wire()
