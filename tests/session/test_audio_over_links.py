"""User audio over a lost link: what goes on, what is lost, and how much of it is told."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pipe import LIMIT, Line, Pipe, Task, arrived, greeted

from realtime_sync import RealtimeSession, ReconnectPolicy, items
from realtime_sync.errors import ConnectionLost, QueueFull, RealtimeTimeout

AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))
CHUNK = bytes(48 * 100)  # 100 ms
APPEND = "input_audio_buffer.append"


def again(session: RealtimeSession, line: Line, pipe: Pipe) -> tuple[Pipe, Any]:
    """The next link, and what connection.restored says; nothing has to be told to it first."""
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    with session.expect("connection.restored") as pending:
        pipe.cut()
        return fresh, pending.result(timeout=LIMIT)


def stalled(line: Line, keep_audio: float = 5) -> tuple[RealtimeSession, Pipe]:
    """A link that takes nothing, and has more to send already than it accepts."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), keep_audio=keep_audio))
    pipe.stall()
    for _ in range(60):
        session.input_audio_buffer.append(CHUNK)
    arrived(session, pipe)
    return session, pipe


def committing(session: RealtimeSession, pipe: Pipe) -> Task:
    """A commit that is queued."""
    before = len(session._connection._carrier._waiters)
    task = Task(session.input_audio_buffer.commit)
    while len(session._connection._carrier._waiters) == before:
        arrived(session, pipe)
    return task


def said_item(pipe: Pipe) -> None:
    item = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    pipe.say({"type": "input_audio_buffer.committed", "item_id": "u"})
    pipe.say({"type": "conversation.item.added", "item": item})


@pytest.mark.row("F30", bound="exactly the audio that no server has")
def test_a_commit_that_never_left_goes_with_its_audio(line: Line) -> None:
    """All of its audio still waits: both go over the next link, in order."""
    session, pipe = stalled(line)
    first = committing(session, pipe)
    for _ in range(20):
        session.input_audio_buffer.append(CHUNK)
    second = committing(session, pipe)
    session.input_audio_buffer.append(CHUNK)
    fresh, back = again(session, line, pipe)
    with pytest.raises(ConnectionLost):
        first.result()
    assert back.lost_audio_ms == 6000  # all of the first: half of it was on its way
    for _ in range(20):
        fresh.expect("input_audio_buffer.append")
    fresh.expect("input_audio_buffer.commit")
    fresh.expect("input_audio_buffer.append")
    said_item(fresh)
    assert second.result().id == "u"
    assert fresh.no_more()


def test_unsent_audio_that_is_too_much_to_keep(line: Line) -> None:
    """It is missing like any other: seeds 41, 70, 83 and 109 of tests/stress/test_schedules.py."""
    session, pipe = stalled(line, keep_audio=0.5)
    assert sum(kind == APPEND for kind, _ in session._connection._outbox.speech()) > 5
    fresh, back = again(session, line, pipe)
    arrived(session, fresh)
    assert fresh.types == [APPEND] * 5
    assert back.lost_audio_ms == 6000 - 500


def test_what_follows_a_clear(line: Line) -> None:
    """Audio from before a clear is gone, and is not missed; what was appended after it is kept."""
    session, pipe = stalled(line)
    clearing = Task(session.input_audio_buffer.clear)
    while not session._connection._carrier._waiters:
        arrived(session, pipe)
    for _ in range(3):
        session.input_audio_buffer.append(CHUNK)
    fresh, back = again(session, line, pipe)
    clearing.result()
    arrived(session, fresh)
    assert fresh.types == ["input_audio_buffer.append"] * 3
    assert back.lost_audio_ms == 0


def test_a_clear_while_there_is_no_link(line: Line) -> None:
    """It takes all audio that no commit has taken, whatever was said in between."""
    session, pipe = line.open(reconnect=AT_ONCE)
    fresh = Pipe()
    line.plan(fresh)
    with session.expect("connection.lost") as lost:
        pipe.cut()
    lost.result(timeout=LIMIT)
    session.input_audio_buffer.append(CHUNK)
    session.send({"type": "conversation.item.create", "item": {"type": "message", "id": "a"}})
    session.input_audio_buffer.append(CHUNK)
    session.input_audio_buffer.clear()
    with session.expect("connection.restored") as pending:
        fresh.greet()
        pending.result(timeout=LIMIT)
    arrived(session, fresh)
    assert fresh.types == ["conversation.item.create"]


def unlinked(session: RealtimeSession, line: Line, pipe: Pipe) -> Pipe:
    """The next link, whose server has not greeted yet."""
    fresh = Pipe()
    line.plan(fresh)
    with session.expect("connection.lost") as lost:
        pipe.cut()
    lost.result(timeout=LIMIT)
    return fresh


