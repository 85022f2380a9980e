"""The rate limit and the budgets of a run, and what servers say of theirs. No thread, no clock."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.usage import RateLimit as Told
from ..errors import ConfigurationError

__all__ = ["Limits", "RateLimit", "asked_to_wait"]

_WINDOW = 60.0
#: What is counted, of each job.
_KINDS = ("jobs", "requests", "tokens", "minutes")
#: Seconds of the first pause where the server does not say how long, and of the longest.
_FIRST, _LONGEST = 1.0, 60.0
#: Seconds that a server may ask for: who says a day has other jobs to do, and is asked again.
_ASKED_MOST = 900.0
_SLACK = 1e-6
_SAID_MOST = 1e15  # that a server's number may be, to be believed

_WAIT = re.compile(r"(?:try|retry)(?: again)? (?:in|after) ((?:\d+(?:\.\d+)? ?[a-z]+ ?)+)", re.I)
_PART = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]+)", re.I)
_UNITS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_UNITS |= {"hou": 3600.0, "d": 86400.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How fast a run may go, and how much it may use. None: no such limit.

    Before a job has ended, what it will use is taken to be what the others have used on average;
    the first ones are not waited for, so give `concurrency` where one job alone uses much.

    Attributes:
        jobs: Begun a minute.
        requests: Responses a minute.
        tokens: A minute.
        minutes: Of audio or conversation, a minute.
        total_tokens: In the whole run; when they are used up no job is begun any more, and the run
            ends. Run again, what its file has counts, too.
        total_minutes: Likewise.

    Raises:
        ConfigurationError: A limit that is no positive number.
    """

    jobs: float | None = None
    requests: float | None = None
    tokens: float | None = None
    minutes: float | None = None
    total_tokens: float | None = None
    total_minutes: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            fits = value is None or (
                isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
            )
            if not fits:
                raise ConfigurationError(f"rate_limit: {name}: a positive number, not {value!r}")

    @classmethod
    def of(cls, given: RateLimit | Mapping[str, Any] | float | None) -> RateLimit:
        """What `rate_limit=` means: a number is jobs a minute, a mapping the fields.

        Raises:
            ConfigurationError: None of that.
        """
        if given is None:
            return cls()
        if isinstance(given, RateLimit):
            return given
        if isinstance(given, (int, float)):
            return cls(jobs=given)
        if isinstance(given, Mapping):
            wrong = [str(name) for name in given if name not in cls.__slots__]
            if not wrong:
                return cls(**given)
            raise ConfigurationError(
                f"rate_limit: no {wrong[0]!r}; there are {', '.join(cls.__slots__)}"
            )
        raise ConfigurationError(
            f"rate_limit: a RateLimit, its fields as a dict, or jobs a minute; not {given!r}"
        )


def asked_to_wait(message: str) -> float | None:
    """Seconds in "Please try again in 1m2.5s"; None: it does not say. Source: wire.md (g)."""
    found = _WAIT.search(message)
    if found is None:
        return None
    parts = [
        (float(number), _UNITS.get(unit.lower(), _UNITS.get(unit.lower()[:3])))
        for number, unit in _PART.findall(found[1])
    ]
    known = [number * unit for number, unit in parts if unit is not None]
    return sum(known) if known else None


