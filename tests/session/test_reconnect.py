"""A lost link is made anew: what goes on by itself, what is lost, and when it ends."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from pipe import LIMIT, Line, Pipe, Task, arrived, gate, greeted, settled

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy
from realtime_sync.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    RateLimited,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
)
from realtime_sync.runtime.relink import Relink

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


def opened(line: Line, **arguments: Any) -> tuple[RealtimeSession, Pipe]:
    """A session that makes lost links anew at once, and its first link."""
    return line.open(**{"reconnect": AT_ONCE, **arguments})


def again(line: Line, session: RealtimeSession, pipe: Pipe) -> Pipe:
    """Cuts the link; the next one, on which the session is to be restored."""
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    pipe.cut()
    return fresh


def restored(session: RealtimeSession, line: Line, pipe: Pipe) -> Pipe:
    """The next link, once nothing had to be told to it and the session is open on it."""
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        pending.result(timeout=LIMIT)
    return fresh


def test_an_idle_session_comes_back(line: Line) -> None:
    """A lost link is announced, made anew, and announced; handlers and watchers live on."""
    session, pipe = opened(line)
    seen: list[Any] = []
    session.on("connection.*", seen.append)
    fresh = restored(session, line, pipe)
    settled(session, fresh)
    lost, back = seen
    assert (lost.type, lost.retrying, lost.error.code) == ("connection.lost", True, 1006)
    assert (back.replayed, back.skipped, back.lost_audio_ms) == ((), (), 0)
    assert session.state == "open"
    assert session.id == "sess_2"
    assert fresh.types == []
    assert pipe.closed


def test_the_new_session_hears_configuration_and_conversation(line: Line) -> None:
    """First the configuration with every confirmed update, then the items, ids kept."""
    session, pipe = opened_configured(line)
    updating = Task(session.update, turn_detection=None, instructions="Be kind.")
    pipe.confirm(pipe.expect("session.update"))
    updating.result()
    for item_id, text in (("a", "one"), ("b", "two")):
        creating = Task(session.conversation.create, {**message(text), "id": item_id})
        pipe.confirm(pipe.expect("conversation.item.create"))
        creating.result()
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        update = fresh.expect("session.update")["session"]
        first = fresh.expect("conversation.item.create")
        second = fresh.expect("conversation.item.create")
        assert session.state == "reconnecting"
        for event in (first, second):
            fresh.confirm(event)
        fresh.confirm({"type": "session.update", "session": update})
        assert pending.result(timeout=LIMIT).replayed == ("a", "b")
    assert update["instructions"] == "Be kind."
    assert update["audio"] == {"input": {"turn_detection": None}, "output": {"voice": "cedar"}}
    assert [first["item"]["id"], second["item"]["id"]] == ["a", "b"]
    assert "previous_item_id" not in first
    assert [item.id for item in session.conversation.items] == ["a", "b"]
    assert session.state == "open"


def opened_configured(line: Line) -> tuple[RealtimeSession, Pipe]:
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="Be brief.", voice="cedar", reconnect=AT_ONCE)
    opening = Task(session.open)
    pipe.confirm(pipe.expect("session.update"))
    opening.result()
    return session, pipe


def message(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }


def say_response_item(pipe: Pipe, response_id: str, text: str) -> str:
    """Says an assistant item with some text, unfinished; its id."""
    item = {"id": f"item_of_{response_id}", "type": "message", "role": "assistant", "content": []}
    pipe.say(
        {
            "type": "response.output_item.added",
            "response_id": response_id,
            "output_index": 0,
            "item": {**item, "status": "in_progress"},
        },
        {"type": "conversation.item.added", "item": {**item, "status": "in_progress"}},
    )
    pipe.delta(response_id, text)
    return str(item["id"])


@pytest.mark.row("F30")
def test_a_response_that_had_begun_is_lost(line: Line) -> None:
    """Its turn gets ConnectionLost with the part that came; it is not asked for again."""
    session, pipe = opened(line)
    asking = Task(session.ask, "hello")
    item = pipe.expect("conversation.item.create")
    pipe.confirm(item)
    pipe.begin(pipe.expect("response.create"), "r1")
    said = say_response_item(pipe, "r1", "Half an")
    arrived(session, pipe)
    handle = session.response.active
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        with pytest.raises(ConnectionLost) as caught:
            asking.result()
        user, half = (fresh.expect("conversation.item.create") for _ in range(2))
        fresh.confirm(user)
        fresh.say(
            {"type": "conversation.item.added", "item": {**half["item"], "status": "completed"}},
            {"type": "conversation.item.done", "item": {**half["item"], "status": "completed"}},
        )
        pending.result(timeout=LIMIT)
    assert handle is not None
    assert caught.value.response is handle
    assert (handle.status, handle.text, handle.done) == ("lost", "Half an", True)
    assert half["item"]["content"] == [{"type": "output_text", "text": "Half an"}]
    assert half["item"]["id"] == said
    arrived(session, fresh)
    kept = session.conversation.items[-1]
    assert (kept.id, kept.status, kept.text) == (said, "incomplete", "Half an")
    assert fresh.no_more()
    with pytest.raises(ConnectionLost):
        handle.wait(timeout=0)
    with pytest.raises(ConnectionLost):
        list(handle.text_deltas())


def test_servers_that_count_from_one_in_each_session(line: Line) -> None:
    """A response may have the id of one that a session before has made; so may what was deleted."""
    session, pipe = opened(line)
    for _ in range(2):
        asking = Task(session.ask, "hello")
        pipe.confirm(pipe.expect("conversation.item.create"))
        pipe.begin(pipe.expect("response.create"), "resp_1")
        pipe.finish("resp_1", "Hi.")
        assert asking.result().text == "Hi."
        clearing = Task(session.conversation.clear)
        pipe.confirm(pipe.expect("conversation.item.delete"))
        clearing.result()
        pipe = restored(session, line, pipe)


def test_ask_without_arguments_goes_on_from_there(line: Line) -> None:
    """After a lost response the model can be asked to answer what is there."""
    session, pipe = opened(line)
    asking = Task(session.ask, "hello")
    pipe.confirm(pipe.expect("conversation.item.create"))
    pipe.begin(pipe.expect("response.create"))
    arrived(session, pipe)
    fresh = again(line, session, pipe)
    with pytest.raises(ConnectionLost):
        asking.result()
    resumed = Task(session.ask)
    fresh.confirm(fresh.expect("conversation.item.create"))
    fresh.respond(fresh.expect("response.create"), "There.")
    assert resumed.result().text == "There."


@pytest.mark.row("F30")
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_turn_that_had_not_begun_goes_on(confirmed: bool, line: Line) -> None:
    """Sent or not, its item is said once, its response asked for once more, and ask() returns."""
    session, pipe = opened(line)
    asking = Task(session.ask, "hello")
    item = pipe.expect("conversation.item.create")
    pipe.expect("response.create")
    if confirmed:
        pipe.confirm(item)
        arrived(session, pipe)
    fresh = again(line, session, pipe)
    repeated = fresh.expect("conversation.item.create")
    fresh.confirm(repeated)
    fresh.respond(fresh.expect("response.create"), "Hi!")
    assert asking.result().text == "Hi!"
    assert repeated["item"]["id"] == item["item"]["id"]
    assert fresh.no_more()


def test_a_create_is_asked_for_once_more_only(line: Line) -> None:
    """The second link that goes before the response begins fails it."""
    session, pipe = opened(line)
    asking = Task(session.ask, "hello")
    pipe.expect("conversation.item.create")
    pipe.expect("response.create")
    second = again(line, session, pipe)
    second.expect("conversation.item.create")
    second.expect("response.create")
    again(line, session, second)
    with pytest.raises(ConnectionLost):
        asking.result()


def test_queued_turns_wait_as_often_as_need_be(line: Line) -> None:
    """A turn that was never sent waits for a link, however many are lost meanwhile."""
    session, pipe = opened(line)
    first = Task(session.ask, "one")
    pipe.confirm(pipe.expect("conversation.item.create"))
    pipe.begin(pipe.expect("response.create"))
    arrived(session, pipe)
    queued = session.submit("two")
    for _ in range(3):
        pipe = again(line, session, pipe)
        pipe.expect("conversation.item.create")  # "one", made again
    with pytest.raises(ConnectionLost):
        first.result()
    pipe.confirm(json.loads(pipe.frames[0]))
    pipe.take_turn("2")
    assert queued.result(LIMIT).text == "2"


SURVIVING = [
    {"type": "conversation.item.create", "item": {**message("hi"), "id": "a"}},
    {"type": "session.update", "session": {"type": "realtime", "instructions": "x"}},
    {"type": "response.create", "response": {"conversation": "none"}},
    {"type": "response.create"},
]


@pytest.mark.row("F30")
@pytest.mark.parametrize("event", SURVIVING, ids=lambda e: e["type"])
@pytest.mark.parametrize("sent", [True, False])
def test_what_goes_on_by_itself(sent: bool, event: dict[str, Any], line: Line) -> None:
    """Creates, updates: those under way and those made meanwhile reach the next server once."""
    session, pipe = opened(line)
    if sent:
        reply = session.request(event)
        pipe.expect(event["type"])
        fresh = again(line, session, pipe)
    else:
        fresh = unlinked(session, line, pipe)
        reply = session.request(event)
        fresh.greet(id="sess_2")
    repeated = fresh.expect(event["type"])
    if event["type"] == "response.create":
        fresh.begin(repeated)
    else:
        fresh.confirm(repeated)
    assert reply.result(LIMIT).type.startswith(event["type"].rpartition(".")[0])
    arrived(session, fresh)
    assert fresh.no_more()


def unlinked(session: RealtimeSession, line: Line, pipe: Pipe) -> Pipe:
    """Cuts the link; the next one, which has not greeted yet."""
    fresh = Pipe()
    line.plan(fresh)
    with session.expect("connection.lost") as lost:
        pipe.cut()
    lost.result(timeout=LIMIT)
    return fresh


def test_reads_go_on_by_themselves(line: Line) -> None:
    """A retrieval under way is asked for again."""
    session, pipe = opened(line)
    retrieving = Task(session.conversation.retrieve, "a")
    pipe.expect("conversation.item.retrieve")
    fresh = again(line, session, pipe)
    assert fresh.expect("conversation.item.retrieve")["item_id"] == "a"
    fresh.say({"type": "conversation.item.retrieved", "item": {**message("hi"), "id": "a"}})
    assert retrieving.result().text == "hi"


def test_deletes_and_cuts_hold_for_the_mirror(line: Line) -> None:
    """A delete under way is done here, and the new server never hears of the item."""
    session, pipe = opened(line)
    creating = Task(session.conversation.create, {**message("x"), "id": "a"})
    pipe.confirm(pipe.expect("conversation.item.create"))
    creating.result()
    deleting = Task(session.conversation.delete, "a")
    pipe.expect("conversation.item.delete")
    fresh = restored(session, line, pipe)
    deleting.result()
    assert session.conversation.items == ()
    assert fresh.types == []


@pytest.mark.row("F30")
def test_a_commit_under_way_is_lost_with_its_audio(line: Line) -> None:
    """It fails, is not repeated, and connection.restored says how much audio is missing."""
    session, pipe = opened(line)
    session.input_audio_buffer.append(bytes(48 * 200))
    committing = Task(session.input_audio_buffer.commit)
    pipe.expect("input_audio_buffer.append")
    pipe.expect("input_audio_buffer.commit")
    session.input_audio_buffer.append(bytes(48 * 40))
    pipe.expect("input_audio_buffer.append")
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        back = pending.result(timeout=LIMIT)
    with pytest.raises(ConnectionLost):
        committing.result()
    assert back.lost_audio_ms == 240
    assert fresh.types == []


@pytest.mark.row("F19", bound="all since the last sign of life")
@pytest.mark.parametrize("end", ["silence", "a word"])
def test_speech_that_a_dead_link_swallowed(
    end: str, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server detects turns it would have said that somebody speaks: unless the link was
    dead. Then what was said since its last sign of life is missing."""
    detecting = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    pipe = greeted(**detecting)
    line.plan(pipe, greeted(id="sess_2", **detecting))
    monkeypatch.setattr("realtime_sync.runtime.liveness.PROBE", 0.05)
    session = line.session(reconnect=AT_ONCE, ping_interval=1000).open(timeout=LIMIT)
    session.input_audio_buffer.append(bytes(48 * 300))
    arrived(session, pipe)  # it was heard, and nobody spoke
    with session.expect("connection.restored") as pending:
        pipe.mute()
        pipe.expect("input_audio_buffer.append")
        session.input_audio_buffer.append(bytes(48 * 200))
        if end == "a word":
            pipe.expect("input_audio_buffer.append")
            pipe.cut(1001, "bye")
        else:
            connection = session._connection
            assert connection._loop is not None
            connection._loop.call(connection.on_resume)  # asks for a sign of life now
        back = pending.result(timeout=LIMIT)
    assert back.lost_audio_ms == (200 if end == "silence" else 0)


