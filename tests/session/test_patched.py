"""Processes that others run: an asyncio loop around a blocking call, gevent instead of threads."""

from __future__ import annotations

import asyncio
import logging

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer
from realtime_sync.runtime import clock

from .test_faults import run


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the library has warned of; asyncio's own mode for development warns of slow steps."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and record.name.startswith("realtime_sync")
    ]


@pytest.mark.row("C16", bound="one WARNING a process")
def test_inside_an_asyncio_loop(
    server: LocalServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blocking call works on the thread of a running loop, and warns once that it blocks it."""
    monkeypatch.setattr(clock, "_warned", False)

    async def main() -> list[str]:
        session = RealtimeSession(endpoint=server.endpoint, output_modalities=["text"])
        with session:
            direct = [session.ask("hello").status for _ in range(2)]
            future = asyncio.wrap_future(session.submit("again"))
            return [*direct, (await future).status]

    assert asyncio.run(main()) == ["completed"] * 3
    (told,) = warnings(caplog)
    assert "asyncio" in told


def test_what_does_not_block_a_loop(
    server: LocalServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Futures that are awaited, and calls beside the loop's thread, are not warned of."""
    monkeypatch.setattr(clock, "_warned", False)

    async def main(session: RealtimeSession) -> list[str]:
        asked = asyncio.to_thread(session.ask, "hello")
        future = asyncio.wrap_future(session.submit("again"))
        return [(await asked).status, (await future).status]

    with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
        assert asyncio.run(main(session)) == ["completed"] * 2
    assert warnings(caplog) == []


GEVENT = """
from gevent import monkey, spawn, joinall
{before}
import threading
from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectionLost
from realtime_sync.local import LocalServer
{after}
def look(city: str) -> str:
    "Looks."
    return city
policy = ReconnectPolicy(delays=(0, 0, 0))
with LocalServer(speed=None, voice="tones") as server:
    server.reply(server.call("look", city="Oslo"), "Cold.")
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], tools=[look], reconnect=policy
    ) as session:
        seen = []
        session.on("connection.*", lambda event: seen.append(event.type))
        assert session.ask("how warm?").text == "Cold."
        asking = [spawn(session.ask, f"parrot {{n}}") for n in range(5)]
        joinall(asking, timeout=10)
        for n, one in enumerate(asking):
            assert f'"parrot {{n}}"' in one.value.text
        def tick():
            for _ in range(4):
                threading.Event().wait(0.01)
            session.send({{"type": "input_audio_buffer.clear"}})
        with session.expect("input_audio_buffer.cleared") as cleared:
            ticking = spawn(tick)
            cleared.result(timeout=10)  # others run while one waits
        ticking.join()
        server.script.cut(after=4)
        try:
            session.ask("hello")
        except ConnectionLost:
            pass
        assert session.ask("hello").status == "completed"
    assert seen == ["connection.lost", "connection.restored", "connection.closed"], seen
assert [t.name for t in threading.enumerate() if "realtime" in t.name] == []
"""


@pytest.mark.row("C17", bound="5 greenlets at once, a reconnect, nothing left")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_gevent_has_patched(when: str) -> None:
    """Sessions, tools and reconnects work, patched before the import or after; others run on."""
    pytest.importorskip("gevent", reason="needs gevent: pip install gevent")
    patch = {"before": "", "after": "", when: "monkey.patch_all()"}
    run(GEVENT.format(**patch))
