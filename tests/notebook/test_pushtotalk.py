"""The widget to talk by, without a page: its traits are what one would see."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import AudioUnavailable, ConfigurationError, DeviceLost
from realtime_sync.local import LocalServer
from realtime_sync.notebook import PushToTalkWidget
from realtime_sync.runtime.clock import Condition

from .reading import EVIL, Page, read

LIMIT = 20.0


class Ends:
    """A microphone that hears a tone for ever, and a loudspeaker that takes what it gets."""

    def __init__(self) -> None:
        self.played = 0
        self.lost: BaseException | None = None

    def read(self) -> bytes:
        if self.lost is not None:
            raise self.lost
        return b"\x10\x20" * 240 + b"\xf0\xdf" * 240

    def write(self, pcm: bytes) -> None:
        self.played += len(pcm)


class Watched:
    """A widget and whoever looks at it."""

    def __init__(self, widget: PushToTalkWidget) -> None:
        self.widget = widget
        self._changed = Condition()
        for one in (widget.status, widget.said, widget._heard, widget._level):
            one.observe(self._change, "value")
        widget.button.observe(self._change, ["disabled", "description"])

    def _change(self, _: Any) -> None:
        with self._changed:
            self._changed.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until it shows something."""
        with self._changed:
            assert self._changed.wait_for(true, LIMIT), (self.status.text, self.said.text)

    @property
    def status(self) -> Page:
        return read(self.widget.status.value)

    @property
    def said(self) -> Page:
        return read(self.widget.said.value)


def heard(session: RealtimeSession, milliseconds: float) -> None:
    """Wait until so much of the user has gone to the server."""
    enough, sent = threading.Event(), [0.0]

    def tap(direction: str, event: dict[str, Any]) -> None:
        if direction == "sent" and event["type"] == "input_audio_buffer.append":
            sent[0] += len(event["audio"]) * 3 / 4 / 48
            if sent[0] >= milliseconds:
                enough.set()

    remove = session.tap(tap)
    assert enough.wait(LIMIT)
    remove()


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def session(server: LocalServer) -> Iterator[RealtimeSession]:
    with RealtimeSession(
        endpoint=server.endpoint, turn_detection=None, transcription="whisper-1"
    ) as opened:
        yield opened


@pytest.fixture
def watched(session: RealtimeSession, ends: Ends) -> Iterator[Watched]:
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    made = Watched(PushToTalkWidget(session, ends, ends))
    yield made
    made.widget.close()


