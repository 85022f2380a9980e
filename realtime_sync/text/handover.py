"""A conversation that goes on elsewhere: from a text model to a realtime one, and back."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..images import is_address
from ..session import RealtimeSession
from ..tools import ToolEntry
from .chat import ChatSession

if TYPE_CHECKING:
    from ..calling import Calling
    from .session import TextSession

__all__ = ["DEFAULT_MODEL", "to_chat", "to_realtime"]

log = logging.getLogger(__name__)

#: The text model that a conversation goes on with, unless another one is named.
DEFAULT_MODEL = "gpt-4.1-mini"

#: Items that every API has.
_KEPT = frozenset({"message", "function_call", "function_call_output"})
#: Where to, one of which the caller names.
_PLACES = frozenset({"endpoint", "api_key", "base_url", "client"})


def to_realtime(chat: TextSession, model: str | None, given: dict[str, Any]) -> RealtimeSession:
    """See `TextSession.to_realtime`."""
    arguments = _carried(chat)
    arguments["history"] = [_spoken(item) for item in chat.export()]
    choice = chat._setup.config.tool_choice if chat._setup.config is not None else None
    if choice is not None:
        arguments["tool_choice"] = choice if isinstance(choice, str) else choice.wire()
    if not _PLACES & given.keys():
        arguments.update(chat._place())
    return RealtimeSession(model, **{**arguments, **given})


def to_chat(session: RealtimeSession, model: str, given: dict[str, Any]) -> ChatSession:
    """See `RealtimeSession.to_chat`."""
    arguments = _carried(session)
    arguments["history"] = _history(session)
    if given.get("api", "chat") == "chat":
        arguments["tools"] = list(_callable(arguments["tools"]))
    if not _PLACES & given.keys():
        arguments["endpoint"] = session._setup._endpoints[0]
    return ChatSession(model, **{**arguments, **given})


def _carried(session: Calling) -> dict[str, Any]:
    """What goes along either way."""
    config = session._setup.config if session.state == "new" else session.config
    calls, routing = session._calls, session._routing
    tools: list[ToolEntry] = list(session.tools._entries)
    said = config.instructions if config is not None else None
    carried: dict[str, Any] = {
        "approver": calls.approver,
        "approval_timeout": calls.approval.timeout,
    }
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


def _history(session: RealtimeSession) -> list[dict[str, Any]]:
    """What was said and called; what MCP servers did is no part of a text model's history."""
    if session.state == "new":
        known = [{"type": item.type, **item.wire()} for item in session._setup.history]
    else:
        known = session.conversation.export()
    return [item for item in known if item["type"] in _KEPT]


def _spoken(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a Realtime server takes it: it loads no images from elsewhere."""
    parts = [_shown(part) for part in item.get("content") or ()]
    return {**item, "content": parts} if parts else item


def _shown(part: dict[str, Any]) -> dict[str, Any]:
    if not is_address(part.get("image_url")):
        return part
    log.warning("an image goes along as its address alone: a realtime model loads none")
    return {"type": "input_text", "text": f"[image: {part['image_url']}]"}
