"""Who hears of what happens: watchers first, then callbacks; recorders of the link.

The part of `Connection` that tells. It knows nothing of the core, of links or of the lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ..core.responses import ResponseRecord
from ..events.base import Event, LocalEvent
from . import clock
from . import loop as io
from .clients import weakly
from .dispatcher import Dispatch, Dispatcher
from .handlers import Handlers, Present
from .inbox import Entry, Keep
from .taps import Taps
from .watches import Watches

__all__ = ["Telling"]

log = logging.getLogger(__name__)

#: Seconds after which a callback that has not returned is named.
STUCK = 10.0
#: About how many bytes of memory an event takes, without what it brings.
EVENT_BYTES = 1500


class Telling:
    """Tells watchers, callbacks and taps."""

    def __init__(
        self, *, handlers: Handlers, watches: Watches, taps: Taps, dispatch: str | Dispatch
    ) -> None:
        self._handlers = handlers
        self._watches = watches
        self._taps = taps
        self._dispatch = dispatch
        self.dispatcher = self._new_dispatcher()
        self._loop: io.Loop | None = None  # None before `open`, and after a failed one
        self._minder: io.Timer | None = None  # looks whether callbacks return; None: none runs
        self._named: object = None  # the one that was warned of last
        self._closed = clock.Event()  # set when nothing more will happen

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(self._handlers, self._dispatch, self._callback_raised)

    @property
    def in_loop(self) -> bool:
        """Whether this is the I/O thread."""
        return self._loop is not None and self._loop.in_loop()

    def after(self, delay: float, fn: Callable[[], None]) -> io.Timer | None:
        """Run `fn` on the I/O thread after so many seconds; None where there is none any more."""
        return self._loop.call_later(delay, fn) if self._loop is not None else None

    def emit(self, event: LocalEvent) -> None:
        """Tell watchers and callbacks of a local event. From any thread."""
        loop = self._loop
        if loop is not None:
            # a tool may end after its session: nothing comes after connection.closed
            loop.call(lambda: None if self._closed.is_set() else self._publish([event]))

    def _callback_raised(self, event: LocalEvent) -> None:
        """Watchers hear of it by the I/O thread, the only one that feeds them."""
        loop = self._loop
        if loop is not None:
            loop.call(lambda: self._watches.feed([event]))

    def _publish(self, events: Sequence[Event]) -> None:
        """Tell watchers and callbacks of events of our own. Runs on the I/O thread."""
        present = self._handlers.present  # before anybody can know of them
        self._taps.note(events)
        wanted = self._wanted(present, events)
        self._watches.feed(events)
        self._dispatch_to(wanted, [])

    def _wanted(self, present: Present, events: Sequence[Event]) -> list[Entry]:
        """Those that callbacks will get; their thread is there from now on, if it can be.

        Before anybody is woken: the program may end with him, and then no thread begins any more.
        Runs on the I/O thread.

        Args:
            present: Who was registered when they came; what none of them wants is not queued.
            events: In wire order.
        """
        want = present.want
        wanted: list[Entry] = [event for event in events if want(event)]
        if wanted:
            self.dispatcher.begin()
        return wanted

    def _dispatch_to(self, wanted: list[Entry], over: list[ResponseRecord]) -> None:
        """Callbacks after watchers, so that waiting works inside them. Runs on the I/O thread.

        Args:
            wanted: What they get.
            over: The responses that end with it.
        """
        if over and (wanted or self.dispatcher.busy):
            wanted.append(Keep(over, sum(map(_weight, over))))
        if wanted:
            self.dispatcher.put(wanted)
            if self._minder is None and self._loop is not None:
                self._minder = self._loop.call_later(STUCK, weakly(self._mind_callbacks))

    def _mind_callbacks(self) -> None:
        """Name a callback that does not return: those behind it wait for it."""
        stuck = self.dispatcher.stuck
        if stuck is not None and stuck is not self._named:
            self._named = stuck
            log.warning(
                "callback %r has been running for over %g s; all other callbacks wait", stuck, STUCK
            )
        if self.dispatcher.busy and self._loop is not None:
            self._minder = self._loop.call_later(STUCK, weakly(self._mind_callbacks))
        else:
            self._minder = self._named = None


def _weight(record: ResponseRecord) -> int:
    """About how many bytes of memory a response takes."""
    deltas = sum(len(getattr(event, "delta", None) or "") for event in record.events)
    return EVENT_BYTES * len(record.events) + deltas
