"""What a conversation may begin with: items, whole and in order. Knows no session."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Mapping
from typing import Any

from .errors import ConfigurationError
from .events.items import Item, Part
from .items import as_item, sendable

__all__ = ["as_history", "check_pairs", "named", "packed", "paired"]

log = logging.getLogger(__name__)

#: How a packed history begins.
INTRODUCTION = "This is the conversation so far. Go on from there; do not repeat or sum it up."


def as_history(
    values: Any, *, pack: bool = False, where: str = "history", addresses: bool = False
) -> tuple[Item, ...]:
    """Items to be created, in order.

    Args:
        values: Each is what `conversation.create` takes.
        pack: All of it as one user message.
        where: Names the argument in errors.
        addresses: See `as_item`.

    Raises:
        TypeError, ConfigurationError: One cannot be sent, a call without its output, an output
            without its call, an id twice; names the item.
    """
    items = named(values, where, addresses=addresses)
    check_pairs(items, where)
    sent = tuple(kept for item in items if (kept := sendable(item)) is not None)
    return (packed(sent),) if pack and sent else sent


def named(values: Any, where: str, *, addresses: bool = False) -> list[Item]:
    """Each value as an item; errors say which one it was.

    Raises:
        TypeError, ConfigurationError: See `as_item`; or the same id twice.
    """
    if not isinstance(values, Iterable) or isinstance(values, (str, Mapping, Item)):
        raise ConfigurationError(f"{where}: a list of items; put this one into brackets")
    items: list[Item] = []
    seen: set[str] = set()
    for number, value in enumerate(values):
        item = as_item(value, f"{where}[{number}]", addresses=addresses)
        if item.id is not None and item.id in seen:
            raise ConfigurationError(f"{where}[{number}] {item.id}: its id is there twice")
        seen.add(item.id or "")
        items.append(item)
    return items


def check_pairs(items: Iterable[Item], where: str, unanswered: Container[str] = ()) -> None:
    """Complain about calls without output and outputs without call.

    Args:
        unanswered: Ids of call items that need no output.

    Raises:
        ConfigurationError: Names the item.
    """
    open_calls: dict[str | None, str] = {}  # call id -> how the item is named
    for number, item in enumerate(items):
        name = f"{where}[{number}] {item.id or ''}".rstrip()
        if item.type == "function_call" and item.id not in unanswered:
            open_calls[item.call_id] = name
        elif item.type == "function_call":
            open_calls.setdefault(item.call_id, "")
        elif item.type == "function_call_output":
            if item.call_id not in open_calls:
                raise ConfigurationError(
                    f"{name}: an output of {item.call_id!r}, and no such call before it; leave "
                    "both out, or none"
                )
            del open_calls[item.call_id]
    for call_id, name in open_calls.items():
        if name:
            raise ConfigurationError(
                f"{name}: the call {call_id!r} has no output after it; add one by "
                "items.function_output(), or leave the call out"
            )


def paired(items: Iterable[Item]) -> list[Item]:
    """The items without calls that have no output (yet), and outputs that have no call."""
    items = list(items)
    answered = {item.call_id for item in items if item.type == "function_call_output"}
    called: set[str | None] = set()
    kept = []
    for item in items:
        alone = item.type == "function_call" and item.call_id not in answered
        alone = alone or (item.type == "function_call_output" and item.call_id not in called)
        if alone:
            log.warning("item %s, a %s without its other half, is left out", item.id, item.type)
            continue
        if item.type == "function_call":
            called.add(item.call_id)
        kept.append(item)
    return kept


def packed(items: Iterable[Item]) -> Item:
    """All of them as one user message: who said what, with the images in their places.

    It costs one item, and the model takes it as told, not as lived through: it neither answers in
    the format of what it "said" there, nor has audio of it.
    """
    parts: list[dict[str, Any]] = []
    lines = [INTRODUCTION, ""]
    for item in items:
        for line in _lines(item):
            if isinstance(line, str):
                lines.append(line)
                continue
            parts += [{"type": "input_text", "text": "\n".join(lines)}, line.wire()]
            lines = []
    if lines:
        parts.append({"type": "input_text", "text": "\n".join(lines)})
    return Item.model_validate({"type": "message", "role": "user", "content": parts})


def _lines(item: Item) -> Iterable[str | Part]:
    """One item, as lines and images."""
    if item.type == "message":
        for part in item.content or ():
            words = part.text or part.transcript
            if words:
                yield f"{item.role}: {words}"
            elif part.image_url:
                yield f"{item.role} showed this image:"
                yield part
            else:
                log.warning("item %s: audio without a transcript is left out", item.id)
    elif item.type == "function_call":
        yield f"assistant called {item.name}({item.arguments})"
    elif item.output is not None:
        yield f"output: {item.output}"
