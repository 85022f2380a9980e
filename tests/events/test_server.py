"""The server's events, read as lists of the wire's schema."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.events.codec import server_event
from realtime_sync.events.server import SERVER_EVENTS, Error


def test_all_forty_six_and_four_of_translations() -> None:
    """Each under its own wire name, in a class named after it."""
    assert len(SERVER_EVENTS) == 50
    for kind, cls in SERVER_EVENTS.items():
        assert cls.model_fields["type"].default == kind
        assert cls.__name__.lower() == kind.replace(".", "").replace("_", "")


@pytest.mark.parametrize("kind", SERVER_EVENTS)
def test_bare_events_read_as_empty(kind: str) -> None:
    """What the wire requires and a server leaves out is "", 0 or an empty object."""
    event = server_event({"type": kind})
    assert type(event) is SERVER_EVENTS[kind]
    assert event.event_id is None
    assert event.describe() == kind


@pytest.mark.parametrize("kind", SERVER_EVENTS)
def test_null_reads_as_absent(kind: str) -> None:
    """Null in every field: the event is the same as without."""
    cls = SERVER_EVENTS[kind]
    nulls = {name: None for name in cls.model_fields if name != "type"}
    event, bare = server_event({"type": kind, **nulls}), server_event({"type": kind})
    assert type(event) is cls
    assert {n: getattr(event, n) for n in nulls} == {n: getattr(bare, n) for n in nulls}


@pytest.mark.parametrize(
    ("told", "message", "code", "event_id"),
    [
        ({"message": "no", "code": "x", "event_id": "e1"}, "no", "x", "e1"),
        ({"code": 500, "event_id": "e1"}, "", "500", "e1"),
        ("boom", "boom", None, None),
        ({}, "", None, None),
        (None, "", None, None),
    ],
)
def test_errors_of_strange_servers(
    told: Any, message: str, code: str | None, event_id: str | None
) -> None:
    """A string, a number as code: still an error, and its event id is not lost."""
    event = server_event({"type": "error", "error": told})
    assert isinstance(event, Error)
    assert (event.error.message, event.error.code, event.error.event_id) == (
        message,
        code,
        event_id,
    )
