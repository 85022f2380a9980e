"""conversation.updated: what listeners see, and that it costs nothing without them."""

from __future__ import annotations

from typing import Any

import pytest
from pipe import LIMIT, Line, Task, arrived, settled

from realtime_sync import events, items
from realtime_sync.errors import ConfigurationError, RealtimeTimeout, ServerError
from realtime_sync.events import ConversationUpdated
from realtime_sync.local import LocalServer

from .conftest import Opener


def pieces(seen: list[Any], kind: str) -> list[Any]:
    return [getattr(e.delta, kind) for e in seen if e.delta and getattr(e.delta, kind) is not None]


@pytest.mark.parametrize("wanted", ["conversation.updated", "conversation.*", ConversationUpdated])
def test_it_follows_the_conversation(wanted: Any, make: Opener, server: LocalServer) -> None:
    """Items, deltas and ends, each with the item as it is then; the last is the mirror's."""
    seen: list[Any] = []
    with make() as session:
        session.on(wanted, seen.append)
        server.reply("one two three four")
        response = session.ask("hello")
        final = session.conversation.items
    seen = [event for event in seen if event.type == "conversation.updated"]
    user = [event for event in seen if event.item.role == "user"]
    assert [(event.item.text, event.delta, event.deleted) for event in user] == [
        ("hello", None, False)
    ]
    said = [event for event in seen if event.item.role == "assistant"]
    assert said[0].item.status == "in_progress"
    assert "".join(pieces(said, "text")) == "one two three four" == response.text
    texts = [event.item.text for event in said]
    assert texts == sorted(texts, key=len)
    assert [said[-1].item] == [item for item in final if item.role == "assistant"]


def test_audio_and_arguments(make: Opener, server: LocalServer) -> None:
    """Audio comes as bytes, a call's arguments as text, transcripts beside."""
    seen: list[Any] = []
    with make(output_modalities=["audio"]) as session:
        session.on("conversation.updated", seen.append)
        server.reply("spoken words")
        heard = session.ask("x").audio
        server.reply(server.call("look", city="Paris"))
        (call,) = session.ask("y").function_calls
    assert b"".join(pieces(seen, "audio")) == heard
    assert "".join(pieces(seen, "transcript")) == "spoken words"
    assert "".join(pieces(seen, "arguments")) == call.arguments


def test_out_of_band(make: Opener, server: LocalServer) -> None:
    """What a response beside the conversation says is no change of the conversation."""
    seen: list[Any] = []
    with make() as session:
        session.on("conversation.updated", seen.append)
        server.reply("aside")
        response = session.response.create(conversation="none", input=["x"]).wait()
        assert (response.text, session.conversation.items, seen) == ("aside", (), [])


def test_deletes(make: Opener) -> None:
    """A deleted item comes once more, as it was."""
    with make() as session:
        item = session.conversation.create("x")
        with session.expect("conversation.updated") as pending:
            session.conversation.delete(item.id)
        event = pending.result(timeout=LIMIT)
        assert (event.item.id, event.item.text, event.deleted) == (item.id, "x", True)


def test_it_comes_behind_its_cause(line: Line) -> None:
    """Callbacks see the wire's event first, then what it has changed."""
    session, pipe = line.open()
    order: list[str] = []
    session.on("*", lambda event: order.append(event.type))
    session.on("conversation.updated", lambda _: None)
    user = {"id": "u", "type": "message", "role": "user", "content": []}
    pipe.say({"type": "conversation.item.added", "item": user})
    pipe.say({"type": "conversation.item.deleted", "item_id": "u"})
    settled(session, pipe)
    order = [kind for kind in order if kind.startswith("conversation.")]
    assert order == [
        "conversation.item.added",
        "conversation.updated",
        "conversation.item.deleted",
        "conversation.updated",
    ]


@pytest.mark.parametrize("wanted", ["*", events.LocalEvent, "conversation.item.*"])
def test_who_listens_to_everything_does_not_pay(wanted: Any, line: Line) -> None:
    """None is made for "*" alone, nor for other names."""
    session, pipe = line.open()
    seen: list[Any] = []
    session.on(wanted, seen.append)
    with session.events() as everything:
        pipe.respond(None, "Hi.")
        pipe.say({"type": "conversation.item.added", "item": {"id": "u", "role": "user"}})
        settled(session, pipe)
        kinds = [next(everything).type for _ in range(4)]
    assert "conversation.updated" not in [*kinds, *(event.type for event in seen)]
    assert session._connection._state.conversation.listened is False


