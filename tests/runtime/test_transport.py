"""The transport over plain loopback, against raw-socket servers that follow a script."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import json
import logging
import os
import re
import resource
import selectors
import socket
import struct
import sys
import threading
import time
import traceback
from typing import Any

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket import ABNF

from realtime_sync import errors
from realtime_sync.runtime import dial, framing, greeting
from realtime_sync.runtime.transport import Transport

KEY = "sk-canary-1234567890"
HEADERS = {"Authorization": f"Bearer {KEY}"}
LIMIT = 15.0  # seconds that only failures reach
CHUNKED = "Transfer-Encoding: chunked"


class Within:
    """A deadline."""

    def __init__(self, seconds: float | None = LIMIT) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        return None if self._until is None else self._until - time.monotonic()


class Server:
    """Runs `act(connection)` on a thread for each connection; `close` ends and joins all of it."""

    def __init__(self, act: Any, family: int = socket.AF_INET) -> None:
        self.act = act
        self.requests: list[bytes] = []
        self.accepted = 0
        self.listener = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family
        )
        # a narrow way in, so that a few megabytes are enough to stall a writer
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.accepted += 1
                connection.settimeout(LIMIT)
                self.connections.append(connection)
                thread = threading.Thread(target=self.serve, args=(connection,))
                self.threads.append(thread)
                thread.start()

    def serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.act(connection)

    def upgrade(self, connection: socket.socket, *extra: str, then: bytes = b"") -> bytes:
        request = self.request(connection)
        connection.sendall(answer(request, *extra) + then)
        return request

    def request(self, connection: socket.socket) -> bytes:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                raise ConnectionError("end of stream")
            data += byte
        self.requests.append(data)
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(LIMIT)  # no more will come
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
        for connection in self.connections:
            connection.close()


def answer(request: bytes, *extra: str, accept: str | None = None) -> bytes:
    key = next(line.split(b": ")[1] for line in request.split(b"\r\n") if b"WebSocket-Key" in line)
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    accept = base64.b64encode(digest).decode() if accept is None else accept
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(first: int, payload: bytes = b"", *, mask: bool = False) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([first, size | (0x80 if mask else 0)])
    elif size < 65536:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + (b"\0\0\0\0" if mask else b"") + payload


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """One frame of the client's, unmasked."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise ConnectionError("end of stream")
            data += more
        return data

    first, second = exactly(2)
    assert second & 0x80, "a client masks"
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", exactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", exactly(8))
    mask, payload = exactly(4), exactly(size)
    return first, ABNF.mask(mask, payload)


def drive(link: Transport, until: Any, limit: float = LIMIT) -> list[tuple[int, bytes]]:
    """Do what the loop does, until `until(messages)` or the link ends; flush what is left."""
    messages: list[tuple[int, bytes]] = link.receive()
    link.flush()
    end = time.monotonic() + limit
    while not until(messages) and link.ended is None:
        left = end - time.monotonic()
        assert left > 0, f"nothing more came; {len(messages)} messages, {link}"
        with selectors.DefaultSelector() as selector:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            selector.register(link.fileno(), both if link.buffered else selectors.EVENT_READ)
            for _, events in selector.select(left):
                if events & selectors.EVENT_READ:
                    messages += link.receive()
        link.flush()
    return messages


def never(_: Any) -> bool:
    return False


def count(n: int) -> Any:
    return lambda messages: len(messages) >= n


@pytest.fixture
def serve():
    servers: list[Server] = []

    def start(act: Any, **more: Any) -> Server:
        server = Server(None, **more)
        server.act = lambda connection: act(server, connection)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def dialled(serve):
    """Connect to a server whose connection does `act` after the upgrade."""
    links: list[Transport] = []

    def connect(act: Any, *, then: bytes = b"", **more: Any) -> Transport:
        def full(server: Server, connection: socket.socket) -> None:
            server.upgrade(connection, then=then)
            act(connection)

        link = dial_to(serve(full), **more)
        links.append(link)
        return link

    yield connect
    for link in links:
        link.close()
        link.close()  # idempotent
        assert link.fileno() == -1


def dial_to(server: Server | int, seconds: float | None = LIMIT, **more: Any) -> Transport:
    port = server if isinstance(server, int) else server.port
    url = more.pop("url", f"ws://127.0.0.1:{port}/v1/realtime?model=m&api-key={KEY}")
    headers = more.pop("headers", HEADERS)
    return Transport.connect(url, headers, deadline=Within(seconds), **more)


def refused(server: Server | int, seconds: float | None = LIMIT, **more: Any) -> Any:
    """The ConnectError of a connection that must fail; no trace of the key is in it."""
    begun = time.monotonic()
    with pytest.raises(errors.ConnectError) as caught:
        dial_to(server, seconds, **more)
    error: Any = caught.value
    error.elapsed = time.monotonic() - begun
    text = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    link: BaseException | None = error
    while link is not None:
        text += repr(link) + str(link.args)
        link = link.__cause__ or link.__context__
    assert KEY not in text
    return error


def nearest(seconds: float, attempt: Any) -> Any:
    """The error that came nearest to its time, of three at most: a busy machine may delay one."""
    tried: list[Any] = []
    while len(tried) < 3:
        tried.append(attempt())
        if abs(tried[-1].elapsed - seconds) < 0.1:
            break
    return min(tried, key=lambda error: abs(error.elapsed - seconds))


# -- the handshake ------------------------------------------------------------------------------


def test_request(serve):
    """The request has our headers, a User-Agent, no Origin, and the query."""
    server = serve(lambda server, connection: server.upgrade(connection))
    link = dial_to(server)
    with contextlib.closing(link):
        lines = server.requests[0].decode().split("\r\n")
        assert lines[0] == f"GET /v1/realtime?model=m&api-key={KEY} HTTP/1.1"
        assert f"Authorization: Bearer {KEY}" in lines
        assert [line for line in lines if line.startswith("User-Agent: realtime-sync/")]
        assert not [line for line in lines if line.lower().startswith(("origin:", "cookie:"))]
        assert f"Host: 127.0.0.1:{server.port}" in lines
        assert repr(link) == f"<Transport 127.0.0.1:{server.port}, open, 0 bytes to send>"
    assert "ended with 1006" in repr(link)


