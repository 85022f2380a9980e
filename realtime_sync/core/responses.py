"""A response as it grows. No thread, no socket, no clock.

Its events are kept as long as somebody holds the record, so that whoever starts to follow it late
sees all of it. Lists only grow and only under the lock; readers index into them without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import RealtimeError, ResponseFailed, copy_of
from ..events.base import ClientEvent, ServerEvent
from ..events.items import AUDIO_PARTS, Item
from ..events.local import ResponseModalityMismatch
from ..events.output import ErrorDetails, ResponseObject

if TYPE_CHECKING:
    from .conversation import ItemRecord
    from .creates import Create
    from .turns import Turn

__all__ = ["TAG", "ResponseRecord", "Timings", "bytes_per_ms", "failure_of", "text_reply"]

#: Metadata key by which a `response.created` is told to be the answer to our create.
TAG = "realtime_sync"


def bytes_per_ms(audio_format: str) -> int:
    """Bytes that a millisecond of audio takes: PCM16 at 24 kHz, or G.711 at 8 kHz."""
    return 48 if audio_format == "audio/pcm" else 8


class Timings:
    """Moments of one response, in seconds of the session's monotonic clock; None: never came."""

    __slots__ = ("asked", "created", "done", "first_audio", "first_text", "speech", "tools")

    def __init__(self) -> None:
        self.speech: float | None = None  # the end of the speech that it follows
        self.asked: float | None = None
        self.created: float | None = None
        self.first_text: float | None = None
        self.first_audio: float | None = None
        self.done: float | None = None
        self.tools: float | None = None  # seconds: how long the calls took that it follows


class ResponseRecord:
    """What the server has told about one response."""

    __slots__ = (
        "__weakref__",
        "afterwards",
        "bytes_per_ms",
        "cause",
        "claimant",
        "complete",
        "corrects",
        "default",
        "done",
        "enders",
        "error",
        "events",
        "final",
        "id",
        "interrupted",
        "muted",
        "object",
        "outputs",
        "status",
        "timings",
        "turn",
        "unguarded",
        "waiters",
    )

    def __init__(self, response_id: str, *, default: bool) -> None:
        self.id = response_id
        self.default = default  # it writes the default conversation
        self.bytes_per_ms = 48  # of its audio
        self.object = ResponseObject(id=response_id)  # the server's latest
        self.status = "in_progress"
        self.events: list[ServerEvent] = []
        self.outputs: dict[int, ItemRecord] = {}  # by output_index
        # items as they were completed; an output of a tool, which answers a call, has no record
        self.complete: list[tuple[ItemRecord | None, Item]] = []
        self.final: tuple[Item, ...] | None = None  # the output, once nothing can change any more
        self.done = False
        self.error: RealtimeError | None = None  # why it can no longer end: lost or closed
        self.cause: RealtimeError | None = None  # why it failed, where more is known than is said
        self.interrupted = False  # it was cut where the listener was
        self.muted = False  # nobody wants its deltas any more; its handle still collects them
        self.corrects = False  # its turn has been corrected once: it will not be again
        self.unguarded = False  # no guardrail reads it, since one has asked for it
        self.claimant: Create | None = None  # whose it may be, if it is not the server's own
        self.turn: Turn | None = None  # None once the turn is over: it holds its responses
        self.timings = Timings()
        self.waiters: list[Callable[[], None]] = []  # called once when there is more
        self.afterwards: list[ClientEvent] = []  # are sent once it is done
        self.enders: list[Callable[[], None]] = []  # called once when it is done

    @property
    def output(self) -> tuple[Item, ...]:
        """The items so far."""
        if self.final is not None:
            return self.final
        return tuple(record.snapshot() for _, record in sorted(self.outputs.items()))

    @property
    def metadata(self) -> dict[str, Any]:
        """The user's metadata; our tag is not theirs."""
        return {k: v for k, v in (self.object.metadata or {}).items() if k != TAG}

    def take(self, told: ResponseObject) -> None:
        """Take over what the server says of the response; what it leaves out stays."""
        known = self.object
        kept = known.model_fields_set - told.model_fields_set
        changes = {name: getattr(known, name) for name in kept}
        self.object = told.model_copy(update=changes) if changes else told

    def completed(self, known: ItemRecord) -> None:
        """An item of the output can grow no more."""
        if all(other is not known for other, _ in self.complete):
            self.complete.append((known, known.snapshot()))

    def finish(self, status: str, *, error: RealtimeError | None = None) -> None:
        """Nothing can come any more."""
        self.final = self.output
        for _, known in sorted(self.outputs.items()):
            if known.final:
                self.completed(known)
        self.status = status
        self.error = error
        self.done = True


def failure_of(record: ResponseRecord) -> RealtimeError | None:
    """The error that a failed response is; None for all others."""
    if record.status != "failed":
        return None
    if record.cause is not None:
        return copy_of(record.cause, record)
    details = record.object.status_details
    error = (details.error if details else None) or ErrorDetails()
    reason = error.message or error.code or error.type or "no reason given"
    return ResponseFailed(
        f"the response failed: {reason}",
        response=record,
        code=error.code,
        type=error.type,
        message=error.message or None,
    )


def text_reply(record: ResponseRecord, *, retry: bool) -> ResponseModalityMismatch | None:
    """What is told of a response in text that was to be spoken; None: it is no such.

    Args:
        record: The response; `done` is set.
        retry: It is to be asked for once more, unless its turn has done so, or nobody waits.
    """
    if record.status != "completed" or "audio" not in (record.object.output_modalities or ()):
        return None
    messages = [item for item in record.output if item.type == "message"]
    parts = [part for item in messages for part in item.content or ()]
    written = [item for item in messages if item.text]
    spoken = record.timings.first_audio is not None or any(p.type in AUDIO_PARTS for p in parts)
    if spoken or not written:
        return None
    ids = tuple(item.id for item in written if item.id)
    turn = record.turn
    alive = turn is not None and not (turn.abandoned or turn.retried)
    return ResponseModalityMismatch(
        response_id=record.id,
        item_ids=ids,
        text="".join(item.text or "" for item in written),
        retried=retry and alive and bool(ids),
    )
