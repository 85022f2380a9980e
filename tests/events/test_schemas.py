"""The models against every JSON Schema of the protocol: what is read is what is written."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import Schema, cases, load, named

from realtime_sync.events.base import Event
from realtime_sync.events.client import CLIENT_EVENTS, ResponseParams
from realtime_sync.events.codec import client_event, dump, parse, parse_either
from realtime_sync.events.config import (
    AudioFormat,
    InputAudioConfig,
    OutputAudioConfig,
    SessionConfig,
    Transcription,
    TurnDetection,
)
from realtime_sync.events.dialects import client_to_ga, server_to_beta, to_beta, to_ga
from realtime_sync.events.items import Item
from realtime_sync.events.options import Reasoning, Tracing, Truncation
from realtime_sync.events.output import ErrorDetails, ResponseObject, StatusDetails, Usage
from realtime_sync.events.server import SERVER_EVENTS
from realtime_sync.events.tools import ToolChoice, ToolObject
from realtime_sync.events.value import Value, read

Json = dict[str, Any]

GA, TRANSLATION = "ga_server_events.json", "translation_server_events.json"
SERVER = [(file, name) for file in (GA, TRANSLATION) for name in cases(file)]
CLIENT = [
    (file, name)
    for file in ("ga_client_events.json", "translation_client_events.json")
    for name in cases(file)
]

#: Objects that are no events: the file and the schema's name, and the model that reads it.
OBJECTS: dict[tuple[str, str], type[Value]] = {
    **{("ga_conversation_item.json", name): Item for name in cases("ga_conversation_item.json")},
    ("ga_response.json", "response"): ResponseObject,
    ("ga_response.json", "response.status_details"): StatusDetails,
    ("ga_response.json", "response.usage"): Usage,
    ("ga_response.json", "response.create.params"): ResponseParams,
    ("ga_response.json", "response.create.params#with_references"): ResponseParams,
    ("ga_response.json", "error"): ErrorDetails,
    ("ga_session.json", "audio.input"): InputAudioConfig,
    ("ga_session.json", "audio.output"): OutputAudioConfig,
    ("ga_session.json", "audio.format"): AudioFormat,
    ("ga_session.json", "audio.transcription"): Transcription,
    ("ga_session.json", "turn_detection"): TurnDetection,
    ("ga_session.json", "tool"): ToolObject,
    ("ga_session.json", "tool_choice"): ToolChoice,
    ("ga_session.json", "tracing"): Tracing,
    ("ga_session.json", "truncation"): Truncation,
    ("ga_session.json", "reasoning"): Reasoning,
    **{
        ("ga_session.json", f"{kind}.{way}"): SessionConfig
        for kind in ("realtime", "transcription", "translation")
        for way in ("request", "response", "update", "session")
        if f"{kind}.{way}" in load("ga_session.json")
    },
    ("transcription_session.json", "ga.request"): SessionConfig,
    ("transcription_session.json", "ga.response"): SessionConfig,
    ("transcription_session.json", "ga.turn_detection"): TurnDetection,
}


def same(one: Any, other: Any) -> bool:
    """Whether two documents are equal; other than in Python 1 is not true, nor 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def told(event: Event) -> Json:
    """The document that an event's frame holds."""
    body: Json = json.loads(dump(event))
    return body


def drawn(data: st.DataObject, file: str, name: str) -> Json:
    """A value of a schema, with fields that no schema names."""
    value: Json = data.draw(named(file, name, extra=True))
    return value


# --- what is read


@pytest.mark.parametrize(("file", "name"), SERVER)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_server_events_are_what_they_were(file: str, name: str, data: st.DataObject) -> None:
    """Each parses into its class, as of either dialect, and is dumped as the same document."""
    event = drawn(data, file, name)
    for parsed in (parse(json.dumps(event)), parse_either(json.dumps(event).encode())):
        assert type(parsed) is SERVER_EVENTS[name]
        assert same(told(parsed), event)


@pytest.mark.parametrize(("file", "name"), SERVER)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_null_is_dumped_wherever_it_was_read(file: str, name: str, data: st.DataObject) -> None:
    """Also where no schema has it: any field of an object may be null, and reads as absent."""
    event = drawn(data, file, name)
    for _ in range(data.draw(st.integers(1, 4))):
        _set_null(data, event)
    parsed = parse(json.dumps(event))
    assert type(parsed) is SERVER_EVENTS[name]
    assert same(told(parsed), event)


def _set_null(data: st.DataObject, event: Json) -> None:
    """Make one field null, at any depth but inside a list or the type of the event."""
    value: Any = event
    while True:
        fields = [name for name in value if value is not event or name != "type"]
        if not fields:
            return
        name = data.draw(st.sampled_from(fields))
        inner = value[name]
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            inner = inner[0]
        if not isinstance(inner, dict) or not inner or data.draw(st.booleans()):
            value[name] = None
            return
        value = inner


