"""What a session promises that other rooms have to keep."""

from __future__ import annotations

import os
import pathlib
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest
from pipe import Line

from realtime_sync import RealtimeSession, events
from realtime_sync.errors import RealtimeError, ResponseActive
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
CLEAR = {"type": "input_audio_buffer.clear"}


def test_request_with_an_id_in_use(session: RealtimeSession) -> None:
    """Of two requests with one event id both futures are settled, or the second is refused."""
    first = session.request({**CLEAR, "event_id": "mine"})
    try:
        second = session.request({**CLEAR, "event_id": "mine"})
    except (RealtimeError, ValueError):
        pass
    else:
        second.exception(timeout=LIMIT)
    first.exception(timeout=LIMIT)


def test_pickling_of_response_active(session: RealtimeSession, server: LocalServer) -> None:
    """ResponseActive pickles, though its response is running."""
    server.script.hold(after=1)
    session.response.create()
    with pytest.raises(ResponseActive) as caught:
        session.response.create(on_active="raise")
    assert "running" in str(pickle.loads(pickle.dumps(caught.value)))


def test_wire_tools_of_one_response(make: Opener, server: LocalServer) -> None:
    """Calls of tools that one response was given as wire dicts are only reported."""

    def ping() -> str:
        """Pings."""
        return "pong"

    wired = {"type": "function", "name": "wired", "parameters": {"type": "object"}}
    with make(tools=[ping]) as session:
        server.reply(server.call("wired"), "end")
        response = session.ask("go", tools=[wired])
        assert [call.name for call in response.function_calls] == ["wired"]


@pytest.mark.parametrize("kind", ["response.done", "response.created"])
def test_get_in_callbacks(
    kind: str, bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """A response is known in the callbacks of all its events, though several end in one read."""
    link = peer.link()
    texts: list[str] = []
    done = threading.Event()

    def heard(event: events.ResponseDone) -> None:
        texts.append(bare.response.get(event.response.id).text)

    bare.on(kind, heard)
    bare.on("input_audio_buffer.cleared", lambda _: done.set())
    create = {"response": {"conversation": "none"}}
    whole = []
    for n in range(3):
        response = link.response(create, f"r{n}")
        where = {"response_id": f"r{n}", "item_id": f"i{n}", "output_index": 0}
        delta = {"type": "response.output_text.delta", "content_index": 0, "delta": f"t{n}"}
        whole += [
            {"type": "response.created", "response": response},
            {**delta, **where},
            {"type": "response.done", "response": {**response, "status": "cancelled"}},
        ]
    link.say_all(*whole, {"type": "input_audio_buffer.cleared"})
    assert done.wait(LIMIT)
    assert texts == ["t0", "t1", "t2"]


def test_watchers_see_nothing_older(bare: RealtimeSession, peer: Peer) -> None:
    """expect and events see nothing that came before what a call has already waited for."""
    link = peer.link()
    stale = []
    for _ in range(20):
        one, two = bare.request(CLEAR), bare.request({"type": "session.update", "session": {}})
        ready = threading.Event()
        # its done-callback stands for any thread that is quick: it runs while others are settled
        streams: list[Any] = []
        two.add_done_callback(lambda _: ready.set())  # noqa: B023
        watching = threading.Thread(
            target=lambda: (one.result(LIMIT), streams.append(bare.events("input_audio_buffer.*")))  # noqa: B023
        )
        watching.start()
        more = [bare.request(CLEAR) for _ in range(300)]
        cleared = [{"type": "input_audio_buffer.cleared", "event_id": f"e{n}"} for n in range(301)]
        link.say_all(*cleared, {"type": "session.updated", "session": {}})
        assert ready.wait(LIMIT)
        watching.join(LIMIT)
        more[-1].result(LIMIT)
        with bare.expect("input_audio_buffer.speech_stopped") as pending:
            link.say("input_audio_buffer.speech_stopped")
        pending.result(timeout=LIMIT)
        streams[0].close()
        stale += [event for event in streams[0] if event.event_id == "e0"]
    bare.close(timeout=0.1)
    assert not stale


def test_nobody_hears_what_was_there_before_him(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who listens because of what has changed, however quickly, hears only what comes then."""
    session, pipe = line.open()
    heard: list[events.Event] = []
    watches: list[Any] = []
    state = session._connection._state
    received = state.received

    def quick(event: events.ServerEvent, at: float) -> None:
        received(event, at)
        if event.type == "input_audio_buffer.cleared":  # stands for a thread that looks just now
            session.on("*", heard.append)
            watches.append(session.events())

    monkeypatch.setattr(state, "received", quick)
    with session.expect("input_audio_buffer.cleared") as pending:
        pipe.say("input_audio_buffer.cleared")
    pending.result(timeout=LIMIT)
    session.close()
    (watch,) = watches
    for told in (heard, watch):
        assert [event.type for event in told] == ["connection.closed"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_session_in_a_forked_child(server: LocalServer) -> None:
    """In a forked child every call raises SessionClosed at once."""
    code = f"""
import os, time
from realtime_sync import RealtimeSession, Compatible
from realtime_sync.errors import SessionClosed
session = RealtimeSession(endpoint=Compatible({server.url!r}, api_key="k")).open()
pid = os.fork()
if pid == 0:
    status = 1
    try:
        session.ask("x", timeout=1)
    except SessionClosed:
        status = 0
    finally:
        os._exit(status)
status = os.waitpid(pid, 0)[1]
session.close()
raise SystemExit(bool(status))
"""
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60, check=False)
    assert done.returncode == 0
