"""Where a player's slices go: a device, or a sink of the user's. Used by the player's thread."""

from __future__ import annotations

from typing import Any, Protocol

from ..runtime.clock import Event
from .formats import RATE
from .pace import Clock
from .ports import OutputPort
from .rates import Resampler

__all__ = ["AudioSink", "DeviceOutput", "Output", "SinkOutput"]


class AudioSink(Protocol):
    """Anything that can be written; optionally with `sample_rate` in Hz, else 24000.

    Optional, too: `stop()`, which drops what was written and not played, and `played_ms`, the
    milliseconds played so far; without it, what was written counts as played.
    """

    def write(self, pcm: bytes) -> object:
        """The next PCM16 mono; may block while it plays."""
        ...


class Output(Protocol):
    """Where slices go. Every call by the player's thread."""

    drops: bool  # stop() takes back what was written

    def open(self) -> None: ...
    def write(self, pcm: bytes, sounding: bool) -> None: ...
    def latency(self) -> float: ...
    def stop(self) -> bool: ...
    def close(self) -> None: ...


class DeviceOutput:
    """A device: it keeps the pace, is never left without sound, and is found again when lost."""

    drops = False  # PortAudio cannot drop what it has; that is why it has little

    def __init__(self, wanted: tuple[Any, Any, Any], stop: Event) -> None:
        self._wanted = wanted
        self._stop = stop
        self.port: OutputPort | None = None
        self.underruns = 0

    def open(self) -> None:
        self.port = OutputPort(*self._wanted, self._stop)
        self.port.open()

    def write(self, pcm: bytes, sounding: bool) -> None:  # noqa: ARG002  # silence, too
        assert self.port is not None
        while True:
            try:
                self.underruns += self.port.write(pcm)
                return
            except OSError as exc:
                self.port.reopen(exc)

    def latency(self) -> float:
        assert self.port is not None
        return self.port.latency()

    def stop(self) -> bool:
        return False

    def close(self) -> None:
        if self.port is not None:
            self.port.close()


class SinkOutput:
    """A sink of the user's, given no more than has been played by the clock."""

    def __init__(self, sink: Any, silence: bool, clock: Clock, stop: Event) -> None:
        self._sink = sink
        self._silence = silence
        self._clock, self._stop = clock, stop
        self.drops = callable(getattr(sink, "stop", None))
        rate = getattr(sink, "sample_rate", None) or RATE
        self._resampler = None if rate == RATE else Resampler(RATE, rate, engine="numpy")
        self._due: float | None = None
        self._written = 0.0  # seconds
        self._played = 0.0  # seconds of it that the sink dropped

    def open(self) -> None:
        self._due = self._clock.now()

    def write(self, pcm: bytes, sounding: bool) -> None:
        assert self._due is not None
        seconds = len(pcm) / (2 * RATE)
        if sounding or self._silence:
            self._sink.write(self._resampler.feed(pcm) if self._resampler else pcm)
            self._written += seconds
        # after a sink that blocked for long no burst follows
        self._due = max(self._due + seconds, self._clock.now() - 0.1)
        self._clock.wait_until(self._due, self._stop)

    def latency(self) -> float:
        played = getattr(self._sink, "played_ms", None)
        if played is None:
            return 0.0
        return max(0.0, self._written - self._played - float(played) / 1000)

    def stop(self) -> bool:
        if not self.drops:
            return False
        self._sink.stop()
        self._played += self.latency()
        return True

    def close(self) -> None:
        """The sink is the user's."""
