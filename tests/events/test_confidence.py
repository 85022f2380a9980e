"""How sure a model was of what it wrote down."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.events.codec import parse, server_event
from realtime_sync.events.confidence import confidence_of, logprobs_of
from realtime_sync.events.items import Item

NUMBERS = st.floats(-1e300, 1e300) | st.integers(-(10**300), 10**300)


def completed(*logprobs: Any) -> Any:
    """A transcript with these log-probabilities."""
    return server_event(
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "transcript": "x",
            "logprobs": [{"token": "x", "logprob": value} for value in logprobs],
        }
    )


@pytest.mark.parametrize(
    ("logprobs", "confidence"),
    [
        ((0.0,), 1.0),
        ((math.log(0.5),), 0.5),
        ((math.log(0.9), math.log(0.4)), 0.6),  # the square root of 0.36
        ((0,), 1.0),
        ((5.0, 0.0), 1.0),
        ((math.log(0.5), None), 0.5),
    ],
)
def test_the_mean(logprobs: tuple[Any, ...], confidence: float) -> None:
    """It is the geometric mean of the probabilities; no probability is above 1."""
    assert completed(*logprobs).confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"conversation.item.input_audio_transcription.completed","transcript":"x"}',
        b'{"type":"conversation.item.input_audio_transcription.completed","logprobs":null}',
        b'{"type":"conversation.item.input_audio_transcription.completed","logprobs":[]}',
        b'{"type":"conversation.item.input_audio_transcription.completed","logprobs":[{}]}',
    ],
)
def test_none_without_logprobs(text: bytes) -> None:
    """Who did not say how sure he was is not said to be sure."""
    assert parse(text).confidence is None  # type: ignore[attr-defined]


@given(st.lists(NUMBERS, min_size=1, max_size=50))
def test_any_numbers(numbers: list[Any]) -> None:
    """Whatever numbers a server sends, confidence is from 0 to 1."""
    confidence = confidence_of(logprobs_of({"logprob": number} for number in numbers))
    assert confidence is not None
    assert 0 <= confidence <= 1


@pytest.mark.parametrize("token", [None, 5, "x", {}, {"logprob": "-1"}, {"logprob": True}])
def test_tokens_without(token: Any) -> None:
    """What is no number does not count."""
    assert logprobs_of([token]) == ()
    assert logprobs_of([token, {"logprob": -1}]) == (-1,)


def test_of_an_item() -> None:
    """An item carries it along, and never sends it."""
    item = Item(id="i", role="user")
    sure = item.with_confidence(0.5).with_audio(b"12")
    assert item.confidence is None
    assert sure.confidence == pickle.loads(pickle.dumps(sure)).confidence == 0.5
    assert sure.wire() == item.wire()
