"""The transport over TLS: real servers in processes of their own, key updates, bad certificates."""

from __future__ import annotations

import base64
import contextlib
import datetime
import faulthandler
import hashlib
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from websocket import ABNF

from realtime_sync import errors
from realtime_sync.runtime import dial
from realtime_sync.runtime.loop import Loop, acquire
from realtime_sync.runtime.transport import Ended, Transport
from realtime_sync.runtime.wire import Wire

KEY = "sk-canary-1234567890"
LIMIT = 30.0  # seconds that only failures reach


class Within:
    """A deadline."""

    def __init__(self, seconds: float = LIMIT) -> None:
        self._until = time.monotonic() + seconds

    def remaining(self) -> float:
        return self._until - time.monotonic()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: Any) -> str:
    """A file with key and certificate of 127.0.0.1 and localhost."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        str(path)
    )
    return str(path)


class Session:
    """A client of the loop: sends what is in `outbox`, keeps what comes in `inbox`."""

    def __init__(self, loop: Loop, link: Transport) -> None:
        self.loop = loop
        self.link = link
        self.outbox: deque[bytes] = deque()
        self.inbox: list[bytes] = []
        self.closing = False
        self.ended: Ended | None = None
        self.changed = threading.Condition()
        self.faults: list[BaseException] = []
        loop.call(lambda: loop.watch(link, self))

    def on_readable(self) -> None:
        messages = self.link.receive()
        with self.changed:
            self.inbox += [payload for _, payload in messages]
            self.ended = self.link.ended
            self.changed.notify_all()

    def on_wake(self) -> None:
        while self.outbox:
            self.link.send(self.outbox.popleft())
        if self.closing:
            self.link.send_close()

    def on_fault(self, error: BaseException) -> None:
        self.faults.append(error)

    def send(self, payload: bytes) -> None:
        self.outbox.append(payload)
        self.loop.wake(self)

    def wait(self, until: Any, limit: float = LIMIT) -> None:
        with self.changed:
            assert self.changed.wait_for(until, limit), (len(self.inbox), self.ended, self.faults)

    def close(self) -> None:
        done = threading.Event()

        def drop() -> None:
            self.loop.unwatch(self.link)
            self.link.close()
            done.set()

        self.loop.call(drop)
        assert done.wait(LIMIT)
        assert self.faults == []


@pytest.fixture
def loop() -> Iterator[Loop]:
    taken = acquire()
    yield taken
    assert taken.release(LIMIT)


# -- the echo ------------------------------------------------------------------------------------

# asyncio, because its TLS is made of memory buffers too: a server with threads would have the very
# bug that the test looks for, and one in this process would share our interpreter lock
ECHO = """
import asyncio, hashlib, json, random, ssl, sys
from websockets.asyncio.server import serve

RATE, VERSION = float(sys.argv[2]), sys.argv[3]

