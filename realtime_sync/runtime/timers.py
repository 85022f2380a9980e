"""Things to be run later, soonest first. No thread, no socket; the time is `clock.monotonic`."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

from .clock import monotonic

__all__ = ["Timer", "Timers"]

_SLACK = 64  # cancelled timers that may lie in the heap before it is swept


class Timer:
    """Something to run later. `cancel()` may be called by any thread, at any time."""

    __slots__ = ("_fn", "due")

    def __init__(self, due: float, fn: Callable[[], None]) -> None:
        self.due = due  # on clock.monotonic
        self._fn: Callable[[], None] | None = fn  # None once cancelled or run

    def cancel(self) -> None:
        """Do not run it, if it has not begun to run."""
        self._fn = None

    @property
    def cancelled(self) -> bool:
        """Whether it will not run: cancelled, or run already."""
        return self._fn is None

    def take(self) -> Callable[[], None] | None:
        """What to run, once. Runs on the I/O thread."""
        fn, self._fn = self._fn, None
        return fn

    def __repr__(self) -> str:
        state = "cancelled or run" if self.cancelled else f"in {self.due - monotonic():.3f} s"
        return f"<Timer {state}>"


class Timers:
    """The timers of one loop. `add` is for any thread, the rest for the loop's own."""

    def __init__(self) -> None:
        self.fresh: deque[Timer] = deque()  # on their way to the heap; any thread appends
        self._heap: list[tuple[float, int, Timer]] = []
        self._limit = _SLACK  # length at which the heap is swept of cancelled timers
        self._order = itertools.count()  # those due together run in the order of their birth

    def add(self, delay: float, fn: Callable[[], None]) -> Timer:
        """Have `fn` run after `delay` seconds. Any thread."""
        timer = Timer(monotonic() + delay, fn)
        self.fresh.append(timer)
        return timer

    def wait(self) -> float | None:
        """Seconds until the next one is due; None while there is none."""
        heap = self._heap
        while self.fresh:
            timer = self.fresh.popleft()
            heapq.heappush(heap, (timer.due, next(self._order), timer))
        while heap and heap[0][2].cancelled:
            heapq.heappop(heap)
        if len(heap) > self._limit:
            heap[:] = [entry for entry in heap if not entry[2].cancelled]
            heapq.heapify(heap)
            self._limit = 2 * len(heap) + _SLACK
        return max(0.0, heap[0][0] - monotonic()) if heap else None

    def due(self) -> list[Timer]:
        """Those whose time has come, out of the heap; one may still be cancelled by another."""
        now, due = monotonic(), []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due
