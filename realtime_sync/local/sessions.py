"""Makes the brain of each new session, of whatever kind it is.

No sockets, no threads; the clocks are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from realtime_sync.local.brain import Brain
from realtime_sync.local.interpreter import Interpreter
from realtime_sync.local.mind import Mind
from realtime_sync.local.plan import Voice
from realtime_sync.local.replay import Replay
from realtime_sync.local.scribe import Scribe
from realtime_sync.local.script import Script
from realtime_sync.local.telephone import Telephone
from realtime_sync.local.thoughts import Thinker

__all__ = ["Sessions"]

Wire = dict[str, Any]


class Sessions:
    """What all sessions of a server have in common.

    Args:
        script: What to answer, and what goes wrong.
        voice: Speaks.
        speed: As in `LocalServer`.
        seconds: Length of a session.
        epoch: Seconds since 1970, now.
        clock: The time of day, now.
        new_identity: A name that no other session has, at most 16 characters.
        thinker: A language model; None: realtime sessions answer by rules.
    """

    def __init__(
        self,
        *,
        script: Script,
        voice: Voice,
        speed: float | None,
        seconds: float,
        epoch: Callable[[], float],
        clock: Callable[[], datetime],
        new_identity: Callable[[], str],
        thinker: Thinker | None = None,
    ) -> None:
        self.script = script
        self.seconds = seconds
        self.epoch = epoch
        self.clock = clock
        self.new_identity = new_identity
        self._voice = voice
        self._thinker = thinker
        self.speed = speed
        self.replay: Replay | None = None  # the recording that is played; None: none

    def replayed(self, now: float) -> Mind:
        """The next session of the recording.

        Raises:
            Refusal: It has no further one.
        """
        assert self.replay is not None
        return self.replay.next(self.script, self.new_identity(), self.speed, now)

    def new(self, kind: str, model: str, now: float, preset: Wire | None = None) -> Mind:
        """A fresh session.

        Args:
            kind: "realtime", "transcription", "translation", or "call".
            model: Its model.
            now: Seconds, by the clock that drives it.
            preset: What its client secret or its call was made with.

        Raises:
            Refusal: The preset cannot be.
        """
        return self._KINDS[kind](self, model, now + self.seconds, preset)

    @property
    def _expires_at(self) -> int:
        # downwards: a client that goes by it must not come too late
        return int(self.epoch() + self.seconds)

    def _realtime(
        self, model: str, ends: float, preset: Wire | None, kind: type[Brain] = Brain
    ) -> Mind:
        return kind(
            model,
            script=self.script,
            voice=self._voice,
            identity=self.new_identity(),
            expires_at=self._expires_at,
            clock=self.clock,
            speed=self.speed,
            ends=ends,
            preset=preset,
            thinker=self._thinker,
        )

    def _call(self, model: str, ends: float, preset: Wire | None) -> Mind:
        return self._realtime(model, ends, preset, Telephone)

    def _transcription(self, _model: str, ends: float, preset: Wire | None) -> Mind:
        return Scribe(
            script=self.script,
            identity=self.new_identity(),
            expires_at=self._expires_at,
            speed=self.speed,
            ends=ends,
            preset=preset,
        )

    def _translation(self, model: str, ends: float, preset: Wire | None) -> Mind:
        return Interpreter(
            model,
            script=self.script,
            identity=self.new_identity(),
            expires_at=self._expires_at,
            ends=ends,
            preset=preset,
        )

    _KINDS: ClassVar[dict[str, Callable[..., Mind]]] = {
        "realtime": _realtime,
        "call": _call,
        "transcription": _transcription,
        "translation": _translation,
    }
