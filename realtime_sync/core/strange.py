"""What a server says that we do not understand: what it was to say, and the log of it. Pure."""

from __future__ import annotations

import logging
import math
import re
from typing import Any

from ..events.base import UnknownEvent, one_line
from ..events.server import SERVER_EVENTS

__all__ = ["Strange", "meant"]

log = logging.getLogger(__name__)

#: Seconds between two warnings: a server that says nothing else must not fill a log.
QUIET = 1.0


#: In text that is no JSON: a type, and the id and the status of a response. Inside a string of JSON
#: the quotes have backslashes, and do not match.
_TYPE = re.compile(r'"type"\s*:\s*"([^"\\]+)"')
_RESPONSE = re.compile(r'"response"\s*:\s*{[^{}]*?"id"\s*:\s*"([^"\\]+)"')
_STATUS = re.compile(r'"status"\s*:\s*"(completed|cancelled|incomplete|failed)"')


def meant(event: UnknownEvent) -> tuple[str, dict[str, Any]]:
    """The type that an event which cannot be read was to have, and its fields as far as known.

    Text that is cut or garbled tells at least for whom it was: somebody may wait for it.
    """
    if event.type != "unparsable" or not isinstance(event.raw, str):
        return event.type, event.raw if isinstance(event.raw, dict) else {}
    kind = next((name for name in _TYPE.findall(event.raw) if name in SERVER_EVENTS), "")
    response, status = _RESPONSE.search(event.raw), _STATUS.search(event.raw)
    named = {"id": response and response[1], "status": status and status[1]}
    return kind, {"response": named}


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
