"""Faults of the network that the embedded server commits on demand, and what a session does."""

from __future__ import annotations

import time

import pytest
from measured import Measured
from pipe import LIMIT

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectError, ConnectionLost, QueueFull, RealtimeTimeout
from realtime_sync.local import LocalServer

from .conftest import Opener

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


@pytest.mark.row("F15", bound="1 s")
@pytest.mark.parametrize("after", [1, 4, 9])
def test_reset(after: int, make: Opener, server: LocalServer, measured: Measured) -> None:
    """A TCP reset in the middle of a turn is a lost link, at once; the next one goes on."""
    session = make(reconnect=AT_ONCE).open()
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        server.script.reset(after=after)
        begun = time.monotonic()
        answer = session.submit("tell me a long story")
        lost.result(timeout=1)
        measured(time.monotonic() - begun)
        back.result(timeout=LIMIT)
    error = answer.exception(LIMIT)
    assert error is None or isinstance(error, ConnectionLost)
    assert session.ask("hello").status == "completed"


@pytest.mark.row("F13")
def test_a_close_frame_without_a_code(make: Opener, server: LocalServer) -> None:
    """It is reported as 1005, and the link is made anew."""
    session = make(reconnect=AT_ONCE).open()
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        server.script.close(1005)
        session.send({"type": "input_audio_buffer.clear"})
        assert lost.result(timeout=LIMIT).error.code == 1005
        back.result(timeout=LIMIT)


@pytest.mark.row("F20", bound="0 s for the caller; events go on")
def test_a_server_that_does_not_read(
    make: Opener, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """append() is never held up, and says when there is no room; what the server says comes in."""
    monkeypatch.setattr("realtime_sync.runtime.outbox.QUEUE_BYTES", 1_000_000)
    server.script.delay = 0.3
    session = make(ping_interval=None).open()
    with session.expect("response.done") as done:
        server.script.deafen(after=2)
        session.submit("hello")
        longest, full = 0.0, False
        end = time.monotonic() + LIMIT
        while not full and time.monotonic() < end:
            begun = time.monotonic()
            try:
                session.input_audio_buffer.append(bytes(96_000))
            except QueueFull:
                full = True
            longest = max(longest, time.monotonic() - begun)
        assert full
        assert longest < 1  # one that waits for room would wait as long as this server is deaf
        done.result(timeout=LIMIT)


@pytest.mark.row("F16", "F20", bound="2 ping intervals")
def test_a_server_that_neither_reads_nor_speaks(
    make: Opener, server: LocalServer, measured: Measured
) -> None:
    """Whatever stands in our queue, its silence is noticed."""
    session = make(ping_interval=0.4, reconnect=AT_ONCE).open()
    with session.expect("connection.restored") as back, session.expect("connection.lost") as lost:
        begun = time.monotonic()
        server.script.deafen()
        server.script.mute()
        session.send({"type": "input_audio_buffer.clear"})
        for _ in range(50):
            session.input_audio_buffer.append(bytes(96_000))
        lost.result(timeout=LIMIT)
        measured((time.monotonic() - begun) / 0.4, "intervals")
        assert back.result(timeout=LIMIT).lost_audio_ms > 0


@pytest.mark.row("F23", bound="every event, in order")
def test_a_slow_network(make: Opener, server: LocalServer) -> None:
    """At 64 kB a second all of it comes, later."""
    session = make(ping_interval=0.5).open()
    server.script.rate = 64_000
    response = session.ask("tell me a story", timeout=LIMIT * 4)
    assert response.status == "completed"
    assert "".join(response.text_deltas()) == response.text


@pytest.mark.row("F24", bound="the same events")
def test_one_byte_at_a_time(make: Opener, server: LocalServer) -> None:
    """Handshake and events in single bytes are what they are in one piece."""
    whole = make().open().ask("count to 3").text
    server.script.slice = 1
    session = make().open(timeout=LIMIT * 2)
    assert session.ask("count to 3", timeout=LIMIT * 2).text == whole


@pytest.mark.row("F7", bound="the timeout of open()")
def test_a_dripping_handshake(make: Opener, server: LocalServer, measured: Measured) -> None:
    """A byte now and then does not keep open() beyond its time."""
    server.script.slice, server.script.rate = 1, 20
    begun = time.monotonic()
    with pytest.raises((RealtimeTimeout, ConnectError)):
        make().open(timeout=0.3)
    took = time.monotonic() - begun
    measured(took - 0.3, "s after the timeout")
    assert took < 0.3 + 2


@pytest.mark.row("F29", bound="events go on")
def test_a_flood_of_pings(make: Opener, server: LocalServer) -> None:
    """Ten thousand pings in the middle of a response harm nothing."""
    session = make().open()
    server.script.ping(times=10_000, after=5)
    assert session.ask("count to 3", timeout=LIMIT * 2).status == "completed"


@pytest.mark.row("B19", "B21", bound="1002 or 1009; made anew")
@pytest.mark.parametrize(
    ("data", "code"), [(b"\xc1\x00", 1002), (b"\x81\x7f" + b"\x7f" * 8, 1009)], ids=["bits", "huge"]
)
def test_garbage(data: bytes, code: int, make: Opener, server: LocalServer) -> None:
    """Bytes that are no frame end the link, and the session goes on over another."""
    session = make(reconnect=AT_ONCE).open()
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        server.script.raw(data)
        session.send({"type": "input_audio_buffer.clear"})
        assert lost.result(timeout=LIMIT).error.code == code
        back.result(timeout=LIMIT)
    assert session.ask("hello").status == "completed"


@pytest.mark.row("F31", bound="as many attempts as there are delays")
def test_flapping(server: LocalServer) -> None:
    """A server that greets and hangs up is given up once the delays are used up."""
    policy = ReconnectPolicy(delays=(0.01,) * 6)
    session = RealtimeSession(endpoint=server.endpoint, reconnect=policy).open()
    with session, session.expect("connection.closed") as closed:
        for _ in range(8):
            server.script.cut(after=1)
        session.send({"type": "input_audio_buffer.clear"})
        assert isinstance(closed.result(timeout=LIMIT).error, ConnectionLost)
