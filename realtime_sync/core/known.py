"""Calls that we have seen, so that each runs once. No thread, socket or clock."""

from __future__ import annotations

from ..events.items import Item
from .turns import Turn

__all__ = ["REMEMBERED", "Known", "KnownCalls"]

#: Calls that are over, and are kept in mind: a server may show one again.
REMEMBERED = 1000


class Known:
    """A call that we have seen, by its call id; of MCP by the id of its item or request."""

    __slots__ = ("arguments", "due", "name", "output", "remote", "turn")

    def __init__(self, item: Item | None, turn: Turn | None, *, remote: bool = False) -> None:
        self.name = item.name if item is not None else None
        self.arguments = item.arguments if item is not None else None
        self.turn = turn  # that waits for it; None once it is over
        self.remote = remote  # the server runs it
        self.output: str | None = None  # None: not over; "" of a remote one
        self.due = 0.0  # when the wait for a remote one ends

    def is_of(self, item: Item) -> bool:
        """Whether this is the same call, told again."""
        return (self.name, self.arguments) == (item.name, item.arguments)


class KnownCalls(dict[str, Known]):
    """By their ids, oldest first; of those that are over the newest."""

    def __setitem__(self, key: str, known: Known) -> None:
        super().__setitem__(key, known)
        if len(self) > REMEMBERED:
            over = (k for k, one in self.items() if one.turn is None and one.output is not None)
            oldest = next(over, key)
            if oldest != key:
                del self[oldest]
