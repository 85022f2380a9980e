"""Text to events and back: every bad input that is text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime_sync.errors import ConfigurationError
from realtime_sync.events.base import ClientEvent, UnknownEvent
from realtime_sync.events.client import ResponseCancel, SessionUpdate
from realtime_sync.events.codec import client_event, dump, parse, server_event
from realtime_sync.events.config import SessionConfig
from realtime_sync.events.output import ResponseOutputTextDelta
from realtime_sync.events.server import SERVER_EVENTS

DEEP = b'{"type":"x","n":' + b"[" * 63 + b"]" * 63 + b"}"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name)
        for name, text in {
            "B1 not JSON": b"hello",
            "B1 cut off": b'{"type":"x"',
            "B1 two values": b'{"type":"x"}{"type":"y"}',
            "B1 empty": b"",
            "B1 empty string": b'""',
            "B2 null": b"null",
            "B2 number": b"5",
            "B2 string": b'"type"',
            "B2 array": b'[{"type":"x"}]',
            "B2 no type": b"{}",
            "B2 type null": b'{"type":null}',
            "B2 type a number": b'{"type":5}',
            "B2 type an object": b'{"type":{}}',
            "B3 100k brackets": b"[" * 100_000,
            "B3 100k objects": b'{"a":' * 100_000,
            "B3 65 levels": DEEP.replace(b"[", b"[[", 1).replace(b"]", b"]]", 1),
            "B3 65 levels of objects": b'{"type":"x","n":' + b'{"n":' * 64 + b"1" + b"}" * 65,
            "B3 deep beside a surrogate": b'{"type":"\\ud800","n":' + b"[" * 5000,
            "B4 5000 digits": b'{"type":"x","n":' + b"9" * 5000 + b"}",
            "B4 400 digits": b'{"type":"x","n":-' + b"9" * 400 + b"}",
            "B4 NaN": b'{"type":"x","n":NaN}',
            "B4 Infinity": b'{"type":"x","n":[Infinity]}',
            "B4 -Infinity": b'{"type":"x","n":{"a":-Infinity}}',
            "B4 NaN beside a surrogate": b'{"type":"\\ud800","n":NaN}',
            "B4 1e999": b'{"type":"x","n":1e999}',
            "B4 -1e999, nested": b'{"type":"x","n":[{"a":-1e999}]}',
            "B4 1e999 beside a surrogate": b'{"type":"\\ud800","n":1e999}',
            "B4 1e999 in a known event": b'{"type":"error","error":{"code":1e999}}',
            "B4 UTF-16": '{"type":"x"}'.encode("utf-16"),
            "B4 UTF-16 without a mark": '{"type":"x"}'.encode("utf-16-le"),
            "B5 not UTF-8": b'{"type":"\xff"}',
            "B5 surrogates in UTF-8": b'{"type":"x","n":"\xed\xa0\x80"}',
            "B5 overlong": b'{"type":"\xc0\xaf"}',
            "B6 raw control character": b'{"type":"a\x00b"}',
        }.items()
    ],
)
def test_text_that_is_no_event(text: bytes) -> None:
    """It arrives as "unparsable", with the beginning of the text."""
    event = parse(text)
    assert type(event) is UnknownEvent
    assert event.type == "unparsable"
    assert event.raw == text[:65536].decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param(DEEP, "x", id="B3 64 levels"),
        pytest.param(b'\xef\xbb\xbf{"type":"x"}', "x", id="B4 BOM"),
        pytest.param(b'{"type":"a","type":"b"}', "b", id="B4 the last of two keys"),
        pytest.param(b'{"type":"x","n":1e299,"b":true,"c":null}', "x", id="B4 a large number"),
        pytest.param(b'{"type":"\\ud800"}', "\ud800", id="B6 lone surrogate"),
        pytest.param(b'{"type":"new.event","n":1}', "new.event", id="B7 unknown type"),
        pytest.param(b' {"type":"x"}\n', "x", id="white space around it"),
        pytest.param('{"type":"x"}', "x", id="str"),
        pytest.param('{"type":"\ud800"}', "\ud800", id="str with a surrogate"),
    ],
)
def test_events_that_we_do_not_know(text: bytes | str, kind: str) -> None:
    """They arrive as `UnknownEvent`, under their own type, with all they have."""
    event = parse(text)
    assert type(event) is UnknownEvent
    assert event.type == event.raw["type"] == kind


@pytest.mark.parametrize("text", ["no json\ud800", "\ufeff[]"])
def test_str_that_is_no_event(text: str) -> None:
    """As with bytes."""
    assert parse(text) == UnknownEvent(type="unparsable", raw=text)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"type": "response.output_text.delta", "delta": 5}, id="B9 delta: 5"),
        pytest.param({"type": "conversation.item.added", "item": 5}, id="B9 item: 5"),
        pytest.param({"type": "response.created", "response": []}, id="B9 response: []"),
        pytest.param({"type": "error", "error": []}, id="B17 error: []"),
        pytest.param({"type": "response.output_text.delta", "output_index": "x"}, id="index: x"),
        pytest.param({"type": "error", "error": [], "event_id": None}, id="null and wrong"),
    ],
)
def test_known_events_in_a_wrong_shape(raw: dict[str, Any]) -> None:
    """They keep their type, but not its class, which handlers trust."""
    event = parse(json.dumps(raw))
    assert type(event) is UnknownEvent
    assert (event.type, event.raw, event.event_id) == (raw["type"], raw, None)


def test_nulls_of_no_consequence_stay() -> None:
    """Only the null that does not fit is read as absent: metadata null is not the same as none."""
    raw = {"id": "r1", "metadata": None, "output": [{"type": None, "id": "i1"}]}
    event: Any = server_event({"type": "response.created", "response": raw})
    assert event.response.model_fields_set == {"id", "metadata", "output"}
    assert event.response.output[0].type == "message"
    assert raw["output"] == [{"type": None, "id": "i1"}]


@pytest.mark.row("B4")
@pytest.mark.parametrize("text", ["inf", "-Infinity", "nan", "1e999"])
def test_text_that_reads_like_a_number_without_end(text: str) -> None:
    """It is no number: passed over, and shown as it came. Found by tests/stress/test_fuzz.py."""
    raw = {"type": "session.created", "session": {"id": "sess_1", "expires_at": text}}
    event: Any = server_event(raw)
    assert (event.session.id, event.session.expires_at) == ("sess_1", None)
    assert json.loads(dump(event)) == raw


def test_strange_text_is_delivered_as_it_came() -> None:
    """B6: surrogates, NUL, escapes and bidi marks are data; B7: so are unknown fields."""
    said = 'a\ud800\x00\x1b[31m\u202e"'
    text = json.dumps({"type": "response.output_text.delta", "delta": said, "obfuscation": "x"})
    event = parse(text.encode())
    assert isinstance(event, ResponseOutputTextDelta)
    assert event.delta == said
    assert event.wire()["obfuscation"] == "x"
    assert event.describe().isprintable()


@pytest.mark.parametrize("event_id", [None, "x" * 1_000_000])
def test_event_ids(event_id: str | None) -> None:
    """B8: none, or a megabyte of it."""
    event = server_event({"type": "rate_limits.updated", "event_id": event_id})
    assert event.event_id == event_id
    assert len(event.describe()) < 120


@given(st.dictionaries(st.text(), JSON), st.sampled_from([*SERVER_EVENTS, "x"]))
@example({"response": {"output": [{"content": [{"type": None}]}]}}, "response.done")
@example({"session": {"audio": {"output": {"voice": None, "format": None}}}}, "session.created")
@settings(max_examples=200, deadline=None)
def test_parse_never_raises(fields: dict[str, Any], kind: str) -> None:
    """Whatever JSON a known type is given, an event of that type or none comes out."""
    assert parse(json.dumps({**fields, "type": kind})).type in (kind, "unparsable")


@pytest.mark.parametrize(
    "count", [100, pytest.param(1000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_parse_never_raises_on_known_fields(count: int) -> None:
    """Any value in any field that the models know, at two depths."""

    @given(st.data(), st.sampled_from(list(SERVER_EVENTS)))
    @settings(max_examples=count, deadline=None)
    def run(data: st.DataObject, kind: str) -> None:
        names = sorted(SERVER_EVENTS[kind].model_fields)
        inner = ["id", "type", "output", "content", "audio", "metadata", "error", "code", "usage"]
        nested = JSON | st.dictionaries(st.sampled_from(inner), JSON)
        fields = data.draw(st.dictionaries(st.sampled_from(names), nested))
        event = parse(json.dumps({**fields, "type": kind}))
        assert event.type in (kind, "unparsable")
        assert repr(event)

    run()


@given(st.binary() | st.text())
@settings(max_examples=200, deadline=None)
def test_parse_never_raises_on_anything(text: bytes | str) -> None:
    """Noise is an event too."""
    assert isinstance(parse(text).type, str)


# --- dump


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (SessionUpdate(session=SessionConfig(prompt=None)), '{"prompt":null}'),
        (SessionUpdate(session=SessionConfig()), "{}"),
    ],
)
def test_dump_is_exactly_what_was_set(event: ClientEvent, text: str) -> None:
    """Not set is not sent, None is null."""
    assert dump(event) == b'{"type":"session.update","session":%b}' % text.encode()


def test_dump_says_the_type_of_every_event() -> None:
    """Set or not, and first."""
    assert dump(ResponseCancel()) == b'{"type":"response.cancel"}'
    assert dump(ResponseCancel(event_id="e1")).startswith(b'{"type":"response.cancel",')


def test_dump_writes_utf8_and_surrogates_as_escapes() -> None:
    """What a peer sent can be sent back to it."""
    assert dump(client_event({"type": "x", "n": "é"})) == '{"type":"x","n":"é"}'.encode()
    event = client_event({"type": "x", "n": "é\ud800", "m": None})
    assert json.loads(dump(event)) == {"type": "x", "n": "é\ud800", "m": None}


def test_dump_of_words_that_look_like_no_number() -> None:
    """NaN is no JSON, and a word like any other."""
    event = client_event({"type": "x", "n": "NaN", "m": ["-Infinity", 1.5, 1e-7]})
    assert json.loads(dump(event)) == {"type": "x", "n": "NaN", "m": ["-Infinity", 1.5, 1e-7]}


CYCLE: dict[str, Any] = {"type": "x"}
CYCLE["n"] = CYCLE


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "x", "n": float("nan")},
        {"type": "x", "n": [float("inf")]},
        {"type": "x", "n": object()},
        {"type": "x", "n": b"\xff"},
        CYCLE,
    ],
)
def test_dump_refuses_what_json_cannot_say(raw: dict[str, Any]) -> None:
    """C9: the error names the event."""
    with pytest.raises(ConfigurationError, match=raw["type"]):
        dump(client_event(raw))


# --- client_event


def test_client_events_are_checked() -> None:
    """C9: a wrong value names its path; an unknown type passes; an event is taken as it is."""
    speed = {"type": "session.update", "session": {"audio": {"output": {"speed": float("nan")}}}}
    with pytest.raises(ConfigurationError, match=r"event\.session.*speed"):
        client_event(speed)
    with pytest.raises(ConfigurationError, match=r"event\.item_id"):
        client_event({"type": "conversation.item.delete", "item_id": 5})
    for wrong in ({}, {"type": ""}, {"type": 5}):
        with pytest.raises(ConfigurationError, match=r"event\.type"):
            client_event(wrong)
    with pytest.raises(TypeError, match="list"):
        client_event([])  # type: ignore[arg-type]  # the point of it
    with pytest.raises(ConfigurationError, match=r"event\.event_id"):
        client_event({"type": "x", "event_id": "e" * 513})
    event = ResponseCancel()
    assert client_event(event) is event
    assert client_event({"type": "x", "n": 1}).wire() == {"type": "x", "n": 1}


def test_the_base_class_spelt_out_by_hand() -> None:
    """`ClientEvent(type=...)` of a known type is made one of its kind, and checked."""
    by_hand = ClientEvent.model_validate({"type": "response.cancel", "response_id": "r1"})
    assert client_event(by_hand) == ResponseCancel(type="response.cancel", response_id="r1")
    with pytest.raises(ConfigurationError, match="item_id"):
        client_event(ClientEvent(type="conversation.item.delete"))


def test_what_was_sent_is_not_what_the_caller_changes_later() -> None:
    """C9, C19: a dict is copied at the call."""
    raw: dict[str, Any] = {"type": "session.update", "session": {"tools": [{"name": "a"}]}}
    event = client_event(raw)
    raw["session"]["tools"].append({"name": "b"})
    assert b'"b"' not in dump(event)


@pytest.mark.row("B6")
@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize(
    "text",
    ["é", "ж" * 200, "word " * 60 + "日本語 \u00a0 end", "😀 \x00 x"],
    ids=["Latin", "long", "behind ASCII", "astral"],
)
def test_every_script_is_read_as_it_is(text: str, escaped: bool) -> None:
    """The first pydantic 2.7 gave memory of others instead, and wrong letters for escapes."""
    wire = json.dumps({"type": "response.output_text.delta", "delta": text}, ensure_ascii=escaped)
    event = parse(wire.encode())
    assert isinstance(event, ResponseOutputTextDelta)
    assert event.delta == text
    unknown = parse(json.dumps({"type": "x", "text": text}, ensure_ascii=escaped).encode())
    assert unknown.raw["text"] == text


def test_half_a_surrogate_pair_in_a_name() -> None:
    """JSON can hold it as an escape, in names too: it is read, and written back as it came."""
    told = {"id": "r", "output": [], "\ud800": [{"\udfff": 1}]}
    raw = {"type": "response.done", "response": told}
    assert parse(json.dumps(raw)).wire() == raw
