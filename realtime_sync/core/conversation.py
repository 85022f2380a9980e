"""The mirror of the server's conversation. No thread, no socket, no clock.

An item's record is shared by the conversation and by the response that makes it. What streams in
is kept as fragments and joined when somebody looks; a final event replaces all of it.
"""

from __future__ import annotations

from typing import Any

from ..events.confidence import confidence_of, logprobs_of
from ..events.items import AUDIO_PARTS, Item, Part

__all__ = ["Conversation", "ItemRecord"]

#: Items that stand nowhere (yet), and ids of deleted ones, that are kept in mind.
REMEMBERED = 1000


class LivePart:
    """A content part while it streams in."""

    __slots__ = ("audio_ms", "spoken", "text")

    def __init__(self, spoken: bool) -> None:
        self.spoken = spoken  # the text is a transcript
        self.text: list[str] = []
        self.audio_ms = 0.0  # received so far


class ItemRecord:
    """One item as far as we know it."""

    __slots__ = (
        "_snapshot",
        "arguments",
        "final",
        "id",
        "parts",
        "said",
        "saying",
        "sure",
        "truncated",
        "wire",
    )

    def __init__(self, item_id: str, wire: Item | None = None) -> None:
        self.id = item_id
        self.wire = wire or Item(id=item_id, type="message", role="assistant")
        self.final = False  # a *.done event has told all
        self.truncated = False  # cut: what is said of it later still holds what nobody heard
        self.parts: dict[int, LivePart] = {}
        self.arguments: list[str] = []  # of a call, while they stream in
        # of user audio, whose transcripts come apart from the item: pieces, then the whole
        self.saying: dict[int, list[str]] = {}
        self.said: dict[int, str] = {}
        self.sure: dict[int, tuple[float, ...]] = {}  # log-probabilities of a transcript's tokens
        self._snapshot: Item | None = None

    def update(self, item: Item, *, final: bool) -> None:
        """Take over what the server says of the item."""
        if self.truncated or (self.final and not final):
            return  # a late or doubled "added" must not empty a finished item
        if final:
            item = self._filled(item)
            self.final = True
            self.arguments.clear()
            for part in self.parts.values():
                part.text.clear()
        self.wire = item
        self._snapshot = None

    def part(self, index: int, *, spoken: bool) -> LivePart:
        """The live part at a content index."""
        part = self.parts.get(index)
        if part is None:
            part = self.parts[index] = LivePart(spoken)
        return part

    def add_text(self, index: int, delta: str, *, spoken: bool) -> None:
        """A text or transcript delta."""
        if not self.final:
            self.part(index, spoken=spoken).text.append(delta)
            self._snapshot = None

    def set_text(self, index: int, text: str, *, spoken: bool) -> None:
        """A part's whole text; it beats its deltas."""
        if not self.final:
            self.part(index, spoken=spoken).text[:] = [text]
            self._snapshot = None

    def add_arguments(self, delta: str, *, whole: bool = False) -> None:
        """A piece of a call's arguments, or all of them."""
        if not self.final:
            if whole:
                self.arguments.clear()
            self.arguments.append(delta)
            self._snapshot = None

    def add_transcript(
        self, index: int, text: str, *, whole: bool = False, logprobs: tuple[float, ...] = ()
    ) -> None:
        """A piece of a user transcript, or all of it; the whole beats its pieces."""
        if whole:
            self.said[index] = text
            self.sure[index] = logprobs
            self.saying.pop(index, None)
        elif index not in self.said:
            self.saying.setdefault(index, []).append(text)
        self._snapshot = None

    def truncate(self, index: int, heard_ms: float) -> None:
        """Keep of an assistant part's transcript what was heard: an estimate, by share of audio."""
        content = list(self.snapshot().content or ())
        if not 0 <= index < len(content) or content[index].type not in AUDIO_PARTS:
            return
        part = self.parts.get(index)
        total = part.audio_ms if part else 0.0
        # audio that did not come over this link (WebRTC) has no length: the words stay
        share = min(1.0, max(0.0, heard_ms / total)) if total else float(heard_ms > 0)
        if part:
            part.audio_ms = total * share  # what a second cut is a share of
        text = _cut(content[index].transcript or "", share)
        content[index] = content[index].model_copy(update={"transcript": text})
        self.wire = self.wire.model_copy(
            update={"content": tuple(content), "status": self.wire.status or "incomplete"}
        )
        self.final = self.truncated = True
        self._snapshot = None

    def interrupt(self) -> None:
        """Nothing more will come of it: it stays as it is, incomplete."""
        if not self.final:
            self.wire = self._build().model_copy(update={"status": "incomplete"})
            self.final = self.truncated = True
            self._snapshot = None

    def snapshot(self) -> Item:
        """The item as a frozen value."""
        if self._snapshot is None:
            self._snapshot = self._build()
        return self._snapshot

    def _build(self) -> Item:
        content = self._content()
        for index, pieces in self.saying.items():
            if not (0 <= index < len(content) and content[index].transcript):
                _lay(content, index, "input_audio", "transcript", "".join(pieces))
        for index, text in self.said.items():
            _lay(content, index, "input_audio", "transcript", text)
        changes: dict[str, Any] = {}
        if tuple(content) != (self.wire.content or ()):
            changes["content"] = tuple(content)
        if self.arguments:
            changes["arguments"] = "".join(self.arguments)
        # wire.id is None where the server left it out; what we look it up by is known
        if self.wire.id is None and self.id:
            changes["id"] = self.id
        item = self.wire.model_copy(update=changes) if changes else self.wire
        sure = [logprob for part in self.sure.values() for logprob in part]
        return item.with_confidence(confidence_of(sure)) if sure else item

    def _content(self) -> list[Part]:
        """The parts, with the text that has streamed in."""
        content = list(self.wire.content or ())
        if not self.final:
            for index, live in sorted(self.parts.items()):
                if live.text or index >= len(content):
                    kind, field = _PARTS[live.spoken]
                    _lay(content, index, kind, field, "".join(live.text))
        return content

    def _filled(self, item: Item) -> Item:
        """A final item; the words that it leaves out are those that came before."""
        known = self._content()
        told = item.content or tuple(known)
        content = tuple(
            part if _words(part) or index >= len(known) else _with(part, _words(known[index]))
            for index, part in enumerate(told)
        )
        changes: dict[str, Any] = {}
        if content != (item.content or ()):
            changes["content"] = content
        arguments = "".join(self.arguments) or self.wire.arguments
        if arguments and not item.arguments:
            changes["arguments"] = arguments
        return item.model_copy(update=changes) if changes else item