def test_own_user_agent_and_cookie(serve):
    """A User-Agent or Cookie that the caller gives is sent as given."""
    server = serve(lambda server, connection: server.upgrade(connection))
    with contextlib.closing(dial_to(server, headers={"user-agent": "me", "Cookie": "a=b"})):
        pass
    assert b"\r\nuser-agent: me\r\n" in server.requests[0]
    assert b"\r\nCookie: a=b\r\n" in server.requests[0]
    assert b"realtime-sync" not in server.requests[0]


def test_ipv6(serve):
    """An IPv6 address works, and stands in brackets wherever it is shown."""
    try:
        server = serve(lambda s, connection: s.upgrade(connection), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with contextlib.closing(dial_to(server, url=f"ws://[::1]:{server.port}")) as link:
        assert f"[::1]:{server.port}" in repr(link)
    assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")
    assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


def test_no_trace_of_the_key(serve, caplog):
    """Not even websocket-client's trace log shows the key."""
    websocket.enableTrace(True, handler=logging.NullHandler(), level="DEBUG")
    try:
        with caplog.at_level(logging.DEBUG):
            link = dial_to(serve(lambda server, connection: server.upgrade(connection)))
            link.close()
    finally:
        websocket.enableTrace(False)
    assert "Sec-WebSocket-Key" in caplog.text  # it did trace
    assert KEY not in caplog.text


def test_cookies_neither_leak_nor_collect(serve):
    """websocket-client's cookie jar, which all sessions of the process share, stays out of it."""
    from websocket._handshake import CookieJar

    CookieJar.add("theirs=1; domain=.localhost")
    try:
        server = serve(
            lambda server, connection: server.upgrade(
                connection, "Set-Cookie: ours=1; domain=localhost"
            )
        )
        dial_to(server, url=f"ws://localhost:{server.port}/").close()
        assert b"ookie" not in server.requests[0]
        assert CookieJar.get("localhost") == "theirs=1"
    finally:
        CookieJar.jar.clear()


@pytest.mark.row("C3")
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}\r\nX: y"},
        {"Authorization": f"Bearer {KEY}\n"},
        {"Authorization": f"Bearer {KEY}\x00"},
        {"Authorization": f"Bearer {KEY}é"},
        {"Authorization": 5},
        {f"A b{KEY}": "x"},
        {"": "x"},
        {5: "x"},
        {"Sec-WebSocket-Key": KEY},
        {"HOST": "x"},
        {"a": "1", "A": "2"},
    ],
)
def test_bad_headers(headers):
    """A header that could break the request is refused, without its value, before any network."""
    with pytest.raises(errors.ConfigurationError) as caught:
        dial_to(1, headers=headers)
    assert KEY not in str(caught.value)


_taken: list[socket.socket] = []


def closed_port() -> int:
    """One where nobody listens; it is taken, so nobody else will meanwhile."""
    _taken.append(socket.socket())
    _taken[-1].bind(("127.0.0.1", 0))
    return int(_taken[-1].getsockname()[1])


@pytest.fixture(scope="module", autouse=True)
def _give_back():
    """Ports, when all is over."""
    yield
    while _taken:
        _taken.pop().close()


@pytest.mark.row("F1", bound="0.5 s")
def test_f1_refused_port(measured):
    """A closed port is a ConnectError at once, chained to the system's."""
    error = nearest(0, lambda: refused(closed_port()))
    measured(error.elapsed)
    assert error.elapsed < 0.5
    assert "was refused" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


