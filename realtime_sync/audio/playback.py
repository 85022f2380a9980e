"""What is still to be played, and how far the listener has come. No threads, devices or clock.

One thread takes slices and hands them to a device; any other adds sound, drops it, or waits.
Positions are counted in frames handed over, item by item, so that silence in between, a lost
device or a late delta cannot make them drift.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Final

import numpy as np

from ..runtime.clock import Condition
from .codecs import level
from .formats import BYTES_PER_MS, RATE

__all__ = ["SLICE_MS", "Playback"]

SLICE_MS: Final = 20
_SLICE: Final = RATE * SLICE_MS // 1000 * 2  # bytes
_FADE: Final = RATE * 10 // 1000  # frames: quick, and no click
_REMEMBERED: Final = 256  # items whose position can still be asked for

ItemId = str | None


class _Line:
    """What has come of one item and is not yet taken."""

    __slots__ = ("chunks", "finished", "size")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.size = 0  # bytes in them
        self.finished = False  # no more will come

    def take(self, size: int) -> bytes:
        """Up to `size` bytes off the front."""
        parts = []
        while size and self.chunks:
            chunk = self.chunks.popleft()
            if len(chunk) > size:
                # a delta can be minutes long: cut off what is needed, do not copy the rest each
                # time
                pieces = [chunk[at : at + _SLICE] for at in range(size, len(chunk), _SLICE)]
                self.chunks.extendleft(reversed(pieces))
                chunk = chunk[:size]
            parts.append(chunk)
            size -= len(chunk)
            self.size -= len(chunk)
        return b"".join(parts)


class Playback:
    """Sound on its way to one device. PCM16 mono at 24 kHz, in slices of 20 ms.

    Sound begins once 100 ms are there, or its item is complete, or it has waited for as long; then
    it flows. Where it runs dry before its item is complete, it fades out and is gathered again.

    Args:
        start_ms: The jitter buffer, in milliseconds.
    """

    def __init__(self, *, start_ms: float = 100) -> None:
        if not 0 <= start_ms <= 5_000:
            raise ValueError(f"start_ms: 0 to 5000 milliseconds, not {start_ms}")
        self._start = int(start_ms * BYTES_PER_MS["audio/pcm"])
        self._held = 0  # bytes of silence given out while sound was waiting to begin
        self._changed = Condition()  # guards all below; told whenever a slice is played
        self._lines: OrderedDict[ItemId, _Line] = OrderedDict()  # in the order they began to come
        self._size = 0  # bytes in them
        self._flowing = False  # sound is coming out
        self._fading_in = False  # it had been cut: what comes next must not click
        self._tail: list[tuple[ItemId, bytes]] = []  # the fade-out that is still due
        self._taken = 0  # frames, silence included
        self._handed = 0  # of these, with the device
        self._heard = 0  # of these, out of it
        self._spans: deque[tuple[ItemId, int, int]] = deque()  # item, first frame, end: not heard
        self._gone: OrderedDict[ItemId, int] = OrderedDict()  # frames taken of each item
        self._dropped: OrderedDict[ItemId, None] = OrderedDict()  # items that are to be silent
        self._level = level(b"")
        self._underruns = 0
        self._closed = False  # nobody plays any more

    def add(self, pcm: bytes, item_id: ItemId = None) -> None:
        """More of an item. Never blocks; of an item that was stopped it is ignored.

        Args:
            pcm: Whole samples.
            item_id: What it belongs to; items are played one after the other.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes hold half a sample at the end")
        with self._changed:
            if not pcm or self._closed or item_id in self._dropped:
                return
            line = self._lines.setdefault(item_id, _Line())
            line.chunks.append(pcm)
            line.size += len(pcm)
            line.finished = False
            self._size += len(pcm)

    def finish(self, item_id: ItemId = None) -> None:
        """Nothing more comes of this item: its end is no gap. Unknown ones are no error."""
        with self._changed:
            line = self._lines.get(item_id)
            if line is not None:
                line.finished = True
                if not line.size:
                    del self._lines[item_id]

    def take(self) -> tuple[bytes, bool]:
        """The next slice, and whether there is sound in it. For the one thread that plays."""
        with self._changed:
            parts, self._tail = self._tail, []
            size = _SLICE
            if parts:
                # no longer than it has to be: the device's silence begins behind it
                size = min(size, sum(len(part) for _, part in parts))
            elif self._may_flow():
                parts = self._next()
            sound = b"".join(part for _, part in parts)
            for item_id, part in parts:
                frames = len(part) // 2
                self._spans.append((item_id, self._taken, self._taken + frames))
                self._taken += frames
                self._gone[item_id] = self._gone.pop(item_id, 0) + frames
            while len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
            self._taken += max(0, size - len(sound)) // 2
            self._level = level(sound)
            return sound.ljust(size, b"\0"), bool(sound)

    def _may_flow(self) -> bool:
        if self._flowing or not self._size:
            self._held = 0
        elif self._size >= self._start or self._front().finished:
            self._flowing = True
        else:
            # so little that it may be all: it is not kept back for ever
            self._flowing = self._held >= self._start
            self._held += _SLICE
        return self._flowing

    def _front(self) -> _Line:
        return next(line for line in self._lines.values() if line.size)

    def _next(self) -> list[tuple[ItemId, bytes]]:
        """A slice of sound, or what there is of one."""
        parts, left = [], _SLICE
        for item_id, line in list(self._lines.items()):
            piece = line.take(left)
            left -= len(piece)
            self._size -= len(piece)
            if piece:
                parts.append((item_id, piece))
            if line.size:
                break
            # sound that belongs to nothing may always have been all
            if line.finished or item_id is None:
                del self._lines[item_id]
        if self._fading_in and parts:
            parts[0] = (parts[0][0], _faded(parts[0][1], rising=True))
            self._fading_in = False
        if left:
            self._flowing = False
            if self._lines:  # of something that is not complete
                self._underruns += 1
                self._fading_in = True
                if parts:
                    parts[-1] = (parts[-1][0], _faded(parts[-1][1], rising=False))
        return parts

    def handed(self, latency: float = 0.0) -> None:
        """The last slice is with the device. For the one thread that plays.

        Args:
            latency: Seconds until what is handed over now will be heard.
        """
        with self._changed:
            self._handed = self._taken
            # it never goes back: a device may correct its latency, but not unplay
            self._heard = max(self._heard, self._handed - round(latency * RATE))
            while self._spans and self._spans[0][2] <= self._heard:
                self._spans.popleft()
            self._changed.notify_all()

    def stop(self, only: Collection[ItemId] | None = None) -> dict[ItemId, float]:
        """Drop what is not yet with the device, but for a fade-out of 10 ms.

        Args:
            only: These items; what else there is goes on. None: all.

        Returns:
            For each item that was begun and not wholly heard, or still waiting: milliseconds of it
            that will have been heard when the device has run out.
        """
        with self._changed:
            present = dict.fromkeys([*(span[0] for span in self._spans), *self._lines])
            cut = [one for one in present if only is None or one in only]
            self._tail = [*self._tail, *self._fade_out(cut)]
            extra: dict[ItemId, int] = {}
            for item_id, part in self._tail:
                extra[item_id] = extra.get(item_id, 0) + len(part) // 2
            for item_id in cut:
                line = self._lines.pop(item_id, None)
                self._size -= line.size if line is not None else 0
                if item_id is not None:
                    self._dropped[item_id] = None
            while len(self._dropped) > _REMEMBERED:
                self._dropped.popitem(last=False)
            self._changed.notify_all()
            return {one: (self._gone.get(one, 0) + extra.get(one, 0)) * 1000 / RATE for one in cut}

    def _fade_out(self, cut: Collection[ItemId]) -> list[tuple[ItemId, bytes]]:
        """The next few milliseconds, becoming silent, if it is these items that sound."""
        front = next(((one, line) for one, line in self._lines.items() if line.size), None)
        if front is not None and front[0] not in cut:
            return []
        flowing, self._flowing, self._fading_in = self._flowing, False, False
        if front is None or not flowing:
            return []
        piece = front[1].take(2 * _FADE)
        self._size -= len(piece)
        return [(front[0], _faded(piece, rising=False))]

    def holds(self, items: Collection[ItemId]) -> bool:
        """Whether sound of other items than these is here, or with the device."""
        with self._changed:
            return any(one not in items for one in [*self._lines, *(s[0] for s in self._spans)])

    def cut(self) -> None:
        """The device has dropped what it had. For the one thread that plays."""
        with self._changed:
            for item_id, first, end in self._spans:
                lost = end - max(first, self._heard)
                if item_id in self._gone:
                    self._gone[item_id] -= lost
            self._spans.clear()
            self._heard = self._handed
            self._changed.notify_all()

    def position(self, item_id: ItemId = None) -> float:
        """Milliseconds of an item that have been heard; 0 for one that is unknown."""
        with self._changed:
            ahead = sum(
                end - max(first, self._heard)
                for one, first, end in self._spans
                if one == item_id and end > self._heard
            )
            return max(0, self._gone.get(item_id, 0) - ahead) * 1000 / RATE

    @property
    def playing(self) -> bool:
        """Whether there is sound that has not been heard yet."""
        with self._changed:
            return self._busy()

    def _busy(self) -> bool:
        return bool(self._size or self._tail or self._spans)

    @property
    def item_id(self) -> ItemId:
        """The item that is being heard; None: silence."""
        with self._changed:
            at = self._heard
            return next((one for one, first, end in self._spans if first <= at < end), None)

    @property
    def waiting_ms(self) -> float:
        """What is here and not yet with the device, in milliseconds."""
        with self._changed:
            return self._size / BYTES_PER_MS["audio/pcm"]

    @property
    def level(self) -> float:
        """Loudness of the last slice, in dBFS; -inf is silence."""
        return self._level

    @property
    def underruns(self) -> int:
        """How often sound ran dry in the middle of an item."""
        return self._underruns

    def wait(self, timeout: float | None = None, *, waiting_ms: float | None = None) -> bool:
        """Wait until all is heard, or nobody plays any more; whether it was in time.

        Args:
            timeout: Seconds; None: for ever.
            waiting_ms: Until no more than so much waits for the device, instead.
        """
        most = (waiting_ms or 0) * BYTES_PER_MS["audio/pcm"]

        def done() -> bool:
            heard = not self._busy() if waiting_ms is None else self._size <= most
            return heard or self._closed

        with self._changed:
            return self._changed.wait_for(done, timeout)

    def close(self) -> None:
        """Nobody plays any more: end every wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __repr__(self) -> str:
        return f"<Playback, {self.waiting_ms:.0f} ms waiting>"


def _faded(pcm: bytes, *, rising: bool) -> bytes:
    """The same, with a raised cosine over its first or last 10 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    count = min(_FADE, len(samples))
    ramp = (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count)) / 2
    if rising:
        samples[:count] *= ramp
    else:
        samples[len(samples) - count :] *= ramp[::-1]
    faded: bytes = np.rint(samples).astype("<i2").tobytes()
    return faded
