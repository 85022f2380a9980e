"""Which server event answers which client event. No thread, no socket, no clock.

The server names a client event only in errors, so acknowledgements are matched by what they say
(an item's id) or, where they say nothing, by order. An expectation outlives its waiter: were it
dropped with a timeout, answers matched by order would shift by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import RealtimeError, copy_of

if TYPE_CHECKING:
    from ..events import ClientEvent
    from .turns import Turn

__all__ = ["ACKNOWLEDGED", "BY_ORDER", "Request", "Requests"]

_Match = Callable[[Any], Any]


def _in_order(_: Any) -> None:
    return None


def _item_id(event: Any) -> Any:
    return event.item_id


def _item(event: Any) -> Any:
    return event.item.id


#: Client event -> (server event, what the two have in common). Source: wire.md (b), (h).
_ACKS: dict[str, tuple[str, _Match]] = {
    "session.update": ("session.updated", _in_order),
    "conversation.item.create": ("conversation.item.added", _item),
    "conversation.item.delete": ("conversation.item.deleted", _item_id),
    "conversation.item.truncate": ("conversation.item.truncated", _item_id),
    "conversation.item.retrieve": ("conversation.item.retrieved", _item_id),
    "input_audio_buffer.commit": ("input_audio_buffer.committed", _in_order),
    "input_audio_buffer.clear": ("input_audio_buffer.cleared", _in_order),
    "session.close": ("session.closed", _in_order),
}

#: Server event -> how it is matched, and with which other name it comes.
_ANSWERS: dict[str, tuple[str, _Match]] = {
    "session.updated": ("session.updated", _in_order),
    "conversation.item.added": ("conversation.item.added", _item),
    "conversation.item.created": ("conversation.item.added", _item),
    "conversation.item.deleted": ("conversation.item.deleted", _item_id),
    "conversation.item.truncated": ("conversation.item.truncated", _item_id),
    "conversation.item.retrieved": ("conversation.item.retrieved", _item),
    "input_audio_buffer.committed": ("input_audio_buffer.committed", _in_order),
    "input_audio_buffer.cleared": ("input_audio_buffer.cleared", _in_order),
    "session.closed": ("session.closed", _in_order),
}

#: Server events that say nothing of what they answer.
BY_ORDER = frozenset(name for name, (_, match) in _ANSWERS.items() if match is _in_order)

#: Client events that something answers; `response.create` and `.cancel` have rules of their own.
ACKNOWLEDGED = frozenset(_ACKS) | {"response.create", "response.cancel"}


@dataclass(slots=True, eq=False)
class Request:
    """A client event on its way, and what its answer concerns."""

    event: ClientEvent
    setup: bool = False  # part of what a fresh session hears first
    turn: Turn | None = None  # whose user item this is
    audio: int = 0  # bytes of user audio that a commit or clear takes away
    sharers: list[str] = field(default_factory=list)  # further keys that its answer settles

    @property
    def key(self) -> str:
        """Its event id, under which somebody may wait."""
        return self.event.event_id or ""

    @property
    def keys(self) -> list[str]:
        """All keys under which somebody may wait for its answer."""
        return [self.key, *self.sharers]

    def refusals(self, error: RealtimeError) -> list[tuple[str, RealtimeError]]:
        """Each of these keys, with an error of its own."""
        return [(key, copy_of(error)) for key in self.keys]


class Requests:
    """Everything that awaits an answer."""

    def __init__(self) -> None:
        self._by_key: dict[str, Request] = {}
        self._by_answer: dict[tuple[str, Any], deque[Request]] = {}

    def expect(self, request: Request) -> bool:
        """Register before the event is queued: the answer must never be faster.

        Returns:
            False where nothing answers such an event.
        """
        ack = _ACKS.get(request.event.type)
        if ack is None:
            return False
        name, match = ack
        self._by_key[request.key] = request
        self._by_answer.setdefault((name, match(request.event)), deque()).append(request)
        return True

    def share(self, event: ClientEvent) -> bool:
        """Whether the same was asked and not answered yet: one answer will do for both."""
        name, match = _ACKS[event.type]
        waiting = self._by_answer.get((name, match(event)))
        if not waiting:
            return False
        waiting[-1].sharers.append(event.event_id or "")
        return True

    def creates(self, item_id: str) -> bool:
        """Whether an item of this id is on its way."""
        return ("conversation.item.added", item_id) in self._by_answer

    def answered(self, event: Any) -> Request | None:
        """The oldest request that this server event answers."""
        name, match = _ANSWERS[event.type]
        place = (name, match(event))
        waiting = self._by_answer.get(place)
        if not waiting:
            return None
        request = waiting.popleft()
        if not waiting:
            del self._by_answer[place]
        if self._by_key.get(request.key) is request:  # else a caller used one id twice
            del self._by_key[request.key]
        return request

    def get(self, key: str) -> Request | None:
        """The request of that event id, if it is not answered yet."""
        return self._by_key.get(key)

    def is_setup(self, key: str) -> bool:
        """Whether that is part of what a fresh session hears first, and not answered yet."""
        request = self._by_key.get(key)
        return request is not None and request.setup

    def refused(self, key: str) -> Request | None:
        """The request that an error names."""
        request = self._by_key.pop(key, None)
        if request is None:
            return None
        name, match = _ACKS[request.event.type]
        place = (name, match(request.event))
        waiting = self._by_answer[place]
        waiting.remove(request)
        if not waiting:
            del self._by_answer[place]
        return request

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def drain(self) -> list[Request]:
        """All of them, oldest first; none stays."""
        waiting = list(self._by_key.values())
        self._by_key.clear()
        self._by_answer.clear()
        return waiting
