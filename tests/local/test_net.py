"""Sockets and threads: real clients on loopback, faults to the byte, bounded ends."""

from __future__ import annotations

import inspect
import json
import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from pipe import LIMIT, lingering
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from realtime_sync import Compatible, RealtimeSession
from realtime_sync.errors import ConfigurationError, ConnectError
from realtime_sync.local import LocalServer, net

HELLO = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hello"}],
    },
}
RESPOND = {"type": "response.create", "response": {"output_modalities": ["text"]}}


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    left = [one.name for one in threading.enumerate() if one.name.startswith("realtime-local")]
    assert left == []


_KNOWN = inspect.signature(connect).parameters


def direct(url: str, **options: Any) -> ClientConnection:
    """Connects without a proxy; leaves out what older versions of websockets do not know."""
    options.setdefault("proxy", None)
    # websockets 13 cannot finish its close while a received message is unread: do not wait for it
    options.setdefault("close_timeout", 0.2)
    return connect(url, **{name: value for name, value in options.items() if name in _KNOWN})


def dial(server: LocalServer, *, key: str = "any", **options: Any) -> ClientConnection:
    url = server.url.replace("http", "ws") + "/realtime?model=m"
    headers = {"Authorization": f"Bearer {key}"}
    return direct(url, additional_headers=headers, max_size=None, **options)


def send(client: ClientConnection, event: dict[str, Any]) -> None:
    client.send(json.dumps(event))


def receive(client: ClientConnection) -> dict[str, Any]:
    event = json.loads(client.recv(timeout=LIMIT))
    assert isinstance(event, dict)
    return event


def until(client: ClientConnection, kind: str) -> list[dict[str, Any]]:
    events = [receive(client)]
    while events[-1]["type"] != kind:
        events.append(receive(client))
    return events


def turn(client: ClientConnection) -> list[dict[str, Any]]:
    send(client, HELLO)
    send(client, RESPOND)
    return until(client, "response.done")


def test_a_text_turn(server: LocalServer) -> None:
    """session.created comes unasked; a turn ends with response.done; the events are kept."""
    with dial(server) as client:
        assert receive(client)["type"] == "session.created"
        events = turn(client)
    assert events[-1]["response"]["status"] == "completed"
    assert [event["type"] for event in server.received] == [HELLO["type"], RESPOND["type"]]


