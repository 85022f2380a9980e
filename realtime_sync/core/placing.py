"""What the server tells about items of the conversation. No thread, no socket, no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["ITEM_ACTS"]


def _item_placed(state: SessionState, event: Any) -> None:
    final = event.type == "conversation.item.done"
    request = None if final else state.answered(event)
    if event.item.id:
        ours: Any = request.event if request is not None else None
        state.conversation.place(event.item, event.previous_item_id, final=final, ours=ours)
        state.calls.item(event.item, final=final)


def _item_deleted(state: SessionState, event: Any) -> None:
    state.answered(event)
    state.conversation.delete(event.item_id)


def _item_truncated(state: SessionState, event: Any) -> None:
    state.answered(event)
    state.conversation.truncate(event.item_id, event.content_index, event.audio_end_ms)


def _user_transcript(state: SessionState, event: Any) -> None:
    state.conversation.transcribe(event.item_id, event.content_index or 0, event.delta or "")


def _user_transcript_failed(state: SessionState, event: Any) -> None:
    state.conversation.untranscribed(event.item_id, event.content_index or 0)


def _user_transcript_done(state: SessionState, event: Any) -> None:
    state.running.spend(state.running.usage.plus_transcription(event.usage))
    told = event.item_id, event.content_index or 0, event.transcript
    state.conversation.transcribe(*told, whole=True, logprobs=event.logprobs)


#: Server event -> what it changes.
ITEM_ACTS: dict[str, Callable[[SessionState, Any], None]] = {
    "conversation.item.added": _item_placed,
    "conversation.item.created": _item_placed,
    "conversation.item.done": _item_placed,
    "conversation.item.deleted": _item_deleted,
    "conversation.item.truncated": _item_truncated,
    "conversation.item.input_audio_transcription.delta": _user_transcript,
    "conversation.item.input_audio_transcription.completed": _user_transcript_done,
    "conversation.item.input_audio_transcription.failed": _user_transcript_failed,
}
