"""A network that is slow, dark or gone, between a session and the embedded server."""

from __future__ import annotations

import base64
import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from measured import Measured
from pipe import LIMIT

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import RealtimeTimeout
from realtime_sync.local import LocalServer
from realtime_sync.voice.input import Input

from .conftest import Opener
from .proxy import Proxy

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


@pytest.fixture
def proxy(server: LocalServer) -> Iterator[Proxy]:
    with Proxy(int(server.url.split(":")[2].split("/")[0])) as made:
        yield made


@pytest.mark.row("F16", bound="2 ping intervals; 20 s by default")
@pytest.mark.parametrize("dark", [("up",), ("down",), ("up", "down")], ids="+".join)
def test_a_black_hole(
    dark: tuple[str, ...], make: Opener, proxy: Proxy, measured: Measured
) -> None:
    """What swallows all we say, all we hear, or both, without an end of the stream, is noticed."""
    interval = 0.5
    soon = ReconnectPolicy(delays=(0.3, 0.3), jitter=0)  # when the hole is gone
    session = make(endpoint=proxy.endpoint, ping_interval=interval, reconnect=soon).open()
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        for way in dark:
            getattr(proxy, way).dark = True
        begun = time.monotonic()
        assert "silent" in str(lost.result(timeout=LIMIT).error)
        took = time.monotonic() - begun
        proxy.up.dark = proxy.down.dark = False
        back.result(timeout=LIMIT)
    measured(took / interval, "intervals")
    assert took < 2 * interval + 0.5  # half a second for a slow machine
    default = inspect.signature(RealtimeSession).parameters["ping_interval"].default
    assert default * 2 <= 20


@pytest.mark.row("F14", "F15", bound="1 s")
@pytest.mark.parametrize("end", [Proxy.reset, Proxy.end], ids=["reset", "end"])
@pytest.mark.parametrize("what", ["idle", "sending", "receiving"])
def test_an_end(
    end: Callable[[Proxy], None],
    what: str,
    make: Opener,
    proxy: Proxy,
    server: LocalServer,
    measured: Measured,
) -> None:
    """Reset or ended without a word, it is noticed at once, and made anew; no event is cut."""
    session = make(endpoint=proxy.endpoint, ping_interval=None, reconnect=AT_ONCE).open()
    seen: list[str] = []
    session.on("*", lambda event: seen.append(event.type))
    if what == "receiving":
        server.script.hold(after=3)
        with session.expect("response.output_text.delta") as delta:
            session.submit("tell me a long story")
            delta.result(timeout=LIMIT)
    over = threading.Event()

    def speak() -> None:
        while not over.wait(0.01):
            session.input_audio_buffer.append(bytes(960))

    speaker = threading.Thread(target=speak)
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        if what == "sending":
            speaker.start()
        begun = time.monotonic()
        end(proxy)
        error = lost.result(timeout=LIMIT).error
        took = time.monotonic() - begun
        back.result(timeout=LIMIT)
        over.set()
    if what == "sending":
        speaker.join(LIMIT)
    measured(took)
    assert took < 1
    assert error.code == 1006
    assert "unparsable" not in seen
    assert session.ask("hello").status == "completed"


@pytest.mark.row("F14", bound="0 events")
@pytest.mark.parametrize("fragmented", [False, True], ids=["frame", "fragments"])
def test_half_a_message(fragmented: bool, make: Opener, server: LocalServer) -> None:
    """A message that the link ends in the middle of is never seen; the next link goes on."""
    session = make(reconnect=AT_ONCE).open()
    seen: list[str] = []
    session.on("*", lambda event: seen.append(event.type))
    whole = b'{"type": "test.half", "text": "' + b"x" * 100 + b'"}'
    half = b"\x01\x32" + whole[:50] if fragmented else b"\x81\x7e\x00\xff" + whole
    with session.expect("connection.lost") as lost, session.expect("connection.restored") as back:
        server.script.raw(half)
        server.script.cut()
        session.send({"type": "input_audio_buffer.clear"})
        assert "inside a message" in str(lost.result(timeout=LIMIT).error)
        back.result(timeout=LIMIT)
    assert session.ask("hello").status == "completed"
    assert not {"test.half", "unparsable"} & set(seen)


@pytest.mark.row("F22", bound="no false alarm")
def test_latency_and_jitter(make: Opener, proxy: Proxy, measured: Measured) -> None:
    """500 ms each way, 200 more or less: answers come later, and nobody is taken for dead."""
    # a pong is under way for 1.4 s at most; the rest is for a machine that stands still
    session = make(endpoint=proxy.endpoint, ping_interval=2).open(timeout=LIMIT)
    for way in (proxy.up, proxy.down):
        way.delay, way.jitter = 0.5, 0.2
    lost: list[Any] = []
    session.on("connection.lost", lost.append)
    begun = time.monotonic()
    assert session.ask("hello", timeout=LIMIT).status == "completed"
    took = time.monotonic() - begun
    measured(took)
    assert took > 0.6
    with pytest.raises(RealtimeTimeout):
        session.wait_for("never", timeout=4.5)  # a ping after 2 s, of which no pong is told by 4
    assert lost == []
    assert session.state == "open"


@pytest.mark.usefixtures("uncollected")  # the collector's time is not that of a frame
@pytest.mark.row("F20", "F23", bound="the oldest go, counted; 0 s for the caller; order kept")
def test_a_microphone_on_a_narrow_line(
    make: Opener,
    proxy: Proxy,
    server: LocalServer,
    measured: Measured,
) -> None:
    """At 32 kB a second its newest sound goes out, its oldest is dropped and counted, and the
    session is still answered."""
    session = make(endpoint=proxy.endpoint, ping_interval=None).open()
    link: Any = session._connection._link
    link._wire._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    proxy.up.rate = proxy.down.rate = 32_000
    longest, input = 0.0, Input(session)
    frames = [number.to_bytes(2, "little") * 480 for number in range(3000)]  # a minute
    for frame in frames:
        begun = time.thread_time()
        input.send(frame)
        longest = max(longest, time.thread_time() - begun)
    proxy.up.rate = None
    assert session.ask("hello", timeout=LIMIT).status == "completed"
    session.input_audio_buffer.clear(timeout=LIMIT)
    heard = b"".join(
        base64.b64decode(e["audio"]) for e in server.received if e["type"].endswith(".append")
    )
    numbers = [int.from_bytes(heard[at : at + 2], "little") for at in range(0, len(heard), 960)]
    measured(longest)
    measured(input.dropped_ms / 1000, "s of 60 dropped")
    assert numbers == sorted(set(numbers))
    assert numbers[-200:] == list(range(2800, 3000))  # the newest four seconds are whole
    assert input.dropped_ms == (3000 - len(numbers)) * 20 > 5_000
    assert longest < 0.1
