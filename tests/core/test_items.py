"""The record of one item."""

from __future__ import annotations

import math
from typing import Any

import pytest

from realtime_sync.core.items import ItemRecord, completed
from realtime_sync.events.items import Item


def message(item_id: str, *parts: dict[str, Any], role: str = "assistant", **more: Any) -> Item:
    fields = {"id": item_id, "type": "message", "role": role, "content": parts, **more}
    return Item.model_validate(fields)


def test_snapshots_do_not_change() -> None:
    """An item that was handed out stays as it was, and is the same as long as nothing changes."""
    record = ItemRecord("a")
    record.add_text(0, "Hel", spoken=False)
    early = record.snapshot()
    assert record.snapshot() is early
    record.add_text(0, "lo", spoken=False)
    assert (early.text, record.snapshot().text) == ("Hel", "Hello")


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


def test_a_failed_transcript_ends_with_its_pieces() -> None:
    """What has come stays, what comes late is passed over; without pieces there is none."""
    audio = {"type": "input_audio", "transcript": None}
    record = ItemRecord("a", message("a", audio, role="user"))
    record.add_transcript(0, "Hel")
    record.end_transcript(0)
    record.add_transcript(0, "lo")
    record.end_transcript(0)
    assert record.snapshot().transcript == "Hel"
    silent = ItemRecord("b", message("b", audio, role="user"))
    silent.end_transcript(0)
    silent.add_transcript(0, "late")
    assert silent.snapshot().transcript is None
    silent.add_transcript(0, "after all", whole=True)
    assert silent.snapshot().transcript == "after all"


def test_length_of_audio() -> None:
    """Milliseconds received; None where no audio came over this link."""
    record = ItemRecord("a")
    assert record.audio_ms(0) is None
    record.add_text(0, "x", spoken=True)
    assert record.audio_ms(0) is None
    record.part(0, spoken=True).audio_ms += 120
    assert record.audio_ms(0) == 120
    record.truncate(0, 50)
    assert record.audio_ms(0) == 50


def test_what_a_told_item_leaves_out() -> None:
    """Words and images that the server leaves out are those that we know."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    text = {"type": "input_text", "text": "x"}
    known = message("a", image, text).content or ()
    bare = message("a", {"type": "input_image"}, {"type": "input_text", "text": "y"})
    assert completed(bare, known).wire()["content"] == [image, {**text, "text": "y"}]
    assert completed(message("a"), known).content == known
    whole = message("a", image, text)
    assert completed(whole, known) is whole


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
