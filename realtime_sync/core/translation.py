"""A translation session: one stream, without items or responses. No threads, no sockets, no clock.

Source: wire.md (c).
"""

from __future__ import annotations

from typing import Any

from ..events.base import ServerEvent, UnknownEvent
from ..events.client import SessionClose
from .state import SessionState

__all__ = ["TranslationState"]

#: They tell by `elapsed_ms` how much of the input has been translated.
_TRANSLATED = frozenset({"session.output_audio.delta", "session.output_transcript.delta"})


class TranslationState(SessionState):
    """What we know about one translation session."""

    kind = None
    #: The end has been asked for.
    finished = False

    def finish(self) -> None:
        """No input follows: ask once for what is left, and for the end."""
        if not self.finished:
            self.finished = True
            self.sending(SessionClose(event_id=self._new_key()))

    def received(self, event: ServerEvent, at: float) -> None:
        """See `SessionState.received`."""
        if event.type == "session.closed":
            self.over = True
            self.answered(event)
        elif event.type in _TRANSLATED and not isinstance(event, UnknownEvent):
            self._translated(event)
        else:
            super().received(event, at)

    def _translated(self, event: Any) -> None:
        """So much of the input would not be missed if the link were lost now."""
        if event.elapsed_ms is not None:
            self.buffer.speech_stopped(event.elapsed_ms)
            self.buffer.committed(self._input_rate)
