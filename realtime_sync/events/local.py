"""Events of this library's own, beside the wire's. Knows no socket, thread or state."""

from __future__ import annotations

import pickle
from typing import Any, Literal

from ..errors import RealtimeError
from .base import Event, LocalEvent, told
from .items import Item
from .value import Value


class ConnectionLost(LocalEvent):
    """The link broke; `retrying`: whether another will be made."""

    type: Literal["connection.lost"] = "connection.lost"
    error: Exception
    retrying: bool = False


class ConnectionRestored(LocalEvent):
    """A new link is up and has heard everything; ids of items, and the audio that is missing."""

    type: Literal["connection.restored"] = "connection.restored"
    replayed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    lost_audio_ms: float = 0


class ConnectionClosed(LocalEvent):
    """The last event of a session; `error` is None where you closed it."""

    type: Literal["connection.closed"] = "connection.closed"
    error: Exception | None = None


class SessionExpiring(LocalEvent):
    """The server will end this session at `expires_at` (epoch seconds)."""

    type: Literal["session.expiring"] = "session.expiring"
    expires_at: float


class ItemDelta(Value):
    """What has come of an item; one of these is set, the others are None.

    Attributes:
        text, transcript, arguments: The piece.
        audio: Bytes, in the response's output format.
        content_index: Which of the item's parts it belongs to; None for arguments.
    """

    text: str | None = None
    transcript: str | None = None
    arguments: str | None = None
    audio: bytes | None = None
    content_index: int | None = None

    def wire(self) -> dict[str, Any]:
        """The JSON-ready dict of what was set; `audio` as base64."""
        return told(self)


class ConversationUpdated(LocalEvent):
    """An item of the conversation has changed, or is new, or was deleted.

    It only sums up what other events say, so it is made only where somebody asks for it: by its
    name, its class or "conversation.*", not by "*" alone.

    Attributes:
        item: As it is now; one that was deleted, as it was.
        delta: What has come, where it came as a piece; else None.
        deleted: It is in the conversation no more.
    """

    type: Literal["conversation.updated"] = "conversation.updated"
    item: Item
    delta: ItemDelta | None = None
    deleted: bool = False


class ToolStarted(LocalEvent):
    """A tool begins to run, or a call is answered without (refused, rejected, given up).

    Each call has one such event, and one `tool.finished` after it, unless the session ends before.
    `arguments`: a dict, or the text if it is no JSON object.
    """

    type: Literal["tool.started"] = "tool.started"
    call_id: str
    name: str
    arguments: Any = None


class ToolApprovalRequired(LocalEvent):
    """Decide with `session.approve(call_id)` or `session.reject(call_id)`."""

    type: Literal["tool.approval_required"] = "tool.approval_required"
    call_id: str
    name: str
    arguments: Any = None


class ToolFinished(LocalEvent):
    """A tool's answer goes to the model; `error`: what it raised, or None; `seconds`: wall time.

    `at`: when that was, in seconds of `time.monotonic()`; callbacks may run later.
    A tool that still runs when its session ends is told of too: its answer goes nowhere.
    """

    type: Literal["tool.finished"] = "tool.finished"
    call_id: str
    name: str
    output: str
    error: Any = None
    seconds: float = 0
    at: float | None = None


class GuardrailTripped(LocalEvent):
    """A guardrail has stopped a response.

    Attributes:
        response_id: The response's.
        guardrail: The function's name.
        reason: What it returned, where that was a text.
        text: What it had read: text or transcript of the response so far.
        corrected: Whether the model is asked for another reply, after the correction.
    """

    type: Literal["guardrail.tripped"] = "guardrail.tripped"
    response_id: str
    guardrail: str
    reason: str | None = None
    text: str = ""
    corrected: bool = False


class StageChanged(LocalEvent):
    """The conversation has moved to another stage; the server has confirmed prompt and tools.

    Attributes:
        from_stage: Where it was.
        to_stage: Where it is: a stage of the router's, or "_end_".
        outcome: What the model called it with.
    """

    type: Literal["stage.changed"] = "stage.changed"
    from_stage: str
    to_stage: str
    outcome: str


