"""What the windows of the samples say and do, asked of their widgets."""

from __future__ import annotations

import gc
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer

from .person import SAMPLES


def sample(name: str) -> Any:
    """A sample as a module."""
    spec = importlib.util.spec_from_file_location(name, SAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TkWindow:
    """The chat in Tk."""

    def __init__(self) -> None:
        pytest.importorskip("tkinter")
        self._module = sample("tkchat")
        self.chat: Any = None

    def open(self, *given: Any) -> None:
        self.chat = self._module.Chat(*given)

    def turn(self) -> None:
        """Have its loop go round once."""
        self.chat.after(5)
        self.chat.update()

    @property
    def text(self) -> str:
        return str(self.chat.said.get("1.0", "end"))

    @property
    def status(self) -> str:
        return str(self.chat.status["text"])

    @property
    def can_speak(self) -> bool:
        return str(self.chat.button["state"]) == "normal"

    def level(self, side: int) -> float:
        """How much of a meter is filled."""
        return float(self.chat.levels[side]["value"])

    def type(self, text: str) -> None:
        self.chat.line.focus_force()
        self.chat.update()  # keys go to where the focus is
        self.chat.line.insert(0, text)
        self.chat.line.event_generate("<Return>")

    def hold(self, down: bool) -> None:
        self.chat.button.event_generate("<Button-1>" if down else "<ButtonRelease-1>")

    def escape(self) -> None:
        self.chat.focus_force()
        self.chat.update()  # keys go to where the focus is
        self.chat.event_generate("<Escape>")

    def close(self) -> None:
        self.chat.close()
        self.chat = None
        gc.collect()  # here: Tcl aborts where another thread collects it


class QtWindow:
    """The chat in Qt."""

    def __init__(self) -> None:
        self._module = sample("qtchat")
        self.chat: Any = None

    def open(self, *given: Any) -> None:
        self.chat = self._module.Chat(*given)
        self.chat.show()

    def turn(self) -> None:
        """Have its loop go round once."""
        core = self._module.QtCore
        loop = core.QEventLoop()
        core.QTimer.singleShot(5, loop.quit)
        loop.exec()

    @property
    def text(self) -> str:
        return str(self.chat.said.toPlainText())

    @property
    def status(self) -> str:
        return str(self.chat.status.text())

    @property
    def can_speak(self) -> bool:
        return bool(self.chat.button.isEnabled())

    def level(self, side: int) -> float:
        """How much of a meter is filled."""
        return float(self.chat.levels[side].value() - self.chat.levels[side].minimum())

    def type(self, text: str) -> None:
        if self.chat.line.isEnabled():
            self.chat.line.setText(text)
            self.chat.line.returnPressed.emit()

    def hold(self, down: bool) -> None:
        if self.chat.button.isEnabled():
            (self.chat.button.pressed if down else self.chat.button.released).emit()

    def escape(self) -> None:
        self.chat.stop.click()

    def close(self) -> None:
        self.chat.close()
        self.chat.deleteLater()
        self.chat = None
        self.turn()


@pytest.fixture(params=[TkWindow, QtWindow])
def window(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Any]:
    """A window that is not open yet; sound files lie around."""
    monkeypatch.chdir(tmp_path)
    # it speaks from the beginning on, however late somebody listens
    write_wav("in.wav", b"\x10\x20" * 320_000, 16_000)
    if request.param is TkWindow:
        monkeypatch.setenv("DISPLAY", request.getfixturevalue("screen"))
    else:
        request.getfixturevalue("qt")
    one = request.param()
    yield one
    if one.chat is not None:
        one.close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server without pacing."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


def until(window: Any, shown: Callable[[], bool]) -> None:
    """Lets the window's loop run until that is so."""
    ends = time.monotonic() + 20
    while not shown():
        assert time.monotonic() < ends, f"{window.status!r}\n{window.text}"
        window.turn()


def opened(window: Any, server: LocalServer) -> None:
    """Opens it, until one may speak."""
    window.open("in.wav", "out.wav", server.endpoint)
    until(window, lambda: window.can_speak)
    assert window.status == "Your turn."


def test_words_as_they_come(window: Any, server: LocalServer) -> None:
    """What the model has said so far is shown, and in the end all of it, as it was said."""
    opened(window, server)
    server.reply("One <b>two</b> three & four five six seven")
    server.script.hold(after=8)
    window.type("<i>Count</i>")
    until(window, lambda: "One <b>" in window.text)
    assert "seven" not in window.text
    assert window.status == "The model answers."
    server.script.release()
    until(window, lambda: window.status == "Your turn.")
    assert "<i>Count</i>" in window.text
    assert "One <b>two</b> three & four five six seven" in window.text


def test_a_held_button(window: Any, server: LocalServer) -> None:
    """What is said meanwhile is a turn; the meters show both sides."""
    opened(window, server)
    server.script.transcripts(["what is it"])
    server.reply("it is a test of some length")
    window.hold(True)
    until(window, lambda: window.level(0) > 20)
    heard = len(server.received)
    until(window, lambda: len(server.received) > heard + 20)
    window.hold(False)
    until(window, lambda: "what is it" in window.text)
    until(window, lambda: "it is a test of some length" in window.text)
    until(window, lambda: window.level(1) > 20)


def test_a_held_key_repeats(window: Any, server: LocalServer) -> None:
    """A screen that repeats a held key, up and down, makes no turns of it."""
    opened(window, server)
    for down in [True, False] * 10 + [True]:
        window.hold(down)
    heard = len(server.received)
    until(window, lambda: len(server.received) > heard + 10)
    window.hold(False)
    until(window, lambda: "your speech" in window.text)
    assert [event["type"] for event in server.received].count("input_audio_buffer.commit") == 1


def test_escape(window: Any, server: LocalServer) -> None:
    """It interrupts the model."""
    opened(window, server)
    window.escape()  # nothing to interrupt
    server.script.hold(after=8)
    window.type("Tell me a long story.")
    until(window, lambda: window.status == "The model answers.")
    window.escape()
    until(window, lambda: "response.cancel" in [event["type"] for event in server.received])
    server.script.release()
    until(window, lambda: window.status == "Your turn.")


def test_errors_are_shown(window: Any, server: LocalServer) -> None:
    """A turn that fails, and a key that was only touched, say so in the window."""
    opened(window, server)
    server.reply(RuntimeError("hiccups"))
    window.type("Hello!")
    until(window, lambda: "hiccups" in window.text)
    server.reply("Again.")
    window.type("Hello!")
    until(window, lambda: "Again." in window.text)


def test_no_devices(window: Any, server: LocalServer) -> None:
    """Without a microphone the reason is shown, and typing goes on."""
    window.open("missing.wav", "out.wav", server.endpoint)
    until(window, lambda: "missing.wav" in window.text)
    assert not window.can_speak
    window.type("Count to 3")
    until(window, lambda: "1, 2, 3." in window.text)


def test_a_link_that_is_lost(window: Any, server: LocalServer) -> None:
    """The window says when there is another, over which it goes on."""
    opened(window, server)
    server.script.expire()
    until(window, lambda: window.status == "The link is back.")
    window.type("Count to 3")
    until(window, lambda: "1, 2, 3." in window.text)


def test_nothing_to_say(window: Any, server: LocalServer) -> None:
    """Return in an empty line begins no turn."""
    opened(window, server)
    window.type("")
    window.type("Count to 3")
    until(window, lambda: "1, 2, 3." in window.text)
    created = [event for event in server.received if event["type"] == "conversation.item.create"]
    assert len(created) == 1


def test_no_link_any_more(
    window: Any, server: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key that is held then goes up, and others are pressed: the window stays as it is."""
    opened(window, server)
    window.hold(True)
    heard = len(server.received)
    until(window, lambda: len(server.received) > heard + 10)
    server.script.refuse(401, "no such key")
    server.script.expire()
    until(window, lambda: window.status == "There is no link.")
    window.hold(False)
    until(window, lambda: "no such key" in window.text)
    window.type("Hello!")
    window.escape()
    window.hold(True)
    window.hold(False)
    ends = time.monotonic() + 0.2  # the patience with a held key is over
    until(window, lambda: time.monotonic() > ends)
    assert "Hello!" not in window.text
    assert "Error" not in capfd.readouterr().err


def test_no_server(window: Any, server: LocalServer) -> None:
    """Whoever cannot connect is told why."""
    endpoint = server.endpoint
    server.close()
    window.open("in.wav", "out.wav", endpoint)
    until(window, lambda: window.status == "There is no link." and "refused" in window.text)
    assert not window.can_speak


def test_closed_while_it_connects(window: Any, server: LocalServer) -> None:
    """It does not wait for a server that says nothing."""
    server.script.mute()
    window.open("in.wav", "out.wav", server.endpoint)
    began = time.monotonic()
    window.close()
    assert time.monotonic() - began < 5
