"""A conversation that goes on elsewhere: from a text model to a realtime one, and back."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..events.items import AUDIO_PARTS, Item, Part
from ..history import paired
from ..images import is_address
from ..items import sendable
from ..session import RealtimeSession
from ..tools import ToolEntry
from .chat import ChatSession

if TYPE_CHECKING:
    from ..calling import Calling
    from .session import TextSession

__all__ = ["to_chat", "to_realtime"]

log = logging.getLogger(__name__)

_ID_MOST = 32  # characters of an id. Source: wire.md (d)
#: Items that every API has.
_KEPT = frozenset({"message", "function_call", "function_call_output"})
#: Arguments that say where to; where one is given, ours does not go along.
_PLACES = frozenset({"endpoint", "api_key", "base_url", "client", "call_id"})


def to_realtime(chat: TextSession, model: str | None, given: dict[str, Any]) -> RealtimeSession:
    """See `TextSession.to_realtime`."""
    arguments = _carried(chat)
    arguments["history"] = [_told(item) for item in chat.export()]
    if not _PLACES & given.keys():
        arguments.update(chat._place())
    return RealtimeSession(model, **{**arguments, **given})


def to_chat(session: Calling, model: str, place: dict[str, Any], given: dict[str, Any]) -> Any:
    """See `RealtimeSession.to_chat`.

    Args:
        session: That of the conversation so far.
        model: The text model.
        place: Where to, unless `given` says so.
        given: Arguments of the `ChatSession`.
    """
    arguments = _carried(session)
    arguments["history"] = _history(session)
    if given.get("api", "chat") == "chat":
        arguments["tools"] = list(_callable(arguments["tools"]))
    if not _PLACES & given.keys():
        arguments.update(place)
    return ChatSession(model, **{**arguments, **given})


def _carried(session: Calling) -> dict[str, Any]:
    """What goes along either way."""
    config = session._setup.config if session.state == "new" else session.config
    calls, routing = session._calls, session._routing
    tools: list[ToolEntry] = list(session.tools._entries)
    carried: dict[str, Any] = {
        "approver": calls.approver,
        "approval_timeout": calls.approval.timeout,
    }
    said = config.instructions if config is not None else None
    if routing is not None:  # which adds its own words and tools where the conversation goes on
        carried["router"] = copy.copy(routing.router)
        here = (*routing.given, *routing.router.setting().tools)
        said, tools = routing.said, [*routing.given, *(t for t in tools if t not in here)]
    carried["tools"] = tools
    if said is not None:
        carried["instructions"] = said
    return carried


def _callable(tools: Iterable[ToolEntry]) -> Iterable[ToolEntry]:
    for entry in tools:
        if entry.to_wire().get("type") == "function":
            yield entry
        else:
            log.warning("%r is left out: chat completions have no such tools", entry)


def _history(session: Calling) -> list[Item]:
    """What was said and called; what MCP servers did is no part of a text model's history."""
    items = session.conversation.items or session._setup.history
    ended = [item for item in items if item.status != "in_progress" and item.type in _KEPT]
    sent = (sendable(_read(item)) for item in paired(ended))
    return [item for item in sent if item is not None]


def _read(item: Item) -> Item:
    """An item as text: what was said aloud is its transcript."""
    if not any(part.type in AUDIO_PARTS for part in item.content or ()):
        return item
    kind = "output_text" if item.role == "assistant" else "input_text"
    parts = [
        Part(type=kind, text=part.transcript) if part.type in AUDIO_PARTS else part
        for part in item.content or ()
    ]
    return item.model_copy(update={"content": tuple(parts)})


def _told(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a Realtime server takes it: short ids, and it loads no images from elsewhere."""
    item = {**item, **{name: _short(item[name]) for name in ("id", "call_id") if item.get(name)}}
    parts = [_shown(part) for part in item.get("content") or ()]
    return {**item, "content": parts} if parts else item


def _short(given: str) -> str:
    """An id of at most 32 characters; the same one for a call and its output."""
    if len(given) <= _ID_MOST:
        return given
    return f"id_{hashlib.sha256(given.encode()).hexdigest()[: _ID_MOST - 3]}"


def _shown(part: dict[str, Any]) -> dict[str, Any]:
    if not is_address(part.get("image_url")):
        return part
    log.warning("an image goes along as its address alone: a realtime model loads none")
    return {"type": "input_text", "text": f"[image: {part['image_url']}]"}
