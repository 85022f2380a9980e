"""Watchers: whoever waits for events on a thread of his own. Fed before any callback.

Each has its own inbox, filled by the I/O thread, and takes nothing from the others. A watcher
nobody holds any more is forgotten.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import RealtimeError, RealtimeTimeout
from ..events.base import Event
from .clock import Deadline, may_wait
from .handlers import Wanted, names
from .inbox import Inbox

__all__ = ["Predicate", "Watch", "Watches"]

Predicate = Callable[[Any], object]
#: Those who watch at one moment.
Watching = tuple["weakref.ref[Watch]", ...]


class Watch:
    """The events that somebody waits for."""

    #: Whether it is there for good, also where opening the session has failed.
    lasting = False

    def __init__(self, wanted: tuple[Wanted, ...]) -> None:
        texts = [w for w in wanted if isinstance(w, str)]
        self._exact = frozenset(text for text in texts if not text.endswith("*"))
        self._prefixes = tuple(text[:-1] for text in texts if text.endswith("*"))
        self._classes = tuple(w for w in wanted if not isinstance(w, str))
        self._inbox = Inbox("an iterator of events")
        self._waiting: set[int] = set()  # threads: an iterator may be shared
        self.ended = False
        self.error: RealtimeError | None = None  # why it ended; None where it was closed

    def sees(self, event: Event) -> bool:
        """Whether it waits for such an event."""
        return (
            event.type.startswith(self._prefixes)
            or names(event) in self._exact
            or isinstance(event, self._classes)
        )

    def asks_for(self, kind: str) -> bool:
        """Whether it waits for such events in particular, and not for everything only."""
        return kind in self._exact or any(p and kind.startswith(p) for p in self._prefixes)

    def put(self, events: list[Event]) -> None:
        """Runs on the I/O thread; never blocks."""
        self._inbox.put(events)

    def end(self, error: RealtimeError | None) -> None:
        """Nothing will come any more. From any thread."""
        if not self.ended:
            self.error = error
            self.ended = True
            self._inbox.wake()

    def get(self, deadline: Deadline) -> Event | None:
        """The next event; None at the end.

        Raises:
            RealtimeTimeout: None came in time.
            WouldDeadlock: Called in a tap.
        """
        may_wait()
        while True:
            ended = self.ended  # before the entry: the last one may come in between
            entry = self._inbox.take()
            if (isinstance(entry, Event) or ended) and self._waiting:
                self._inbox.wake()  # one wake-up for all that came together: pass it on
            if isinstance(entry, Event):
                return entry
            if ended:
                return None
            if not self._wait(deadline):
                raise RealtimeTimeout(
                    f"no {self._awaited()} within {deadline.timeout:g} s; give it more by timeout="
                )

    def _awaited(self) -> str:
        prefixes = (f"{prefix}*" if prefix else "event" for prefix in self._prefixes)
        classes = (cls.__name__ for cls in self._classes)
        return " or ".join([*sorted(self._exact), *prefixes, *classes])

    def _wait(self, deadline: Deadline) -> bool:
        mine = threading.get_ident()
        self._waiting.add(mine)
        try:
            # what came before we were in there was passed on to nobody
            return self.ended or bool(self._inbox) or self._inbox.wait(deadline.remaining())
        finally:
            self._waiting.discard(mine)

    def ready(self) -> Event | None:
        """The next event that has come already; None where there is none."""
        entry = self._inbox.take()
        return entry if isinstance(entry, Event) else None

    def first(self, predicate: Predicate | None, deadline: Deadline) -> Event | None:
        """The next event that the predicate, run here, likes; None at the end."""
        while True:
            event = self.get(deadline)
            if event is None or predicate is None or predicate(event):
                return event


class Watches:
    """All watchers of a session. Readers need no lock: the tuple is never changed."""

    def __init__(self) -> None:
        self._all: Watching = ()
        self.owner: object = None  # the session: whoever waits for its events keeps it
        self._over = False  # the session is closed: nothing will come
        self._error: RealtimeError | None = None  # why, where it was lost
        # guards the replacement of the tuple; re-entrant, since a watcher may be collected
        # while this very thread holds it
        self._changing = threading.RLock()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, wanted: Iterable[Wanted]) -> Watch:
        """A new watcher; no names: everything."""
        watch = Watch(tuple(wanted) or ("*",))
        self.admit(watch)
        return watch

    def admit(self, watch: Watch) -> None:
        """Feed this one too. Whoever holds it keeps it."""
        with self._changing:
            if self._over:  # it was still open when the caller looked
                watch.end(self._error)
            else:
                self._all = (*self._all, weakref.ref(watch, self._gone))

    def want(self, event: Event) -> bool:
        """Whether anybody waits for such an event."""
        watches = [ref() for ref in self._all]
        return any(watch is not None and watch.sees(event) for watch in watches)

    def remove(self, watch: Watch) -> None:
        """It waits no more; whoever reads on gets what has come, then the end."""
        with self._changing:
            self._all = tuple(ref for ref in self._all if ref() is not watch)
        watch.end(None)

    def _gone(self, dead: weakref.ref[Watch]) -> None:
        with self._changing:
            self._all = tuple(ref for ref in self._all if ref is not dead)

    def ask_for(self, kind: str) -> bool:
        """Whether anybody waits for such events in particular. The hot path: no lock."""
        for ref in self._all:
            watch = ref()
            if watch is not None and watch.asks_for(kind):
                return True
        return False

    @property
    def watching(self) -> Watching:
        """Who watches now."""
        return self._all

    def feed(self, events: Sequence[Event], watching: Watching | None = None) -> None:
        """Runs on the I/O thread; never blocks.

        Args:
            events: In wire order.
            watching: Who did when they came; None: who does now.
        """
        for ref in self._all if watching is None else watching:
            watch = ref()
            if watch is not None:
                seen = [event for event in events if watch.sees(event)]
                if seen:
                    watch.put(seen)

    def orphaned(self, error: RealtimeError) -> None:
        """In a forked child: nobody feeds them any more."""
        self._changing = threading.RLock()  # a thread that is not here may have held the old one
        self.end(error)

    def end(self, error: RealtimeError | None, *, over: bool = True) -> None:
        """No watcher gets any more.

        Args:
            error: Why; None where the session was closed.
            over: The session will not be opened again.
        """
        with self._changing:
            lasting = () if over else tuple(ref for ref in self._all if _lasts(ref()))
            refs, self._all = self._all, lasting
            self._over, self._error = over, error
        for ref in refs:
            watch = ref()
            if watch is not None and ref not in lasting:
                watch.end(error)


def _lasts(watch: Watch | None) -> bool:
    return watch is not None and watch.lasting
