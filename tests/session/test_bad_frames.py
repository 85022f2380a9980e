"""What breaks the framing ends the link with 1002, 1007 or 1009; whoever waits hears of it."""

from __future__ import annotations

import threading

import pytest

from realtime_sync import RealtimeSession, events
from realtime_sync.errors import ConnectionLost, SessionClosed
from realtime_sync.local import LocalServer

from .peers import Peer, frame

LIMIT = 15.0
TEXT = b'{"type": "x"}'

FAULTS = {
    "rsv": (frame(TEXT, first=0xC1), 1002),
    "masked": (frame(TEXT, masked=True), 1002),
    "reserved opcode": (frame(TEXT, first=0x83), 1002),
    "reserved control": (frame(b"", first=0x8B), 1002),
    "continuation without start": (frame(TEXT, first=0x80), 1002),
    "text inside a fragment": (frame(TEXT, first=0x01) + frame(TEXT), 1002),
    "long ping": (b"\x89\x7e\x00\x7e" + bytes(126), 1002),
    "fragmented ping": (frame(b"", first=0x09), 1002),
    "half a close code": (frame(b"\x03", first=0x88), 1002),
    "bad close code": (frame(b"\x03\xed", first=0x88), 1002),
    "bad close reason": (frame(b"\x03\xe8\xff", first=0x88), 1007),
    "oversized": (b"\x81\x7f" + (2**40).to_bytes(8, "big"), 1009),
    "absurd": (b"\x81\x7f" + b"\xff" * 8, 1009),
    "oversized in fragments": (
        frame(bytes(60_000), first=0x01) + frame(bytes(60_000), first=0x00),
        1009,
    ),
}


@pytest.mark.row("B19", "B20", "B21", bound="1002, 1007 or 1009")
@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str, peer: Peer) -> None:
    """A framing fault closes the link with its code, and the session is lost with that code."""
    data, code = FAULTS[name]
    session = RealtimeSession(endpoint=peer.endpoint, max_message_size=100_000, reconnect=None)
    with session:
        link = peer.link()
        pending = session.submit("x")
        stream = session.events("connection.*")
        link.hear("response.create")
        link.raw(data)
        error = pending.exception(LIMIT)
        assert isinstance(error, ConnectionLost)
        assert error.code == code
        lost = next(stream)
        assert isinstance(lost, events.ConnectionLost)
        assert (lost.error.code, lost.retrying) == (code, False)
        assert next(stream).error.code == code
        with pytest.raises(ConnectionLost):
            next(stream)
        assert session.state == "closed"
        with pytest.raises(SessionClosed) as caught:
            session.ask("x")
        assert isinstance(caught.value.__cause__, ConnectionLost)
        if name not in ("half a close code", "bad close code", "bad close reason"):
            with pytest.raises(Exception, match=str(code)):
                link.connection.recv(timeout=LIMIT)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, "bye"), (1001, "60 minutes"), (1011, "oops"), (4000, "beta")]
)
def test_closed_by_the_server(code: int, reason: str, bare: RealtimeSession, peer: Peer) -> None:
    """A close frame of the server's ends the session with its code and reason."""
    link = peer.link()
    pending = bare.submit("x")
    link.hear("response.create")
    link.connection.close(code, reason)
    error = pending.exception(LIMIT)
    assert isinstance(error, ConnectionLost)
    assert (error.code, error.reason) == (code, reason)
    assert reason in str(error)


@pytest.mark.parametrize("after", [0, 5, 40])
def test_cut(after: int, session: RealtimeSession, server: LocalServer) -> None:
    """A link that is cut, inside a message too, is ConnectionLost 1006 with what came."""
    server.script.cut(after_bytes=after * 50)
    with pytest.raises(ConnectionLost) as caught:
        session.ask("tell me a long story", timeout=LIMIT)
    assert caught.value.code == 1006
    if caught.value.response is not None:
        assert caught.value.response.status == "lost"
        with pytest.raises(ConnectionLost):
            caught.value.response.wait()


@pytest.mark.row("F16")
def test_mute(server: LocalServer) -> None:
    """A server that has gone mute is noticed by its silence."""
    # long enough for the question, or the link of a server that is only slow were lost before it
    session = RealtimeSession(endpoint=server.endpoint, ping_interval=0.5, reconnect=None)
    with session:
        server.script.mute()
        with pytest.raises(ConnectionLost, match="silent") as caught:
            session.ask("x", timeout=LIMIT)
        assert caught.value.code == 1006


def test_everybody_hears_of_a_loss(session: RealtimeSession, server: LocalServer) -> None:
    """A loss settles every kind of wait with ConnectionLost."""
    server.script.hold(after=2)
    response = session.response.create()
    next(response.text_deltas())
    calls = [
        lambda: session.ask("x"),
        lambda: session.response.create(),
        lambda: response.wait(),
        lambda: list(response),
        lambda: list(session.stream("x")),
        lambda: session.wait_for("never"),
        lambda: list(session.events("never")),
        lambda: session.submit("x").result(),
    ]
    caught: list[BaseException] = []
    ready = threading.Barrier(len(calls) + 1)

    def wait(call: object) -> None:
        ready.wait(LIMIT)
        try:
            call()  # type: ignore[operator]
        except BaseException as exc:
            caught.append(exc)

    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    ready.wait(LIMIT)
    while session._look(lambda s: len(s.sequencer.queue)) < 4 or len(session._watches._all) < 2:
        pass
    server.script.cut()
    session.send({"type": "input_audio_buffer.clear"})
    for thread in threads:
        thread.join(LIMIT)
    assert [type(exc) for exc in caught] == [ConnectionLost] * len(calls)
    assert len({id(exc) for exc in caught}) == len(calls)
