"""What a server may send, and the session lives; all is visible as an event and in the log."""

from __future__ import annotations

import base64
import json
import logging
import threading
from typing import Any

import pytest
from pipe import Line, Task, arrived

from realtime_sync import RealtimeSession, events
from realtime_sync.core import running
from realtime_sync.errors import ProtocolError, ServerError
from realtime_sync.local import LocalServer

from .peers import Link, Peer, frame

LIMIT = 15.0


def alive(session: RealtimeSession, link: Link) -> None:
    """The session still takes in what comes, and still asks and is answered."""
    futures = [session.submit("still there?")]
    link.respond(link.hear("response.create"), "r_alive", "yes")
    assert futures[0].result(LIMIT).text == "yes"
    assert session.state == "open"


def seen(session: RealtimeSession, link: Link, data: bytes) -> events.Event:
    """The event that comes of these bytes."""
    with session.expect("*") as pending:
        link.raw(data)
    return pending.result(timeout=LIMIT)


UNPARSABLE = {
    "no json": b"hello",
    "empty": b"",
    "half json": b'{"type": "response.done"',
    "null": b"null",
    "number": b"5",
    "string": b'"x"',
    "array": b'[{"type": "response.done"}]',
    "no type": b"{}",
    "type null": b'{"type": null}',
    "type no string": b'{"type": 5}',
    "not utf-8": b'{"type": "\xff\xfe"}',
    "utf-16": '{"type": "x"}'.encode("utf-16"),
    "nan": b'{"type": "x", "a": NaN}',
    "infinity": b'{"type": "x", "a": -Infinity}',
    "deep": b"[" * 100_000,
    "a little too deep": b'{"type": "x", "a": ' + b"[" * 65 + b"]" * 65 + b"}",
    "5,000 digits": b'{"type": "x", "a": ' + b"9" * 5_000 + b"}",
    "beyond a float": b'{"type": "x", "a": 1e999}',
    "control characters": b"\x1b[2J\x07\x00",
}


@pytest.mark.row("B1", "B2", "B3", "B4", "B5")
@pytest.mark.parametrize("name", UNPARSABLE)
def test_unparsable(
    name: str, bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """Text that is no event arrives as UnknownEvent "unparsable", and is logged as a WARNING."""
    link = peer.link()
    event = seen(bare, link, frame(UNPARSABLE[name]))
    assert isinstance(event, events.UnknownEvent)
    assert event.type == "unparsable"
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.levelno for r in records] == [logging.WARNING]
    line = records[0].getMessage()
    assert line.isprintable()
    assert len(line) < 400
    alive(bare, link)


@pytest.mark.row("B4")
@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ('{"type": "test.x", "a": 1, "a": 2}', {"type": "test.x", "a": 2}),
        ('\ufeff{"type": "test.x"}', {"type": "test.x"}),
        ('{"type": "test.x", "a": 9007199254740993}', {"type": "test.x", "a": 2**53 + 1}),
        ('{"type": "test.x", "a": -0.0}', {"type": "test.x", "a": 0.0}),
    ],
    ids=["doubled", "BOM", "more than a double", "minus nothing"],
)
def test_odd_and_readable(text: str, raw: object, bare: RealtimeSession, peer: Peer) -> None:
    """Keys that come twice count the last time; a byte order mark is passed over."""
    link = peer.link()
    assert seen(bare, link, frame(text.encode())).raw == raw
    alive(bare, link)


