"""Callbacks in Qt's event loop."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession, gui
from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer


def test_without_qt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "PySide6", None)
    with pytest.raises(ConfigurationError, match=r'pip install "realtime_sync\[qt\]"'):
        gui.qt()


@pytest.fixture
def app(qt: Any) -> Iterator[Any]:
    """An application whose loop ends after ten seconds whatever happens."""
    from PySide6 import QtCore

    core: Any = QtCore  # the same is checked whether it is installed or not
    limit = core.QTimer()
    limit.setSingleShot(True)
    limit.timeout.connect(qt.quit)
    limit.start(10_000)
    yield qt
    limit.stop()


@pytest.fixture
def session(app: Any) -> Iterator[RealtimeSession]:
    """Open, of text, its callbacks in the application's loop."""
    with (
        LocalServer(speed=None) as server,
        RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.qt()
        ) as opened,
    ):
        yield opened


def test_a_conversation_in_qt(app: Any, session: RealtimeSession) -> None:
    """Callbacks run on the application's thread, in order, while nothing blocks it."""
    pieces, threads = [], []

    @session.on("response.output_text.delta")
    def show(event: Any) -> None:
        pieces.append(event.delta)
        threads.append(threading.current_thread())

    session.on("response.done", lambda event: app.quit())
    session.submit("Count to 20")
    app.exec()
    assert "".join(pieces) == ", ".join(map(str, range(1, 21))) + "."
    assert set(threads) == {threading.main_thread()}


def test_a_flood(app: Any, session: RealtimeSession) -> None:
    """The window goes on drawing and listening while more callbacks are due than fit in a frame."""
    from PySide6 import QtCore

    core: Any = QtCore
    pieces: list[str] = []
    drawn: list[int] = []
    never = threading.Event()

    @session.on("response.output_text.delta")
    def slow(event: Any) -> None:
        never.wait(0.002)
        pieces.append(event.delta)

    session.on("response.done", lambda event: app.quit())
    answer = session.ask("Count to 100")  # all of it waits now
    clock = core.QTimer()
    clock.timeout.connect(lambda: drawn.append(len(pieces)))
    clock.start(1)
    app.exec()
    clock.stop()
    assert "".join(pieces) == answer.text
    assert len(set(drawn)) > len(pieces) / 20


def test_where_no_loop_will_run(app: Any) -> None:
    """A thread without an event loop of Qt's is refused, with the cure; one with a loop will do."""
    from PySide6 import QtCore

    core: Any = QtCore
    raised: list[Exception] = []
    made: list[object] = []

    def make() -> None:
        try:
            made.append(gui.qt())
        except ConfigurationError as exc:
            raised.append(exc)

    elsewhere = threading.Thread(target=make)
    elsewhere.start()
    elsewhere.join()
    assert made == []
    assert "call gui.qt() on the thread that runs Qt's loop" in str(raised[0])

    class Worker(core.QThread):  # type: ignore[misc]
        def run(self) -> None:
            make()

    worker = Worker()
    worker.start()
    assert worker.wait(10_000)
    assert len(made) == len(raised) == 1


def test_before_the_application() -> None:
    """Before there is an application there is no loop that callbacks could run in."""
    pytest.importorskip("PySide6.QtCore", exc_type=ImportError)
    code = "from realtime_sync import gui; gui.qt()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "make the QApplication first" in done.stderr
