"""What a GA server tells about its responses: from `response.created` to `response.done`.

Knows no socket, thread or state. Source: wire.md sections (a) and (e). Required fields that a
server leaves out read as "", 0 or an empty object.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from .base import ServerEvent
from .config import AudioConfig
from .items import Item, Part, decode_audio
from .value import Value

__all__ = [
    "AudioDelta",
    "ErrorDetails",
    "ModalityTokens",
    "StatusDetails",
    "TokenDetails",
    "Usage",
    "ResponseObject",
    "ResponseCreated",
    "ResponseDone",
    "OutputEvent",
    "PartEvent",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseContentPartAdded",
    "ResponseContentPartDone",
    "ResponseOutputTextDelta",
    "ResponseOutputTextDone",
    "ResponseOutputAudioTranscriptDelta",
    "ResponseOutputAudioTranscriptDone",
    "ResponseOutputAudioDelta",
    "ResponseOutputAudioDone",
    "ResponseFunctionCallArgumentsDelta",
    "ResponseFunctionCallArgumentsDone",
    "ResponseMcpCallArgumentsDelta",
    "ResponseMcpCallArgumentsDone",
    "ResponseMcpCallInProgress",
    "ResponseMcpCallCompleted",
    "ResponseMcpCallFailed",
]

# --- objects


class ErrorDetails(Value):
    """What went wrong; in an `error` event `event_id` is that of the client event it refuses."""

    # a code of 500 must not cost us the event_id beside it
    model_config = ConfigDict(coerce_numbers_to_str=True)

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


def _told(value: Any) -> Any:
    return {"message": value} if isinstance(value, str) else value


#: An error, which some servers tell as a text alone.
Told = Annotated[ErrorDetails, BeforeValidator(_told)]


class StatusDetails(Value):
    """Why a response ended so.

    Attributes:
        type: The response's status once more.
        reason: "turn_detected", "client_cancelled", "max_output_tokens", "content_filter".
        error: Of a failed one.
    """

    type: str | None = None
    reason: str | None = None
    error: Told | None = None


class ModalityTokens(Value):
    """Tokens by modality."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class TokenDetails(ModalityTokens):
    """Tokens by modality; `cached_tokens` is a subset of the input, split further by modality."""

    cached_tokens: int | None = None
    cached_tokens_details: ModalityTokens | None = None


class Usage(Value):
    """What a response cost, in tokens."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: TokenDetails | None = None
    output_token_details: TokenDetails | None = None


class ResponseObject(Value):
    """The wire's response object; `realtime_sync.Response` is the live handle."""

    id: str | None = None
    object: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] | None = None
    conversation_id: str | None = None
    output_modalities: tuple[str, ...] | None = None
    max_output_tokens: int | str | None = None
    audio: AudioConfig | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


# --- events


class ResponseCreated(ServerEvent):
    """A response began, asked for or not."""

    type: Literal["response.created"] = "response.created"
    response: ResponseObject = Field(default_factory=ResponseObject)


class ResponseDone(ServerEvent):
    """A response ended; sent whatever the outcome."""

    type: Literal["response.done"] = "response.done"
    response: ResponseObject = Field(default_factory=ResponseObject)


class OutputEvent(ServerEvent):
    """Base of what happens inside a response's output item."""

    response_id: str = ""
    item_id: str = ""
    output_index: int = 0


class PartEvent(OutputEvent):
    """Base of what happens inside a content part."""

    content_index: int = 0


#: Where a delta keeps that it was warned of: callbacks, iterators and handles all decode it.
_TOLD = "_told"
_newest = ("", b"")  # the text that was decoded last, by whichever thread, and its bytes


