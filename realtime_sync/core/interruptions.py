"""What stops short: a response is cut where the listener was. No thread, no socket, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import ConnectionLost
from ..events.client import ConversationItemTruncate
from ..events.local import PlaybackInterrupted
from .items import ItemRecord, head
from .responses import ResponseRecord

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["interrupt", "last_spoken"]


def interrupt(
    state: SessionState,
    heard: Mapping[str, float] | None,
    *,
    reason: str,
    cancel: bool,
    new_key: Callable[[], str],
    response_id: str | None = None,
) -> tuple[PlaybackInterrupted, ...]:
    """Stop what runs, and cut what was not wholly heard; nobody wants its deltas any more.

    Args:
        state: The session's.
        heard: Of each item that stopped playing too early, the milliseconds that were heard;
            None: nobody knows, and nothing is cut.
        reason: "speech", "client" or "guardrail".
        cancel: False: the server ends the response by itself.
        new_key: Makes event ids.
        response_id: This response alone; None: whichever runs, or is heard.

    Returns:
        What is to be told: one for each response of which nothing more is to be heard, once.

    Raises:
        ConnectionLost: There is no link, and no server that could cut anything.
    """
    if not state.recovery.linked:
        raise ConnectionLost("interrupt: there is no link now; what was running is lost")
    active = state.sequencer.active
    if cancel:
        _stop(state, active)
    told = []
    running = state.running
    for record in {*running.responses.values(), *running.finished.values()}:
        cuts = _cuts(record, heard, active=record is active)
        if record.interrupted or not (cuts or record is active):
            continue
        if response_id not in (None, record.id):
            continue
        record.interrupted = record.muted = True
        told.append(_told(record, cuts, reason))
        for item, ms in cuts:
            event = ConversationItemTruncate(
                event_id=new_key(),
                item_id=item.id,
                content_index=_index(item),
                audio_end_ms=max(0, int(ms)),
            )
            state.edits.truncate(event)
    return tuple(told)


def last_spoken(state: SessionState) -> str | None:
    """Id of the newest item with audio, of the response that runs, or else ran last."""
    for record in (state.sequencer.active, state.running.last):
        if record is not None and record.default:
            spoken = [item.id for item in record.outputs.values() if _received_ms(item)]
            if spoken:
                return spoken[-1]
    return None


def _stop(state: SessionState, active: ResponseRecord | None) -> None:
    asked = state.sequencer.asked
    if active is not None:
        if not active.interrupted:
            state.sequencer.cancel(active)
    elif asked is not None:
        asked.cancelled = True
    state.speech.interrupt_tools()


def _cuts(
    record: ResponseRecord, heard: Mapping[str, float] | None, *, active: bool
) -> list[tuple[ItemRecord, float]]:
    """What of a response is cut, and at how many milliseconds."""
    if heard is None:
        return []
    cuts = []
    for _, item in sorted(record.outputs.items()):
        received = _received_ms(item)
        # nothing has come yet of what was to be spoken
        ms = heard.get(item.id, 0.0 if active and not received else None)
        # what was heard to its end is cut only where more may be on its way
        if ms is not None and (active or ms < received) and _spoken(item):
            cuts.append((item, ms))
    return cuts


def _told(
    record: ResponseRecord, cuts: list[tuple[ItemRecord, float]], reason: str
) -> PlaybackInterrupted:
    told = PlaybackInterrupted(reason=reason, response_id=record.id)
    # of several items the one at which it stopped
    stopped = [(item, ms) for item, ms in cuts if ms < _received_ms(item)] or cuts[-1:]
    if not stopped:
        return told
    item, ms = stopped[0]
    received = _received_ms(item)
    played = max(0.0, min(ms, received))
    text = head(item.snapshot().transcript or "", played / received if received else 0.0)
    return told.model_copy(update={"item_id": item.id, "played_ms": played, "heard_text": text})


def _index(item: ItemRecord) -> int:
    """Which of its parts is the spoken one."""
    return next((index for index, part in sorted(item.parts.items()) if part.spoken), 0)


def _received_ms(item: ItemRecord) -> float:
    return item.audio_ms(_index(item)) or 0.0


def _spoken(item: ItemRecord) -> bool:
    """Whether it is assistant audio, or may become it."""
    known = item.snapshot()
    written = any(not part.spoken for part in item.parts.values())
    return known.type == "message" and known.role == "assistant" and not written
