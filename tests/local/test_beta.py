"""The beta dialect over a GA brain, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.local.answers import Call
from realtime_sync.local.beta import Beta, BetaNames, Plain
from realtime_sync.local.refusal import Refusal

from .driving import JUDGES, Driver, checked, every, only, squeezed, types

Wire = dict[str, Any]


class BetaDriver:
    """A brain behind the dialect, as a connection has it."""

    def __init__(self, kind: str = "realtime", *, speed: float | None = None) -> None:
        self.inner = Driver(kind, speed=speed, model="gpt-4o-realtime-preview")
        self.script = self.inner.script
        self.dialect = Beta()

    def told(self, events: list[Wire]) -> list[Wire]:
        told = [one for event in events for one in self.dialect.outgoing(event)]
        return checked(told, JUDGES["beta"])

    def hello(self) -> list[Wire]:
        return self.told(self.inner.brain.hello())

    def send(self, kind: str, **fields: Any) -> list[Wire]:
        event = {"type": kind, **fields}
        brain = self.inner.brain
        try:
            taken = self.dialect.incoming(event)
        except Refusal as refusal:
            return checked(brain.refused(refusal, event), JUDGES["beta"])
        return self.told(brain.received(taken, self.inner.now) + self.inner.rest())

    def refused(self, kind: str, **fields: Any) -> Wire:
        (event,) = self.send(kind, event_id="mine", **fields)
        error = event["error"]
        assert error["event_id"] == "mine"
        assert isinstance(error, dict)
        return error


@pytest.fixture
def beta() -> BetaDriver:
    return BetaDriver()


def update(beta: BetaDriver, **session: Any) -> Wire:
    told = only(beta.send("session.update", session=session), "session.updated")["session"]
    assert isinstance(told, dict)
    return told


def test_session_created(beta: BetaDriver) -> None:
    """The session is flat, has no type, and has a temperature."""
    (event,) = beta.hello()
    session = event["session"]
    assert event["type"] == "session.created"
    assert session["object"] == "realtime.session"
    assert session["modalities"] == ["audio", "text"]
    assert (session["voice"], session["speed"], session["temperature"]) == ("alloy", 1.0, 0.8)
    assert (session["input_audio_format"], session["output_audio_format"]) == ("pcm16", "pcm16")
    assert session["max_response_output_tokens"] == "inf"
    assert session["turn_detection"]["type"] == "server_vad"
    gone = {"type", "audio", "output_modalities", "max_output_tokens", "truncation", "prompt"}
    assert not gone & set(session)


def test_every_field_of_an_update(beta: BetaDriver) -> None:
    """What is set is reported back under the same names."""
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    wanted = {
        "modalities": ["text"],
        "instructions": "Be brief.",
        "voice": "echo",
        "speed": 1.2,
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_alaw",
        "input_audio_noise_reduction": {"type": "far_field"},
        "turn_detection": None,
        "tools": [tool],
        "tool_choice": "required",
        "temperature": 0.7,
        "max_response_output_tokens": 100,
        "tracing": "auto",
    }
    session = update(beta, **wanted, input_audio_transcription={"model": "whisper-1"})
    assert {name: session[name] for name in wanted} == wanted
    assert session["input_audio_transcription"]["model"] == "whisper-1"
    assert update(beta, modalities=["text", "audio"])["modalities"] == ["audio", "text"]
    assert update(beta, input_audio_noise_reduction=None)["input_audio_noise_reduction"] is None


def test_a_function_as_the_choice(beta: BetaDriver) -> None:
    """tool_choice is text only: the name of a function stands for it."""
    tool = {"type": "function", "name": "f"}
    assert update(beta, tools=[tool], tool_choice="f")["tool_choice"] == "f"
    beta.send("session.update", session={"modalities": ["text"]})
    events = beta.send("response.create")
    assert only(events, "response.done")["response"]["output"][0]["name"] == "f"


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"audio": {}}, "unknown_parameter", "session.audio"),
        ({"output_modalities": ["text"]}, "unknown_parameter", "session.output_modalities"),
        ({"modalities": ["audio"]}, "invalid_value", "session.modalities"),
        ({"modalities": "text"}, "invalid_value", "session.modalities"),
        ({"temperature": 2}, "invalid_value", "session.temperature"),
        ({"input_audio_format": "audio/pcm"}, "invalid_value", "session.input_audio_format"),
        ({"tool_choice": {}}, "invalid_type", "session.tool_choice"),
        ({"voice": "nobody"}, "invalid_value", "session.voice"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2}},
            "invalid_value",
            "session.turn_detection.threshold",
        ),
        (
            {"max_response_output_tokens": 0},
            "invalid_value",
            "session.max_response_output_tokens",
        ),
    ],
)
def test_refused_update(beta: BetaDriver, session: Wire, code: str, param: str) -> None:
    """Errors speak of the names that the client used."""
    error = beta.refused("session.update", session=session)
    assert (error["code"], error["param"]) == (code, param)
    assert "audio." not in error["message"]


def test_client_secret_of_a_session_is_ignored(beta: BetaDriver) -> None:
    """What the REST call alone means does no harm."""
    assert update(beta, client_secret={"expires_after": {"anchor": "created_at"}})


def test_text_turn(beta: BetaDriver) -> None:
    """The names of a text turn, the item told once, the assistant's part called text."""
    beta.send("session.update", session={"modalities": ["text"]})
    content = [{"type": "input_text", "text": "hello"}]
    item = {"type": "message", "role": "user", "content": content}
    assert types(beta.send("conversation.item.create", item=item)) == ["conversation.item.created"]
    events = beta.send("response.create")
    assert squeezed(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.text.delta",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = only(events, "response.done")["response"]
    (output,) = response["output"]
    assert output["object"] == "realtime.item"
    assert output["content"][0]["type"] == "text"
    assert response["modalities"] == ["text"]
    assert response["max_output_tokens"] == "inf"
    assert (response["voice"], response["output_audio_format"]) == ("alloy", "pcm16")
    assert "audio" not in response


def test_audio_turn_with_overrides(beta: BetaDriver) -> None:
    """response.create in beta shape; audio under its old names."""
    beta.script.reply("one two")
    wanted = {
        "modalities": ["audio", "text"],
        "output_audio_format": "g711_ulaw",
        "voice": "sage",
        "temperature": 1.0,
        "max_response_output_tokens": 50,
        "metadata": {"a": "b"},
        "conversation": "none",
        "input": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": "before"}],
            }
        ],
    }
    events = beta.send("response.create", response=wanted)
    assert {"response.audio.delta", "response.audio_transcript.delta"} <= set(types(events))
    response = only(events, "response.done")["response"]
    assert response["output_audio_format"] == "g711_ulaw"
    assert response["voice"] == "sage"
    assert response["max_output_tokens"] == 50
    assert response["metadata"] == {"a": "b"}
    assert response["output"][0]["content"][0]["type"] == "audio"


