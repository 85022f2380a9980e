"""Which MCP servers' tools are listed: until then the model cannot call them.

The events of a listing name its item only, the item its server; either may come first, both before
the session is confirmed, and a listing that fails may have no item. Source: wire.md (h). No thread,
no socket, no clock.
"""

from __future__ import annotations

import logging
from typing import Any

from ..events.config import SessionConfig
from .conversation import Conversation

__all__ = ["Listings"]

log = logging.getLogger(__name__)


class Listings:
    """The listings of a session."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._over: dict[str, str | None] = {}  # item of a finished listing -> server, if known
        self._wanted: set[str] = set()  # the session's MCP servers, by label

    @property
    def missing(self) -> set[str]:
        """Labels of those servers that have neither listed their tools nor failed to."""
        for item_id, label in self._over.items():
            self._over[item_id] = label or self._label(item_id)
        missing = self._wanted - set(self._over.values())
        # whose the listings are that have no item is not said: so many may be any of them
        unnamed = sum(label is None for label in self._over.values())
        return set(sorted(missing)[unnamed:])

    def expect(self, session: SessionConfig) -> None:
        """What the server holds: its own word, since some servers take no MCP tools."""
        mcp = [tool for tool in session.tools or () if tool.type == "mcp"]
        self._wanted = {str(getattr(tool, "server_label", "")) for tool in mcp}

    def over(self, event: Any) -> None:
        """A listing has ended."""
        label = self._over[event.item_id] = self._label(event.item_id)
        if event.type == "mcp_list_tools.failed":
            log.warning(
                "the tools of %s could not be listed; the model cannot call them",
                f"MCP server {label}" if label else "an MCP server",
            )

    def _label(self, item_id: str) -> str | None:
        record = self._conversation.records.get(item_id)
        return record.wire.server_label if record is not None else None
