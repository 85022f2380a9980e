"""Sessions that nobody holds any more."""

from __future__ import annotations

import gc
import os
import pathlib
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from measured import Measured
from pipe import LIMIT

import realtime_sync
from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import monotonic

from .conftest import Opener


def opened(server: LocalServer) -> RealtimeSession:
    return RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], turn_detection=None
    ).open()


def ours() -> list[threading.Thread]:
    names = ("realtime-io", "realtime-dispatcher", "realtime-connect")
    return [t for t in threading.enumerate() if t.name in names]


def wait_for_ours() -> None:
    for thread in ours():
        thread.join(LIMIT)
    assert ours() == []


def collect(*refs: weakref.ref[RealtimeSession], warned: Callable[[], bool] = lambda: True) -> None:
    """Returns once they are collected: a thread may have been at work for one until just now."""
    end = monotonic() + LIMIT
    while any(ref() is not None for ref in refs) or not warned():
        assert monotonic() < end
        gc.collect()


@contextmanager
def forgotten(*gone: weakref.ref[RealtimeSession]) -> Iterator[None]:
    """Let go of them within: each is collected then, and said not to have been closed.

    Any thread may collect one, and it warns once the session is gone.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
        collect(*gone, warned=lambda: len(said) >= len(gone))
    assert [warning.category for warning in said] == [ResourceWarning] * len(gone)
    assert all("not closed" in str(warning.message) for warning in said)


def busy(session: RealtimeSession) -> None:
    session.on("*", lambda _: session)  # a cycle
    session.ask("hello")


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="no /proc here")
@pytest.mark.row("F43", bound="threads and descriptors gone 2 s after it is collected")
@pytest.mark.parametrize("way", [lambda _: None, busy], ids=["idle", "busy"])
def test_it_is_closed(
    way: Callable[[RealtimeSession], None], server: LocalServer, measured: Measured
) -> None:
    """Threads and descriptors go with it; ResourceWarning says that somebody forgot."""
    opened(server).close()  # what is made once a process is made
    descriptors = len(os.listdir("/proc/self/fd"))
    session = opened(server)
    way(session)
    gone = weakref.ref(session)
    with forgotten(gone):
        del session
    begun = monotonic()
    wait_for_ours()
    took = monotonic() - begun
    measured(took)
    assert took < 2
    end = monotonic() + LIMIT
    while len(os.listdir("/proc/self/fd")) > descriptors:  # the embedded server's own end of it
        assert monotonic() < end
    assert realtime_sync.sessions() == ()


def test_many(server: LocalServer) -> None:
    """Fifty forgotten ones leave no more than one."""
    sessions = [opened(server) for _ in range(50)]
    with forgotten(*map(weakref.ref, sessions)):
        sessions.clear()
    wait_for_ours()


def test_while_it_is_made_anew(server: LocalServer) -> None:
    """A session in a back-off is forgotten like any other."""
    session = RealtimeSession(
        endpoint=server.endpoint, reconnect=realtime_sync.ReconnectPolicy(delays=(1000,))
    ).open()
    with session.expect("connection.lost") as pending:
        server.script.cut()
        session.send({"type": "session.update", "session": {"type": "realtime"}})
        pending.result(timeout=LIMIT)
    gone = weakref.ref(session)
    with forgotten(gone):
        del session, pending
    wait_for_ours()


def test_who_waits_keeps_it(server: LocalServer) -> None:
    """An iterator, a future or a running response is enough for the session to live on."""
    events = opened(server).events("response.done")
    gc.collect()
    session = events._watches.owner
    assert isinstance(session, RealtimeSession)
    answer = session.submit("hello")
    del session
    gc.collect()
    assert next(events).response.status == "completed"
    answer.result(LIMIT)
    server.script.hold(after=1)
    response = events._watches.owner.response.create()  # type: ignore[attr-defined]
    del events, answer
    gc.collect()
    (session,) = realtime_sync.sessions()
    gone = weakref.ref(session)
    with forgotten(gone):
        del response, session
    wait_for_ours()


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu"])
def test_a_response_that_is_over(server: LocalServer, kind: str) -> None:
    """Who keeps an answer (a notebook keeps all of them) does not keep the session with it."""
    session = RealtimeSession(endpoint=server.endpoint, output_format=kind).open()
    asked, created = session.ask("Count to 3"), session.response.create()
    assert created.wait(timeout=LIMIT) is created
    gone = weakref.ref(session)
    with forgotten(gone):
        del session
    wait_for_ours()
    for one in (asked, created):
        assert one.done
        one.cancel()
        assert one.wait() is one
        assert b"".join(one.audio_chunks()) == one.audio != b""
        assert one._audio_format() == kind
        assert list(one)[-1].type == "response.done"


def test_one_that_was_closed(server: LocalServer) -> None:
    """There is nothing to say about a session that was closed, or never opened."""
    session = opened(server)
    session.close()
    gone = [weakref.ref(session), weakref.ref(RealtimeSession(api_key="k"))]
    del session
    collect(*gone)


def test_sessions(make: Opener) -> None:
    """`sessions()` has those that are open, and no others."""
    first, second = make(), make().open()
    assert realtime_sync.sessions() == (second,)
    with first:
        assert set(realtime_sync.sessions()) == {first, second}
    assert realtime_sync.sessions() == (second,)