async def serve_one(connection):
    heard, said, counts = hashlib.sha256(), hashlib.sha256(), [0, 0]
    stop = asyncio.Event()

    async def talk():
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not stop.is_set():
            text = "%032x" % random.getrandbits(128) * random.randint(1, 200)
            said.update(text.encode())
            counts[1] += 1
            await connection.send(text)
            due += 1 / RATE
            await asyncio.sleep(max(0, due - loop.time()))

    talking = asyncio.ensure_future(talk())
    async for text in connection:
        if text == "end":
            stop.set()
            await talking
            await connection.send(json.dumps([heard.hexdigest(), said.hexdigest(), *counts]))
            continue
        heard.update(text.encode())
        counts[0] += 1
    stop.set()

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    context.maximum_version = getattr(ssl.TLSVersion, VERSION)
    async with serve(serve_one, "127.0.0.1", 0, ssl=context, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


@contextlib.contextmanager
def echo_server(certificate: str, rate: float, version: str) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", ECHO, certificate, str(rate), version],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(LIMIT)


def converse(
    loop: Loop, certificate: str, trusting: ssl.SSLContext, version: str, sessions: int, secs: float
) -> dict[str, Any]:
    """Sessions that send and receive 50 messages a second each; checks every byte."""
    rate = 50
    with echo_server(certificate, rate, version) as port:
        clients = [
            Session(
                loop,
                Transport.connect(
                    f"wss://127.0.0.1:{port}/v1/realtime",
                    {"Authorization": f"Bearer {KEY}"},
                    deadline=Within(),
                    ssl_context=trusting,
                ),
            )
            for _ in range(sessions)
        ]
        said = [hashlib.sha256() for _ in clients]
        pause, begun = threading.Event(), time.monotonic()
        rounds = int(secs * rate)
        for number in range(rounds):
            for client, digest in zip(clients, said, strict=True):
                text = b"%032x" % random.getrandbits(128) * random.randint(1, 60)
                digest.update(text)
                client.send(text)
            pause.wait(max(0.0, begun + (number + 1) / rate - time.monotonic()))
        received = 0
        for client, digest in zip(clients, said, strict=True):
            client.send(b"end")
            client.wait(lambda c=client: c.ended or (c.inbox and c.inbox[-1].startswith(b"[")))
            assert client.ended is None, "a healthy connection died"
            heard, theirs, count_in, count_out = json.loads(client.inbox.pop())
            assert heard == digest.hexdigest()
            assert theirs == hashlib.sha256(b"".join(client.inbox)).hexdigest()
            assert (count_in, count_out) == (rounds, len(client.inbox))
            received += count_out
        elapsed = time.monotonic() - begun
        for client in clients:
            client.closing = True
            loop.wake(client)
            client.wait(lambda c=client: c.ended)
            assert client.ended.code == 1000
            client.close()
    return {
        "python": sys.version.split()[0],
        "tls": version,
        "sessions": sessions,
        "seconds": round(elapsed, 1),
        "sent": rounds * sessions,
        "received": received,
    }


@pytest.mark.row("F27", bound="0 disconnects")
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_f27_conversation(loop, certificate, trusting, version, record_property):
    """Sessions that send and receive at once over TLS lose nothing and stay up."""
    record_property("figures", converse(loop, certificate, trusting, version, 8, 2.5))


@pytest.mark.long
def test_f27_conversation_at_length(loop, certificate, trusting, capsys, record_property):
    """The same: 20 sessions for 150 seconds."""
    faulthandler.cancel_dump_traceback_later()  # pytest's, which takes a minute for a hang
    figures = converse(loop, certificate, trusting, "TLSv1_3", 20, 150)
    record_property("figures", figures)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")


# -- key updates ---------------------------------------------------------------------------------


class KeyUpdater:
    """`openssl s_server`: prints what it receives, sends what it reads, `K` updates its key and
    asks us to update ours."""

    def __init__(self, certificate: str, log: Any) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [
                *("openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_3"),
                *("-cert", certificate, "-naccept", "1", "-msg", "-msgfile", str(log)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.printed = bytearray()  # not yet taken apart
        self.frames = b""  # the last of our frames, half there
        self.heard, self.messages = hashlib.sha256(), 0  # of our text messages
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.wait(lambda: ACCEPTS.search(self.printed))
        self.port = int(ACCEPTS.search(self.printed)[1])  # the system's choice: it is free

    def read(self) -> None:
        assert self.process.stdout is not None
        while data := self.process.stdout.read(1 << 16):
            with self.changed:
                self.printed += data
                self.changed.notify_all()

    def wait(self, until: Any, limit: float = LIMIT) -> None:
        with self.changed:
            assert self.changed.wait_for(until, limit), bytes(self.printed[-300:])

    def say(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def greet(self) -> None:
        """The WebSocket handshake, by hand."""
        self.wait(lambda: b"\r\n\r\n" in self.printed)
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.printed)[1]
        with self.changed:
            del self.printed[: self.printed.index(b"\r\n\r\n") + 4]
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    def update(self) -> None:
        """One key update; returns when s_server has done its half."""
        self.say(b"K\n")
        self.wait(lambda: DONE in self.printed)
        with self.changed:  # take apart what came before it, so that it need not be kept
            end = self.printed.rindex(DONE) + len(DONE)
            self.frames, self.heard, self.messages = self.take(end)
            del self.printed[:end]

    def take(self, end: int | None = None) -> tuple[bytes, Any, int]:
        """What `frames`, `heard` and `messages` are with what was printed up to `end`."""
        data, at = self.frames + NOISE.sub(b"", self.printed[:end]), 0
        heard, messages = self.heard.copy(), self.messages
        while at + 14 < len(data) and data[at] == 0x81:
            size, start = data[at + 1] & 0x7F, at + 2
            if size >= 126:
                more = 2 if size == 126 else 8
                size, start = int.from_bytes(data[start : start + more], "big"), start + more
            if start + 4 + size > len(data):
                break
            mask, at = data[start : start + 4], start + 4 + size
            heard.update(ABNF.mask(mask, data[start + 4 : at]))
            messages += 1
        return data[at:], heard, messages

    def close(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)
        self.reader.join(LIMIT)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


ACCEPTS = re.compile(rb"ACCEPT .*:(\d+)\n")
DONE = b"SSL_do_handshake -> 1\n"
NOISE = re.compile(DONE + rb"|(?:Read|Write) BLOCK\n")  # what s_server says between our bytes


def update_keys(
    loop: Loop, certificate: str, trusting: ssl.SSLContext, log: Any, updates: int
) -> dict[str, Any]:
    """Send without a pause while the server updates keys and asks us to; check every byte."""
    server = KeyUpdater(certificate, log)
    try:
        greeter = threading.Thread(target=server.greet)
        greeter.start()
        link = Transport.connect(
            f"wss://127.0.0.1:{server.port}/", {}, deadline=Within(), ssl_context=trusting
        )
        greeter.join(LIMIT)
        session = Session(loop, link)
        said, sizes = hashlib.sha256(), list[int]()
        stop = threading.Event()

        def send() -> None:
            while not stop.is_set():
                if link.buffered < 2_000_000:
                    payload = b"%032x" % random.getrandbits(128) * random.randint(1, 2000)
                    said.update(payload)
                    sizes.append(len(payload))
                    session.send(payload)
                stop.wait(0.001)

        sender = threading.Thread(target=send)
        sender.start()
        begun = time.monotonic()
        heard = []
        for number in range(updates):
            server.update()
            heard.append(b"event %d " % number * 12)
            # alone in its write: s_server takes the first byte of what it reads for a command
            server.say(bytes([0x81, 126]) + len(heard[-1]).to_bytes(2, "big") + heard[-1])
            session.wait(lambda: session.ended or len(session.inbox) >= len(heard))
            assert session.ended is None, session.ended
            stop.wait(0.01)  # for the sender to go on
        stop.set()
        sender.join(LIMIT)
        elapsed = time.monotonic() - begun
        server.wait(lambda: server.take()[2] >= len(sizes), 60)
        _, digest, _ = server.take()
        session.close()
        assert session.inbox == heard
        assert digest.hexdigest() == said.hexdigest()
    finally:
        server.close()
    text = log.read_text(errors="replace")
    ours, theirs = (
        len(re.findall(rf"^{d} TLS 1.3.*KeyUpdate", text, re.M)) for d in ("<<<", ">>>")
    )
    assert theirs == updates
    assert ours >= 1  # ours may answer several requests at once, says RFC 8446 4.6.3
    return {
        "python": sys.version.split()[0],
        "asked": theirs,
        "answered": ours,
        "messages sent": len(sizes),
        "bytes sent": sum(sizes),
        "seconds": round(elapsed, 1),
    }


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.mark.row("F26")
@needs_openssl
def test_f26_key_updates(loop, certificate, trusting, tmp_path, record_property):
    """Key updates that the server asks for while we send harm nothing, either way."""
    figures = update_keys(loop, certificate, trusting, tmp_path / "messages", 20)
    record_property("figures", figures)


@pytest.mark.long
@needs_openssl
def test_f26_key_updates_at_length(loop, certificate, trusting, tmp_path, capsys):
    """The same, 2,000 times."""
    faulthandler.cancel_dump_traceback_later()  # pytest's, which takes a minute for a hang
    figures = update_keys(loop, certificate, trusting, tmp_path / "messages", 2000)
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")


# -- TLS in a thread, for what one connection does -----------------------------------------------


class TlsServer:
    """Takes one connection, shakes hands and does `act`; `raw` is all that the client sent."""

    def __init__(self, context: ssl.SSLContext, act: Any) -> None:
        self.context = context
        self.act = act
        self.heard = b""  # plain text
        self.error: Exception | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        # a narrow way in, so that a few megabytes are enough to stall a writer
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.settimeout(LIMIT)
        with connection:
            try:
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    while b"\r\n\r\n" not in self.heard:
                        data = tls.recv(65536)
                        if not data:
                            return
                        self.heard += data
                    key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.heard)[1]
                    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
                    self.upgraded = (
                        b"HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
                    )
                    self.act(self, tls)
            except (OSError, ValueError) as exc:
                self.error = exc

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()


def serving(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(certificate, str):
        context.load_cert_chain(certificate)
    else:
        certificate.configure_cert(context)
    return context


@pytest.fixture
def tls(certificate, trusting, loop):
    """Connect to a server that does `act` after the request; a session upon it."""
    made: list[Any] = []

    def start(act: Any) -> Session:
        server = TlsServer(serving(certificate), act)
        made.append(server)
        link = Transport.connect(
            f"wss://localhost:{server.port}/", {}, deadline=Within(), ssl_context=trusting
        )
        session = Session(loop, link)
        made.append(session)
        return session

    yield start
    for one in reversed(made):
        one.close()


def frame(payload: bytes, first: int = 0x81) -> bytes:
    return bytes([first, 127]) + len(payload).to_bytes(8, "big") + payload


def test_nothing_decrypted_is_forgotten(tls):
    """Frames that come with the handshake, and more than one read holds, all arrive."""
    events = [os.urandom(random.randint(0, 40_000)) for _ in range(200)]

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded + b"".join(map(frame, events)))
        connection.recv(1)

    session = tls(act)
    session.wait(lambda: len(session.inbox) >= len(events))
    assert session.inbox == events


def test_close_over_tls(tls):
    """A close frame is read and echoed; our close_notify follows."""
    got: list[bytes] = []
    seen = threading.Event()

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded + b"\x88\x02\x03\xe8")
        got.append(connection.recv(100))
        got.append(connection.recv(100))  # b"" only after a close_notify
        seen.set()

    session = tls(act)
    session.wait(lambda: session.ended)
    assert session.ended.code == 1000
    session.close()
    assert seen.wait(LIMIT)
    assert len(got[0]) == 8
    assert got[1] == b""


def test_close_notify_without_close_frame(tls):
    """A TLS end without a close frame is 1006."""

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded + frame(b"last"))
        with contextlib.suppress(OSError):
            connection.unwrap()

    session = tls(act)
    session.wait(lambda: session.ended)
    assert session.inbox == [b"last"]
    assert (session.ended.code, session.ended.error) == (1006, None)


