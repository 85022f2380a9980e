"""`rounds`: a turn's items, each as soon as it is complete."""

from __future__ import annotations

import threading

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import ConnectionLost, RealtimeTimeout, ResponseFailed, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def ping() -> str:
    """Pings."""
    return "pong"


def test_every_item(make: Opener, server: LocalServer) -> None:
    """Messages, calls and outputs come in order, over all responses of the turn."""
    with make(tools=[ping]) as session:
        server.reply(["one", server.call("ping"), server.call("ping")], "two")
        rounds = session.rounds("go")
        found = list(rounds)
        assert [item.type for item in found] == [
            "message",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
            "message",
        ]
        assert [item.text for item in found if item.type == "message"] == ["one", "two"]
        assert [item.output for item in found[3:5]] == ["pong", "pong"]
        assert [item.call_id for item in found[1:3]] == [item.call_id for item in found[3:5]]
        assert rounds.response.text == "two"
        with pytest.raises(StopIteration):
            next(rounds)
        ids = [item.id for item in session.conversation.items[1:]]
        assert [item.id for item in found] == ids


def test_as_soon_as_complete(make: Opener, server: LocalServer) -> None:
    """An output comes while the response that follows has not even begun."""
    go = threading.Event()

    def wait() -> str:
        """Waits."""
        go.wait(LIMIT)
        return "waited"

    with make(tools=[wait]) as session:
        server.reply(["first", server.call("wait")], STORY)
        rounds = session.rounds("go")
        assert next(rounds).text == "first"
        assert next(rounds).name == "wait"
        server.script.hold(after=0)
        go.set()
        assert next(rounds).output == "waited"
        server.script.release()
        assert next(rounds).text == STORY
        assert list(rounds) == []


def test_audio_of_items(make: Opener, server: LocalServer) -> None:
    """A message has the audio that was received for it."""
    with make(output_modalities=["audio"]) as session:
        server.reply([b"\1\0" * 4800, b"\2\0" * 2400])
        items = list(session.rounds("go"))
        assert b"".join(item.audio for item in items) == b"\1\0" * 4800 + b"\2\0" * 2400


def test_a_server_that_ends_no_item(bare: RealtimeSession, peer: Peer) -> None:
    """Items that only response.done shows come with it."""
    link = peer.link()
    rounds = bare.rounds(timeout=LIMIT)
    create = link.hear("response.create")
    link.say("response.created", response=link.response(create, "r1"))
    part = {"type": "output_text", "text": "late"}
    item = {"id": "i1", "type": "message", "role": "assistant", "content": [part]}
    done = {**link.response(create, "r1"), "status": "completed", "output": [item]}
    link.say("response.done", response=done)
    assert [item.text for item in rounds] == ["late"]


def test_failed(make: Opener, server: LocalServer) -> None:
    """A failed response raises after the last item, in any round."""
    with make(tools=[ping]) as session:
        server.reply(["half", server.call("ping")], RuntimeError("boom"))
        found = []
        with pytest.raises(ResponseFailed) as caught:  # noqa: PT012  # after its last value
            for item in session.rounds("go"):
                found.append(item.type)
        assert found == ["message", "function_call", "function_call_output"]
        assert caught.value.response.status == "failed"


def test_lost(bare: RealtimeSession, peer: Peer) -> None:
    """A lost link raises after the last item."""
    link = peer.link()
    rounds = bare.rounds(timeout=LIMIT)
    link.say("response.created", response=link.response(link.hear("response.create"), "r1"))
    item = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    link.say("response.output_item.done", response_id="r1", output_index=0, item=item)
    assert next(rounds).id == "i1"
    link.over.set()
    with pytest.raises(ConnectionLost):
        next(rounds)


def test_refused(session: RealtimeSession) -> None:
    """What the server refuses raises at the first value."""
    with pytest.raises(ServerError):
        next(session.rounds("x", output_modalities=["video"]))


def test_timeout_and_on(session: RealtimeSession, server: LocalServer) -> None:
    """The timeout counts for each value; afterwards the iterator goes on."""
    server.script.hold(after=1)
    server.reply(STORY)
    rounds = session.rounds("x", timeout=0.02)
    with pytest.raises(RealtimeTimeout):
        next(rounds)
    server.script.release()
    rounds._timeout = LIMIT
    assert next(rounds).text == STORY


def test_close_gives_the_turn_up(session: RealtimeSession, server: LocalServer) -> None:
    """The end of the block cancels what runs; a turn that nobody reads runs to its end."""
    server.script.hold(after=1)
    server.reply(STORY)
    created = session.expect("response.created")
    with session.expect("response.done") as pending, session.rounds("x") as rounds:
        created.result(timeout=LIMIT)
        assert repr(rounds) == "<Rounds running>"
    assert pending.result(timeout=LIMIT).response.status == "cancelled"
    assert [item.status for item in rounds] == ["incomplete"]  # what had come can be read
    server.script.release()
    with session.expect("turn.ended") as over:
        session.rounds("hello")
    assert over.result(timeout=LIMIT).status == "completed"


def test_turns_are_told(make: Opener, server: LocalServer) -> None:
    """Each turn has one turn.started and one turn.ended, whoever began it."""
    with make(tools=[ping]) as session, session.events("turn.*", "response.done") as told:
        server.reply(server.call("ping"), "done")
        last = session.ask("go")
        kinds = [next(told) for _ in range(4)]
        assert [event.type for event in kinds] == [
            "turn.started",
            "response.done",
            "response.done",
            "turn.ended",
        ]
        started, ended = kinds[0], kinds[3]
        assert ended.response_ids == (started.response_id, last.id)
        assert (ended.status, ended.rounds, ended.error) == ("completed", 1, None)
        response = session.response.create().wait()
        assert [next(told).type for _ in range(3)] == [
            "turn.started",
            "response.done",
            "turn.ended",
        ]
        server.reply(RuntimeError("boom"))
        session.response.create().wait()
        failed = [next(told) for _ in range(3)][-1]
        assert failed.status == "failed"
        assert isinstance(failed.error, ResponseFailed)
        assert failed.error.response is None
        assert response.id not in failed.response_ids
        session.response.create(conversation="none").wait()
        assert next(told).type == "response.done"  # out of band: no turn


def test_a_turn_given_up_ends(make: Opener, server: LocalServer) -> None:
    """A turn given up while its tool runs is told to have ended, without waiting for the tool."""
    go, inside = threading.Event(), threading.Event()

    def wait() -> str:
        """Waits."""
        inside.set()
        go.wait(LIMIT)
        return "waited"

    with make(tools=[wait]) as session:
        server.reply(server.call("wait"))
        rounds = session.rounds("go")
        with session.expect("turn.ended") as pending:
            assert next(rounds).name == "wait"
            assert inside.wait(LIMIT)
            rounds.close()
            assert pending.result(timeout=LIMIT).rounds == 1
        go.set()
