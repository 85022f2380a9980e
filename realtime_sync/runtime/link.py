"""What a connection needs of a link. No socket, no thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from . import loop as io
from .clock import Deadline
from .dialect import Dialect

__all__ = ["Connect", "Link"]


class Link(io.Link, Protocol):
    """What carries the frames: a `Transport`, or a memory link in tests."""

    last_received: float

    def receive(self) -> list[tuple[int, bytes]]: ...
    def send(self, payload: bytes) -> None: ...
    def send_close(self, code: int = 1000, reason: str = "") -> None: ...
    def hidden(self, text: bytes) -> bytes: ...
    def ping(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


#: Makes a link, within a deadline, and says what is spoken over it.
Connect = Callable[[Deadline], tuple[Link, Dialect]]