@pytest.mark.row("B4")
@pytest.mark.parametrize(
    "data", [b'{"type": "response.done"}', '{"type": "x"}'.encode("utf-16")], ids=["JSON", "UTF-16"]
)
def test_binary(
    data: bytes, bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """A binary frame is "unparsable" too."""
    link = peer.link()
    event = seen(bare, link, frame(data, first=0x82))
    assert event.type == "unparsable"
    assert f"{len(data)} bytes" in event.raw
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    alive(bare, link)


def test_handlers_of_unparsable(bare: RealtimeSession, peer: Peer) -> None:
    """A handler of "unparsable", of UnknownEvent and of "*" sees it."""
    link = peer.link()
    heard: list[tuple[str, Any]] = []
    done = threading.Event()
    bare.on("unparsable", lambda e: heard.append(("name", e.raw)))
    bare.on(events.UnknownEvent, lambda e: heard.append(("class", e.raw)))
    bare.on("*", lambda e: done.set())
    link.raw(frame(b"hello"))
    assert done.wait(LIMIT)
    assert heard == [("name", "hello"), ("class", "hello")]


@pytest.mark.row("B7")
@pytest.mark.parametrize(
    "wire",
    [
        {"type": "response.sing", "tune": [1, {"a": None}]},
        {"type": "x" * 5000},
        {"type": "\u202eevil\n\x1b[2J"},
        {"type": "connection.closed", "error": "a server's name for an event of ours"},
    ],
)
def test_unknown_types(
    wire: dict[str, Any], bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown type arrives as UnknownEvent with .type and .raw, and is logged at DEBUG."""
    caplog.set_level(logging.DEBUG, "realtime_sync")
    link = peer.link()
    event = seen(bare, link, frame(json.dumps(wire).encode()))
    assert isinstance(event, events.UnknownEvent)
    assert (event.type, event.raw) == (wire["type"], wire)
    said = [r for r in caplog.records if "unknown event" in r.getMessage()]
    assert [r.levelno for r in said] == [logging.DEBUG]
    assert all("\n" not in r.getMessage() and "\x1b" not in r.getMessage() for r in caplog.records)
    alive(bare, link)


MALFORMED: list[dict[str, Any]] = [
    {"type": "response.created", "response": []},
    {"type": "response.done", "response": "r"},
    {"type": "response.output_text.delta", "delta": 5},
    {"type": "response.output_text.delta", "delta": "x", "output_index": "first"},
    {"type": "conversation.item.added", "item": "x"},
    {"type": "conversation.item.truncated", "audio_end_ms": {}},
    {"type": "error", "error": ["str"]},
    {"type": "session.updated", "session": 5},
    {"type": "rate_limits.updated", "rate_limits": {}},
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": "now"},
]


@pytest.mark.row("B9")
@pytest.mark.parametrize("wire", MALFORMED, ids=lambda wire: wire["type"])
def test_malformed_known_types(wire: dict[str, Any], bare: RealtimeSession, peer: Peer) -> None:
    """A malformed event of a known type goes to "*" and globs only, as UnknownEvent."""
    link = peer.link()
    exact: list[object] = []
    globs: list[events.Event] = []
    done = threading.Event()
    bare.on(wire["type"], exact.append)
    bare.on(wire["type"].split(".")[0] + "*", globs.append)
    bare.once("*", lambda _: done.set())
    link.raw(frame(json.dumps(wire).encode()))
    assert done.wait(LIMIT)
    assert exact == []
    assert [type(event) for event in globs] == [events.UnknownEvent]
    bare.off(wire["type"], exact.append)
    alive(bare, link)


EMPTY = [
    "session.created", "session.updated", "error", "conversation.created",
    "conversation.item.added", "conversation.item.created", "conversation.item.done",
    "conversation.item.deleted", "conversation.item.truncated", "conversation.item.retrieved",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.failed",
    "input_audio_buffer.committed", "input_audio_buffer.cleared",
    "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
    "response.created", "response.done", "response.output_item.added", "response.output_item.done",
    "response.content_part.added", "response.content_part.done", "response.output_text.delta",
    "response.output_text.done", "response.output_audio.delta", "response.output_audio.done",
    "response.output_audio_transcript.delta", "response.output_audio_transcript.done",
    "response.function_call_arguments.delta", "response.function_call_arguments.done",
    "rate_limits.updated", "response.mcp_call.completed", "mcp_list_tools.failed",
]  # fmt: skip


@pytest.mark.row("B9")
@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("running", [False, True], ids=["idle", "running"])
def test_missing_and_null_fields(
    kind: str, running: bool, bare: RealtimeSession, peer: Peer
) -> None:
    """Every known event may lack all its fields, or have null or unknown ones."""
    link = peer.link()
    if running:
        link.say("response.created", response=link.response({}, "r_running"))
    fields = ("response", "item", "item_id", "error", "session", "delta", "usage", "response_id")
    for extra in ({}, {"later": {"x": [1]}}, dict.fromkeys(fields)):
        event = {"type": kind, **extra}
        with bare.expect(kind) as pending:
            link.raw(frame(json.dumps(event).encode()))
        assert pending.result(timeout=LIMIT).type == kind
    if running:
        ended = {**link.response({}, "r_running"), "status": "completed"}
        link.say("response.done", response=ended)
    alive(bare, link)


@pytest.mark.row("B10")
def test_unknown_ids(bare: RealtimeSession, peer: Peer) -> None:
    """Events of unknown responses and items, doubled or late, change nothing (B10, B11)."""
    link = peer.link()
    where = {"response_id": "nope", "item_id": "nope", "output_index": 9, "content_index": 9}
    ended = {"id": "nope", "status": "completed", "output": []}
    for _ in range(2):
        link.say("response.output_text.delta", **where, delta="x")
        link.say("response.output_audio.delta", **where, delta="AAAA")
        link.say("response.function_call_arguments.done", **where, call_id="c", arguments="{}")
        link.say("response.done", response=ended)
        link.say("conversation.item.deleted", item_id="nope")
        link.say("conversation.item.truncated", item_id="nope", audio_end_ms=1, content_index=-5)
        link.say("conversation.item.input_audio_transcription.delta", item_id="nope", delta="x")
        link.say("error", error={"message": "x", "event_id": "nope"})
    alive(bare, link)
    link.respond({}, "r_alive", "once more")
    link.say("response.output_text.delta", **{**where, "response_id": "r_alive"}, delta="late")
    alive_again = bare.submit("x")
    link.respond(link.hear("response.create"), "r2", "yes")
    assert alive_again.result(LIMIT).text == "yes"


@pytest.mark.row("B10", "B17", bound="every future is settled")
@pytest.mark.parametrize(
    "error",
    ["str", None, {}, {"message": "x"}, {"message": "x", "event_id": "nobody's"}],
    ids=["text", "null", "empty", "of nobody", "of another"],
)
def test_errors_of_nobody(error: object, bare: RealtimeSession, peer: Peer) -> None:
    """An error that names nobody, or somebody else, reaches the handlers, and no caller."""
    link = peer.link()
    asking = bare.submit("hello")
    create = link.hear("response.create")
    event = seen(bare, link, frame(json.dumps({"type": "error", "error": error}).encode()))
    assert event.type in ("error", "unparsable")
    link.respond(create, "r1", "yes")
    assert asking.result(LIMIT).text == "yes"
    late = {"message": "too late", "event_id": create["event_id"]}
    seen(bare, link, frame(json.dumps({"type": "error", "error": late}).encode()))
    assert asking.result(0).text == "yes"
    alive(bare, link)


@pytest.mark.row("B10", bound="every future is settled")
@pytest.mark.parametrize("times", [1, 2])
def test_an_end_without_a_beginning(times: int, bare: RealtimeSession, peer: Peer) -> None:
    """response.done without deltas, items or response, once or twice, ends what it can end."""
    link = peer.link()
    asking = bare.submit("hello")
    create = link.hear("response.create")
    begun = link.response(create, "r1")
    link.say("response.created", response=begun)
    for _ in range(times):
        link.say("response.done")
        link.say("response.done", response={**begun, "status": "completed"})
    assert asking.result(LIMIT).text == ""
    alive(bare, link)


@pytest.mark.row("B1", "B10", bound="2 s after the server's answer to a cancel")
def test_an_end_that_is_lost(
    bare: RealtimeSession, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response whose end is garbled is over once the server says so; the next turn goes then."""
    monkeypatch.setattr(running, "LOST_DELAY", 0.0)
    link = peer.link()
    first, second = bare.submit("hello"), bare.submit("more")
    link.say("response.created", response=link.response(link.hear("response.create"), "r1"))
    seen(bare, link, frame(b'"type": "response'))  # so the response runs, to us too
    cancelling = Task(bare.response.cancel)
    refused = {"code": "response_cancel_not_active", "message": "no active response found"}
    cancel = link.hear("response.cancel")
    link.say("error", error={**refused, "event_id": cancel["event_id"]})
    assert cancelling.result() is False
    assert first.result(LIMIT).status == "incomplete"
    link.respond(link.hear("response.create"), "r2", "yes")
    assert second.result(LIMIT).text == "yes"
    alive(bare, link)


@pytest.mark.row("B1", "B10", bound="at once")
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"type": "response.done", "event_id": "e", "resp', "failed"),
        (
            '{"type": "response.done", "response": {"id": "r1", "status": "completed", "o',
            "completed",
        ),
        ('{"event_id": "e", "type": "response.done", "response": {"id": "r1",}}', "failed"),
        ('{"type": "response.done", "response": {"id": "r1"}, "n": NaN}', "failed"),
    ],
)
def test_a_garbled_end(text: str, status: str, bare: RealtimeSession, peer: Peer) -> None:
    """A response.done that is no JSON ends the response that it names, else the one that runs."""
    link = peer.link()
    future = bare.submit("hello")
    create = link.hear("response.create")
    link.say("response.created", response=link.response(create, "r1"))
    where = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    link.say("response.output_text.delta", **where, delta="Hi.")
    for other in (
        '{"type": "response.done", "response": {"id": "r0", "status": "completed"',
        '{"type": "response.output_text.delta", "delta": "\\"type\\": \\"response.done\\""',
    ):
        seen(bare, link, frame(other.encode()))
    assert not future.done()
    link.raw(frame(text.encode()))
    error = future.exception(LIMIT)
    ended = future.result(0) if error is None else getattr(error, "response", None)
    assert (ended.status, ended.text) == (status, "Hi.")
    alive(bare, link)