#: Whether it is spoken -> the type of a part whose own event was left out, and its field.
_PARTS = {True: ("output_audio", "transcript"), False: ("output_text", "text")}


def _lay(content: list[Part], index: int, kind: str, field: str, text: str) -> None:
    if 0 <= index < len(content):
        content[index] = _with(content[index], {field: text})
    else:
        content.append(Part.model_validate({"type": kind, field: text}))


def _words(part: Part) -> dict[str, str]:
    known = {"text": part.text, "transcript": part.transcript}
    return {name: text for name, text in known.items() if text is not None}


def _with(part: Part, words: dict[str, str]) -> Part:
    return part.model_copy(update=words) if words else part


def _cut(text: str, share: float) -> str:
    """The first `share` of a text, ending with a whole word."""
    head = text[: round(len(text) * share)]
    if len(head) < len(text) and not text[len(head)].isspace():
        head = head.rpartition(" ")[0]
    return head.rstrip() if len(head) < len(text) else text


class Conversation:
    """The items of the default conversation in the server's order, and those not placed (yet)."""

    def __init__(self) -> None:
        self.records: dict[str, ItemRecord] = {}  # placed or not
        self._order: list[str] = []  # ids of the placed ones
        self._placed: set[str] = set()
        self._unplaced: dict[str, None] = {}  # oldest first
        self._deleted: dict[str, None] = {}  # oldest first

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._placed

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
        self, item: Item, previous: str | None, *, final: bool = False, front: bool = False
    ) -> None:
        """An item stands in the conversation: behind `previous`; null or unknown means last.

        Args:
            item: As the server shows it; its id is set.
            previous: Id of the item before it.
            final: From a done event: the content is complete.
            front: It answers our own wish to put it first.
        """
        item_id = item.id or ""
        if final and item_id in self._deleted:
            return  # the end of an item that was deleted while it was being made
        record = self.record(item_id, item)
        record.update(item, final=final)
        if item_id in self._placed:
            return
        if front:
            self._order.insert(0, item_id)
        elif previous in self._placed and previous != self._order[-1]:
            self._order.insert(self._order.index(previous) + 1, item_id)
        else:
            self._order.append(item_id)
        self._placed.add(item_id)
        self._deleted.pop(item_id, None)
        self._unplaced.pop(item_id, None)

    def delete(self, item_id: str) -> None:
        """An item is gone. Unknown ones were gone before."""
        self.records.pop(item_id, None)
        self._unplaced.pop(item_id, None)
        self._deleted[item_id] = None
        if len(self._deleted) > REMEMBERED:
            del self._deleted[next(iter(self._deleted))]
        if item_id in self._placed:
            self._placed.discard(item_id)
            self._order.remove(item_id)

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
            audio = [{"type": "input_audio"}]
            wire = {"id": item_id, "type": "message", "role": "user", "content": audio}
            record = self.record(item_id, Item.model_validate(wire))
            sure = logprobs_of(logprobs)
            record.add_transcript(index, text, whole=whole, logprobs=sure)

    def forget_unplaced(self, item_ids: list[str]) -> None:
        """Let go of items that belong to no conversation, their response being over."""
        for item_id in item_ids:
            if item_id in self._unplaced:
                del self._unplaced[item_id], self.records[item_id]

    def items(self) -> tuple[Item, ...]:
        """All placed items, in order."""
        return tuple(self.records[item_id].snapshot() for item_id in self._order)