def test_end_without_close_notify(tls):
    """An end of TCP inside TLS is 1006, and the error says that it may be a truncation."""

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded + frame(b"last"))
        socket.socket.shutdown(connection, socket.SHUT_RDWR)

    session = tls(act)
    session.wait(lambda: session.ended)
    assert session.inbox == [b"last"]
    assert session.ended.code == 1006
    assert isinstance(session.ended.error, ssl.SSLEOFError)
    assert "without a close frame" in session.ended.reason


def test_garbage_inside_tls(tls):
    """What is no TLS record ends the link with 1006 and the library's error."""

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded)
        raw = socket.socket(fileno=os.dup(connection.fileno()))
        with raw:
            raw.sendall(b"garbage " * 100)
        with contextlib.suppress(OSError):
            connection.recv(1)

    session = tls(act)
    session.wait(lambda: session.ended)
    assert session.ended.code == 1006
    assert isinstance(session.ended.error, ssl.SSLError)


def test_large_messages_to_a_slow_reader(tls):
    """Megabytes for a server that reads late are buffered, sent and counted; events still come."""
    go, done = threading.Event(), threading.Event()
    sizes: list[int] = []

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded + frame(b"meanwhile"))
        go.wait(LIMIT)
        size = 0
        while size < 8_000_000:
            size += len(connection.recv(1 << 20))
        sizes.append(size)
        done.set()
        connection.recv(1)

    session = tls(act)
    for _ in range(8):
        session.send(b"x" * 1_000_000)
    session.wait(lambda: session.inbox)
    assert session.inbox == [b"meanwhile"]
    turned = threading.Event()
    session.loop.call(lambda: session.loop.call(turned.set))  # after the round that sends
    assert turned.wait(LIMIT)
    assert session.link.buffered > 0
    go.set()
    assert done.wait(LIMIT)
    assert sizes[0] >= 8_000_000


