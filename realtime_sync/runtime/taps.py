"""Functions that see every event as the wire has it. They run on the I/O thread: be quick."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..events.base import Event, UnknownEvent
from ..events.local import ConnectionClosed, ConnectionLost
from .clock import Deadline, monotonic
from .handlers import check_plain

__all__ = ["BEGAN", "Recorder", "Tap", "Taps"]

log = logging.getLogger(__name__)

#: `fn("sent" or "received", event)`
Tap = Callable[[str, dict[str, Any]], object]

#: What a recording of a session that is open already begins with.
BEGAN = "recording.began"
#: Seconds after which a tap is too slow: it delays every session of the process.
SLOW = 0.05


class Recorder(Protocol):
    """Takes frames as they are, to be looked at elsewhere. All of it never blocks."""

    @property
    def over(self) -> bool: ...
    def take(self, direction: str, frame: bytes) -> None: ...
    def note(self, event: dict[str, Any]) -> None: ...
    def end(self) -> None: ...
    def join(self, deadline: Deadline) -> bool: ...


class Taps:
    """All taps of a session. Readers need no lock: the tuples are never changed."""

    def __init__(self) -> None:
        self._all: tuple[Tap, ...] = ()
        self._recorders: tuple[Recorder, ...] = ()
        # guards the replacement of the tuple: two threads may add at once
        self._changing = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._all or self._recorders)

    def add(self, fn: Tap) -> Callable[[], None]:
        """Show `fn` everything from now on; the function that ends it."""
        if not callable(fn):
            raise TypeError(f'tap: a function of ("sent" or "received", event), not {fn!r}')
        check_plain(fn, "a tap")
        own: Tap = lambda direction, event: fn(direction, event)  # noqa: E731  # one per add
        own.__dict__["tap"] = fn
        with self._changing:
            self._all = (*self._all, own)
        return lambda: self._remove(own)

    def _remove(self, own: Tap) -> None:
        with self._changing:
            self._all = tuple(tap for tap in self._all if tap is not own)

    def record(self, recorder: Recorder) -> None:
        """Give this one every frame from now on, until it is over."""
        with self._changing:
            going = (other for other in self._recorders if not other.over)
            self._recorders = (*going, recorder)

    def note(self, events: Sequence[Event]) -> None:
        """What recorders hear of the link. Runs on the I/O thread."""
        for event in events:
            if isinstance(event, (ConnectionLost, ConnectionClosed)):
                known = {"type": event.type, **_cause(event.error)}
                for recorder in self._recorders:
                    recorder.note(known)

    def end(self) -> None:
        """Nothing more will come. From any thread."""
        for recorder in self._recorders:
            recorder.end()

    def join(self, deadline: Deadline) -> None:
        """Wait for recorders that have been told the end."""
        for recorder in self._recorders:
            if recorder.over and not recorder.join(deadline):
                log.warning("%r is not written to its end", recorder)

    def show(
        self,
        direction: str,
        frame: bytes,
        event: Event | None,
        hidden: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Runs on the I/O thread.

        Args:
            direction: "sent" or "received".
            frame: As it is on the wire.
            event: What was made of it, if that is known.
            hidden: Takes our key out of it, for recorders; None: it is in none.
        """
        for recorder in self._recorders:
            if not recorder.over:
                recorder.take(direction, frame if hidden is None else hidden(frame))
        if not self._all:
            return
        try:
            shown = json.loads(frame)
        except (ValueError, RecursionError):
            shown = None
        if not isinstance(shown, dict):
            raw = event.raw if isinstance(event, UnknownEvent) else None
            shown = {"type": "unparsable", "raw": raw}
        for tap in self._all:
            start = monotonic()
            try:
                tap(direction, shown)
            # BaseException: a tap's sys.exit() must not end the session
            except BaseException:
                log.exception("a tap raised and is taken off: %r", tap.__dict__.get("tap"))
                self._remove(tap)
            took = monotonic() - start
            if took > SLOW:
                log.warning(
                    "a tap took %d ms and delayed every session: %r",
                    took * 1000,
                    tap.__dict__.get("tap"),
                )


def _cause(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return {}
    return {"error": str(error), "code": getattr(error, "code", None)}
