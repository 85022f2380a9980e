"""Items, their order and their audio; what brain tests do not reach."""

from __future__ import annotations

from realtime_sync.local.conversation import Conversation, Entry


def spoken(item_id: str, size: int) -> Entry:
    part = {"type": "input_audio", "transcript": None}
    item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
    return Entry(item, audio=bytearray(size), part=0)


def test_old_audio_is_forgotten() -> None:
    """Audio beyond the budget goes, the oldest first; the newest two stay whatever their size."""
    conversation = Conversation("conv_1")
    for number in range(5):
        conversation.add(spoken(str(number), 1 << 20))
    kept = [len(entry.audio) for entry in conversation.entries()]
    assert kept == [0, 1 << 20, 1 << 20, 1 << 20, 1 << 20]
    conversation.add(spoken("huge", 50 << 20))
    assert len(conversation.entries()[-1].audio) == 50 << 20


def test_an_item_without_audio_is_reported_as_it_is() -> None:
    """with_audio adds nothing where there is nothing."""
    entry = Entry({"id": "x", "type": "message", "role": "user", "content": []})
    assert entry.with_audio() == entry.item
    assert entry.audio_ms == 0
