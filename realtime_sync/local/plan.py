"""What one response is to be: a `response.create` with the session's settings applied.

Values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from realtime_sync.local.conversation import Conversation, Entry

__all__ = ["Plan", "Voice"]

Wire = dict[str, Any]


class Voice(Protocol):
    """How words become sound and sounds change their format."""

    def speak(self, text: str) -> Iterator[bytes]:
        """PCM16 mono at 24 kHz, in pieces."""
        ...

    def convert(self, audio: bytes, source: str, target: str) -> bytes:
        """Audio in another of the wire's formats."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a `response.create` asks for, the session's settings applied.

    Attributes:
        id: The response's id.
        conversation: Where its items go; None for `conversation: "none"`.
        context: The items that it answers.
        instructions: Counted in the usage, else without effect: there is no model.
        modality: "text" or "audio".
        format: The output audio's wire format object.
        voice: The voice as reported.
        max_tokens: None for "inf".
        metadata: Echoed.
        hold: Stand still after so many deltas, None for not at all.
    """

    id: str
    conversation: Conversation | None
    context: Sequence[Entry]
    instructions: str
    modality: str
    format: Wire
    voice: Any
    max_tokens: int | None
    metadata: Any
    hold: int | None = None
