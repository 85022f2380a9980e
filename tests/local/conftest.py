from __future__ import annotations

from collections.abc import Iterator

import pytest

from realtime_sync.local import LocalServer

from .driving import Driver


@pytest.fixture
def driver() -> Driver:
    """A brain without pacing."""
    return Driver()


@pytest.fixture
def paced() -> Driver:
    """A brain at the service's pace, on a clock that only the test moves."""
    return Driver(speed=1.0)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server without pacing."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running