class Limits:
    """When the next job may begin. One for all jobs of a run, wherever they run.

    `now` is seconds of a clock that never goes back.

    Args:
        rate: What was asked for.
        room: Jobs at a time.
        spent: Tokens and minutes that a run before has used.
    """

    def __init__(
        self, rate: RateLimit, room: int, spent: Mapping[str, float] = {}
    ) -> None:  # read only
        self._rate = rate
        self._most = room
        self._room = float(room)  # halved when the server says it is too much; grows again
        self._flying = 0
        self._ended = 0
        self._recent: deque[tuple[float, dict[str, float]]] = deque()  # of the last minute
        self._total = {kind: float(spent.get(kind, 0)) for kind in _KINDS}
        self._mean = {"jobs": 1.0, "requests": 1.0, "tokens": 0.0, "minutes": 0.0}
        self._begun: deque[float] = deque()  # when, of the last minute
        self._until = -math.inf  # nothing begins before
        self._refused = 0  # in a row

    @property
    def room(self) -> int:
        """How many jobs may run at a time now."""
        return max(1, int(self._room))

    def paused(self, now: float) -> float:
        """Seconds for which a server wants to be left alone."""
        return max(0.0, self._until - now)

    def used_up(self) -> str | None:
        """The budget that does not suffice for one more job, if one does not."""
        for kind in ("tokens", "minutes"):
            most = getattr(self._rate, f"total_{kind}")
            if most is not None and self._total[kind] + self._flying * self._mean[kind] >= most:
                return f"total_{kind}"
        return None

    def wait(self, now: float) -> float:
        """Seconds until the next job may begin; infinite: not before another one has ended."""
        if self._flying >= self.room:
            return math.inf
        self._forget(now)
        waits = [self.paused(now), self._wait_for_begins(now)]
        waits += [self._wait_for(kind, now) for kind in _KINDS[1:]]
        return max(waits)

    def began(self, now: float) -> None:
        """A job has begun."""
        self._flying += 1
        self._begun.append(now)

    def ended(self, now: float, used: Mapping[str, float], *, well: bool = True) -> None:
        """A job has ended, and has used so many requests, tokens and minutes.

        Args:
            now: The moment.
            used: By kind.
            well: False: it tells nothing of what others will use.
        """
        self._flying -= 1
        amounts = {kind: float(used.get(kind, 0)) for kind in _KINDS[1:]}
        self._recent.append((now, amounts))
        for kind, amount in amounts.items():
            self._total[kind] += amount
        if not well:
            return
        self._refused = 0
        self._ended += 1
        self._room = min(float(self._most), self._room + 1)
        # the last hundred or so count
        share = 1 / min(self._ended, 100)
        for kind, amount in amounts.items():
            self._mean[kind] += share * (amount - self._mean[kind])

    def refused(self, now: float, seconds: float | None) -> float:
        """The server says it is too much; until when nothing begins.

        Args:
            now: The moment.
            seconds: How long it wants to be left alone; None: it does not say.
        """
        if self._until <= now:  # once for all that it refuses at a time
            self._refused += 1
            self._room = max(1.0, self.room / 2)
        if seconds is None:
            seconds = min(_LONGEST, _FIRST * 2 ** (self._refused - 1))
        self._until = max(self._until, now + min(seconds, _ASKED_MOST))
        return self._until

    def told(self, now: float, limits: Iterable[Told]) -> None:
        """What `rate_limits.updated` said last in a job's sessions."""
        for one in limits:
            if one.remaining is None or not one.reset_seconds or one.name not in _KINDS:
                continue
            said = (one.remaining, one.reset_seconds, one.limit or 0)
            if not all(0 <= number <= _SAID_MOST for number in said):
                continue
            # what those that run are going to take is as good as gone
            short = (self._flying + 1) * self._mean[one.name] - one.remaining
            if one.limit is None or one.limit <= one.remaining:
                share = 1.0
            else:  # it comes back evenly
                share = min(1.0, short / (one.limit - one.remaining))
            if short > 0:
                self._until = max(self._until, now + min(_LONGEST, share * one.reset_seconds))

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - _WINDOW:
            self._recent.popleft()
        while self._begun and self._begun[0] <= now - self._begins_within():
            self._begun.popleft()

    def _wait_for_begins(self, now: float) -> float:
        most = self._rate.jobs
        if most is None or not self._begun or len(self._begun) + 1 <= max(1, most):
            return 0.0
        # the one that makes room by leaving the window
        leaves = self._begun[len(self._begun) - max(1, int(most))]
        return max(0.0, leaves + self._begins_within() - now)

    def _begins_within(self) -> float:
        """Seconds for which a job that has begun counts: half a job a minute is one in two."""
        return _WINDOW / min(1.0, self._rate.jobs or 1.0)

    def _wait_for(self, kind: str, now: float) -> float:
        most = getattr(self._rate, kind)
        if most is None:
            return 0.0
        need = self._mean[kind] * (self._flying + 1)
        over = need + sum(amounts[kind] for _, amounts in self._recent) - most
        if over <= _SLACK * most or not (self._recent or self._flying):
            return 0.0  # one alone may always begin, or nothing ever would
        for moment, amounts in self._recent:
            over -= amounts[kind]
            if over <= _SLACK * most:
                return max(0.0, moment + _WINDOW - now)
        # those that run take all of it; else the window has to be empty
        return math.inf if self._flying else max(0.0, self._recent[-1][0] + _WINDOW - now)