def test_tls_that_wants_to_read_first(tls):
    """Bytes that TLS does not take are offered again, whole and once."""
    got: list[bytes] = []
    done = threading.Event()

    def act(server: TlsServer, connection: ssl.SSLSocket) -> None:
        connection.sendall(server.upgraded)
        while sum(map(len, got)) < 11:
            got.append(connection.recv(100))
        done.set()

    session = tls(act)
    session.wait(lambda: not session.inbox)
    wire = session.link._wire
    real, refusals = wire._tls, [1, 1]

    class Reluctant:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def write(self, data: bytes) -> int:
            if refusals:
                refusals.pop()
                raise ssl.SSLWantReadError
            return int(real.write(data))

    wire._tls = Reluctant()
    session.send(b"hello")
    while not done.wait(0.01):  # what a server's bytes would do: bring the loop back
        session.loop.wake(session)
    assert sum(map(len, got)) == 11
    assert refusals == []


# -- who is refused ------------------------------------------------------------------------------


def refused(server_context: ssl.SSLContext, **more: Any) -> tuple[TlsServer, errors.ConnectError]:
    server = TlsServer(server_context, lambda server, tls: tls.sendall(server.upgraded))
    try:
        with pytest.raises(errors.ConnectError) as caught:
            Transport.connect(
                f"wss://localhost:{server.port}/?key={KEY}",
                {"Authorization": f"Bearer {KEY}"},
                deadline=Within(),
                **more,
            )
    finally:
        server.close()
    assert server.heard == b""
    assert server.error is not None, "the server saw the handshake through"
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return server, caught.value


