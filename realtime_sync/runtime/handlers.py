"""The registry of callbacks: which function wants which event. Runs nothing itself."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from ..events.base import Event, UnknownEvent
from ..events.beta import SERVER_NAMES
from ..events.local import LOCAL_EVENTS
from ..events.server import SERVER_EVENTS

__all__ = ["Handlers", "Present", "Wanted", "check_called", "check_plain", "event_type"]

log = logging.getLogger(__name__)

#: What a handler or watcher wants: a name, a glob, or a class that many events share.
Wanted = str | type[Event]

#: Beta names of what goes by another name alone in GA.
_BETA = {beta: ga for beta, ga in SERVER_NAMES.items() if beta not in SERVER_EVENTS}


def event_type(wanted: str | type[Event]) -> Wanted:
    """How an event is looked for: a wire name, a prefix glob, "*", or a class without a name.

    Raises:
        TypeError: Neither a string nor an event class.
        ValueError: A glob with the star elsewhere than at the end, or a name of the beta dialect.
    """
    if isinstance(wanted, type) and issubclass(wanted, Event):
        name = str(wanted.model_fields["type"].default)
        return name or ("*" if wanted is Event else wanted)
    if not isinstance(wanted, str):
        raise TypeError(f"type: a wire name or an event class, not {type(wanted).__name__}")
    if wanted in _BETA:
        raise ValueError(f"{wanted!r} is a beta name; events have GA names here: {_BETA[wanted]!r}")
    if not wanted or "*" in wanted[:-1]:
        raise ValueError(f'{wanted!r}: a name, a prefix such as "response.*", or "*"')
    if not wanted.endswith("*") and not (wanted in SERVER_EVENTS or wanted in LOCAL_EVENTS):
        _warn_of(wanted)
    return wanted


@cache
def _warn_of(name: str) -> None:
    """Once a name: it may be newer than we are, so it is waited for; mostly it is a slip."""
    from difflib import get_close_matches  # costs a tenth of our import, and is seldom needed

    near = get_close_matches(name, [*SERVER_EVENTS, *LOCAL_EVENTS], n=1, cutoff=0.85)
    if near:
        log.warning("no event is known by the name %r; is %r meant?", name, near[0])


def names(event: Event) -> str | None:
    """The exact name an event goes by; None for one that only globs may see."""
    # a malformed event of a known type would break handlers that trust its shape; so would one
    # that a server gives the name of an event of ours
    if isinstance(event, UnknownEvent) and (
        event.type in SERVER_EVENTS or event.type in LOCAL_EVENTS
    ):
        return None
    return event.type


class _Handler:
    __slots__ = ("fn", "once", "wanted")

    def __init__(self, wanted: Wanted, fn: Callable[[Any], object], once: bool) -> None:
        self.wanted = wanted
        self.fn = fn
        self.once = once

    def sees(self, event: Event) -> bool:
        if not isinstance(self.wanted, str):
            return isinstance(event, self.wanted)
        if self.wanted.endswith("*"):
            return event.type.startswith(self.wanted[:-1])
        return names(event) == self.wanted

    def asks_for(self, kind: str) -> bool:
        """Whether it wants such events in particular, and not everything only."""
        wanted = self.wanted
        if not isinstance(wanted, str) or wanted == "*":
            return False
        return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


class Present:
    """Whoever is registered at one moment. Readers need no lock: only what it remembers changes."""

    __slots__ = ("all", "asked", "cache")

    def __init__(self, handlers: tuple[_Handler, ...] = ()) -> None:
        self.all = handlers
        self.cache: dict[tuple[str, type[Event]], tuple[_Handler, ...]] = {}
        self.asked: dict[str, bool] = {}  # like the cache, of `ask_for`

    def listeners(self, event: Event) -> tuple[_Handler, ...]:
        """Those of them who listen to such an event, in order."""
        cache = self.cache
        place = (event.type, type(event))
        found = cache.get(place)
        if found is None:
            found = tuple(h for h in self.all if h.sees(event))
            if len(cache) < 1000:  # a peer that invents names must not fill our memory
                cache[place] = found
        return found

    def want(self, event: Event) -> bool:
        """Whether anybody listens to such an event. The hot path: no lock."""
        return bool(self.all) and bool(self.listeners(event))

    def ask_for(self, kind: str) -> bool:
        """Whether anybody listens to such events in particular. The hot path: no lock."""
        asked = self.asked
        known = asked.get(kind)
        if known is None:
            known = asked[kind] = any(handler.asks_for(kind) for handler in self.all)
        return known


class Handlers:
    """Handlers in order of registration."""

    def __init__(self) -> None:
        self.present = Present()  # replaced as a whole
        # guards its replacement: two threads may register at once
        self._changing = threading.Lock()

    def add(self, wanted: Wanted, fn: Callable[[Any], object], *, once: bool = False) -> None:
        """Register `fn(event)`.

        Raises:
            TypeError: It cannot be called with one argument, or would not run when called: a
                coroutine function, a generator.
        """
        check_called(fn, "a handler")
        with self._changing:
            self.present = Present((*self.present.all, _Handler(wanted, fn, once)))

    def remove(self, wanted: Wanted, fn: Callable[[Any], object]) -> bool:
        """Take the oldest such registration off; whether there was one."""
        with self._changing:
            for handler in self.present.all:
                if handler.wanted == wanted and handler.fn == fn:
                    self._drop(handler)
                    return True
        return False

    def _drop(self, handler: _Handler) -> None:
        self.present = Present(tuple(h for h in self.present.all if h is not handler))

    def want(self, event: Event) -> bool:
        """Whether anybody listens to such an event. The hot path: no lock."""
        return self.present.want(event)

    def take(self, event: Event) -> Iterator[Callable[[Any], object]]:
        """Whom to call with this event; those registered by `once` are taken off.

        One that is taken off before its turn, perhaps by the one before it, is left out.
        """
        for handler in self.present.listeners(event):
            if handler.once:
                with self._changing:
                    if handler not in self.present.all:
                        continue  # another thread was faster
                    self._drop(handler)
            elif handler not in self.present.all:
                continue
            yield handler.fn


#: What only makes an object when it is called, and runs later, or never.
_LAZY: dict[Callable[[Any], bool], str] = {
    inspect.iscoroutinefunction: "a coroutine function",
    inspect.isasyncgenfunction: "an asynchronous generator",
    inspect.isgeneratorfunction: "a generator",
}


def check_plain(fn: Callable[..., object], what: str) -> None:
    """Refuse a function that does nothing by being called.

    Raises:
        TypeError: A coroutine function, or a generator.
    """
    for run in (fn, type(fn).__call__):  # an object's may be async
        for lazy, kind in _LAZY.items():
            if lazy(run):
                raise TypeError(f"{what} is a plain function; this one is {kind}")


def check_called(fn: Callable[[Any], object], what: str) -> None:
    """Refuse what cannot be called with one event.

    Raises:
        TypeError: It is no function, or not one of one argument.
    """
    if not callable(fn):
        raise TypeError(f"{what} is a function of one event, not {type(fn).__name__}")
    check_plain(fn, what)
    try:
        inspect.signature(fn).bind(object())
    except TypeError:
        raise TypeError(f"{fn!r}: {what} is called with one argument, the event") from None
    except ValueError:
        pass  # built-ins without a signature
