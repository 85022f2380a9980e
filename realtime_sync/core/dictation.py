"""Transcripts of what was committed, in the order of what was said. No thread, socket or clock.

Items are completed in any order, and told apart by their ids; their places are told by
`previous_item_id`. Source: wire.md (a), (c).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import ServerError, copy_of
from ..events.base import Event
from ..events.confidence import confidence_of, logprobs_of

__all__ = ["DICTATED", "Dictation", "ItemTranscript", "Segment", "Transcript"]

_WORDS = "conversation.item.input_audio_transcription."


@dataclass(frozen=True, slots=True)
class Segment:
    """What one speaker said, as diarizing models tell it.

    Attributes:
        text: The words.
        speaker: The model's name for who said them.
        start: When they begin, in seconds, as the server counts.
        end: When they end.
    """

    text: str
    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ItemTranscript:
    """The transcript of one item: of one piece of audio that was committed.

    Attributes:
        item_id: The item's.
        text: What was said; so far, while it is not final.
        final: Whether it is complete, or has failed.
        segments: By speaker; empty where the model does not tell.
        logprobs: Of each token, as `events.Logprob`; empty where they were not asked for.
        languages: ISO-639-1 codes; empty where the model does not tell.
        error: Why it failed; `text` then has what came before. Else None.
    """

    item_id: str
    text: str = ""
    final: bool = False
    segments: tuple[Segment, ...] = ()
    logprobs: tuple[Any, ...] = ()
    languages: tuple[str, ...] = ()
    error: ServerError | None = None

    @property
    def confidence(self) -> float | None:
        """exp of the mean log-probability, 0 to 1; None without `logprobs`."""
        return confidence_of(logprobs_of(self.logprobs))


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a whole source.

    Attributes:
        items: One for each piece that was committed, in the order of what was said.
    """

    items: tuple[ItemTranscript, ...] = ()

    @property
    def text(self) -> str:
        """All of it; pieces are joined by a space. A failed one gives what came before."""
        return " ".join(text for item in self.items if (text := item.text.strip()))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """By speaker; `start` and `end` as the server counts them."""
        return tuple(segment for item in self.items for segment in item.segments)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Each once, in the order in which they speak up."""
        return tuple(dict.fromkeys(segment.speaker for segment in self.segments))

    @property
    def languages(self) -> tuple[str, ...]:
        """Each once, in the order in which they are heard."""
        return tuple(dict.fromkeys(code for item in self.items for code in item.languages))

    @property
    def language(self) -> str | None:
        """The first of `languages`."""
        return next(iter(self.languages), None)

    @property
    def logprobs(self) -> tuple[Any, ...]:
        """Of each token of all items."""
        return tuple(logprob for item in self.items for logprob in item.logprobs)

    @property
    def confidence(self) -> float | None:
        """exp of the mean log-probability of all tokens, 0 to 1; None without `logprobs`."""
        return confidence_of(logprobs_of(self.logprobs))

    @property
    def errors(self) -> tuple[ServerError, ...]:
        """Why pieces failed; empty where none did."""
        return tuple(item.error for item in self.items if item.error is not None)

    def raise_for_status(self) -> Transcript:
        """Itself, if no piece failed.

        Raises:
            ServerError: The first failure.
        """
        for error in self.errors:
            raise copy_of(error)
        return self


@dataclass(slots=True)
class _Piece:
    """One item, while its transcript grows."""

    words: list[str] = field(default_factory=list)
    parts: dict[int, str] = field(default_factory=dict)  # content index -> its whole text
    segments: list[Segment] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    languages: tuple[str, ...] = ()
    error: ServerError | None = None
    final: bool = False


class Dictation:
    """Puts transcripts together.

    Args:
        strict: Only items whose commit was seen count; else whatever is transcribed.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._pieces: dict[str, _Piece] = {}  # in the order in which we heard of them
        self._previous: dict[str, str | None] = {}
        self._restarted = False  # places are no longer those of one server's conversation

    @property
    def pending(self) -> int:
        """How many items still miss their transcript."""
        return sum(not piece.final for piece in self._pieces.values())

    def received(self, event: Event) -> ItemTranscript | None:
        """Take in an event of `DICTATED`; the item's transcript, if there is news of it."""
        act = _ACTS.get(event.type)
        if act is None:
            return None
        told: Any = event
        if event.type == "input_audio_buffer.committed":
            if told.item_id not in self._pieces:
                last = [*self._order()][-1:] if self._restarted else ()
                self._previous[told.item_id] = last[0] if last else told.previous_item_id
                self._pieces[told.item_id] = _Piece()
            return None
        piece = self._pieces.get(told.item_id)
        if piece is None:
            if self._strict or event.type == "conversation.item.deleted":
                return None
            piece = self._pieces[told.item_id] = _Piece()
        if piece.final:
            return None
        act(piece, told)
        return self._shown(told.item_id)

    def restart(self) -> None:
        """A new session, whose items come behind those of the last one."""
        self._restarted = True

    def said_again(self, old: str, new: str) -> None:
        """An item has another id in the new session, and the place that it had."""
        pieces = self._pieces.items()
        self._pieces = {new if i == old else i: _Piece() if i == old else p for i, p in pieces}
        places = self._previous.items()
        self._previous = {new if i == old else i: new if p == old else p for i, p in places}

    def lost(self) -> tuple[ItemTranscript, ...]:
        """A new session: what has no transcript will have none; these items."""
        missing = [item_id for item_id in self._order() if not self._pieces[item_id].final]
        message = "the link was lost before its transcript came"
        for item_id in missing:
            piece = self._pieces[item_id]
            piece.error = ServerError(message, code="connection_lost")
            piece.final = True
        self.restart()
        return tuple(self._shown(item_id) for item_id in missing)

    def items(self) -> tuple[ItemTranscript, ...]:
        """All of them, in the order of what was said."""
        return tuple(self._shown(item_id) for item_id in self._order())

    def _shown(self, item_id: str) -> ItemTranscript:
        piece = self._pieces[item_id]
        whole = [piece.parts[index] for index in sorted(piece.parts)]
        return ItemTranscript(
            item_id,
            "".join(whole or piece.words),
            piece.final,
            tuple(piece.segments),
            tuple(piece.logprobs),
            piece.languages,
            piece.error,
        )

    def _order(self) -> Iterator[str]:
        following: dict[str | None, list[str]] = defaultdict(list)
        for item_id in self._pieces:
            previous = self._previous.get(item_id)
            following[previous if previous in self._pieces else None].append(item_id)
        seen: dict[str, None] = {}
        # of two that claim one place, the later was put between
        waiting = following.pop(None, [])[::-1]
        while waiting:
            item_id = waiting.pop()
            if item_id not in seen:
                seen[item_id] = None
                waiting += following.get(item_id, ())
        yield from seen
        yield from (item_id for item_id in self._pieces if item_id not in seen)  # a circle