def test_a_call_has_no_name_at_its_end(beta: BetaDriver) -> None:
    """function_call_arguments.done carries no name."""
    beta.script.reply(Call("f", "{}"))
    events = beta.send("response.create")
    assert "name" not in only(events, "response.function_call_arguments.done")
    assert only(events, "conversation.item.created")["item"]["name"] == "f"


def test_history(beta: BetaDriver) -> None:
    """Assistant parts go in as text and come back as text; GA's names are refused."""

    def message(kind: str) -> Wire:
        content = [{"type": kind, "text": "x"}]
        return {"type": "message", "role": "assistant", "id": "a", "content": content}

    (event,) = beta.send("conversation.item.create", item=message("text"))
    assert event["item"]["content"] == [{"type": "text", "text": "x"}]
    retrieved = only(
        beta.send("conversation.item.retrieve", item_id="a"), "conversation.item.retrieved"
    )
    assert retrieved["item"]["content"][0]["type"] == "text"
    error = beta.refused("conversation.item.create", item=message("output_text"))
    assert (error["code"], error["param"]) == ("invalid_value", "item.content[0].type")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "mcp_call", "server_label": "x", "name": "f", "arguments": ""},
        {"type": "message", "role": "user", "content": [{"type": "input_image"}]},
    ],
)
def test_what_only_ga_has(beta: BetaDriver, item: Wire) -> None:
    """Images and MCP items are not of this dialect."""
    assert beta.refused("conversation.item.create", item=item)["code"] == "invalid_value"