def test_a_turn_leaves_in_few_writes(server: LocalServer) -> None:
    """Without pacing a whole response is there at once: a few packets, not one an event."""
    with socket.create_connection(("127.0.0.1", int(server.url.split(":")[2][:-3]))) as raw:
        request = (
            "GET /v1/realtime?model=m HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer k\r\n\r\n"
        )
        raw.sendall(request.encode())
        data = raw.recv(65536)
        while b"session.created" not in data:
            data += raw.recv(65536)
        payload = json.dumps(RESPOND).encode()
        raw.sendall(bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
        reads = [raw.recv(1 << 20)]
        while b"rate_limits.updated" not in reads[-1]:
            reads.append(raw.recv(1 << 20))
        assert b"response.created" in reads[0]
        assert len(reads) <= 3


def test_both_paths_and_the_api_key_header(server: LocalServer) -> None:
    """/realtime is served as /v1/realtime is, and api-key does as well as Authorization."""
    url = server.url.replace("http", "ws").removesuffix("/v1") + "/realtime?model=m"
    with direct(url, additional_headers={"api-key": "k"}) as client:
        assert receive(client)["session"]["model"] == "m"


def test_subprotocol(server: LocalServer) -> None:
    """A client that offers "realtime" gets it; one that offers something else is served too."""
    for offered, got in ((["realtime"], "realtime"), (["other"], None)):
        with dial(server, subprotocols=offered) as client:
            assert client.subprotocol == got


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/realtime?model=m", {}, 401, None),
        ("/v1/realtime?model=m", {"Authorization": "Bearer "}, 401, None),
        ("/v1/realtime?model=m", {"Authorization": "Basic abc"}, 401, None),
        (
            "/v1/realtime?model=m",
            {"Authorization": "Bearer sk-proj-abcT3BlbkFJabc"},
            401,
            "invalid_api_key",
        ),
        ("/v1/realtime", {"Authorization": "Bearer k"}, 400, "missing_model"),
        ("/v1/models?model=m", {"Authorization": "Bearer k"}, 404, "unknown_url"),
        (
            "/v1/realtime?model=m",
            {"Authorization": "Bearer k", "Origin": "https://evil.example"},
            403,
            None,
        ),
    ],
)
def test_refused_handshake(
    server: LocalServer, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    """A refused handshake has the service's status and JSON body."""
    url = server.url.replace("http", "ws").removesuffix("/v1") + path
    with pytest.raises(InvalidStatus) as caught:
        direct(url, additional_headers=headers)
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    error = json.loads(response.body or b"")["error"]
    assert error["code"] == code
    assert error["type"] == "invalid_request_error"
    assert "sk-proj" not in error["message"]


def test_one_key_only() -> None:
    """With api_key= only that key is let in."""
    with LocalServer(api_key="right", speed=None) as server:
        with pytest.raises(InvalidStatus) as caught:
            dial(server, key="wrong")
        assert json.loads(caught.value.response.body or b"")["error"]["code"] == "invalid_api_key"
        with dial(server, key="right") as client:
            assert receive(client)["type"] == "session.created"


def test_other_methods(server: LocalServer) -> None:
    """What is neither a WebSocket nor a REST call is answered with 405, not dropped."""
    headers = {"Authorization": "Bearer k"}
    request = urllib.request.Request(f"{server.url}/realtime", data=b"{}", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=LIMIT)
    with caught.value as answer:
        assert answer.code == 405
        assert json.load(answer)["error"]["message"]


def test_tls_where_there_is_none(server: LocalServer) -> None:
    """Who begins TLS, or speaks no HTTP at all, is told so at once; nobody waits for a timeout."""
    begun = time.monotonic()
    with pytest.raises(ConnectError, match=r"clear text.*is it http://"):
        RealtimeSession(
            endpoint=Compatible(server.url.replace("http", "https"), "any"), reconnect=None
        ).open(timeout=60)
    assert time.monotonic() - begun < 50
    place = urlsplit(server.url)
    with socket.create_connection((str(place.hostname), int(str(place.port))), 10) as client:
        client.sendall(b"\x16\x03\x01")
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"http://" in said


def test_keys_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No log record at any level holds a key, accepted or not."""
    caplog.set_level(logging.DEBUG)
    with LocalServer(api_key="canary-right", speed=None) as server:
        with dial(server, key="canary-right") as client:
            turn(client)
        with pytest.raises(InvalidStatus):
            dial(server, key="canary-wrong")
        shown = repr(server) + repr(vars(server)["_reception"])
    ours = [record for record in caplog.records if record.name != "websockets.client"]
    assert "canary" not in shown + "".join(record.getMessage() for record in ours)


@pytest.mark.parametrize("frame", ["no json", "[]", "5", '{"type": NaN}', "[" * 100_000, b"{}"])
def test_frames_that_are_no_events(server: LocalServer, frame: str | bytes) -> None:
    """Garbage is answered by invalid_event; the session lives."""
    with dial(server) as client:
        receive(client)
        client.send(frame)
        assert receive(client)["error"]["code"] == "invalid_event"
        assert turn(client)[-1]["type"] == "response.done"


def test_text_that_is_not_utf8(server: LocalServer) -> None:
    """Text that is not UTF-8 closes the link with 1007."""
    with dial(server) as client:
        receive(client)
        # by hand: not every version of the client can send what is not text as text
        client.socket.sendall(bytes([0x81, 0x82]) + bytes(4) + b"\xff\xfe")
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(timeout=LIMIT)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1007


def test_fragments(server: LocalServer) -> None:
    """An event may come in several frames."""
    with dial(server) as client:
        receive(client)
        client.send(iter(['{"type":"input_audio', "_buffer.cl", 'ear"}']))
        assert receive(client)["type"] == "input_audio_buffer.cleared"


def test_large_append(server: LocalServer) -> None:
    """An append of 15 MiB of audio is taken."""
    with dial(server) as client:
        receive(client)
        send(client, {"type": "input_audio_buffer.append", "audio": "AAAA" * (5 << 20)})
        send(client, {"type": "input_audio_buffer.clear"})
        assert receive(client)["type"] == "input_audio_buffer.cleared"


def test_cancel_while_deltas_are_paced() -> None:
    """A cancel is heard in the middle of a paced response."""
    with LocalServer() as server, dial(server) as client:
        server.reply("word " * 4000)  # fifty seconds
        send(client, RESPOND)
        until(client, "response.output_text.delta")
        send(client, {"type": "response.cancel"})
        events = until(client, "response.done")
        assert events[-1]["response"]["status"] == "cancelled"


def test_speed_multiplies() -> None:
    """At speed 1000 a response of fifty seconds takes a twentieth of one."""
    with LocalServer(speed=1000.0) as server, dial(server) as client:
        server.reply("word " * 4000)
        began = time.monotonic()
        send(client, RESPOND)
        until(client, "response.done")
        assert 0.04 < time.monotonic() - began < 25


# Faults


def test_cut_after_events(server: LocalServer) -> None:
    """The link drops without a close frame after so many events."""
    with dial(server) as client:
        receive(client)
        server.script.cut(after=3)
        send(client, HELLO)
        send(client, RESPOND)
        assert [receive(client)["type"] for _ in range(3)][-1] == "response.created"
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(timeout=LIMIT)
        assert caught.value.rcvd is None


def test_cut_after_bytes(server: LocalServer) -> None:
    """The link drops in the middle of a frame after so many bytes."""
    with dial(server) as client:
        receive(client)
        server.script.cut(after_bytes=100)
        send(client, HELLO)
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(timeout=LIMIT)
        assert caught.value.rcvd is None
    with dial(server) as client:
        assert turn(client)[-1]["type"] == "response.done"


def test_close_with_a_code(server: LocalServer) -> None:
    """The link ends with the close frame that the script names."""
    server.script.close(1012, "restart", after=1)
    with dial(server) as client:
        with pytest.raises(ConnectionClosedError) as caught:
            until(client, "never")
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1012, "restart")


def test_garbage_frames(server: LocalServer) -> None:
    """Frames of any content come between two events."""
    server.script.frame("not json", after=1)
    server.script.frame(b"\x00\x01")
    with dial(server) as client:
        receive(client)
        assert client.recv(timeout=LIMIT) == "not json"
        send(client, HELLO)
        assert client.recv(timeout=LIMIT) == b"\x00\x01"
        assert receive(client)["type"] == "conversation.item.added"


def test_a_fault_after_the_end_waits_for_the_next_link(server: LocalServer) -> None:
    """Nothing can be said on a link that is being closed or has been cut."""
    server.script.close(1012, after=1)
    server.script.frame("one")
    server.script.cut()
    server.script.frame("two")
    for first in (None, "one", "two"):
        with dial(server) as client:
            if first is not None:
                assert client.recv(timeout=LIMIT) == first
            if first != "one":
                assert json.loads(client.recv(timeout=LIMIT))["type"] == "session.created"
            if first != "two":
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=LIMIT)


def test_mute(server: LocalServer) -> None:
    """A muted link sends nothing, no pong either, and close() is bounded all the same."""
    server.script.mute(after=1)
    with dial(server, close_timeout=0.2, ping_interval=None) as client:
        receive(client)
        assert not client.ping().wait(0.1)
        began = time.monotonic()
        server.close(timeout=60)
        assert time.monotonic() - began < 30


def test_refused_handshakes(server: LocalServer) -> None:
    """The next handshakes are answered with the status that the script names."""
    server.script.refuse(429, "slow down", times=2, retry_after="1")
    for _ in range(2):
        with pytest.raises(InvalidStatus) as caught:
            dial(server)
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
    with dial(server) as client:
        assert receive(client)["type"] == "session.created"


def test_delay(server: LocalServer) -> None:
    """Every event is held back for as long, in order."""
    server.script.delay = 0.05
    began = time.monotonic()
    with dial(server) as client:
        assert receive(client)["type"] == "session.created"
        assert time.monotonic() - began >= 0.05
        assert turn(client)[-1]["type"] == "response.done"


# Ends


def test_close_says_going_away(server: LocalServer) -> None:
    """close() ends each connection with 1001, and the server stays closed."""
    with dial(server) as client:
        receive(client)
        server.close()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=LIMIT)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
    server.close()
    with pytest.raises(ConfigurationError):
        server.start()


def test_close_with_a_client_that_never_reads() -> None:
    """A client with a full receive window cannot hold close()."""
    with LocalServer(speed=None) as server:
        server.reply(bytes(40_000_000))
        with dial(server, max_queue=1, close_timeout=0.1) as client:
            receive(client)
            send(client, {"type": "response.create"})
            receive(client)
            began = time.monotonic()
            server.close(timeout=60)
            assert time.monotonic() - began < 30


def test_who_reads_slowly_gets_all(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of a reply is not cut off where its client has not come to reading it yet."""
    monkeypatch.setattr(net, "_FAREWELL_SECONDS", 0.0)
    server.reply("x" * 8_000_000)  # more than the system keeps for a socket
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    place = urlsplit(server.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT)
        client.connect((str(place.hostname), int(str(place.port))))
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        said = b"".join(iter(lambda: client.recv(1 << 20), b""))
    head, _, told = said.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(told)}".encode() in head
    assert len(told) > 8_000_000


