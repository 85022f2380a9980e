from __future__ import annotations

import logging
import pickle
import socket
import threading
import time
import traceback

import pytest

from realtime_sync import Compatible, RealtimeSession
from realtime_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLost,
    RealtimeError,
    RealtimeTimeout,
    ServerError,
)

from .conftest import Opener
from .peers import Peer, frame

LIMIT = 15.0
KEY = "sk-peer-key"  # the peer's endpoint sends it


def test_a_server_that_repeats_the_key(
    bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the server says, our key is in no event, error, log line or tap."""
    caplog.set_level(logging.DEBUG, "realtime_sync")
    link = peer.link()
    shown: list[str] = []
    bare.on("*", lambda event: shown.append(repr(event)))
    bare.tap(lambda direction, event: shown.append(repr(event)))
    refused = bare.request({"type": "input_audio_buffer.clear", "event_id": "mine"})
    watching = bare.expect("nothing.such")  # before the end comes: then there is none to watch
    link.say("error", error={"message": f"bad key {KEY}", "event_id": "mine", "code": KEY})
    link.say("brand.new", token=KEY)
    link.raw(frame(f"no JSON: {KEY}".encode()))
    link.raw(frame(b"\x0f\xa1" + f"bad {KEY}".encode(), first=0x88))
    with pytest.raises(ServerError) as error:
        refused.result(LIMIT)
    with pytest.raises(ConnectionLost) as lost:
        watching.result(timeout=LIMIT)
    assert "…" in str(error.value)
    assert (lost.value.code, lost.value.reason) == (4001, "bad …")
    for caught in (error.value, lost.value):
        assert KEY not in str(caught) + repr(caught) + str(pickle.dumps(caught))
    bare.close()
    assert "brand.new" in "".join(shown)
    assert KEY not in caplog.text + "".join(shown)


def test_a_refused_key_while_opening(make: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """A server that lets the link up and then quotes the refused key does not get it shown."""
    with Peer(greeting={"type": "error", "error": {"message": f"no: {KEY}"}}) as peer:
        session = make(endpoint=peer.endpoint)
        with pytest.raises(RealtimeError) as caught:
            session.open(timeout=LIMIT)
    assert KEY not in str(caught.value) + repr(caught.value) + caplog.text


def test_the_words_of_a_key_function(make: Opener) -> None:
    """What a key function raises, errors of ours too, is named by its type alone."""

    def key() -> str:
        raise ConfigurationError(f"vault: {KEY} has expired")

    with pytest.raises(ConfigurationError, match="ConfigurationError") as caught:
        make(endpoint=Compatible("ws://127.0.0.1:9", api_key=key)).open()
    assert KEY not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_key_function_that_does_not_return(
    make: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """open() ends in time although the key function does not; the log says what still waits."""
    release = threading.Event()

    def key() -> str:
        release.wait(20)
        return KEY

    session = make(endpoint=Compatible("ws://127.0.0.1:9", api_key=key))
    began = time.monotonic()
    with pytest.raises(RealtimeTimeout):
        session.open(timeout=0.2)
    took = time.monotonic() - began
    release.set()
    for thread in threading.enumerate():
        if thread.name == "realtime-connect":
            thread.join(LIMIT)
    assert took < 2 * (0.2 + 0.6)
    assert "realtime-connect still waits" in caplog.text


@pytest.mark.parametrize("where", ["header", "query", "proxy"])
@pytest.mark.parametrize("answer", [b"HTTP/1.1 401 no\r\nSet-Cookie: %s\r\n\r\n", b"no HTTP: %s"])
def test_what_reports_of_errors_show(where: str, answer: bytes, make: Opener) -> None:
    """Tracebacks with the locals of their frames, as error trackers send them, show no key."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer.replace(b"%s", KEY.encode()))

        thread = threading.Thread(target=refuse, name="peer")
        thread.start()
        url, port = "ws://127.0.0.1", listener.getsockname()[1]
        if where == "header":
            session = make(endpoint=Compatible(f"{url}:{port}", api_key=KEY))
        elif where == "query":
            session = make(endpoint=Compatible(f"{url}:{port}", query={"token": KEY}))
        else:
            proxy = f"http://user:{KEY}@127.0.0.1:{port}"
            session = make(endpoint=Compatible("ws://example.invalid"), proxy=proxy)
        with pytest.raises(RealtimeError) as caught:
            session.open(timeout=LIMIT)
        thread.join(LIMIT)
    for error in (caught.value, caught.value.__cause__, caught.value.__context__):
        assert KEY not in shown_locals(error)


def shown_locals(error: BaseException | None) -> str:
    """What is shown of the frames of the library that an error came through."""
    frames = traceback.walk_tb(error.__traceback__ if error is not None else None)
    ours = [frame for frame, _ in frames if "realtime_sync" in frame.f_globals["__name__"]]
    return "".join(repr(value) for frame in ours for value in frame.f_locals.values())


def test_an_endpoint_that_could_not_be_made() -> None:
    """Reports of errors show it too, in the frame that refused its URL."""
    with pytest.raises(ConfigurationError, match="password") as caught:
        Compatible("ws://user:password@127.0.0.1")
    assert "<Compatible >" in shown_locals(caught.value)


@pytest.mark.parametrize("timeout", [0.8, LIMIT])  # less than its body is waited for, and more
def test_a_refusal_whose_body_does_not_end(make: Opener, timeout: float) -> None:
    """A 401 whose body never ends is a 401, with the part of the body that came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def refuse() -> None:
            connection, _ = listener.accept()
            taken.append(connection)
            connection.recv(65536)
            connection.sendall(b'HTTP/1.1 401 Unauthorized\r\n\r\n{"error":{"message":"who?"}}')

        thread = threading.Thread(target=refuse, name="peer")
        thread.start()
        port = listener.getsockname()[1]
        session = make(endpoint=Compatible(f"ws://127.0.0.1:{port}", api_key="sk-other"))
        with pytest.raises(AuthenticationError) as caught:
            session.open(timeout=timeout)
        thread.join(LIMIT)
        taken[0].close()
    assert caught.value.status == 401
    assert "who?" in caught.value.body


@pytest.mark.parametrize(
    "given", [{"headers": {"Authorization": f"Bearer {KEY}"}}, {"query": {"api-key": KEY}}]
)
def test_a_key_by_another_way_in_plain_text(given: dict[str, dict[str, str]]) -> None:
    """A key in a header or in the query does not cross the network in plain text either."""
    with pytest.raises(ConfigurationError, match="plain text") as caught:
        Compatible("ws://example.com", **given)
    assert KEY not in str(caught.value)
    Compatible("ws://example.com", allow_plain=True, **given)


def test_callbacks_that_had_their_time(bare: RealtimeSession, peer: Peer) -> None:
    """After close() has waited as long as it may, no further callback begins."""
    link = peer.link()
    begun: list[str] = []
    inside, go = threading.Event(), threading.Event()

    def slow(event: object) -> None:
        begun.append(repr(event))
        inside.set()
        go.wait(LIMIT)

    bare.on("brand.new", slow)
    for _ in range(5):
        link.say("brand.new")
    assert inside.wait(LIMIT)
    bare.close(timeout=0.3)
    go.set()
    for thread in threading.enumerate():
        if thread.name == "realtime-dispatcher":
            thread.join(LIMIT)
    assert len(begun) == 1
