"""Which create a new response answers; whole flows are in scenarios/echo.json."""

from __future__ import annotations

from typing import Any

from realtime_sync.core.creates import METADATA_PAIRS, Creates
from realtime_sync.core.responses import TAG
from realtime_sync.events.client import ResponseCreate
from realtime_sync.events.output import ResponseObject

SIXTEEN = {f"key {n}": "value" for n in range(METADATA_PAIRS)}


def create(key: str, **params: Any) -> ResponseCreate:
    raw = {"type": "response.create", "event_id": key, "response": params}
    return ResponseCreate.model_validate(raw)


def waiting(*events: ResponseCreate) -> Creates:
    creates = Creates()
    for event in events:
        creates.add(event, job=None, at=0)
    return creates


def match(creates: Creates, **told: Any) -> str | None:
    found = creates.match(ResponseObject.model_validate(told))
    return found.key if found else None


def test_the_tag_goes_beside_the_users_metadata() -> None:
    """The event sent has both; the caller's is not changed."""
    event = create("k1", metadata={"a": "b"})
    sent = Creates().add(event, job=None, at=0).event
    assert sent.wire()["response"]["metadata"] == {"a": "b", TAG: "k1"}
    assert event.wire()["response"]["metadata"] == {"a": "b"}


def test_no_room_for_a_tag() -> None:
    """Sixteen pairs go out as they are, and so does an event without `response`."""
    full = create("k1", metadata=SIXTEEN)
    assert Creates().add(full, job=None, at=0).event is full
    bare = Creates().add(ResponseCreate(event_id="k2"), job=None, at=0)
    assert bare.event.wire()["response"] == {"metadata": {TAG: "k2"}}
    assert bare.default


def test_by_tag_whatever_the_order() -> None:
    """The tag decides; each create is answered once."""
    creates = waiting(create("k1"), create("k2"))
    assert match(creates, metadata={TAG: "k2"}) == "k2"
    assert match(creates, metadata={TAG: "k2"}) is None
    assert creates.echoed
    assert match(creates, metadata=None) is None
    assert match(creates) is None
    assert match(creates, metadata={TAG: "k1"}) == "k1"


def test_by_sixteen_pairs() -> None:
    """Equal pairs are the oldest's."""
    creates = waiting(create("k0"), create("k1", metadata=SIXTEEN), create("k2", metadata=SIXTEEN))
    assert match(creates, metadata={**SIXTEEN, "key 0": "other"}) is None
    assert [match(creates, metadata=SIXTEEN) for _ in range(3)] == ["k1", "k2", None]


def test_a_server_without_metadata() -> None:
    """The oldest create of that kind is meant, or the oldest of all; later the tag still wins."""
    creates = waiting(create("k1"), create("k2", conversation="none"), create("k3"))
    assert match(creates, conversation_id=None) == "k2"
    assert creates.echoed is False
    assert match(creates, conversation_id=None, metadata=None) == "k1"
    creates.add(create("k4"), job=None, at=0)
    assert match(creates, metadata={TAG: "k4"}) == "k4"
    assert creates.echoed is True
    assert match(creates) is None


def test_nothing_is_concluded_while_nobody_waits() -> None:
    """A server that leaves the field out where it has nothing to say may echo all the same."""
    creates = Creates()
    assert match(creates) is None
    assert creates.echoed is None


def test_unclear() -> None:
    """As long as no echo was seen, an untagged response might be anybody's."""
    creates = waiting(create("k1"), create("k2", conversation="none"))
    unclear = creates.unclear(default=False)
    assert unclear is not None
    assert unclear.key == "k2"
    assert match(creates, metadata=None) is None
    assert match(creates, metadata={"a": "another client's"}) is None
    assert creates.unclear(default=True) is None


def test_get_pop_drain() -> None:
    """Looked up by event id, and gone when answered."""
    creates = waiting(create("k1"), create("k2"))
    assert creates.get("k1") is creates.pop("k1")
    assert creates.get("k1") is None
    assert [one.key for one in creates.drain()] == ["k2"]
    assert not creates.drain()
    assert creates.oldest() is None