@pytest.mark.row("B1", "B9", bound="at once")
@pytest.mark.parametrize(
    "spoilt",
    ['{"type": "%s", "session": {', '{"type": "%s", "session": 5, "item_id": 5}'],
    ids=["no JSON", "malformed"],
)
@pytest.mark.parametrize("kind", ["session.updated", "input_audio_buffer.cleared"])
def test_an_answer_that_cannot_be_read(
    kind: str, spoilt: str, bare: RealtimeSession, peer: Peer
) -> None:
    """Whoever waits for it hears so at once, and the next such answer is the next one's."""
    if kind.endswith("cleared") and "5" in spoilt:
        spoilt = '{"type": "%s", "event_id": 5, "later": NaN}'
    link = peer.link()

    def ask() -> Any:
        if kind == "session.updated":
            return bare.update(instructions="x")
        return bare.input_audio_buffer.clear()

    first = Task(ask)
    asked = link.hear("session.update" if kind == "session.updated" else "input_audio_buffer.clear")
    link.raw(frame((spoilt % kind).encode()))
    with pytest.raises(ProtocolError, match=f"^{asked['type']}: "):
        first.result()
    second = Task(ask)
    link.hear(asked["type"])
    link.say(kind, session={"id": "sess_1", "instructions": "x"})
    second.result()
    alive(bare, link)


