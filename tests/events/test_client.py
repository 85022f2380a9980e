"""The client's events."""

from __future__ import annotations

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.events.client import CLIENT_EVENTS, ConversationItemTruncate, ResponseParams
from realtime_sync.events.codec import client_event


def test_all_eleven_and_two_of_translations() -> None:
    """Each under its own wire name."""
    assert len(CLIENT_EVENTS) == 13
    assert all(cls.model_fields["type"].default == kind for kind, cls in CLIENT_EVENTS.items())


def test_truncate_always_names_its_part() -> None:
    """The server insists on `content_index`, also where a caller leaves the default."""
    event = ConversationItemTruncate(item_id="i1", audio_end_ms=5)
    assert event.wire() == {"item_id": "i1", "content_index": 0, "audio_end_ms": 5}
    raw = {"type": "conversation.item.truncate", "item_id": "i1", "audio_end_ms": 5}
    assert client_event(raw).wire()["content_index"] == 0


@pytest.mark.parametrize("kind", ["input_audio_buffer.append", "session.input_audio_buffer.append"])
def test_audio_is_base64_already(kind: str) -> None:
    """Bytes are refused: as a text they would be something else."""
    with pytest.raises(ConfigurationError, match=r"event\.audio: must be a string"):
        client_event({"type": kind, "audio": bytes(4)})


@pytest.mark.parametrize("conversation", ["auto", "none", "conv_1"])
def test_response_params_keep_what_they_do_not_know(conversation: str) -> None:
    """Fields of tomorrow are sent as given."""
    given = {"conversation": conversation, "input": [{"type": "item_reference", "id": "i"}], "x": 1}
    assert ResponseParams.model_validate(given).wire() == given
