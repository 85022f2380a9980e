"""Whole sessions with servers of either dialect: what a caller sees is the same."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import Azure, RealtimeSession, SessionConfig, events, items
from realtime_sync.errors import ConfigurationError, ConnectError, ConnectionLost, ServerError
from realtime_sync.local import LocalServer
from realtime_sync.runtime.endpoints import Compatible, Endpoint

LIMIT = 15.0
PREVIEW = "2025-04-01-preview"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
SECOND = b"\x10\x00" * 24000  # of PCM16

Wire = dict[str, Any]
Place = Callable[[LocalServer], Endpoint]


def azure(server: LocalServer, **arguments: Any) -> Azure:
    return Azure(server.url.removesuffix("/v1"), "deployed", "local-key", **arguments)


#: How a server is reached -> the dialect it speaks there.
PLACES: dict[str, tuple[str, Place]] = {
    "ga": ("ga", lambda server: server.endpoint),
    "beta": ("beta", lambda server: server.endpoint),
    "azure-ga": ("ga", azure),
    "azure-preview": ("beta", lambda server: azure(server, api_version=PREVIEW)),
}
BETA = ["beta", "azure-preview"]


class Talk:
    """One session, and what was seen of it on both sides."""

    def __init__(self, name: str, server: LocalServer) -> None:
        self.dialect, place = PLACES[name]
        self.server = server
        self.endpoint = place(server)
        self.sent: list[Wire] = []
        self.received: list[Wire] = []
        self.seen: list[events.Event] = []
        self._made: list[RealtimeSession] = []

    def open(self, **arguments: Any) -> RealtimeSession:
        plain = {"output_modalities": ["text"], "turn_detection": None}
        if isinstance(arguments.get("config"), dict):
            plain = {}
        session = RealtimeSession(endpoint=self.endpoint, **{**plain, **arguments})
        session.tap(lambda way, event: getattr(self, way).append(event))
        session.on("*", self.seen.append)
        self._made.append(session)
        return session.open()

    def close(self) -> None:
        for session in self._made:
            session.close()

    @property
    def names(self) -> set[str]:
        return {event.type for event in self.seen}


@pytest.fixture(params=PLACES)
def talk(request: pytest.FixtureRequest) -> Iterator[Talk]:
    """A session's surroundings, of each server in turn."""
    name: str = request.param
    dialect = "beta" if name == "beta" else "ga"
    with LocalServer(speed=None, voice="tones", dialect=dialect, transcripts=["one", "two"]) as up:
        made = Talk(name, up)
        yield made
        made.close()


beta_only = pytest.mark.parametrize("talk", BETA, indirect=True)

#: Names and shapes of the one dialect that the other does not have, in an event's text.
GA_WORDS = (
    "output_text",
    "output_audio.",
    "output_modalities",
    "conversation.item.added",
    "conversation.item.done",
)
BETA_WORDS = ("response.text.", "response.audio.", '"modalities"', "conversation.item.created")


def spoken(events: list[Wire], words: tuple[str, ...]) -> set[str]:
    text = json.dumps(events)
    return {word for word in words if word in text}


def test_text(talk: Talk) -> None:
    """A text turn is the same in both dialects; taps see the wire's, callbacks GA's names."""
    talk.server.reply("Four.")
    session = talk.open(instructions="Count.", voice="echo", max_output_tokens="inf")
    deltas = list(session.stream("Two and two?"))
    session.close()
    assert "".join(deltas) == "Four."
    assert session.config.output_modalities == ("text",)
    assert session.config.instructions == "Count."
    assert session.config.audio is not None
    assert session.config.audio.output is not None
    assert session.config.audio.output.voice == "echo"
    wire, foreign = [*talk.sent, *talk.received], GA_WORDS
    if talk.dialect == "ga":
        foreign = BETA_WORDS
    assert spoken(wire, foreign) == set()
    assert spoken(wire, BETA_WORDS if talk.dialect == "beta" else GA_WORDS)
    assert {
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.done",
    } <= talk.names
    assert not any("response.text" in name or "item.created" in name for name in talk.names)
    assert not any(isinstance(event, events.UnknownEvent) for event in talk.seen)
    texts = [(item.role, item.text) for item in session.conversation.items]
    assert texts == [("user", "Two and two?"), ("assistant", "Four.")]


