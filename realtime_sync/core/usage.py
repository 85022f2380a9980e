"""What a session cost, and how fast a response was. No thread, no socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..events.output import Usage
    from ..events.server import TranscriptionUsage
    from .responses import ResponseRecord

__all__ = ["Metrics", "RateLimit", "SessionUsage", "metrics"]


@dataclass(frozen=True, slots=True)
class SessionUsage:
    """Totals since `open()`, in tokens unless said otherwise.

    Cached tokens are a subset of the input; transcription is apart from the rest.
    """

    responses: int = 0
    total_tokens: int = 0
    input_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cached_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    output_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    transcription_tokens: int = 0
    transcription_seconds: float = 0.0

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Without what is 0."""
        used = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return f"SessionUsage({', '.join(f'{name}={value!r}' for name, value in used if value)})"

    def plus_response(self, usage: Usage | None) -> SessionUsage:
        """The totals with one more response; it may have no usage (cancelled, failed)."""
        if usage is None:
            return self._plus({"responses": 1})
        spent = {"input": usage.input_token_details, "output": usage.output_token_details}
        cached = spent["input"] and spent["input"].cached_tokens_details
        more: dict[str, Any] = {
            "responses": 1,
            "total_tokens": usage.total_tokens,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": spent["input"] and spent["input"].cached_tokens,
        }
        for kind in ("text", "audio", "image"):
            more[f"cached_{kind}_tokens"] = cached and getattr(cached, f"{kind}_tokens")
            for side, details in spent.items():
                more[f"{side}_{kind}_tokens"] = details and getattr(details, f"{kind}_tokens")
        return self._plus(more)

    def plus_transcription(self, usage: TranscriptionUsage | None) -> SessionUsage:
        """The totals with one more user transcript, billed by tokens or by seconds."""
        if usage is None:
            return self
        return self._plus(
            {
                "transcription_tokens": usage.total_tokens,
                "transcription_seconds": usage.seconds,
            }
        )

    def _plus(self, more: dict[str, Any]) -> SessionUsage:
        # not `replace`, which looks through all fields once more
        return SessionUsage(*(getattr(self, name) + (more.get(name) or 0) for name in _NAMES))

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        from ..notebook.cards import usage_card

        return usage_card(self)


_NAMES = tuple(field.name for field in fields(SessionUsage))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One of the account's limits, as the server told it last; None for what it left out.

    Attributes:
        name: "requests" or "tokens".
        limit: How many there may be.
        remaining: How many are left.
        reset_seconds: Until all are there again, counted from when the server said so.
    """

    name: str
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, told: dict[str, Any]) -> RateLimit:
        """What an entry of `rate_limits.updated` says."""
        numbers: dict[str, Any] = {
            field.name: value
            for field in fields(cls)[1:]
            if isinstance(value := told.get(field.name), (int, float))
        }
        return cls(str(told.get("name") or ""), **numbers)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Timings of one response, in seconds; None for what never came.

    Attributes:
        created: From our create to `response.created`; None where the server began by itself.
        first_text: From the beginning to the first text or transcript delta.
        first_audio: From the beginning to the first audio delta.
        done: From the beginning to `response.done`.
        tokens_per_second: Output tokens over the time from `response.created` on.
        speech_to_audio: From the end of the user's speech, as the server's turn detection told it,
            to the first audio delta of the response that followed.
        tools: Wall time of the tool calls that it follows, from the end of the response that made
            them to the last output; None where it follows none.
    """

    created: float | None
    first_text: float | None
    first_audio: float | None
    done: float | None
    tokens_per_second: float | None
    speech_to_audio: float | None = None
    tools: float | None = None


def metrics(record: ResponseRecord) -> Metrics:
    """The timings of a response that is done."""
    times = record.timings
    start = times.asked if times.asked is not None else times.created

    def since(moment: float | None) -> float | None:
        return None if moment is None or start is None else moment - start

    usage = record.object.usage
    tokens = usage.output_tokens if usage else None
    running = times.done - times.created if times.done and times.created is not None else 0
    return Metrics(
        created=since(times.created) if times.asked is not None else None,
        first_text=since(times.first_text),
        first_audio=since(times.first_audio),
        done=since(times.done),
        tokens_per_second=tokens / running if tokens and running > 0 else None,
        speech_to_audio=(
            times.first_audio - times.speech
            if times.first_audio is not None and times.speech is not None
            else None
        ),
        tools=times.tools,
    )