def waiting(session: RealtimeSession, count: int) -> None:
    """Returns once so many calls wait for the link."""
    while len(session._connection._carrier._waiters) < count:
        threading.Event().wait(0.005)


@pytest.mark.row("F30", bound="exactly the audio that no server has")
@pytest.mark.parametrize(
    ("tail_ms", "lost_ms", "goes"),
    # of a second that is kept, the commit has 100 ms and these
    [(100, 100, True), (50, 150, False), (0, 100, False)],
)
def test_a_commit_whose_audio_made_room(tail_ms: int, lost_ms: int, goes: bool, line: Line) -> None:
    """With less left of it than a server takes it fails at once, and no server hears of it."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), keep_audio=1.0))
    fresh = unlinked(session, line, pipe)
    session.input_audio_buffer.append(CHUNK)
    session.input_audio_buffer.append(bytes(48 * tail_ms))
    first = Task(session.input_audio_buffer.commit)
    waiting(session, 1)
    for _ in range(9 if tail_ms else 10):
        session.input_audio_buffer.append(CHUNK)
    if not goes:
        with pytest.raises(ConnectionLost, match="room for newer"):
            first.result()
    with session.expect("connection.restored") as pending:
        fresh.greet(id="sess_2")
        assert pending.result(timeout=LIMIT).lost_audio_ms == lost_ms
    if goes:
        fresh.expect(APPEND)
        fresh.expect("input_audio_buffer.commit")
        said_item(fresh)
        assert first.result().id == "u"
    for _ in range(9 if tail_ms else 10):
        fresh.expect(APPEND)
    arrived(session, fresh)
    assert fresh.no_more()


def test_audio_that_is_not_to_wait(line: Line) -> None:
    """With keep_audio=0 all of it is dropped, and counted."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), keep_audio=0))
    fresh = unlinked(session, line, pipe)
    for _ in range(3):
        session.input_audio_buffer.append(CHUNK)
    with session.expect("connection.restored") as pending:
        fresh.greet(id="sess_2")
        assert pending.result(timeout=LIMIT).lost_audio_ms == 300
    arrived(session, fresh)
    assert fresh.types == []


def test_a_commit_that_gave_up(line: Line) -> None:
    """The audio of a commit that timed out without a link waits for the next commit."""
    session, pipe = line.open(reconnect=AT_ONCE)
    fresh = unlinked(session, line, pipe)
    for _ in range(3):
        session.input_audio_buffer.append(CHUNK)
    with pytest.raises(RealtimeTimeout):
        session.input_audio_buffer.commit(timeout=0.01)
    second = Task(session.input_audio_buffer.commit)
    fresh.greet(id="sess_2")
    for _ in range(3):
        fresh.expect(APPEND)
    fresh.expect("input_audio_buffer.commit")
    said_item(fresh)
    assert second.result().id == "u"


def test_a_turns_audio_is_said_once(line: Line) -> None:
    """A turn's audio that never left goes on with its turn, and with nothing else."""
    session, pipe = stalled(line)
    answer = session.submit(audio=CHUNK * 2, through="buffer")
    arrived(session, pipe)
    session._connection.look(lambda s: s.sequencer.asked)
    fresh, _ = again(session, line, pipe)
    while not fresh.types or fresh.types[-1] != "response.create":
        arrived(session, fresh)
    kept = [kind for kind in fresh.types if kind == "input_audio_buffer.append"]
    sizes = [len(frame) for frame in fresh.frames if b"append" in frame]
    assert sizes.count(max(sizes)) == 1  # the turn's own, in one piece
    assert len(kept) == len(sizes)
    fresh._taken = len(fresh.frames) - 1
    said_item(fresh)
    fresh.respond(fresh.expect("response.create"), "heard")
    assert answer.result(LIMIT).text == "heard"


@pytest.mark.row("F30", bound="asked once more, with its audio")
@pytest.mark.parametrize("through", ["buffer", "item"])
def test_a_turn_whose_audio_was_taken(through: str, line: Line) -> None:
    """Its item was confirmed, its response had not begun: the model must hear the audio again."""
    session, pipe = line.open(reconnect=AT_ONCE)
    answer = session.submit(audio=CHUNK * 2, through=through)
    kinds = {"buffer": ["append", "commit"], "item": ["create"]}[through]
    names = {"create": "conversation.item.create"}
    first = [pipe.expect(names.get(kind, f"input_audio_buffer.{kind}")) for kind in kinds]
    pipe.expect("response.create")
    if through == "buffer":
        said_item(pipe)
    else:
        bare = {**first[0]["item"], "content": [{"type": "input_audio", "transcript": None}]}
        pipe.say({"type": "conversation.item.added", "item": bare})
    arrived(session, pipe)
    assert len(session.conversation.items) == 1
    fresh, back = again(session, line, pipe)
    for event in first:
        repeated = fresh.expect(event["type"])
        assert repeated.get("audio") == event.get("audio")
        assert repeated.get("item") == event.get("item")
    if through == "buffer":
        said_item(fresh)
    else:
        fresh.confirm(first[0])
    fresh.respond(fresh.expect("response.create"), "heard")
    assert answer.result(LIMIT).text == "heard"
    assert (back.skipped, back.lost_audio_ms) == ((), 0)
    assert len(session.conversation.items) == 1


