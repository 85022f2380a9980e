"""Audio of items, kept for the next session. No thread, socket or clock.

A server shows the audio of an item to nobody who does not retrieve it, and forgets it with the
session. So a new session hears ours once more, where there is no transcript; the newest of it, up
to a limit: a conversation may be long. Source: faults.md 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..events.items import AUDIO_PARTS, Item, Part

__all__ = ["KeptAudio"]


class KeptAudio:
    """Audio parts of users' items, those of the newest items first to stay."""

    def __init__(self) -> None:
        self.limit = 0.0  # characters of base64
        self._parts: dict[str, dict[int, str]] = {}  # item id -> content index -> base64
        self._size = 0  # characters of all of it

    def take(self, item: Item, given: Sequence[Part] = ()) -> Item:
        """The item without its audio, which is kept here.

        Args:
            item: As the server shows it; its id is set.
            given: The parts that it was created with, which the server may have left out.
        """
        told = item.content or ()
        if item.role == "user":
            parts = {
                index: part.audio
                for source in (given, told)
                for index, part in enumerate(source)
                if part.audio
            }
            if parts:
                self._keep(item.id or "", parts)
        if not any(part.audio for part in told):
            return item
        bare = tuple(part.model_copy(update={"audio": None}) for part in told)
        return item.model_copy(update={"content": bare})

    def _keep(self, item_id: str, parts: dict[int, str]) -> None:
        self.forget(item_id)
        size = sum(map(len, parts.values()))
        if size > self.limit:
            return  # it would cost all the others
        self._parts[item_id] = parts
        self._size += size
        while self._size > self.limit:
            self.forget(next(iter(self._parts)))  # the oldest

    def forget(self, item_id: str, index: int | None = None) -> None:
        """It is not needed any more: the item is gone, or this part of it has a transcript."""
        parts = self._parts.get(item_id, {})
        for one in list(parts) if index is None else [index]:
            self._size -= len(parts.pop(one, ""))
        if not parts:
            self._parts.pop(item_id, None)

    def given_back(self, item: Item) -> Item:
        """The item, with the audio of those parts that have no words."""
        parts = self._parts.get(item.id or "")
        if not parts:
            return item
        content = tuple(
            part.model_copy(update={"audio": parts[index]})
            if index in parts and part.type in AUDIO_PARTS and not part.transcript
            else part
            for index, part in enumerate(item.content or ())
        )
        return item.model_copy(update={"content": content})
