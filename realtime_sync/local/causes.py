"""Which client event each server event of a recording follows from. Pure.

Another client, or the same one on another day, sends in another order what does not depend on each
other. So each server event waits for its cause alone: an acknowledgement for what it acknowledges,
the events of a response and of its items for its `response.create`, and what comes by itself
(speech, a response that the server begins, limits) for the cause of what came before it, or for the
first of the audio.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtime_sync.recording import Entry

__all__ = ["AUDIO", "UPDATE", "Causes"]

Wire = dict[str, Any]

#: Another client sends more of it, or less: only that it has begun counts.
AUDIO = ("input_audio_buffer.append", "session.input_audio_buffer.append")
UPDATE = "session.update"
CREATE, RESPOND, CANCEL = "conversation.item.create", "response.create", "response.cancel"

#: Server event -> the client event that it acknowledges, the oldest that waits.
_ACKNOWLEDGES = {
    "session.updated": UPDATE,
    "conversation.item.deleted": "conversation.item.delete",
    "conversation.item.truncated": "conversation.item.truncate",
    "conversation.item.retrieved": "conversation.item.retrieve",
    "input_audio_buffer.committed": "input_audio_buffer.commit",
    "input_audio_buffer.cleared": "input_audio_buffer.clear",
    "output_audio_buffer.cleared": "output_audio_buffer.clear",
    "session.closed": "session.close",
}
_ADDED = ("conversation.item.added", "conversation.item.created")


class Causes:
    """Reads the events of one link in order.

    Attributes:
        made: Line of an item create without an id -> the id that the server gave.
    """

    def __init__(self) -> None:
        self.made: dict[int, str] = {}
        self._waiting: dict[str, deque[Entry]] = defaultdict(deque)  # by type: no answer yet
        self._of_id: dict[str, int | None] = {}  # id -> line of the cause
        self._last: int | None = None  # cause of what came last
        self._since: int | None = None  # what was sent after it
        self._sounding = False  # there was audio

    def sent(self, entry: Entry) -> bool:
        """A client event; whether something may follow from it."""
        if entry.type in AUDIO:
            first, self._sounding = not self._sounding, True
            if first:
                self._last = entry.line
            return first
        self._waiting[entry.type].append(entry)
        if entry.type != UPDATE:
            self._since = entry.line
        event_id, item = entry.event.get("event_id"), entry.event.get("item")
        if isinstance(event_id, str):
            self._of_id[event_id] = entry.line
        if entry.type == CREATE and isinstance(item, dict) and isinstance(item.get("id"), str):
            self._of_id[item["id"]] = entry.line
        return True

    def lost(self) -> int | None:
        """The cause of the end of the link: what was sent last, if nothing has come since."""
        return self._since if self._since is not None else self._last

    def received(self, entry: Entry) -> int | None:
        """The line of a server event's cause; None: it comes by itself from the beginning."""
        event = entry.event
        cause = self._known(entry)
        for known in _ids(event):
            self._of_id.setdefault(known, cause)
        if entry.type != "session.updated":
            self._last, self._since = cause, None
        return cause

    def _known(self, entry: Entry) -> int | None:
        event, kind = entry.event, entry.type
        if kind in _ACKNOWLEDGES and self._waiting[_ACKNOWLEDGES[kind]]:
            return self._waiting[_ACKNOWLEDGES[kind]].popleft().line
        if kind == "error":
            error = event.get("error")
            return self._refused(error if isinstance(error, dict) else {})
        if kind == "response.created":
            return self._begun(_held(event, "response"))
        cancelled = _held(event, "response").get("status") == "cancelled"
        if kind == "response.done" and cancelled and self._waiting[CANCEL]:
            return self._waiting[CANCEL].popleft().line
        item = _held(event, "item")
        if kind in _ADDED and not (isinstance(item.get("id"), str) and item["id"] in self._of_id):
            return self._added(item)
        known = next((one for one in _ids(event) if one in self._of_id), None)
        return self._last if known is None else self._of_id[known]

    def _refused(self, error: Wire) -> int | None:
        cause = self._of_id.get(str(error.get("event_id")), self._last)
        for waiting in self._waiting.values():
            for entry in waiting:
                if entry.line == cause:
                    waiting.remove(entry)  # it has no other answer
                    return cause
        return cause

    def _begun(self, response: Wire) -> int | None:
        """A response: that of the oldest create with its metadata; else the server began it."""
        for entry in self._waiting[RESPOND]:
            tags = _held(entry.event, "response").get("metadata")
            if (tags or None) == (response.get("metadata") or None):
                self._waiting[RESPOND].remove(entry)
                return entry.line
        return self._last

    def _added(self, item: Wire) -> int | None:
        """An item to which the server has given its id: that of the oldest create of its kind."""
        for entry in self._waiting[CREATE]:
            sent = _held(entry.event, "item")
            alike = all(sent.get(name) == item.get(name) for name in ("type", "role", "call_id"))
            if alike and sent.get("id") is None:
                self._waiting[CREATE].remove(entry)
                self.made[entry.line] = str(item.get("id"))
                return entry.line
        return self._last


def _held(event: Wire, name: str) -> Wire:
    held = event.get(name)
    return held if isinstance(held, dict) else {}


def _ids(event: Wire) -> list[str]:
    """Ids of what an event is about, the most particular first."""
    told = (
        event.get("response_id"),
        _held(event, "response").get("id"),
        event.get("item_id"),
        _held(event, "item").get("id"),
    )
    return [one for one in told if isinstance(one, str)]