def black_hole() -> tuple[list[socket.socket], int]:
    """A port that answers no SYN: its backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    sockets = [listener]
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        sockets.append(filler)
    return sockets, port


@pytest.mark.row("F2", bound="the deadline, within 0.2 s")
@pytest.mark.skipif(sys.platform != "linux", reason="how to fill a backlog differs")
def test_f2_black_hole(serve, monkeypatch, measured):
    """A silent address costs a quarter of a second if there is another, else the deadline."""
    sockets, port = black_hole()
    try:
        error = nearest(0.5, lambda: refused(port, 0.5))
        assert "no WebSocket handshake with" in str(error)
        assert " s: time ran out while connecting" in str(error)
        measured(abs(error.elapsed - 0.5), "s beside the deadline")
        assert error.elapsed == pytest.approx(0.5, abs=0.2)
        server = serve(lambda server, connection: server.upgrade(connection))
        two = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", number))
            for number in (port, closed_port())
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: two)
        assert "while connecting" in str(refused(server, 0.5, url="ws://two.example/"))
        two[1] = (*two[1][:4], ("127.0.0.1", server.port))
        begun = time.monotonic()
        dial_to(server, url="ws://two.example/").close()
        took = time.monotonic() - begun
        measured(took, "s to the second address")
        assert took < 2
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.row("F3", bound="the deadline")
def test_f3_slow_name(monkeypatch, measured):
    """A name that is not resolved in time is given up; the thread ends with its answer."""
    gate, inside = threading.Event(), []

    def slow(*_: Any, **__: Any) -> list[Any]:
        inside.append(threading.current_thread())
        gate.wait(LIMIT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    error = refused(1, 0.3, url="ws://slow.example/")
    assert "while resolving the name" in str(error)
    measured(error.elapsed - 0.3, "s after the deadline")
    assert 0.25 < error.elapsed < 1
    gate.set()
    inside[0].join(LIMIT)
    assert not inside[0].is_alive()


@pytest.mark.row("F3")
def test_f3_no_such_name(monkeypatch):
    """An unknown name is a ConnectError that says so."""

    def fail(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = refused(1, url="ws://nowhere.example/")
    assert "nowhere.example:80 could not be resolved: name or service not known" in str(error)


@pytest.mark.row("F4", bound="1 s")
def test_f4_second_address(serve, monkeypatch, measured):
    """Of two addresses the second is taken when the first refuses."""
    server = serve(lambda server, connection: server.upgrade(connection))
    two = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        for port in (closed_port(), server.port)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: two)
    begun = time.monotonic()
    dial_to(server, url="ws://two.example/").close()
    took = time.monotonic() - begun
    measured(took)
    assert took < 1


def test_no_descriptor_is_left(monkeypatch):
    """Where this process has too many open, that is what there is to mend."""

    def full(*_: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(selectors, "DefaultSelector", full)
    error = refused(closed_port())
    assert "too many open files; close what is open" in str(error)


def test_addresses_that_cannot_be_tried(monkeypatch):
    """An address of an impossible family fails like any other."""
    bad = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("no address", 1))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: bad)
    assert "no connection to odd.example:80" in str(refused(1, url="ws://odd.example/"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [])
    assert "no address" in str(refused(1, url="ws://odd.example/"))


def test_silent_server(serve):
    """A server that accepts and says nothing is given up at the deadline."""
    error = refused(serve(lambda server, connection: connection.recv(1 << 20)), 0.3)
    error = refused(serve(lambda s, connection: (s.request(connection), connection.recv(1))), 0.5)
    assert "while waiting for its answer" in str(error)
    assert 0.45 < error.elapsed < 1.5


def test_deadline_cut_short(serve):
    """Whoever owns the deadline can end the attempt by making it zero."""
    requested = threading.Event()

    def act(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        requested.set()
        connection.recv(1)

    class Cut:
        def remaining(self) -> float | None:
            return 0.0 if requested.is_set() else None

    server = serve(act)
    begun = time.monotonic()
    with pytest.raises(errors.ConnectError, match="no WebSocket handshake"):
        Transport.connect(f"ws://127.0.0.1:{server.port}/", {}, deadline=Cut())
    assert time.monotonic() - begun < 2


def test_deadline_spent():
    """Without time left nothing is tried."""
    assert nearest(0, lambda: refused(closed_port(), 0)).elapsed < 0.2


@pytest.mark.row("F7", bound="the deadline, within 0.2 s")
def test_f7_dripped_answer(serve, measured):
    """An answer that drips keeps nobody beyond the deadline."""
    stop = threading.Event()

    def act(server: Server, connection: socket.socket) -> None:
        for byte in answer(server.request(connection)):
            connection.sendall(bytes([byte]))
            stop.wait(0.05)

    error = nearest(0.5, lambda: refused(serve(act), 0.5))
    stop.set()
    measured(abs(error.elapsed - 0.5), "s beside the deadline")
    assert error.elapsed == pytest.approx(0.5, abs=0.2)


def test_dripped_answer_in_time(serve):
    """An answer in single bytes is an answer; so are frames that come with it."""

    def act(server: Server, connection: socket.socket) -> None:
        for byte in answer(server.request(connection)) + frame(0x81, b"first"):
            connection.sendall(bytes([byte]))
        connection.recv(1)

    with contextlib.closing(dial_to(serve(act))) as link:
        assert drive(link, count(1)) == [(1, b"first")]


def http(status: int, body: bytes, *lines: str, length: bool = True) -> bytes:
    more = [f"Content-Length: {len(body)}"] if length else []
    head = "\r\n".join([f"HTTP/1.1 {status} Reason", *more, *lines, "", ""])
    return head.encode() + body


def replying(serve: Any, reply: bytes, *, after: Any = None) -> Server:
    def act(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(reply)
        if after:
            after(connection)

    server: Server = serve(act)
    return server


@pytest.mark.row("F8")
@pytest.mark.parametrize(
    ("status", "kind", "cure"),
    [
        (401, errors.AuthenticationError, "check the key"),
        (403, errors.PermissionDenied, "check what the key may do"),
        (404, errors.NotFound, "check the URL"),
        (429, errors.RateLimited, "quota"),
        (500, errors.ConnectError, "500 Reason"),
        (503, errors.ConnectError, "503 Reason"),
        (200, errors.ConnectError, "200 Reason"),
    ],
)
def test_f8_statuses(serve, status, kind, cure):
    """A refusal has the type of its status, its body, and the server's words if they are JSON."""
    body = json.dumps({"error": {"message": f"no\r\n\x1b[31m {KEY} luck."}}).encode()
    error = refused(replying(serve, http(status, body, "x-request-id: req_1")))
    assert type(error) is kind
    assert error.status == status
    assert json.loads(error.body)["error"]["message"] == "no\r\n\x1b[31m … luck."
    assert "the server says: no [31m … luck; " in str(error)
    assert "request req_1" in str(error)
    assert cure in str(error)
    html = refused(replying(serve, http(status, b"<html>no</html>")))
    assert (type(html), html.body) == (kind, "<html>no</html>")
    assert "<" not in str(html)


