"""What comes inside a response, piece by piece: the hot path. No thread, no socket, no clock."""

from __future__ import annotations

from typing import Any

from ..events.items import Item
from ..events.local import ItemDelta
from ..events.output import OutputEvent
from .calls import Calls
from .conversation import Conversation, ItemRecord
from .effects import Effect, Wake
from .responses import ResponseRecord

__all__ = ["Growing"]


class Growing:
    """The part of `Running` that lets responses grow."""

    _effects: list[Effect]
    _conversation: Conversation
    _calls: Calls
    responses: dict[str, ResponseRecord]
    silent: bool
    spoken: bool
    now: float

    def output(self, event: Any) -> ResponseRecord | None:
        """Anything inside a response: keep it, and wake who follows."""
        record = self.responses.get(event.response_id)
        if record is not None:
            record.events.append(event)
            if record.waiters:
                self._wake(record)
            if record.muted:
                self.silent = event.type.endswith(".delta")
        return record

    def output_item(self, event: Any) -> None:
        """An output item, new or complete."""
        record = self.output(event)
        if record is not None:
            known = self._output(record, event.output_index, event.item.id, event.item)
            final = event.type == "response.output_item.done"
            known.update(event.item, final=final)
            if final:
                record.completed(known)
            self._conversation.changed(known)
            self._calls.item(event.item, final=final)

    def text_delta(self, event: Any) -> None:
        """A piece of text or transcript."""
        record = self.output(event)
        if record is not None:
            if record.timings.first_text is None:
                record.timings.first_text = self.now
            spoken = event.type == "response.output_audio_transcript.delta"
            known = self._item(record, event)
            known.add_text(event.content_index, event.delta, spoken=spoken)
            if self._conversation.listened:
                self._tell(record, known, event, "transcript" if spoken else "text", event.delta)

    def text_done(self, event: Any) -> None:
        """A whole text or transcript."""
        record = self.output(event)
        if record is not None:
            spoken = event.type == "response.output_audio_transcript.done"
            text = event.transcript if spoken else event.text
            known = self._item(record, event)
            known.set_text(event.content_index, text, spoken=spoken)
            self._conversation.changed(known)

    def audio_delta(self, event: Any) -> None:
        """A piece of audio."""
        record = self.output(event)
        if record is not None:
            if record.timings.first_audio is None:
                record.timings.first_audio = self.now
                self.spoken = True
            known = self._item(record, event)
            if not known.truncated:  # else nobody will hear it, and a second cut goes by the first
                part = known.part(event.content_index, spoken=True)
                part.audio_ms += event.audio_size / record.bytes_per_ms
            if self._conversation.listened:
                self._tell(record, known, event, "audio", event.audio)

    def arguments_delta(self, event: Any) -> None:
        """A piece of a call's arguments."""
        record = self.output(event)
        if record is not None:
            known = self._item(record, event)
            known.add_arguments(event.delta)
            if self._conversation.listened:
                self._tell(record, known, event, "arguments", event.delta)

    def arguments_done(self, event: Any) -> None:
        """A call's whole arguments."""
        record = self.output(event)
        if record is not None:
            known = self._item(record, event)
            known.add_arguments(event.arguments, whole=True)
            self._conversation.changed(known)

    def _tell(
        self, record: ResponseRecord, known: ItemRecord, event: Any, kind: str, piece: Any
    ) -> None:
        """Show a piece to who listens; of a response that nobody wants any more only its end."""
        if not record.muted:
            place = getattr(event, "content_index", None)
            delta = ItemDelta.model_validate({kind: piece, "content_index": place})
            self._conversation.changed(known, delta)

    def _item(self, record: ResponseRecord, event: OutputEvent) -> ItemRecord:
        known = record.outputs.get(event.output_index)
        if known is not None and known.id == event.item_id:
            return known
        return self._output(record, event.output_index, event.item_id)

    def _output(
        self, record: ResponseRecord, index: int, item_id: str | None, item: Item | None = None
    ) -> ItemRecord:
        """An output's record: by its id, else by its place; a new one where there is none."""
        if not item_id:
            known = record.outputs.get(index)
        else:
            known = next((o for o in record.outputs.values() if o.id == item_id), None)
        if known is not None:
            return known
        # an item out of band, or without an id, stands in no conversation
        if item_id and record.default:
            known = self._conversation.record(item_id, item)
        else:
            known = ItemRecord(item_id or "", item)
        if index in record.outputs:  # the server counts otherwise than we do
            index = max(record.outputs) + 1
        record.outputs[index] = known
        return known

    def _wake(self, record: ResponseRecord) -> None:
        if record.waiters:
            self._effects.append(Wake(tuple(record.waiters)))
            record.waiters.clear()
