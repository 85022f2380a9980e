"""The pytest plugin: fixtures `realtime_server`, `assert_said`, `assert_called`, and two markers.

What pytest has imported before coverage begins, coverage never sees. So nothing of `realtime_sync`
is there before a test takes the fixture, and the package does not know its plugin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from realtime_sync.local import LocalServer

__all__ = ["assert_called", "assert_said", "pytest_configure", "realtime_server"]

MARKERS = (
    "realtime_reply(*answers): what the next responses of realtime_server do, one answer each: "
    "text, call(name, **arguments) of realtime_sync.local, PCM bytes, an exception, a list of "
    "these for one response, or a function of the server that gives one of them",
    "realtime_server(**options): options of LocalServer (speed=None unless given); "
    "recording=FILE plays that recording, from the test's folder",
)


def pytest_plugin_registered(plugin: object) -> None:
    """Pytest has this module now: whoever imports the package first finds it untouched.

    To find a module, Python runs the `__init__` of its package, which has no code but its map of
    names. It is forgotten here, before coverage begins and any conftest is read, and run anew then.
    """
    if getattr(plugin, "__name__", None) == __name__:
        there = {name for name in sys.modules if name.partition(".")[0] == __package__}
        if there == {__package__, __name__}:  # else it is in use already, by another plugin
            for name in there:
                del sys.modules[name]


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, also to --strict-markers."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A marker without the fixture would say nothing, and hide that the test means it."""
    for name in ("realtime_reply", "realtime_server"):
        known = getattr(item, "fixturenames", ())
        if item.get_closest_marker(name) is not None and "realtime_server" not in known:
            pytest.fail(f"{name}: the test does not take the fixture realtime_server", False)


@pytest.fixture
def realtime_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalServer]:
    """An embedded server of the Realtime API, to which OPENAI_BASE_URL and OPENAI_API_KEY point.

    So the code under test needs no argument, no key and no network. The markers say what it
    answers; else it does so by rules.
    """
    with _server(request) as server:
        # from the module to the test, and there from the top: as one reads
        for marker in reversed(list(request.node.iter_markers("realtime_reply"))):
            if marker.kwargs or not marker.args:
                pytest.fail('realtime_reply: answers are needed, without names: ("Hello!")', False)
            for answer in marker.args:
                given = answer(server) if callable(answer) else answer
                try:
                    server.reply(given)
                except (TypeError, ValueError) as exc:
                    pytest.fail(f"realtime_reply: {exc}", False)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        yield server
        _close_sessions(server)


def _close_sessions(server: LocalServer) -> None:
    """End those that the test has left open.

    They would connect anew, as sessions do, and by then the environment leads to the server of the
    next test, or to the one that has to be paid for.
    """
    from realtime_sync.living import sessions

    port = urlsplit(server.url).port
    for session in sessions():
        place = session._setup.place
        if place is not None and place[1] == port:
            session.close()


def _server(request: pytest.FixtureRequest) -> LocalServer:
    from realtime_sync.local import LocalServer

    options: dict[str, Any] = {"speed": None}
    for marker in reversed(list(request.node.iter_markers("realtime_server"))):
        if marker.args:
            pytest.fail("realtime_server: its options have names, e.g. speed=1.0", False)
        options |= marker.kwargs
    recording = options.pop("recording", None)
    if recording is not None and request.node.get_closest_marker("realtime_reply") is not None:
        pytest.fail("realtime_reply: a recording has its own answers", False)
    if not isinstance(recording, (str, os.PathLike, type(None))):
        pytest.fail(f"recording: a path is needed, not {type(recording).__name__}", False)
    try:
        if recording is None:
            return LocalServer(**options)
        return LocalServer.from_recording(request.path.parent / recording, **options)
    except (TypeError, ValueError, OSError) as exc:
        pytest.fail(f"realtime_server: {exc}", False)


@pytest.fixture
def assert_said(realtime_server: LocalServer) -> Any:
    """`assert_said("words", role=None)`: somebody has said so; gives the whole text."""
    return realtime_server.assert_said


@pytest.fixture
def assert_called(realtime_server: LocalServer) -> Any:
    """`assert_called("tool", city="Oslo")`: it was called so, and answered; gives the call."""
    return realtime_server.assert_called
