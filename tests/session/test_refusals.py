"""What can go wrong while opening: one typed error, within the timeout, and no thread left."""

from __future__ import annotations

import pickle
import socket
import threading
import time

import pytest
from measured import Measured

from realtime_sync import Compatible, RealtimeSession
from realtime_sync.errors import (
    AuthenticationError,
    ConnectError,
    NotFound,
    PermissionDenied,
    RateLimited,
    RealtimeTimeout,
    ServerError,
)
from realtime_sync.local import LocalServer

from .peers import Peer, Socket

CANARY = "sk-canary-0123456789"


def refusal(endpoint: object, timeout: float = 15, **arguments: object) -> Exception:
    """What open() raises; it leaves the session as new."""
    session = RealtimeSession(endpoint=endpoint, **arguments)  # type: ignore[arg-type]
    begun = time.monotonic()
    with pytest.raises(Exception) as caught:  # the caller looks at its type
        session.open(timeout=timeout)
    # what is said at the last moment is waited for, and threads end: 0.3 s each, at most
    assert time.monotonic() - begun < timeout + 1.5
    assert session.state == "new"
    assert CANARY not in repr(caught.value) + str(caught.value)
    return caught.value


@pytest.mark.row("F8")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ConnectError),
        (401, AuthenticationError),
        (403, PermissionDenied),
        (404, NotFound),
        (429, RateLimited),
        (500, ConnectError),
        (503, ConnectError),
    ],
)
def test_statuses(status: int, kind: type[ConnectError], server: LocalServer) -> None:
    """A 4xx or 5xx is one typed error with status and body; it is not tried again."""
    server.script.refuse(status, "because of you")
    error = refusal(server.endpoint)
    assert type(error) is kind
    assert error.status == status
    assert "because of you" in error.body
    assert "because of you" in str(error)
    with RealtimeSession(endpoint=server.endpoint):
        pass


def test_wrong_key() -> None:
    """A wrong key is an AuthenticationError."""
    with LocalServer(speed=None, api_key="sk-right-key") as server:
        error = refusal(Compatible(server.url, api_key=CANARY))
    assert isinstance(error, AuthenticationError)
    assert error.status == 401


def test_wrong_path(server: LocalServer) -> None:
    """A wrong URL is NotFound."""
    error = refusal(Compatible(server.url + "/nowhere", api_key=CANARY))
    assert isinstance(error, NotFound)


def test_html_body() -> None:
    """An HTML page is in .body and not in the message."""
    page = b"<html>" + b"x" * 5000 + b"</html>"
    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n" + page
    with Socket(answer) as peer:
        error = refusal(peer.endpoint)
    assert isinstance(error, ConnectError)
    assert error.status == 502
    assert error.body.startswith("<html>")
    assert "html" not in str(error)


def test_key_is_not_echoed() -> None:
    """A server that echoes the key does not get it into the error."""
    body = f'{{"error": {{"message": "Incorrect API key provided: {CANARY}"}}}}'.encode()
    answer = b"HTTP/1.1 401 " + CANARY.encode() + b"\r\n\r\n" + body
    with Socket(answer) as peer:
        endpoint = Compatible(f"http://127.0.0.1:{peer.port}", api_key=CANARY)
        error = refusal(endpoint)
    assert CANARY not in error.body  # type: ignore[attr-defined]
    assert "Incorrect API key" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int, peer: Peer) -> None:
    """Redirects are not followed: the key goes nowhere else."""
    url = peer.endpoint._url.replace("ws:", "http:")
    answer = f"HTTP/1.1 {status} Moved\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()
    with Socket(answer) as redirecting:
        error = refusal(redirecting.endpoint)
    assert error.status == status  # type: ignore[attr-defined]
    assert "redirect" in str(error)
    assert peer._links.empty()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        b"HTTP/1.1 200 " + b"x" * 70_000,
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_no_websocket_server(answer: bytes) -> None:
    """What is no WebSocket server is a ConnectError."""
    with Socket(answer) as peer:
        error = refusal(peer.endpoint)
    assert type(error) is ConnectError


def test_refused_port() -> None:
    """A port where nobody listens is a ConnectError at once."""
    with socket.socket() as taken:  # nobody else's meanwhile, though it does not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = refusal(Compatible(f"http://127.0.0.1:{port}", api_key=CANARY), timeout=3)
    assert isinstance(error, ConnectError)
    assert error.status is None
    assert isinstance(error, ConnectionError)


