"""The mirror, item by item; whole flows are in scenarios/items.json."""

from __future__ import annotations

import math
from typing import Any

import pytest

from realtime_sync.core.conversation import REMEMBERED, Conversation, ItemRecord
from realtime_sync.events.items import Item


def message(item_id: str, *parts: dict[str, Any], role: str = "assistant", **more: Any) -> Item:
    fields = {"id": item_id, "type": "message", "role": role, "content": parts, **more}
    return Item.model_validate(fields)


def ids(conversation: Conversation) -> list[str | None]:
    return [item.id for item in conversation.items()]


def placed(*places: tuple[str, str | None]) -> Conversation:
    conversation = Conversation()
    for item_id, previous in places:
        conversation.place(message(item_id), previous)
    return conversation


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ([("a", None), ("b", None)], "ab"),
        ([("a", None), ("b", "a"), ("c", "a")], "acb"),
        ([("a", "unknown"), ("b", "a")], "ab"),
        ([("a", "a"), ("b", "b")], "ab"),
        ([("a", "b"), ("b", "c"), ("c", "a")], "acb"),
        ([("a", None), ("b", None), ("a", "b")], "ab"),
    ],
)
def test_order(places: list[tuple[str, str | None]], order: str) -> None:
    """Behind `previous`; null, unknown, oneself and what is not placed yet mean last; once only."""
    assert "".join(map(str, ids(placed(*places)))) == order


def test_front() -> None:
    """What answers our own wish to be first is first."""
    conversation = placed(("a", None))
    conversation.place(message("b"), None, front=True)
    assert ids(conversation) == ["b", "a"]
    assert "b" in conversation
    assert "c" not in conversation


def test_snapshots_do_not_change() -> None:
    """An item that was handed out stays as it was, and is the same as long as nothing changes."""
    record = ItemRecord("a")
    record.add_text(0, "Hel", spoken=False)
    early = record.snapshot()
    assert record.snapshot() is early
    record.add_text(0, "lo", spoken=False)
    assert (early.text, record.snapshot().text) == ("Hel", "Hello")


def test_records_live_as_long_as_they_are_known() -> None:
    """Items of no conversation and deleted ones are remembered up to a limit."""
    conversation = Conversation()
    for number in range(REMEMBERED + 5):
        conversation.transcribe(f"u{number}", 0, "early")
    assert len(conversation.records) == REMEMBERED
    assert "u0" not in conversation.records
    conversation.forget_unplaced([f"u{number}" for number in range(REMEMBERED + 5)])
    assert not conversation.records
    for number in range(REMEMBERED + 5):
        conversation.delete(f"u{number}")
    conversation.transcribe("u0", 0, "long ago")
    conversation.transcribe("u9", 0, "too late")
    assert list(conversation.records) == ["u0"]


def test_a_placed_item_is_not_forgotten() -> None:
    """Only items that stand nowhere are let go of."""
    conversation = placed(("a", None))
    conversation.forget_unplaced(["a"])
    assert ids(conversation) == ["a"]


@pytest.mark.parametrize("index", [-1, 7])
def test_content_indices_that_cannot_be(index: int) -> None:
    """A part that is not there is put last; nothing raises."""
    record = ItemRecord("a", message("a", {"type": "output_text", "text": "x"}))
    record.add_text(index, "y", spoken=False)
    record.add_transcript(index, "z")
    record.truncate(index, 5)
    assert record.snapshot().text in ("xyz", "xz")


def test_nothing_changes_a_final_item_but_another_final_event() -> None:
    """Late deltas, whole texts, arguments and a doubled beginning are passed over."""
    record = ItemRecord("a")
    told = message("a", {"type": "output_text", "text": "all"})
    record.update(told, final=True)
    record.add_text(0, "late", spoken=False)
    record.set_text(0, "late", spoken=False)
    record.add_arguments("late")
    record.update(message("a"), final=False)
    assert record.snapshot() == told
    record.update(message("a", {"type": "output_text", "text": "more"}), final=True)
    assert record.snapshot().text == "more"


def test_audio_alone_makes_an_empty_part() -> None:
    """Audio before any transcript: the part is there, and what the item said of it stays."""
    record = ItemRecord("a")
    record.part(0, spoken=True).audio_ms += 100
    assert [p.type for p in record.snapshot().content or ()] == ["output_audio"]
    told = ItemRecord("b", message("b", {"type": "output_audio", "transcript": "said"}))
    told.part(0, spoken=True).audio_ms += 100
    assert told.snapshot().transcript == "said"


def test_an_item_without_id_gets_the_one_it_is_known_by() -> None:
    """The wire's id, or ours; none where nobody gave one."""
    assert ItemRecord("a", Item(type="message")).snapshot().id == "a"
    assert ItemRecord("", Item(type="message")).snapshot().id is None


def test_a_final_event_keeps_images_and_parts_without_words() -> None:
    """Parts that never have words are as the server tells them."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    record = ItemRecord("a", message("a", image, role="user"))
    record.update(message("a", image, {"type": "input_audio"}, role="user"), final=True)
    wire = record.snapshot().wire()
    assert wire["content"] == [image, {"type": "input_audio"}]


@pytest.mark.parametrize(
    ("text", "heard", "left"),
    [
        ("one two three", 100, "one two three"),
        ("one two three", 250, "one two three"),
        ("one two three", 54, "one two"),
        ("one two three", 50, "one"),
        ("one two three", 5, ""),
        ("ohnezwischenraum", 50, ""),
        ("", 50, ""),
    ],
)
def test_truncation_keeps_whole_words(text: str, heard: float, left: str) -> None:
    """What was heard, by its share of the audio, and no half words."""
    record = ItemRecord("a", message("a", {"type": "output_audio", "transcript": text}))
    record.part(0, spoken=True).audio_ms = 100
    record.truncate(0, heard)
    assert (record.snapshot().transcript, record.snapshot().status) == (left, "incomplete")


def test_how_sure_a_transcript_is() -> None:
    """An item has the confidence of all its transcripts; a new whole beats the old."""
    record = ItemRecord("a", message("a", {"type": "input_audio"}, role="user"))
    record.add_transcript(0, "He")
    assert record.snapshot().confidence is None
    record.add_transcript(0, "Hey", whole=True, logprobs=(math.log(0.1),))
    assert record.snapshot().confidence == pytest.approx(0.1)
    record.add_transcript(0, "Hello", whole=True, logprobs=(math.log(0.9), math.log(0.4)))
    item = record.snapshot()
    assert (item.transcript, item.confidence) == ("Hello", pytest.approx(0.6))
    record.add_transcript(1, "you", whole=True, logprobs=(0.0,))
    assert record.snapshot().confidence == pytest.approx(0.36 ** (1 / 3))
    record.update(message("a", {"type": "input_audio"}, role="user"), final=True)
    assert record.snapshot().confidence == pytest.approx(0.36 ** (1 / 3))
    record.add_transcript(0, "Hi", whole=True)
    record.add_transcript(1, "you", whole=True)
    assert record.snapshot().confidence is None