def test_it_ends_with_its_last_listener(line: Line) -> None:
    """off() and the end of a watch make it free again."""
    session, pipe = line.open()
    state = session._connection._state
    seen: list[Any] = []
    session.on("conversation.updated", seen.append)
    watch = session.events("conversation.updated")
    for leave in (lambda: session.off("conversation.updated", seen.append), watch.close):
        arrived(session, pipe)
        assert state.conversation.listened is True
        leave()
    arrived(session, pipe)
    assert state.conversation.listened is False


# --- what else needs a server that answers late


def test_retrieves_share_a_request(line: Line) -> None:
    """Threads that ask for one item at once send one request, and all get its answer."""
    session, pipe = line.open()
    tasks = [Task(session.conversation.retrieve, "a") for _ in range(4)]
    event = pipe.expect("conversation.item.retrieve")
    waiters = session._connection._carrier._waiters
    # each turn of the loop is a round trip to the I/O thread
    while len(waiters) < 4 and all(task.running for task in tasks):
        arrived(session, pipe)
    pipe.say({"type": "conversation.item.retrieved", "item": {"id": "a", "role": "user"}})
    assert {task.result().id for task in tasks} == {"a"}
    assert event["item_id"] == "a"
    assert pipe.no_more()
    again = Task(session.conversation.retrieve, "a")
    pipe.refuse(pipe.expect("conversation.item.retrieve"), "item_retrieve_invalid_item_id")
    with pytest.raises(ServerError):
        again.result()


def test_nothing_heard_of_what_is_being_made(line: Line) -> None:
    """truncate(0) of a running item waits for response.done, then deletes; and gives up in time."""
    session, pipe = line.open()
    response = pipe.begin(None)
    item = {"id": "a", "type": "message", "role": "assistant", "status": "in_progress"}
    place = {"response_id": response, "output_index": 0}
    pipe.say({"type": "response.output_item.added", **place, "item": item})
    arrived(session, pipe)
    with pytest.raises(RealtimeTimeout):
        session.conversation.truncate("a", 0, timeout=0.01)
    assert pipe.no_more()
    cutting = Task(session.conversation.truncate, "a", 0)
    afterwards = session._connection._state.running.maker("a").afterwards
    while len(afterwards) < 2 and cutting.running:
        arrived(session, pipe)
    pipe.finish(response)
    for _ in range(2):  # a timeout stops the waiting, not the work
        pipe.confirm(pipe.expect("conversation.item.delete"))
    cutting.result()


@pytest.mark.parametrize(
    "arguments",
    [("a", -1), ("a", 5.5), ("a", float("nan")), ("a", "5"), ("a", True), ("a", 5, -1), (None, 5)],
)
def test_bad_truncations(arguments: Any, line: Line) -> None:
    """What is no position is refused before anything is sent."""
    session, pipe = line.open()
    with pytest.raises(ConfigurationError):
        session.conversation.truncate(*arguments)
    assert pipe.no_more()


def test_truncating_past_the_end(make: Opener, server: LocalServer) -> None:
    """It cuts nothing, and is no error; at 0 ms the item is gone."""
    with make(output_modalities=["audio"]) as session:
        server.reply("one two three")
        item = session.ask("x").output[0]
        session.conversation.truncate(item.id, 3_600_000)
        assert session.conversation.items[-1].transcript == "one two three"
        session.conversation.truncate(item.id, 0)
        assert [known.text for known in session.conversation.items] == ["x"]
        with pytest.raises(ServerError):
            session.conversation.retrieve(item.id)


def test_images_that_the_server_does_not_repeat(line: Line) -> None:
    """An image that we sent stays in the mirror, and in the export."""
    session, pipe = line.open()
    made = Task(session.conversation.create, items.user("see", image=b"\xff\xd8\xff"))
    event = pipe.expect("conversation.item.create")
    bare = {**event["item"], "content": [{"type": "input_image"}, event["item"]["content"][1]]}
    for kind in ("added", "done"):
        pipe.say({"type": f"conversation.item.{kind}", "item": bare})
    made.result()
    arrived(session, pipe)
    (exported,) = session.conversation.export()
    assert exported["content"] == event["item"]["content"]
