from __future__ import annotations

import json
import pickle
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipe import Line, Task, arrived

from realtime_sync import Item, RealtimeSession, SyncReport, items
from realtime_sync.errors import RealtimeTimeout, ServerError
from realtime_sync.local import LocalServer
from realtime_sync.resources.sync import kept

from .conftest import Opener

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TONE = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")


def message(item_id: str, text: str = "", **more: Any) -> Item:
    part = {"type": "input_text", "text": text or item_id}
    fields = {"id": item_id, "type": "message", "role": "user", "content": [part], **more}
    return Item.model_validate(fields)


def messages(ids: str) -> list[Item]:
    return [message(item_id) for item_id in ids]


def ids(session: RealtimeSession) -> str:
    return "".join(item.id for item in session.conversation.items)


# --- what stays


@given(st.permutations("abcdefg"), st.permutations("abcdefg"), st.integers(0, 7), st.integers(0, 7))
def test_as_many_as_can_stay(one: list[str], two: list[str], cut: int, cut2: int) -> None:
    """What stays is in both, in one order, and no longer such run exists."""
    current, wanted = one[:cut], two[:cut2]
    found = kept(messages("".join(current)), messages("".join(wanted)))
    run = [wanted[index] for index in sorted(found)]
    assert [known for known in current if known in run] == run
    longer = combinations(wanted, len(run) + 1)
    assert not any([k for k in current if k in more] == list(more) for more in longer)


def sound(transcript: str | None, audio: str | None = None, kind: str = "input_audio") -> Any:
    part = {"type": kind, "transcript": transcript}
    return [part if audio is None else {**part, "audio": audio}]


SAID = [{"type": "input_text", "text": "hi"}]
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


@pytest.mark.parametrize(
    ("known", "wanted", "same"),
    [
        (SAID, SAID, True),
        (SAID, [{"type": "text", "text": "hi"}], True),
        (SAID, [{"type": "input_text", "text": "ho"}], False),
        (SAID, [*SAID, *SAID], False),
        ([*SAID, *SAID], SAID, False),
        (SAID, [], False),
        (sound("hi"), SAID, True),
        (sound("ho"), SAID, False),
        (sound(None), SAID, False),
        (sound(None), sound(None, "AAAA"), True),
        (sound("hi"), sound(None, "AAAA"), True),
        (SAID, sound("hi"), False),
        ([*SAID, *sound(None)], SAID, True),
        ([*sound(None), *SAID], SAID, True),
        ([IMAGE, *SAID], [IMAGE, *SAID], True),
        ([IMAGE, *SAID], SAID, False),
        ([{"type": "input_image"}], [IMAGE], True),
        ([{**IMAGE, "detail": "auto"}], [IMAGE], True),
        ([{**IMAGE, "detail": "auto"}], [{**IMAGE, "detail": "low"}], False),
        ([IMAGE], [{**IMAGE, "image_url": "data:image/png;base64,BB=="}], False),
        ([IMAGE], SAID, False),
        (SAID, [IMAGE], False),
    ],
)
def test_same_content(known: Any, wanted: Any, same: bool) -> None:
    """Audio is known by its transcript; what one side does not say is no difference."""
    assert kept([message("a", content=known)], [message("a", content=wanted)]) == (
        {0} if same else set()
    )


