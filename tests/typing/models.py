"""What a type checker must know of the wire's models. Checked by mypy, never run."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from realtime_sync import Item, RealtimeSession, Response, SessionConfig
from realtime_sync.events import (
    ConversationItemInputAudioTranscriptionCompleted,
    Error,
    ErrorDetails,
    ListedTool,
    Logprob,
    McpError,
    ModalityTokens,
    Part,
    Prompt,
    PromptVariable,
    RateLimit,
    RateLimitsUpdated,
    Reasoning,
    RequireApproval,
    ResponseObject,
    ServerEvent,
    SessionClosed,
    SessionCreated,
    SessionOutputAudioDelta,
    StatusDetails,
    TokenLimits,
    ToolChoice,
    ToolFilter,
    ToolObject,
    Tracing,
    Transcription,
    TranscriptionUsage,
    Truncation,
    TurnDetection,
    Usage,
    Voice,
    parse,
)


def config(session: RealtimeSession) -> None:
    held = session.config
    assert_type(held, SessionConfig)
    assert_type(held.tools, tuple[ToolObject, ...] | None)
    assert_type(held.tool_choice, str | ToolChoice | None)
    assert_type(held.reasoning, Reasoning | None)
    assert_type(held.truncation, str | Truncation | None)
    assert_type(held.tracing, str | Tracing | None)
    assert_type(held.prompt, Prompt | None)
    assert_type(held.max_output_tokens, int | str | None)
    assert_type(held["type"], Any)
    if held.audio and held.audio.input and held.audio.output:
        assert_type(held.audio.input.turn_detection, TurnDetection | None)
        assert_type(held.audio.input.transcription, Transcription | None)
        assert_type(held.audio.output.voice, str | Voice | None)
        assert_type(held.audio.output.language, str | None)
    if isinstance(held.truncation, Truncation):
        assert_type(held.truncation.token_limits, TokenLimits | None)
    if held.prompt is not None:
        assert_type(held.prompt.variables, dict[str, str | PromptVariable] | None)
    SessionConfig(
        type="realtime",
        output_modalities=("text",),
        tools=(ToolObject(type="function", name="f", parameters={"type": "object"}),),
        tool_choice=ToolChoice(type="function", name="f"),
        truncation="disabled",
    )


def tools(given: ToolObject) -> None:
    assert_type(given.allowed_tools, tuple[str, ...] | ToolFilter | None)
    assert_type(given.require_approval, str | RequireApproval | None)
    assert_type(given.headers, dict[str, str] | None)


def item(item: Item) -> None:
    assert_type(item.content, tuple[Part, ...] | None)
    assert_type(item.tools, tuple[ListedTool, ...] | None)
    assert_type(item.error, McpError | str | None)
    assert_type(item.approve, bool | None)
    assert_type(item.text, str | None)


def response(response: Response, told: ResponseObject) -> None:
    assert_type(response.status_details, StatusDetails | None)
    assert_type(told.output, tuple[Item, ...] | None)
    assert_type(told.usage, Usage | None)
    if told.usage and told.usage.input_token_details:
        details = told.usage.input_token_details
        assert_type(details.cached_tokens, int | None)
        assert_type(details.cached_tokens_details, ModalityTokens | None)
    if told.status_details:
        assert_type(told.status_details.reason, str | None)
        assert_type(told.status_details.error, ErrorDetails | None)


def events(session: RealtimeSession) -> None:
    event = parse(b"{}")
    assert_type(event, ServerEvent)
    if isinstance(event, SessionCreated):
        assert_type(event.session, SessionConfig)
    elif isinstance(event, Error):
        assert_type(event.error.code, str | None)
    elif isinstance(event, RateLimitsUpdated):
        assert_type(event.rate_limits, tuple[RateLimit, ...])
    elif isinstance(event, ConversationItemInputAudioTranscriptionCompleted):
        assert_type(event.usage, TranscriptionUsage | None)
        assert_type(event.logprobs, tuple[Logprob, ...] | None)
    elif isinstance(event, SessionOutputAudioDelta):
        assert_type(event.audio, bytes)
    elif isinstance(event, SessionClosed):
        assert_type(event.event_id, str | None)

    @session.on(SessionOutputAudioDelta)
    def on_audio(event: SessionOutputAudioDelta) -> None:
        assert_type(event.sample_rate, int | None)