def _delta(piece: _Piece, event: Any) -> None:
    piece.words.append(event.delta or "")
    piece.logprobs += event.logprobs or ()


def _segment(piece: _Piece, event: Any) -> None:
    piece.segments.append(Segment(event.text, event.speaker, event.start, event.end))


def _completed(piece: _Piece, event: Any) -> None:
    piece.parts[event.content_index or 0] = event.transcript
    piece.logprobs = list(event.logprobs or piece.logprobs)
    piece.languages = tuple(one.code for one in event.languages or () if one.code)
    piece.final = True


def _failed(piece: _Piece, event: Any) -> None:
    told = event.error
    piece.error = ServerError(
        told.message or told.code or "the transcription failed",
        code=told.code,
        type=told.type,
        param=told.param,
        event=event,
    )
    piece.final = True


def _deleted(piece: _Piece, event: Any) -> None:
    message = "the item was deleted before its transcript came"
    piece.error = ServerError(message, code="item_deleted", event=event)
    piece.final = True


_ACTS: dict[str, Callable[[_Piece, Any], None]] = {
    "input_audio_buffer.committed": lambda _, __: None,
    "conversation.item.deleted": _deleted,
    _WORDS + "delta": _delta,
    _WORDS + "segment": _segment,
    _WORDS + "completed": _completed,
    _WORDS + "failed": _failed,
}

#: The types of events that tell something.
DICTATED = tuple(_ACTS)
