"""Functions that see every event as the wire has it. They run on the I/O thread: be quick."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from ..events.base import Event, UnknownEvent
from .clock import monotonic

__all__ = ["Tap", "Taps"]

log = logging.getLogger(__name__)

#: `fn("sent" or "received", event)`
Tap = Callable[[str, dict[str, Any]], object]

#: Seconds after which a tap is too slow: it delays every session of the process.
SLOW = 0.05


class Taps:
    """All taps of a session. Readers need no lock: the tuple is never changed."""

    def __init__(self) -> None:
        self._all: tuple[Tap, ...] = ()
        # guards the replacement of the tuple: two threads may add at once
        self._changing = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, fn: Tap) -> Callable[[], None]:
        """Show `fn` everything from now on; the function that ends it."""
        if not callable(fn):
            raise TypeError(f'tap: a function of ("sent" or "received", event), not {fn!r}')
        own: Tap = lambda direction, event: fn(direction, event)  # noqa: E731  # one per add
        own.__dict__["tap"] = fn
        with self._changing:
            self._all = (*self._all, own)
        return lambda: self._remove(own)

    def _remove(self, own: Tap) -> None:
        with self._changing:
            self._all = tuple(tap for tap in self._all if tap is not own)

    def show(self, direction: str, frame: bytes, event: Event | None) -> None:
        """Runs on the I/O thread."""
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
