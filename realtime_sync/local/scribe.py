"""A transcription session: what is committed is written down, and nothing is answered.

No sockets, no threads, no clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from realtime_sync.local import settings
from realtime_sync.local.hearing import Hearing
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Script
from realtime_sync.local.vocabulary import TRANSCRIPTION_SHAPES

__all__ = ["Scribe"]

Wire = dict[str, Any]

_WITHOUT_DETECTION = ("gpt-realtime-whisper", "gpt-live-transcribe")


class Scribe(Hearing):
    """What the server knows about one transcription session.

    Args:
        script: Has the transcripts.
        identity: As in `Mind`.
        expires_at: Epoch seconds, reported only.
        speed: As in `Hearing`.
        ends: As in `Mind`.
        preset: A session update that holds from the beginning, checked already.
    """

    SHAPES = TRANSCRIPTION_SHAPES

    def __init__(
        self,
        *,
        script: Script,
        identity: str,
        expires_at: int,
        speed: float | None = 1.0,
        ends: float = math.inf,
        preset: Wire | None = None,
    ) -> None:
        super().__init__(script=script, identity=identity, ends=ends, speed=speed)
        self.session = settings.default_transcription_session(self._new_id("sess"), expires_at)
        if preset is not None:
            self.session = self._checked(preset)

    def _checked(self, wanted: Wire) -> Wire:
        updated = super()._checked(wanted)
        heard = updated["audio"]["input"]
        model = (heard["transcription"] or {}).get("model")
        if model in _WITHOUT_DETECTION and heard["turn_detection"] is not None:
            if wanted.get("audio", {}).get("input", {}).get("turn_detection") is not None:
                raise Refusal(
                    "invalid_value",
                    f"Turn detection is not supported with {model}: set it to null and commit.",
                    param="session.audio.input.turn_detection",
                )
            heard["turn_detection"] = None
        return updated

    def _no_responses(self, event: Wire, _now: float) -> list[Wire]:
        raise Refusal(
            "invalid_value",
            f"{event['type']} is not allowed in a transcription session: it has no responses.",
            param="type",
        )

    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {
        **Hearing.ANSWERS,
        "response.create": _no_responses,
        "response.cancel": _no_responses,
    }
