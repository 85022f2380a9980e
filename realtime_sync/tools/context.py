"""What a tool may know of its call. Knows no session's inside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ToolContext"]


@dataclass(frozen=True, slots=True, eq=False)
class ToolContext:
    """Given to a tool that has a parameter with this type hint; the model does not see it.

    ::

        def search(query: str, context: ToolContext) -> list[str]:
            for page in pages(query):
                if context.cancelled.is_set():
                    return []
                ...

    Attributes:
        call_id: The call's id on the wire; "" where no model called.
        name: The tool's name.
        session: The session whose model calls: a `RealtimeSession`; None where no model called.
        cancelled: Set when nobody waits for the result any more: the user has interrupted, the
            turn was cancelled or given up, the call's time is over, or the session ends. The
            result of a tool that returns early still goes to the model, while the session lives
            and its time is not over.
    """

    call_id: str = ""
    name: str = ""
    session: Any = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    _enders: list[Callable[[], object]] = field(default_factory=list)
    _follows: list[Callable[[Any], object]] = field(default_factory=list, init=False)

    def _abandon(self) -> None:
        """Nobody takes the result: say so, and end a coroutine. From any thread."""
        self.cancelled.set()
        for end in list(self._enders):
            with contextlib.suppress(RuntimeError):  # its loop has closed meanwhile
                end()

    def _follow(self, then: Callable[[Any], object]) -> None:
        """Have this called once the call is answered, by whom, and how, its session decides."""
        self._follows.append(then)

    @contextlib.contextmanager
    def _ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """While this lasts, `_abandon` calls `end`."""
        self._enders.append(end)
        try:
            yield
        finally:
            self._enders.remove(end)

    def __repr__(self) -> str:
        state = ", cancelled" if self.cancelled.is_set() else ""
        return f"<ToolContext of {self.name} {self.call_id}{state}>"
