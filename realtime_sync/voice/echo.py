"""What keeps the speaker out of the microphone. Used by the thread that reads the microphone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..audio.pace import Clock
from .output import Output

__all__ = ["Echo", "HalfDuplex", "Open"]


class Echo(Protocol):
    """What is done to each frame of the microphone."""

    def far(self, pcm: bytes) -> None:
        """What goes to the speaker, silence included. Runs on the speaker's thread."""
        ...

    def near(self, pcm: bytes) -> bytes:
        """What of a frame is to be sent."""
        ...


class Open:
    """Nothing: headphones, or a device that cancels echo."""

    def far(self, pcm: bytes) -> None:
        """Nothing to do."""

    def near(self, pcm: bytes) -> bytes:
        """All of it."""
        return pcm


class HalfDuplex:
    """Silence while the speaker plays, and a little longer: what it played is still in the room.

    Args:
        output: The speaker's side.
        clock: Whose time it is.
        tail_ms: How much longer.
        also: Whether it is the model's turn though nothing plays yet.
    """

    def __init__(
        self, output: Output, clock: Clock, tail_ms: float, also: Callable[[], bool]
    ) -> None:
        self._output = output
        self._clock = clock
        self._tail = tail_ms / 1000
        self._also = also
        self._until = 0.0

    @property
    def shut(self) -> bool:
        """Whether the microphone is silent now."""
        now = self._clock.now()
        if self._output.playing:
            self._until = now + self._tail
            return True
        return now < self._until or self._also()

    def far(self, pcm: bytes) -> None:
        """Nothing to do."""

    def near(self, pcm: bytes) -> bytes:
        """All of it, or silence."""
        return bytes(len(pcm)) if self.shut else pcm
