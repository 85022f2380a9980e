"""The conversation: items in order, their audio, and what a client may put in.

No connection, no responses, no time.
"""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, field
from typing import Any

from realtime_sync.local.refusal import Refusal
from realtime_sync.local.shapes import (
    Shape,
    anything,
    array,
    base64_text,
    choice,
    flag,
    nullable,
    record,
    tagged,
    text,
)
from realtime_sync.local.sound import Sound

__all__ = ["ITEM", "INPUT_ITEM", "Conversation", "Entry", "bytes_per_ms"]

Wire = dict[str, Any]

_AUDIO_KEPT = 2 << 20  # bytes; older audio is forgotten, or an hour of talk would fill the memory
_ID = nullable(text(32))


def bytes_per_ms(audio_format: str) -> int:
    """Size of one millisecond: PCM16 at 24 kHz, or G.711 at 8 kHz."""
    return 48 if audio_format == "audio/pcm" else 8


def _image(value: Any, path: str) -> None:
    text()(value, path)
    if not value.startswith(("data:image/png", "data:image/jpeg")):
        raise Refusal(
            "invalid_value", f"Invalid '{path}': expected a data URI of a PNG or JPEG.", param=path
        )


_INPUT_TEXT = record({"type": text(), "text": text()}, ("text",))
_PARTS: dict[str, dict[str, Shape]] = {
    "system": {"input_text": _INPUT_TEXT},
    "user": {
        "input_text": _INPUT_TEXT,
        "input_audio": record(
            {"type": text(), "audio": base64_text, "transcript": nullable(text())}, ("audio",)
        ),
        "input_image": record(
            {"type": text(), "image_url": _image, "detail": choice("auto", "low", "high")},
            ("image_url",),
        ),
    },
    # a client cannot give the assistant audio: its bytes come out of responses only
    "assistant": {"output_text": _INPUT_TEXT},
}
_COMMON: dict[str, Shape] = {
    "type": text(),
    "id": _ID,
    "object": nullable(choice("realtime.item")),
    "status": nullable(choice("completed", "incomplete", "in_progress")),
}


def _message(role: str) -> Shape:
    return record(
        {
            **_COMMON,
            "role": text(),
            "phase": nullable(text()),
            "content": array(tagged("type", _PARTS[role])),
        },
        ("content",),
    )


_MCP = {**_COMMON, "server_label": text(), "name": text(), "arguments": text()}
_ITEMS: dict[str, Shape] = {
    "message": tagged("role", {role: _message(role) for role in _PARTS}),
    "function_call": record(
        {**_COMMON, "call_id": _ID, "name": text(), "arguments": text()}, ("name", "arguments")
    ),
    "function_call_output": record(
        {**_COMMON, "call_id": text(32), "output": text()}, ("call_id", "output")
    ),
    "mcp_approval_response": record(
        {**_COMMON, "approval_request_id": text(), "approve": flag, "reason": nullable(text())},
        ("approval_request_id", "approve"),
    ),
    "mcp_approval_request": record(_MCP, ("server_label", "name", "arguments")),
    "mcp_list_tools": record(
        {**_COMMON, "server_label": text(), "tools": array(anything)}, ("server_label", "tools")
    ),
    "mcp_call": record(
        {**_MCP, "approval_request_id": nullable(text()), "output": anything, "error": anything},
        ("server_label", "name", "arguments"),
    ),
}

ITEM: Shape = tagged("type", _ITEMS)
"""`item` of a `conversation.item.create`."""

INPUT_ITEM: Shape = tagged(
    "type",
    {**_ITEMS, "item_reference": record({"type": text(), "id": text()}, ("id",))},
)
"""One element of `response.input`."""

_WITHOUT_STATUS = {"function_call_output", "mcp_approval_response"}


