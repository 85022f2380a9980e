"""A session is renewed before the server ends it, or because you ask for it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from pipe import LIMIT, Line, Pipe, Task, arrived, gate, greeted, settled

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectError, ConnectionLost, SessionClosed
from realtime_sync.local import LocalServer
from realtime_sync.runtime.relink import Relink

from .test_reconnect import silent

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0), renew_before=3600)
LATER = 7200.0  # the test says when: `come`


def expiring(line: Line, seconds: float = 0.0, **arguments: Any) -> tuple[RealtimeSession, Pipe]:
    """A session whose server will end it soon, so that it is to be renewed at once."""
    pipe = greeted(expires_at=time.time() + seconds)
    line.plan(pipe)
    session = line.session(**{"reconnect": AT_ONCE, **arguments})
    return session, pipe


def restoring(line: Line) -> tuple[RealtimeSession, Pipe, Pipe]:
    """A session with an item that has lost its link; the one that is to hear it, and another."""
    session, pipe = line.open(reconnect=AT_ONCE)
    creating = Task(session.conversation.create, "hello")
    pipe.confirm(pipe.expect("conversation.item.create"))
    creating.result()
    half, fresh = greeted(id="half"), greeted(id="sess_3")
    line.plan(half, fresh)
    pipe.cut()
    return session, half, fresh


def come(session: RealtimeSession) -> None:
    """The moment has come to renew the session."""
    connection = session._connection
    assert connection._loop is not None
    connection._loop.call(connection._expiring)


def test_an_idle_session_is_renewed(line: Line) -> None:
    """session.expiring is told, and the next session is there before the old link is left."""
    session, pipe = expiring(line)
    fresh = Pipe()
    line.plan(fresh)
    seen: list[Any] = []
    session.on("session.expiring", seen.append)
    session.on("connection.*", seen.append)
    session.open(timeout=LIMIT)
    with session.expect("connection.restored") as pending:
        fresh.greet(id="sess_2")
        pending.result(timeout=LIMIT)
    settled(session, fresh)
    assert session.id == "sess_2"
    assert [event.type for event in seen] == ["session.expiring", "connection.restored"]
    assert pipe.closed
    assert session.state == "open"


def test_the_conversation_comes_along(line: Line) -> None:
    """A renewed session knows what the old one knew, and the next turn goes on in it."""
    session, pipe = expiring(line, LATER, history=["hello"], reconnect=AT_ONCE)
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    opening = Task(session.open)
    pipe.confirm(pipe.expect("conversation.item.create"))
    opening.result()
    with session.expect("connection.restored") as pending:
        come(session)
        repeated = fresh.expect("conversation.item.create")
        fresh.confirm(repeated)
        back = pending.result(timeout=LIMIT)
    assert back.replayed == (repeated["item"]["id"],)
    asking = Task(session.ask)
    fresh.respond(fresh.expect("response.create"), "Hi.")
    assert asking.result().text == "Hi."


def test_it_waits_for_the_response_and_holds_what_is_new(line: Line) -> None:
    """A response that runs is let end; a turn asked for meanwhile goes to the next session."""
    session, pipe = expiring(line, LATER)
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    session.open(timeout=LIMIT)
    with session.expect("session.expiring") as due:
        asking = Task(session.ask)
        response_id = pipe.begin(pipe.expect("response.create"))
        come(session)
        due.result(timeout=LIMIT)
    queued = session.submit()
    arrived(session, pipe)
    assert pipe.no_more()
    assert len(line.dialled) == 1
    pipe.finish(response_id, "done")
    assert asking.result().text == "done"
    fresh.respond(fresh.expect("response.create"), "Hi.")
    assert queued.result(LIMIT).text == "Hi."


def test_speech_that_waits_for_its_commit(line: Line) -> None:
    """It holds up the renewal, and no turn: the turn that commits it would wait for itself.

    Seeds 2004, 2018 and 2054 of tests/stress/test_schedules.py.
    """
    session, pipe = expiring(line, LATER)
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    session.open(timeout=LIMIT)
    session.input_audio_buffer.append(bytes(9600))
    with session.expect("session.expiring") as due:
        come(session)
        due.result(timeout=LIMIT)
    pipe.expect("input_audio_buffer.append")
    asked = session.submit("hello")
    pipe.take_turn("Hi.")
    assert asked.result(LIMIT).text == "Hi."
    with session.expect("connection.restored") as pending:
        committing = Task(session.input_audio_buffer.commit)
        pipe.expect("input_audio_buffer.commit")
        item = {"id": "u", "type": "message", "role": "user", "content": []}
        pipe.say(
            {"type": "input_audio_buffer.committed", "item_id": "u"},
            {"type": "conversation.item.added", "item": item},
        )
        assert committing.result().id == "u"
        fresh.confirm(fresh.expect("conversation.item.create"))
        assert pending.result(timeout=LIMIT).lost_audio_ms == 0


def test_speech_that_begins_while_the_next_link_is_made(line: Line) -> None:
    """That link comes too late, and what was held for it goes on."""
    session, pipe = expiring(line, LATER)
    session.open(timeout=LIMIT)
    with gate() as held, session.expect("session.expiring") as due:

        def late(_: Any) -> Pipe:
            held()
            return greeted(id="sess_2")

        line.plan(late)
        come(session)
        due.result(timeout=LIMIT)
        held.wait()
        first = session.submit("hello")
        arrived(session, pipe)
        assert pipe.no_more()
        session.input_audio_buffer.append(bytes(9600))
        pipe.expect("input_audio_buffer.append")
        second = session.submit("and?")
        pipe.take_turn("Hi.")
        pipe.take_turn("Well.")
    assert (first.result(LIMIT).text, second.result(LIMIT).text) == ("Hi.", "Well.")
    assert session.id == "sess_1"


def test_its_patience_ends(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that does not end in time is left behind: lost, with the part that came."""
    monkeypatch.setattr("realtime_sync.runtime.relinking.PATIENCE", 0.05)
    session, pipe = expiring(line, LATER)
    line.plan(greeted(id="sess_2"))
    session.open(timeout=LIMIT)
    with session.expect("connection.restored") as pending:
        asking = Task(session.ask)
        pipe.begin(pipe.expect("response.create"))
        arrived(session, pipe)
        come(session)
        with pytest.raises(ConnectionLost, match="renewed"):
            asking.result()
        pending.result(timeout=LIMIT)


