"""`session.conversation`: a mirror of the server's, and what can be done to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..events.client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from ..events.items import Item
from ..history import check_pairs, named, paired
from ..items import as_item, in_format, sendable
from ..runtime.clock import Deadline, may_wait
from .saved import SavedAudio
from .sync import Sync, SyncReport, kept

if TYPE_CHECKING:
    from ..listening import Listening
    from ..living import Living

__all__ = ["Conversation", "ItemLike", "item_event", "text_event"]

ItemLike = Item | Mapping[str, Any] | str


def item_event(
    session: Listening,
    item: ItemLike,
    previous: str | None,
    audio_format: str,
    where: str = "item",
) -> Any:
    """The event that creates an item; an id is chosen where it has none.

    Raises:
        TypeError, ValueError: It cannot be sent; nothing was.
    """
    made = sendable(as_item(item, where, addresses=session._loads_images))
    if made is None:
        raise ValueError(f"{where}: it has neither text, audio nor image that could be sent")
    made = in_format(made, audio_format)
    if made.id is None:
        made = made.model_copy(update={"id": session.new_id("item")})
    fields: dict[str, Any] = {"type": "conversation.item.create", "item": made}
    if previous is not None:
        fields["previous_item_id"] = previous
    return session._event(ConversationItemCreate, **fields)


def text_event(session: Listening, text: str) -> Any:
    """The event that creates a user's message of this text: `item_event`, in a quarter of its time.

    Nothing of it can be of the wrong kind, too long or in another format.
    """
    part = {"type": "input_text", "text": text}
    item = {"id": session.new_id("item"), "type": "message", "role": "user", "content": (part,)}
    return session._event(ConversationItemCreate, type="conversation.item.create", item=item)


def _number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(f"{name}: a whole number from 0 on, not {value!r}")
    return value


class Conversation:
    """The default conversation: a mirror of the server's, and what can be done to it."""

    def __init__(self, session: Living) -> None:
        self._session = session
        self.saved: SavedAudio | None = None  # None: the audio of items is not kept

    @property
    def items(self) -> tuple[Item, ...]:
        """All items in the server's order; a snapshot, empty before `open()`."""
        items = self._session._look(lambda s: s.conversation.items())
        saved = self.saved
        if saved is None:
            return items
        return tuple(
            item if (fetch := saved.fetch(item.id)) is None else item.with_audio(fetch)
            for item in items
        )

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
        """The item as the server has it, with audio. Threads that ask at once share a request.

        Raises:
            ServerError: No such item.
        """
        session = self._session
        event = session._event(ConversationItemRetrieve, item_id=item_id)
        answer = session._ask_server(event, Deadline(timeout), lambda s: s.edits.retrieve(event))
        item: Item = answer.item
        return item

    def truncate(
        self,
        item_id: str,
        audio_end_ms: int,
        content_index: int = 0,
        *,
        timeout: float | None = 10,
    ) -> None:
        """Cut an assistant's audio at what was heard; its transcript, too: an estimate by time.

        Args:
            audio_end_ms: Milliseconds from the beginning of the item; past its end: nothing is
                cut. 0: the item is deleted, after its `response.done` if it is still being made.
            content_index: Which part of the item; the server takes 0 only.
            timeout: Seconds; None waits for ever.

        Raises:
            ServerError: No such item, no assistant audio, or the server has cut it shorter already.
            ConfigurationError: Not a whole number of milliseconds; nothing was sent.
        """
        session = self._session
        event = session._event(
            ConversationItemTruncate,
            item_id=item_id,
            audio_end_ms=_number(audio_end_ms, "audio_end_ms"),
            content_index=_number(content_index, "content_index"),
        )
        session._ask_server(event, Deadline(timeout), lambda s: s.edits.truncate(event))

    def delete(self, item_id: str, *, timeout: float | None = 10) -> None:
        """Take an item out.

        Raises:
            ServerError: No such item.
        """
        event = self._session._event(ConversationItemDelete, item_id=item_id)
        self._session._ask_server(event, Deadline(timeout))

    def sync(self, items: Iterable[ItemLike], *, timeout: float | None = 30) -> SyncReport:
        """Make the server's conversation equal to these items, by the fewest creates and deletes.

        Items are matched by id. One that is there with other content, or out of order, is deleted
        and created anew under its id; one without an id is always created. What the server
        refuses is in the report, and stops nothing else. An item that is still being made stays as
        it is if it is among `items`, else it goes after its `response.done`.

        Args:
            items: In order; what `create` takes. `sync(export())` changes nothing.
            timeout: Seconds for all of it; None waits for ever.

        Raises:
            TypeError, ValueError: One cannot be sent, an id twice, an output without its call, a
                new call without its output; names the item, and nothing was sent.
            RealtimeTimeout: Not all was confirmed in time; what was sent is done nevertheless.
        """
        deadline = Deadline(timeout)
        may_wait()
        session = self._session
        session._check_open()
        wanted = named(items, "items", addresses=session._loads_images)
        current = self.items
        check_pairs(wanted, "items", {item.id or "" for item in current})
        stay = kept(current, wanted)
        creates = []
        for number, item in enumerate(wanted):
            if number in stay:  # perhaps it could not be created again: it need not
                creates.append(ConversationItemCreate(item=item))
                continue
            event = item_event(session, item, None, session.input_format, f"items[{number}]")
            session._connection.check(event)
            creates.append(event)
        return Sync(session, current, creates, stay).run(deadline)

    def clear(self, *, timeout: float | None = 30) -> None:
        """Delete all items; one that is gone already is no error.

        Raises:
            ServerError: One could not be deleted; the others are.
        """
        for error in self.sync((), timeout=timeout).rejected.values():
            raise error

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

    def _repr_html_(self) -> str:
        """As a notebook shows it: a transcript."""
        from ..notebook.cards import conversation_card

        return conversation_card(self)
