"""A session inside a call that others hold. No threads, no sockets, no clock.

Source: wire.md (i), and recorded sidebands: who joins is not greeted, and speaks first.
"""

from __future__ import annotations

from .state import SessionState

__all__ = ["SidebandState"]


class SidebandState(SessionState):
    """What we know about a call's session, which had begun before we came."""

    outlives = True

    def linked(self) -> None:
        """See `SessionState.linked`."""
        self._set_up()
