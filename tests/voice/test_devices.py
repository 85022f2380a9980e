"""A talk whose devices go away: told as events, found again, or ended with a typed error."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from audio.conftest import card
from audio.portaudio import FakeDevice

from realtime_sync import RealtimeSession
from realtime_sync.audio import Microphone, Speaker, ports
from realtime_sync.errors import AudioError, DeviceLost, DeviceNotFound
from realtime_sync.events.local import LOCAL_EVENTS
from realtime_sync.local import LocalServer

from .conftest import LIMIT, sound

__all__ = ["card"]


@pytest.fixture
def session(server: LocalServer) -> Iterator[RealtimeSession]:
    detection = {"type": "server_vad", "silence_duration_ms": 200}
    with RealtimeSession(endpoint=server.endpoint, turn_detection=detection) as session:
        yield session


class Silent:
    """A speaker that nobody hears."""

    def write(self, pcm: bytes) -> None: ...


@pytest.mark.row("F48", bound="typed error; the session lives")
def test_a_microphone_that_goes_away(session: Any, card: Any) -> None:
    """It is an event; the default one takes its place, and what is said there is answered."""
    headset, builtin = FakeDevice("headset"), FakeDevice("built-in")
    card(builtin, headset)
    with (
        session.events("device.*", timeout=LIMIT) as events,
        session.talk("headset", Silent(), echo="none") as talk,
    ):
        headset.gone = True
        lost, restored = next(events), next(events)
        assert (lost.type, lost.direction, lost.device) == ("device.lost", "input", "headset")
        assert isinstance(lost.error, DeviceLost)
        assert lost.retrying
        assert (restored.type, restored.device) == ("device.restored", "built-in")
        with session.expect("response.done") as answered:
            builtin.heard += sound(600)
            assert answered.result(timeout=LIMIT).response.status == "completed"
        assert not talk.ended


@pytest.mark.row("F48", bound="typed error; the session lives")
@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_device_that_is_lost_for_good(
    session: Any, card: Any, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    """Where no other is there the talk ends with DeviceLost, after an event; the session lives."""
    monkeypatch.setattr(ports, "DELAYS", (0.0, 0.01))
    device, other = FakeDevice("headset", 1, 0), FakeDevice("speakers", 0, 1)
    card(device, other)
    gone = device if direction == "input" else other
    with session.events("device.lost", timeout=LIMIT) as events:
        talk = session.talk(echo="none")
        gone.gone = True
        first, last = next(events), next(events)
        assert (first.retrying, last.retrying) == (True, False)
        assert {first.direction, last.direction} == {direction}
        with pytest.raises(DeviceLost, match=f"'{gone.name}' is gone"):
            talk.wait(timeout=LIMIT)
    assert session.ask("still there?").status == "completed"


def test_devices_of_the_callers(session: Any, card: Any) -> None:
    """Those that the caller opened tell him and the session; after the talk only him."""
    device, other = FakeDevice("headset"), FakeDevice("built-in")
    card(other, device)
    told: list[Any] = []
    again = threading.Event()

    def note(change: Any) -> None:
        told.append(change.kind)
        if len(told) == 4:
            again.set()

    with Microphone("headset", on_change=note) as microphone:
        with (
            session.talk(microphone, Silent(), echo="none"),
            session.events("device.*", timeout=LIMIT) as events,
        ):
            device.gone = True
            assert [next(events).type, next(events).type] == ["device.lost", "device.restored"]
        device.gone = False
        seen = session.events("device.*", timeout=0.2)
        other.gone = True
        assert again.wait(LIMIT)
        assert told == ["lost", "restored", "lost", "restored"]
        assert session.ask("hello").status == "completed"
        seen.close()
        assert list(seen) == []


def test_no_device_at_all(session: Any, card: Any) -> None:
    """talk says so at once, with what there is; nothing of it is left."""
    card(FakeDevice("speakers", 0, 1))
    with pytest.raises(DeviceNotFound, match="no default input device"):
        session.talk()
    with pytest.raises(AudioError):
        session.talk("nobody's", Speaker())
    assert session.ask("hello").status == "completed"


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("slow", ["input", "output"])
@pytest.mark.parametrize("call", ["talk", "push_to_talk"])
def test_ctrl_c_while_a_device_is_opened(
    session: Any, card: Any, monkeypatch: pytest.MonkeyPatch, slow: str, call: str
) -> None:
    """It is heard at once, and the device is given back when it has opened at last."""
    card(FakeDevice("headset"))
    opening, release, find = threading.Event(), threading.Event(), ports.find

    def late(choice: Any, direction: str, *args: Any) -> Any:
        if direction == slow:
            opening.set()
            release.wait(LIMIT)
        return find(choice, direction, *args)

    def press() -> None:
        if opening.wait(LIMIT):
            pressed.append(monotonic())
            _thread.interrupt_main()

    monkeypatch.setattr(ports, "find", late)
    if call == "push_to_talk":
        session.update(turn_detection=None)
    pressed: list[float] = []
    pressing = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come as soon as that begins
        pressing.start()
        getattr(session, call)()
    took = monotonic() - pressed[0]
    release.set()
    for thread in threading.enumerate():
        if thread.name in ("realtime-mic", "realtime-speaker"):
            thread.join(LIMIT)  # it gives the device back
    pressing.join()
    assert took < 2  # it opens ten seconds later, or is waited for five
    assert session.ask("hello").status == "completed"


def test_their_events_are_listed() -> None:
    """Both have a class each, found by their names."""
    assert {"device.lost", "device.restored"} <= set(LOCAL_EVENTS)