@pytest.mark.row("B8", bound="applied once")
def test_events_that_come_twice(bare: RealtimeSession, peer: Peer) -> None:
    """What makes an item or a response makes one, however often it comes."""
    link = peer.link()
    asking = bare.submit("hello")
    create = link.hear("response.create")
    response = link.response(create, "r1")
    item = {"id": "i1", "type": "message", "role": "assistant", "content": []}
    for _ in range(2):
        link.say("response.created", response=response)
        link.say("response.output_item.added", response_id="r1", output_index=0, item=item)
        link.say("conversation.item.added", item=item)
    where = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    link.say("response.output_text.delta", **where, delta="Hi.")
    done = {**item, "content": [{"type": "output_text", "text": "Hi."}], "status": "completed"}
    for _ in range(2):
        link.say("response.done", response={**response, "status": "completed", "output": [done]})
    answer = asking.result(LIMIT)
    assert (answer.text, len(answer.output)) == ("Hi.", 1)
    assert [one.id for one in bare.conversation.items].count("i1") == 1
    alive(bare, link)


@pytest.mark.row("B11", bound="accepted")
def test_events_after_the_end(
    bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """Rate limits, and the end of what plays, come when their response is over."""
    link = peer.link()
    asking = bare.submit("hello")
    heard: list[str] = []
    last = threading.Event()
    bare.on("*", lambda event: heard.append(event.type))
    bare.on("conversation.item.done", lambda _: last.set())
    link.respond(link.hear("response.create"), "r1", "yes")
    assert asking.result(LIMIT).text == "yes"
    late = ["output_audio_buffer.stopped", "rate_limits.updated", "conversation.item.done"]
    link.say(late[0], response_id="r1")
    link.say(late[1], rate_limits=[{"name": "requests", "limit": 9, "remaining": 8}])
    link.say(late[2], item={"id": "item_r1", "type": "message", "role": "assistant"})
    alive(bare, link)
    assert last.wait(LIMIT)
    assert [kind for kind in heard if kind in late] == late
    assert not caplog.records


@pytest.mark.row("B12", bound="by its item, not by its time")
def test_a_transcript_that_is_late(bare: RealtimeSession, peer: Peer) -> None:
    """What the user said is transcribed after the reply has begun: it stands before the reply."""
    link = peer.link()
    asking = bare.submit()
    create = link.hear("response.create")
    user = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    link.say("conversation.item.added", item=user, previous_item_id=None)
    reply = {"id": "item_r1", "type": "message", "role": "assistant", "content": []}
    link.say("conversation.item.added", item=reply, previous_item_id="u")
    link.respond(create, "r1", "Hello to you.")
    kind = "conversation.item.input_audio_transcription.completed"
    link.say(kind, item_id="u", content_index=0, transcript="Hello.")
    assert asking.result(LIMIT).text == "Hello to you."
    alive(bare, link)
    texts = [(item.id, item.text) for item in bare.conversation.items][:2]
    assert texts == [("u", "Hello."), ("item_r1", "Hello to you.")]


@pytest.mark.row("B15", bound="taken in whole")
def test_a_huge_delta(line: Line) -> None:
    """Fifty megabytes of audio in one event are what they are."""
    session, pipe = line.open()
    response_id = pipe.begin(None)
    sound = bytes(range(250)) * 200_000
    where = {"response_id": response_id, "item_id": "i", "output_index": 0, "content_index": 0}
    audio = base64.b64encode(sound).decode()
    pipe.say({"type": "response.output_audio.delta", **where, "delta": audio})
    pipe.finish(response_id)
    arrived(session, pipe)
    assert session.response.get(response_id).audio == sound


@pytest.mark.row("B15")
@pytest.mark.parametrize("delta", ["!!!", "AAA", "A-_A", "=", "Ä"])
def test_bad_base64(delta: str, bare: RealtimeSession, peer: Peer) -> None:
    """Audio that is no base64 arrives with empty bytes; the good deltas around it are whole."""
    link = peer.link()
    link.say("response.created", response=link.response({}, "r"))
    where = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    good = base64.b64encode(b"\1\2").decode()
    with bare.events("response.output_audio.delta") as deltas:
        for one in (good, delta, good):
            link.say("response.output_audio.delta", **where, delta=one)
        link.say("response.done", response={"id": "r", "status": "completed"})
        got = [next(deltas) for _ in range(3)]
    assert [event.audio for event in got] == [b"\1\2", b"", b"\1\2"]
    assert got[1].delta == delta
    assert bare.response.get("r").audio == b"\1\2\1\2"
    alive(bare, link)


@pytest.mark.row("B6")
def test_foreign_text_in_every_field(
    bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """Line breaks, escapes and half surrogates leave each log record one line (B24)."""
    caplog.set_level(logging.DEBUG, "realtime_sync")
    link = peer.link()
    nasty = "a\nb\x1b[2J\u202e\ud800\x00"
    for wire in (
        {"type": nasty, "event_id": nasty},
        {"type": "error", "error": {"message": nasty, "code": nasty, "type": nasty}},
        {"type": "response.created", "response": {"id": nasty, "metadata": {nasty: nasty}}},
        {
            "type": "response.output_text.delta",
            "response_id": nasty,
            "item_id": nasty,
            "delta": nasty,
        },
        {"type": "response.done", "response": {"id": nasty, "status": nasty}},
        {"type": "conversation.item.added", "item": {"id": nasty, "type": nasty}},
        {"type": "conversation.item.retrieved", "item": {"id": nasty, "name": nasty}},
    ):
        link.raw(frame(json.dumps(wire).encode()))
    alive(bare, link)
    repr(bare.conversation.items), repr(bare)
    again = bare.submit(f"you said: {nasty}")  # a half surrogate has no UTF-8
    assert link.hear("conversation.item.create")["item"]["content"][0]["text"].endswith("\x00")
    link.respond(link.hear("response.create"), "r_again", "so I did")
    assert again.result(LIMIT).text == "so I did"
    assert caplog.records
    for record in caplog.records:
        line = record.getMessage()
        assert line.isprintable(), line


@pytest.mark.row("B18")
def test_a_second_session_created(
    bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """A second session.created is taken over and reported (B18)."""
    link = peer.link()
    seen(bare, link, frame(b'{"type": "session.created", "session": {"id": "second"}}'))
    assert bare.id == "second"
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    alive(bare, link)


def test_malformed_end_of_a_response(bare: RealtimeSession, peer: Peer) -> None:
    """A response.done that cannot be read still ends whoever waits for it."""
    link = peer.link()
    future = bare.submit("x")
    link.say("response.created", response=link.response(link.hear("response.create"), "r"))
    link.say("response.done", response={"id": "r", "output": "nonsense", "status": "completed"})
    assert future.result(LIMIT).done
    alive(bare, link)


@pytest.mark.row("B18", bound="a WARNING that names the fields")
def test_a_session_that_is_not_what_was_asked_for(
    bare: RealtimeSession, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """What the server confirms counts; where it differs from what was asked for, that is said."""
    link = peer.link()
    wanted = {"output_modalities": ["text"], "audio": {"output": {"voice": "cedar", "speed": 1.1}}}
    updating = bare.request({"type": "session.update", "session": {"type": "realtime", **wanted}})
    link.hear("session.update")
    got = {
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "alloy", "speed": 1.1000001}},
    }
    link.say("session.updated", session={"id": "sess_1", "type": "realtime", **got})
    updating.result(LIMIT)
    assert bare.config.audio.output.voice == "alloy"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "audio.output.voice, output_modalities" in record.getMessage()
    assert "alloy" not in record.getMessage()
    alive(bare, link)


@pytest.mark.row("B9", "B18")
@pytest.mark.parametrize("told", [{}, {"session": None}], ids=["none", "null"])
def test_an_update_without_a_session(told: dict[str, Any], peer: Peer) -> None:
    """It says nothing of the session, so what the server holds stays what it was."""
    opening = RealtimeSession(
        endpoint=peer.endpoint, reconnect=None, instructions="Be brief.", input_format="audio/pcmu"
    )
    task = threading.Thread(target=opening.open)
    task.start()
    link = peer.link()
    asked = link.hear("session.update")["session"]
    link.say("session.updated", session={"id": "sess_1", "expires_at": 4e9, **asked})
    task.join(LIMIT)
    with opening as session:
        before = session.config
        updating = session.request({"type": "session.update", "session": {"tracing": None}})
        link.hear("session.update")
        link.raw(frame(json.dumps({"type": "session.updated", **told}).encode()))
        updating.result(LIMIT)
        assert session.config == before
        assert (session.id, session.input_format) == ("sess_1", "audio/pcmu")
        alive(session, link)


def test_an_update_that_leaves_out_the_id(bare: RealtimeSession, peer: Peer) -> None:
    """A session keeps its id, and its end, where the server does not name them again."""
    link = peer.link()
    with bare.expect("session.updated") as pending:
        link.say("session.updated", session={"id": "sess_1", "expires_at": 4e9})
    pending.result(timeout=LIMIT)
    updating = threading.Thread(target=lambda: held.append(bare.update(instructions="x")))
    held: list[Any] = []
    updating.start()
    link.hear("session.update")
    link.say("session.updated", session={"instructions": "x"})
    updating.join(LIMIT)
    assert (bare.id, bare.expires_at, bare.config.instructions) == ("sess_1", 4e9, "x")
    assert held == [bare.config]


@pytest.mark.row("B16")
def test_two_responses_interleaved(bare: RealtimeSession, peer: Peer) -> None:
    """Deltas of two responses that run at once stay apart (B16)."""
    link = peer.link()
    link.say("response.created", response=link.response({}, "a"))
    oob = {"response": {"conversation": "none"}}
    link.say("response.created", response=link.response(oob, "b"))
    for n in range(3):
        for one in "ab":
            where = {"response_id": one, "item_id": f"i{one}", "output_index": 0}
            link.say("response.output_text.delta", **where, content_index=0, delta=f"{one}{n}")
    with bare.expect("input_audio_buffer.cleared") as pending:
        link.say("input_audio_buffer.cleared")
    pending.result(timeout=LIMIT)
    assert bare.response.get("a").text == "a0a1a2"
    assert bare.response.get("b").text == "b0b1b2"


def test_from_the_embedded_server(
    session: RealtimeSession, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a response, too, garbage is survived; it is warned of once a second."""
    caplog.set_level(logging.DEBUG, "realtime_sync.core.strange")
    for payload in ("nonsense", b"\0\1", '{"type": 5}', "[]"):
        server.script.frame(payload, after=3)
        assert session.ask("hello").status == "completed"
    with pytest.raises(ServerError):
        session.conversation.delete("nope")
    assert len(caplog.records) == 4
    assert caplog.records[0].levelno == logging.WARNING


ODD_SESSION: dict[str, Any] = {
    "id": "s",
    "expires_at": "later",
    "tools": {},
    "include": "all",
    "audio": {"input": {"format": 5, "turn_detection": []}, "output": {"speed": "fast"}},
}


def test_an_odd_session_opens() -> None:
    """A session of a shape that we do not know opens, and a response that has one is whole."""
    odd = Peer(greeting={"type": "session.created", "session": ODD_SESSION})
    with odd as peer, RealtimeSession(endpoint=peer.endpoint) as session:
        assert (session.id, session.expires_at, session.input_format) == ("s", None, "audio/pcm")
        link = peer.link()
        ends: list[events.ResponseDone] = []
        session.on(events.ResponseDone, ends.append)
        future = session.submit("x")
        told = link.response(link.hear("response.create"), "r")
        link.say("response.created", response={**told, "audio": 5})
        content = [None, {"type": "output_text", "text": "hello"}]
        item = {"id": "i", "type": "message", "role": "assistant", "content": content}
        end = {**told, "status": "completed", "usage": "free", "output": [item, None]}
        link.say("response.done", response=end)
        assert future.result(LIMIT).text == "hello"
        alive(session, link)
        session.close()
        assert ends[0].response.usage is None
        assert ends[0].wire()["response"]["usage"] == "free"


def test_a_session_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """It is there, whatever it holds: the session opens, and says that the event is malformed."""
    odd = Peer(greeting={"type": "session.created", "session": "sess_1"})
    with odd as peer, RealtimeSession(endpoint=peer.endpoint) as session:
        assert session.id is None
        assert "malformed event" in caplog.text
        alive(session, peer.link())
