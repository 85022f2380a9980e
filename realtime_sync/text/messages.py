"""Messages as chat completions have them, as items: what people keep of other clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..events.items import Item
from .model import OUTPUT

__all__ = ["as_items"]

Wire = dict[str, Any]


def as_items(history: Any) -> Any:
    """What `history=` takes, with each message of chat completions as the items that it is.

    Whatever is no such message, or cannot be one, stays: the check of items tells of it.
    """
    if not isinstance(history, Iterable) or isinstance(history, (str, Mapping, Item)):
        return history
    return [item for value in history for item in _items(value)]


def _items(value: Any) -> Iterator[Any]:
    if not isinstance(value, Mapping) or "type" in value or "role" not in value:
        yield value
        return
    role, content = value["role"], value.get("content")
    if role == "tool":
        parts = [_fields(part) for part in _parts(content, "input_text")]
        told = "".join(part.get("text") or "" for part in parts)
        yield {"type": OUTPUT, "call_id": value.get("tool_call_id"), "output": told}
        return
    parts = _parts(content, "output_text" if role == "assistant" else "input_text")
    calls = value.get("tool_calls") or ()
    if parts or not calls:
        role = "system" if role == "developer" else role
        more = {k: v for k, v in value.items() if k in ("id", "status", "phase")}
        yield {"type": "message", "role": role, "content": parts, **more}
    for call in calls:
        function = _fields(_fields(call).get("function"))
        made = {"name": function.get("name"), "arguments": function.get("arguments")}
        yield {"type": "function_call", "call_id": _fields(call).get("id"), **made}


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parts(content: Any, kind: str) -> list[Any]:
    if isinstance(content, str):
        return [{"type": kind, "text": content}] if content else []
    several = content if isinstance(content, (list, tuple)) else [content]
    return [_part(part, kind) for part in several if part is not None]


def _part(part: Any, kind: str) -> Any:
    match part:
        case {"type": "text", "text": text}:
            return {"type": kind, "text": text}
        case {"type": "image_url", "image_url": {"url": url, **more}}:
            return {"type": "input_image", "image_url": url, **more}
    return part