@pytest.mark.row("F8", bound="the server's seconds, 60 at most")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7),
        ("Retry-After: 0.5", 0.5),
        ("Retry-After-Ms: 250", 0.25),
        ("Retry-After: Thu, 01 Jan 1970 00:16:50 GMT", 10),
        ("Retry-After: soon", None),
        ("Retry-After: nan", None),
        ("Retry-After: -1", None),
        ("X-Nothing: 1", None),
    ],
)
def test_f8_retry_after(serve, monkeypatch, header, seconds):
    """A refusal says after how many seconds to ask again, however the server puts it."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    error = refused(replying(serve, http(503, b"", header)))
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (http(401, b""), ""),
        (http(401, b'{"error":"plain"}'), '{"error":"plain"}'),
        (http(401, b'{"error":{"message":5}}'), '{"error":{"message":5}}'),
        (http(401, b"[" * 60000), "[" * 60000),
        (http(401, b"abcdef", "Content-Length: 3", length=False), "abc"),
        (http(401, b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", CHUNKED, length=False), "abcde"),
        (http(401, b"3\r\nabc\r\nzz\r\n0\r\n\r\n", CHUNKED, length=False), "abc"),
        (http(401, b"\xff", length=True), "�"),
    ],
)  # fmt: skip
def test_f8_bodies(serve, reply, body):
    """The body of a refusal is read whole, however it is delimited."""
    error = refused(replying(serve, reply, after=lambda connection: connection.recv(1)))
    assert error.body == body
    assert error.elapsed < LIMIT / 2


def test_f8_body_until_the_end(serve):
    """A body without a length ends with the connection."""
    server = replying(
        serve,
        http(401, b"abc", length=False),
        after=lambda connection: connection.shutdown(socket.SHUT_WR),
    )
    assert refused(server).body == "abc"


def test_f8_chunked_body_cut_short(serve):
    """Of a chunked body that ends early, what came is kept."""
    server = replying(
        serve,
        http(401, b"3\r\nabc\r\n", CHUNKED, length=False),
        after=lambda connection: connection.shutdown(socket.SHUT_WR),
    )
    assert refused(server).body == "abc"


@pytest.mark.row("F8", bound="1 s, 64 KiB")
def test_f8_endless_body(serve, measured):
    """Of an endless body 64 KiB are read; one that stops is waited for until the deadline."""

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65536)

    reply = http(500, b"", "Content-Length: 99000000000", length=False)
    error = refused(replying(serve, reply, after=flood))
    assert (error.status, len(error.body)) == (500, 65536)
    error = refused(replying(serve, reply + b"abc", after=lambda c: c.recv(1)), 0.5)
    assert (error.status, error.body) == (500, "abc")
    measured(error.elapsed)
    assert error.elapsed < 1


@pytest.mark.row("F9", bound="0 connections elsewhere")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_f9_redirects(serve, status):
    """No redirect is followed; the message names the other host, not its path."""
    other = serve(lambda server, connection: server.upgrade(connection))
    error = refused(
        replying(serve, http(status, b"", f"Location: ws://127.0.0.1:{other.port}/?k={KEY}"))
    )
    assert error.status == status
    assert "redirects to 127.0.0.1 are not followed" in str(error)
    assert other.accepted == 0


@pytest.mark.parametrize("location", ["Location: http://[bad", "X: y"])
def test_f9_redirect_to_nowhere(serve, location):
    """A redirect that names no host is refused all the same."""
    assert "redirects are not followed" in str(refused(replying(serve, http(302, b"", location))))


def edited(change: Any) -> Any:
    def act(server: Server, connection: socket.socket) -> None:
        connection.sendall(change(answer(server.request(connection))))
        connection.recv(1)

    return act


@pytest.mark.row("F10", bound="1 s")
@pytest.mark.parametrize(
    "change",
    [
        lambda reply: reply.replace(b"Upgrade: websocket\r\n", b""),
        lambda reply: reply.replace(b"Connection: Upgrade\r\n", b""),
        lambda reply: reply.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        lambda reply: reply.replace(b"Accept: ", b"Accept: x"),
        lambda reply: re.sub(rb"Accept: .*", lambda found: found[0].swapcase(), reply),
        lambda reply: b"\r\n".join(x for x in reply.split(b"\r\n") if b"Accept" not in x),
        lambda reply: reply[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        lambda reply: reply[:-2] + b"Sec-WebSocket-Protocol: realtime\r\n\r\n",
    ],
)
def test_f10_wrong_answers(serve, change, measured):
    """What is not the answer to our handshake is refused at once."""
    error = refused(serve(edited(change)))
    measured(error.elapsed)
    assert error.elapsed < 1
    assert error.status is None


@pytest.mark.row("B23", bound="2 s")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda reply: b"HTTP/1.1 101 " + b"x" * 10_000_000, "more than 64 KiB"),
        (lambda reply: reply[:-2] + b"a: b\r\n" * 10_000 + b"\r\n", "more than 256 header lines"),
        (lambda reply: reply[:-2] + b"a: b" * 20_000 + b"\r\n\r\n", "more than 64 KiB"),
        (lambda reply: reply[:-2] + b"no colon\r\n\r\n", "is none"),
        (lambda reply: reply[:-2] + b"n: \xff\r\n\r\n", "not UTF-8"),
        (lambda reply: b"SSH-2.0-OpenSSH_9\r\n\r\n", "does not speak HTTP"),
        (lambda reply: b"\r\n\r\n", "does not speak HTTP"),
    ],
)  # fmt: skip
def test_b23_bad_heads(serve, change, words, measured):
    """A head that is endless or no HTTP is refused, and no more than 64 KiB of it are read."""
    error = refused(serve(edited(change)))
    assert words in str(error)
    measured(error.elapsed)
    assert error.elapsed < 2


def test_connection_header_in_two_lines(serve):
    """`Connection` may come in several lines; bare line feeds are a server's bad habit."""

    def change(reply: bytes) -> bytes:
        return reply.replace(
            b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: upgrade"
        )

    dial_to(serve(edited(change))).close()
    dial_to(serve(edited(lambda reply: reply.replace(b"\r\n", b"\n")))).close()