def test_audio_meanwhile(line: Line) -> None:
    """The newest seconds wait for the link, in order with the commit; the rest is counted."""
    session, pipe = opened(line, reconnect=ReconnectPolicy(delays=(0,), keep_audio=1.0))
    fresh = unlinked(session, line, pipe)
    for _ in range(15):
        session.input_audio_buffer.append(bytes(48 * 100))
    with session.expect("connection.restored") as pending:
        committing = Task(session.input_audio_buffer.commit)
        fresh.greet(id="sess_2")
        assert pending.result(timeout=LIMIT).lost_audio_ms == 500
    for _ in range(10):
        fresh.expect("input_audio_buffer.append")
    commit = fresh.expect("input_audio_buffer.commit")
    fresh.say({"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None})
    fresh.say({"type": "conversation.item.added", "item": {**message(""), "id": "u"}})
    assert commit["type"] == "input_audio_buffer.commit"
    assert committing.result().id == "u"


def test_audio_that_never_left_is_not_lost(line: Line) -> None:
    """Appended and not yet taken by the kernel: it goes over the next link."""
    session, pipe = opened(line)
    pipe.stall()
    chunk = bytes(48 * 100)
    for _ in range(60):  # more than the link takes at once
        session.input_audio_buffer.append(chunk)
    arrived(session, pipe)
    waiting = len(session._connection._outbox.speech())
    assert waiting > 0
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        back = pending.result(timeout=LIMIT)
    kept = min(waiting, 50)
    assert back.lost_audio_ms == (60 - kept) * 100
    arrived(session, fresh)
    assert fresh.types == ["input_audio_buffer.append"] * kept


@pytest.mark.row("C5")
@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.append", "audio": ""},
        {"type": "conversation.item.delete", "item_id": "a"},
        {"type": "response.cancel"},
    ],
)
def test_events_by_hand_need_a_link(event: dict[str, Any], line: Line) -> None:
    """send() of what cannot wait raises ConnectionLost while there is no link."""
    session, pipe = opened(line)
    unlinked(session, line, pipe)
    with pytest.raises(ConnectionLost, match=r"no link now"):
        session.send(event)
    if event["type"] != "input_audio_buffer.append":
        with pytest.raises(ConnectionLost, match=r"no link now"):
            session.request(event)