def test_speech_is_not_cut(line: Line) -> None:
    """Nobody is interrupted in mid-speech: the commit and the reply are waited for."""
    session, pipe = expiring(line, LATER)
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    session.open(timeout=LIMIT)
    with session.expect("session.expiring") as due:
        pipe.say({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0})
        arrived(session, pipe)
        come(session)
        due.result(timeout=LIMIT)
    arrived(session, pipe)
    assert len(line.dialled) == 1
    with session.expect("connection.restored") as pending:
        pipe.say({"type": "input_audio_buffer.committed", "item_id": "u"})
        pipe.finish(pipe.begin(None))
        pending.result(timeout=LIMIT)


def test_a_renewal_that_fails_changes_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old link goes on, what was held is sent on it, and it is tried again."""
    monkeypatch.setattr("realtime_sync.runtime.relinking.PAUSE", 0.0)
    session, pipe = expiring(line, LATER)
    with gate() as held:

        def refuse(_: Any) -> Pipe:
            held()
            raise ConnectError("no route")

        line.plan(refuse)
        fresh = Pipe()
        line.plan(fresh)
        session.open(timeout=LIMIT)
        come(session)
        held.wait()
        queued = session.submit()
        arrived(session, pipe)
        assert pipe.no_more()
        held.open()
        pipe.respond(pipe.expect("response.create"), "still here")
        assert queued.result(LIMIT).text == "still here"
    with session.expect("connection.restored") as pending:
        fresh.greet(id="sess_2")
        pending.result(timeout=LIMIT)


@pytest.mark.parametrize(
    ("policy", "left", "due"),
    [
        (ReconnectPolicy(), 3600, 3540),
        (ReconnectPolicy(), 90, 45),
        (ReconnectPolicy(), 10, 5),
        (ReconnectPolicy(), -5, 0),
        (ReconnectPolicy(), None, None),
        (ReconnectPolicy(renew_before=None), 3600, None),
        (ReconnectPolicy(renew_every=100), None, 100),
        (ReconnectPolicy(renew_every=100), 3600, 100),
        (None, 3600, None),
    ],
)
def test_when(policy: ReconnectPolicy | None, left: float | None, due: float | None) -> None:
    """A minute before the end, or half-way to it if that is later; or after so many seconds."""
    assert Relink(policy).renewal(left) == due


def test_against_a_server() -> None:
    """A session of a server that ends them after two seconds lives on, and remembers."""
    with (
        LocalServer(speed=None, voice="tones", expires_in=2.0) as brief,
        RealtimeSession(
            endpoint=brief.endpoint, output_modalities=["text"], turn_detection=None
        ) as session,
    ):
        first = session.id
        with session.expect("connection.restored") as restored:
            session.ask("Hello!")
        restored.result(timeout=LIMIT)
        assert session.id != first
        assert [item.role for item in session.conversation.items] == ["user", "assistant"]
        assert session.ask("Count to 3").text


# --- reset


def test_reset(line: Line) -> None:
    """The new session has the configuration, tools and no conversation."""
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="Be brief.", history=["hello"], reconnect=AT_ONCE)
    opening = Task(session.open)
    pipe.confirm(pipe.expect("session.update"))
    pipe.confirm(pipe.expect("conversation.item.create"))
    opening.result()
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    resetting = Task(session.reset)
    fresh.confirm(fresh.expect("session.update"))
    resetting.result()
    assert session.conversation.items == ()
    assert fresh.no_more()
    assert pipe.closed


def test_reset_without_reconnect(line: Line) -> None:
    """A session that is never made anew by itself can be reset all the same."""
    session, _ = line.open(reconnect=None)
    line.plan(greeted(id="sess_2"))
    session.reset(timeout=LIMIT)
    assert session.id == "sess_2"


def test_reset_puts_the_renewal_off(line: Line) -> None:
    """The session that it makes is as young as any: the old one's end is not its own."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), renew_every=3600))
    arrived(session, pipe)  # what is due is planned once open() may return
    planned = session._connection._renewer
    assert planned is not None
    fresh = greeted()
    line.plan(fresh)
    session.reset(timeout=LIMIT)
    arrived(session, fresh)
    assert planned.cancelled
    assert session._connection._renewer is not None
    assert not session._connection._renewer.cancelled
    assert session._connection._renewer.due > planned.due


