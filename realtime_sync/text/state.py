"""What we know about a text session. No threads, no network, no clock."""

from __future__ import annotations

from typing import Any

from ..core.effects import Send
from ..core.state import SessionState
from ..core.turns import Turn
from ..errors import RealtimeError
from ..events.base import ClientEvent, ServerEvent
from ..events.client import ConversationItemCreate, ResponseCancel, ResponseCreate, ResponseParams
from ..events.items import Item
from .model import OUTPUT

__all__ = ["TextState"]

_PLACED = frozenset({"conversation.item.added", "conversation.item.done"})


class TextState(SessionState):
    """As of a Realtime session; but for two things that a host in our own process makes possible.

    Failures come as the exceptions that they are, and a response that the model has not begun yet
    can be cancelled.
    """

    def __init__(
        self, *, failures: dict[str, RealtimeError], hidden: set[str], **arguments: Any
    ) -> None:
        self._failures = failures  # see `Host`, as of `hidden`
        self._hidden = hidden
        self._gone: set[str] = set()  # ids of items that are taken back, and of which more may come
        super().__init__(**arguments)

    def received(self, event: ServerEvent, at: float) -> None:
        """See `SessionState.received`."""
        told: Any = event
        if event.type == "error":
            failure = self._failures.pop(told.error.event_id or "", None)
            if failure is not None:
                self.running.now = at
                self._refused(told.error.event_id, failure)
                return
        elif event.type == "response.done":
            record = self.running.find(told.response.id)
            if record is not None:
                record.cause = self._failures.pop(record.id, None)
        elif event.type in _PLACED and told.item.id in self._gone:
            if event.type == "conversation.item.added":
                self.answered(event)
            return
        elif event.type == "conversation.item.deleted":
            self._gone.discard(told.item_id)
        super().received(event, at)

    def _send(self, event: ClientEvent) -> None:
        job = self.sequencer.asked
        if isinstance(event, ResponseCreate) and job is not None:
            # should the turn fail before anything of it stands there, these go with it
            params = event.response.wire() if event.response is not None else {}
            params["said"] = _ids(job.turn)
            response = ResponseParams.model_validate(params)
            event = event.model_copy(update={"response": response})
        super()._send(event)
        if isinstance(event, ConversationItemCreate) and self._answers(event.item):
            # at once: a turn may end with it, and whoever waits for that may look
            told = {"status": "completed", "object": "realtime.item"}  # as the host will show it
            self.conversation.place(event.item.model_copy(update=told), None)

    def _answers(self, item: Item) -> bool:
        """Whether it answers a call that is to be seen."""
        return item.type == OUTPUT and item.call_id not in self._hidden

    def give_up(self, key: str) -> None:
        """See `SessionState.give_up`."""
        asked = self.sequencer.asked
        if asked is not None and key in (asked.key, asked.turn.key):
            self.withdraw(asked.key)
            # at once: whoever has given it up may look
            for item_id in _ids(asked.turn):
                self.conversation.delete(item_id)
                self._gone.add(item_id)
        elif self.creates.get(key) is not None:
            self.withdraw(key)
        super().give_up(key)

    def withdraw(self, create: str | None = None) -> None:
        """A response that has not begun is not to begin: that of this create, or of the last."""
        if create is None:
            create = self.sequencer.asked.key if self.sequencer.asked is not None else None
        if create is not None:
            fields = {"event_id": self._new_key(), "create_id": create}
            # not registered: nobody waits for its answer
            self._effects.append(Send(ResponseCancel.model_validate(fields)))


def _ids(turn: Turn) -> list[str]:
    """Of the items that a turn begins with; none once a response of it has begun."""
    return [e.item.id or "" for e in turn.given if isinstance(e, ConversationItemCreate)]