def test_a_timeout_withdraws_what_waits_for_a_link(line: Line) -> None:
    """A call that gave up while there was no link is not made when there is one."""
    session, pipe = opened(line)
    fresh = unlinked(session, line, pipe)
    with pytest.raises(RealtimeTimeout):
        session.conversation.create("x", timeout=0.05)
    with pytest.raises(RealtimeTimeout):
        session.ask("y", timeout=0.05)
    with session.expect("connection.restored") as pending:
        fresh.greet()
        pending.result(timeout=LIMIT)
    arrived(session, fresh)
    assert fresh.types == []


# --- tools


@pytest.mark.row("F30", bound="run once")
def test_a_tools_result_reaches_the_next_server(line: Line) -> None:
    """A tool that runs while the link is made anew runs once, and its turn goes on."""
    runs: list[str] = []
    with gate() as held:

        def slow(city: str) -> str:
            """Slow."""
            runs.append(city)
            held()
            return "4 degrees"

        pipe = greeted()
        line.plan(pipe)
        session = line.session(tools=[slow], reconnect=AT_ONCE)
        opening = Task(session.open)
        pipe.confirm(pipe.expect("session.update"))
        opening.result()
        asking = Task(session.ask, "how warm?")
        pipe.confirm(pipe.expect("conversation.item.create"))
        call_tool(pipe, pipe.expect("response.create"))
        held.wait()
        with session.expect("connection.restored") as pending:
            fresh = again(line, session, pipe)
            fresh.confirm(fresh.expect("session.update"))
            said = [fresh.expect("conversation.item.create") for _ in range(2)]
            for event in said:
                fresh.confirm(event)
            pending.result(timeout=LIMIT)
        assert [event["item"]["type"] for event in said] == ["message", "function_call"]
        held.open()
        output = fresh.expect("conversation.item.create")
        assert output["item"]["output"] == "4 degrees"
        fresh.confirm(output)
        fresh.respond(fresh.expect("response.create"), "Cold.")
        assert asking.result().text == "Cold."
    assert runs == ["Oslo"]


