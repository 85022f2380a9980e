"""A translation session: one stream, without items or responses. No threads, no sockets, no clock.

Source: wire.md (c).
"""

from __future__ import annotations

from ..events.base import ServerEvent
from ..events.client import SessionClose
from .state import SessionState

__all__ = ["TranslationState"]


class TranslationState(SessionState):
    """What we know about one translation session."""

    kind = None
    _asked_to_close = False

    def finish(self) -> None:
        """No input follows: ask once for what is left, and for the end."""
        if not self._asked_to_close:
            self._asked_to_close = True
            self.sending(SessionClose(event_id=self._new_key()))

    def received(self, event: ServerEvent, at: float) -> None:
        """See `SessionState.received`."""
        if event.type == "session.closed":
            self.over = True
            self._answered(event)
        else:
            super().received(event, at)