def test_what_a_narrow_line_has_cost(line: Line) -> None:
    """Dropped with the oldest of our microphone, it is counted there, and not once more."""
    session, pipe = stalled(line)
    dropped = sum(session.input_audio_buffer._append_live(CHUNK, 2000) for _ in range(30))
    assert dropped > 500
    fresh, back = again(session, line, pipe)
    arrived(session, fresh)
    assert back.lost_audio_ms + 100 * len(fresh.types) == 9000 - dropped


# --- audio of items


def spoken(session: RealtimeSession, pipe: Pipe, item_id: str, ms: int) -> dict[str, Any]:
    """Creates a user's item with audio, of which the server shows nothing; the event's item."""
    made = items.user(audio=bytes(48 * ms)).model_copy(update={"id": item_id})
    creating = Task(session.conversation.create, made)
    event = pipe.expect("conversation.item.create")
    bare = {**event["item"], "content": [{"type": "input_audio", "transcript": None}]}
    pipe.say({"type": "conversation.item.added", "item": bare})
    creating.result()
    item: dict[str, Any] = event["item"]
    return item


def transcribed(pipe: Pipe, item_id: str, text: str) -> None:
    kind = "conversation.item.input_audio_transcription.completed"
    pipe.say({"type": kind, "item_id": item_id, "content_index": 0, "transcript": text})


@pytest.mark.row("F30", bound="the newest, of replay_audio seconds in all")
def test_audio_of_items_is_said_again(line: Line) -> None:
    """As its transcript where there is one, else as audio; what is too much is told as skipped."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), replay_audio=0.25))
    first = {name: spoken(session, pipe, name, 100) for name in "abcd"}
    transcribed(pipe, "c", "hello")
    spoken(session, pipe, "long", 300)
    arrived(session, pipe)
    assert session.conversation.items[0].audio == b""  # retrieve has it
    fresh = greeted(id="sess_2")
    line.plan(fresh)
    with session.expect("connection.restored") as pending:
        pipe.cut()
        said = [fresh.expect("conversation.item.create")["item"] for _ in range(2)]
        for item in said:
            fresh.confirm({"type": "conversation.item.create", "item": item})
        back = pending.result(timeout=LIMIT)
    assert (back.replayed, back.skipped) == (("c", "d"), ("a", "b", "long"))
    assert said[0]["content"] == [{"type": "input_text", "text": "hello"}]
    assert said[1]["content"] == first["d"]["content"]
    assert [item.id for item in session.conversation.items] == ["c", "d"]


def test_a_server_that_shows_the_audio_of_items(line: Line) -> None:
    """It is not kept in the mirror for ever: the limit holds for it too."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), replay_audio=0.15))
    for name in "ab":
        made = items.user(audio=bytes(4800)).model_copy(update={"id": name})
        creating = Task(session.conversation.create, made)
        pipe.confirm(pipe.expect("conversation.item.create"))
        creating.result()
    assert [item.audio for item in session.conversation.items] == [b"", b""]
    assert len(session._connection._state.conversation.kept._parts) == 1
    clearing = Task(session.conversation.clear)
    for _ in range(2):
        pipe.confirm(pipe.expect("conversation.item.delete"))
    clearing.result()
    kept = session._connection._state.conversation.kept
    assert (kept._parts, kept._size) == ({}, 0)


@pytest.mark.row("F30", bound="replay_audio seconds, or one call")
def test_calls_with_audio_that_wait_for_a_link(line: Line) -> None:
    """What would be too much is refused at once, one is always taken; nothing of it is lost."""
    session, pipe = line.open(reconnect=ReconnectPolicy(delays=(0,), replay_audio=0.25))
    fresh = Pipe()
    line.plan(fresh)
    with session.expect("connection.lost") as lost:
        pipe.cut()
    lost.result(timeout=LIMIT)
    asked = session.submit(audio=bytes(48 * 300), through="item")
    with pytest.raises(QueueFull, match="replay_audio"):
        session.submit(audio=bytes(48 * 100), through="buffer")
    with pytest.raises(QueueFull):
        session.conversation.create(items.user(audio=bytes(48 * 100)))
    session.send({"type": "conversation.item.create", "item": items.user("words cost nothing")})
    fresh.greet()
    assert fresh.expect("conversation.item.create")["item"]["content"][0]["type"] == "input_text"
    fresh.take_turn("heard")
    assert asked.result(LIMIT).text == "heard"
    spoken(session, fresh, "x", 300)