@pytest.mark.row("F30", bound="run once")
@pytest.mark.parametrize("lost_again", [False, True], ids=["once", "again while restoring"])
def test_a_tools_result_that_was_sent(lost_again: bool, line: Line) -> None:
    """Sent and not confirmed when the link goes, it is said again behind its call, and the turn
    goes on; also if the next link goes before it has heard everything."""
    runs: list[str] = []

    def slow(city: str) -> str:
        """Slow."""
        runs.append(city)
        return "4 degrees"

    pipe = greeted()
    line.plan(pipe)
    session = line.session(tools=[slow], reconnect=AT_ONCE)
    opening = Task(session.open)
    pipe.confirm(pipe.expect("session.update"))
    opening.result()
    asking = Task(session.ask, "how warm?")
    pipe.confirm(pipe.expect("conversation.item.create"))
    call_tool(pipe, pipe.expect("response.create"))
    pipe.expect("conversation.item.create")
    fresh = again(line, session, pipe)
    if lost_again:
        fresh.confirm(fresh.expect("session.update"))
        fresh.confirm(fresh.expect("conversation.item.create"))
        fresh = again(line, session, fresh)
    fresh.confirm(fresh.expect("session.update"))
    said = [fresh.expect("conversation.item.create") for _ in range(2)]
    for event in said:
        fresh.confirm(event)
    said.append(fresh.expect("conversation.item.create"))
    fresh.confirm(said[-1])
    fresh.respond(fresh.expect("response.create"), "Cold.")
    assert asking.result().text == "Cold."
    kinds = [event["item"]["type"] for event in said]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert fresh.no_more()
    assert runs == ["Oslo"]


