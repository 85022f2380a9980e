"""One request for the page over a connection: a file, or the stream that keeps a viewer told.

Like `serving`, but no fault of the script's ever touches it. No threads, sockets or clock.
"""

from __future__ import annotations

from collections.abc import Callable

from realtime_sync.local.http import Exchange, Reply, Request, chunk, sse, stream_head
from realtime_sync.local.page.gate import HEADERS
from realtime_sync.local.page.news import News
from realtime_sync.local.serving import Line

__all__ = ["Viewing"]

_TICK = 0.1  # seconds between two messages: what comes meanwhile goes together
_BEAT = 5.0  # seconds without news after which a viewer is told so: the page knows we live
_PATIENCE = 15.0  # seconds that a viewer may read nothing


class Viewing:
    """One viewer.

    He is told ten times a second what is new. Nothing wakes him: a session that is looked at does
    not know it. One who does not read gets nothing more, and is dropped after 15 seconds.

    Args:
        line: Where both go.
        answer: Says what a request gets: a reply, or what a viewer is to be told.
        left: Called when a viewer has gone.
        greeting: What he is told first, as JSON.
    """

    def __init__(
        self,
        line: Line,
        *,
        answer: Callable[[Request], Reply | News],
        left: Callable[[], None],
        greeting: str,
    ) -> None:
        self._line = line
        self._answer, self._left, self._greeting = answer, left, greeting
        self._exchange = Exchange()
        self._news: News | None = None  # what he is told; None until he has asked for the stream
        self._next = 0.0  # when
        self._said = 0.0  # when he was told something last

    @property
    def under_way(self) -> bool:
        """True once it is a stream."""
        return self._news is not None

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None: nothing is under way."""
        if self._news is None or self._line.cut:
            return None
        return self._next if self._line.has_room else self._next + _PATIENCE

    def received(self, data: bytes, now: float) -> None:
        """Takes more of the request, at that time; what comes after it is not read.

        Runs on the thread of the connection, as all here; times are seconds of its clock.
        """
        if self._news is not None or self._line.half_closed:
            return
        request = self._exchange.received(data)
        if request is None:
            return
        reply = request if isinstance(request, Reply) else self._answer(request)
        if isinstance(reply, Reply):
            self._line.unsent += reply.wire()
            self._line.half_closed = True
            return
        self._news, self._next = reply, now
        self._line.unsent += stream_head(HEADERS)
        self._say(self._greeting, now)
        self.advance(now)

    def advance(self, now: float) -> None:
        """Tells what is new by now."""
        due = self.due
        if self._news is None or due is None or now < due:
            return
        if not self._line.has_room:
            self._line.unsent.clear()  # nobody reads it
            self._line.cut = True
            return
        message = self._news.message()
        if message is not None or now - self._said >= _BEAT:
            self._say(message or "{}", now)
        self._next = now if self._news.more else now + _TICK

    def ended(self) -> None:
        """The connection is no more."""
        if self._news is not None:
            self._left()

    def _say(self, message: str, now: float) -> None:
        self._line.unsent += chunk(sse({"data": message}))
        self._said = now
