"""All sessions that the page can show. No threads, no sockets; lock and clocks are handed in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from realtime_sync.local.page.sheet import Sheet

__all__ = ["CLOSED_KEPT", "Ledger"]

#: Sessions that have ended; the first to end go first.
CLOSED_KEPT = 100
_SIZE_KEPT = 64 << 20  # characters of all events


class Ledger:
    """The sheets, by number.

    Bounded: by what each keeps, by how many of those that have ended are kept, and by what all keep
    together, of which the longest gives up first.

    Args:
        lock: Guards the sheets: each is written by the thread of its connection, and read by those
            of the viewers. Not reentrant; held for microseconds.
        clock: Seconds that only go forward.
        epoch: Seconds since 1970, now.
    """

    def __init__(
        self,
        *,
        lock: AbstractContextManager[Any],
        clock: Callable[[], float],
        epoch: Callable[[], float],
    ) -> None:
        self.lock, self.clock, self.epoch = lock, clock, epoch
        self.sheets: dict[int, Sheet] = {}
        self.revision = 0  # of the last change
        self._numbers = 0
        self._size = 0
        self._closed: list[Sheet] = []

    def begin(self, *, kind: str, model: str, dialect: str, call_id: str = "") -> Sheet:
        """A session has begun; arguments as of `Sheet`. From any thread."""
        with self.lock:
            self._numbers += 1
            sheet = Sheet(
                self, self._numbers, kind=kind, model=model, dialect=dialect, call_id=call_id
            )
            sheet.revision = self.changed()
            self.sheets[sheet.number] = sheet
            return sheet

    def changed(self) -> int:
        """What the change that is being made is known by; hold the lock."""
        self.revision += 1
        return self.revision

    def closed(self, sheet: Sheet) -> None:
        """A session has ended; hold the lock."""
        self._closed.append(sheet)
        if len(self._closed) > CLOSED_KEPT:
            oldest = self._closed.pop(0)
            self._size -= oldest.size
            del self.sheets[oldest.number]

    def grow(self, size: int) -> None:
        """Events take so much more, or less; hold the lock."""
        self._size += size
        if size > 0 and self._size > _SIZE_KEPT:
            max(self.sheets.values(), key=lambda sheet: sheet.size).forget()