def test_end_during_the_handshake(serve):
    """A server that hangs up instead of answering is said to have."""

    def hang_up(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.shutdown(socket.SHUT_RDWR)

    assert "during the WebSocket handshake" in str(refused(serve(hang_up)))

    def reset(server: Server, connection: socket.socket) -> None:
        server.request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    error = refused(serve(reset))
    assert isinstance(error.__cause__, ConnectionResetError)


def test_broken_while_asking(serve, monkeypatch):
    """A connection that breaks under the request is a ConnectError chained to the system's."""

    def broken(*_: Any) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(greeting.Greeting, "send", broken)
    error = refused(serve(lambda server, connection: connection.recv(1)))
    assert "broke during the WebSocket handshake: broken pipe" in str(error)
    assert isinstance(error.__cause__, BrokenPipeError)


# -- proxies -------------------------------------------------------------------------------------


def tunnel(serve: Any, target: Server, seen: list[bytes], refuse: bytes = b"") -> Server:
    """An HTTP proxy."""

    def act(server: Server, connection: socket.socket) -> None:
        seen.append(server.request(connection))
        if refuse:
            connection.sendall(refuse)
            return
        with socket.create_connection(("127.0.0.1", target.port)) as further:
            connection.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
            with selectors.DefaultSelector() as selector:
                selector.register(connection, selectors.EVENT_READ, further)
                selector.register(further, selectors.EVENT_READ, connection)
                while True:
                    for key, _ in selector.select(LIMIT):
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        key.data.sendall(data)

    server: Server = serve(act)
    return server


def test_proxy(serve):
    """An HTTP proxy that is asked for is used; its password shows nowhere."""
    seen: list[bytes] = []
    target = serve(lambda s, connection: (s.upgrade(connection), connection.recv(1)))
    proxy = tunnel(serve, target, seen)
    link = dial_to(
        target,
        url=f"ws://far.example:{target.port}/",
        proxy=f"http://me:{KEY}@127.0.0.1:{proxy.port}",
    )
    link.close()
    assert seen[0].startswith(f"CONNECT far.example:{target.port} ".encode())
    assert target.requests
    seen.clear()
    proxy = tunnel(serve, target, seen, b"HTTP/1.1 407 no\r\n\r\n")
    error = refused(
        target, url="ws://far.example/", proxy=f"http://me:{KEY}@127.0.0.1:{proxy.port}"
    )
    assert "through the proxy" in str(error)
    error = refused(target, url="ws://far.example/", proxy=f"socks5://127.0.0.1:{closed_port()}")
    assert "through the proxy" in str(error)
    silent = serve(lambda server, connection: connection.recv(1 << 20) and connection.recv(1))
    error = refused(target, 0.3, url="ws://far.example/", proxy=f"http://127.0.0.1:{silent.port}")
    assert error.elapsed < 1
    with pytest.raises(errors.ConfigurationError) as caught:
        dial_to(target, url="ws://far.example/", proxy=f"ftp://me:{KEY}@x")
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_no_proxy_for_loopback_nor_from_the_environment(serve, monkeypatch):
    """The environment's proxies are not used, and none is for this machine."""
    seen: list[bytes] = []
    target = serve(lambda server, connection: server.upgrade(connection))
    proxy = tunnel(serve, target, seen)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    dial_to(target).close()
    dial_to(target, proxy=f"http://127.0.0.1:{proxy.port}").close()
    dial_to(target, url=f"ws://localhost:{target.port}/", proxy="http://127.0.0.1:1").close()
    assert seen == []


def test_proxy_without_its_package(monkeypatch):
    """Without python-socks the error names the extra."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(errors.ConfigurationError, match=r"realtime_sync\[proxy\]"):
        dial_to(1, url="ws://far.example/", proxy="http://127.0.0.1:1")


# -- frames --------------------------------------------------------------------------------------


def close_code(payload: bytes) -> int:
    return struct.unpack("!H", payload[:2])[0]


@pytest.mark.row("B19", "B20", "B21")
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x80, b"x"), 1002),  # B19: continuation without start
        (frame(0x00, b"x"), 1002),
        (frame(0x01, b"x") + frame(0x81, b"y"), 1002),  # new data frame inside a message
        (frame(0x01, b"x") + frame(0x02, b"y"), 1002),
        (frame(0xC1, b"x"), 1002),  # RSV bits
        (frame(0xA1, b"x"), 1002),
        (frame(0x91, b"x"), 1002),
        (frame(0xC9, b"x"), 1002),
        (frame(0x81, b"x", mask=True), 1002),  # masked
        (frame(0x89, b"x", mask=True), 1002),
        *[(frame(0x80 | opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        (frame(0x89, b"x" * 126), 1002),  # B20: long or fragmented control frames
        (frame(0x8A, b"x" * 126), 1002),
        (frame(0x88, b"\x03\xe8" + b"x" * 124), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x08, b""), 1002),
        (frame(0x88, b"x"), 1002),  # bad close payloads
        *[
            (frame(0x88, struct.pack("!H", code)), 1002)
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
        ],
        (frame(0x88, b"\x03\xe8\xff"), 1007),
        (b"\x81\x7f" + struct.pack("!Q", 1 << 40), 1009),  # B21: lengths
        (b"\x81\x7f" + struct.pack("!Q", 1 << 63), 1009),
        (b"\x82\x7f" + struct.pack("!Q", (1 << 64) - 1), 1009),
        (b"\x81\x7f" + struct.pack("!Q", 1001), 1009),  # just over the limit
        (b"\x81\x7e" + struct.pack("!H", 1001), 1009),
        (frame(0x01, b"x" * 600) + b"\x80\x7e" + struct.pack("!H", 401), 1009),
    ],
)  # fmt: skip
def test_b19_b20_b21_refused(dialled, sent, code):
    """What breaks the rules ends the link with its close code, after the messages before it."""
    got: list[tuple[int, bytes]] = []
    seen = threading.Event()

    def act(connection: socket.socket) -> None:
        connection.sendall(frame(0x81, b"before") + sent + frame(0x81, b"after"))
        got.append(read_frame(connection))
        seen.set()

    link = dialled(act, max_message_size=1000)
    assert drive(link, never) == [(1, b"before")]
    assert link.ended is not None
    assert link.ended.code == code
    assert isinstance(link.ended.error, errors.ProtocolError)
    assert link.ended.reason == str(link.ended.error)
    assert seen.wait(LIMIT)
    assert got[0][0] == 0x88
    assert close_code(got[0][1]) == code
    assert link.receive() == []


def test_limits_reached(dialled):
    """Messages of exactly the limit pass, in one frame and in fragments; control frames between."""
    sent = frame(0x82, b"x" * 1000) + frame(0x01, b"y" * 600) + frame(0x89, b"p" * 125)
    sent += frame(0x00, b"") + frame(0x80, b"y" * 400) + frame(0x81, b"z" * 125)
    link = dialled(lambda c: (c.sendall(sent), c.recv(1000)), max_message_size=1000)
    messages = drive(link, count(3))
    assert messages == [(2, b"x" * 1000), (1, b"y" * 1000), (1, b"z" * 125)]


def peak() -> float:
    """The most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@pytest.mark.row("B21", bound="2 s of processor time, 32 MB")
@pytest.mark.parametrize("endless", [frame(0x00), frame(0x00, b"x" * 100)])
def test_b21_endless_fragments(dialled, endless, measured):
    """A message of endless fragments, empty or not, is refused in time and space."""

    def act(connection: socket.socket) -> None:
        connection.sendall(frame(0x01))
        while True:
            connection.sendall(endless * 1000)

    link = dialled(act, max_message_size=1 << 20)
    begun, before = time.process_time(), peak()
    drive(link, never)
    took, grown = time.process_time() - begun, peak() - before
    measured(took)
    measured(grown, "MB more")
    assert link.ended.code == 1009
    assert took < 2
    assert grown < 32


def test_reassembly_is_linear(dialled):
    """4 MiB in pieces of 64 bytes cost no more than their bytes."""
    pieces = frame(0x01, b"x" * 64) + frame(0x00, b"x" * 64) * 65534 + frame(0x80, b"x" * 64)
    link = dialled(lambda c: (c.sendall(pieces), c.recv(1)))
    begun = time.process_time()
    messages = drive(link, count(1))
    assert time.process_time() - begun < 3
    assert messages == [(1, b"x" * 64 * 65536)]


def test_empty_text_and_close(dialled):
    """An empty text message is a message; a close frame is the end."""
    link = dialled(lambda c: (c.sendall(frame(0x81) + frame(0x88)), c.recv(100)))
    assert drive(link, never) == [(1, b"")]
    assert link.ended.code == 1005
    assert link.ended.reason == ""
    assert link.ended.error is None


def test_text_is_not_checked(dialled):
    """Text that is not UTF-8 is handed up: it must not end a session."""
    link = dialled(lambda c: (c.sendall(frame(0x81, b"\xff\xfe")), c.recv(1)))
    assert drive(link, count(1)) == [(1, b"\xff\xfe")]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4000, 4999])
