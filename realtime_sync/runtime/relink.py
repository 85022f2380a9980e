"""When a lost link is made anew, and when not. No thread, no socket; the time is given to it."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING

from ..errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    RealtimeError,
    ServerError,
    refusal,
)
from ..policy import ReconnectPolicy
from .endpoints import KeyFailed

if TYPE_CHECKING:
    from ..events.server import Error

__all__ = ["Relink", "final"]

#: Close codes after which another attempt would end alike: the peer is done, or refuses us. All
#: from 3000 on are the server's own refusals. Source: wire.md (g).
FATAL_CLOSES = frozenset({1000, 1003, 1008, 1010})
#: HTTP statuses of a handshake that another attempt may pass: too many, or the server's own fault.
PASSING = frozenset({408, 425, 429})
#: Codes of `error` events after which no session will be had with this key and model.
FATAL_CODES = frozenset(
    {
        *("invalid_api_key", "beta_api_shape_disabled", "model_not_found"),
        *("insufficient_quota", "credit_balance_exhausted"),
    }
)
#: Seconds within which a link that ends has ended because of the error that came before.
VERDICT = 5.0
#: Seconds that a link must live to have worked, if nothing at all happens on it.
LIVED = 60.0
#: Most seconds that we wait because the server asks for it.
PATIENCE = 60.0


class Relink:
    """Counts attempts. All of it on the I/O thread."""

    def __init__(self, policy: ReconnectPolicy | None) -> None:
        self.policy = policy  # None: a lost link is never made anew
        self._tried = 0  # attempts since a link that worked
        self._since = 0.0  # when the present link had come to work
        self._refusal: tuple[ServerError, float] | None = None  # a fatal error, and when it came

    @property
    def unproven(self) -> bool:
        """Whether the present link has yet to work: then `worked` wants to know of its events."""
        return self._tried > 0

    def worked(self) -> None:
        """Something has come of this link: delays are counted afresh."""
        self._tried = 0

    def linked(self, now: float) -> None:
        """A link is up and its session ready."""
        self._since = now
        self._refusal = None

    def refused(self, event: Error, now: float) -> None:
        """The server has sent an error that concerns nothing of ours."""
        if event.error.code in FATAL_CODES:
            self._refusal = (refusal(event), now)

    def renewal(self, left: float | None) -> float | None:
        """Seconds until the session that is ready now is to be renewed; None: never.

        Args:
            left: Seconds until the server ends it; None: it did not say.
        """
        policy = self.policy
        if policy is None:
            return None
        due = [] if policy.renew_every is None else [policy.renew_every]
        if left is not None and policy.renew_before is not None:
            # a session shorter than that is renewed at its half, or it would never rest
            due.append(max(left - policy.renew_before, left / 2, 0.0))
        return min(due, default=None)

    def delay(self, error: RealtimeError, now: float) -> float | None:
        """Seconds until the next attempt; None: there is none, the link is lost for good.

        Args:
            error: What has ended the link, or the last attempt to make one.
            now: The moment, in seconds of a monotonic clock.
        """
        if self.policy is None or self.fatal(error, now):
            return None
        if self._since and now - self._since > LIVED:
            self._tried = 0
        self._since = 0.0
        if self._tried >= len(self.policy.delays):
            return None
        delay = self.policy.delays[self._tried]
        self._tried += 1
        # spread, or all clients of a server that restarts would come back at once
        delay *= 1 + self.policy.jitter * random.uniform(-1, 1)
        asked = error.retry_after if isinstance(error, ConnectError) else None
        return max(delay, min(asked or 0.0, PATIENCE))

    def fatal(self, error: RealtimeError, now: float) -> bool:
        """Whether trying again is of no use."""
        if self._refusal is not None and now - self._refusal[1] < VERDICT:
            return True
        if isinstance(error, ConnectionLost):
            code = error.code or 1006
            return code in FATAL_CLOSES or code >= 3000
        return final(error)

    def cause(self, error: RealtimeError) -> RealtimeError:
        """What is to blame: the error that the server sent before it hung up, if there is one."""
        return self._refusal[0] if self._refusal is not None else error


def final(error: RealtimeError) -> bool:
    """Whether an attempt that failed so would fail again."""
    if isinstance(error, KeyFailed):
        return False  # the key function may know better next time
    if isinstance(error, ConnectError):
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return True  # its certificate will be no better
        status = error.status
        return status is not None and status < 500 and status not in PASSING
    return isinstance(error, (ConfigurationError, ServerError))