def test_other_kinds() -> None:
    """Calls and outputs by their fields; another type or role is another item."""
    call = {"id": "a", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    known = Item.model_validate(call)
    assert kept([known], [known.model_copy(update={"status": "completed"})]) == {0}
    assert kept([known], [known.model_copy(update={"arguments": "[]"})]) == set()
    assert kept([known], [message("a")]) == set()
    assert kept([message("a")], [message("a", role="system")]) == set()
    growing = message("a", "so far", status="in_progress")
    assert kept([message("a", "so far, so good", status="completed")], [growing]) == {0}
    assert kept([message("a")], [items.user("a")]) == set()


# --- what is done


@pytest.mark.parametrize(
    ("current", "wanted", "created", "deleted"),
    [
        ("", "abc", "abc", ""),
        ("abc", "abc", "", ""),
        ("abc", "", "", "abc"),
        ("abc", "acb", "c", "c"),
        ("abcde", "xaybzde", "xyz", "c"),
        ("abcdef", "fabcde", "f", "f"),
        ("abc", "xyz", "xyz", "abc"),
    ],
)
def test_fewest_steps(
    current: str,
    wanted: str,
    created: str,
    deleted: str,
    make: Opener,
    server: LocalServer,
) -> None:
    """The server ends with these items in this order, and no step more than needed was sent."""
    with make(history=messages(current)) as session:
        before = len(server.received)
        report = session.conversation.sync(messages(wanted))
        sent = [event["type"].rpartition(".")[2] for event in server.received[before:]]
        assert ids(session) == wanted
        assert len(report.created) == len(created) == sent.count("create")
        assert len(report.deleted) == len(deleted) == sent.count("delete")
        assert (set(report.created), set(report.deleted)) == (set(created), set(deleted))
        assert report.rejected == {}
        for item_id in wanted:  # as the server has them
            assert session.conversation.retrieve(item_id).id == item_id


def test_content_that_differs(make: Opener) -> None:
    """One with other content is deleted and created anew, in its place and under its id."""
    with make(history=messages("abc")) as session:
        report = session.conversation.sync([message("a"), message("b", "new"), message("c")])
        assert report == SyncReport(created=("b",), deleted=("b",))
        assert ids(session) == "abc"
        assert session.conversation.items[1].text == "new"


def test_items_without_id(make: Opener) -> None:
    """They are always created, where they stand in the list."""
    with make(history=messages("ab")) as session:
        report = session.conversation.sync(["x", message("a"), "y", message("b"), "z"])
        assert [item.text for item in session.conversation.items] == ["x", "a", "y", "b", "z"]
        assert report.deleted == ()
        assert set(report.created) == {item.id for item in session.conversation.items} - {"a", "b"}


def test_what_is_there_already(make: Opener, server: LocalServer) -> None:
    """sync(export()) and sync(items) send nothing, whatever the conversation holds."""

    def ping() -> str:
        """Pings."""
        return "pong"

    server.script.transcripts(["good morning"])
    with make(tools=[ping], output_modalities=["audio"], transcription="whisper-1") as session:
        session.conversation.create(items.system("rules"))
        session.conversation.create(items.user("look", image=PNG, audio=TONE))
        server.reply(server.call("ping"), "done")
        session.ask("go")
        with session.expect("conversation.item.input_audio_transcription.completed") as pending:
            session.input_audio_buffer.append(TONE)
            session.input_audio_buffer.commit()
            pending.result(timeout=15)
        server.reply("one two three")
        session.response.create().wait()
        session.conversation.truncate(session.conversation.items[-1].id, 500)
        exported = json.loads(json.dumps(session.conversation.export()))
        before = len(server.received)
        assert session.conversation.sync(exported) == SyncReport()
        assert session.conversation.sync(session.conversation.items) == SyncReport()
        assert len(server.received) == before


def test_one_rejection_does_not_stop_the_rest(line: Line) -> None:
    """What stood behind a refused item goes behind the one before it."""
    session, pipe = line.open()
    syncing = Task(session.conversation.sync, messages("abcd"))
    events = [pipe.expect("conversation.item.create") for _ in range(4)]
    assert [event["previous_item_id"] for event in events] == ["root", "a", "b", "c"]
    pipe.confirm(events[0])
    pipe.refuse(events[1], "invalid_value")
    for event in events[2:]:
        pipe.refuse(event, "item_create_invalid_previous_item_id")
    events = [pipe.expect("conversation.item.create") for _ in range(2)]
    assert [(e["item"]["id"], e["previous_item_id"]) for e in events] == [("c", "a"), ("d", "c")]
    pipe.refuse(events[0], "invalid_value")
    pipe.refuse(events[1], "item_create_invalid_previous_item_id")
    last = pipe.expect("conversation.item.create")
    assert (last["item"]["id"], last["previous_item_id"]) == ("d", "a")
    pipe.confirm(last)
    report = syncing.result()
    assert (report.created, report.deleted) == (("a", "d"), ())
    assert {item_id: error.code for item_id, error in report.rejected.items()} == {
        "b": "invalid_value",
        "c": "invalid_value",
    }
    again = pickle.loads(pickle.dumps(report))
    assert (again.created, list(again.rejected)) == (report.created, ["b", "c"])
    with pytest.raises(TypeError):
        hash(report)


def test_refused_deletes(line: Line) -> None:
    """One that is gone already counts as deleted; one that stays is not created a second time."""
    session, pipe = line.open()
    for item in messages("abc"):
        pipe.say({"type": "conversation.item.added", "item": item.wire()})
    arrived(session, pipe)
    syncing = Task(session.conversation.sync, [message("b", "new"), message("d")])
    events = [pipe.expect("conversation.item.delete") for _ in range(3)]
    pipe.refuse(events[0], "item_delete_invalid_item_id")
    pipe.refuse(events[1], "server_error")
    pipe.confirm(events[2])
    create = pipe.expect("conversation.item.create")
    assert (create["item"]["id"], create["previous_item_id"]) == ("d", "root")
    pipe.confirm(create)
    report = syncing.result()
    assert (report.created, report.deleted, list(report.rejected)) == (("d",), ("a", "c"), ["b"])
    clearing = Task(session.conversation.clear)
    for _ in range(len(session.conversation.items)):
        pipe.refuse(pipe.expect("conversation.item.delete"), "server_error")
    with pytest.raises(ServerError):
        clearing.result()


def test_one_timeout_for_all(line: Line) -> None:
    """It covers every step; nobody is left waiting, and late answers are taken in."""
    session, pipe = line.open()
    with pytest.raises(RealtimeTimeout):
        session.conversation.sync(messages("abc"), timeout=0.05)
    assert not session._connection._carrier._waiters
    for _ in range(3):
        pipe.confirm(pipe.expect("conversation.item.create"))
    arrived(session, pipe)
    assert ids(session) == "abc"
    assert session.conversation.sync(messages("abc")) == SyncReport()


def test_what_is_being_made(make: Opener, server: LocalServer) -> None:
    """An item of a running response goes when that has ended."""
    with make() as session:
        server.script.hold(after=2)
        server.reply("one two three four five")
        response = session.response.create()
        next(response.text_deltas())
        syncing = Task(session.conversation.sync, ["x"])
        with session.expect("response.done") as pending:
            server.script.release()
            pending.result(timeout=15)
        assert syncing.result().deleted == (response.output[0].id,)
        assert [item.text for item in session.conversation.items] == ["x"]


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("text", "brackets"),
        (["a", 5], r"items\[1\]"),
        ([message("a"), message("a")], r"items\[1\] a: its id is there twice"),
        ([items.function_output("c", "x")], r"items\[0\].*no such call"),
        (
            [{"type": "function_call", "id": "n", "call_id": "c", "name": "f", "arguments": ""}],
            r"items\[0\] n.*no output",
        ),
        ([{"role": "user", "content": []}], r"items\[0\]: it has neither"),
        ([{"role": "system", "content": [{"type": "input_audio"}]}], r"items\[0\]\.content"),
    ],
)
def test_bad_items(wanted: Any, complaint: str, make: Opener, server: LocalServer) -> None:
    """What cannot be sent is refused before anything is, and named."""
    with make(history=["keep"]) as session:
        before = len(server.received)
        with pytest.raises((TypeError, ValueError), match=complaint):
            session.conversation.sync(wanted)
        assert len(server.received) == before
        assert len(session.conversation.items) == 1


def test_a_call_that_still_runs(make: Opener) -> None:
    """A call that stands there without its output may stay."""
    call = {"type": "function_call", "id": "k", "call_id": "c", "name": "f", "arguments": "{}"}
    with make(history=["a"]) as session:
        session.conversation.create(call)
        report = session.conversation.sync([session.conversation.items[1]])
        assert len(report.deleted) == 1
        assert [item.type for item in session.conversation.items] == ["function_call"]