def test_close_is_echoed(dialled, code):
    """The peer's close frame ends the link with code and reason, and is answered with the code."""
    got: list[tuple[int, bytes]] = []
    seen = threading.Event()

    def act(connection: socket.socket) -> None:
        payload = struct.pack("!H", code) + "bye\n\u202ebye ÿ".encode()
        connection.sendall(frame(0x88, payload) + frame(0x81, b"after"))
        got.append(read_frame(connection))
        seen.set()

    link = dialled(act)
    link.receive()
    assert drive(link, never) == []
    assert link.ended.code == code
    assert link.ended.reason == "bye bye ÿ"
    assert seen.wait(LIMIT)
    assert got == [(0x88, struct.pack("!H", code))]
    link.send(b"too late")
    link.ping()
    link.send_close()
    assert link.buffered == 0


def test_we_close_first(dialled):
    """Our close frame follows what was sent; what the peer still says is received."""
    got: list[tuple[int, bytes]] = []

    def act(connection: socket.socket) -> None:
        got.append(read_frame(connection))
        got.append(read_frame(connection))
        connection.sendall(frame(0x89, b"?") + frame(0x81, b"last") + frame(0x88, b"\x03\xe8"))
        connection.recv(1)

    link = dialled(act)
    link.send(b"all of it")
    link.send_close(1000, "é" * 100)
    link.send_close(1001, "only the first counts")
    link.send(b"too late")
    assert "closing" in repr(link)
    assert drive(link, never) == [(1, b"last")]
    assert link.ended.code == 1000
    assert got == [(0x81, b"all of it"), (0x88, b"\x03\xe8" + "é".encode() * 61)]


def test_broken_after_our_close(dialled):
    """A peer that breaks the rules after our close frame gets no second one."""
    got: list[tuple[int, bytes]] = []

    def act(connection: socket.socket) -> None:
        got.append(read_frame(connection))
        connection.sendall(frame(0x83))
        got.append((0, connection.recv(1)))

    link = dialled(act)
    link.send_close()
    drive(link, never)
    assert link.ended.code == 1002
    assert link.buffered == 0
    assert got[0] == (0x88, b"\x03\xe8")


def test_close_without_code(dialled):
    """A close frame without a code can be sent."""
    got: list[tuple[int, bytes]] = []
    link = dialled(lambda c: (got.append(read_frame(c)), c.sendall(frame(0x88))))
    link.send_close(1005)
    drive(link, never)
    assert got == [(0x88, b"")]
    assert link.ended.code == 1005


SIZES = st.sampled_from([0, 1, 125, 126, 127, 300, 65535, 65536, 70000])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), SIZES, st.integers(1, 3)), max_size=6), st.data()
)
def test_any_slicing_is_the_same(plan, data):
    """However the bytes are sliced, the messages and pings are the same."""
    raw, expected = b"", []
    for opcode, size, parts in plan:
        payload = os.urandom(size)
        expected.append((opcode, payload))
        cuts = [size * i // parts for i in range(parts + 1)]
        for i in range(parts):
            first = (opcode if i == 0 else 0) | (0x80 if i == parts - 1 else 0)
            raw += frame(first, payload[cuts[i] : cuts[i + 1]]) + frame(0x89, b"ping")
    messages: list[tuple[int, bytes]] = []
    pings: list[bytes] = []
    frames = framing.Frames(1 << 20)
    stream = io.BytesIO(raw)
    while piece := stream.read(data.draw(st.sampled_from([1, 2, 3, 5, 100, 65536, 262144]))):
        frames.feed(piece, messages, lambda _, payload: pings.append(payload))
        if len(piece) == 1 and len(raw) > 2000:  # in single bytes it would take for ever
            frames.feed(stream.read(1999), messages, lambda _, payload: pings.append(payload))
    assert messages == expected
    assert len(pings) == sum(parts for *_, parts in plan)
    assert not frames.partial


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 1322, 65535, 65536, 70001])
@pytest.mark.parametrize("opcode", [framing.TEXT, framing.PING])
def test_our_frames(opcode: int, size: int) -> None:
    """They have the shortest length there is, a key of their own, and what websocket-client has."""
    payload = os.urandom(size)
    ours, again = framing.frame(opcode, payload), framing.frame(opcode, payload)
    head = len(ours) - size - 4
    key = ours[head : head + 4]
    theirs = ABNF(1, 0, 0, 0, opcode, 1, payload)
    theirs.get_mask_key = lambda _: key
    assert ours == theirs.format()
    assert again != ours