@pytest.mark.parametrize(
    "fields",
    [
        {"item": 5},
        {"item": {"type": 5}},
        {"item": {"type": "message", "role": "user", "content": [5]}},
        {"item": {"type": "message", "role": "user", "content": [{"type": 5}]}},
        {"item": {"type": "message", "role": [], "content": 5}},
        {},
    ],
)
def test_what_is_no_item(beta: BetaDriver, fields: Wire) -> None:
    """Nonsense is refused by the brain as ever."""
    assert beta.refused("conversation.item.create", **fields)["code"]


@pytest.mark.parametrize("event", [None, 5, [], {}, {"type": 5}, {"type": []}, {"type": "x"}])
def test_what_is_no_event(event: Any) -> None:
    """Nonsense passes through to the brain, which refuses it."""
    assert Beta().incoming(event) is event


@pytest.mark.parametrize("kind", ["session.update", "response.create"])
def test_fields_that_are_no_objects(beta: BetaDriver, kind: str) -> None:
    """A session or response that is no object is refused."""
    field = "session" if kind == "session.update" else "response"
    assert beta.refused(kind, **{field: 5})["code"] == "invalid_type"


def test_transcription_session() -> None:
    """transcription_session.update answers transcription_session.updated; the rest is as ever."""
    beta = BetaDriver("transcription")
    assert beta.hello()[0]["session"]["object"] == "realtime.transcription_session"
    wanted = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": None,
        "modalities": ["text"],
    }
    events = beta.send("transcription_session.update", session=wanted)
    session = only(events, "transcription_session.updated")["session"]
    assert session["input_audio_format"] == "g711_ulaw"
    assert session["input_audio_transcription"]["language"] == "en"
    assert session["turn_detection"] is None
    assert beta.refused("session.update", session={})["code"] == "invalid_parameter"
    error = beta.refused("transcription_session.update", session={"voice": "x"})
    assert (error["code"], error["param"]) == ("unknown_parameter", "session.voice")
    beta.send("input_audio_buffer.append", audio="AAAA" * 2000)
    beta.script.transcripts([{"segments": [{"text": "hi", "speaker": "A", "start": 0, "end": 1}]}])
    kinds = types(beta.send("input_audio_buffer.commit"))
    assert kinds[1] == "conversation.item.created"
    assert kinds[-1] == "conversation.item.input_audio_transcription.completed"
    assert not any("segment" in kind for kind in kinds)


def test_a_realtime_session_refuses_the_transcription_update(beta: BetaDriver) -> None:
    """The two kinds do not change into each other."""
    error = beta.refused("transcription_session.update", session={})
    assert error["code"] == "invalid_parameter"


def test_a_voice_with_an_id() -> None:
    """A voice that GA names by id is text in beta."""
    driver = Driver()
    audio = {"output": {"voice": {"id": "voice_1"}}}
    (event,) = driver.give("session.update", session={"type": "realtime", "audio": audio})
    assert Beta().outgoing(event)[0]["session"]["voice"] == "voice_1"


def test_beta_names_alone() -> None:
    """A GA server with beta names keeps the GA shapes of sessions and responses."""
    driver, names = Driver(), BetaNames()
    told = [one for event in driver.ask("hello") for one in names.outgoing(event)]
    assert "response.text.delta" in types(told)
    assert len(every(told, "conversation.item.created")) == 1
    response = only(told, "response.done")["response"]
    assert response["output_modalities"] == ["text"]
    assert response["output"][0]["content"][0]["type"] == "text"
    (hello,) = names.outgoing(driver.brain.hello()[0])
    assert "audio" in hello["session"]


def test_a_voice_as_an_object(beta: BetaDriver) -> None:
    """What the brain allows beyond the dialect comes back as text."""
    assert update(beta, voice={"id": "voice_1"})["voice"] == "voice_1"


def test_input_that_is_no_list_of_items(beta: BetaDriver) -> None:
    """A response's input of any other kind is refused."""
    for wrong in (5, [5]):
        assert beta.refused("response.create", response={"input": wrong})["code"] == "invalid_type"


def test_nested_too_deeply() -> None:
    """A value that cannot even be shown is refused."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Refusal, match="too deeply"):
        Beta().incoming({"type": "session.update", "session": {"modalities": [deep]}})


def test_plain() -> None:
    """GA passes as it is."""
    event: Wire = {"type": "x"}
    assert Plain().incoming(event) is event
    assert Plain().outgoing(event) == [event]
