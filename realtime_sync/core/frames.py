"""Which camera or screen frames stand in the conversation. No thread, no socket, no clock."""

from __future__ import annotations

from collections import deque

__all__ = ["Frames"]


class Frames:
    """The items of the last frames, oldest first."""

    def __init__(self) -> None:
        self._ids: deque[str] = deque()
        self._last: float | None = None  # when the newest went out

    def due(self, now: float, gap: float) -> bool:
        """Whether so many seconds have passed since the newest."""
        return self._last is None or now - self._last >= gap

    def add(self, item_id: str, now: float, keep: int) -> list[str]:
        """A frame goes out; the items of those that are too many."""
        self._last = now
        self._ids.append(item_id)
        return [self._ids.popleft() for _ in range(len(self._ids) - keep)]