def test_each_item_is_done_once(talk: Talk) -> None:
    """Every item of the conversation is added once and done once, in either dialect."""
    session = talk.open()
    session.ask("Hello!")
    session.conversation.create(items.system("Be kind."))
    session.close()
    kept = [item.id for item in session.conversation.items]
    for kind in (events.ConversationItemAdded, events.ConversationItemDone):
        assert [event.item.id for event in talk.seen if isinstance(event, kind)] == kept
    done = [e.item for e in talk.seen if isinstance(e, events.ConversationItemDone)]
    assert [item.status for item in done] == ["completed"] * 3


def test_audio(talk: Talk) -> None:
    """Sound goes in by the buffer and by a turn, and comes out, in both dialects."""
    session = talk.open(output_modalities=["audio"], transcription="whisper-1")
    session.input_audio_buffer.append(SECOND)
    with session.expect("conversation.item.input_audio_transcription.completed") as pending:
        item = session.input_audio_buffer.commit()
        assert pending.result(timeout=LIMIT).transcript == "one"
    assert item.role == "user"
    response = session.response.create()
    heard = b"".join(response.audio_chunks())
    assert len(heard) > 4800
    assert response.wait(timeout=LIMIT).audio == heard
    again = session.ask(audio=SECOND)
    assert again.audio
    assert session.usage.output_audio_tokens
    session.conversation.truncate(again.output[0].id or "", 100)
    got = session.conversation.retrieve(item.id or "")
    assert got.audio
    session.close()
    assert "response.output_audio.delta" in talk.names


