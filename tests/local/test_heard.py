"""Transcripts as a test writes them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.local.answers import Fail
from realtime_sync.local.heard import Heard, heard_of


def test_text_is_cut_into_words() -> None:
    """A string is its own transcript, a word a delta."""
    assert heard_of("one two") == Heard("one two", ("one", " two"))


def test_an_exception_fails() -> None:
    """An exception becomes a failure with its text."""
    assert heard_of(ValueError("x")) == Fail("x")


@pytest.mark.parametrize("given", [5, None, b"x", ["x"]])
def test_other_kinds(given: Any) -> None:
    """Nothing else is taken."""
    with pytest.raises(TypeError, match="mapping"):
        heard_of(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"transkript": "x"}, "no field 'transkript'"),
        ({}, "needs words"),
        ({"transcript": "a b", "logprobs": [("a", -1)], "deltas": ["a", " b"]}, "one for each"),
        ({"segments": [{"text": "x"}]}, "a segment has exactly"),
    ],
)
def test_wrong_mappings(given: dict[str, Any], said: str) -> None:
    """A mapping that cannot be meant says why."""
    with pytest.raises(ValueError, match=said):
        heard_of(given)
