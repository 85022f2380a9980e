"""Callbacks in Qt's event loop."""

from __future__ import annotations

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


def test_a_conversation_in_qt(app: Any) -> None:
    """Callbacks run on the application's thread, in order, while nothing blocks it."""
    pieces, threads = [], []
    with (
        LocalServer(speed=None) as server,
        RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], dispatcher=gui.qt()
        ) as session,
    ):

        @session.on("response.output_text.delta")
        def show(event: Any) -> None:
            pieces.append(event.delta)
            threads.append(threading.current_thread())

        session.on("response.done", lambda event: app.quit())
        session.submit("Count to 20")
        app.exec()
    assert "".join(pieces) == ", ".join(map(str, range(1, 21))) + "."
    assert set(threads) == {threading.main_thread()}