class AudioDelta(ServerEvent):
    """Base of a piece of audio.

    Attributes:
        delta: Base64, as it came.
    """

    delta: str = ""

    @property
    def audio(self) -> bytes:
        """The bytes, in the output format; b"" where `delta` is not base64.

        Decoded once for all who read it in turn. May end inside a sample: `Response.audio_chunks()`
        puts samples together.
        """
        # the newest one only, and not kept with the event: a response that somebody holds would
        # keep all of its audio twice
        global _newest
        text, audio = _newest
        if text is not self.delta:
            audio = decode_audio(self.delta, told=_TOLD in self.__dict__)
            _newest = (self.delta, audio)
            if not audio:
                self.__dict__[_TOLD] = True
        return audio

    @property
    def audio_size(self) -> int:
        """Bytes of `audio`, without decoding it."""
        return len(self.delta) // 4 * 3 - self.delta.count("=", -2)


class _OutputItem(ServerEvent):
    response_id: str = ""
    output_index: int = 0
    item: Item = Field(default_factory=Item)


class ResponseOutputItemAdded(_OutputItem):
    """A new output item; its parts follow."""

    type: Literal["response.output_item.added"] = "response.output_item.added"


class ResponseOutputItemDone(_OutputItem):
    """An output item is complete."""

    type: Literal["response.output_item.done"] = "response.output_item.done"


class ResponseContentPartAdded(PartEvent):
    """A new, still empty part."""

    type: Literal["response.content_part.added"] = "response.content_part.added"
    part: Part = Field(default_factory=Part)


class ResponseContentPartDone(PartEvent):
    """A part is complete."""

    type: Literal["response.content_part.done"] = "response.content_part.done"
    part: Part = Field(default_factory=Part)


class ResponseOutputTextDelta(PartEvent):
    """A piece of text."""

    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    delta: str = ""


class ResponseOutputTextDone(PartEvent):
    """The whole text of a part."""

    type: Literal["response.output_text.done"] = "response.output_text.done"
    text: str = ""


class ResponseOutputAudioTranscriptDelta(PartEvent):
    """A piece of what is being said; often ahead of the audio."""

    type: Literal["response.output_audio_transcript.delta"] = (
        "response.output_audio_transcript.delta"
    )
    delta: str = ""


class ResponseOutputAudioTranscriptDone(PartEvent):
    """The whole transcript of a part."""

    type: Literal["response.output_audio_transcript.done"] = "response.output_audio_transcript.done"
    transcript: str = ""


class ResponseOutputAudioDelta(PartEvent, AudioDelta):
    """A piece of audio."""

    type: Literal["response.output_audio.delta"] = "response.output_audio.delta"


class ResponseOutputAudioDone(PartEvent):
    """All audio of a part has come."""

    type: Literal["response.output_audio.done"] = "response.output_audio.done"


class ResponseFunctionCallArgumentsDelta(OutputEvent):
    """A piece of a call's JSON arguments."""

    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    call_id: str = ""
    delta: str = ""


class ResponseFunctionCallArgumentsDone(OutputEvent):
    """A call's whole arguments: JSON text as the model wrote it, maybe invalid."""

    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    call_id: str = ""
    name: str | None = None
    arguments: str = ""


# --- MCP


class ResponseMcpCallArgumentsDelta(OutputEvent):
    """A piece of an MCP call's arguments."""

    type: Literal["response.mcp_call_arguments.delta"] = "response.mcp_call_arguments.delta"
    delta: str = ""
    obfuscation: str | None = None


class ResponseMcpCallArgumentsDone(OutputEvent):
    """An MCP call's whole arguments."""

    type: Literal["response.mcp_call_arguments.done"] = "response.mcp_call_arguments.done"
    arguments: str = ""


class _McpCall(ServerEvent):
    item_id: str = ""
    output_index: int = 0


class ResponseMcpCallInProgress(_McpCall):
    """The server runs an MCP call; names no response."""

    type: Literal["response.mcp_call.in_progress"] = "response.mcp_call.in_progress"


class ResponseMcpCallCompleted(_McpCall):
    """An MCP call has its output."""

    type: Literal["response.mcp_call.completed"] = "response.mcp_call.completed"


class ResponseMcpCallFailed(_McpCall):
    """An MCP call failed."""

    type: Literal["response.mcp_call.failed"] = "response.mcp_call.failed"
