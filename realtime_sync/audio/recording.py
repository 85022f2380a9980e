"""Both sides of a conversation, in files, as they were in time. Knows no session."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import Any

import numpy as np

from ..errors import AudioError
from .files import WavSink
from .formats import RATE
from .pace import Clock

__all__ = ["MODEL", "USER", "Recording"]

log = logging.getLogger(__name__)

_GAP = 0.2  # seconds that a side may be behind before it is filled up with silence
USER, MODEL = 0, 1


class Recording:
    """What the user said and what the model said, side by side.

    Two threads write. A side of which nothing came is silent for as long as it was so. Where a
    file cannot be written any more (a full disk), the recording ends, with a warning, and not what
    is recorded.

    Args:
        target: The path of a WAV file, the user left, the model right; or two paths.
        clock: Whose time it is.

    Raises:
        TypeError: Neither.
        OSError: It cannot be written.
    """

    def __init__(self, target: Any, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()
        # guards all of it: the microphone's thread and the speaker's write
        self._lock = threading.Lock()
        self._sides = (bytearray(), bytearray())  # what is not written yet
        self._bytes = [0, 0]  # that have come, silence included
        self._over = False
        if isinstance(target, (tuple, list)) and len(target) == 2:
            self._sinks = [WavSink(target[0])]
            try:
                self._sinks.append(WavSink(target[1]))
            except BaseException:
                self._sinks[0].close()
                raise
        elif isinstance(target, (str, os.PathLike)):
            self._sinks = [WavSink(target, channels=2)]
        else:
            raise TypeError(f"record: a path, or two; not {type(target).__name__}")

    def add(self, side: int, pcm: bytes) -> None:
        """What was just heard on one side, PCM16 mono at 24 kHz."""
        with self._lock:
            if self._over:
                return
            try:
                self._add(side, pcm)
            except (AudioError, OSError) as exc:
                self._over = True
                log.warning("the recording ends here: %s", exc)
                for sink in self._sinks:
                    with contextlib.suppress(OSError):
                        sink.close()

    def _add(self, side: int, pcm: bytes) -> None:
        due = int((self._clock.now() - self._began) * RATE) * 2 - len(pcm)
        behind = due - self._bytes[side]
        if behind > _GAP * RATE * 2:
            self._take(side, bytes(behind))
        self._take(side, pcm)
        self._write(min(map(len, self._sides)))
        # a side of which nothing comes at all must not hold up the other
        ahead = len(self._sides[side]) - len(self._sides[1 - side])
        if ahead > 5 * _GAP * RATE * 2:
            self._take(1 - side, bytes(ahead))

    def _take(self, side: int, pcm: bytes) -> None:
        self._sides[side].extend(pcm)
        self._bytes[side] += len(pcm)

    def _write(self, size: int) -> None:
        parts = [bytes(side[:size]) for side in self._sides]
        for side in self._sides:
            del side[:size]
        if len(self._sinks) == 2:
            for sink, part in zip(self._sinks, parts, strict=True):
                sink.write(part)
        else:
            frames = [np.frombuffer(part, "<i2") for part in parts]
            self._sinks[0].write(np.stack(frames, axis=1))

    def close(self) -> None:
        """Write the rest. Idempotent."""
        with self._lock:
            if self._over:
                return
            self._over = True
            longest = max(map(len, self._sides))
            for side in self._sides:
                side.extend(bytes(longest - len(side)))
            self._write(longest)
            for sink in self._sinks:
                sink.close()
