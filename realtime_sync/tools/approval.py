"""Calls that wait until somebody has approved or rejected them. No sessions, no clock.

Each is decided once, by whoever comes first: a user, an approver, or the time that has run out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["Approvals", "Decision"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a call that needed approval.

    Attributes:
        approved: Whether it may run.
        message: Why not, in words that the model may read; "" gives no reason.
    """

    approved: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Pending:
    kind: Hashable  # what an "always" would be about
    decide: Callable[[Decision], None]


class Approvals:
    """The undecided calls of a session, and what has been approved for always."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._always: set[Hashable] = set()
        # guards both: decisions come from users' threads, the approver's and the I/O thread
        self._lock = threading.Lock()

    def await_decision(
        self, call_id: str, kind: Hashable, decide: Callable[[Decision], None]
    ) -> bool:
        """Have a call wait; `decide` is called once, by the thread that decides.

        Args:
            call_id: The call's id, or that of an MCP approval request.
            kind: What the call is one of: the tool's name, for instance.
            decide: Told the decision. At once, if this kind is approved for always.

        Returns:
            Whether it was decided at once.
        """
        with self._lock:
            approved = kind in self._always
            if not approved:
                self._pending[call_id] = _Pending(kind, decide)
        if approved:
            decide(Decision(True))
        return approved

    def decide(self, call_id: str, decision: Decision, *, always: bool = False) -> bool:
        """Decide a call; False if it is decided already, or was never asked about.

        Args:
            call_id: As it was asked for.
            decision: What it is.
            always: Approves every call of its kind: those that wait now, and those to come.
        """
        with self._lock:
            pending = self._pending.pop(call_id, None)
            if pending is None:
                return False
            decided = [pending]
            if always and decision.approved:
                self._always.add(pending.kind)
                alike = [key for key, one in self._pending.items() if one.kind == pending.kind]
                decided += [self._pending.pop(key) for key in alike]
        for one in decided:
            one.decide(decision)
        return True

    def waits(self, call_id: str) -> bool:
        """Whether a call is undecided."""
        with self._lock:
            return call_id in self._pending

    def clear(self) -> None:
        """Forget what waits; nobody is told."""
        with self._lock:
            self._pending.clear()
