"""The room's door."""

from __future__ import annotations

import pytest

import realtime_sync.events as events


@pytest.mark.parametrize(
    "name",
    [
        "Event",
        "UnknownEvent",
        "SessionCreated",
        "ResponseDone",
        "ResponseObject",
        "ResponseOutputAudioDelta",
        "SessionUpdate",
        "ConnectionLost",
        "Item",
        "SessionConfig",
        "SERVER_EVENTS",
        "parse",
        "dump",
    ],
)
def test_names_come_in_on_first_use(name: str) -> None:
    """By the door, wherever they are defined, and the same object each time."""
    assert getattr(events, name) is getattr(events, name)


def test_response_events_are_at_home_in_two_modules() -> None:
    """`output` defines them, `server` shows them."""
    from realtime_sync.events import output, server

    assert set(output.__all__) <= set(vars(server))
    assert all(getattr(server, name) is getattr(output, name) for name in output.__all__)


@pytest.mark.parametrize("name", ["Nonsense", "_private", "__wrapped__"])
def test_unknown_names(name: str) -> None:
    """An `AttributeError`, as of any module."""
    with pytest.raises(AttributeError, match=name):
        getattr(events, name)