@pytest.mark.row("F5")
def test_f5_untrusted(certificate):
    """A certificate of an unknown authority is refused before a byte of the key is sent."""
    _, error = refused(serving(certificate))
    assert "certificate of localhost" in str(error)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.row("F5")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_f5_authorities_of_the_environment(certificate, authority, monkeypatch, tmp_path, name):
    """SSL_CERT_FILE and SSL_CERT_DIR name authorities, as for every program of OpenSSL's."""
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem) if name == "SSL_CERT_FILE" else "")
    if name == "SSL_CERT_DIR":
        if not shutil.which("openssl"):
            pytest.skip("needs the openssl command")
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(dial, "default_context", dial.default_context.__wrapped__)
    monkeypatch.setattr("realtime_sync.runtime.transport.default_context", dial.default_context)
    server = TlsServer(serving(certificate), lambda server, tls: tls.sendall(server.upgraded))
    try:
        Transport.connect(
            f"wss://localhost:{server.port}/", {"Authorization": KEY}, deadline=Within()
        ).close()
    finally:
        server.close()


@pytest.mark.row("F5")
def test_f5_wrong_host(authority, trusting):
    """So is one for another host."""
    _, error = refused(serving(authority.issue_cert("other.example")), ssl_context=trusting)
    assert "hostname mismatch" in str(error).lower()
    assert str(error).endswith("'localhost'; check the host name")


