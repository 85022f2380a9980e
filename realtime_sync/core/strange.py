"""What a server says that we do not understand, told in the log. No thread, socket or clock."""

from __future__ import annotations

import logging
import math

from ..events.base import UnknownEvent, one_line
from ..events.server import SERVER_EVENTS

__all__ = ["Strange"]

log = logging.getLogger(__name__)

#: Seconds between two warnings: a server that says nothing else must not fill a log.
QUIET = 1.0


class Strange:
    """Warns of what is no event and of what is malformed; names unknown types at DEBUG."""

    def __init__(self) -> None:
        self._quiet_until = -math.inf
        self._untold = 0  # warnings that were left out since the last one

    def heard(self, event: UnknownEvent, now: float) -> None:
        """Tell of an event.

        Args:
            event: What has come.
            now: In seconds of a monotonic clock.
        """
        if event.type == "unparsable":
            self._warn(f"unparsable text from the server: {one_line(event.raw)}", now)
        elif event.type in SERVER_EVENTS:
            self._warn(f"malformed event from the server: {event.describe()}", now)
        else:
            log.debug("unknown event %s", event.describe())

    def _warn(self, text: str, now: float) -> None:
        if now < self._quiet_until:
            self._untold += 1
            log.debug("%s", text)
            return
        more = f"; {self._untold} more since the last of these" if self._untold else ""
        log.warning("%s%s", text, more)
        self._quiet_until, self._untold = now + QUIET, 0
