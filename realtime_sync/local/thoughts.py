"""A response that a language model gives, as it comes: words, sentence by sentence, and calls.

No clock, no threads: what has not come yet is asked for again when somebody is woken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

from realtime_sync.local.answers import Call, Fail
from realtime_sync.local.asked import Chunks, Ended, Heard
from realtime_sync.local.mcp import McpResponse
from realtime_sync.local.responses import Step
from realtime_sync.local.usage import words_of

__all__ = ["Failed", "Source", "Thinker", "Thinking", "ThoughtResponse"]

Wire = dict[str, Any]

_SENTENCE = re.compile(r"[.!?…]+[\"')\]»”’]*\s+|[。！？]+|\n+")
_PHRASE = re.compile(r"[,;:–—]\s+|\s+")
_PHRASE_MOST = 200  # characters that may be without an end before they are spoken all the same


class Source(Protocol):
    """A request under way."""

    chunks: Chunks

    def take(self) -> Heard | None:
        """What has come next; None: nothing yet."""
        ...

    def cancel(self) -> None:
        """Ends it."""
        ...


class Listening(Protocol):
    """Speech that is being written down."""

    def take(self) -> str | Fail | None:
        """What was said, or why nobody knows; None: not yet."""
        ...

    def cancel(self) -> None:
        """Ends it."""
        ...


class Thinker(Protocol):
    """A language model, and perhaps one for speech."""

    @property
    def listens(self) -> bool:
        """Whether there is one for speech."""
        ...

    def think(self, body: Wire) -> Source:
        """Asks it, given the body of the request."""
        ...

    def listen(self, wav: bytes) -> Listening:
        """Has speech written down."""
        ...


@dataclass(slots=True)
class Failed:
    """A request that cannot be made."""

    fail: Fail
    chunks: Chunks = field(default_factory=Chunks)

    def take(self) -> Heard | None:
        """See `Source`."""
        return self.fail

    def cancel(self) -> None:
        """See `Source`."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """A part of a response that is still to be thought of.

    Attributes:
        begin: Asks the model.
        ready: Whether everything is known that it has to be told.
    """

    begin: Callable[[], Source]
    ready: Callable[[], bool] = lambda: True


class ThoughtResponse(McpResponse):
    """A response whose words may still be to come."""

    def _think(self, part: Thinking, at: float) -> Generator[Step, None, float]:
        while not part.ready():
            yield at, None
        source = part.begin()
        try:
            return (yield from self._follow(source, at))
        finally:
            # also when the response is interrupted: nobody thinks on
            source.cancel()

    def _follow(self, source: Source, at: float) -> Generator[Step, None, float]:
        kind = "text" if self.plan.modality == "text" else "audio"
        held = ""  # words of a sentence that is not whole yet
        while True:
            heard = source.take()
            if heard is None:
                yield at, None
                continue
            if isinstance(heard, str):
                if self._open is None:
                    heard = heard.lstrip()
                    if not heard:
                        continue  # many models begin with an empty line
                    yield at, partial(self._begin_message, kind)
                whole, held = (heard, "") if kind == "text" else _sentences(held + heard)
                at = yield from self._utter(whole, at)
            else:
                at = yield from self._utter(held, at)
                held = ""
            if self._cut or isinstance(heard, Fail):
                if isinstance(heard, Fail):
                    yield at, partial(self._break_off, heard)
                return at
            if isinstance(heard, Ended):
                yield from self._conclude(source.chunks, heard, at)
                return at
            if isinstance(heard, Call):
                if self._open is not None:
                    yield at, partial(self._close, "completed")
                at = yield from self._call(heard, at)

    def _utter(self, words: str, at: float) -> Generator[Step, None, float]:
        """Says more in the open message."""
        if not words:
            return at
        if self.plan.modality != "text":
            return (yield from self._spoken(self._within_budget(words_of(words)), at))
        for piece in self._within_budget([words]):
            yield at, partial(self._delta, "response.output_text.delta", piece)
        return at

    def _conclude(self, chunks: Chunks, ended: Ended, at: float) -> Generator[Step, None, None]:
        self._counted = (chunks.taken, chunks.made)
        if self._open is None:
            kind = "text" if self.plan.modality == "text" else "audio"
            yield at, partial(self._begin_message, kind)
        if ended.reason is not None:
            yield at, partial(self._run_out, ended.reason)

    def _break_off(self, fail: Fail) -> list[Wire]:
        closing = self._close("incomplete") if self._open is not None else []
        return [*closing, *self._fail(fail)]

    _STREAMS: ClassVar[dict[type, Callable[..., Any]]] = {
        **McpResponse._STREAMS,
        Thinking: _think,
    }


def _sentences(words: str) -> tuple[str, str]:
    """The sentences that are whole, and the rest; a long rest is cut where one may breathe."""
    end = 0
    for match in _SENTENCE.finditer(words):
        end = match.end()
    if not end and len(words) > _PHRASE_MOST:
        for match in _PHRASE.finditer(words):
            end = match.end()
    return words[:end], words[end:]
