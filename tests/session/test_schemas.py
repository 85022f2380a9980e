"""Every event that a session sends fits the protocol's schemas, whatever is done with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import faults, load, named

from realtime_sync import RealtimeSession, SessionConfig, items, tool
from realtime_sync.errors import ConfigurationError, ServerError
from realtime_sync.events.codec import client_event
from realtime_sync.events.config import FLAT_FIELDS, session_config
from realtime_sync.local import LocalServer
from realtime_sync.resources.responses import response_params

Wire = dict[str, Any]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
SECOND = b"\x10\x00" * 24000
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example.com/mcp"}

#: What both dialects have, and what only GA has.
BOTH: Wire = {
    "instructions": "Be brief.",
    "voice": "echo",
    "speed": 1.25,
    "turn_detection": None,
    "transcription": {"model": "whisper-1", "language": "en", "prompt": "x"},
    "noise_reduction": "near_field",
    "input_format": "audio/pcmu",
    "output_format": {"type": "audio/pcma"},
    "tool_choice": "auto",
    "max_output_tokens": 77,
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
}
GA: Wire = {
    "voice": {"id": "voice_1"},
    "transcription": {"model": "gpt-transcribe", "languages": ["en", "de"], "keywords": ["k"]},
    "noise_reduction": {"type": "far_field", "strength": 0.5},
    "turn_detection": {"type": "semantic_vad", "eagerness": "low", "interrupt_response": True},
    "tool_choice": {"type": "function", "name": "weather"},
    "max_output_tokens": "inf",
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 9000},
    },
    "reasoning": {"effort": "low"},
    "tracing": "auto",
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Brest"}},
    "parallel_tool_calls": True,
    "include": ["item.input_audio_transcription.logprobs"],
}


@tool
def weather(city: str, days: int = 1) -> str:
    """Tells the weather of a city.

    Args:
        city: Its name.
        days: How far ahead.
    """
    return f"rain in {city} for {days}"


def misfits(events: Iterable[Wire], file: str) -> list[Any]:
    """The events that fit no schema of their type, and why not; names of tomorrow are misfits."""
    found = []
    for event in events:
        names = [name for name in load(file) if name.partition("#")[0] == event["type"]]
        wrong = [faults(load(file)[name], event, closed=True) for name in names]
        # beta's schemas list the models of their day; any name is ours to pass
        wrong = [[fault for fault in one if ".model: " not in fault] for one in wrong]
        if not names or all(wrong):
            found.append((event, wrong))
    return found


def everything(session: RealtimeSession, server: LocalServer) -> None:
    """One of everything that can be asked of an open session of either dialect."""
    server.reply("one", server.call("weather", city="Brest"), "wet")
    session.ask("Hello", max_output_tokens=50, metadata={"topic": "x"})
    session.ask("And the weather?", instructions="Look it up.")
    session.ask(audio=SECOND)
    list(session.stream("More"))
    session.response.create(
        conversation="none", input=["Sum up.", items.assistant("So far:")], voice="ash"
    ).wait(timeout=10)
    session.response.create(tool_choice="none", output_modalities=["text"]).wait(timeout=10)
    session.send({"type": "response.cancel"})
    session.conversation.create(items.system("Be kind."), previous_item_id="root")
    session.conversation.create(items.assistant("I am."))
    kept = session.conversation.create("Good.")
    session.conversation.retrieve(kept.id or "")
    session.conversation.delete(kept.id or "")
    session.input_audio_buffer.append(SECOND)
    session.input_audio_buffer.commit()
    session.input_audio_buffer.append(SECOND)
    session.input_audio_buffer.clear()
    with pytest.raises(ServerError):
        session.conversation.truncate("nobody", 100)
    session.send({"type": "output_audio_buffer.clear"})
    session.tools.remove("weather")
    session.update(instructions="", tools=[])


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_whole_session(dialect: str) -> None:
    """Its setup, history, turns, items, audio, updates and ends, in both dialects."""
    with (
        LocalServer(speed=None, voice="tones", dialect=dialect, transcripts=["a"] * 4) as server,
        RealtimeSession(
            endpoint=server.endpoint,
            tools=[weather],
            history=["Hello", items.assistant("Hi"), items.user(audio=SECOND)],
            **BOTH,
        ) as session,
    ):
        everything(session, server)
        if dialect == "ga":
            session.ask(image=PNG)
            # neither changes once it is on
            later = {k: v for k, v in GA.items() if k not in ("voice", "tracing")}
            session.update(tools=[weather, MCP], **later)
        sent = server.received
    assert misfits(sent, f"{dialect}_client_events.json") == []
    assert len({event["type"] for event in sent}) == 11


@pytest.mark.parametrize("name", sorted({*BOTH, *GA}))
def test_each_field_of_the_configuration(name: str) -> None:
    """By its flat spelling, in each form; what is sent fits."""
    for value in [fields[name] for fields in (BOTH, GA) if name in fields]:
        config = session_config(None, {name: value}).wire()
        event = {"type": "session.update", "session": {"type": "realtime", **config}}
        assert misfits([event], "ga_client_events.json") == []
    assert name in FLAT_FIELDS


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"max_output_tokens": True}, "response.max_output_tokens"),
        ({"reasoning": "low"}, "response.reasoning"),
        ({"tool_choice": 5}, "response.tool_choice"),
        ({"voice": 5}, "response.audio.output.voice"),
        ({"metadata": {"a": 5}}, "response.metadata.a"),
    ],
)
def test_what_fits_no_response_is_refused(overrides: Wire, name: str) -> None:
    """Before it is sent, by the name of the field."""
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        response_params(overrides, "audio/pcm", (), None)


#: What the schemas do not say: numbers have ranges.
_IN_RANGE = {
    ("audio", "output", "speed"): 1,
    ("audio", "input", "turn_detection", "threshold"): 0.5,
    ("audio", "input", "turn_detection", "idle_timeout_ms"): 6000,
    ("truncation", "retention_ratio"): 0.5,
    ("max_output_tokens",): 9,
}


def _put(value: Any, path: tuple[str, ...], number: float) -> None:
    """Replace the number at a path, where one is."""
    for step in path[:-1]:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(value.get(path[-1]), (int, float)):
        value[path[-1]] = number


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_configuration_is_sent_as_given(data: st.DataObject) -> None:
    """Every session that fits the schema, as a whole; numbers in their ranges."""
    session = data.draw(named("ga_session.json", "realtime.request"))
    for path, value in _IN_RANGE.items():
        _put(session, path, value)
    sent = session_config(session, {}).wire()
    assert sent == session
    assert session_config(SessionConfig.model_validate(sent), {}).wire() == session
    assert misfits([{"type": "session.update", "session": sent}], "ga_client_events.json") == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_response_is_asked_for_as_given(data: st.DataObject) -> None:
    """Every set of overrides that fits the schema, but for tools and input, which are checked.

    The schemas do not say that numbers have ranges.
    """
    given_ = data.draw(named("ga_response.json", "response.create.params"))
    _put(given_, ("max_output_tokens",), 9)
    overrides = {k: v for k, v in given_.items() if k not in ("tools", "input")}
    params = response_params(overrides, "audio/pcm", (), None)
    assert params == overrides
    event = client_event({"type": "response.create", "response": params})
    assert misfits([{"type": event.type, **event.wire()}], "ga_client_events.json") == []
