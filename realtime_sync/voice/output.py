"""What the model says, on its way to the speaker. Told by the I/O thread, which never waits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ..audio import Decoder, Player
from ..audio.formats import RATES
from ..core.responses import ResponseRecord

if TYPE_CHECKING:
    from ..speaking import Speaking

__all__ = ["Output"]


class Output:
    """Plays every response of the default conversation.

    Args:
        session: Whose.
        player: The speaker.
    """

    def __init__(self, session: Speaking, player: Player) -> None:
        self._session = session
        self.player = player
        self._streams: dict[str, Decoder] = {}  # by item id, of those that still come
        self._items: dict[str, list[str]] = {}  # response id -> items that still come
        self._silent: deque[str] = deque(maxlen=256)  # ids of responses that are not played
        # those that may be playing still; their audio goes with them, so they are few
        self._records: deque[ResponseRecord] = deque(maxlen=4)

    def delta(self, event: Any) -> None:
        """A piece of audio. Runs on the I/O thread."""
        stream = self._streams.get(event.item_id)
        if stream is None:
            stream = self._begin(event)
        if stream is not None and (pcm := stream.feed(event.audio)):
            self.player.play(pcm, event.item_id)

    def _begin(self, event: Any) -> Decoder | None:
        response_id = event.response_id
        if response_id in self._silent:
            return None
        record = self._session._look(lambda s: s.running.known(response_id))
        if record is None or not record.default or record.muted:
            return None
        if not self.player.playing:
            self._records.clear()
        self._records.append(record)
        output = record.object.audio.output if record.object.audio else None
        told = output.format.type if output is not None and output.format else None
        stream = Decoder(told if told in RATES else self._format())
        self._streams[event.item_id] = stream
        self._items.setdefault(response_id, []).append(event.item_id)
        return stream

    def _format(self) -> str:
        return self._session._look(lambda s: s.audio_format("output"))

    def item_done(self, event: Any) -> None:
        """No more audio of an item comes. Runs on the I/O thread."""
        self._finish(event.item_id)

    def response_done(self, event: Any) -> None:
        """No more of a response comes. Runs on the I/O thread."""
        for item_id in self._items.pop(event.response.id, ()):
            self._finish(item_id)

    def lost(self) -> None:
        """Nothing more of what had begun comes. Runs on the I/O thread."""
        for item_id in list(self._streams):
            self._finish(item_id)
        self._items.clear()

    def _finish(self, item_id: str) -> None:
        stream = self._streams.pop(item_id, None)
        if stream is not None:
            if rest := stream.flush():
                self.player.play(rest, item_id)
            self.player.finish(item_id)

    def silence(self, response_id: str | None = None) -> dict[str, float]:
        """Stop at once; of each item that was not wholly heard, the milliseconds that were.

        From any thread; never blocks.

        Args:
            response_id: This response, and no other; None: all.
        """
        only = None if response_id is None else self._of(response_id)
        # first what comes, then what is there: nothing slips in between
        self._silent.extend(list(self._items) if response_id is None else [response_id])
        for item_id in list(self._streams) if only is None else only:
            self._streams.pop(item_id, None)
        return {one: ms for one, ms in self.player.stop(only).items() if one is not None}

    def _of(self, response_id: str) -> list[str]:
        """Ids of a response's items that may be playing."""
        records = [record for record in tuple(self._records) if record.id == response_id]
        return [known.id for record in records for known in tuple(record.outputs.values())]

    @property
    def playing(self) -> bool:
        """Whether there is something that has not been heard yet."""
        return self.player.playing
