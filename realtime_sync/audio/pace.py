"""Real time for sound that knows none: files, arrays, sinks that take all at once. No devices.

Whoever keeps pace asks a clock. The real one waits; the virtual one is moved by a test, so that an
hour of sound passes in seconds, in the same order on every run.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..runtime.clock import Condition, Event, monotonic
from .codecs import Bytes
from .sources import frames_of

__all__ = ["REAL", "Clock", "PacedSource", "RealClock", "VirtualClock"]

_LIMIT = 10.0  # seconds of real time that a thread may take for one step of virtual time
FRAME_MS = 20


class Clock(Protocol):
    """Where time comes from, for threads that keep pace."""

    def now(self) -> float:
        """Seconds, from whenever."""
        ...

    def enter(self) -> None:
        """One more thread keeps pace."""
        ...

    def leave(self) -> None:
        """One fewer."""
        ...

    def wait_until(self, when: float, stop: Event) -> None:
        """Return at that time, or once `stop` is set and `wake` called."""
        ...

    def wake(self) -> None:
        """Have those that wait look at their `stop`."""
        ...


class RealClock:
    """The time that passes."""

    def now(self) -> float:
        """Seconds, from whenever."""
        return monotonic()

    def enter(self) -> None:
        """Nothing to do: time waits for no thread."""

    def leave(self) -> None:
        """Nothing to do."""

    def wait_until(self, when: float, stop: Event) -> None:
        """Return at that time, or once `stop` is set."""
        stop.wait(max(0.0, when - monotonic()))

    def wake(self) -> None:
        """Nothing to do: `stop` wakes by itself."""


REAL = RealClock()


class VirtualClock:
    """Time that passes when `advance` is called, and no other way.

    It stands still while a thread that keeps pace is at work, however slow the machine is: two
    threads that both wait 20 ms do so side by side.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._changed = Condition()
        self._working = 0  # threads that keep pace and are not waiting
        self._waits: dict[object, float] = {}  # the others, and until when
        self._released = False

    def now(self) -> float:
        """Seconds advanced so far."""
        with self._changed:
            return self._now

    def enter(self) -> None:
        """One more thread keeps pace: time waits until it does."""
        with self._changed:
            self._working += 1

    def leave(self) -> None:
        """One fewer."""
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def wait_until(self, when: float, stop: Event) -> None:
        """Return at that time, or once `stop` is set and `wake` called. After `enter` only."""
        mark = object()
        with self._changed:
            if when <= self._now or self._released:
                return
            self._working -= 1
            self._waits[mark] = when
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: mark not in self._waits or stop.is_set() or self._released
            )
            if self._waits.pop(mark, None) is not None:
                self._working += 1  # else `advance` has counted it

    def wake(self) -> None:
        """Have those that wait look at their `stop`."""
        with self._changed:
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Let so much time pass; returns when all that was due has been done.

        Raises:
            RuntimeError: A thread that keeps pace is stuck.
        """
        with self._changed:
            end = self._now + seconds
            self._settle()
            while self._waits and (due := min(self._waits.values())) <= end + 1e-9:
                self._now = max(self._now, due)
                for mark in [one for one, when in self._waits.items() if when <= due + 1e-9]:
                    del self._waits[mark]
                    self._working += 1
                self._changed.notify_all()
                self._settle()
            self._now = end

    def release(self) -> None:
        """Hold nobody any more: every wait ends at once, for the end of a test."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def _settle(self) -> None:
        if not self._changed.wait_for(lambda: not self._working, _LIMIT):
            raise RuntimeError(f"{self._working} thread(s) that keep pace are stuck")

    def __repr__(self) -> str:
        return f"<VirtualClock, {self._now:.3f} s>"


class PacedSource:
    """A source in real time: 20 ms of PCM16 mono at 24 kHz each 20 ms, whatever it was.

    One that is slower by itself, as a microphone of your own, is only cut into frames. Belongs to
    one thread, but for `close`.

    Args:
        source: What `frames_of` takes.
        clock: Whose time; None: the real one.
    """

    sample_rate = 24_000

    def __init__(
        self, source: Any, *, sample_rate: int | None = None, clock: Clock | None = None
    ) -> None:
        self._frames = frames_of(source, sample_rate=sample_rate, frame_ms=FRAME_MS)
        self._clock = clock or REAL
        self._stop = Event()
        self._due: float | None = None  # when the next frame is; None: not begun

    def read(self) -> Bytes:
        """The next frame, when it is due; b"" at the end. Raises as `frames_of`."""
        frame = next(self._frames, b"")
        if not frame or self._stop.is_set():
            self._frames.close()  # `close` could not, while this was at work
            return b""
        now = self._clock.now()
        # a source that paused is not followed by a burst
        due = now if self._due is None else max(self._due, now - 0.1)
        self._due = due + len(frame) / (2 * self.sample_rate)
        self._clock.wait_until(self._due, self._stop)
        if self._stop.is_set():
            self._frames.close()
            return b""
        return frame

    def close(self) -> None:
        """End it, and close its file; a `read` that waits returns b"". From any thread."""
        self._stop.set()
        self._clock.wake()
        try:
            self._frames.close()
        except ValueError:
            pass  # another thread reads just now, and closes it itself
