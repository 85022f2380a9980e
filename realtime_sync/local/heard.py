"""What the user is said to have said: a transcript as a test writes it, checked.

There is no speech recognition here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime_sync.local.answers import Fail
from realtime_sync.local.usage import words_of

__all__ = ["Heard", "Spoken", "heard_of"]

Spoken = str | BaseException | Mapping[str, Any]
"""What `LocalServer(transcripts=...)` takes for one user item."""

_FIELDS = ("transcript", "deltas", "logprobs", "segments", "languages", "after", "translation")
_SEGMENT_FIELDS = {"text": str, "speaker": str, "start": float, "end": float}


@dataclass(frozen=True, slots=True)
class Heard:
    """One transcript.

    Attributes:
        transcript: The whole of it.
        deltas: In pieces; they need not add up to it, the service's do not always.
        logprobs: One for each piece, as wire objects; empty without any.
        segments: Text, speaker, start and end of each, as the diarizing model gives them.
        languages: Codes, e.g. "en".
        after: Wait until so many later transcripts are complete.
        translation: What a translation session says instead of the transcript.
    """

    transcript: str
    deltas: tuple[str, ...]
    logprobs: tuple[dict[str, Any], ...] = ()
    segments: tuple[dict[str, Any], ...] = ()
    languages: tuple[str, ...] = ()
    after: int = 0
    translation: str | None = None


def heard_of(given: Spoken) -> Heard | Fail:
    """The transcript that a test means.

    Raises:
        TypeError: It is neither text, nor an exception, nor a mapping.
        ValueError: A mapping with a field that nobody reads, or with no words.
    """
    if isinstance(given, BaseException):
        return Fail.of(given)
    if isinstance(given, str):
        return Heard(given, tuple(words_of(given)))
    if not isinstance(given, Mapping):
        raise TypeError(
            f"a transcript is str, an exception or a mapping, not {type(given).__name__}"
        )
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        raise ValueError(f"a transcript has no field {unknown[0]!r}: there are {_FIELDS}")
    return _from_mapping(given)


def _from_mapping(given: Mapping[str, Any]) -> Heard:
    logprobs = tuple(_logprob(one) for one in given.get("logprobs", ()))
    segments = tuple(_segment(one) for one in given.get("segments", ()))
    tokens = tuple(one["token"] for one in logprobs)
    texts = " ".join(one["text"] for one in segments)
    transcript = given.get("transcript") or "".join(given.get("deltas") or tokens) or texts
    if not transcript:
        raise ValueError("a transcript needs words: transcript, deltas, logprobs or segments")
    deltas = tuple(given.get("deltas") or tokens or words_of(transcript))
    if logprobs and len(logprobs) != len(deltas):
        raise ValueError(f"{len(deltas)} deltas and {len(logprobs)} logprobs: one for each")
    return Heard(
        transcript,
        deltas,
        logprobs,
        segments,
        tuple(given.get("languages", ())),
        int(given.get("after", 0)),
        given.get("translation"),
    )


def _logprob(given: Any) -> dict[str, Any]:
    """A pair of token and log-probability, as the wire has it."""
    token, logprob = given
    return {"token": token, "bytes": list(token.encode()), "logprob": float(logprob)}


def _segment(given: Mapping[str, Any]) -> dict[str, Any]:
    if set(given) != set(_SEGMENT_FIELDS):
        raise ValueError(f"a segment has exactly {tuple(_SEGMENT_FIELDS)}")
    return {name: kind(given[name]) for name, kind in _SEGMENT_FIELDS.items()}
