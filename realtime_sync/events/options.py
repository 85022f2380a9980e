"""What a session or a response is told beside its sound and its tools. Knows no event.

Source: wire.md section (c) and ga_session.json.
"""

from __future__ import annotations

from typing import Any

from .value import Value

__all__ = [
    "CacheBreakpoint",
    "Prompt",
    "PromptVariable",
    "Reasoning",
    "TokenLimits",
    "Tracing",
    "Truncation",
]


class Reasoning(Value):
    """`effort`: "minimal", "low", "medium", "high" or "xhigh"; of reasoning models."""

    effort: str | None = None


class Tracing(Value):
    """How a session shows in the traces dashboard; "auto" leaves it to the server.

    Attributes:
        metadata: Any JSON, to filter by.
    """

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: Any = None


class TokenLimits(Value):
    """`post_instructions`: tokens that the conversation may have beside the instructions."""

    post_instructions: int | None = None


class Truncation(Value):
    """What to drop of a conversation that is too long; else "auto" or "disabled".

    Attributes:
        type: "retention_ratio".
        retention_ratio: The part to keep, 0 to 1.
    """

    type: str | None = None
    retention_ratio: float | int | None = None
    token_limits: TokenLimits | None = None


class CacheBreakpoint(Value):
    """Where a prompt's cache ends; `ttl`: "30m" or "12h"."""

    mode: str | None = None
    ttl: str | None = None


class PromptVariable(Value):
    """A text, an image or a file for a stored prompt; a plain text goes as str.

    Attributes:
        type: "input_text", "input_image" or "input_file".
    """

    type: str | None = None
    text: str | None = None
    detail: str | None = None
    file_id: str | None = None
    image_url: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class Prompt(Value):
    """A prompt that is stored at the server, and what to fill in."""

    id: str | None = None
    version: str | None = None
    variables: dict[str, str | PromptVariable] | None = None
