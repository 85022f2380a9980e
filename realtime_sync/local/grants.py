"""Client secrets: `ek_` keys that stand for a session, until they expire.

No clock: whoever calls says what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PREFIX", "Grant", "Grants"]

Wire = dict[str, Any]

PREFIX = "ek_"
_MOST = 10_000  # beyond it the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client secret allows.

    Attributes:
        kind: "realtime", "transcription" or "translation".
        model: The session's model, empty where it has none.
        session: The settings that its sessions begin with.
        ends: When it expires.
    """

    kind: str
    model: str
    session: Wire = field(repr=False)
    ends: float


class Grants:
    """All client secrets of a server; each may be used many times.

    Args:
        new_token: The unguessable part of a secret.
    """

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._grants: dict[str, Grant] = {}

    def __repr__(self) -> str:
        return f"<Grants, {len(self._grants)} secrets>"

    def issue(self, grant: Grant) -> str:
        """A new secret."""
        value = PREFIX + self._new_token()
        self._grants[value] = grant
        if len(self._grants) > _MOST:
            del self._grants[next(iter(self._grants))]
        return value

    def find(self, value: str, now: float) -> Grant | None:
        """What the secret allows; None where there is none, or no longer."""
        grant = self._grants.get(value)
        if grant is None or grant.ends > now:
            return grant
        self._grants.pop(value, None)
        return None
