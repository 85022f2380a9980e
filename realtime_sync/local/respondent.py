"""Who answers a realtime session: the rules, or a language model that hears, too.

No clock, no threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from realtime_sync.local.answers import Part, Question, answer
from realtime_sync.local.asked import chat_request
from realtime_sync.local.conversation import Entry
from realtime_sync.local.ears import Ears
from realtime_sync.local.responses import Running
from realtime_sync.local.schedule import Schedule
from realtime_sync.local.thoughts import Failed, Source, Thinker, Thinking
from realtime_sync.local.transcripts import Transcripts

__all__ = ["Respondent"]

Wire = dict[str, Any]


class Respondent:
    """Answers one session.

    Args:
        thinker: The language model; None: the rules answer.
        clock: The time of day, for those who ask.
        schedule: Where transcripts go.
        transcripts: Makes their events.
        convert: Converts audio between the wire's formats.
    """

    def __init__(
        self,
        thinker: Thinker | None,
        *,
        clock: Callable[[], datetime],
        schedule: Schedule[Running],
        transcripts: Transcripts,
        convert: Callable[[bytes, str, str], bytes],
    ) -> None:
        self._thinker = thinker
        self._clock = clock
        self._convert = convert
        self._ears: Ears | None = None  # None: nobody understands speech
        if thinker is not None and thinker.listens:
            self._ears = Ears(thinker, schedule=schedule, transcripts=transcripts, convert=convert)

    @property
    def listens(self) -> bool:
        """Whether speech can be written down."""
        return self._ears is not None

    def hear(self, entry: Entry, told: Wire | None, now: float) -> None:
        """See `Ears.hear`."""
        if self._ears is not None:
            self._ears.hear(entry, told, now)

    def answers(self, options: Wire, context: list[Entry], now: float) -> Sequence[Part | Thinking]:
        """The parts of a response.

        Args:
            options: The session's settings, as they are for this response.
            context: The items that it answers.
            now: The time.
        """
        thinker, ears = self._thinker, self._ears
        if thinker is None:
            return answer(self._question(options, context))
        if ears is None:
            return [Thinking(lambda: thinker.think(self._request(options, context)))]
        for entry in context:
            ears.hear(entry, None, now)

        def begin() -> Source:
            unheard = ears.failure(context)
            return Failed(unheard) if unheard else thinker.think(self._request(options, context))

        return [Thinking(begin, lambda: not ears.waits(context))]

    def leave(self) -> None:
        """The session is over."""
        if self._ears is not None:
            self._ears.close()

    def _request(self, options: Wire, context: list[Entry]) -> Wire:
        """What a language model is asked."""
        limit = options["max_output_tokens"]
        return chat_request(
            context,
            instructions=options["instructions"],
            tools=options["tools"],
            tool_choice=options["tool_choice"],
            max_tokens=None if limit == "inf" else limit,
            convert=self._convert,
        )

    def _question(self, options: Wire, context: list[Entry]) -> Question:
        """What the rules are asked."""
        user = next(
            (entry for entry in reversed(context) if entry.item.get("role") == "user"), None
        )
        sound = None
        if user is not None and user.audio:
            sound = (bytes(user.audio), user.format, user.audio_ms)
        return Question(
            items=[entry.item for entry in context],
            sound=sound,
            tools=options["tools"],
            tool_choice=options["tool_choice"],
            now=self._clock(),
        )
