from __future__ import annotations

import threading

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import (
    RealtimeTimeout,
    SessionClosed,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def kinds(server: LocalServer) -> list[str]:
    """What was sent since the session was set up."""
    return [e["type"].removeprefix("conversation.") for e in server.received][1:]


# --- giving up


def test_queued_turn_is_withdrawn(session: RealtimeSession, server: LocalServer) -> None:
    """A turn whose time runs out in the queue leaves no trace."""
    server.script.hold(after=1)
    server.reply(STORY)
    running = session.response.create()
    with pytest.raises(RealtimeTimeout):
        session.ask("never", timeout=0.02)
    stream = session.stream("never", timeout=0.01)
    with pytest.raises(RealtimeTimeout):
        next(stream)
    stream.close()
    assert list(stream) == []
    server.script.release()
    running.wait()
    assert session.ask("hello").status == "completed"
    assert "never" not in [item.text for item in session.conversation.items]


def test_running_turn_is_cancelled(session: RealtimeSession, server: LocalServer) -> None:
    """When ask's time runs out, the running response is cancelled and its deltas go to nobody."""
    server.script.hold(after=3)
    server.reply(STORY)
    with session.expect("response.done") as pending, pytest.raises(RealtimeTimeout):
        session.ask("x", timeout=0.05)
    done = pending.result(timeout=LIMIT)
    assert done.response.status == "cancelled"
    assert session.ask("hello").status == "completed"


def test_late_response_is_cancelled(bare: RealtimeSession, peer: Peer) -> None:
    """A response that the server creates too late is cancelled; nobody hears its deltas."""
    link = peer.link()
    heard: list[str] = []
    bare.on("response.*", lambda e: heard.append(e.type))
    for call in (
        lambda: bare.ask("x", timeout=0.02),
        lambda: bare.response.create(timeout=0.02),
        lambda: bare.response.create(timeout=0.02, conversation="none"),
    ):
        with pytest.raises(RealtimeTimeout):
            call()
        create = link.hear("response.create")
        with bare.expect("response.done") as pending:
            link.say("response.created", response=link.response(create, create["event_id"]))
            cancel = link.hear("response.cancel")
            assert cancel["response_id"] == create["event_id"]
            where = {"response_id": cancel["response_id"], "item_id": "i"}
            link.say("response.output_text.delta", **where, delta="late")
            response = {**link.response(create, create["event_id"]), "status": "cancelled"}
            link.say("response.done", response=response)
        pending.result(timeout=LIMIT)
    assert "response.output_text.delta" not in heard


def test_no_further_response_after_giving_up(make: Opener, server: LocalServer) -> None:
    """A turn given up while its tool runs creates no further response; the output is kept."""
    started, release = threading.Event(), threading.Event()

    def slow() -> str:
        """Waits."""
        started.set()
        release.wait(LIMIT)
        return "late"

    with make(tools=[slow]) as session:
        server.reply(server.call("slow"))
        stream = session.stream("go")
        assert started.wait(LIMIT)
        stream.close()
        assert list(stream) == []
        with session.expect("conversation.item.added", lambda e: e.item.output) as pending:
            release.set()
        assert pending.result(timeout=LIMIT).item.output == "late"
        session.input_audio_buffer.clear()
        assert kinds(server).count("response.create") == 1
        assert session.ask("hello").status == "completed"


def test_end_of_with_gives_up(session: RealtimeSession, server: LocalServer) -> None:
    """The end of `with` on a stream gives the turn up; on one that has ended it does nothing."""
    server.script.hold(after=3)
    server.reply(STORY)
    with session.stream("x") as stream:
        next(stream)
    assert stream.response.wait().status == "cancelled"
    with session.stream("hello") as stream:
        list(stream)
    assert stream.response.status == "completed"


def test_stream_timeout_goes_on(session: RealtimeSession, server: LocalServer) -> None:
    """After a timeout a stream can be continued."""
    server.script.hold(after=1)
    server.reply("one two three")
    stream = session.stream("x", timeout=LIMIT)
    pieces = [next(stream)]
    stream._timeout = 0.02
    with pytest.raises(RealtimeTimeout):
        next(stream)
    server.script.release()
    stream._timeout = LIMIT
    pieces += list(stream)
    assert "".join(pieces) == "one two three"


def test_unread_stream_runs_by_itself(session: RealtimeSession, server: LocalServer) -> None:
    """A turn starts at the call, not at the first next, and runs on, consumed or not."""
    with session.expect("response.done") as pending:
        session.stream("hello")
    assert pending.result(timeout=LIMIT).response.status == "completed"


def test_closed_while_asking(session: RealtimeSession, server: LocalServer) -> None:
    """close() ends a pending turn with SessionClosed; .response of a stream has what came."""
    server.script.hold(after=2)
    server.reply(STORY)
    running = session.stream("x")
    first = next(running)
    queued = session.submit("y")
    session.close()
    assert isinstance(queued.exception(LIMIT), SessionClosed)
    with pytest.raises(SessionClosed):
        list(running)
    assert running.response.text.startswith(first)
    assert running.response.status == "lost"


# --- inside callbacks and tools


def test_nested_ask(make: Opener, server: LocalServer) -> None:
    """A turn begun inside a tool does not wait for the turn that runs the tool, tools included."""

    def inner() -> str:
        """Pings."""
        return "pong"

    def outer() -> str:
        """Asks."""
        return session.ask("in between").text

    with make(tools=[outer, inner]) as session:
        server.reply(server.call("outer"), server.call("inner"), "nested", "final")
        assert session.ask("go", timeout=LIMIT).text == "final"
        outputs = [item.output for item in session.conversation.items if item.output]
        assert outputs == ["pong", "nested"]


def test_nested_deeper(make: Opener, server: LocalServer) -> None:
    """A tool's turn may call the same tool again, whose turn does too."""
    depth: list[int] = []

    def again() -> str:
        """Asks again."""
        depth.append(len(depth))
        return session.ask("deeper").text

    with make(tools=[again]) as session:
        server.reply(*[server.call("again")] * 3, "bottom", "a", "b", "top")
        assert session.ask("go", timeout=LIMIT).text == "top"
        assert depth == [0, 1, 2]


def test_nested_response(make: Opener, server: LocalServer) -> None:
    """response.create, stream and submit work inside a tool too."""

    def outer() -> str:
        """Does all of it."""
        texts = [session.response.create().wait(timeout=LIMIT).text]
        texts.append("".join(session.stream("x")))
        texts.append(session.submit("y").result(LIMIT).text)
        texts.append(session.response.create(conversation="none").wait(timeout=LIMIT).text)
        return "|".join(texts)

    with make(tools=[outer]) as session:
        server.reply(server.call("outer"), "1", "2", "3", "4", "final")
        assert session.ask("go", timeout=LIMIT).text == "final"
        outputs = [item.output for item in session.conversation.items if item.output]
        assert outputs == ["1|2|3|4"]
