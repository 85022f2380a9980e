"""A browser for all tests of the page: it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from realtime_sync.local import LocalServer

from .browser import Browser, missing


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    pytest.importorskip("selenium", exc_type=ImportError)
    if wanted := missing():
        pytest.skip(wanted)
    with Browser() as running:
        yield running


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server with a page."""
    with LocalServer(speed=None, voice="tones", ui=True) as running:
        yield running


@pytest.fixture
def browser(chromium: Browser, server: LocalServer) -> Iterator[Browser]:
    """A browser that looks at the server's page; it has nothing against it in the end."""
    chromium.open(server.ui_url)
    yield chromium
    said = chromium.complaints()
    chromium.open("about:blank")
    assert said == []
