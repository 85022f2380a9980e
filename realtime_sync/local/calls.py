"""Calls: sessions that several connections share, and that outlive each of them.

No sockets, no threads: the lock and the bell are handed in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from realtime_sync.local.mind import Mind
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Script

__all__ = ["Calls", "Member"]

Wire = dict[str, Any]

_BEHIND_MOST = 50_000  # events that one connection may be behind the others
_CALLS_MOST = 1000


@dataclass(slots=True, eq=False)
class _Call:
    """One call.

    Attributes:
        mind: The session; None while it rings.
        expirations: How often the script had ended all sessions when this one began.
        members: The connections that have joined.
    """

    mind: Mind | None
    expirations: int
    members: list[Member] = field(default_factory=list)

    def tell(self, events: list[Wire], but: Member | None = None) -> None:
        """Gives the events to every member; hold the lock."""
        for member in self.members:
            if member is not but:
                member.heard(events)


class Calls:
    """The calls of a server.

    Args:
        lock: Guards the calls and their sessions; not reentrant.
        ring: Wakes the threads of all connections; called without the lock.
        script: Ends all sessions at once, on demand.
        new_identity: A name that no other call has.
    """

    def __init__(
        self,
        *,
        lock: AbstractContextManager[Any],
        ring: Callable[[], None],
        script: Script,
        new_identity: Callable[[], str],
    ) -> None:
        self.lock = lock
        self.ring = ring
        self._script = script
        self._new_identity = new_identity
        self._calls: dict[str, _Call] = {}

    def __repr__(self) -> str:
        return f"<Calls, {len(self._calls)} under way>"

    def begin(self, mind: Mind | None) -> str:
        """A new call; without a mind it rings, as one that comes in over SIP.

        Raises:
            Refusal: There are too many.
        """
        call_id = f"rtc_{self._new_identity()}"
        with self.lock:
            if len(self._calls) >= _CALLS_MOST:
                raise Refusal("rate_limit_exceeded", f"There are {_CALLS_MOST} calls already.")
            self._calls[call_id] = _Call(mind, self._script.expirations)
        return call_id

    def check(self, call_id: str, now: float) -> None:
        """Does nothing.

        Raises:
            Refusal: There is no such call.
        """
        with self.lock:
            self._found(call_id, now)

    def accept(self, call_id: str, mind: Mind, now: float) -> None:
        """Answers a call that rings.

        Raises:
            Refusal: There is no such call, or it does not ring.
        """
        with self.lock:
            call = self._ringing(call_id, now)
            call.mind, call.expirations = mind, self._script.expirations

    def reject(self, call_id: str, now: float) -> None:
        """Turns down a call that rings.

        Raises:
            Refusal: There is no such call, or it does not ring.
        """
        with self.lock:
            self._ringing(call_id, now)
            del self._calls[call_id]

    def hang_up(self, call_id: str, now: float) -> None:
        """Ends a call; its connections are closed.

        Raises:
            Refusal: There is no such call.
        """
        with self.lock:
            call = self._found(call_id, now)
            del self._calls[call_id]
            if call.mind is not None:
                call.mind.leave()
            for member in call.members:
                member.over = (1000, "the call has ended")
        self.ring()

    def join(self, call_id: str, now: float) -> Member:
        """Another connection into a call.

        Raises:
            Refusal: There is no such call, or nobody has accepted it yet.
        """
        with self.lock:
            call = self._found(call_id, now)
            if call.mind is None:
                raise _unknown(call_id)
            member = Member(self, call, call.mind)
            call.members.append(member)
        return member

    def _ringing(self, call_id: str, now: float) -> _Call:
        call = self._found(call_id, now)
        if call.mind is not None:
            raise Refusal("invalid_value", f"Call {call_id} is answered already.", param="call_id")
        return call

    def _found(self, call_id: str, now: float) -> _Call:
        call = self._calls.get(call_id)
        if call is None:
            raise _unknown(call_id)
        ends = math.inf if call.mind is None else call.mind.ends
        if now >= ends or call.expirations != self._script.expirations:
            del self._calls[call_id]
            raise _unknown(call_id)
        return call


def _unknown(call_id: str) -> Refusal:
    return Refusal("call_id_not_found", f"No session found for call_id {call_id[:64]!r}.")


class Member:
    """One connection's part in a call: to it, the call is a mind of its own.

    Attributes:
        ends: When the session expires.
        over: As in `Mind`.
    """

    def __init__(self, calls: Calls, call: _Call, mind: Mind) -> None:
        self._calls = calls
        self._call = call
        self._mind = mind
        self._inbox: deque[Wire] = deque()  # what others' connections have caused
        self.ends = mind.ends
        self.over: tuple[int, str] | None = None

    def __repr__(self) -> str:
        return f"<Member of {self._mind!r}>"

    def hello(self) -> list[Wire]:
        """Nothing: who joins a call is not greeted."""
        return []

    def heard(self, events: list[Wire]) -> None:
        """Takes what is said to all; hold the lock."""
        self._inbox.extend(events)
        if len(self._inbox) > _BEHIND_MOST:
            self._inbox.clear()
            self.over = (1008, "too far behind the others")

    def received(self, event: object, now: float) -> list[Wire]:
        """See `Mind.received`; what it changes is told to the others too."""
        with self._calls.lock:
            before, self._inbox = list(self._inbox), deque()
            answer = self._mind.received(event, now)
            # a mistake concerns only the one who made it
            shared = [] if [one["type"] for one in answer] == ["error"] else answer
            self._call.tell(shared, but=self)
            others = len(self._call.members) > 1
        if others:
            # the answer may be empty and yet begin something that all have to wait for
            self._calls.ring()
        return [*before, *answer]

    def refused(self, refusal: Refusal, event: object = None) -> list[Wire]:
        """See `Mind.refused`."""
        with self._calls.lock:
            return self._mind.refused(refusal, event)

    @property
    def due(self) -> float | None:
        """See `Mind.due`."""
        with self._calls.lock:
            return -math.inf if self._inbox else self._mind.due

    def advance(self, now: float) -> Iterator[list[Wire]]:
        """See `Mind.advance`; whoever comes first advances the call for all."""
        told = False
        try:
            while True:
                with self._calls.lock:
                    step = next(self._mind.advance(now), [])
                    self._call.tell(step)
                    told = told or bool(step)
                    mine, self._inbox = list(self._inbox), deque()
                if not mine:
                    return
                yield mine
        finally:
            if told and len(self._call.members) > 1:
                self._calls.ring()

    def leave(self) -> None:
        """The connection has ended; the call goes on."""
        with self._calls.lock:
            self._call.members.remove(self)
