"""What one thread leaves for another."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pipe import LIMIT, Task

from realtime_sync.events import ConversationUpdated, Event, Item, ItemDelta, parse
from realtime_sync.runtime import inbox as module
from realtime_sync.runtime.inbox import Entry, Inbox, Keep


def event(kind: str) -> Event:
    return parse(b'{"type":"%b"}' % kind.encode())


def delta(number: int = 0, size: int = 0) -> Event:
    text = f"{number}".ljust(size, ".")
    return parse(b'{"type":"response.output_text.delta","delta":"%b"}' % text.encode())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """An inbox for ten events or a thousand bytes."""
    monkeypatch.setattr(module, "MAX_EVENTS", 10)
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    return Inbox("a callback")


def drained(inbox: Inbox) -> list[Entry]:
    entries = []
    while (entry := inbox.take()) is not None:
        entries.append(entry)
    return entries


def test_order() -> None:
    """Entries come out in the order in which they went in, whatever they are."""
    inbox = Inbox("a callback")
    entries: list[Entry] = [event("a"), Keep(1), event("b")]
    fn = lambda: None  # noqa: E731  # an entry
    inbox.put(entries)
    inbox.post(fn)
    assert len(inbox) == 4
    assert drained(inbox) == [*entries, fn]


def test_wait() -> None:
    """wait() ends by a batch, by wake(), or by its timeout."""
    inbox = Inbox("a callback")
    assert inbox.wait(0) is False
    waiting = Task(inbox.wait, LIMIT)
    inbox.put([event("a")])
    assert waiting.result() is True
    inbox.wake()
    assert inbox.wait(0) is True


def test_an_empty_batch_wakes_nobody() -> None:
    """A batch of nothing is no batch."""
    inbox = Inbox("a callback")
    inbox.put([])
    assert inbox.wait(0) is False


def test_a_reader_that_is_as_fast_as_the_writer() -> None:
    """A reader that takes the old while the new comes in is woken for the new."""
    inbox = Inbox("a callback")
    inbox.put([event("old")])
    assert inbox.wait(0)

    def batch() -> Iterator[Event]:
        assert inbox.take() is not None  # the reader, in between
        assert inbox.take() is None
        yield event("new")

    inbox.put(batch())
    assert len(inbox) == 1
    assert inbox.wait(0) is True


def test_one_wake_up_is_enough() -> None:
    """Wake-ups do not pile up for a reader that never waits."""
    inbox = Inbox("a callback")
    for _ in range(100):
        inbox.put([event("a")])
    assert len(drained(inbox)) == 100
    assert inbox.wait(0) is True
    assert inbox.wait(0) is False


def test_overflow(small: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """A reader too far behind loses the oldest deltas, nothing else, with one warning."""
    kept = [event("response.created"), event("error")]
    small.put([kept[0], *(delta(n) for n in range(9)), kept[1]])
    left = drained(small)
    assert [e for e in left if e in kept] == kept
    assert [getattr(e, "delta", None) for e in left] == [None, "6", "7", "8", None]
    assert small.dropped == 6
    small.put([delta(n) for n in range(30)])
    assert [getattr(e, "delta", None) for e in drained(small)] == ["25", "26", "27", "28", "29"]
    assert small.dropped == 31
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "a callback is 11 events behind and loses the oldest deltas"


def test_overflow_in_bytes(small: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes count as well as events."""
    small.put([delta(n, 300) for n in range(3)])
    assert small.dropped == 0
    small.put([delta(3, 300)])
    assert [str(getattr(e, "delta", "")).rstrip(".") for e in drained(small)] == ["3"]
    assert len(caplog.records) == 1
    small.put([delta(n, 300) for n in range(3)])
    assert len(drained(small)) == 3


def test_what_was_read_does_not_count(small: Inbox) -> None:
    """A reader that keeps up loses nothing, however much it was."""
    for n in range(100):
        small.put([delta(n, 300)])
        assert small.take() == delta(n, 300)
    assert small.dropped == 0


def test_nothing_but_deltas_is_dropped(small: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """Other events, functions and what is kept stay, however many; then nothing is said."""
    for n in range(50):
        small.put([event(f"e{n}"), Keep(n)])
        small.post(lambda: None)
    assert len(drained(small)) == 150
    assert not caplog.records


def test_what_is_kept_is_bounded(small: Inbox) -> None:
    """Of what is heavy the oldest goes, the newest stays, however heavy; events stay."""
    for n in range(50):
        small.put([event("done"), Keep(n, weight=10_000)])
    left = drained(small)
    kept = [entry.held for entry in left if isinstance(entry, Keep)]
    assert len(left) - len(kept) == 50
    assert kept == list(range(50 - len(kept), 50))
    assert 1 <= len(kept) <= 4


def test_pieces_of_items_are_deltas(small: Inbox) -> None:
    """Of `conversation.updated` those with a piece may go, the others stay."""
    item = Item(id="a", type="message")
    whole = [ConversationUpdated(item=item) for _ in range(3)]
    pieces = [ConversationUpdated(item=item, delta=ItemDelta(text="x")) for _ in range(20)]
    small.put([*whole[:2], *pieces, whole[2]])
    left = drained(small)
    assert [entry for entry in left if entry.delta is None] == whole  # type: ignore[union-attr]
    assert len(left) == 5
    assert small.dropped == 18


def test_looking_for_deltas_is_not_done_each_time(
    small: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be dropped, the next look comes when it has doubled."""
    looks = []
    drop = small._drop
    monkeypatch.setattr(small, "_drop", lambda: (looks.append(len(small)), drop()))
    for n in range(100):
        small.put([event(f"e{n}")])
    assert looks == [11, 23, 47, 95]
    drained(small)
    small.put([event("again")])
    small.put([delta(n) for n in range(20)])
    assert small.dropped == 16
