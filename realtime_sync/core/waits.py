"""Which turn may have to wait for which, by way of the tools that have begun them.

A turn waits for its calls. A call that runs may wait for a turn that it has begun. One that does
not run yet may wait for a thread of its depth, or, of a serial tool, for another call of the same.
And a turn that has not begun waits for those that have. No thread, no socket, no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property

from .turns import Turn

__all__ = ["Waits"]


class Waits:
    """Who waits for whom at one moment."""

    def __init__(
        self, begun: list[Turn], waiting: Iterable[Turn], serial: set[str], threads: int
    ) -> None:
        """See the class.

        Args:
            begun: Turns that have begun.
            waiting: Those that are to, in their order.
            serial: Names of tools that run one call at a time.
            threads: Calls that run at a time, at each depth of nesting.
        """
        self._begun = begun
        self._serial = serial
        self._threads = threads
        # of each call the first: those behind it wait for the same, and nobody else waits for them
        self._waiting: dict[Turn | str, Turn] = {}
        for turn in waiting:
            if turn.parent is not None and turn not in begun:
                self._waiting.setdefault(turn.caller or turn, turn)

    def is_behind(self, turn: Turn) -> bool:
        """Whether the tool that is to begin this turn is to begin another one before."""
        return self._waiting.get(turn.caller or turn, turn) is not turn

    def may(self, turn: Turn, other: Turn) -> bool:
        """Whether a turn that has begun may have to wait for one that has not."""
        # of those that would wait for each other the last knows of all the rest, and goes
        ahead = set[Turn]()
        for one in self._waiting.values():
            if one is other:
                break
            ahead.add(one)

        def directly(one: Turn, then: Turn) -> bool:
            return (
                then.within(one)
                or self._for_a_thread(one, then)
                or self._for_a_call(self._idle(one), one, then)
                or (one in ahead and then in self._begun and not one.within(then))
            )

        return other in self._reached([turn], directly)

    def for_ever(self, turn: Turn, name: str) -> bool:
        """Whether a call of a serial tool by this turn would certainly wait for the turn itself."""

        def directly(one: Turn, then: Turn) -> bool:
            return then.awaited and (
                then.caller in one.called or self._for_a_call(self._idle(one), one, then)
            )

        call = {"": name}
        first = [one for one in self._live if one.awaited and self._for_a_call(call, turn, one)]
        return turn in self._reached(first, directly)

    def _reached(self, first: list[Turn], directly: Callable[[Turn, Turn], bool]) -> set[Turn]:
        """These turns and all that they wait for, however many stand in between."""
        at, seen = first, {*first}
        while at:
            one = at.pop()
            found = [then for then in self._live if then not in seen and directly(one, then)]
            seen.update(found)
            at += found
        return seen

    @cached_property
    def _live(self) -> list[Turn]:
        return [*self._begun, *self._waiting.values()]

    @cached_property
    def _busy(self) -> dict[str | None, int]:
        """Calls that wait for turns of theirs, and how deep they are."""
        return {turn.caller: len(turn.callers) - 1 for turn in self._live}

    @cached_property
    def _full(self) -> set[int]:
        """Depths whose threads may all be taken."""
        counts = Counter(self._busy.values())
        return {depth for depth, count in counts.items() if count >= self._threads}

    def _idle(self, turn: Turn) -> dict[str, str]:
        """Its calls that may not have begun to run, with the names of their tools."""
        return {key: name for key, name in turn.called.items() if key not in self._busy}

    def _for_a_thread(self, one: Turn, then: Turn) -> bool:
        depth = len(one.callers)
        return depth in self._full and len(then.callers) == depth + 1 and bool(self._idle(one))

    def _for_a_call(self, idle: dict[str, str], one: Turn, then: Turn) -> bool:
        """Whether one of these calls is of the same serial tool as the one that waits for `then`.

        But of two calls neither waits for the other if that has brought it about.
        """
        name = then.calling
        if name not in self._serial or then.caller in one.callers:
            return False
        return any(own == name and key not in then.callers for key, own in idle.items())
