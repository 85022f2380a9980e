"""One item as far as we know it. No thread, no socket, no clock.

A record is shared by the conversation and by the response that makes the item. What streams in is
kept as fragments and joined when somebody looks; a final event replaces all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..events.confidence import confidence_of
from ..events.items import AUDIO_PARTS, Item, Part

__all__ = ["ItemRecord", "completed", "head"]


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
        "after",
        "arguments",
        "before",
        "final",
        "id",
        "parts",
        "placed",
        "said",
        "saying",
        "shown",
        "sure",
        "told",
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
        self.said: dict[int, str | None] = {}  # None: there will be none
        self.sure: dict[int, tuple[float, ...]] = {}  # log-probabilities of a transcript's tokens
        self.shown: Item | None = None  # the snapshot; None: to be made
        self.told: Item | None = None  # the snapshot in the last `conversation.updated`
        self.placed = False  # it stands in the conversation, between these two
        self.before: ItemRecord | None = None
        self.after: ItemRecord | None = None

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
        self.shown = None

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
            self.shown = None

    def set_text(self, index: int, text: str, *, spoken: bool) -> None:
        """A part's whole text; it beats its deltas."""
        if not self.final:
            self.part(index, spoken=spoken).text[:] = [text]
            self.shown = None

    def add_arguments(self, delta: str, *, whole: bool = False) -> None:
        """A piece of a call's arguments, or all of them."""
        if not self.final:
            if whole:
                self.arguments.clear()
            self.arguments.append(delta)
            self.shown = None

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
        self.shown = None

    def end_transcript(self, index: int) -> None:
        """There will be no more of a user transcript than its pieces so far."""
        if index not in self.said:
            pieces = self.saying.pop(index, None)
            self.said[index] = "".join(pieces) if pieces else None
            self.shown = None

    def audio_ms(self, index: int) -> float | None:
        """Length of a part's audio as far as it has come; None where we do not know."""
        part = self.parts.get(index)
        return part.audio_ms or None if part is not None else None

    def spoken(self, index: int) -> bool:
        """Whether a part is assistant audio, or may become it, or might have until it was cut."""
        item = self.snapshot()
        if item.role != "assistant":
            return False
        content = item.content or ()
        if 0 <= index < len(content):
            return content[index].type in AUDIO_PARTS
        return item.status == "in_progress" or (item.status == "incomplete" and not content)

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
        text = head(content[index].transcript or "", share)
        content[index] = content[index].model_copy(update={"transcript": text})
        self.wire = self.wire.model_copy(
            update={"content": tuple(content), "status": self.wire.status or "incomplete"}
        )
        self.final = self.truncated = True
        self.shown = None

    def interrupt(self) -> None:
        """Nothing more will come of it: it stays as it is, incomplete."""
        if not self.final:
            self.wire = self._build().model_copy(update={"status": "incomplete"})
            self.final = self.truncated = True
            self.shown = None

    def snapshot(self) -> Item:
        """The item as a frozen value."""
        if self.shown is None:
            self.shown = self._build()
        return self.shown

    def _build(self) -> Item:
        content = self._content()
        for index, pieces in self.saying.items():
            if not (0 <= index < len(content) and content[index].transcript):
                _lay(content, index, "input_audio", "transcript", _joined(pieces))
        for index, text in self.said.items():
            if text is not None:
                _lay(content, index, "input_audio", "transcript", text)
        changes: dict[str, Any] = {}
        if tuple(content) != (self.wire.content or ()):
            changes["content"] = tuple(content)
        if self.arguments:
            changes["arguments"] = _joined(self.arguments)
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
                    _lay(content, index, kind, field, _joined(live.text))
        return content

    def _filled(self, item: Item) -> Item:
        """A final item; what it leaves out is what came before."""
        item = completed(item, self._content())
        arguments = "".join(self.arguments) or self.wire.arguments
        if arguments and not item.arguments:
            item = item.model_copy(update={"arguments": arguments})
        return item


def _joined(pieces: list[str]) -> str:
    """All pieces as one, which they are from now on: who looks often must not join all again."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def completed(item: Item, known: Sequence[Part]) -> Item:
    """The item with those words and images of the known parts that it leaves out."""
    told = item.content or tuple(known)
    if told is item.content and all(map(_speaks, told)):
        return item
    content = tuple(
        part if _told(part) or index >= len(known) else _with(part, _told(known[index]))
        for index, part in enumerate(told)
    )
    return item if content == (item.content or ()) else item.model_copy(update={"content": content})


#: Whether it is spoken -> the type of a part whose own event was left out, and its field.
_PARTS = {True: ("output_audio", "transcript"), False: ("output_text", "text")}


def _lay(content: list[Part], index: int, kind: str, field: str, text: str) -> None:
    if 0 <= index < len(content):
        content[index] = _with(content[index], {field: text})
    else:
        content.append(Part.model_validate({"type": kind, field: text}))


def _speaks(part: Part) -> bool:
    return part.text is not None or part.transcript is not None or part.image_url is not None


def _told(part: Part) -> dict[str, str]:
    known = {"text": part.text, "transcript": part.transcript, "image_url": part.image_url}
    return {name: text for name, text in known.items() if text is not None}


def _with(part: Part, words: dict[str, str]) -> Part:
    return part.model_copy(update=words) if words else part


def head(text: str, share: float) -> str:
    """The first `share` of a text, ending with a whole word."""
    head = text[: round(len(text) * share)]
    if len(head) < len(text) and not text[len(head)].isspace():
        head = head.rpartition(" ")[0]
    return head.rstrip() if len(head) < len(text) else text
