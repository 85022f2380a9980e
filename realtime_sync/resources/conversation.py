"""`session.conversation`: a mirror of the server's, and what can be done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ServerError
from ..events.client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from ..events.items import Item
from ..history import paired
from ..items import as_item, in_format, sendable
from ..runtime.clock import Deadline, may_wait

if TYPE_CHECKING:
    from ..listening import Listening
    from ..living import Living

__all__ = ["Conversation", "ItemLike", "item_event"]

ItemLike = Item | Mapping[str, Any] | str


def item_event(session: Listening, item: ItemLike, previous: str | None, audio_format: str) -> Any:
    """The event that creates an item; an id is chosen where it has none.

    Raises:
        TypeError, ValueError: It cannot be sent; nothing was.
    """
    made = sendable(as_item(item))
    if made is None:
        raise ValueError("item: it has neither text, audio nor image that could be sent")
    made = in_format(made, audio_format)
    if made.id is None:
        made = made.model_copy(update={"id": session.new_id("item")})
    fields: dict[str, Any] = {"type": "conversation.item.create", "item": made}
    if previous is not None:
        fields["previous_item_id"] = previous
    return session._event(ConversationItemCreate, **fields)


class Conversation:
    """The default conversation: a mirror of the server's, and what can be done to it."""

    def __init__(self, session: Living) -> None:
        self._session = session

    @property
    def items(self) -> tuple[Item, ...]:
        """All items in the server's order; a snapshot, empty before `open()`."""
        return self._session._look(lambda s: s.conversation.items())

    def create(
        self, item: ItemLike, *, previous_item_id: str | None = None, timeout: float | None = 10
    ) -> Item:
        """Put an item into the conversation.

        Args:
            item: An `Item`, a dict of the wire's shape, or a str (a user message).
            previous_item_id: The item it goes behind; "root": to the front; None: to the end.
            timeout: Seconds; None waits for ever.

        Raises:
            ServerError: The server refused it, e.g. an unknown `previous_item_id`.
            TypeError, ValueError: It cannot be sent; nothing was.
        """
        session = self._session
        event = item_event(session, item, previous_item_id, session.input_format)
        placed: Item = session._ask_server(event, Deadline(timeout)).item
        audio = event.item._audio
        return placed if audio is None else placed.with_audio(audio)

    def retrieve(self, item_id: str, *, timeout: float | None = 10) -> Item:
        """The item as the server has it, with audio.

        Raises:
            ServerError: No such item.
        """
        event = self._session._event(ConversationItemRetrieve, item_id=item_id)
        item: Item = self._session._ask_server(event, Deadline(timeout)).item
        return item

    def truncate(
        self,
        item_id: str,
        audio_end_ms: int,
        content_index: int = 0,
        *,
        timeout: float | None = 10,
    ) -> None:
        """Cut an assistant's audio at what was heard, in milliseconds.

        Raises:
            ServerError: No such item, no assistant audio, or shorter already.
        """
        event = self._session._event(
            ConversationItemTruncate,
            item_id=item_id,
            audio_end_ms=audio_end_ms,
            content_index=content_index,
        )
        self._session._ask_server(event, Deadline(timeout))

    def delete(self, item_id: str, *, timeout: float | None = 10) -> None:
        """Take an item out.

        Raises:
            ServerError: No such item.
        """
        event = self._session._event(ConversationItemDelete, item_id=item_id)
        self._session._ask_server(event, Deadline(timeout))

    def clear(self, *, timeout: float | None = 30) -> None:
        """Delete all items; one that is gone already is no error."""
        deadline = Deadline(timeout)
        may_wait()
        self._session._check_open()
        events = [
            ConversationItemDelete(event_id=self._session.new_id("event"), item_id=item.id or "")
            for item in self.items
        ]
        replies = [(event, self._session._request(event, None)) for event in events]
        for event, reply in replies:
            try:
                self._session._wait(reply, event.event_id or "", deadline)
            except ServerError as exc:
                if exc.code != "item_delete_invalid_item_id":
                    raise

    def export(self) -> list[dict[str, Any]]:
        """All items as JSON-ready dicts, ids included, as `history=` accepts them.

        Assistant audio is its transcript; user audio, too, since the server keeps it: `retrieve`
        has it. Left out, with a WARNING: what has neither words nor image, calls without output
        and outputs without call; without one: what is still being made.
        """
        ended = (item for item in self.items if item.status != "in_progress")
        sent = (sendable(item) for item in paired(ended))
        return [{"type": item.type, **item.wire()} for item in sent if item is not None]

    def __repr__(self) -> str:
        return f"<Conversation, {len(self.items)} items>"