def test_reset_that_fails_while_a_renewal_waits(line: Line) -> None:
    """The session is renewed all the same, somewhat later."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), renew_every=3600))
    asking = Task(session.ask, "x")
    pipe.confirm(pipe.expect("conversation.item.create"))
    response_id = pipe.begin(pipe.expect("response.create"))
    come(session)
    line.plan(ConnectError("no route"))
    with pytest.raises(ConnectError, match="no route"):
        session.reset(timeout=LIMIT)
    pipe.finish(response_id, "x")
    asking.result()
    arrived(session, pipe)
    assert session.state == "open"
    assert session._connection._renewer is not None
    assert not session._connection._renewer.cancelled


def test_reset_in_a_turn(line: Line) -> None:
    """What runs is lost; what is queued goes on in the new session."""
    session, pipe = line.open(reconnect=AT_ONCE)
    asking = Task(session.ask)
    pipe.begin(pipe.expect("response.create"))
    arrived(session, pipe)
    queued = session.submit("next")
    fresh = greeted()
    line.plan(fresh)
    session.reset(timeout=LIMIT)
    with pytest.raises(ConnectionLost, match="reset"):
        asking.result()
    fresh.take_turn("Hi.")
    assert queued.result(LIMIT).text == "Hi."


def test_reset_that_fails(line: Line) -> None:
    """Without a new link the old session goes on as it was."""
    session, pipe = line.open(reconnect=AT_ONCE)
    line.plan(ConnectError("no route"))
    with pytest.raises(ConnectError, match="no route"):
        session.reset(timeout=LIMIT)
    asking = Task(session.ask, "hello")
    pipe.take_turn("Hi.")
    assert asking.result().text == "Hi."


# --- what may come between


def test_something_begins_while_the_next_link_is_made(line: Line) -> None:
    """A link that comes at a bad moment is not taken; the next idle moment has another."""
    session, pipe = expiring(line, LATER)
    with gate() as held:
        early, fresh = greeted(id="early"), greeted(id="sess_2")
        line.plan(lambda _: (held(), early)[1], fresh)
        session.open(timeout=LIMIT)
        come(session)
        held.wait()
        response_id = pipe.begin(None)  # the server's own: the user has spoken
        arrived(session, pipe)
        held.open()
        queued = session.submit()
        early.wait_closed()
        with session.expect("connection.restored") as pending:
            pipe.finish(response_id, "done")
            pending.result(timeout=LIMIT)
    assert session.id == "sess_2"
    fresh.respond(fresh.expect("response.create"), "Hi.")
    assert queued.result(LIMIT).text == "Hi."


def test_the_link_is_lost_while_the_next_is_made(line: Line) -> None:
    """The attempt that is under way is the one that counts; there is no second session."""
    session, pipe = expiring(line)
    with gate() as held:
        fresh = greeted(id="sess_2")
        line.plan(lambda _: (held(), fresh)[1])
        session.open(timeout=LIMIT)
        held.wait()
        with session.expect("connection.lost") as lost:
            pipe.cut()
        lost.result(timeout=LIMIT)
        with session.expect("connection.restored") as pending:
            held.open()
            pending.result(timeout=LIMIT)
        asking = Task(session.ask)
        fresh.respond(fresh.expect("response.create"), "Hi.")
        assert asking.result().text == "Hi."
    assert session.id == "sess_2"
    assert len(line.dialled) == 2


def test_a_renewal_that_fails_half_way(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old link is left, the new one confirms nothing: that is a loss, and is told as one."""
    session, _ = expiring(line, LATER)
    line.plan(Pipe(), silent(monkeypatch), greeted(id="sess_4"))
    session.open(timeout=LIMIT)
    seen: list[str] = []
    session.on("connection.*", lambda event: seen.append(event.type))
    with session.expect("connection.restored") as pending:
        come(session)
        pending.result(timeout=LIMIT)
    pipe = session._connection._link
    assert isinstance(pipe, Pipe)
    settled(session, pipe)
    assert seen == ["connection.lost", "connection.restored"]


