"""Callbacks in Tk's event loop, on a real window."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from realtime_sync import RealtimeSession, gui
from realtime_sync.local import LocalServer

tkinter = pytest.importorskip("tkinter")


@pytest.fixture
def root(screen: str) -> Iterator[Any]:
    """A window; its loop ends after ten seconds whatever happens."""
    windows = [tkinter.Tk(screenName=screen)]
    windows[0].after(10_000, windows[0].quit)
    yield windows[0]
    with suppress(tkinter.TclError):  # the test may have destroyed it
        windows[0].destroy()
    windows.clear()
    gc.collect()  # here: Tcl aborts where another thread collects it


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server without pacing."""
    with LocalServer(speed=None) as running:
        yield running


def test_a_conversation_in_a_window(root: Any, server: LocalServer) -> None:
    """Callbacks write into widgets, on the window's thread, in order, while nothing blocks it."""
    text = tkinter.Text(root)
    text.pack()
    threads = []
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.tk(root)
    ) as session:

        @session.on("response.output_text.delta")
        def show(event: Any) -> None:
            threads.append(threading.current_thread())
            text.insert("end", event.delta)

        session.on("response.done", lambda event: root.quit())
        root.after(1, lambda: session.submit("Count to 20"))
        root.mainloop()
    assert text.get("1.0", "end").strip() == ", ".join(map(str, range(1, 21))) + "."
    assert set(threads) == {threading.main_thread()}


def test_a_dialogue_inside_a_callback(root: Any, server: LocalServer) -> None:
    """A callback that runs the loop itself is not interrupted by others; they follow it."""
    order = []
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.tk(root)
    ) as session:

        @session.on("response.created")
        def ask(event: Any) -> None:
            order.append("asked")
            closed = tkinter.BooleanVar(root)
            root.after(100, closed.set, True)
            root.wait_variable(closed)
            order.append("answered")

        @session.on("response.done")
        def done(event: Any) -> None:
            order.append("done")
            root.quit()

        session.submit("Hello!")
        root.mainloop()
    assert order == ["asked", "answered", "done"]


def test_a_flood(root: Any, server: LocalServer) -> None:
    """The window goes on drawing and listening while more callbacks are due than fit in a frame."""
    pieces: list[str] = []
    drawn: list[int] = []
    never = threading.Event()

    def draw() -> None:
        drawn.append(len(pieces))
        root.after(1, root.after_idle, draw)

    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.tk(root)
    ) as session:

        @session.on("response.output_text.delta")
        def slow(event: Any) -> None:
            never.wait(0.002)
            pieces.append(event.delta)

        session.on("response.done", lambda event: root.quit())
        answer = session.ask("Count to 100")  # all of it waits now
        draw()
        root.mainloop()
    assert "".join(pieces) == answer.text
    assert len(set(drawn)) > len(pieces) / 20


def test_two_sessions_share_a_window(root: Any, server: LocalServer) -> None:
    """One dispatcher serves several sessions."""
    dispatch = gui.tk(root)
    done: list[str] = []

    def end(name: str) -> None:
        done.append(name)
        if len(done) == 2:
            root.quit()

    with (
        RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], dispatcher=dispatch
        ) as one,
        RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], dispatcher=dispatch
        ) as two,
    ):
        one.on("response.done", lambda event: end("one"))
        two.on("response.done", lambda event: end("two"))
        one.submit("Hello!")
        two.submit("Hello!")
        root.mainloop()
    assert sorted(done) == ["one", "two"]


def test_the_window_is_closed_first(
    root: Any, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The session lives on and answers; callbacks do not run any more, and the log says why."""
    heard = []
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.tk(root)
    ) as session:
        child = tkinter.Label(root)
        child.destroy()  # is not the window's end
        session.on("response.done", heard.append)
        root.destroy()
        assert session.ask("Count to 3", timeout=10).text == "1, 2, 3."
    assert heard == []
    lost = [record for record in caplog.records if "callbacks are lost" in record.message]
    assert lost
    assert "the window is gone" in str(lost[0].exc_info)
    caplog.clear()


def test_one_of_two_windows_is_closed(
    root: Any, screen: str, server: LocalServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """The other's loop goes on, its callbacks run, and nothing is heard of the one that is gone."""
    other = tkinter.Tk(screenName=screen)
    inner = tkinter.Toplevel(root)
    dispatchers = [gui.tk(other), gui.tk(inner)]
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.tk(root)
    ) as session:
        session.on("response.done", lambda event: root.after(50, root.quit))
        other.update()  # Tk itself complains of a window that goes before it is drawn
        other.destroy()
        inner.destroy()
        session.submit("Hello!")
        root.mainloop()
    with pytest.raises(RuntimeError, match="the window is gone"):
        dispatchers[0](print)
    del other, inner
    assert capfd.readouterr().err == ""


def test_without_a_window() -> None:
    """What is no window is refused, and named."""
    with pytest.raises(TypeError, match=r"root: the window, a tkinter\.Tk, not NoneType"):
        gui.tk(None)  # type: ignore[arg-type]
