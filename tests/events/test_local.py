"""Events of our own."""

from __future__ import annotations

import json
import pickle

import pytest

from realtime_sync.errors import ConnectionLost as LostError
from realtime_sync.errors import RealtimeError
from realtime_sync.events import local
from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.items import Item


class Spiteful(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def test_all_of_them() -> None:
    """Under the names of api.md."""
    assert set(local.LOCAL_EVENTS) == {
        "connection.lost",
        "connection.restored",
        "connection.closed",
        "session.expiring",
        "conversation.updated",
        "tool.started",
        "tool.approval_required",
        "tool.finished",
        "playback.interrupted",
        "device.lost",
        "device.restored",
        "response.metrics",
        "response.modality_mismatch",
        "turn.started",
        "turn.ended",
        "callback.error",
        "guardrail.tripped",
        "stage.changed",
        "conversation.ended",
        "agent.handoff",
    }


@pytest.mark.parametrize("error", [Spiteful("a", "b"), ValueError(lambda: None)])
def test_callback_error_pickles_whatever_it_holds(error: Exception) -> None:
    """Functions and errors that do not pickle go as what they look like."""
    event = local.CallbackError(error=error, callback=lambda _: None, event=UnknownEvent(type="x"))
    again = pickle.loads(pickle.dumps(event))
    assert "lambda" in again.callback
    assert isinstance(again.error, RealtimeError)
    assert type(error).__name__ in str(again.error)
    assert again.event == event.event
    assert callable(event.callback)


def test_callback_error_keeps_what_pickles() -> None:
    """A function of a module and a common error stay what they are."""
    event = local.CallbackError(error=ValueError("x"), callback=len, event=UnknownEvent(type="x"))
    again = pickle.loads(pickle.dumps(event))
    assert again.callback is len
    assert repr(again.error) == "ValueError('x')"


def test_connection_lost_holds_its_error() -> None:
    """With its code, over a pickle too."""
    event = local.ConnectionLost(error=LostError("cut", code=1006), retrying=True)
    assert pickle.loads(pickle.dumps(event)).error.code == 1006  # type: ignore[attr-defined]


def test_every_one_of_them_is_json_ready() -> None:
    """wire() goes into a log: errors, functions and figures as text, audio as base64."""
    callback = local.CallbackError(
        error=ValueError("x"), callback=len, event=UnknownEvent(type="x", raw={"type": "x"})
    )
    assert json.loads(json.dumps(callback.wire())) == {
        "type": "callback.error",
        "error": "ValueError: x",
        "callback": "<built-in function len>",
        "event": {"type": "x"},
    }
    lost = local.ConnectionLost(error=LostError("cut", code=1006), retrying=True)
    told = {"type": "connection.lost", "error": "ConnectionLost: cut", "retrying": True}
    assert lost.wire() == told
    assert local.ConnectionClosed(error=None).wire() == {"type": "connection.closed", "error": None}
    delta = local.ItemDelta(audio=b"\xff\xfe", content_index=0)
    updated = local.ConversationUpdated(item=Item(id="i"), delta=delta)
    assert json.loads(json.dumps(updated.wire()))["delta"]["audio"] == "//4="
    metrics = local.ResponseMetrics(response_id="r", metrics=object())
    assert metrics.wire()["metrics"].startswith("<object")
