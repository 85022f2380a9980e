"""When a lost link is made anew. Plain values."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from .errors import ConfigurationError

__all__ = ["ReconnectPolicy"]


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How a link that has worked is made anew after a loss.

    Attributes:
        delays: Seconds before each attempt, counted afresh after a link that worked.
        jitter: Share by which each delay is varied at random, 0 to 1.
        renew_before: Seconds before the server's end of the session when it is renewed at the next
            idle moment; None: never.
        renew_every: Seconds after which a session is renewed whose server names no end; None:
            never.
        keep_audio: Seconds of user audio, the newest, that wait for a link while there is none;
            0: none of it. A commit whose audio has to make room for newer fails with
            `ConnectionLost`.
        replay_audio: Seconds of audio of the items that you have created: the newest of it is kept,
            and a new session hears it where there is no transcript. What goes beyond is in
            `connection.restored`, `skipped`. The same of calls with audio that wait for a link;
            more of them get `QueueFull`.
    """

    delays: tuple[float, ...] = (0.1, 0.5, 1, 2, 4, 8)
    jitter: float = 0.25
    renew_before: float | None = 60
    renew_every: float | None = None
    keep_audio: float = 5
    replay_audio: float = 60

    def __post_init__(self) -> None:
        object.__setattr__(self, "delays", tuple(self.delays))
        for delay in self.delays:
            _check("delays", delay)
        _check("jitter", self.jitter)
        if self.jitter > 1:
            raise ConfigurationError(f"jitter: a share from 0 to 1, not {self.jitter}")
        _check("keep_audio", self.keep_audio)
        _check("replay_audio", self.replay_audio)
        for name in ("renew_before", "renew_every"):
            if getattr(self, name) is not None:
                _check(name, getattr(self, name))


def _check(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name}: a number, not {type(value).__name__}")
    if not 0 <= value <= sys.float_info.max:  # nor NaN
        raise ConfigurationError(f"{name}: a number from 0 on, not {value}")