@pytest.mark.parametrize("form", ["audio/pcmu", "audio/pcma"])
def test_telephone_formats(talk: Talk, form: str) -> None:
    """The formats are known by GA's names, whatever the wire calls them."""
    session = talk.open(output_modalities=["audio"], input_format=form, output_format=form)
    assert (session.input_format, session.output_format) == (form, form)
    response = session.ask(audio=SECOND)
    assert response.audio
    sent = next(event for event in talk.sent if event["type"] == "session.update")["session"]
    beta = {"audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}[form]
    assert sent.get("input_audio_format") == (beta if talk.dialect == "beta" else None)


def test_tools(talk: Talk) -> None:
    """A tool runs and its answer goes back, in both dialects."""
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather."""
        asked.append(city)
        return "rain"

    talk.server.reply(talk.server.call("weather", city="Oslo"), "It rains.")
    session = talk.open(tools=[weather])
    done: list[Any] = []
    session.on("response.function_call_arguments.done", done.append)
    assert session.ask("The weather?").text == "It rains."
    session.close()
    assert asked == ["Oslo"]
    assert json.loads(done[0].arguments) == {"city": "Oslo"}
    assert done[0].name == "weather"
    kinds = [item.type for item in session.conversation.items]
    assert kinds == ["message", "function_call", "function_call_output", "message"]
    assert {"tool.started", "tool.finished"} <= talk.names


def test_history_update_and_delete(talk: Talk) -> None:
    """History is there before the first turn; updates say what the server holds."""
    history = [items.user("My name is Ann."), items.assistant("Hello, Ann.")]
    session = talk.open(history=history)
    assert [item.text for item in session.conversation.items] == ["My name is Ann.", "Hello, Ann."]
    held = session.update(voice="sage", output_modalities=["audio"], speed=1.25)
    assert held.audio is not None
    assert held.audio.output is not None
    assert (held.audio.output.voice, held.audio.output.speed) == ("sage", 1.25)
    assert held.output_modalities == ("audio",)
    assert session.config == held
    answer = session.conversation.items[1].id or ""
    placed = session.conversation.create("And mine?", previous_item_id="root")
    assert session.conversation.items[0].id == placed.id
    session.conversation.delete(answer)
    exported = session.conversation.export()
    assert [one["content"][0]["text"] for one in exported] == ["And mine?", "My name is Ann."]
    with pytest.raises(ServerError):
        session.conversation.delete(answer)
    response = session.response.create(output_modalities=["text"], metadata={"a": "b"}, input=[])
    assert response.wait(timeout=LIMIT).metadata == {"a": "b"}


def test_transcription(talk: Talk) -> None:
    """A transcription session writes down what is said, in both dialects."""
    config = {
        "type": "transcription",
        "audio": {
            "input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": None}
        },
    }
    session = talk.open(config=config)
    assert session.config.type == "transcription"
    session.input_audio_buffer.append(SECOND)
    with session.expect("conversation.item.input_audio_transcription.completed") as pending:
        item = session.input_audio_buffer.commit()
        assert pending.result(timeout=LIMIT).transcript == "one"
    assert session.conversation.items[-1].id == item.id
    held = session.update({"audio": {"input": {"transcription": {"language": "en"}}}})
    assert held.type == "transcription"
    kinds = {event["type"] for event in talk.sent if "update" in event["type"]}
    assert kinds == {"transcription_session.update" if talk.dialect == "beta" else "session.update"}
    with pytest.raises(ConfigurationError):
        session.ask("Hello?")
    session.close()
    assert "session.updated" in talk.names


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_how_sure_a_transcript_is(kind: str) -> None:
    """Where the server sends log-probabilities, event and item say how sure it was."""
    heard = {"logprobs": [("Hi", math.log(0.9)), (" you", math.log(0.4))]}
    sound = {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": None}
    include = ["item.input_audio_transcription.logprobs"]
    with LocalServer(speed=None, transcripts=[heard, "no more"]) as server:
        config = {"type": kind, "audio": {"input": sound}, "include": include}
        with RealtimeSession(endpoint=server.endpoint, config=config) as session:
            for confidence in (pytest.approx(0.6), None):
                session.input_audio_buffer.append(SECOND)
                with session.expect(events.ConversationItemInputAudioTranscriptionCompleted) as due:
                    item = session.input_audio_buffer.commit()
                    assert due.result(timeout=LIMIT).confidence == confidence
                (now,) = (one for one in session.conversation.items if one.id == item.id)
                assert now.confidence == confidence


# --- what beta has no words for


@beta_only
def test_an_image_is_refused(talk: Talk) -> None:
    """A picture in beta is refused before anything is sent, with or without words."""
    session = talk.open()
    before = len(talk.sent)
    for text in ("What is this?", None):
        with pytest.raises(ConfigurationError, match=r"item\.content\.input_image: the beta"):
            session.ask(text, image=PNG, timeout=LIMIT)
        with pytest.raises(ConfigurationError, match=r"item\.content\.input_image: the beta"):
            session.submit(text, image=PNG)
    with pytest.raises(ConfigurationError, match=r"item\.content\.input_image"):
        session.conversation.create(items.user("x", image=PNG), timeout=LIMIT)
    with pytest.raises(ConfigurationError, match=r"response\.input\.content\.input_image"):
        session.response.create(input=[items.user("x", image=PNG)], timeout=LIMIT)
    approval = {"type": "mcp_approval_response", "id": "i", "approve": True}
    event = {"type": "conversation.item.create", "item": approval}
    for act in (session.send, session.request):
        with pytest.raises(ConfigurationError, match=r"item\.mcp_approval_response"):
            act(event)
    assert session.ask("Hello!").status == "completed"
    created = [e for e in talk.sent[before:] if e["type"] == "conversation.item.create"]
    assert len(created) == 1
    assert len(session.conversation.items) == 2


@beta_only
def test_history_without_images(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    """Of a history what beta can say goes in; the rest is warned about, and nothing hangs."""
    history = [items.user("Look!", image=PNG), items.user(image=PNG), items.assistant("Nice.")]
    session = talk.open(history=history, truncation="disabled")
    assert [item.text for item in session.conversation.items] == ["Look!", "Nice."]
    said = " ".join(record.getMessage() for record in caplog.records)
    assert said.count("item.content.input_image: the beta dialect") == 2
    assert "conversation.item.create is not sent" in said
    assert session.ask("And now?").status == "completed"


@beta_only
def test_settings_that_beta_lacks(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    """Settings that beta lacks are left out once with a warning; alone they are an error."""
    session = talk.open(truncation="disabled", parallel_tool_calls=True)
    session.update(truncation="auto", instructions="x")
    left_out = [one for one in caplog.records if one.name == "realtime_sync.runtime.dialect"]
    said = [record.getMessage().partition(":")[0] for record in left_out]
    assert said == ["session.parallel_tool_calls", "session.truncation"]
    with pytest.raises(ConfigurationError, match=r"session\.truncation: the beta"):
        session.update(truncation="auto", timeout=LIMIT)
    assert session.update(instructions="y").instructions == "y"


@beta_only
def test_a_session_of_nothing_that_beta_knows(talk: Talk) -> None:
    """A configuration that beta has no words for at all does not keep a session from opening."""
    session = talk.open(config={"type": "realtime", "truncation": "disabled"})
    assert session.state == "open"
    assert not [event for event in talk.sent if event["type"] == "session.update"]


# --- servers


def test_inf_on_azure(talk: Talk) -> None:
    """Only Azure's preview is not told of "inf"."""
    session = talk.open(max_output_tokens="inf")
    session.ask("Hello!", max_output_tokens="inf")
    told = "inf" in json.dumps(talk.sent)
    assert told is not (talk.dialect == "beta" and isinstance(talk.endpoint, Azure))


def test_a_list_may_mix_dialects() -> None:
    """Each link has the dialect of its own endpoint."""
    with (
        LocalServer(speed=None, voice="tones") as ga,
        LocalServer(speed=None, voice="tones", dialect="beta") as beta,
    ):
        for dead, backup in ((ga, beta), (beta, ga)):
            dead.script.refuse(503, "down")
            endpoints = [dead.endpoint, backup.endpoint]
            session = RealtimeSession(endpoint=endpoints, output_modalities=["text"])
            with session:
                assert session.ask("Hello!").status == "completed"
                assert session.config.output_modalities == ("text",)


def test_the_beta_is_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    """A GA server tells a client of the beta so, and open() says it."""
    with LocalServer(speed=None) as server:
        endpoint = Compatible(server.url, "key", dialect="beta")
        with pytest.raises((ServerError, ConnectError, ConnectionLost)) as caught:
            RealtimeSession(endpoint=endpoint).open()
        assert "Beta API is no longer supported" in str(caught.value)


def test_a_beta_server_without_its_header() -> None:
    """Some servers speak the beta without being asked in its words."""
    with LocalServer(speed=None, dialect="beta", needs_beta_header=False) as server:
        session = RealtimeSession(endpoint=server.endpoint, output_modalities=["text"])
        with session:
            assert session.ask("Hello!").status == "completed"


def test_unknown_fields_pass(talk: Talk) -> None:
    """What neither dialect knows is the server's to judge."""
    config = SessionConfig.model_validate({"type": "realtime", "future": 1})
    with pytest.raises(ServerError, match=r"future"):
        talk.open(config=config)


@beta_only
def test_errors_name_ga_s_fields(talk: Talk) -> None:
    """An error names the field as the caller knows it."""
    session = talk.open()
    with pytest.raises(ServerError) as caught:
        session.update(voice="nobody")
    assert caught.value.param == "session.audio.output.voice"
    assert talk.received[-1]["error"]["param"] == "session.voice"


def test_debug_log(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    """The log shows GA's names."""
    caplog.set_level(logging.DEBUG)
    talk.open().ask("Hello!")
    assert "< response.output_text.delta" in caplog.text
    assert "< response.text.delta" not in caplog.text
