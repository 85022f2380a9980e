"""Which turn may have to wait for which, by way of the tools that have begun them.

A turn waits for its calls. A call that runs may wait for a turn that it has begun. One that does
not run yet may wait for a thread of its depth, or, of a serial tool, for another call of the same.
And a turn that has not begun waits for those that have. No thread, no socket, no clock.
"""

from __future__ import annotations

from collections.abc import Collection

from .turns import Turn

__all__ = ["may_wait"]


def may_wait(
    turn: Turn, other: Turn, begun: Collection[Turn], waiting: Collection[Turn], serial: set[str]
) -> bool:
    """Whether one turn may have to wait for another, however many stand in between.

    Args:
        turn: Which may have to wait.
        other: For which.
        begun: Turns that have begun.
        waiting: Those that have not.
        serial: Names of tools that run one call at a time.
    """
    live = [*begun, *waiting]
    busy = {one.caller for one in live}  # calls that run: they wait for a turn of their own
    seen, at = {turn}, [turn]
    while at:
        one = at.pop()
        if one is other:
            return True
        idle = {key: name for key, name in one.called.items() if key not in busy}
        for then in live:
            if then not in seen and (
                _waits(one, then, idle, serial)
                or (one in waiting and then in begun and not one.within(then))
            ):
                seen.add(then)
                at.append(then)
    return False


def _waits(one: Turn, then: Turn, idle: dict[str, str], serial: set[str]) -> bool:
    """Whether a call of the one may have to wait until the other is over.

    Args:
        one: The one.
        then: The other.
        idle: Calls of the one that do not run, perhaps: id -> the tool's name.
        serial: Names of tools that run one call at a time.
    """
    if then.parent is None:
        return False
    if then.within(one):
        return True
    if idle and len(one.callers) < len(then.callers):
        return True  # for a thread: each depth of nesting has some, which may all be taken
    name = then.parent.called.get(then.caller or "")
    return name in serial and name in idle.values() and then.caller not in one.callers