def test_audio_that_nobody_has_committed_is_waited_for(line: Line) -> None:
    """Who holds the button and speaks is not cut off, where no turn detection commits for him."""
    session, pipe = expiring(line, LATER)
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    session.open(timeout=LIMIT)
    with session.expect("session.expiring") as due:
        session.input_audio_buffer.append(bytes(4800))
        come(session)
        due.result(timeout=LIMIT)
    arrived(session, pipe)
    assert len(line.dialled) == 1
    with session.expect("connection.restored") as pending:
        pipe.expect("input_audio_buffer.append")
        clearing = Task(session.input_audio_buffer.clear)
        pipe.confirm(pipe.expect("input_audio_buffer.clear"))
        clearing.result()
        assert pending.result(timeout=LIMIT).lost_audio_ms == 0


def test_silence_that_was_heard_is_not_lost(line: Line) -> None:
    """With turn detection an open microphone has no gap where nobody spoke."""
    detecting = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    pipe = greeted(expires_at=time.time() + LATER, **detecting)
    line.plan(pipe, greeted(id="sess_2"))
    session = line.session(reconnect=AT_ONCE)
    session.open(timeout=LIMIT)
    with session.expect("connection.restored") as pending:
        session.input_audio_buffer.append(bytes(48_000))
        come(session)
        assert pending.result(timeout=LIMIT).lost_audio_ms == 0


