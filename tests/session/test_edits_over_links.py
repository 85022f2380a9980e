"""What of the conversation's edits goes on over a lost link."""

from __future__ import annotations

from pipe import LIMIT, Line, Pipe, Task, arrived, greeted

from realtime_sync import RealtimeSession, ReconnectPolicy

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


def restored(session: RealtimeSession, line: Line, pipe: Pipe) -> Pipe:
    """The next link, on which nothing had to be told."""
    with session.expect("connection.restored") as pending:
        fresh = greeted(id="sess_2")
        line.plan(fresh)
        pipe.cut()
        pending.result(timeout=LIMIT)
    return fresh


def test_shared_retrieves(line: Line) -> None:
    """Everybody who shared a request has his answer over the next link."""
    session, pipe = line.open(reconnect=AT_ONCE)
    tasks = [Task(session.conversation.retrieve, "a") for _ in range(3)]
    pipe.expect("conversation.item.retrieve")
    while len(session._connection._carrier._waiters) < 3:
        arrived(session, pipe)
    fresh = restored(session, line, pipe)
    for _ in range(3):
        fresh.expect("conversation.item.retrieve")
        fresh.say({"type": "conversation.item.retrieved", "item": {"id": "a", "role": "user"}})
    assert {task.result().id for task in tasks} == {"a"}


def test_a_turn_through_the_buffer(line: Line) -> None:
    """Audio whose commit was not answered is appended and committed once more."""
    session, pipe = line.open(reconnect=AT_ONCE)
    answer = session.submit(audio=bytes(9600), through="buffer")
    first = pipe.expect("input_audio_buffer.append")
    pipe.expect("input_audio_buffer.commit")
    pipe.expect("response.create")
    fresh = restored(session, line, pipe)
    assert fresh.expect("input_audio_buffer.append")["audio"] == first["audio"]
    fresh.confirm(fresh.expect("input_audio_buffer.commit"))
    fresh.respond(fresh.expect("response.create"), "heard")
    assert answer.result(timeout=LIMIT).text == "heard"


def test_a_delete_that_waited(line: Line) -> None:
    """An item of a response that is lost with the link needs no server to be deleted."""
    session, pipe = line.open(reconnect=AT_ONCE)
    response = pipe.begin(None)
    item = {"id": "a", "type": "message", "role": "assistant", "status": "in_progress"}
    place = {"response_id": response, "output_index": 0}
    pipe.say({"type": "response.output_item.added", **place, "item": item})
    pipe.say({"type": "conversation.item.added", "item": item})
    arrived(session, pipe)
    cutting = Task(session.conversation.truncate, "a", 0)
    while not session._connection._state.running.maker("a").afterwards:
        arrived(session, pipe)
    fresh = restored(session, line, pipe)
    cutting.result()
    assert session.conversation.items == ()
    assert fresh.no_more()
