"""Beta into GA and back: by table, by every schema, and by what servers sent."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import TRANSCRIPTS, cases, faults, load, named

from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.beta import SESSION_FIELDS
from realtime_sync.events.client import CLIENT_EVENTS
from realtime_sync.events.codec import server_event
from realtime_sync.events.dialects import (
    SERVER_NAMES,
    client_to_ga,
    error_to_ga,
    server_to_beta,
    to_beta,
    to_ga,
)
from realtime_sync.events.server import SERVER_EVENTS

Json = dict[str, Any]

BETA_SERVER = "beta_server_events.json"
BETA_CLIENT = "beta_client_events.json"
GA_SERVER = "ga_server_events.json"
GA_CLIENT = "ga_client_events.json"

PCM: Json = {"type": "audio/pcm", "rate": 24000}
ULAW: Json = {"type": "audio/pcmu"}
ALAW: Json = {"type": "audio/pcma"}
VAD: Json = {"type": "server_vad", "threshold": 0.5}

#: A field of beta's session, and the session that GA has for it.
SESSIONS: list[tuple[Json, Json]] = [
    ({"modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
    ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
    ({"modalities": None}, {"output_modalities": None}),
    ({"modalities": ["text", "audio", "film"]}, {"output_modalities": ["text", "audio", "film"]}),
    ({"voice": "verse"}, {"audio": {"output": {"voice": "verse"}}}),
    ({"speed": 1.25}, {"audio": {"output": {"speed": 1.25}}}),
    ({"input_audio_format": "pcm16"}, {"audio": {"input": {"format": PCM}}}),
    ({"output_audio_format": "g711_ulaw"}, {"audio": {"output": {"format": ULAW}}}),
    ({"output_audio_format": "g711_alaw"}, {"audio": {"output": {"format": ALAW}}}),
    ({"input_audio_format": "opus"}, {"audio": {"input": {"format": {"type": "opus"}}}}),
    ({"input_audio_format": None}, {"audio": {"input": {"format": None}}}),
    ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
    ({"turn_detection": VAD}, {"audio": {"input": {"turn_detection": VAD}}}),
    (
        {"input_audio_transcription": {"model": "whisper-1"}},
        {"audio": {"input": {"transcription": {"model": "whisper-1"}}}},
    ),
    (
        {"input_audio_noise_reduction": {"type": "near_field"}},
        {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
    ),
    ({"max_response_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
    (
        {"voice": "sage", "turn_detection": None, "temperature": 0.8, "tools": [], "speed": 1},
        {
            "temperature": 0.8,
            "tools": [],
            "audio": {"input": {"turn_detection": None}, "output": {"voice": "sage", "speed": 1}},
        },
    ),
]

ASSISTANT: Json = {
    "id": "item_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}, {"type": "audio", "transcript": "b"}, {"x": 1}],
}
GA_ASSISTANT: Json = {
    **ASSISTANT,
    "content": [
        {"type": "output_text", "text": "a"},
        {"type": "output_audio", "transcript": "b"},
        {"x": 1},
    ],
}
SAID: Json = {"role": "assistant", "content": [{"type": "text", "text": "a"}]}
GA_SAID: Json = {"role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
USER: Json = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}

ITEM_EVENTS = [
    "conversation.item.retrieved",
    "response.output_item.added",
    "response.output_item.done",
]


# --- server events


@pytest.mark.parametrize(("beta", "ga"), SERVER_NAMES.items())
def test_renames_a_server_event_and_keeps_the_rest(beta: str, ga: str) -> None:
    event = {"type": beta, "event_id": "e", "delta": "x", "obfuscation": "zz"}
    assert to_ga(event) == {**event, "type": ga}


@pytest.mark.parametrize("kind", ["session.created", "session.updated"])
@pytest.mark.parametrize(("beta", "ga"), SESSIONS)
def test_nests_a_flat_session(kind: str, beta: Json, ga: Json) -> None:
    event = {"type": kind, "session": {"id": "s", **beta}}
    assert to_ga(event) == {"type": kind, "session": {"type": "realtime", "id": "s", **ga}}
    assert server_to_beta(to_ga(event)) == event


def test_audio_alone_is_audio_with_its_text() -> None:
    event = {"type": "session.updated", "session": {"modalities": ["audio"]}}
    assert to_ga(event)["session"]["output_modalities"] == ["audio"]
    assert server_to_beta(to_ga(event))["session"] == {"modalities": ["text", "audio"]}


def test_what_comes_out_is_the_callers_to_change() -> None:
    event = {"type": "session.updated", "session": {"input_audio_format": "pcm16"}}
    to_ga(event)["session"]["audio"]["input"]["format"].clear()
    assert to_ga(event)["session"]["audio"]["input"]["format"] == PCM


@pytest.mark.parametrize("name", ["created", "updated"])
def test_transcription_sessions_have_events_of_their_own_in_beta(name: str) -> None:
    session = {"input_audio_format": "pcm16", "client_secret": {"value": "ek", "expires_at": 1}}
    event = {"type": f"transcription_session.{name}", "session": session}
    assert to_ga(event) == {
        "type": f"session.{name}",
        "session": {
            "type": "transcription",
            "client_secret": {"value": "ek", "expires_at": 1},
            "audio": {"input": {"format": PCM}},
        },
    }
    assert server_to_beta(to_ga(event)) == event
    bare = {"type": f"transcription_session.{name}", "session": {}}
    assert to_ga(bare)["session"] == {"type": "transcription"}
    assert server_to_beta(to_ga(bare)) == bare


@pytest.mark.parametrize("kind", ["response.created", "response.done"])
def test_nests_a_flat_response(kind: str) -> None:
    usage = {"input_tokens": 1, "input_token_details": {"cached_tokens": 0}}
    event = {
        "type": kind,
        "response": {
            "id": "r",
            "modalities": ["text", "audio"],
            "voice": "alloy",
            "output_audio_format": "pcm16",
            "temperature": 0.8,
            "max_output_tokens": "inf",
            "output": [ASSISTANT, USER],
            "usage": usage,
        },
    }
    assert to_ga(event)["response"] == {
        "id": "r",
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "alloy", "format": PCM}},
        "temperature": 0.8,
        "max_output_tokens": "inf",
        "output": [GA_ASSISTANT, USER],
        "usage": usage,
    }
    assert server_to_beta(to_ga(event)) == event


@pytest.mark.parametrize("kind", ITEM_EVENTS)
def test_renames_an_items_parts(kind: str) -> None:
    event = {"type": kind, "item": ASSISTANT, "output_index": 0}
    assert to_ga(event) == {**event, "item": GA_ASSISTANT}
    assert server_to_beta(to_ga(event)) == event


def test_a_created_item_is_added_and_its_parts_renamed() -> None:
    event = {"type": "conversation.item.created", "previous_item_id": None, "item": ASSISTANT}
    added = {**event, "type": "conversation.item.added", "item": GA_ASSISTANT}
    assert to_ga(event) == added
    assert server_to_beta(added) == event


@pytest.mark.parametrize("kind", ["response.content_part.added", "response.content_part.done"])
def test_content_part_events_are_alike_in_both(kind: str) -> None:
    event = {"type": kind, "part": {"type": "audio", "transcript": ""}}
    assert to_ga(event) is event
    assert server_to_beta(event) is event


def test_beta_calls_have_no_name() -> None:
    event = {"type": "response.function_call_arguments.done", "call_id": "c", "arguments": "{}"}
    assert to_ga(event) is event
    assert server_to_beta({**event, "name": "f"}) == event


# --- servers that mix


def test_a_session_of_azure_voice_live() -> None:
    session = {
        "id": "s",
        "object": "realtime.session",
        "modalities": ["audio", "text"],
        "voice": {"name": "alloy", "type": "openai"},
        "input_audio_format": "pcm16",
        "output_audio_format": None,
        "input_audio_sampling_rate": 16000,
        "turn_detection": {"type": "server_vad", "auto_truncate": False},
        "avatar": None,
    }
    ga = to_ga({"type": "session.created", "session": session})
    assert ga["session"] == {
        "type": "realtime",
        "id": "s",
        "object": "realtime.session",
        "input_audio_sampling_rate": 16000,
        "avatar": None,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 16000},
                "turn_detection": {"type": "server_vad", "auto_truncate": False},
            },
            "output": {"voice": "alloy", "format": None},
        },
    }


def test_a_voice_that_only_azure_has_stays_an_object() -> None:
    voice = {"type": "azure-standard", "name": "en-US-Ava", "temperature": 0.8}
    ga = to_ga({"type": "response.created", "response": {"voice": voice}})
    assert ga["response"] == {"audio": {"output": {"voice": voice}}}


def test_created_and_then_done_is_added_and_done() -> None:
    created = {"type": "conversation.item.created", "item": USER}
    done = {"type": "conversation.item.done", "item": USER}
    assert to_ga(created) == {"type": "conversation.item.added", "item": USER}
    assert to_ga(done) is done
    assert to_ga({**done, "item": ASSISTANT}) == {**done, "item": GA_ASSISTANT}


def test_flat_fields_join_the_nested_ones() -> None:
    session = {
        "type": "realtime",
        "voice": "alloy",
        "turn_detection": None,
        "audio": {"output": {"speed": 1}, "input": None},
    }
    before = copy.deepcopy(session)
    ga = to_ga({"type": "session.updated", "session": session})
    assert session == before
    assert ga["session"] == {
        "type": "realtime",
        "audio": {
            "output": {"speed": 1, "voice": "alloy"},
            "input": {"turn_detection": None},
        },
    }


@pytest.mark.parametrize(
    "audio", [{"output": {"voice": "marin"}}, {"output": "loud"}, "loud", ["loud"]]
)
def test_what_ga_says_beats_a_flat_field_which_stays(audio: Any) -> None:
    session = {"type": "realtime", "voice": "alloy", "audio": audio}
    assert to_ga({"type": "session.updated", "session": session})["session"] == session


# --- GA events pass


@pytest.mark.parametrize("name", cases(GA_SERVER, "conversation.item.created"))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_ga_server_events_are_the_same_object(name: str, data: st.DataObject) -> None:
    event = data.draw(named(GA_SERVER, name, extra=True))
    before = copy.deepcopy(event)
    assert to_ga(event) is event
    assert event == before


def test_what_is_no_event_passes() -> None:
    for event in ({}, {"type": None}, {"type": ["session.created"]}, {"type": "future.event"}):
        assert to_ga(event) is event
        assert client_to_ga(event) is event
        assert server_to_beta(event) is event
        assert to_beta(event) == (event, ())


# --- every schema of beta

#: Events that hold output modalities, and where.
_HOLDERS = ("session", "response")


def _normal(event: Json) -> Json:
    """What section (f) calls gone: beta's ["audio"] and ["text", "audio"], in any order or number,
    are one value in GA. All else comes back as it was."""
    normal = copy.deepcopy(event)
    for holder in _HOLDERS:
        inner = normal.get(holder) or {}
        if "audio" in (inner.get("modalities") or ()):
            inner["modalities"] = ["text", "audio"]
    return normal


@pytest.mark.parametrize("name", cases(BETA_SERVER))
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_every_server_event_of_beta(name: str, data: st.DataObject) -> None:
    event = data.draw(named(BETA_SERVER, name))
    before = copy.deepcopy(event)
    ga = to_ga(event)
    assert event == before, "changed in place"
    assert to_ga(ga) is ga, "still not GA"
    assert ga["type"] in SERVER_EVENTS
    parsed = server_event(ga)
    assert not isinstance(parsed, UnknownEvent)
    assert server_to_beta(ga) == _normal(event)
    assert event == before, "changed in place"


@pytest.mark.parametrize("name", cases(BETA_CLIENT))
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_every_client_event_of_beta(name: str, data: st.DataObject) -> None:
    event = data.draw(named(BETA_CLIENT, name))
    before = copy.deepcopy(event)
    ga = client_to_ga(event)
    assert ga["type"] in CLIENT_EVENTS
    assert to_beta(ga) == (_normal(event), ())
    assert event == before, "changed in place"


# --- client events


@pytest.mark.parametrize(("beta", "ga"), SESSIONS)
def test_flattens_a_session_update(beta: Json, ga: Json) -> None:
    event = {"type": "session.update", "event_id": "e", "session": {"type": "realtime", **ga}}
    before = copy.deepcopy(event)
    assert to_beta(event) == ({"type": "session.update", "event_id": "e", "session": beta}, ())
    assert event == before
    assert client_to_ga({"type": "session.update", "event_id": "e", "session": beta}) == event


@pytest.mark.parametrize(("beta", "ga"), SESSIONS)
def test_what_is_flat_already_passes(beta: Json, ga: Json) -> None:
    event = {"type": "session.update", "session": beta}
    assert to_beta(event) == (event, ())


def test_a_transcription_session_update() -> None:
    session = {
        "type": "transcription",
        "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}},
        "include": ["item.input_audio_transcription.logprobs"],
    }
    said, dropped = to_beta({"type": "session.update", "session": session})
    assert said == {
        "type": "transcription_session.update",
        "session": {
            "input_audio_format": "g711_ulaw",
            "turn_detection": None,
            "include": ["item.input_audio_transcription.logprobs"],
        },
    }
    assert dropped == ()


def test_a_response_create() -> None:
    reference = {"type": "item_reference", "id": "item_0"}
    said, dropped = to_beta(
        {
            "type": "response.create",
            "response": {
                "output_modalities": ["audio"],
                "max_output_tokens": 7,
                "audio": {"output": {"voice": "ash", "format": PCM}},
                "conversation": "none",
                "metadata": {"a": "b"},
                "input": [GA_SAID, reference],
            },
        }
    )
    assert said == {
        "type": "response.create",
        "response": {
            "modalities": ["text", "audio"],
            "max_response_output_tokens": 7,
            "voice": "ash",
            "output_audio_format": "pcm16",
            "conversation": "none",
            "metadata": {"a": "b"},
            "input": [SAID, reference],
        },
    }
    assert dropped == ()


def test_a_response_is_not_given_sound_of_the_assistant() -> None:
    event = {"type": "response.create", "response": {"input": [GA_ASSISTANT]}}
    said, dropped = to_beta(event)
    kept = [part for part in ASSISTANT["content"] if part.get("type") != "audio"]
    assert said == {
        "type": "response.create",
        "response": {"input": [{**ASSISTANT, "content": kept}]},
    }
    assert dropped == ("response.input.content.output_audio",)


def test_an_item_create() -> None:
    event = {"type": "conversation.item.create", "item": GA_ASSISTANT, "previous_item_id": "root"}
    assert to_beta(event) == ({**event, "item": ASSISTANT}, ())


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.append", "audio": "AA=="},
        {"type": "response.create"},
        {"type": "conversation.item.create", "item": USER},
    ],
)
def test_what_is_alike_in_both_is_the_same_object(event: Json) -> None:
    said, _ = to_beta(event)
    assert said is event or said == event
    assert client_to_ga(event) is event


FUNCTION = {"type": "function", "name": "f"}
MCP = {"type": "mcp", "server_label": "s"}


@pytest.mark.parametrize(
    ("session", "left", "dropped"),
    [
        ({"prompt": {"id": "p"}}, {}, ("session.prompt",)),
        ({"truncation": "auto"}, {}, ("session.truncation",)),
        ({"reasoning": {"effort": "low"}}, {}, ("session.reasoning",)),
        ({"parallel_tool_calls": False}, {}, ("session.parallel_tool_calls",)),
        ({"include": ["x"]}, {}, ("session.include",)),
        ({"prompt": None, "include": None}, {}, ()),
        ({"tracing": "auto", "future": 1}, {"tracing": "auto", "future": 1}, ()),
        ({"tools": [MCP, FUNCTION, MCP]}, {"tools": [FUNCTION]}, ("session.tools.mcp",)),
        ({"tool_choice": {"type": "function", "name": "f"}}, {}, ("session.tool_choice",)),
        ({"tool_choice": "required"}, {"tool_choice": "required"}, ()),
        ({"audio": None}, {}, ()),
        ({"audio": {"input": None, "output": {}}}, {}, ()),
        ({"audio": {"output": {"voice": {"id": "v"}}}}, {}, ("session.audio.output.voice",)),
        ({"audio": {"output": {"voice": "marin"}}}, {"voice": "marin"}, ()),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            {"input_audio_format": "pcm16"},
            ("session.audio.input.format.rate",),
        ),
        ({"audio": {"input": {"format": {}}}}, {}, ("session.audio.input.format",)),
        (
            {"audio": {"input": {"turn_detection": {**VAD, "idle_timeout_ms": 6000}}}},
            {"turn_detection": VAD},
            ("session.audio.input.turn_detection.idle_timeout_ms",),
        ),
        (
            {"audio": {"input": {"transcription": {"model": "m", "keywords": ["k"]}}}},
            {"input_audio_transcription": {"model": "m"}},
            ("session.audio.input.transcription.keywords",),
        ),
        (
            {"audio": {"input": {"noise_reduction": {"type": "near_field", "strength": 2}}}},
            {"input_audio_noise_reduction": {"type": "near_field"}},
            ("session.audio.input.noise_reduction.strength",),
        ),
    ],
)
def test_names_what_beta_has_no_words_for(
    session: Json, left: Json, dropped: tuple[str, ...]
) -> None:
    event = {"type": "session.update", "session": {"type": "realtime", **session}}
    before = copy.deepcopy(event)
    assert to_beta(event) == ({"type": "session.update", "session": left}, dropped)
    assert event == before


def test_an_image_is_left_out_of_its_message() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    event = {"type": "conversation.item.create", "item": {**USER, "content": [image]}}
    assert to_beta(event) == (None, ("item.content.input_image",))
    event["item"] = {**USER, "content": [image, *USER["content"]]}
    assert to_beta(event) == ({**event, "item": USER}, ("item.content.input_image",))


def test_what_only_images_have_is_left_out_of_other_parts() -> None:
    part = {"type": "input_text", "text": "a", "detail": "low", "image_url": "data:"}
    event = {"type": "conversation.item.create", "item": {**USER, "content": [part]}}
    dropped = ("item.content.detail", "item.content.image_url")
    assert to_beta(event) == ({**event, "item": USER}, dropped)


def test_items_of_mcp_cannot_be_said() -> None:
    answer = {"type": "mcp_approval_response", "id": "i", "approve": True}
    event = {"type": "conversation.item.create", "item": answer}
    assert to_beta(event) == (None, ("item.mcp_approval_response",))
    event = {"type": "response.create", "response": {"input": [answer, USER]}}
    said, dropped = to_beta(event)
    assert said == {"type": "response.create", "response": {"input": [USER]}}
    assert dropped == ("response.input.mcp_approval_response",)


@pytest.mark.parametrize("kind", ["session.update", "response.create"])
def test_azure_is_not_told_of_inf(kind: str) -> None:
    field = "session" if kind == "session.update" else "response"
    event = {"type": kind, field: {"max_output_tokens": "inf"}}
    assert to_beta(event, azure=True) == ({"type": kind, field: {}}, ())
    event = {"type": kind, field: {"max_output_tokens": 9}}
    said, _ = to_beta(event, azure=True)
    assert said == {"type": kind, field: {"max_response_output_tokens": 9}}


@pytest.mark.parametrize("name", cases(GA_CLIENT))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_sent_has_nothing_that_beta_does_not_know(name: str, data: st.DataObject) -> None:
    event = data.draw(named(GA_CLIENT, name))
    before = copy.deepcopy(event)
    said, dropped = to_beta(event)
    assert event == before, "changed in place"
    if said is None:
        assert dropped
        return
    wrong = faults(load(BETA_CLIENT)[said["type"]], said, closed=True)
    # beta's schemas list the models of their day; any name is ours to pass
    assert [fault for fault in wrong if ".model: " not in fault] == []


# --- whatever comes

_KINDS = sorted(
    {*SERVER_NAMES, *SERVER_NAMES.values(), "response.created", "response.done"}
    | {"conversation.item.done", "conversation.item.retrieved", "response.output_item.done"}
    | {"session.update", "transcription_session.update", "response.create"}
    | {"conversation.item.create", "response.function_call_arguments.done"}
)
_WORDS = sorted(
    {*SESSION_FIELDS, *(step for field in SESSION_FIELDS.values() for step in field.path)}
    | {"type", "session", "response", "item", "content", "tools", "tool_choice", "prompt", "id"}
    | {"rate", "detail", "image_url", "idle_timeout_ms", "strength", "input_audio_sampling_rate"}
    | {"text", "name", "mcp", "mcp_call", "input_image", "openai", "pcm16", "inf", "transcription"}
)


def _junk(chance: random.Random, depth: int) -> Any:
    """Any JSON, made of the words that the tables look for."""
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice([None, True, 0, 1.5, 16000, *chance.choices(_WORDS, k=8)])
    if kind < 0.55:
        return [_junk(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(_WORDS): _junk(chance, depth - 1) for _ in range(chance.randrange(6))}


def test_whatever_comes_is_borne() -> None:
    # no hypothesis: to draw such nests takes it a hundred times as long as to translate them
    chance = random.Random(3)
    for _ in range(20_000):
        event = {chance.choice(["session", "response", "item"]): _junk(chance, 5)}
        event["type"] = chance.choice(_KINDS) if chance.random() < 0.95 else _junk(chance, 2)
        before = copy.deepcopy(event)
        for change in (to_ga, client_to_ga, server_to_beta, to_beta):
            change(event)
        to_beta(event, azure=True)
        assert to_ga(to_ga(event)) == to_ga(event), event
        assert event == before, "changed in place"


# --- what servers sent


def _received() -> list[Any]:
    """What a client received, by recording."""
    if not TRANSCRIPTS.is_dir():
        missing = pytest.mark.skip(reason=f"{TRANSCRIPTS} is not here: nothing to replay")
        return [pytest.param([], marks=missing, id="transcripts")]
    found = []
    for path in sorted(TRANSCRIPTS.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        events = [line["data"] for line in lines if line.get("direction") == "received"]
        if events:
            found.append(pytest.param(events, id=path.stem))
    return found


@pytest.mark.parametrize("events", _received())
def test_what_servers_sent_is_understood(events: list[Json]) -> None:
    beta = any(event["type"] in SERVER_NAMES for event in events)
    for event in events:
        ga = to_ga(event)
        assert beta or ga is event
        assert ga["type"] not in SERVER_NAMES
        assert not isinstance(server_event(ga), UnknownEvent)
        # no flat field is left where GA has another place
        assert not SESSION_FIELDS.keys() & {*ga.get("session", ()), *ga.get("response", ())}


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("session.voice", "session.audio.output.voice"),
        ("session.turn_detection.threshold", "session.audio.input.turn_detection.threshold"),
        ("response.max_response_output_tokens", "response.max_output_tokens"),
        ("session.instructions", "session.instructions"),
        ("item.voice", "item.voice"),
        ("voice", "voice"),
        ("", ""),
        (None, None),
        (5, 5),
    ],
)
def test_an_error_names_ga_s_field(beta: Any, ga: Any) -> None:
    event = {"type": "error", "event_id": "e", "error": {"code": "c", "param": beta}}
    assert error_to_ga(event) == {**event, "error": {"code": "c", "param": ga}}


@pytest.mark.parametrize("error", [None, "no", {}, []])
def test_an_error_without_a_field(error: Any) -> None:
    event = {"type": "error", "error": error}
    assert error_to_ga(event) is event