def test_silent_server() -> None:
    """A server that accepts and says nothing is a RealtimeTimeout, in time."""
    with Socket(None) as peer:
        assert isinstance(refusal(peer.endpoint, timeout=0.2), RealtimeTimeout)


@pytest.mark.row("F11", bound="the timeout of open()")
def test_no_session_created(measured: Measured) -> None:
    """An upgrade without session.created is a RealtimeTimeout, in time."""
    with Peer(greeting=None) as peer:
        begun = time.monotonic()
        assert isinstance(refusal(peer.endpoint, timeout=0.2), RealtimeTimeout)
        took = time.monotonic() - begun
    measured(took - 0.2, "s after the timeout")
    assert took < 0.2 + 1.5


def test_no_confirmation(peer: Peer) -> None:
    """A session.update that is never confirmed is a RealtimeTimeout, in time."""
    error = refusal(peer.endpoint, timeout=0.2, instructions="x")
    assert isinstance(error, RealtimeTimeout)


@pytest.mark.row("F12", bound="1 attempt")
def test_error_instead_of_a_session() -> None:
    """An error event instead of session.created is a ServerError with its code."""
    greeting = {
        "type": "error",
        "error": {"code": "insufficient_quota", "message": "no money", "type": "quota"},
    }
    with Peer(greeting=greeting) as peer:
        error = refusal(peer.endpoint)
        assert len(peer._all) == 1
    assert isinstance(error, ServerError)
    assert (error.code, error.type) == ("insufficient_quota", "quota")


def test_closed_instead_of_a_session(server: LocalServer) -> None:
    """A link that ends before the session is set up is a ConnectError that says why."""
    server.script.close(1013, "try again later")
    error = refusal(server.endpoint)
    assert type(error) is ConnectError
    assert "try again later" in str(error)


def test_key_refused_after_the_handshake(server: LocalServer) -> None:
    """A key that is refused on the open link, by an event or a close, is AuthenticationError."""
    server.script.close(3000, "invalid_request_error.invalid_api_key")
    error = refusal(server.endpoint)
    assert isinstance(error, AuthenticationError)
    assert "invalid_api_key" in str(error)
    code = {"code": "invalid_api_key", "message": "wrong key", "type": "invalid_request_error"}
    with Peer(greeting={"type": "error", "error": code}) as peer:
        error = refusal(peer.endpoint)
    assert isinstance(error, AuthenticationError)
    assert isinstance(error, ServerError)
    assert (error.code, error.status) == ("invalid_api_key", None)
    assert pickle.loads(pickle.dumps(error)).event == error.event


def test_unknown_host() -> None:
    """A name that cannot be resolved is a ConnectError."""
    error = refusal(Compatible("wss://nowhere.invalid", api_key=CANARY))
    assert isinstance(error, (ConnectError, RealtimeTimeout))


@pytest.mark.parametrize("how", ["mute", "busy", "gone"])
def test_a_primary_that_makes_no_session(how: str, server: LocalServer) -> None:
    """A primary that takes the link and makes no session of it leaves time for the backup."""
    busy = {"type": "error", "error": {"code": "server_error", "message": "busy", "type": "x"}}
    with Peer(greeting=busy if how == "busy" else None) as primary:
        session = RealtimeSession(endpoint=[primary.endpoint, server.endpoint])
        hanging_up = threading.Thread(target=lambda: primary.link().connection.close(1011))
        if how == "gone":
            hanging_up.start()
        with session.open(timeout=3):
            assert session.state == "open"
        if how == "gone":
            hanging_up.join(5)
    with Peer(greeting=busy) as primary, Peer(greeting=busy) as backup:
        error = refusal([primary.endpoint, backup.endpoint])
        assert isinstance(error, ServerError)
        assert [len(peer._all) for peer in (primary, backup)] == [1, 1]


def test_silent_primary(server: LocalServer) -> None:
    """A primary that is silent leaves time for the backup."""
    with Socket(None) as silent:
        session = RealtimeSession(endpoint=[silent.endpoint, server.endpoint])
        session.open(timeout=2)
        assert session.state == "open"
        session.close()


def test_zero_timeout(server: LocalServer) -> None:
    """open(timeout=0) cannot succeed, and says so."""
    assert isinstance(refusal(server.endpoint, timeout=0), (RealtimeTimeout, ConnectError))
