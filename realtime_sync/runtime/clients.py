"""Who is called on the I/O thread, and about what link. No thread, no socket."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Client", "Link", "Watched"]


class Link(Protocol):
    """What the loop needs of a `Transport`. One whose `fileno()` is -1 gets a `notify` to call."""

    def fileno(self) -> int: ...
    def flush(self) -> None: ...
    @property
    def buffered(self) -> int: ...
    @property
    def ended(self) -> Any: ...


class Client(Protocol):
    """Who is called, always on the I/O thread.

    May have `on_writable()`: room was made; and `on_resume()`: the machine has been asleep.
    """

    def on_readable(self) -> None: ...
    def on_wake(self) -> None: ...
    def on_fault(self, error: BaseException) -> None: ...


class Watched:
    """One link and its client."""

    __slots__ = ("client", "fd", "link", "mask", "stuck")

    def __init__(self, link: Link, client: Client) -> None:
        self.link = link
        self.client = client
        self.fd = link.fileno()  # remembered: a closed link has none; -1 for a memory link
        self.mask = 0  # what the selector watches it for; 0 while it is not registered
        self.stuck = False  # it could write and did not: TLS wants to read first
