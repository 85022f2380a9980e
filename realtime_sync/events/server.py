"""The 46 events of a GA server, and four of translations. Knows no state.

Those of its responses stand in `output`, those of translations in `translation`.
Source: wire.md section (a) and ga_server_events.json. Required fields that a server leaves out
read as "", 0 or an empty object, so that handlers need no None checks where the wire has none.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import ServerEvent
from .confidence import confidence_of, logprobs_of
from .config import SessionConfig
from .items import Item
from .output import *  # noqa: F403  # one door for all server events
from .output import ErrorDetails, TokenDetails, Told
from .translation import *  # noqa: F403
from .value import Value

# --- objects


class ConversationObject(Value):
    """The conversation, by its `id`."""

    id: str | None = None
    object: str | None = None


class TranscriptionUsage(Value):
    """What a user transcript cost; `type`: "tokens", or "duration" with `seconds`."""

    type: str | None = None
    seconds: float | int | None = None
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: TokenDetails | None = None


class Logprob(Value):
    """How sure a model was of a token; `bytes`: those of its UTF-8, `logprob`: natural log."""

    token: str | None = None
    bytes: tuple[int, ...] | None = None
    logprob: float | int | None = None


class DetectedLanguage(Value):
    """A language that was heard, by its ISO-639-1 code."""

    code: str | None = None


class RateLimit(Value):
    """`name`: "requests" or "tokens"; `remaining` of `limit`, whole again in `reset_seconds`."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | int | None = None


# --- session and conversation


class Error(ServerEvent):
    """The server refused something; most errors leave the session open."""

    type: Literal["error"] = "error"
    error: Told = Field(default_factory=ErrorDetails)


class SessionCreated(ServerEvent):
    """The first event of every connection."""

    type: Literal["session.created"] = "session.created"
    session: SessionConfig = Field(default_factory=SessionConfig)


class SessionUpdated(ServerEvent):
    """Answers `session.update` with the whole effective session."""

    type: Literal["session.updated"] = "session.updated"
    session: SessionConfig = Field(default_factory=SessionConfig)


class ConversationCreated(ServerEvent):
    """Maybe sent after `session.created`."""

    type: Literal["conversation.created"] = "conversation.created"
    conversation: ConversationObject = Field(default_factory=ConversationObject)


class _ItemPlaced(ServerEvent):
    previous_item_id: str | None = None
    item: Item = Field(default_factory=Item)


class ConversationItemAdded(_ItemPlaced):
    """An item now stands in the conversation; its content may still be empty."""

    type: Literal["conversation.item.added"] = "conversation.item.added"


class ConversationItemCreated(_ItemPlaced):
    """Old style of `conversation.item.added`."""

    type: Literal["conversation.item.created"] = "conversation.item.created"


class ConversationItemDone(_ItemPlaced):
    """An item has its final content."""

    type: Literal["conversation.item.done"] = "conversation.item.done"


class ConversationItemRetrieved(ServerEvent):
    """Answers `conversation.item.retrieve`; carries audio."""

    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item = Field(default_factory=Item)


class ConversationItemDeleted(ServerEvent):
    """Answers `conversation.item.delete`."""

    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    item_id: str = ""


class ConversationItemTruncated(ServerEvent):
    """Assistant audio was cut at `audio_end_ms`; the transcript behind it is gone."""

    type: Literal["conversation.item.truncated"] = "conversation.item.truncated"
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int = 0


# --- user audio


class _UserPart(ServerEvent):
    item_id: str = ""
    content_index: int | None = None


class ConversationItemInputAudioTranscriptionDelta(_UserPart):
    """A piece of a user transcript."""

    type: Literal["conversation.item.input_audio_transcription.delta"] = (
        "conversation.item.input_audio_transcription.delta"
    )
    delta: str | None = None
    logprobs: tuple[Logprob, ...] | None = None


class ConversationItemInputAudioTranscriptionCompleted(_UserPart):
    """A whole user transcript; it beats its deltas.

    Attributes:
        logprobs: Of each token; sent where `include` has "item.input_audio_transcription.logprobs"
            and the model has them.
    """

    type: Literal["conversation.item.input_audio_transcription.completed"] = (
        "conversation.item.input_audio_transcription.completed"
    )
    transcript: str = ""
    usage: TranscriptionUsage | None = None
    logprobs: tuple[Logprob, ...] | None = None
    languages: tuple[DetectedLanguage, ...] | None = None

    @property
    def confidence(self) -> float | None:
        """exp of the mean log-probability of its tokens, 0 to 1; None without `logprobs`.

        That is the geometric mean of the tokens' probabilities: how sure the model was of a token
        on the whole, not the chance that the transcript is right.
        """
        return confidence_of(logprobs_of(self.logprobs))


