"""What is under way and when each next event is due: responses and transcripts, at their pace.

No clock: whoever calls says what time it is.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from realtime_sync.local.responses import Step
from realtime_sync.local.script import Script

__all__ = ["Flow", "Schedule", "Standing"]

Wire = dict[str, Any]

_HELD_CHECK = 0.02  # seconds between two looks whether a held response may go on


class Standing(Protocol):
    """What can be cancelled, and held."""

    @property
    def done(self) -> bool:
        """Whether it says nothing more."""
        ...

    @property
    def standing(self) -> bool:
        """True once it has sent as many deltas as it is to be held after."""
        ...


_S = TypeVar("_S", bound=Standing)


@dataclass(frozen=True, slots=True)
class Flow:
    """A reply that takes its time.

    Attributes:
        steps: What makes its events: server-sent ones, or the one whole body.
        response: What it tells of.
        streamed: Whether it comes in events.
        ended: Called when the connection is no more.
    """

    steps: Iterator[Step]
    response: Standing
    streamed: bool
    ended: Callable[[], None] = lambda: None


@dataclass(slots=True)
class _Stream(Generic[_S]):
    """Events that come by themselves.

    Attributes:
        began: The time at which its steps count from 0.
        steps: What is still to come.
        response: The response that it is, None for a transcript.
        make: Makes the events of the step that is due next; None until that is known.
        waits: Whether it did not know what comes next.
    """

    began: float
    steps: Iterator[Step]
    response: _S | None
    make: Callable[[], list[Wire]] | None = None
    waits: bool = False


class Schedule(Generic[_S]):
    """Streams of events, each at its own time.

    Args:
        script: Says whether held responses stand still.
        speed: Multiplies the pace; None: everything is due at once.
    """

    def __init__(self, script: Script, speed: float | None) -> None:
        self._script = script
        self._pace = 0.0 if speed is None else 1 / speed
        self._heap: list[tuple[float, int, _Stream[_S]]] = []
        self._waiting: list[_Stream[_S]] = []  # those that do not know yet what comes next
        self._order = itertools.count()  # what is due at the same time goes in turn

    def add(self, now: float, steps: Iterator[Step], response: _S | None = None) -> None:
        """Starts a stream whose steps count from now."""
        self._push_next(_Stream(now, steps, response), now)

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None while nothing is under way."""
        return self._heap[0][0] if self._heap else None

    def advance(self, now: float) -> Iterator[tuple[list[Wire], _S | None]]:
        """What is due by now, step by step, each with the response that it belongs to.

        Whoever knew nothing more to say is asked again first.
        """
        waiting, self._waiting = self._waiting, []
        for stream in waiting:
            if stream.response is None or not stream.response.done:
                self._push_next(stream, now)
        while self._heap and self._heap[0][0] <= now:
            _, _, stream = heapq.heappop(self._heap)
            running = stream.response
            if running is not None and running.done:
                continue  # cancelled meanwhile
            if running is not None and running.standing and self._script.held:
                self._push(now + _HELD_CHECK, stream)
                continue
            assert stream.make is not None
            # made now and not when it was planned: the conversation may have changed meanwhile
            events = stream.make()
            self._push_next(stream, now)
            yield events, running

    def _push_next(self, stream: _Stream[_S], now: float) -> None:
        step = next(stream.steps, None)
        if step is None:
            return
        at, stream.make = step
        if stream.make is None:
            stream.waits = True
            self._waiting.append(stream)
            return
        if stream.waits:
            # what comes late is not made up for: the pace goes on from here
            stream.began = max(stream.began, now - at * self._pace)
            stream.waits = False
        self._push(stream.began + at * self._pace, stream)

    def _push(self, due: float, stream: _Stream[_S]) -> None:
        heapq.heappush(self._heap, (due, next(self._order), stream))
