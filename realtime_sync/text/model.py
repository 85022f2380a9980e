"""What a text model is to the rest of the room: a request goes in, pieces come out. No network."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import ConfigurationError, ProtocolError
from ..events.items import Item

Wire = dict[str, Any]

__all__ = [
    *("OUTPUT", "Call", "Changed", "Counted", "Ended", "Model", "Piece", "Request", "Run", "Text"),
    *("Asker", "asker", "call_of", "check", "whole"),
]

#: The type of an item that answers a call.
OUTPUT = "function_call_output"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Request:
    """One response that is asked for.

    Attributes:
        model: The model's name.
        instructions: What it is told before everything else; None: nothing.
        items: The conversation, oldest first; calls and outputs need not stand side by side.
        tools: As a Realtime session's configuration has them.
        tool_choice: "auto", "none", "required", or `{"type": "function", "name": …}`; None: not
            said.
        options: What goes to the API as it is.
        metadata: The caller's own; it stays with the response.
        apart: The items are not the conversation: they were given for this response alone.
    """

    model: str
    instructions: str | None = None
    items: tuple[Item, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of what the model says.

    Attributes:
        delta: The piece.
        item_id: Of the message that it belongs to, at most 32 characters: another message is
            another item; None: all of it is one.
    """

    delta: str
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A piece of a call.

    Attributes:
        index: Which of the response's calls, in any numbering that tells them apart.
        call_id: Its id, where this piece tells it.
        name: The tool's, where this piece tells it.
        arguments: A piece of the JSON text.
    """

    index: Any
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """Others have changed the conversation, where the API keeps it.

    Attributes:
        added: Items, each with the id of the one that it goes behind; None: to the front.
        removed: Ids of items.
    """

    added: tuple[tuple[str | None, Item], ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """What it cost, as `response.usage` of the Realtime API has it."""

    usage: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes of this response.

    Attributes:
        status: "completed", "incomplete", "failed" or "cancelled".
        reason: Why it is incomplete: "max_output_tokens", "content_filter".
        error: Of a failed one: `{"type": …, "code": …, "message": …}`.
    """

    status: str = "completed"
    reason: str | None = None
    error: Mapping[str, Any] | None = None


Piece = Text | Call | Changed | Counted | Ended


class Asker(Protocol):
    """Whose request a thread makes.

    Attributes:
        over: Nobody waits for it any more.
        hang_up: Ends the request before the API has begun to answer; None: nobody can (yet).
    """

    over: bool
    hang_up: Callable[[], None] | None


#: Whose request this thread makes; None: it does something else.
asker: ContextVar[Asker | None] = ContextVar("realtime_sync_asker", default=None)


class Run(Protocol):
    """A response that the model has begun."""

    def __iter__(self) -> Iterator[Piece]:
        """Its pieces, `Ended` last. Belongs to one thread.

        Raises:
            RealtimeError: It broke off: `ConnectionLost`, `ProtocolError`, `ResponseFailed`.
        """
        ...

    def stop(self) -> None:
        """Have the iteration end soon. From any thread; idempotent."""
        ...

    def close(self) -> None:
        """Give back what it holds. By the thread that iterates."""
        ...


class Model(ABC):
    """A text model behind an API. Used by several threads at a time.

    Attributes:
        history: What the conversation holds before anybody has said anything, once it is open.
    """

    history: tuple[Item, ...] = ()

    #: Whether nothing is left at the API of a request that was broken off before its answer.
    forgets = False

    @abstractmethod
    def open(self) -> None:
        """Be ready for the first request; called once, before it. May block.

        Raises:
            RealtimeError: It cannot be.
        """

    @abstractmethod
    def begin(self, request: Request) -> Run:
        """Ask for a response; returns once the API has begun it. Blocks.

        Raises:
            RealtimeError: It was refused, or nobody could be asked.
        """

    def check(self, tools: Iterable[Wire]) -> None:
        """Complain about tools that the API does not have.

        Raises:
            ConfigurationError: Names one, and the cure.
        """
        for tool in tools:
            if tool.get("type") != "function":
                raise ConfigurationError(
                    f"tools: this API has none of type {tool.get('type')!r}; leave it out, or use "
                    'ChatSession(api="responses")'
                )

    def shut(self) -> None:  # noqa: B027  # most have nothing to shut
        """The session is over. From any thread; what still blocks in `begin` ends soon."""


def check(piece: Piece) -> Piece:
    """The piece, if it holds what it should.

    Half a surrogate pair becomes "?": as a part of the conversation it could never be sent again.

    Raises:
        ProtocolError: The API has sent something else in its place.
    """
    match piece:
        case Text(delta=str()):
            return replace(piece, delta=_sendable(piece.delta))
        case Call(call_id=str() | None, name=str() | None, arguments=str()):
            return replace(piece, arguments=_sendable(piece.arguments))
        case Text() | Call():
            raise ProtocolError(f"a piece of the answer has another shape: {piece!r:.200}")
    return piece


def _sendable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def call_of(item: Item) -> Wire:
    """Name and arguments of a call as every API takes them back.

    A model may have called what is no name, with what is no object. Some servers refuse every
    request with such a call in it; its output says what was wrong.
    """
    name = _NO_NAME.sub("_", item.name or "")[:64] or "unknown"
    try:
        whole = isinstance(json.loads(item.arguments or ""), dict)
    except (ValueError, RecursionError):
        whole = False
    return {"name": name, "arguments": (item.arguments or "") if whole else "{}"}


def whole(items: Iterable[Item]) -> list[Item]:
    """Messages, and calls with their outputs: every API refuses the one without the other.

    A call whose tool still runs is left out, e.g. where that very tool asks the model something.
    """
    items = list(items)
    calls: dict[str | None, int] = {}  # call id -> its place
    outputs: dict[str | None, int] = {}
    for at, item in enumerate(items):
        if item.type == "function_call":
            calls.setdefault(item.call_id, at)
        elif item.type == OUTPUT and item.call_id in calls:
            outputs.setdefault(item.call_id, at)
    return [item for at, item in enumerate(items) if _belongs(item, at, calls, outputs)]


def _belongs(
    item: Item, at: int, calls: Mapping[str | None, int], outputs: Mapping[str | None, int]
) -> bool:
    if item.type == "function_call":
        return item.call_id in outputs and calls[item.call_id] == at
    if item.type == OUTPUT:
        return outputs.get(item.call_id) == at
    # what was only heard has no words
    return item.type == "message" and bool(item.text or _seen(item))


def _seen(item: Item) -> bool:
    return any(part.image_url for part in item.content or ())