def call_tool(pipe: Pipe, create: dict[str, Any]) -> None:
    """Says a response that calls `slow`."""
    response_id = pipe.begin(create)
    item = {
        "id": "call_item",
        "type": "function_call",
        "call_id": "call_1",
        "name": "slow",
        "arguments": '{"city": "Oslo"}',
        "status": "completed",
    }
    pipe.say(
        {"type": "conversation.item.added", "item": item},
        {"type": "conversation.item.done", "item": item},
        {
            "type": "response.done",
            "response": {
                "id": response_id,
                "status": "completed",
                "output": [item],
                "conversation_id": "conv_1",
                "metadata": create["response"]["metadata"],
            },
        },
    )


def test_a_call_that_was_half_there(line: Line) -> None:
    """A call whose response is lost before it was whole is not said to the next server."""
    session, pipe = opened(line)
    response_id = pipe.begin(None)
    item = {"id": "c", "type": "function_call", "call_id": "call_1", "name": "slow"}
    begun = {**item, "arguments": "", "status": "in_progress"}
    pipe.say(
        {
            "type": "response.output_item.added",
            "response_id": response_id,
            "output_index": 0,
            "item": begun,
        },
        {"type": "conversation.item.added", "item": begun},
        {
            "type": "response.function_call_arguments.delta",
            "response_id": response_id,
            "item_id": "c",
            "output_index": 0,
            "call_id": "call_1",
            "delta": '{"ci',
        },
    )
    arrived(session, pipe)
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        back = pending.result(timeout=LIMIT)
    assert (back.replayed, back.skipped) == ((), ("c",))
    assert fresh.types == []


def test_an_approval_that_comes_too_late(line: Line) -> None:
    """The session that asked for it is gone, and so is the question."""
    session, pipe = opened(line)
    session.on("tool.approval_required", lambda _: None)
    asked = {
        "id": "r",
        "type": "mcp_approval_request",
        "server_label": "docs",
        "name": "search",
        "arguments": "{}",
    }
    with session.expect("tool.approval_required") as pending:
        pipe.say({"type": "conversation.item.added", "item": asked})
        pipe.say({"type": "conversation.item.done", "item": asked})
        pending.result(timeout=LIMIT)
    fresh = unlinked(session, line, pipe)
    with session.expect("connection.restored") as back:
        fresh.greet()
        if fresh.expect("conversation.item.create"):
            fresh.refuse(json.loads(fresh.frames[0]))
        back.result(timeout=LIMIT)
    session.approve("r")
    arrived(session, fresh)
    assert [json.loads(frame)["item"]["type"] for frame in fresh.frames] == ["mcp_approval_request"]


# --- refusals


def test_an_item_that_is_refused_is_skipped(line: Line) -> None:
    """One item less is no reason to lose the session."""
    session, pipe = opened(line)
    for item_id in ("a", "b"):
        creating = Task(session.conversation.create, {**message("x"), "id": item_id})
        pipe.confirm(pipe.expect("conversation.item.create"))
        creating.result()
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        fresh.refuse(fresh.expect("conversation.item.create"))
        fresh.confirm(fresh.expect("conversation.item.create"))
        back = pending.result(timeout=LIMIT)
    assert (back.replayed, back.skipped) == (("b",), ("a",))
    assert [item.id for item in session.conversation.items] == ["b"]