class ConversationEnded(LocalEvent):
    """The model has ended the conversation; the router stands at its start again.

    Attributes:
        path: The stages that the conversation went through, in order, but for "_end_".
    """

    type: Literal["conversation.ended"] = "conversation.ended"
    path: tuple[str, ...] = ()


class AgentHandoff(LocalEvent):
    """An agent has handed the conversation over; the server has confirmed the other one.

    Attributes:
        from_agent: Name of the one.
        to_agent: Name of the other.
        arguments: What the model called it with: a dict.
    """

    type: Literal["agent.handoff"] = "agent.handoff"
    from_agent: str
    to_agent: str
    arguments: Any = None


class DeviceLost(LocalEvent):
    """The microphone or loudspeaker of `talk` or push-to-talk went away.

    Attributes:
        direction: "input" or "output".
        device: Its name.
        error: `errors.DeviceLost`.
        retrying: Whether it, else the default one, is tried again; told once more when that is
            over in vain, and the conversation by voice ends.
    """

    type: Literal["device.lost"] = "device.lost"
    direction: str
    device: str
    error: Exception
    retrying: bool = False


class DeviceRestored(LocalEvent):
    """The conversation by voice goes on with that device, which may be another than the lost one.

    Attributes:
        direction: "input" or "output".
        device: Its name.
    """

    type: Literal["device.restored"] = "device.restored"
    direction: str
    device: str


class PlaybackInterrupted(LocalEvent):
    """Playback stopped early; `reason`: "speech", "client" or "guardrail"."""

    type: Literal["playback.interrupted"] = "playback.interrupted"
    reason: str
    response_id: str | None = None
    item_id: str | None = None
    played_ms: float = 0
    heard_text: str = ""


class TurnStarted(LocalEvent):
    """The first response of a turn has begun, whoever asked for it."""

    type: Literal["turn.started"] = "turn.started"
    response_id: str


class TurnEnded(LocalEvent):
    """A turn is over: no more responses or calls of it will come.

    Attributes:
        response_ids: Its responses, oldest first.
        status: How the last one ended: "completed", "cancelled", "incomplete", "failed", "lost".
        rounds: Of tool calls.
        tool_seconds: Wall time of these rounds, each from the end of the response that made the
            calls to the last output.
        error: Why it failed, without its response; None where it did not.
    """

    type: Literal["turn.ended"] = "turn.ended"
    response_ids: tuple[str, ...]
    status: str
    rounds: int = 0
    tool_seconds: float = 0.0
    error: Exception | None = None


class ResponseModalityMismatch(LocalEvent):
    """A response that was to be spoken came as text alone.

    Attributes:
        item_ids: The messages in text.
        text: What they say.
        retried: It is deleted and asked for once more; see `retry_text_reply`.
    """

    type: Literal["response.modality_mismatch"] = "response.modality_mismatch"
    response_id: str
    item_ids: tuple[str, ...] = ()
    text: str = ""
    retried: bool = False


class ResponseMetrics(LocalEvent):
    """A response has ended; its timings."""

    type: Literal["response.metrics"] = "response.metrics"
    response_id: str
    metrics: Any


class CallbackError(LocalEvent):
    """A callback raised `error` while it was given `event`."""

    type: Literal["callback.error"] = "callback.error"
    error: BaseException
    callback: Any
    event: Event

    def __getstate__(self) -> dict[Any, Any]:
        # a lambda, and many an exception of users, does not pickle; events do
        state = super().__getstate__()
        fields = dict(state["__dict__"])
        fields["callback"] = _portable(self.callback, repr(self.callback))
        fields["error"] = _portable(self.error, RealtimeError(repr(self.error)))
        return {**state, "__dict__": fields}


def _portable(value: Any, instead: Any) -> Any:
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # whatever a foreign __reduce__ raises
        return instead
    return value


#: Name -> class.
LOCAL_EVENTS: dict[str, type[LocalEvent]] = {
    cls.model_fields["type"].default: cls for cls in LocalEvent.__subclasses__()
}