@dataclass(slots=True)
class Entry:
    """One item: the wire's object without audio bytes, and the audio beside it.

    Attributes:
        item: What is reported.
        format: The audio's wire format.
        audio: The item's audio; an item has one audio part at most that counts.
        part: Index of the audio part, None where there is none.
    """

    item: Wire
    format: str = "audio/pcm"
    audio: Sound = field(default_factory=Sound)
    part: int | None = None

    @classmethod
    def from_client(cls, item: Wire, *, new_id: str, audio_format: str) -> Entry:
        """An entry from an item that has passed `ITEM`."""
        own = copy.deepcopy(item)
        own = {"id": own.pop("id", None) or new_id, "type": own.pop("type"), **own}
        own.pop("object", None)
        if own["type"] not in _WITHOUT_STATUS:
            own["status"] = "completed"
        entry = cls(own, format=audio_format)
        for index, part in enumerate(own.get("content", ())):
            if part["type"] == "input_audio":
                entry.audio.add(base64.b64decode(part.pop("audio")))
                entry.part = index
                part.setdefault("transcript", None)
        return entry

    @property
    def id(self) -> str:
        return str(self.item["id"])

    @property
    def audio_ms(self) -> int:
        """Length of the audio in milliseconds."""
        return len(self.audio) // bytes_per_ms(self.format)

    def reported(self) -> Wire:
        """A copy that later changes of the entry do not reach."""
        return copy.deepcopy(self.item)

    def with_audio(self) -> Wire:
        """What `conversation.item.retrieved` carries."""
        item = self.reported()
        if self.part is not None:
            item["content"][self.part]["audio"] = base64.b64encode(bytes(self.audio)).decode()
        return item


class Conversation:
    """The items of one conversation, in order."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        return list(self._entries)

    def get(self, item_id: str) -> Entry | None:
        return next((entry for entry in self._entries if entry.id == item_id), None)

    @property
    def last_id(self) -> str | None:
        return self._entries[-1].id if self._entries else None

    def place(self, previous_item_id: str | None) -> int:
        """Where an item goes that is to follow `previous_item_id`.

        Raises:
            Refusal: No such item.
        """
        if previous_item_id is None:
            return len(self._entries)
        if previous_item_id == "root":
            return 0
        for index, entry in enumerate(self._entries):
            if entry.id == previous_item_id:
                return index + 1
        raise Refusal(
            "item_create_invalid_previous_item_id",
            f"Error creating item: previous item with id '{previous_item_id}' does not exist.",
            param="previous_item_id",
        )

    def add(self, entry: Entry, place: int | None = None) -> str | None:
        """Puts the entry in; returns the id of the item before it, None at the front."""
        index = len(self._entries) if place is None else place
        self._entries.insert(index, entry)
        self._forget_old_audio()
        return self._entries[index - 1].id if index else None

    def find(self, item_id: str, action: str) -> Entry:
        """The entry, for an action that needs it.

        Raises:
            Refusal: No such item; its code names the action.
        """
        entry = self.get(item_id)
        if entry is None:
            raise Refusal(
                f"item_{action}_invalid_item_id",
                f"Error in item {action}: item with id '{item_id}' does not exist.",
                param="item_id",
            )
        return entry

    def remove(self, item_id: str) -> None:
        self._entries.remove(self.find(item_id, "delete"))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cuts an assistant's audio and the words of the part that is cut.

        Raises:
            Refusal: Unknown item, not assistant audio, or shorter already.
        """
        entry = self.find(item_id, "truncate")
        if entry.item.get("role") != "assistant" or entry.part != content_index:
            raise Refusal(
                "unsupported_content_type",
                "Only model output audio messages can be truncated.",
                param="content_index",
            )
        if audio_end_ms > entry.audio_ms:
            raise Refusal(
                "invalid_value",
                f"Audio content of {entry.audio_ms}ms is already shorter than {audio_end_ms}ms.",
                param="audio_end_ms",
            )
        part = entry.item["content"][content_index] if entry.item["content"] else {}
        words = str(part.get("transcript", "")).split(" ")
        kept = round(len(words) * audio_end_ms / max(1, entry.audio_ms))
        if part:
            part["transcript"] = " ".join(words[:kept])
        entry.audio.cut(audio_end_ms * bytes_per_ms(entry.format))

    def _forget_old_audio(self) -> None:
        budget = _AUDIO_KEPT
        with_audio = [entry for entry in reversed(self._entries) if entry.audio]
        # never the newest two: what is being said, and what is being answered
        for entry in with_audio[2:]:
            budget -= len(entry.audio)
            if budget < 0:
                entry.audio.clear()
