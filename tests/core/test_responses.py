"""One response as it grows."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.core.conversation import ItemRecord
from realtime_sync.core.responses import TAG, ResponseRecord, bytes_per_ms, failure_of
from realtime_sync.errors import ConnectionLost
from realtime_sync.events.output import ResponseObject


def test_output_is_in_order_and_final_when_done() -> None:
    """By output index; what changes after the end does not change it."""
    record = ResponseRecord("r1", default=True)
    late, early = ItemRecord("late"), ItemRecord("early")
    record.outputs = {1: late, 0: early}
    late.add_text(0, "Hi", spoken=False)
    assert [(item.id, item.text) for item in record.output] == [("early", ""), ("late", "Hi")]
    error = ConnectionLost("cut")
    record.finish("lost", error=error)
    late.add_text(0, " again", spoken=False)
    assert [item.text for item in record.output] == ["", "Hi"]
    assert (record.done, record.status, record.error) == (True, "lost", error)


def test_metadata_is_the_users() -> None:
    """Our tag does not show."""
    record = ResponseRecord("r1", default=True)
    assert record.metadata == {}
    record.take(ResponseObject.model_validate({"metadata": {TAG: "e1", "a": "b"}}))
    assert record.metadata == {"a": "b"}


def test_what_a_later_event_leaves_out_stays() -> None:
    """`response.done` without metadata does not take it away; null does."""
    record = ResponseRecord("r1", default=True)
    record.take(ResponseObject.model_validate({"id": "r1", "metadata": {"a": "b"}, "new": 1}))
    record.take(ResponseObject.model_validate({"status": "completed"}))
    assert (record.object.id, record.object.status) == ("r1", "completed")
    assert (record.metadata, record.object.wire()["new"]) == ({"a": "b"}, 1)
    record.take(ResponseObject.model_validate({"id": "r1", "metadata": None, "new": 2}))
    assert record.metadata == {}


@pytest.mark.parametrize(
    ("audio_format", "size"), [("audio/pcm", 48), ("audio/pcmu", 8), ("audio/pcma", 8)]
)
def test_bytes_per_ms(audio_format: str, size: int) -> None:
    """24 kHz of two bytes, or 8 kHz of one."""
    assert bytes_per_ms(audio_format) == size


@pytest.mark.parametrize(
    ("details", "text", "code"),
    [
        (None, "no reason given", None),
        ({}, "no reason given", None),
        ({"error": None}, "no reason given", None),
        ({"error": "boom"}, "boom", None),
        ({"error": {"type": "server_error"}}, "server_error", None),
        ({"error": {"code": 500, "message": ""}}, "500", "500"),
        ({"error": {"code": "quota", "message": "no credit"}}, "no credit", "quota"),
    ],
)
def test_why_a_response_failed(details: Any, text: str, code: str | None) -> None:
    """The server's words, whatever their shape; a response that did not fail has none."""
    record = ResponseRecord("r1", default=True)
    record.take(ResponseObject.model_validate({"status_details": details}))
    assert failure_of(record) is None
    record.finish("failed")
    error = failure_of(record)
    assert error is not None
    assert (str(error), error.code) == (f"the response failed: {text}", code)
    assert error.response is record
