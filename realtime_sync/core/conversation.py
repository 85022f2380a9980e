"""The mirror of the server's conversation. No thread, no socket, no clock."""

from __future__ import annotations

from typing import Any

from ..events.client import ConversationItemCreate
from ..events.confidence import logprobs_of
from ..events.items import Item
from ..events.local import ConversationUpdated, ItemDelta
from .effects import Effect, Emit
from .items import ItemRecord, completed
from .kept import KeptAudio

__all__ = ["Conversation", "ItemRecord"]

#: Items that stand nowhere (yet), and ids of deleted ones, that are kept in mind.
REMEMBERED = 200


class Conversation:
    """The items of the default conversation in the server's order, and those not placed (yet)."""

    def __init__(self, effects: list[Effect] | None = None) -> None:
        self.records: dict[str, ItemRecord] = {}  # placed or not
        # somebody listens to `conversation.updated`: telling costs a snapshot each time
        self.listened = False
        self._effects = effects if effects is not None else []  # shared with the state
        self.kept = KeptAudio()
        # the placed ones are a chain, so that the place of one costs the same in a long talk
        self._first: ItemRecord | None = None
        self._last: ItemRecord | None = None
        self._unplaced: dict[str, None] = {}  # oldest first
        self._deleted: dict[str, None] = {}  # oldest first

    def __contains__(self, item_id: object) -> bool:
        record = self.records.get(item_id)  # type: ignore[call-overload]
        return record is not None and record.placed

    def record(self, item_id: str, wire: Item | None = None) -> ItemRecord:
        """What we know of an item; a new record for one we never heard of."""
        found = self.records.get(item_id)
        if found is None:
            found = self.records[item_id] = ItemRecord(item_id, wire)
            self._unplaced[item_id] = None
            if len(self._unplaced) > REMEMBERED:  # a peer that names items must not fill our memory
                self.forget_unplaced([next(iter(self._unplaced))])
        return found

    def place(
        self,
        item: Item,
        previous: str | None,
        *,
        final: bool = False,
        ours: ConversationItemCreate | None = None,
    ) -> None:
        """An item stands in the conversation: behind `previous`; null or unknown means last.

        Args:
            item: As the server shows it; its id is set.
            previous: Id of the item before it.
            final: From a done event: the content is complete.
            ours: Our own wish that it answers: if that said "root", the item goes to the front; and
                it has the images, should the server leave them out.
        """
        item_id = item.id or ""
        if final and item_id in self._deleted:
            return  # the end of an item that was deleted while it was being made
        given = (ours.item.content or ()) if ours is not None else ()
        item = self.kept.take(completed(item, given), given)
        record = self.record(item_id, item)
        record.update(item, final=final)
        if not record.placed:
            behind = self.records.get(previous or "")
            if ours is not None and ours.previous_item_id == "root":
                behind = None
            elif behind is None or not behind.placed:
                behind = self._last
            self._link(record, behind)
            self._deleted.pop(item_id, None)
            self._unplaced.pop(item_id, None)
        elif ours is not None:
            self._move(record, self.records.get(previous or ""))
        self.changed(record)

    def _move(self, record: ItemRecord, behind: ItemRecord | None) -> None:
        """It is made again in a new session, which may have items of its own before it."""
        if behind is not None and behind.placed and behind not in (record, record.before):
            self._unlink(record)
            self._link(record, behind)

    def _link(self, record: ItemRecord, behind: ItemRecord | None) -> None:
        record.placed = True
        record.before = behind
        record.after = self._first if behind is None else behind.after
        if behind is None:
            self._first = record
        else:
            behind.after = record
        if record.after is None:
            self._last = record
        else:
            record.after.before = record

    def _unlink(self, record: ItemRecord) -> None:
        record.placed = False
        if record.before is None:
            self._first = record.after
        else:
            record.before.after = record.after
        if record.after is None:
            self._last = record.before
        else:
            record.after.before = record.before
        record.before = record.after = None

    def delete(self, item_id: str) -> None:
        """An item is gone. Unknown ones were gone before."""
        self.kept.forget(item_id)
        record = self.records.pop(item_id, None)
        self._unplaced.pop(item_id, None)
        self._deleted[item_id] = None
        if len(self._deleted) > REMEMBERED:
            del self._deleted[next(iter(self._deleted))]
        if record is not None and record.placed:
            self._unlink(record)
            if self.listened:
                event = ConversationUpdated(item=record.snapshot(), deleted=True)
                self._effects.append(Emit(event))

    def truncate(self, item_id: str, index: int, heard_ms: float) -> None:
        """An assistant item has lost what was not heard."""
        record = self.records.get(item_id)
        if record is not None:
            record.truncate(index, heard_ms)
            self.changed(record)

    def transcribe(
        self, item_id: str, index: int, text: str, *, whole: bool = False, logprobs: Any = None
    ) -> None:
        """A user transcript, which may be faster than its item, and slower than its deletion.

        Args:
            item_id: Whose.
            index: Of which part.
            text: A piece, or all of it.
            whole: All of it.
            logprobs: Of its tokens, as the event has them.
        """
        if item_id not in self._deleted:
            record = self._heard(item_id)
            record.add_transcript(index, text, whole=whole, logprobs=logprobs_of(logprobs))
            if whole and text:
                self.kept.forget(item_id, index)  # a new session is told the words
            delta = None if whole or not text else ItemDelta(transcript=text, content_index=index)
            self.changed(record, delta)

    def untranscribed(self, item_id: str, index: int) -> None:
        """A user transcript has failed: what has come of it is all there will be."""
        if item_id not in self._deleted:
            record = self._heard(item_id)
            record.end_transcript(index)
            self.changed(record)

    def _heard(self, item_id: str) -> ItemRecord:
        audio = [{"type": "input_audio"}]
        wire = {"id": item_id, "type": "message", "role": "user", "content": audio}
        return self.record(item_id, Item.model_validate(wire))

    def forget_unplaced(self, item_ids: list[str] | None = None) -> None:
        """Let go of items that belong to no conversation, their response being over.

        Args:
            item_ids: Which; None: all, their session being over, and what was deleted in it.
        """
        if item_ids is None:
            self._deleted.clear()  # the next may use an id for something else
        for item_id in list(self._unplaced) if item_ids is None else item_ids:
            if item_id in self._unplaced:
                del self._unplaced[item_id], self.records[item_id]

    def changed(self, record: ItemRecord, delta: ItemDelta | None = None) -> None:
        """Tell who listens, if the item stands in the conversation and is not as told before."""
        if not self.listened or not record.placed:
            return
        item = record.snapshot()
        if delta is not None or item != record.told:
            record.told = item
            self._effects.append(Emit(ConversationUpdated(item=item, delta=delta)))

    def clear(self) -> None:
        """All items are gone."""
        for item in self.items():
            self.delete(item.id or "")

    def items(self) -> tuple[Item, ...]:
        """All placed items, in order."""
        shown = []
        record = self._first
        while record is not None:
            shown.append(record.shown or record.snapshot())
            record = record.after
        return tuple(shown)
