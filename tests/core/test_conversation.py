"""The mirror, item by item; whole flows are in scenarios/items.json."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.core.conversation import REMEMBERED, Conversation
from realtime_sync.events.client import ConversationItemCreate
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


@pytest.mark.row("B14")
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
    item = message("b")
    wish = ConversationItemCreate(item=item, previous_item_id="root")
    conversation.place(item, None, ours=wish)
    assert ids(conversation) == ["b", "a"]
    assert "b" in conversation
    assert "c" not in conversation


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


def told(conversation: Conversation, effects: list[Any]) -> list[tuple[Any, ...]]:
    """What listeners got since the last call: text of the item, the piece, whether deleted."""
    events = [effect.event for effect in effects]
    effects.clear()
    return [
        (event.item.text, event.delta and event.delta.wire(), event.deleted) for event in events
    ]


def test_every_change_is_told() -> None:
    """Each change once, with the item as it is then; nothing where nothing has changed."""
    effects: list[Any] = []
    conversation = Conversation(effects)
    conversation.listened = True
    sound = message("u", {"type": "input_audio", "transcript": None}, role="user")
    conversation.place(sound, None)
    conversation.place(sound, None, final=True)
    assert told(conversation, effects) == [("", None, False)]
    conversation.transcribe("u", 0, "Hel")
    conversation.transcribe("u", 0, "")
    conversation.transcribe("u", 0, "Hello.", whole=True)
    conversation.transcribe("u", 0, "Hello.", whole=True)
    assert told(conversation, effects) == [
        ("Hel", {"transcript": "Hel", "content_index": 0}, False),
        ("Hello.", None, False),
    ]
    conversation.untranscribed("u", 0)
    assert told(conversation, effects) == []
    conversation.delete("u")
    conversation.delete("u")
    conversation.transcribe("u", 0, "late")
    conversation.untranscribed("u", 0)
    assert told(conversation, effects) == [("Hello.", None, True)]


def test_truncation_is_told() -> None:
    """A cut is a change; of an item that is not there it is none."""
    effects: list[Any] = []
    conversation = Conversation(effects)
    conversation.place(message("a", {"type": "output_audio", "transcript": "one two"}), None)
    conversation.records["a"].part(0, spoken=True).audio_ms = 100
    conversation.listened = True
    conversation.truncate("a", 0, 50)
    conversation.truncate("nowhere", 0, 50)
    assert told(conversation, effects) == [("one", None, False)]


def test_what_stands_nowhere_is_not_told() -> None:
    """A transcript before its item is told with the item, in one."""
    effects: list[Any] = []
    conversation = Conversation(effects)
    conversation.listened = True
    conversation.transcribe("u", 0, "early")
    assert effects == []
    conversation.place(message("u", {"type": "input_audio"}, role="user"), None)
    assert told(conversation, effects) == [("early", None, False)]


def test_nobody_listens() -> None:
    """Then nothing is made, not even a snapshot."""
    effects: list[Any] = []
    conversation = Conversation(effects)
    conversation.place(message("a"), None)
    conversation.transcribe("a", 0, "x")
    conversation.delete("a")
    assert effects == []


@pytest.mark.row("B14")
@given(st.data())
def test_the_chain_is_a_list(data: st.DataObject) -> None:
    """Placing and deleting at random gives the order that a plain list would have."""
    conversation, order = Conversation(), list[str]()
    for number in range(data.draw(st.integers(0, 30))):
        previous = data.draw(st.sampled_from(["?", "root", *order]))
        if order and data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(order))
            conversation.delete(gone)
            order.remove(gone)
        item = message(f"i{number}")
        wish = ConversationItemCreate(item=item, previous_item_id=previous)
        conversation.place(item, previous, ours=wish)
        place = 0 if previous == "root" else len(order)
        if previous in order:
            place = order.index(previous) + 1
        order.insert(place, f"i{number}")
        assert ids(conversation) == order
        assert all(known in conversation for known in order)
