"""What is asked of the server about single items. No thread, no socket, no clock."""

from __future__ import annotations

from collections.abc import Callable

from ..events.base import ClientEvent
from ..events.client import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
)
from .conversation import Conversation
from .frames import Frames
from .requests import Requests
from .running import Running

__all__ = ["Edits"]


class Edits:
    """Retrieves, truncates and deletes, so that the server can do it."""

    def __init__(
        self,
        conversation: Conversation,
        requests: Requests,
        running: Running,
        send: Callable[[ClientEvent], None],
    ) -> None:
        self._conversation = conversation
        self._requests = requests
        self._running = running
        self._send = send  # registers what answers an event, and queues it
        self.frames = Frames()

    def retrieve(self, event: ConversationItemRetrieve) -> None:
        """Have an item; who asks while another waits for the same gets the same answer."""
        if not self._requests.share(event):
            self._send(event)

    def truncate(self, event: ConversationItemTruncate) -> None:
        """Cut what was not heard. Past the audio's end is its end; at 0 ms the item is deleted.

        What the server has more than we have is not counted: nobody can have heard it.
        """
        record = self._conversation.records.get(event.item_id)
        length = record.audio_ms(event.content_index) if record is not None else None
        end = event.audio_end_ms if length is None else min(event.audio_end_ms, int(length))
        if end <= 0 and record is not None and record.spoken(event.content_index):
            self.delete(ConversationItemDelete(event_id=event.event_id, item_id=event.item_id))
        elif end == event.audio_end_ms:
            self._send(event)
        else:
            self._send(event.model_copy(update={"audio_end_ms": end}))

    def delete(self, event: ConversationItemDelete) -> None:
        """Take an item out; one that is still being made goes with its response's end."""
        maker = self._running.maker(event.item_id)
        if maker is None:
            self._send(event)
        else:
            maker.afterwards.append(event)

    def frame(
        self,
        event: ConversationItemCreate,
        *,
        gap: float,
        keep: int,
        now: float,
        new_key: Callable[[], str],
    ) -> bool:
        """Put a frame into the conversation, and take out all but the last ones.

        Args:
            event: The frame's item; it has an id.
            gap: Seconds that must have passed since the last one.
            keep: Frames that may stay.
            now: In seconds of a monotonic clock.
            new_key: Makes event ids.

        Returns:
            False where it came too soon; nothing was sent.
        """
        if not self.frames.due(now, gap):
            return False
        self._send(event)
        for item_id in self.frames.add(event.item.id or "", now, keep):
            # one that was refused, or that somebody has deleted, would be an error to delete
            if item_id in self._conversation or self._requests.creates(item_id):
                self._send(ConversationItemDelete(event_id=new_key(), item_id=item_id))
        return True
