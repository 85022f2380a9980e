"""What each new session hears first: all that the last one knew. No thread, socket or clock.

A new link is a new session: the server remembers nothing. So it hears the configuration and the
conversation again, before anything else. Source: faults.md 2.4, wire.md (g).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from ..errors import RealtimeError
from ..events.base import ClientEvent
from ..events.client import ConversationItemCreate, SessionUpdate
from ..events.config import SessionConfig, merged
from ..events.items import Item
from .conversation import Conversation
from .requests import Request

__all__ = ["Replay"]

log = logging.getLogger(__name__)

_REMADE = frozenset({"mcp_list_tools"})  # items that a session makes by itself


class Replay:
    """Knows what a fresh session is to hear, and what of it is not confirmed yet."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        new_key: Callable[[], str],
        config: SessionConfig | None,
        history: Iterable[ConversationItemCreate],
        sendable: Callable[[Item], Item | None],
        kind: str | None,
        outlives: bool,
    ) -> None:
        self._conversation = conversation
        self._new_key = new_key  # makes event ids
        self._sendable = sendable  # an item as a client may create it; None: nothing of it
        self._kind = kind  # what a configuration is of; None: that is not said
        self._outlives = outlives  # it is a call's session, which goes on without us
        # what a fresh session is to hear, as the wire has it: ours, with the updates confirmed
        self._config = config.wire() if config is not None else {}
        self._history: tuple[ConversationItemCreate, ...] | None = tuple(history)  # None: heard
        self.unconfirmed = 0  # of what the new session was told
        self.replaying: dict[str, str] = {}  # event id -> id of the item that it makes again
        self.skipped: list[str] = []  # ids of items that could not be made again

    def begin(self) -> list[ClientEvent]:
        """What the new session hears."""
        update = self._configuration()
        said: list[ClientEvent] = [update] if update is not None else []
        if self._history is not None:
            said += self._history
        elif not self._outlives:
            said += self._items()
        self._history = None
        self.unconfirmed = len(said)
        return said

    def _configuration(self) -> ClientEvent | None:
        # inside a call an update that changes nothing is all whose answer tells us of the session
        if not self._config and not self._outlives:
            return None
        fields = {"type": self._kind, **self._config}
        if self._kind is None:
            del fields["type"]
        config = SessionConfig.model_validate(fields)
        return SessionUpdate(type="session.update", event_id=self._new_key(), session=config)

    def _items(self) -> list[ClientEvent]:
        """The conversation once more, in order, item ids kept."""
        said: list[ClientEvent] = []
        for item in self._conversation.items():
            item_id = item.id or ""
            if item.type in _REMADE:
                self._conversation.delete(item_id)
            elif (event := self._made_again(item)) is None:
                self._skip(item_id)
            else:
                self.replaying[event.event_id or ""] = item_id
                said.append(event)
        return said

    def _made_again(self, item: Item) -> ClientEvent | None:
        if item.type == "function_call" and item.status in ("in_progress", "incomplete"):
            return None  # nobody will run it
        try:
            sent = self._sendable(self._conversation.kept.given_back(item))
        except (ValueError, TypeError) as exc:
            log.warning("item %s cannot be made again: %s", item.id, exc)
            return None
        if sent is None:
            return None
        return ConversationItemCreate(event_id=self._new_key(), item=sent)

    def _skip(self, item_id: str) -> None:
        self.skipped.append(item_id)
        self._conversation.delete(item_id)  # the server does not have it: nor do we

    def confirmed(self, request: Request) -> None:
        """The server has acknowledged a client event."""
        event = request.event
        if isinstance(event, SessionUpdate):
            self._config = merged(self._config, event.session.wire())
        if request.setup:
            self.unconfirmed -= 1

    def left_out(self, request: Request, error: RealtimeError) -> None:
        """The new session lives without a part of what it was to hear."""
        log.warning("%s is not sent: %s", request.event.type, error)
        item_id = self.replaying.pop(request.key, None)
        if item_id is not None:
            self._skip(item_id)
        self.unconfirmed -= 1

    def unlinked(self) -> None:
        """The link is gone: the next session hears it from the beginning."""
        self.unconfirmed = 0
        self.replaying.clear()
        self.skipped.clear()
