"""What people hold: replies, calls, what was received, the endpoint."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer
from realtime_sync.local.answers import Call


def test_call_is_json() -> None:
    """call() keeps its arguments as JSON text."""
    assert LocalServer().call("f", city="Zürich", n=1) == Call("f", '{"city": "Zürich", "n": 1}')


def test_url_and_repr(server: LocalServer) -> None:
    """A running server shows where it is, and how much it heard."""
    assert server.url.startswith("http://127.0.0.1:")
    assert repr(server) == f"<LocalServer {server.url}, 0 events received>"
    assert server.received == ()


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_a_server_on_every_address(host: str) -> None:
    """Its URL is one that programs of this machine can use, and so is its endpoint."""
    with LocalServer(host=host, speed=None) as everywhere:
        assert everywhere.url.startswith("http://127.0.0.1:")
        with RealtimeSession(endpoint=everywhere.endpoint) as session:
            assert session.state == "open"


def test_start_twice(server: LocalServer) -> None:
    """A second start changes nothing."""
    url = server.url
    assert server.start() is server
    assert server.url == url


@pytest.mark.parametrize("wrong", [5, None, {"text": "x"}, [5]])
def test_reply_refuses_other_kinds(wrong: object) -> None:
    """reply() says what it takes."""
    with pytest.raises(TypeError, match="PCM bytes"):
        LocalServer().reply(wrong)  # type: ignore[arg-type]  # that is what is tested


def test_reply_refuses_half_samples() -> None:
    """PCM16 has an even number of bytes."""
    with pytest.raises(ValueError, match="even"):
        LocalServer().reply(b"abc")


def test_importing_the_room_imports_no_third_party() -> None:
    """Neither websockets nor numpy is loaded by importing the room."""
    code = (
        "import sys, realtime_sync.local;"
        "third = {'websockets', 'numpy', 'openai', 'espeakng_loader', 'websocket'};"
        "bad = third & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_endpoint(server: LocalServer) -> None:
    """The endpoint leads here with a key that is let in, and shows no key."""
    from realtime_sync.runtime.endpoints import Compatible

    assert isinstance(server.endpoint, Compatible)
    assert "local-" not in repr(server.endpoint)
