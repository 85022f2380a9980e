from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.core.dictation import Dictation, ItemTranscript, Transcript
from realtime_sync.errors import ServerError
from realtime_sync.events.codec import server_event

WORDS = "conversation.item.input_audio_transcription."


def tell(dictation: Dictation, kind: str, item_id: str, **fields: Any) -> ItemTranscript | None:
    name = kind if "." in kind else WORDS + kind
    return dictation.received(server_event({"type": name, "item_id": item_id, **fields}))


def committed(dictation: Dictation, item_id: str, previous: str | None) -> None:
    tell(dictation, "input_audio_buffer.committed", item_id, previous_item_id=previous)


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_order_is_that_of_what_was_said(commits: list[int], ends: list[int]) -> None:
    """Whatever is committed or complete first, items stand as previous_item_id says."""
    dictation = Dictation(strict=True)
    for n in commits:
        committed(dictation, f"i{n}", f"i{n - 1}" if n else None)
    assert dictation.pending == 6
    for n in ends:
        tell(dictation, "completed", f"i{n}", transcript=f" w{n} ")
    assert dictation.pending == 0
    assert Transcript(dictation.items()).text == "w0 w1 w2 w3 w4 w5"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_any_places(places: list[tuple[int, int]]) -> None:
    """Circles and lies in previous_item_id lose no item and double none."""
    dictation = Dictation(strict=True)
    for item, previous in places:
        committed(dictation, f"i{item}", f"i{previous}")
    ids = [item.item_id for item in dictation.items()]
    assert sorted(ids) == sorted({f"i{item}" for item, _ in places})


def test_the_later_of_two_in_one_place_was_put_between() -> None:
    """As in the conversation: an item that claims a taken place stands before who had it."""
    dictation = Dictation(strict=True)
    for item, previous in (("a", None), ("c", "a"), ("b", "a")):
        committed(dictation, item, previous)
    assert [item.item_id for item in dictation.items()] == ["a", "b", "c"]


def test_an_item_as_it_grows() -> None:
    """Deltas add up, the whole beats them; segments, languages and confidence come along."""
    dictation = Dictation(strict=True)
    committed(dictation, "a", None)
    logprob = {"token": "hel", "bytes": [104], "logprob": -1.0}
    first = tell(dictation, "delta", "a", delta="hel", logprobs=[logprob])
    assert first is not None
    assert (first.text, first.final) == ("hel", False)
    assert first.confidence == pytest.approx(0.3679, 1e-3)
    tell(dictation, "segment", "a", id="s", text="hello", speaker="B", start=0.5, end=1)
    last = tell(dictation, "completed", "a", transcript="Hello.", languages=[{"code": "en"}])
    assert last is not None
    assert (last.text, last.final, last.languages) == ("Hello.", True, ("en",))
    assert last.logprobs == first.logprobs
    whole = Transcript(dictation.items())
    assert (whole.speakers, whole.language, whole.confidence) == (("B",), "en", first.confidence)
    assert tell(dictation, "delta", "a", delta="late") is None


def test_a_failure_keeps_the_others() -> None:
    """A failed item is final, has its error and the words that came; the others stay."""
    dictation = Dictation(strict=True)
    committed(dictation, "a", None)
    committed(dictation, "b", "a")
    tell(dictation, "delta", "a", delta="so far")
    tell(dictation, "failed", "a", error={"code": "audio_unintelligible", "message": "what?"})
    tell(dictation, "completed", "b", transcript="fine")
    whole = Transcript(dictation.items())
    assert (whole.text, dictation.pending) == ("so far fine", 0)
    assert [error.code for error in whole.errors] == ["audio_unintelligible"]
    with pytest.raises(ServerError, match="what"):
        whole.raise_for_status()
    assert Transcript().raise_for_status().text == ""


def test_a_deleted_item_is_waited_for_no_more() -> None:
    """Nobody waits for the transcript of an item that is gone."""
    dictation = Dictation(strict=True)
    committed(dictation, "a", None)
    gone = tell(dictation, "conversation.item.deleted", "a")
    assert gone is not None
    assert gone.error is not None
    assert dictation.pending == 0
    assert tell(dictation, "conversation.item.deleted", "never heard of") is None


def test_whose_items_count() -> None:
    """Strict: only those whose commit was seen; else whatever is transcribed."""
    assert tell(Dictation(strict=True), "completed", "old", transcript="x") is None
    open_one = Dictation(strict=False)
    assert tell(open_one, "completed", "old", transcript="x") is not None
    assert open_one.received(server_event({"type": "session.created"})) is None
