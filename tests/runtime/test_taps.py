"""Functions that see every event as the wire has it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_sync.events import parse
from realtime_sync.runtime import taps as module
from realtime_sync.runtime.taps import Taps


def test_show() -> None:
    """A tap sees the direction and the wire's dict, in the order of the taps."""
    taps, seen = Taps(), []
    taps.add(lambda *args: seen.append((1, *args)))
    taps.add(lambda *args: seen.append((2, *args)))
    taps.show("sent", b'{"type":"a","x":null}', None)
    shown = {"type": "a", "x": None}
    assert seen == [(1, "sent", shown), (2, "sent", shown)]


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
def test_a_tap_that_raises(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """A tap that raises is logged and taken off; the others go on."""
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
