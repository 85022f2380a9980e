"""What only a translation session's server says: one stream, no items, no responses.

Knows no socket, thread or state. Source: wire.md section (c) and translation_server_events.json.
`session.created`, `session.updated` and `error` are those of all sessions.
"""

from __future__ import annotations

from typing import Literal

from .base import ServerEvent
from .output import AudioDelta

__all__ = [
    "SessionClosed",
    "SessionInputTranscriptDelta",
    "SessionOutputAudioDelta",
    "SessionOutputTranscriptDelta",
]


class _Transcript(ServerEvent):
    delta: str = ""
    elapsed_ms: int | None = None


class SessionInputTranscriptDelta(_Transcript):
    """A piece of what was said; `elapsed_ms`: how much input it is about."""

    type: Literal["session.input_transcript.delta"] = "session.input_transcript.delta"


class SessionOutputTranscriptDelta(_Transcript):
    """A piece of the translation, as text."""

    type: Literal["session.output_transcript.delta"] = "session.output_transcript.delta"


class SessionOutputAudioDelta(AudioDelta):
    """A piece of the translation, spoken; `format` "pcm16", at `sample_rate` (24000), mono."""

    type: Literal["session.output_audio.delta"] = "session.output_audio.delta"
    channels: int | None = None
    elapsed_ms: int | None = None
    format: str | None = None
    sample_rate: int | None = None


class SessionClosed(ServerEvent):
    """Answers `session.close`: all of the translation has come."""

    type: Literal["session.closed"] = "session.closed"
