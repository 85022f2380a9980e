"""What a text call is answered with: the script's next answer, else that of the rules.

Parts in plain text, within the budget of tokens. No protocol.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realtime_sync.local.answers import Call, Fail, McpCall, Part, Question, Say, Sound, answer
from realtime_sync.local.conversation import Entry
from realtime_sync.local.http import Reply, failure
from realtime_sync.local.script import Script
from realtime_sync.local.usage import input_tokens, words_of

__all__ = ["Answer", "Answers", "Progress", "TextPart", "pieces_of", "refused"]

Wire = dict[str, Any]

TextPart = Say | Call | Fail

_STATUS = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "context_length_exceeded": 400,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, and what it costs.

    Attributes:
        parts: In order; a `Fail` is the last.
        cut: Whether there were more tokens than allowed.
        taken: Tokens of what was asked.
        made: Tokens of the parts.
        hold: Stand still after so many deltas, None for not at all.
    """

    parts: tuple[TextPart, ...]
    cut: bool
    taken: int
    made: int
    hold: int | None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Say))

    @property
    def calls(self) -> list[Call]:
        return [part for part in self.parts if isinstance(part, Call)]

    @property
    def failure(self) -> Fail | None:
        """Why it ends before its time, None where it does not."""
        last = self.parts[-1] if self.parts else None
        return last if isinstance(last, Fail) else None


class Answers:
    """Answers one question after the other.

    Args:
        script: What to answer.
        clock: The time of day, now.
    """

    def __init__(self, script: Script, clock: Callable[[], datetime]) -> None:
        self._script = script
        self._clock = clock

    def next(
        self,
        items: Sequence[Wire],
        *,
        tools: Sequence[Wire] = (),
        tool_choice: str | Wire = "auto",
        limit: int | None = None,
        instructions: str = "",
    ) -> Answer:
        """The answer to a conversation.

        Args:
            items: As a realtime session has them.
            tools: The same.
            tool_choice: The same.
            limit: The most tokens; None for any number.
            instructions: Counted.
        """
        parts = self._script.next_answer()
        if parts is None:
            parts = answer(Question(items, None, tools, tool_choice, self._clock()))
        kept, cut = _within(list(map(_plain, parts)), limit)
        made = sum(len(pieces_of(part)) for part in kept)
        given = input_tokens([Entry(item) for item in items], instructions)
        return Answer(tuple(kept), cut, sum(given.values()), made, self._script.next_hold())


class Progress:
    """An answer that is being given: what the schedule asks.

    Args:
        hold: As in `Answer`.
    """

    def __init__(self, hold: int | None) -> None:
        self.done = False
        self.deltas = 0  # sent so far
        self._hold = hold

    @property
    def standing(self) -> bool:
        """True once it has sent as many deltas as it is to be held after."""
        return self._hold is not None and self.deltas >= self._hold


def pieces_of(part: TextPart) -> list[str]:
    """What it is streamed in, a token each."""
    match part:
        case Say(text):
            return words_of(text)
        case Call(_, arguments):
            return re.findall(r"\w+|\W+", arguments)
        case _:
            return []


def refused(fail: Fail) -> Reply:
    """The reply of a call that fails before it has said anything."""
    status = _STATUS.get(fail.code, 500)
    return failure(status, fail.message, fail.code, type=fail.type)


def _plain(part: Part) -> TextPart:
    match part:
        case Sound(_, _, transcript):
            return Say(transcript)
        case McpCall(label, _, _):
            return Fail(f"MCP servers are played to realtime sessions only, not {label!r} here.")
    return part


def _within(parts: Sequence[TextPart], limit: int | None) -> tuple[list[TextPart], bool]:
    """As much of the parts as the limit allows, up to a failure; whether there was more."""
    kept: list[TextPart] = []
    left = math.inf if limit is None else limit
    for part in parts:
        pieces = pieces_of(part)
        if len(pieces) > left:
            text = "".join(pieces[: int(left)])
            return [*kept, Call(part.name, text) if isinstance(part, Call) else Say(text)], True
        kept.append(part)
        left -= len(pieces)
        if isinstance(part, Fail):
            break
    return kept, False