@pytest.mark.row("F5")
def test_f5_expired(authority, trusting):
    """So is an expired one; that the clock here may be wrong is said."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    expired = authority.issue_cert("localhost", not_before=now - 3 * day, not_after=now - day)
    _, error = refused(serving(expired), ssl_context=trusting)
    assert "certificate has expired; check the clock of this machine" in str(error)
    later = authority.issue_cert("localhost", not_before=now + day, not_after=now + 3 * day)
    _, error = refused(serving(later), ssl_context=trusting)
    assert "not yet valid; check the clock of this machine" in str(error)


@pytest.mark.row("F5")
def test_f5_old_tls(certificate, authority):
    """So is a server that speaks nothing newer than TLS 1.1."""
    context = serving(certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    client = ssl.create_default_context()
    authority.configure_trust(client)
    _, error = refused(context, ssl_context=client)
    assert "no TLS with localhost" in str(error)


@pytest.mark.row("F9", bound="0 connections elsewhere")
def test_f9_from_tls_to_plain(certificate, trusting):
    """A redirect that would say the key in plain text is followed no more than any other."""
    with socket.create_server(("127.0.0.1", 0)) as plain:
        plain.settimeout(0)
        url = f"ws://127.0.0.1:{plain.getsockname()[1]}/"
        reply = f"HTTP/1.1 307 Elsewhere\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
        server = TlsServer(serving(certificate), lambda server, tls: tls.sendall(reply.encode()))
        try:
            with pytest.raises(errors.ConnectError, match="are not followed") as caught:
                Transport.connect(
                    f"wss://localhost:{server.port}/",
                    {"Authorization": f"Bearer {KEY}"},
                    deadline=Within(),
                    ssl_context=trusting,
                )
        finally:
            server.close()
        assert caught.value.status == 307
        with pytest.raises(BlockingIOError):
            plain.accept()


def test_no_tls_at_all():
    """A server that answers in clear text is said to, at once, with the URL that would do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
                connection.recv(65536)

        thread = threading.Thread(target=talk)
        thread.start()
        with pytest.raises(errors.ConnectError, match=r"clear text.*is it http://"):
            Transport.connect(
                f"wss://localhost:{listener.getsockname()[1]}/", {}, deadline=Within()
            )
        thread.join(LIMIT)


@pytest.mark.row("F6", bound="the deadline")
@pytest.mark.parametrize("greedy", [False, True])
def test_f6_silent(greedy, measured):
    """A TLS server that says nothing, or hangs up, is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"wss://localhost:{listener.getsockname()[1]}/"
        connections = []

        def accept() -> None:
            connection, _ = listener.accept()
            connections.append(connection)
            if greedy:
                connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=accept)
        thread.start()
        begun = time.monotonic()
        with pytest.raises(errors.ConnectError) as caught:
            Transport.connect(url, {}, deadline=Within(LIMIT if greedy else 0.3))
        thread.join(LIMIT)
        connections[0].close()
    elapsed = time.monotonic() - begun
    if greedy:
        assert "no TLS with" in str(caught.value)
        assert "unexpected eof while reading" in str(caught.value)
        return
    assert "while agreeing on TLS" in str(caught.value)
    measured(elapsed - 0.3, "s after the deadline")
    assert 0.25 < elapsed < 1


def test_shaking_hands_on_false_alarms():
    """A selector that reports a socket too early, and an alert that cannot be sent, do no harm."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        alarms: list[int] = []

        class Waiting:
            def wait(self, sock: socket.socket, event: int) -> None:
                alarms.append(event)
                if len(alarms) == 3:
                    far.sendall(b"garbage " * 10)
                    far.recv(65536)
                    far.shutdown(socket.SHUT_RDWR)

        wire = Wire(near, dial.default_context(), "localhost")
        with pytest.raises(ssl.SSLError):
            wire.shake(Waiting())
        assert len(alarms) == 3


def test_drain_waits_for_room():
    """While the connection is made, what the kernel does not take at once is waited for."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        taken: list[int] = []

        class Waiting:
            def wait(self, sock: socket.socket, event: int) -> None:
                taken.append(len(far.recv(1 << 20)))

        wire = Wire(near)
        assert wire.write(bytes(5_000_000)) == 5_000_000
        wire.drain(Waiting())
        assert taken
        assert wire.pending == 0


def test_default_context():
    """One context a process: TLS 1.2 or later, certificates and host names checked."""
    context = dial.default_context()
    assert context is dial.default_context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
