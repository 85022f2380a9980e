"""Bytes that come at the end and go at the front, in pieces that are all alike.

One array that grows to megabytes is moved a hundred times on the way, and what it leaves behind
lies between what stays: with glibc the process grew by three megabytes a minute of speech, for a
quarter of an hour. Pieces that are all alike take each other's places. To see it: a `bytearray` in
its place, and `tests/voice/test_hour.py`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Sound"]

_PIECE: Final = 32 * 1024  # bytes, at most


class Sound:
    """A queue of bytes."""

    __slots__ = ("_pieces", "_size")

    def __init__(self, data: bytes | bytearray = b"") -> None:
        self._pieces: deque[bytearray] = deque()
        self._size = 0
        self.add(data)

    def add(self, data: bytes | bytearray) -> None:
        """More, at the end."""
        at = 0
        while at < len(data):
            if not self._pieces or len(self._pieces[-1]) >= _PIECE:
                self._pieces.append(bytearray())
            last = self._pieces[-1]
            part = data[at : at + _PIECE - len(last)]
            last += part
            at += len(part)
        self._size += len(data)

    def take(self, size: int) -> Sound:
        """Up to so much off the front."""
        taken = Sound()
        left = min(max(0, size), self._size)
        while left:
            first = self._pieces[0]
            if len(first) <= left:
                self._pieces.popleft()
                taken._pieces.append(first)
                left -= len(first)
                taken._size += len(first)
            else:
                taken.add(first[:left])
                del first[:left]
                left = 0
        self._size -= taken._size
        return taken

    def cut(self, size: int) -> None:
        """Keep so much at the front."""
        kept = self.take(size)
        self._pieces, self._size = kept._pieces, kept._size

    def clear(self) -> None:
        """Nothing is left."""
        self.cut(0)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)

    def __repr__(self) -> str:
        return f"<Sound, {self._size} bytes>"