@pytest.mark.parametrize(("file", "name"), OBJECTS, ids=lambda one: one.removesuffix(".json"))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_objects_are_what_they_were(file: str, name: str, data: st.DataObject) -> None:
    """Sessions of the three kinds, items, responses, tools: read and written, they are equal."""
    value = drawn(data, file, name)
    if isinstance(value, dict):  # "auto", null and their like have no model
        assert same(read(OBJECTS[file, name], value).wire(), value)


def test_no_schema_is_forgotten() -> None:
    """Each of the GA, transcription and translation files is an event or has its model."""
    files = ("ga_conversation_item.json", "ga_response.json", "ga_session.json")
    found = {(file, name) for file in files for name in cases(file)}
    assert found - OBJECTS.keys() == {("ga_session.json", "connect.query")}
    left = {name for name in cases("transcription_session.json") if name.startswith("ga.")}
    assert left == {name for file, name in OBJECTS if file == "transcription_session.json"}
    assert {name for _, name in SERVER} == SERVER_EVENTS.keys()
    assert {name.partition("#")[0] for _, name in CLIENT} == CLIENT_EVENTS.keys()


# --- what is sent


@pytest.mark.parametrize(("file", "name"), CLIENT)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_client_events_are_what_they_were(file: str, name: str, data: st.DataObject) -> None:
    """Whatever fits the schema is taken, and sent as given."""
    event = drawn(data, file, name)
    checked = client_event(event)
    assert type(checked) is CLIENT_EVENTS[name.partition("#")[0]]
    assert same(told(checked), event)


# --- both dialects


def _normal(event: Json) -> Json:
    """What section (f) calls gone: beta's ["audio"] and ["text", "audio"] are one value in GA."""
    normal: Json = json.loads(json.dumps(event))
    for holder in ("session", "response"):
        inner = normal.get(holder) or {}
        if "audio" in (inner.get("modalities") or ()):
            inner["modalities"] = ["text", "audio"]
    return normal


@pytest.mark.parametrize("name", cases("beta_server_events.json"))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_server_events_of_beta(name: str, data: st.DataObject) -> None:
    """They parse into GA's models and, dumped in the beta dialect, are the same document."""
    event = drawn(data, "beta_server_events.json", name)
    # an event that stands in GA's list too may be of either dialect; a beta server's is beta's
    parsed = parse(json.dumps(to_ga(event)))
    assert type(parsed) is SERVER_EVENTS[to_ga(event)["type"]]
    assert same(server_to_beta(told(parsed)), _normal(event))


@pytest.mark.parametrize("name", cases("beta_client_events.json"))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_client_events_of_beta(name: str, data: st.DataObject) -> None:
    """The same of what clients send."""
    event = data.draw(named("beta_client_events.json", name))
    ga = client_to_ga(event)
    said, dropped = to_beta(told(read(CLIENT_EVENTS[ga["type"]], ga)))
    assert said is not None
    assert same(said, _normal(event))
    assert dropped == ()


# --- typed where the wire is typed


def _models(annotation: Any) -> Iterator[type[Value]]:
    """The models that a field's annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


class _Untyped:
    """Looks for what a schema types and a model does not."""

    def __init__(self, schema: Schema) -> None:
        self.defs = schema.get("$defs", {})
        self.seen: set[tuple[type[Value], str]] = set()

    def objects(self, schema: Schema) -> Iterator[Schema]:
        """The objects with named fields that a schema allows, also inside lists."""
        if "$ref" in schema:
            schema = self.defs[schema["$ref"].removeprefix("#/$defs/")]
        for branch in schema.get("anyOf", ()):
            yield from self.objects(branch)
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                yield from self.objects(schema[inner])
        if "properties" in schema:
            yield schema

    def of(self, model: type[Value], schema: Schema, path: str) -> Iterator[str]:
        key = (model, json.dumps(schema))
        if key in self.seen:
            return
        self.seen.add(key)
        for found in self.objects(schema):
            for name, inner in found["properties"].items():
                field = model.model_fields.get(name)
                if field is None:
                    yield f"{path}.{name}: no field of {model.__name__}"
                    continue
                models = [*_models(field.annotation)]
                if not models and any(self.objects(inner)):
                    yield f"{path}.{name}: no model in {model.__name__}"
                for one in models:
                    yield from self.of(one, inner, f"{path}.{name}")


@pytest.mark.parametrize(("file", "name"), [*SERVER, *CLIENT, *OBJECTS])
def test_every_field_is_typed(file: str, name: str) -> None:
    """What a schema names is a field of the model, and what is an object there is a model."""
    schema = load(file)[name]
    kind = name.partition("#")[0]
    events: dict[str, type[Value]] = {**SERVER_EVENTS, **CLIENT_EVENTS}
    model = OBJECTS.get((file, name)) or events[kind]
    assert [*_Untyped(schema).of(model, schema, name)] == []
