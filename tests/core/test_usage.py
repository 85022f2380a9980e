"""Totals and timings."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.core.responses import ResponseRecord
from realtime_sync.core.usage import Metrics, RateLimit, SessionUsage, metrics
from realtime_sync.events.output import ResponseObject, Usage
from realtime_sync.events.server import TranscriptionUsage

WIRE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {
        "text_tokens": 12,
        "audio_tokens": 7,
        "image_tokens": 1,
        "cached_tokens": 6,
        "cached_tokens_details": {"text_tokens": 4, "audio_tokens": 2, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 3, "audio_tokens": 7},
}


def test_totals_add_up() -> None:
    """Two equal responses: twice of everything, cached a subset of the input."""
    usage = Usage.model_validate(WIRE)
    total = SessionUsage().plus_response(usage).plus_response(usage)
    assert total == SessionUsage(
        responses=2,
        total_tokens=60,
        input_tokens=40,
        input_text_tokens=24,
        input_audio_tokens=14,
        input_image_tokens=2,
        cached_tokens=12,
        cached_text_tokens=8,
        cached_audio_tokens=4,
        cached_image_tokens=0,
        output_tokens=20,
        output_text_tokens=6,
        output_audio_tokens=14,
    )
    with pytest.raises(TypeError):
        hash(total)


@pytest.mark.parametrize(
    "wire",
    [
        None,
        {},
        {"total_tokens": None, "input_token_details": None},
        {"input_token_details": {"cached_tokens_details": {"text_tokens": None}}},
    ],
)
def test_what_is_missing_counts_nothing(wire: Any) -> None:
    """A cancelled response may have no usage, a strange server half of it."""
    usage = None if wire is None else Usage.model_validate(wire)
    assert SessionUsage().plus_response(usage) == SessionUsage(responses=1)


def test_transcription_is_apart() -> None:
    """By tokens or by seconds, as the model is billed."""
    total = (
        SessionUsage()
        .plus_transcription(TranscriptionUsage(type="tokens", total_tokens=9))
        .plus_transcription(TranscriptionUsage(type="duration", seconds=1.5))
        .plus_transcription(None)
        .plus_transcription(TranscriptionUsage())
    )
    assert total == SessionUsage(transcription_tokens=9, transcription_seconds=1.5)


def timed(usage: Any = None, **moments: float) -> Metrics:
    record = ResponseRecord("r1", default=True)
    record.object = ResponseObject.model_validate({"id": "r1", "usage": usage})
    for name, moment in moments.items():
        setattr(record.timings, name, moment)
    return metrics(record)


def test_metrics_of_a_response_of_ours() -> None:
    """All from the moment it was asked for; tokens over the time it ran."""
    assert timed(
        WIRE, asked=1.0, created=1.5, first_text=2.0, first_audio=2.5, done=3.5
    ) == Metrics(created=0.5, first_text=1.0, first_audio=1.5, done=2.5, tokens_per_second=5.0)


def test_latency_of_speech() -> None:
    """From the end of the user's speech to the first audio; only where both have been."""
    assert timed(speech=1.0, created=1.5, first_audio=1.75).speech_to_audio == 0.75
    assert timed(speech=1.0, created=1.5, first_text=1.75).speech_to_audio is None
    assert timed(created=1.5, first_audio=1.75).speech_to_audio is None


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        ({}, RateLimit("")),
        ({"name": "tokens", "remaining": "many", "new": 1}, RateLimit("tokens")),
        (
            {"name": "requests", "limit": 10, "remaining": 9, "reset_seconds": 0.5},
            RateLimit("requests", 10, 9, 0.5),
        ),
    ],
)
def test_rate_limits(told: dict[str, Any], limit: RateLimit) -> None:
    """What the server leaves out, or says in another way, is None."""
    assert RateLimit.of(told) == limit


def test_metrics_of_the_servers_own_response() -> None:
    """From its beginning; what never came is None."""
    assert timed(created=1.0, done=2.0) == Metrics(None, None, None, 1.0, None)


@pytest.mark.parametrize(
    "moments", [{}, {"created": 1.0}, {"created": 1.0, "done": 1.0}, {"done": 1.0}]
)
def test_no_rate_without_a_time(moments: dict[str, float]) -> None:
    """A response that took no time, or whose beginning was missed, has no rate."""
    assert timed(WIRE, **moments).tokens_per_second is None
