"""What the verdict of a guardrail does to a response. No thread, no socket, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..events.base import ClientEvent
from .responses import ResponseRecord
from .turns import Turn

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["trip"]


def trip(state: SessionState, record: ResponseRecord, correction: ClientEvent | None) -> bool:
    """End a response that must not go on, and it alone; nobody wants its deltas any more.

    Args:
        state: The session's.
        record: The response; running or over, not muted yet.
        correction: An item that is put after it and its calls, whereupon the model answers once
            more; once in a turn, and only as long as nothing newer stands in the conversation.
            None: none.

    Returns:
        Whether there will be another reply.
    """
    record.muted = True
    if not record.done:
        state.sequencer.cancel(record)
    if correction is None or record.corrects or not record.default:
        return False
    turn = record.turn
    if turn is None and record.done and _is_latest(state, record):
        turn = Turn(items=(correction,))
        state.begin(turn)
    elif turn is not None and (not record.done or _calls(turn, record)):
        turn.correction = correction  # once the response is over, and its calls are
    else:
        return False
    turn.corrected = True
    return True


def _calls(turn: Turn, record: ResponseRecord) -> bool:
    """Whether the turn waits for calls of this response."""
    return bool(turn.calls) and turn.records[-1] is record


def _is_latest(state: SessionState, record: ResponseRecord) -> bool:
    """Whether nothing has followed the response, or is about to."""
    s = state.sequencer
    if s.speaking or s.active or s.asked or s.loose or s.queue or s.turns:
        return False
    items = state.conversation.items()
    return bool(items) and items[-1].id in [known.id for known in record.outputs.values()]
