"""Functions that see every event as the wire has it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_sync.errors import ConnectionLost as Lost
from realtime_sync.events import UnknownEvent, parse
from realtime_sync.events.local import ConnectionClosed, ConnectionLost
from realtime_sync.runtime import taps as module
from realtime_sync.runtime.clock import Deadline
from realtime_sync.runtime.taps import Taps


def test_show() -> None:
    """A tap sees the direction and the wire's dict, in the order of the taps."""
    taps, seen = Taps(), []
    taps.add(lambda *args: seen.append((1, *args)))
    taps.add(lambda *args: seen.append((2, *args)))
    taps.show("sent", b'{"type":"a","x":null}', None)
    shown = {"type": "a", "x": None}
    assert seen == [(1, "sent", shown), (2, "sent", shown)]


async def coroutine(_direction: str, _event: Any) -> None:
    """Nobody would await it."""


@pytest.mark.parametrize("wrong", [5, coroutine])
def test_no_taps(wrong: Any) -> None:
    """A tap is a plain function."""
    with pytest.raises(TypeError, match="tap"):
        Taps().add(wrong)


@pytest.mark.parametrize("frame", [b"no json", b"[1]", b"\xff", b"[" * 100_000])
def test_unparsable(frame: bytes) -> None:
    """What is no event is shown as unparsable."""
    taps, seen = Taps(), []
    taps.add(lambda _, event: seen.append(event))
    taps.show("received", frame, parse(frame))
    ((shown),) = seen
    assert shown["type"] == "unparsable"
    assert set(shown) == {"type", "raw"}


def test_remove() -> None:
    """remove() takes off one tap, the one that it belongs to; twice does no harm."""
    taps, seen = Taps(), []

    def tap(_: str, event: dict[str, Any]) -> None:
        seen.append(event["type"])

    assert not taps
    remove = taps.add(tap)
    taps.add(tap)
    taps.show("sent", b'{"type":"a"}', None)
    remove()
    remove()
    taps.show("sent", b'{"type":"b"}', None)
    assert seen == ["a", "a", "b"]
    assert taps


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)])
def test_a_tap_that_raises(
    error: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tap that raises is logged and taken off; the others go on."""
    monkeypatch.setattr(module, "SLOW", 60.0)  # the machine may be
    taps, seen = Taps(), []

    def broken(*_: Any) -> None:
        raise error

    taps.add(broken)
    taps.add(lambda _, event: seen.append(event["type"]))
    taps.show("sent", b'{"type":"a"}', None)
    taps.show("sent", b'{"type":"b"}', None)
    assert seen == ["a", "b"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "broken" in record.getMessage()


def test_a_slow_tap(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tap that takes longer than 50 ms is warned about by name."""
    assert module.SLOW == 0.05
    monkeypatch.setattr(module, "SLOW", -1.0)
    taps = Taps()

    def slow(*_: Any) -> None:
        pass

    taps.add(slow)
    taps.show("sent", b'{"type":"a"}', None)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "delayed every session" in record.getMessage()
    assert "slow" in record.getMessage()


def test_not_a_function() -> None:
    """A tap is a function."""
    with pytest.raises(TypeError, match="tap: a function"):
        Taps().add(5)  # type: ignore[arg-type]  # that is what is tested


class Recorder:
    """Takes what it is given; may be over, and may be slow to end."""

    def __init__(self, *, over: bool = False, joins: bool = True) -> None:
        self.over = over
        self.joins = joins
        self.seen: list[Any] = []

    def take(self, direction: str, frame: bytes) -> None:
        self.seen.append((direction, frame))

    def note(self, event: dict[str, Any]) -> None:
        self.seen.append(event)

    def end(self) -> None:
        self.over = True

    def join(self, _: Deadline) -> bool:
        return self.joins

    def __repr__(self) -> str:
        return "<Recorder slow>"


def test_recorders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder is given the frames as they are; where there is no tap, nobody parses them."""
    monkeypatch.setattr(module.json, "loads", None)
    taps, one, over = Taps(), Recorder(), Recorder()
    taps.record(over)
    taps.record(one)
    assert taps
    over.end()
    taps.show("sent", b"{}", None)
    taps.note([ConnectionLost(error=Lost("gone", code=1012)), UnknownEvent(type="x", raw=None)])
    taps.note([ConnectionClosed(error=None)])
    lost = {"type": "connection.lost", "error": "gone", "code": 1012}
    assert one.seen == [("sent", b"{}"), lost, {"type": "connection.closed"}]
    assert ("sent", b"{}") not in over.seen
    taps.record(Recorder())  # those that are over are forgotten
    assert len(taps._recorders) == 2


def test_recorders_that_are_slow(caplog: pytest.LogCaptureFixture) -> None:
    """At the end they are waited for, those that have been told; who takes longer is named."""
    taps, slow, running = Taps(), Recorder(joins=False), Recorder(joins=False)
    taps.record(slow)
    taps.end()
    assert slow.over
    taps.record(running)
    taps._recorders = (slow, running)
    taps.join(Deadline(0))
    (record,) = caplog.records
    assert "<Recorder slow> is not written to its end" in record.getMessage()
