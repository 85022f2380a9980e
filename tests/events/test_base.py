"""What holds for every event, and how foreign text is shown."""

from __future__ import annotations

import copy
import pickle

import pytest
from pydantic import ValidationError

from realtime_sync.events.base import Event, LocalEvent, UnknownEvent, one_line
from realtime_sync.events.codec import client_event, dump, parse, server_event
from realtime_sync.events.local import LOCAL_EVENTS

from .samples import every_event

EVENTS = [pytest.param(event, id=event.type) for event in every_event()]


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_a_value(event: Event) -> None:
    """Its class fits, it is frozen, not hashable, equal by content, and copies."""
    assert type(event) is not Event
    with pytest.raises(ValidationError, match="frozen"):
        event.type = "other"
    with pytest.raises(TypeError, match="unhashable"):
        hash(event)
    assert event == event.model_copy()
    assert event != event.model_copy(update={"type": "other"})
    assert copy.copy(event) == event
    assert type(event).__name__ in repr(event)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_pickles(event: Event) -> None:
    """With all that was set; errors have no equals, so local events are compared by their repr."""
    again = pickle.loads(pickle.dumps(event))
    assert type(again) is type(event)
    assert again.model_fields_set == event.model_fields_set
    if isinstance(event, LocalEvent):
        assert repr(again) == repr(event)
    else:
        assert again == event


@pytest.mark.parametrize(
    "event", [e for e in EVENTS if e.values[0].type not in {*LOCAL_EVENTS, "x"}]
)
def test_every_event_goes_over_the_wire_and_back(event: Event) -> None:
    """What was set is what comes back, unknown fields included."""
    wire = {"type": event.type, **event.wire()}
    assert wire["new"] in ([1], None)
    if hasattr(event, "raw"):
        pytest.fail(f"not known: {wire}")
    back = client_event(wire) if "new" in wire and wire["new"] is None else server_event(wire)
    assert back == event
    assert parse(dump(client_event(wire))).type == event.type


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ('say "hi"', r"say \"hi\""),
        ("a\nb\r\x1b[31m\x00", r"a\nb\r\u001b[31m\u0000"),
        ("\u202eevil\ud800", r"\u202eevil\ud800"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_one_line(text: object, shown: str) -> None:
    """Foreign text as one printable line of ASCII."""
    assert one_line(text) == shown


def test_one_line_is_short() -> None:
    """As long as it may be, an ellipsis included."""
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 199 + "…"


def test_describe() -> None:
    """The type and its ids, one line, whatever the ids are."""
    event = UnknownEvent.model_validate(
        {"type": "new\n", "event_id": "e1", "item_id": {"a": 1}, "call_id": "", "response_id": "r"}
    )
    assert event.describe() == r"new\n event=e1 response=r item={'a': 1}"
    assert UnknownEvent(type="x" * 100).describe() == "x" * 79 + "…"
