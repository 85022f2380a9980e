"""A line in the log for each connection, each turn and each call of REST. No thread, no socket.

At INFO; whoever does not listen for that pays for none of it.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from realtime_sync.local.reception import Visit

if TYPE_CHECKING:
    from realtime_sync.local.http import Request
    from realtime_sync.local.page import Site

__all__ = ["Entry", "Onlooker", "called", "onlookers", "refused"]

Wire = dict[str, Any]

log = logging.getLogger(__name__)

_SHOWN = 80  # characters of what was said
_SAID = 12  # texts of a turn, the last
_numbers = itertools.count(1)  # of connections: several servers may share a log
_CALLS = ("function_call", "mcp_call", "mcp_approval_request")  # another response follows them
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


class Onlooker(Protocol):
    """Sees all events of a session; runs on the thread of its connection."""

    def heard(self, event: object) -> None:
        """A client event, or what was none."""

    def told(self, event: Wire) -> None:
        """A server event."""

    def leave(self) -> None:
        """The connection is no more."""


def onlookers(visit: Visit, site: Site | None) -> tuple[Onlooker, ...]:
    """Whoever looks on at a session that begins: the page, where there is one, and the log."""
    looking: list[Onlooker] = []
    if site is not None:
        looking.append(site.begin(visit.kind, visit.model, visit.dialect, visit.call_id))
    if log.isEnabledFor(logging.INFO):
        looking.append(Entry(visit))
    return tuple(looking)


def refused(code: int, message: str) -> None:
    """Somebody was not let in: a status of HTTP, or a WebSocket's close code."""
    if log.isEnabledFor(logging.INFO):
        log.info("refused: %d, %s", code, _short(message))


def called(request: Request, status: int) -> None:
    """A call of REST is answered."""
    if log.isEnabledFor(logging.INFO):
        path = request.target.partition("?")[0]  # a query may hold a key
        log.info("%s %s: %d", _short(request.method), _short(path), status)


class Entry:
    """What the log says of one session.

    Args:
        visit: What its client was let in for.
    """

    def __init__(self, visit: Visit) -> None:
        # when called: the room of the page is not needed where nobody looks on
        from realtime_sync.local.page.timings import Timings

        self._number = next(_numbers)
        self._began = time.monotonic()
        self._timings = Timings()
        self._revision = 0
        self._said: deque[str] = deque(maxlen=_SAID)  # by both sides, in the turn that goes on
        self._counts = [0, 0]  # client events, server events
        named = [visit.kind, visit.model, visit.call_id, "beta" if visit.dialect == "beta" else ""]
        log.info("#%d connected: %s", self._number, ", ".join(_short(one) for one in named if one))

    def heard(self, event: object) -> None:
        self._counts[0] += 1
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            self._timings.heard(event, self._now, self._revision)
            if event["type"] == "conversation.item.create":
                self._note(event.get("item"), "user")

    def told(self, event: Wire) -> None:
        self._counts[1] += 1
        self._revision += 1
        self._timings.told(event, self._now, self._revision)
        if event["type"] == _TRANSCRIBED:
            self._said.append(f"user: {_short(str(event.get('transcript')))}")
        elif event["type"] == "response.output_item.done":
            self._note(event.get("item"), "assistant")
        elif event["type"] == "response.done":
            self._turn(event.get("response"))

    def leave(self) -> None:
        heard, told = self._counts
        log.info(
            "#%d disconnected after %.1f s: %d events came, %d went",
            *(self._number, self._now / 1000, heard, told),
        )

    @property
    def _now(self) -> float:
        return (time.monotonic() - self._began) * 1000

    def _note(self, item: Any, role: str) -> None:
        from realtime_sync.local.page.excerpt import brief, inside

        if inside(item, "role") == role or inside(item, "type") in ("function_call", "mcp_call"):
            said = brief({"type": "", "item": item})
            self._said.append(_short(said.removeprefix("message ")))
        elif inside(item, "type") == "function_call_output":
            self._said.append(f"output: {_short(str(inside(item, 'output')))}")

    def _turn(self, response: Any) -> None:
        """A response is over, and with it its turn, unless it has called something."""
        from realtime_sync.local.page.excerpt import inside

        output = inside(response, "output")
        if isinstance(output, list) and any(inside(item, "type") in _CALLS for item in output):
            return
        for turn in self._timings.since(self._revision - 1):
            said = " | ".join(self._said) or "nothing was said"
            self._said.clear()
            log.info(
                "#%d turn %d: %s, %d ms, %d tokens: %s",
                *(self._number, turn["n"], _short(turn["status"]), round(turn["total_ms"])),
                *(turn["tokens"], said),
            )


def _short(text: str) -> str:
    # when called: this room imports nothing of the client's side
    from realtime_sync.recording.veil import unkeyed
    from realtime_sync.runtime.framing import printable

    return printable(unkeyed(text[: 4 * _SHOWN]), _SHOWN)
