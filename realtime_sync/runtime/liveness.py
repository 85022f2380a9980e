"""When a server is asked for a sign of life, and when it has given none. The time is given to it.

Whatever comes is a sign; a server that has just spoken is not asked. So a link that is only half
there is found two intervals after the last thing that came over it, at the latest.
"""

from __future__ import annotations

__all__ = ["Liveness"]

#: Seconds that a server has to answer after we have been asleep.
PROBE = 5.0
#: Seconds by which a timer may be early.
_EARLY = 0.002


class Liveness:
    """Of one link at a time. All of it on the I/O thread."""

    def __init__(self, interval: float | None) -> None:
        self.interval = interval or None  # seconds; None: never asked
        self._asked: float | None = None  # when the server was asked

    def begin(self) -> float | None:
        """A new link; seconds until the first look, None: never."""
        self._asked = None
        return self.interval

    def probe(self, now: float) -> float:
        """The server is asked out of turn; seconds until the next look."""
        self._asked = now
        return min(PROBE, self.interval or PROBE)

    def silent(self, last_received: float) -> bool:
        """Whether the server was asked, and nothing has come since."""
        # only if it was asked: after a suspend the silence may be ours
        return self._asked is not None and last_received < self._asked

    def look(self, now: float, last_received: float) -> tuple[bool, float]:
        """Whether to ask now, and seconds until the next look.

        Args:
            now: In seconds of a monotonic clock.
            last_received: When the last byte came.
        """
        interval = self.interval or 0.0
        left = last_received + interval - now
        if left > _EARLY:
            self._asked = None
            return False, left
        self._asked = now
        return True, interval
