"""Who is called on the I/O thread, and about what link. No thread, no socket."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["Client", "Link", "Watched", "Weak", "weakly"]


class Link(Protocol):
    """What the loop needs of a `Transport`. One whose `fileno()` is -1 gets a `notify` to call."""

    def fileno(self) -> int: ...
    def flush(self) -> None: ...
    def dismiss(self) -> None: ...
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


class Weak:
    """A client that the loop does not keep alive: a session that nobody holds is to be found."""

    def __init__(self, client: Any) -> None:
        self._client = weakref.ref(client)
        self.loop: Loop | None = None  # which it has acquired; None before, and once given back

    def on_readable(self) -> None:
        client = self._client()
        if client is not None:
            client.on_readable()

    def on_writable(self) -> None:
        client = self._client()
        if client is not None:
            client.on_writable()

    on_wake = on_writable

    def on_resume(self) -> None:
        client = self._client()
        if client is not None:
            client.on_resume()

    def on_fault(self, error: BaseException) -> None:
        client = self._client()
        if client is not None:
            client.on_fault(error)


def weakly(method: Callable[..., None], *args: Any) -> Callable[[], None]:
    """Calls a method, if its object is still there; does not keep it alive."""
    ref = weakref.WeakMethod(method)

    def call() -> None:
        there = ref()
        if there is not None:
            there(*args)

    return call