@pytest.mark.row("F24")
def test_f24_one_byte_at_a_time(dialled):
    """Single bytes, both ways, make the same messages."""
    sent = [f"event {i}".encode() * (i % 40) for i in range(60)]
    got: list[bytes] = []

    def act(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"".join(frame(0x81, payload) for payload in sent):
            connection.sendall(bytes([byte]))
        for _ in sent:
            got.append(read_frame(connection)[1])
        connection.sendall(frame(0x88))

    link = dialled(act)
    real = link._wire._sock

    class Narrow:
        """A socket that takes a byte at a time."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def send(self, data: Any) -> int:
            return real.send(data[:1])

    link._wire._sock = Narrow()
    for payload in sent:
        link.send(payload)
    messages = drive(link, never)
    assert [payload for _, payload in messages] == sent
    assert got == sent


@pytest.mark.row("F25")
def test_f25_many_frames_in_one_segment(dialled):
    """3,000 small frames in one write arrive in order."""
    raw = b"".join(frame(0x81, b"%d" % i) for i in range(3000))
    link = dialled(lambda c: c.recv(1), then=raw)
    messages = drive(link, count(3000))
    assert messages == [(1, b"%d" % i) for i in range(3000)]


# -- how a link ends -----------------------------------------------------------------------------


@pytest.mark.row("F14")
@pytest.mark.parametrize(
    ("sent", "inside"),
    [
        (b"", False),
        (frame(0x81, b"x" * 100)[:50], True),
        (b"\x81", True),
        (frame(0x01, b"part"), True),
    ],
)
def test_f14_end_of_stream(dialled, sent, inside):
    """An end without a close frame is 1006; half a message is never delivered."""
    link = dialled(lambda c: (c.sendall(frame(0x81, b"whole") + sent), c.shutdown(socket.SHUT_WR)))
    assert drive(link, never) == [(1, b"whole")]
    assert link.ended.code == 1006
    assert "ended the connection without a close frame" in link.ended.reason
    assert ("inside a message" in link.ended.reason) == inside
    assert link.ended.error is None


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.row("F15")
def test_f15_reset(dialled):
    """A reset is 1006 with the system's error, whether idle or sending."""
    link = dialled(reset)
    drive(link, never)
    assert link.ended.code == 1006
    assert "connection reset by peer" in link.ended.reason
    assert isinstance(link.ended.error, ConnectionResetError)

    gate, gone = threading.Event(), threading.Event()

    def act(connection: socket.socket) -> None:
        gate.wait(LIMIT)
        reset(connection)
        gone.set()

    link = dialled(act)
    gate.set()
    assert gone.wait(LIMIT)
    while link._broken is None:  # until the kernel has noticed
        link.send(b"x" * 1000)
        link.flush()
    link.send(b"dropped")
    link.ping()
    link.send_close()
    link.flush()
    assert link.buffered == 0
    drive(link, never)
    assert link.ended.code == 1006
    assert isinstance(link.ended.error, OSError)


def test_last_words_before_the_reset(dialled):
    """A close frame that came before the sending broke is still read."""
    said = threading.Event()

    def act(connection: socket.socket) -> None:
        connection.sendall(frame(0x89) + frame(0x81, b"why") + frame(0x88, b"\x03\xf0policy"))
        said.set()
        connection.recv(1)

    link = dialled(act)
    assert said.wait(LIMIT)
    real = link._wire._sock

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def send(self, data: Any) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    link._wire._sock = Broken()
    link.send(b"x")
    link.flush()
    link._wire._sock = real
    assert drive(link, never) == [(1, b"why")]
    assert (link.ended.code, link.ended.reason) == (1008, "policy")
    assert link.buffered == 0  # no pong, no close frame: nobody would ever take them


def test_abort_wakes(dialled):
    """abort() from another thread wakes whoever waits, at once, and closes no descriptor."""
    link = dialled(lambda c: c.recv(1))
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        selector.register(link.fileno(), selectors.EVENT_READ)

        def abort() -> None:
            took.append(time.perf_counter())
            link.abort()

        timer = threading.Timer(0.02, abort)
        timer.start()
        assert selector.select(LIMIT)
        took.append(time.perf_counter())
        timer.join()
    assert took[1] - took[0] < 0.5
    assert link.fileno() >= 0
    assert "aborted" in repr(link)
    assert link.receive() == []
    assert (link.ended.code, link.ended.reason) == (1006, "the link was aborted")
    link.cancel()
    link.close()
    link.abort()  # of a closed link: nothing


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_cannot_abort(dialled):
    """What a forked child does to its copy does not reach the parent's link."""
    go = threading.Event()
    link = dialled(lambda c: (go.wait(LIMIT), c.sendall(frame(0x81, b"alive")), c.recv(1)))
    child = os.fork()
    if child == 0:
        link.abort()
        link.close()
        os._exit(0)
    os.waitpid(child, 0)
    go.set()
    assert drive(link, count(1)) == [(1, b"alive")]


# -- sending -------------------------------------------------------------------------------------


def test_send_is_whole_and_counted(dialled):
    """`buffered` counts what the kernel has not taken; frames arrive whole, in order."""
    go = threading.Event()
    sizes = [0, 1, 125, 126, 65535, 65536, 9_000_000, 7]
    got: list[tuple[int, int]] = []
    done = threading.Event()

    def act(connection: socket.socket) -> None:
        go.wait(LIMIT)
        for _ in sizes:
            first, payload = read_frame(connection)
            got.append((first, len(payload)))
        done.set()
        connection.sendall(frame(0x88))

    link = dialled(act)
    for size in sizes:
        link.send(b"x" * size)
    assert link.buffered > sum(sizes)
    link.flush()
    assert 0 < link.buffered < sum(sizes)
    go.set()
    drive(link, never, limit=20)
    assert done.wait(LIMIT)
    assert link.buffered == 0
    assert got == [(0x81, size) for size in sizes]


def test_several_frames_in_one_send(dialled):
    """Small frames leave together in one system call."""
    link = dialled(lambda c: c.recv(1))
    real, calls = link._wire._sock, []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def send(self, data: Any) -> int:
            calls.append(len(data))
            return int(real.send(data))

    link._wire._sock = Counting()
    for _ in range(20):
        link.send(b"x" * 1000)
    link.flush()
    assert calls == [20 * 1008]


@pytest.mark.row("F21", bound="1 s")
def test_f21_stalled_writer(dialled, measured):
    """With the way out stuffed, all that comes in is delivered, and the pong goes first after."""
    go = threading.Event()
    got: list[tuple[int, bytes]] = []

    def act(connection: socket.socket) -> None:
        connection.sendall(frame(0x89, b"now?"))
        for i in range(50):
            connection.sendall(frame(0x81, b"%d" % i))
        go.wait(LIMIT)
        while not got or got[-1][0] != 0x8A:
            got.append(read_frame(connection))
        connection.sendall(frame(0x88))

    link = dialled(act)
    for _ in range(1000):
        link.send(b"x" * 10_000)
    link.flush()
    assert link.buffered
    begun = time.monotonic()
    messages = drive(link, count(50))
    took = time.monotonic() - begun
    measured(took)
    assert took < 1
    assert [payload for _, payload in messages] == [b"%d" % i for i in range(50)]
    link.ping()
    go.set()
    drive(link, never)
    assert got[-1] == (0x8A, b"now?")
    assert len(got) < 900  # it overtook data that was accepted before it


@pytest.mark.row("F28")
def test_f28_pings_and_pongs(dialled):
    """Any pong counts as a sign of life, asked for or not; one unsent ping is enough."""
    got: list[tuple[int, bytes]] = []

    def act(connection: socket.socket) -> None:
        got.append(read_frame(connection))
        connection.sendall(frame(0x8A, b"unasked") + frame(0x81, b"x"))
        got.append(read_frame(connection))
        connection.sendall(frame(0x88))

    link = dialled(act)
    before = link.last_received
    link.ping()
    link.ping()
    assert link.buffered == 6
    drive(link, count(1))
    assert link.last_received > before
    link.send(b"")
    drive(link, never)
    assert got == [(0x89, b""), (0x81, b"")]


@pytest.mark.row("F29", bound="128 unsent pongs")
def test_f29_ping_flood(dialled, measured):
    """A flood of pings makes no flood of pongs in memory, and events still flow."""
    go = threading.Event()
    pongs: list[bytes] = []

    def act(connection: socket.socket) -> None:
        connection.sendall(b"".join(frame(0x89, b"%d" % i) for i in range(10_000)))
        connection.sendall(frame(0x81, b"event"))
        go.wait(LIMIT)
        while not pongs or pongs[-1] != b"9999":
            first, payload = read_frame(connection)
            if first == 0x8A:
                pongs.append(payload)
        connection.sendall(frame(0x88))

    link = dialled(act)
    for _ in range(300):
        link.send(b"x" * 10_000)
    link.flush()
    before = link.buffered
    drive(link, count(1))
    measured(link.buffered - before, "bytes of pongs")
    assert link.buffered < before + 128 * 20
    go.set()
    drive(link, never)
    assert len(pongs) <= 128 + 10


def test_ten_pings_ten_pongs(dialled):
    """Pings in one segment are answered each (Autobahn 2.10)."""
    got: list[tuple[int, bytes]] = []

    def act(connection: socket.socket) -> None:
        connection.sendall(b"".join(frame(0x89, b"%d" % i) for i in range(10)))
        got.extend(read_frame(connection) for _ in range(10))
        connection.sendall(frame(0x88))

    drive(dialled(act), never)
    assert got == [(0x8A, b"%d" % i) for i in range(10)]


# -- dialling's small print ----------------------------------------------------------------------


def test_results_that_come_too_late_are_given_back():
    """A blocking call that outlives the deadline gives its result to `too_late`."""
    gate, late, threads = threading.Event(), threading.Event(), []

    def slow() -> str:
        threads.append(threading.current_thread())
        gate.wait(LIMIT)
        return "socket"

    patience = dial.Patience(Within(0.1), dial.Peer("h", 1, False))
    with pytest.raises(errors.ConnectError):
        patience.run(slow, "test-slow", too_late=lambda result: late.set())
    gate.set()
    assert late.wait(LIMIT)
    threads[0].join(LIMIT)


def test_ctrl_c_while_another_thread_works():
    """An interrupt gives the thread up like the deadline does; an error is nobody's then."""
    gate, threads = threading.Event(), []

    class Interrupted:
        def remaining(self) -> float | None:
            if threads:
                raise KeyboardInterrupt
            return None

    def slow() -> None:
        threads.append(threading.current_thread())
        gate.wait(LIMIT)
        raise OSError("too late")

    patience = dial.Patience(Interrupted(), dial.Peer("h", 1, False))
    with pytest.raises(KeyboardInterrupt):
        patience.run(slow, "test-slow", too_late=lambda _: None)
    gate.set()
    threads[0].join(LIMIT)


def test_ctrl_c_while_connecting(serve, monkeypatch):
    """An interrupt leaves no descriptor behind."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    server = serve(lambda server, connection: connection.recv(1))
    monkeypatch.setattr(dial, "_tune", interrupt)
    with pytest.raises(KeyboardInterrupt):
        dial_to(server)
    monkeypatch.undo()
    monkeypatch.setattr(greeting.Greeting, "send", interrupt)
    with pytest.raises(KeyboardInterrupt):
        dial_to(server)


def test_status_is_looked_at_again(serve, monkeypatch):
    """Should websocket-client accept another status than 101, we do not (1.9.0 did)."""
    monkeypatch.setattr(websocket.WebSocket, "getstatus", lambda self: 302)
    error = refused(serve(lambda server, connection: server.upgrade(connection)))
    assert "did not accept the WebSocket handshake" in str(error)


def test_key_in_the_query_is_redacted(serve):
    """A key in the query that a server echoes shows nowhere either."""
    server = replying(serve, http(401, f"{KEY} is wrong".encode(), "x-request-id: " + KEY))
    error = refused(server, headers={"x-token": "abc"})
    assert error.body == "… is wrong"
    assert "request …" in str(error)
    assert repr(greeting.Headers(HEADERS, "me")) == "<Headers, 2>"


def test_printable():
    """What is shown is one line of 200 characters at most."""
    assert framing.printable("a\n\tb\x1b\u202e c") == "a b c"
    assert len(framing.printable("x" * 1000)) == 200
    assert framing.printable("x" * 200) == "x" * 200