class ConversationItemInputAudioTranscriptionFailed(_UserPart):
    """A user transcript will not come."""

    type: Literal["conversation.item.input_audio_transcription.failed"] = (
        "conversation.item.input_audio_transcription.failed"
    )
    error: Told = Field(default_factory=ErrorDetails)


class ConversationItemInputAudioTranscriptionSegment(_UserPart):
    """What one speaker said; `start` and `end` in seconds (diarizing models)."""

    type: Literal["conversation.item.input_audio_transcription.segment"] = (
        "conversation.item.input_audio_transcription.segment"
    )
    id: str = ""
    speaker: str = ""
    text: str = ""
    start: float | int = 0
    end: float | int = 0


class InputAudioBufferCommitted(ServerEvent):
    """The buffer became a user item, whose id this is; the item itself follows."""

    type: Literal["input_audio_buffer.committed"] = "input_audio_buffer.committed"
    item_id: str = ""
    previous_item_id: str | None = None


class InputAudioBufferCleared(ServerEvent):
    """Answers `input_audio_buffer.clear`."""

    type: Literal["input_audio_buffer.cleared"] = "input_audio_buffer.cleared"


class InputAudioBufferSpeechStarted(ServerEvent):
    """The user speaks; `item_id` is that of the coming item."""

    type: Literal["input_audio_buffer.speech_started"] = "input_audio_buffer.speech_started"
    item_id: str = ""
    audio_start_ms: int = 0


class InputAudioBufferSpeechStopped(ServerEvent):
    """The user has stopped speaking."""

    type: Literal["input_audio_buffer.speech_stopped"] = "input_audio_buffer.speech_stopped"
    item_id: str = ""
    audio_end_ms: int = 0


class InputAudioBufferTimeoutTriggered(ServerEvent):
    """Nobody spoke for `idle_timeout_ms`; an empty user item and a response follow."""

    type: Literal["input_audio_buffer.timeout_triggered"] = "input_audio_buffer.timeout_triggered"
    item_id: str = ""
    audio_start_ms: int = 0
    audio_end_ms: int = 0


class InputAudioBufferDtmfEventReceived(ServerEvent):
    """A key was pressed on a telephone; the one event without an `event_id`."""

    type: Literal["input_audio_buffer.dtmf_event_received"] = (
        "input_audio_buffer.dtmf_event_received"
    )
    event: str = ""
    received_at: int = 0


class _OutputAudioBuffer(ServerEvent):
    response_id: str = ""


class OutputAudioBufferStarted(_OutputAudioBuffer):
    """Playback began (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.started"] = "output_audio_buffer.started"


class OutputAudioBufferStopped(_OutputAudioBuffer):
    """Playback ended (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.stopped"] = "output_audio_buffer.stopped"


class OutputAudioBufferCleared(_OutputAudioBuffer):
    """Playback was cut (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.cleared"] = "output_audio_buffer.cleared"


class RateLimitsUpdated(ServerEvent):
    """What is left of the limits; `reset_seconds` in seconds."""

    type: Literal["rate_limits.updated"] = "rate_limits.updated"
    rate_limits: tuple[RateLimit, ...] = ()


# --- MCP


class _McpListing(ServerEvent):
    item_id: str = ""


class McpListToolsInProgress(_McpListing):
    """A tool server is being asked for its tools."""

    type: Literal["mcp_list_tools.in_progress"] = "mcp_list_tools.in_progress"


class McpListToolsCompleted(_McpListing):
    """A tool server's tools may be called now."""

    type: Literal["mcp_list_tools.completed"] = "mcp_list_tools.completed"


class McpListToolsFailed(_McpListing):
    """A tool server did not list its tools."""

    type: Literal["mcp_list_tools.failed"] = "mcp_list_tools.failed"


def _leaves(base: type[ServerEvent]) -> list[type[ServerEvent]]:
    below = [leaf for child in base.__subclasses__() for leaf in _leaves(child)]
    return [*below, base] if base.model_fields["type"].default else below


#: Wire name -> class.
SERVER_EVENTS: dict[str, type[ServerEvent]] = {
    cls.model_fields["type"].default: cls for cls in _leaves(ServerEvent)
}