def test_reset_while_the_conversation_is_said_again(line: Line) -> None:
    """The session that has heard the old conversation is not the one that was asked for."""
    session, half, fresh = restoring(line)
    said = half.expect("conversation.item.create")
    resetting = Task(session.reset)
    half.wait_closed()
    half.confirm(said)
    resetting.result()
    assert session.id == "sess_3"
    assert session.conversation.items == ()
    assert fresh.no_more()


def test_two_resets(line: Line) -> None:
    """Who resets while another does gets the same fresh session."""
    session, _ = line.open(reconnect=AT_ONCE)
    with gate() as held:
        # the second may come when the first is through
        line.plan(lambda _: (held(), greeted(id="sess_2"))[1], greeted(id="sess_2"))
        resetting = [Task(session.reset) for _ in range(2)]
        held.wait()
        held.open()
        for one in resetting:
            one.result()
    assert session.id == "sess_2"


def asked(session: RealtimeSession, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once the I/O thread has been asked for something; call it when that thread is held."""
    loop, called = session._connection._loop, threading.Event()
    assert loop is not None
    monkeypatch.setattr(loop, "call", lambda fn, call=loop.call: (call(fn), called.set()))
    return called


def test_reset_as_soon_as_it_is_open(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link that open() has waited for is not the one that a reset asks for."""
    line.plan(greeted(), greeted(id="sess_2"))
    session = line.session(reconnect=AT_ONCE)
    with gate() as held:
        monkeypatch.setattr(session._connection, "_dispatch_to", held)  # behind open()'s answer
        session.open(timeout=LIMIT)
        held.wait()
        called = asked(session, monkeypatch)
        resetting = Task(session.reset)
        assert called.wait(LIMIT)
        held.open()
        resetting.result()
    assert session.id == "sess_2"


def test_reset_as_a_lost_link_is_restored(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that has been told the old conversation, and confirms the last of it just then."""
    session, half, fresh = restoring(line)
    said = half.expect("conversation.item.create")
    loop = session._connection._loop
    assert loop is not None
    with gate() as held:
        loop.call(held)
        held.wait()
        half.confirm(said)
        called = asked(session, monkeypatch)
        resetting = Task(session.reset)
        assert called.wait(LIMIT)
        held.open()
        resetting.result()
    assert session.id == "sess_3"
    assert session.conversation.items == ()
    assert fresh.no_more()


def test_reset_whose_old_link_is_lost_meanwhile(line: Line) -> None:
    """The next session has an empty conversation all the same, and whoever resets gets that."""
    session, pipe = line.open(reconnect=AT_ONCE)
    creating = Task(session.conversation.create, "hello")
    pipe.confirm(pipe.expect("conversation.item.create"))
    creating.result()
    with gate() as held:
        fresh = greeted(id="sess_2")
        line.plan(lambda _: (held(), fresh)[1])
        resetting = Task(session.reset)
        held.wait()
        with session.expect("connection.lost") as lost:
            pipe.cut()
        lost.result(timeout=LIMIT)
        held.open()
        resetting.result()
    assert session.conversation.items == ()
    assert fresh.no_more()


def test_reset_before_the_session_is_open(line: Line) -> None:
    """A callback of session.created is told that it is too early."""
    caught: list[Exception] = []
    pipe = greeted()
    line.plan(pipe)
    session = line.session(instructions="Be brief.", reconnect=AT_ONCE)
    done = threading.Event()

    def early(_: Any) -> None:
        try:
            session.reset(timeout=1)
        except Exception as exc:
            caught.append(exc)
        done.set()

    session.on("session.created", early)
    opening = Task(session.open)
    update = pipe.expect("session.update")
    assert done.wait(LIMIT)
    pipe.confirm(update)
    opening.result()
    assert isinstance(caught[0], SessionClosed)
