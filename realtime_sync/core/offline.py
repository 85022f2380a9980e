"""What is done here and now while there is no link. No thread, socket or clock.

A new session hears the conversation as it is here, so a delete or a cut need not be told to
anybody. Source: faults.md 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ServerError
from ..events.base import ClientEvent
from ..events.server import (
    ConversationItemDeleted,
    ConversationItemTruncated,
    InputAudioBufferCleared,
)
from .conversation import Conversation
from .effects import Effect, Reject, Settle
from .held import Held
from .replay import Replay

__all__ = ["Offline"]


class Offline:
    """Answers in the server's place."""

    def __init__(
        self, effects: list[Effect], conversation: Conversation, held: Held, replay: Replay
    ) -> None:
        self._effects = effects  # shared with the state: what is to be done
        self._conversation = conversation
        self._held = held
        self._replay = replay  # what the new session is being told

    def does(self, event: ClientEvent) -> bool:
        """Do it, if it can be done here; False: it waits for a link after all."""
        act = _ACTS.get(event.type)
        return act is not None and act(self, event)

    def _delete(self, event: Any) -> bool:
        if not self._ours(event.item_id):
            return False
        self._conversation.delete(event.item_id)
        self._settle(event, ConversationItemDeleted(item_id=event.item_id))
        return True

    def _ours(self, item_id: str) -> bool:
        """Whether the item stands in the mirror alone: the new session has not been told it."""
        return item_id in self._conversation and item_id not in self._replay.replaying.values()

    def _truncate(self, event: Any) -> bool:
        record = self._conversation.records.get(event.item_id)
        if record is None or not self._ours(event.item_id):
            return False
        if not record.spoken(event.content_index):
            return False  # the server says why not
        record.truncate(event.content_index, event.audio_end_ms)
        where = {name: getattr(event, name) for name in ("item_id", "content_index")}
        done = ConversationItemTruncated(**where, audio_end_ms=event.audio_end_ms)
        self._settle(event, done)
        return True

    def _clear(self, event: Any) -> bool:
        self._held.clear_audio()
        self._settle(event, InputAudioBufferCleared())
        return True

    def _cancel(self, event: Any) -> bool:
        error = ServerError(
            "nothing to cancel: what was running is lost with the link",
            code="response_cancel_not_active",
            event_id=event.event_id,
        )
        self._effects.append(Reject(event.event_id or "", error))
        return True

    def forget(self, event: ClientEvent) -> None:
        """A clear of a buffer that has gone with its session."""
        self._settle(event, InputAudioBufferCleared())

    def _settle(self, event: ClientEvent, answer: Any) -> None:
        self._effects.append(Settle(event.event_id or "", answer))


#: Client event -> what it does.
_ACTS: dict[str, Callable[[Offline, Any], bool]] = {
    "conversation.item.delete": Offline._delete,
    "conversation.item.truncate": Offline._truncate,
    "input_audio_buffer.clear": Offline._clear,
    "response.cancel": Offline._cancel,
}