def test_close_during_a_handshake() -> None:
    """A peer that never finishes its request cannot hold close()."""
    with LocalServer() as server:
        port = int(server.url.split(":")[2].removesuffix("/v1"))
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"GET /v1/real")
            began = time.monotonic()
            server.close(timeout=60)
            assert time.monotonic() - began < 30
            with suppress(ConnectionResetError):  # what it sent may not have been read yet
                assert raw.recv(100) == b""


def test_close_joins_a_link_that_ends(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has just ended has a thread for a moment: close() leaves none."""
    late = lingering(net.Link)
    monkeypatch.setattr(net, "Link", late)
    dial(server).close()
    assert late.ending.wait(LIMIT)
    server.close()
    left = [one.name for one in threading.enumerate() if isinstance(one, late)]
    late.go.set()
    assert left == []


def test_close_before_start() -> None:
    """Closing a server that was never started does nothing; it has no URL."""
    server = LocalServer()
    assert repr(server) == "<LocalServer not started, 0 events received>"
    with pytest.raises(ConfigurationError):
        _ = server.url
    server.close()


def test_a_hundred_connections(server: LocalServer) -> None:
    """A hundred connections at once, each with a turn of its own and one thread."""
    with ExitStack() as stack:
        clients = [stack.enter_context(dial(server, ping_interval=None)) for _ in range(100)]
        for client in clients:
            receive(client)
        links = [one for one in threading.enumerate() if one.name.startswith("realtime-local-link")]
        assert len(links) == 100
        assert all(link.daemon for link in links)
        for client in clients:
            send(client, HELLO)
            send(client, RESPOND)
        for client in clients:
            assert until(client, "response.done")[-1]["response"]["status"] == "completed"
        assert len(server.received) == 200


def test_a_bug_costs_one_connection(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the brain raises is logged and ends that connection, not the server."""
    with dial(server) as client, dial(server) as other:
        receive(client)

        def broken(*_: Any) -> Any:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr("realtime_sync.local.brain.Brain._handled", broken)
            send(client, HELLO)
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=LIMIT)
        assert turn(other)[-1]["type"] == "response.done"
    assert "the embedded server failed" in caplog.text


def test_without_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where websockets is missing, start() names the extra."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("realtime_sync.local.net.importlib.import_module", missing)
    with pytest.raises(ConfigurationError, match=r'pip install "realtime_sync\[local\]"'):
        LocalServer().start()


def test_ipv6() -> None:
    """An IPv6 host gives a bracketed URL."""
    try:
        server = LocalServer(host="::1", speed=None).start()
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    with server, dial(server) as client:
        assert server.url.startswith("http://[::1]:")
        assert receive(client)["type"] == "session.created"


Check = Callable[[], Any]


@pytest.mark.parametrize(
    "make",
    [
        lambda: LocalServer(speed=0),
        lambda: LocalServer(speed=float("nan")),
        lambda: LocalServer(api_key=" "),
        lambda: LocalServer(voice="soprano"),
    ],
)
def test_wrong_arguments(make: Check) -> None:
    """Wrong arguments are refused before anything starts."""
    with pytest.raises(ConfigurationError):
        make()