def test_user_audio_without_a_transcript_is_skipped(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """What is neither heard nor written cannot be said again; connection.restored names it."""
    session, pipe = opened(line)
    heard = {"type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    pipe.say({"type": "conversation.item.added", "item": {**heard, "id": "u"}})
    pipe.say({"type": "conversation.item.added", "item": {**heard, "id": "v"}})
    pipe.say(
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "v",
            "content_index": 0,
            "transcript": "hello",
        }
    )
    arrived(session, pipe)
    with session.expect("connection.restored") as pending:
        fresh = again(line, session, pipe)
        said = fresh.expect("conversation.item.create")
        fresh.confirm(said)
        back = pending.result(timeout=LIMIT)
    assert (back.replayed, back.skipped) == (("v",), ("u",))
    assert said["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    assert "nothing that could be sent" in caplog.text


def test_a_refused_configuration_ends_the_session(line: Line) -> None:
    """Without its configuration it is not the session that was asked for."""
    session, pipe = opened_configured(line)
    waiting = session.submit("hi")
    pipe.expect("conversation.item.create")
    fresh = again(line, session, pipe)
    fresh.refuse(fresh.expect("session.update"), "unknown_parameter")
    error = waiting.exception(LIMIT)
    assert isinstance(error, ConnectionLost)
    assert isinstance(error.__cause__, ServerError)
    with pytest.raises(SessionClosed, match="lost for good"):
        session.send({"type": "response.create"})


def untrusted() -> ConnectError:
    error = ConnectError("the certificate is not trusted")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    return error


@pytest.mark.row("F5", "F8", bound="1 attempt")
@pytest.mark.parametrize(
    "refusal",
    [
        AuthenticationError("no", status=401),
        PermissionDenied("no", status=403),
        NotFound("no", status=404),
        ConnectError("no", status=400),
        untrusted(),
    ],
    ids=lambda error: str(error.status),
)
def test_some_refusals_are_final(refusal: ConnectError, line: Line) -> None:
    """A handshake refused for good ends the session: another attempt would end alike."""
    session, pipe = opened(line)
    seen: list[Any] = []
    session.on("connection.*", seen.append)
    line.plan(refusal)
    with session.events("connection.closed") as events:
        pipe.cut()
        with pytest.raises(ConnectionLost, match="lost for good") as caught:
            list(events)
    assert caught.value.__cause__ is refusal
    assert len(line.dialled) == 2
    session.close()
    assert [(e.type, getattr(e, "retrying", None)) for e in seen] == [
        ("connection.lost", True),
        ("connection.lost", False),
        ("connection.closed", None),
    ]


@pytest.mark.row("F1", "F8", bound="one attempt a delay")
def test_others_are_tried_again(line: Line) -> None:
    """No route, too many requests, a fault of the server's: the next attempt may pass."""
    session, pipe = opened(line, reconnect=ReconnectPolicy(delays=(0,) * 5))
    busy = [ConnectError("ill", status=status) for status in (500, 503)]
    line.plan(ConnectError("no route"), RateLimited("busy", status=429), *busy)
    restored(session, line, pipe)
    assert len(line.dialled) == 6
    assert session.state == "open"


@pytest.mark.row("F1", "F31", bound="0.1, 0.5, 1, 2, 4, 8 s, a quarter more or less")
@pytest.mark.row("F33")
@pytest.mark.parametrize("given", ["", "a b", None])
def test_a_key_function_that_has_no_key_now(given: Any, line: Line) -> None:
    """A failed attempt like one that raises: the next has the key again, and the session lives."""
    keys = iter(["one", given, "two"])
    session, pipe = opened(
        line, endpoint=Compatible("ws://127.0.0.1:9", api_key=lambda: next(keys))
    )
    with session.expect("connection.restored") as pending:
        pipe.cut()
        pending.result(timeout=LIMIT)
    assert [headers["Authorization"] for _, headers in line.dialled] == ["Bearer one", "Bearer two"]


def test_each_delay_is_longer() -> None:
    """Attempts that fail are further and further apart, each by chance; then there is none."""
    relink = Relink(ReconnectPolicy())
    delays = [relink.delay(ConnectError("no route"), 0.0) for _ in range(7)]
    assert delays.pop() is None
    wanted = (0.1, 0.5, 1, 2, 4, 8)
    ratios = [(delay or 0.0) / one for delay, one in zip(delays, wanted, strict=True)]
    assert all(0.75 <= ratio <= 1.25 for ratio in ratios)
    assert len(set(ratios)) == len(ratios)


@pytest.mark.row("F8", bound="the server's seconds, 60 at most")
def test_the_server_says_when(line: Line) -> None:
    """A server that is busy is left alone for as long as it asks."""
    busy = RateLimited("busy", status=429)
    relink = Relink(ReconnectPolicy(delays=(0.1, 0.1, 0.1, 50), jitter=0))
    waits = []
    for seconds in (7.5, None, 3600, 2):
        busy.retry_after = seconds
        waits.append(relink.delay(busy, 0.0))
    assert waits == [7.5, 0.1, 60, 50]


def test_a_backup_that_refuses_is_not_the_end(line: Line) -> None:
    """While one of several endpoints may come back, another attempt is made."""
    endpoints = [Compatible("ws://127.0.0.1:9"), Compatible("ws://127.0.0.1:10")]
    session, pipe = opened(line, endpoint=endpoints)
    line.plan(ConnectError("no route"), AuthenticationError("no", status=401))
    restored(session, line, pipe)
    assert [url[:17] for url, _ in line.dialled] == [
        "ws://127.0.0.1:9/",
        "ws://127.0.0.1:9/",
        "ws://127.0.0.1:10",
        "ws://127.0.0.1:9/",
    ]


def test_all_of_them_refuse(line: Line) -> None:
    """Where each endpoint has refused for good, there is nothing to wait for."""
    endpoints = [Compatible("ws://127.0.0.1:9"), Compatible("ws://127.0.0.1:10")]
    session, pipe = opened(line, endpoint=endpoints)
    line.plan(AuthenticationError("no", status=401), AuthenticationError("neither", status=401))
    with session.expect("connection.closed") as closed:
        pipe.cut()
    assert "neither" in str(closed.result(timeout=LIMIT).error)
    assert len(line.dialled) == 3


def silent(monkeypatch: pytest.MonkeyPatch, mute: Pipe | None = None) -> Callable[[Any], Pipe]:
    """An attempt whose link says nothing, and that is over soon; those after it have their time."""
    name = "realtime_sync.runtime.relinking.ATTEMPT"
    monkeypatch.setattr(name, 0.05)

    def connect(_: Any) -> Pipe:
        monkeypatch.setattr(name, LIMIT)
        return mute or Pipe()

    return connect


def test_a_primary_that_makes_no_session(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the link and says nothing, or hangs up before it has worked: the backup is next."""
    endpoints = [Compatible("ws://127.0.0.1:9"), Compatible("ws://127.0.0.1:10")]
    session, pipe = opened(line, endpoint=endpoints)
    line.plan(silent(monkeypatch), greeted())
    with session.expect("connection.restored") as pending:
        pipe.cut()
        pending.result(timeout=LIMIT)
    flapping, _ = opened(line, endpoint=endpoints)
    for _ in range(2):
        fresh = flapping._connection._link
        assert isinstance(fresh, Pipe)
        restored(flapping, line, fresh)
    ports = [int(url.split(":")[2].split("/")[0]) for url, _ in line.dialled]
    assert ports == [9, 9, 10, 9, 9, 10]


def test_one_that_failed_rests(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """For thirty seconds the backup is tried first; then the primary is again."""
    endpoints = [Compatible("ws://127.0.0.1:9"), Compatible("ws://127.0.0.1:10")]
    now = [1000.0]
    monkeypatch.setattr("realtime_sync.opening.monotonic", lambda: now[0])
    line.plan(ConnectError("no route"), greeted())
    session = line.session(endpoint=endpoints, reconnect=AT_ONCE).open()
    for seconds in (29.0, 2.0):
        now[0] += seconds
        pipe = session._connection._link
        assert isinstance(pipe, Pipe)
        restored(session, line, pipe)
    ports = [int(url.split(":")[2].split("/")[0]) for url, _ in line.dialled]
    assert ports == [9, 10, 10, 9]


@pytest.mark.row("F1", bound="one attempt a delay")
def test_attempts_have_an_end(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """After the last delay the session ends, and whoever waits hears why; so does the log."""
    session, pipe = opened(line)
    waiting = session.submit("hi")
    pipe.expect("conversation.item.create")
    line.plan(*(ConnectError(f"no route {n}") for n in range(9)))
    pipe.cut()
    with pytest.raises(ConnectionLost, match="no route 2"):
        waiting.result(LIMIT)
    assert len(line.dialled) == 4
    last = "the link was lost for good: no route 2; the session has ended"
    assert [r.getMessage() for r in caplog.records][1:] == [last]


@pytest.mark.row("F13")
@pytest.mark.parametrize(
    ("code", "tried"),
    [
        *((1001, True), (1011, True), (1012, True), (1013, True), (1005, True), (1006, True)),
        *((1002, True), (1009, True), (1000, False), (1008, False), (3000, False), (4000, False)),
    ],
)
def test_close_codes(code: int, tried: bool, line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Some ends are for good, others are not; the log tells which. Source: wire.md (g), F13."""
    session, pipe = opened(line)
    line.plan(greeted())
    with session.expect("connection.lost") as pending:
        pipe.cut(code, "why")
    lost = pending.result(timeout=LIMIT)
    assert (lost.retrying, lost.error.code, lost.error.reason) == (tried, code, "why")
    what = "trying again" if tried else "the session has ended"
    told = (logging.WARNING, f"the link was lost, code {code}: why; {what}")
    assert [(r.levelno, r.getMessage()) for r in caplog.records][:1] == [told]


@pytest.mark.row("F12", bound="0 further attempts")
def test_an_error_before_the_end_may_be_the_verdict(line: Line) -> None:
    """No quota, then the link goes: that is the reason, and no other link would help."""
    session, pipe = opened(line)
    session.on("error", lambda _: None)
    details = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "pay"}
    with session.expect("connection.lost") as pending:
        pipe.say({"type": "error", "error": details})
        pipe.cut()
    lost = pending.result(timeout=LIMIT)
    assert lost.retrying is False
    assert isinstance(lost.error.__cause__, ServerError)


@pytest.mark.row("F13")
def test_an_expired_session_is_made_anew(line: Line) -> None:
    """The server's hour is over: the next session goes on."""
    session, pipe = opened(line)
    session.on("error", lambda _: None)
    details = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes"}
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    with session.expect("connection.restored") as pending:
        pipe.say({"type": "error", "error": details})
        pipe.cut(1001, "60 minutes")
        pending.result(timeout=LIMIT)
    assert session.id == "sess_2"


def test_delays_are_counted_afresh_after_a_link_that_worked(line: Line) -> None:
    """A link over which something came of our events has worked."""
    session, pipe = opened(line, reconnect=ReconnectPolicy(delays=(0,)))
    for n in range(5):
        pipe = restored(session, line, pipe)
        asking = Task(session.response.create, conversation="none")
        pipe.begin(pipe.expect("response.create"), f"r{n}")
        asking.result()
    assert session.state == "open"


@pytest.mark.row("F31", bound="one attempt a delay")
def test_a_server_that_flaps_is_given_up(line: Line) -> None:
    """Links that greet and break are not links that work."""
    session, pipe = opened(line)
    for _ in range(3):
        pipe = restored(session, line, pipe)
    with session.expect("connection.closed") as pending:
        pipe.cut()
    assert isinstance(pending.result(timeout=LIMIT).error, ConnectionLost)
    assert len(line.dialled) == 4


# --- the end meanwhile


def test_close_ends_a_back_off_at_once(line: Line) -> None:
    """close() while the next attempt is awaited does not wait for it."""
    session, pipe = opened(line, reconnect=ReconnectPolicy(delays=(1000,)))
    with session.expect("connection.lost") as lost:
        pipe.cut()
    lost.result(timeout=LIMIT)
    waiting = session.submit("hi")
    session.close(timeout=LIMIT)
    assert isinstance(waiting.exception(0), SessionClosed)
    assert session.state == "closed"


def test_close_ends_an_attempt(line: Line) -> None:
    """close() while a link is being made ends the attempt; its link is dropped."""
    session, pipe = opened(line)
    late = greeted()
    with gate() as held:
        line.plan(lambda deadline: (held(), late)[1])
        pipe.cut()
        held.wait()
        attempt = session._connection._attempt
        assert attempt is not None
        with session.expect("connection.closed") as over:
            closing = Task(session.close, timeout=LIMIT)
            over.result(timeout=LIMIT)
        assert session.state == "closed"
    closing.result()
    attempt.thread.join(LIMIT)
    assert late.closed


def test_blocking_calls_wait_within_their_timeout(line: Line) -> None:
    """ask() made while there is no link is answered over the next."""
    session, pipe = opened(line)
    fresh = unlinked(session, line, pipe)
    asking = Task(session.ask, "hello", timeout=LIMIT)
    fresh.greet()
    fresh.take_turn("Hi.")
    assert asking.result().text == "Hi."


def test_a_server_that_does_not_confirm(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is not restored in time is tried on another link."""
    session, pipe = opened(line)
    mute = Pipe()
    line.plan(silent(monkeypatch, mute), greeted())
    with session.expect("connection.restored") as pending:
        pipe.cut()
        pending.result(timeout=LIMIT)
    assert mute.closed
    assert len(line.dialled) == 3
