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
    _abandoned: threading.Event = field(default_factory=threading.Event, init=False)
    _enders: list[Callable[[], object]] = field(default_factory=list)
    _follows: list[Callable[[Any], object]] = field(default_factory=list, init=False)

    def _abandon(self) -> None:
        """Nobody takes the result: say so, and end a coroutine. From any thread."""
        self.cancelled.set()
        self._abandoned.set()  # before the look: what comes after it sees this
        self._end_all()

    def _end_all(self) -> None:
        """End each once: another time would end what it does in its `finally`."""
        while self._enders:
            with contextlib.suppress(
                IndexError,  # another thread was faster
                RuntimeError,  # its loop has closed meanwhile
            ):
                self._enders.pop()()

    def _follow(self, then: Callable[[Any], object]) -> None:
        """Have this called once the call is answered, by whom, and how, its session decides."""
        self._follows.append(then)

    @contextlib.contextmanager
    def _ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """While this lasts, `_abandon` calls `end`; at once, if it has been called before."""
        self._enders.append(end)
        if self._abandoned.is_set():
            self._end_all()
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):  # it was called
                self._enders.remove(end)

    def __repr__(self) -> str:
        state = ", cancelled" if self.cancelled.is_set() else ""
        return f"<ToolContext of {self.name} {self.call_id}{state}>"
