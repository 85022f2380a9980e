"""Which answer belongs to which request."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.core.requests import ACKNOWLEDGED, Request, Requests
from realtime_sync.events.codec import client_event, server_event

ITEM = {"id": "i1", "type": "message", "role": "user", "content": []}
PAIRS = [
    ({"type": "session.update", "session": {}}, {"type": "session.updated"}),
    (
        {"type": "conversation.item.create", "item": ITEM},
        {"type": "conversation.item.added", "item": ITEM},
    ),
    (
        {"type": "conversation.item.create", "item": ITEM},
        {"type": "conversation.item.created", "item": ITEM},
    ),
    (
        {"type": "conversation.item.delete", "item_id": "i1"},
        {"type": "conversation.item.deleted", "item_id": "i1"},
    ),
    (
        {"type": "conversation.item.truncate", "item_id": "i1", "audio_end_ms": 1},
        {"type": "conversation.item.truncated", "item_id": "i1"},
    ),
    (
        {"type": "conversation.item.retrieve", "item_id": "i1"},
        {"type": "conversation.item.retrieved", "item": ITEM},
    ),
    ({"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.committed"}),
    ({"type": "input_audio_buffer.clear"}, {"type": "input_audio_buffer.cleared"}),
]


def test_setup() -> None:
    """What a fresh session hears first is known as such until it is answered or refused."""
    requests = Requests()
    update = client_event({"type": "session.update", "event_id": "k", "session": {}})
    requests.expect(Request(update, setup=True))
    requests.expect(request(PAIRS[-1][0], "other"))
    assert requests.is_setup("k")
    assert not requests.is_setup("other")
    assert not requests.is_setup("nobody")
    requests.refused("k")
    assert not requests.is_setup("k")


def request(raw: dict[str, Any], key: str = "k1") -> Request:
    return Request(client_event({**raw, "event_id": key}))


@pytest.mark.parametrize(("asked", "answer"), PAIRS)
def test_each_pair(asked: dict[str, Any], answer: dict[str, Any]) -> None:
    """Each acknowledged event is answered by its own kind, oldest first, or refused by its id."""
    assert asked["type"] in ACKNOWLEDGED
    requests, event = Requests(), server_event(answer)
    assert requests.answered(event) is None
    first, second, third = (request(asked, key) for key in ("k1", "k2", "k3"))
    for one in (first, second, third):
        requests.expect(one)
    assert requests.refused("k2") is second
    assert requests.refused("k2") is None
    assert [requests.answered(event), requests.answered(event)] == [first, third]
    assert requests.answered(event) is None
    assert not requests.drain()


def test_what_nothing_answers_is_not_kept() -> None:
    """An append expects nothing."""
    requests = Requests()
    requests.expect(request({"type": "input_audio_buffer.append", "audio": ""}))
    assert not requests.drain()


def test_drain_gives_all_once_oldest_first() -> None:
    """What was pending is handed out and forgotten."""
    requests = Requests()
    pending = [request(asked, f"k{n}") for n, (asked, _) in enumerate(PAIRS)]
    for one in pending:
        requests.expect(one)
    assert requests.drain() == pending
    assert not requests.drain()
    assert requests.answered(server_event(PAIRS[0][1])) is None


def test_one_id_used_twice() -> None:
    """The second use is still refused by its id after the first was answered."""
    requests = Requests()
    clear, cleared = PAIRS[-1]
    first, second = request(clear), request(clear)
    requests.expect(first)
    requests.expect(second)
    assert requests.answered(server_event(cleared)) is first
    assert requests.refused("k1") is second
    assert requests.answered(server_event(cleared)) is None
