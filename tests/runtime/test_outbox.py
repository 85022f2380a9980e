"""Frames that wait to be sent."""

from __future__ import annotations

import pytest

from realtime_sync.runtime import outbox as module
from realtime_sync.runtime.clock import Deadline, Signal
from realtime_sync.runtime.outbox import APPEND, OVERTAKERS, Outbox


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue of a hundred bytes."""
    monkeypatch.setattr(module, "QUEUE_BYTES", 100)


def kinds(outbox: Outbox) -> list[str]:
    return [kind for kind, _ in outbox.take(1000)]


def is_set(signal: Signal) -> bool:
    return signal.wait(Deadline(0))


def test_order() -> None:
    """Frames leave in the order in which they were queued."""
    outbox = Outbox()
    outbox.put("session.update", b"1")
    assert outbox.put_audio([b"2"], 0) is None
    outbox.put("response.create", b"3")
    assert outbox.size == 3
    assert outbox.take(1000) == [
        ("session.update", b"1"),
        (APPEND, b"2"),
        ("response.create", b"3"),
    ]
    assert outbox.size == 0


@pytest.mark.parametrize("kind", sorted(OVERTAKERS))
def test_overtakers(kind: str) -> None:
    """Cancel and truncate overtake queued audio, and stop behind everything else."""
    outbox = Outbox()
    outbox.put_audio([b"1"], 0)
    outbox.put("input_audio_buffer.commit", b"2")
    outbox.put_audio([b"3"], 0)
    outbox.put_audio([b"4"], 0)
    outbox.put(kind, b"5")
    assert [frame for _, frame in outbox.take(1000)] == [b"1", b"2", b"5", b"3", b"4"]


def test_overtakers_keep_their_order() -> None:
    """Of two overtakers the first stays first."""
    outbox = Outbox()
    outbox.put_audio([b"1"], 0)
    outbox.put("response.cancel", b"2")
    outbox.put("conversation.item.truncate", b"3")
    assert kinds(outbox) == ["response.cancel", "conversation.item.truncate", APPEND]


@pytest.mark.parametrize(
    "kind", ["input_audio_buffer.commit", "input_audio_buffer.clear", "response.create"]
)
def test_nothing_else_overtakes(kind: str) -> None:
    """What is about the audio stays behind it."""
    outbox = Outbox()
    outbox.put_audio([b"1"], 0)
    outbox.put(kind, b"2")
    assert kinds(outbox) == [APPEND, kind]


def test_full() -> None:
    """Audio for which there is no room is refused; all else is taken."""
    outbox = Outbox()
    assert outbox.put_audio([bytes(60)], 0) is None
    assert outbox.put_audio([bytes(41)], 0) is not None
    assert outbox.put_audio([bytes(40)], 0) is None
    outbox.put("response.create", bytes(1000))
    assert kinds(outbox) == [APPEND, APPEND, "response.create"]


def test_what_the_link_holds_counts() -> None:
    """Bytes that the link has accepted and not sent fill the queue too."""
    outbox = Outbox()
    assert outbox.put_audio([bytes(50)], 60) is not None
    assert outbox.put_audio([bytes(40)], 60) is None


def test_a_frame_larger_than_the_queue() -> None:
    """A frame that never fits goes alone."""
    outbox = Outbox()
    assert outbox.put_audio([bytes(500)], 0) is None
    assert outbox.put_audio([bytes(1)], 0) is not None


def test_room() -> None:
    """Who waits for room is told when half of it is free."""
    outbox = Outbox()
    outbox.put_audio([bytes(100)], 0)
    signals = [outbox.put_audio([bytes(10)], 0) for _ in range(2)]
    assert outbox.made_room(0) == []
    outbox.take(1)
    assert outbox.made_room(51) == []
    assert outbox.made_room(50) == signals
    assert outbox.made_room(0) == []
    assert not any(is_set(signal) for signal in signals if signal)


def test_take_a_part() -> None:
    """take() takes whole frames until it has enough."""
    outbox = Outbox()
    for n in range(4):
        outbox.put(f"e{n}", bytes(10))
    assert [kind for kind, _ in outbox.take(15)] == ["e0", "e1"]
    assert outbox.take(0) == []
    assert outbox.size == 20


def test_clear() -> None:
    """clear() forgets the frames, and says who waited."""
    outbox = Outbox()
    outbox.put_audio([bytes(100)], 0)
    signal = outbox.put_audio([bytes(10)], 0)
    assert outbox.clear() == [signal]
    assert outbox.clear() == []
    assert outbox.size == 0
    assert outbox.take(1000) == []
