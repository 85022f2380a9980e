"""What every kind of session does alike: ids, greetings, errors, the table of its answers.

No sockets, no threads, no clock: whoever calls says what time it is.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from realtime_sync.local.refusal import Refusal, wrong_value
from realtime_sync.local.script import Script
from realtime_sync.local.shapes import Shape

__all__ = ["Mind"]

Wire = dict[str, Any]


class Mind:
    """Base of the brains: client events in, server events out.

    Args:
        script: What to answer, faults included; shared by all connections of a server.
        identity: Unique part of all ids of this session, at most 16 characters.
        ends: When the session expires, by the clock of `received`.

    Attributes:
        session: The session object as it is reported.
        over: Close code and reason, once nothing more will be said; None before.
    """

    SHAPES: ClassVar[Mapping[str, Shape]] = {}
    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {}

    def __init__(self, *, script: Script, identity: str, ends: float = math.inf) -> None:
        self._script = script
        self._identity = identity
        self._count = itertools.count(1)
        self.ends = ends
        self.over: tuple[int, str] | None = None
        self.session: Wire = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._identity}>"

    def hello(self) -> list[Wire]:
        """What a client hears first."""
        return [self._event("session.created", session=self.reported_session())]

    def received(self, event: object, now: float) -> list[Wire]:
        """What answers a client event at once; anything that JSON can say is taken.

        Args:
            event: The parsed event; what is not an object, or not JSON at all, as None.
            now: Seconds, by any clock that only goes forward.
        """
        try:
            return self._handled(event, now)
        except Refusal as refusal:
            return self.refused(refusal, event)
        except RecursionError:
            # JSON that the parser just took may still be too deep for a copy
            deep = Refusal("invalid_value", "The event is nested too deeply.")
            return self.refused(deep, event)

    def refused(self, refusal: Refusal, event: object = None) -> list[Wire]:
        """The `error` that answers an event."""
        theirs = event.get("event_id") if isinstance(event, dict) else None
        named = theirs if isinstance(theirs, str) else None
        return [self._event("error", error=refusal.wire(named))]

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None while nothing is under way."""
        return None

    def advance(self, _now: float) -> Iterator[list[Wire]]:
        """The events that are due by now, step by step; what is not taken stays due."""
        return iter(())

    def leave(self) -> None:
        """The connection has ended."""

    def reported_session(self) -> Wire:
        """A copy that later changes do not reach."""
        return copy.deepcopy(self.session)

    def _handled(self, event: object, now: float) -> list[Wire]:
        if not isinstance(event, dict):
            raise Refusal("invalid_event", "Could not parse the event: expected a JSON object.")
        kind = event.get("type")
        if not isinstance(kind, str):
            raise Refusal("invalid_event", "The 'type' field is missing or is not a string.")
        if kind not in self.SHAPES:
            raise wrong_value("type", kind, self.SHAPES)
        self.SHAPES[kind](event, "")
        return self.ANSWERS[kind](self, event, now)

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._identity}{next(self._count):05x}"

    def _event(self, kind: str, **fields: Any) -> Wire:
        return {"type": kind, "event_id": self._new_id("event"), **fields}