def test_without_ipywidgets(session: RealtimeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, and nothing has begun."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ConfigurationError, match=r'pip install "realtime_sync\[notebook\]"'):
        PushToTalkWidget(session)


def test_a_turn(
    watched: Watched, session: RealtimeSession, server: LocalServer, ends: Ends
) -> None:
    """Pressed, it listens, and shows how loud; pressed again, the answer is heard and read."""
    server.script.transcripts(["a question"])
    server.reply("an answer")
    button = watched.widget.button
    assert watched.status.text == "ready"
    assert watched.said.text == "nothing was said yet"
    assert button.description == "Talk"
    button.value = True
    watched.until(lambda: watched.status.text == "listening")
    watched.until(lambda: watched.widget._level.value > 0.5)
    watched.until(lambda: button.description == "Send what was said")
    heard(session, 200)
    button.value = False
    watched.until(lambda: watched.said.text == "usera questionassistantan answer")
    watched.until(lambda: watched.status.text == "ready" and button.description == "Talk")
    assert ends.played > 0


def test_too_short(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A press that says nothing is told so, in words."""
    talk = watched.widget._talk
    assert talk is not None
    monkeypatch.setattr(talk, "_take", lambda _: None)
    talk._roll.take()
    watched.widget.button.value = True
    watched.widget.button.value = False
    watched.until(lambda: "it takes 100 ms at least" in watched.status.text)
    watched.widget.line.value = "Count to 3"
    watched.until(lambda: watched.status.text == "ready" and "1, 2, 3." in watched.said.text)


def test_typing(watched: Watched, server: LocalServer) -> None:
    """A typed line is a turn, and leaves the line empty; foreign words are only words."""
    server.reply(EVIL)
    watched.widget.line.value = EVIL
    assert watched.widget.line.value == ""
    watched.until(lambda: watched.said.text.count(EVIL) == 2)
    turn = watched.widget._turn
    watched.widget.line.value = "  "
    # the one before may have been shown to its end meanwhile
    assert watched.widget._turn in (turn, None)


def test_a_turn_that_fails(watched: Watched, server: LocalServer) -> None:
    """What went wrong is said, and forgotten with the next turn."""
    server.reply(RuntimeError("the <b>model</b> broke"))
    watched.widget.line.value = "Hi"
    watched.until(lambda: "the <b>model</b> broke" in watched.status.text)
    watched.widget.line.value = "Hi"
    watched.until(lambda: watched.status.text == "ready")


def test_interrupting(watched: Watched, server: LocalServer) -> None:
    """The button ends what the model says."""
    server.script.hold(after=3)
    watched.widget.line.value = "Count to 50"
    watched.until(lambda: watched.status.text in ("speaking", "thinking"))
    watched.until(lambda: "assistant" in watched.said.text)
    watched.widget._hush.click()
    watched.until(lambda: watched.status.text == "ready")
    assert "response.cancel" in [event["type"] for event in server.received]


def test_no_microphone(
    session: RealtimeSession, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without devices it says what to do; typing goes on, answers can be heard."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')

    def none(*_: Any, **__: Any) -> Any:
        raise AudioUnavailable('no PyAudio: pip install "realtime_sync[audio]"')

    monkeypatch.setattr(RealtimeSession, "push_to_talk", none)
    watched = Watched(PushToTalkWidget(session))
    assert watched.widget.button.disabled
    assert 'pip install "realtime_sync[audio]"' in watched.status.text
    assert "A kernel on your own machine has yours." in watched.status.text
    watched.widget.line.value = "Count to 3"
    watched.until(lambda: bool(watched.widget._heard.value))
    ((rate, _, pcm),) = read(watched.widget._heard.value).sounds
    assert rate == 24_000
    assert 0.4 < len(pcm) / 48_000 < 0.7
    watched.until(lambda: "1, 2, 3." in watched.said.text)
    watched.widget.close()


def test_a_microphone_that_goes_away(watched: Watched, ends: Ends) -> None:
    """The button is closed with what happened; typing goes on."""
    watched.widget.button.value = True
    ends.lost = DeviceLost("the microphone was unplugged")
    watched.until(lambda: watched.widget.button.disabled)
    watched.until(lambda: "unplugged" in watched.status.text)
    assert not watched.widget.button.value
    watched.widget.line.value = "Count to 3"
    watched.until(lambda: "1, 2, 3." in watched.said.text)


def test_turn_detection(server: LocalServer) -> None:
    """Where the server would end turns by itself, the error says what to do; none is shown."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    with (
        RealtimeSession(endpoint=server.endpoint) as session,
        pytest.raises(ConfigurationError, match="turn_detection=None"),
    ):
        PushToTalkWidget(session)


@pytest.mark.parametrize("given", [None, "gpt-realtime"])
def test_no_session(given: Any, watched: Watched) -> None:
    """What cannot hear is named, and the widget that is shown goes on."""
    with pytest.raises(TypeError, match=f"session: a RealtimeSession, not {type(given).__name__}"):
        PushToTalkWidget(given)
    assert repr(watched.widget) == "<PushToTalkWidget, ready>"


def test_one_at_a_time(watched: Watched, session: RealtimeSession, ends: Ends) -> None:
    """Another one, as of a cell that is run again, ends the one before; the session stays."""
    again = PushToTalkWidget(session, ends, ends)
    assert repr(watched.widget) == "<PushToTalkWidget, over>"
    assert watched.status.text == "ended; the session is open"
    assert watched.widget.button.disabled
    assert [t.name for t in threading.enumerate()].count("realtime-widget") == 1
    assert repr(again) == "<PushToTalkWidget, ready>"
    again.close()
    again.close()
    assert session.ask("Count to 3").text == "1, 2, 3."


def test_when_the_session_ends(watched: Watched, session: RealtimeSession) -> None:
    """It says so, and its thread ends with it."""
    session.close()
    watched.until(lambda: watched.status.text == "the session is closed")
    watched.widget._thread.join(LIMIT)
    assert not watched.widget._thread.is_alive()
    watched.widget.line.value = "Hi"  # a page may be slower


def test_it_keeps_no_session(server: LocalServer, ends: Ends) -> None:
    """ipywidgets keeps every widget for ever; the session of one that has ended can go."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    session = RealtimeSession(endpoint=server.endpoint, turn_detection=None).open()
    widget = PushToTalkWidget(session, ends, ends)
    widget._end.click()
    session.close()
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    assert widget.button.disabled


def test_a_bug_of_ours(
    watched: Watched, logged_errors: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks the widget is logged; it ends, and the devices are given back."""
    monkeypatch.setattr(watched.widget, "_look_at_turn", lambda: 1 / 0)
    watched.widget._thread.join(LIMIT)
    assert ["cannot show" in record.getMessage() for record in logged_errors] == [True]
    assert watched.widget.button.disabled
