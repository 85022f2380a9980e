"""One event of every kind, made from the wire's own schemas and from the local classes."""

from __future__ import annotations

from typing import Any

from realtime_sync.core.usage import Metrics
from realtime_sync.errors import RealtimeError
from realtime_sync.events.base import Event, UnknownEvent
from realtime_sync.events.client import CLIENT_EVENTS
from realtime_sync.events.codec import client_event, server_event
from realtime_sync.events.items import Item
from realtime_sync.events.local import LOCAL_EVENTS, ItemDelta
from realtime_sync.events.server import SERVER_EVENTS

ITEM = {
    "id": "i1",
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "hi", "new": {"nested": [1]}}],
}
FIELDS: dict[str, Any] = {
    "item": ITEM,
    "session": {"type": "realtime", "audio": {"output": {"speed": 1.5}}},
    "response": {"metadata": {"a": "b"}},
    "error": {"message": "no", "code": "x"},
    "delta": "AAAA",
    "item_id": "i1",
    "response_id": "r1",
    "audio_end_ms": 5,
    "audio": "AAAA",
}
LOCAL: dict[str, Any] = {
    "error": RealtimeError("x"),
    "direction": "input",
    "device": "headset",
    "call_id": "c",
    "name": "n",
    "output": "o",
    "reason": "client",
    "expires_at": 5.0,
    "response_id": "r1",
    "response_ids": ("r1", "r2"),
    "status": "completed",
    "guardrail": "polite",
    "from_stage": "order",
    "to_stage": "payment",
    "outcome": "ordered",
    "from_agent": "front",
    "to_agent": "billing",
    "metrics": Metrics(None, None, None, 1.0, None),
    "callback": print,
    "item": Item.model_validate(ITEM),
    "delta": ItemDelta(text="a", content_index=0),
    "event": UnknownEvent(type="x"),
}


def known(cls: type[Event], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in cls.model_fields}


def every_event() -> list[Event]:
    server = [
        server_event({"type": kind, "event_id": "e1", "new": [1], **known(cls, FIELDS)})
        for kind, cls in SERVER_EVENTS.items()
    ]
    client = [
        client_event({"type": kind, "event_id": "e1", "new": None, **known(cls, FIELDS)})
        for kind, cls in CLIENT_EVENTS.items()
    ]
    local = [cls.model_validate(known(cls, LOCAL)) for cls in LOCAL_EVENTS.values()]
    return [*server, *client, *local, UnknownEvent(type="x", raw={"type": "x"})]
