from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest

from realtime_sync import NOT_GIVEN, RealtimeSession, SessionConfig
from realtime_sync.errors import ConfigurationError, RealtimeTimeout, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

FIELDS = (
    "instructions",
    "output_modalities",
    "voice",
    "speed",
    "turn_detection",
    "transcription",
    "noise_reduction",
    "input_format",
    "output_format",
    "tool_choice",
    "max_output_tokens",
    "truncation",
    "reasoning",
    "tracing",
    "prompt",
    "parallel_tool_calls",
    "include",
)
NULLABLE = ("turn_detection", "transcription", "noise_reduction", "tracing", "prompt", "include")


def sent(peer: Peer, **arguments: Any) -> dict[str, Any]:
    """What the session tells the server first."""
    session = RealtimeSession(endpoint=peer.endpoint, **arguments)
    opening = threading.Thread(target=session.open)
    opening.start()
    link = peer.link()
    told: dict[str, Any] = link.hear("session.update")["session"]
    link.say("session.updated", session={"id": "sess_1", **told})
    opening.join(15)
    session.close()
    return told


def test_fields_are_spelled_out() -> None:
    """All config fields stand in the signature, keyword only, and are not given by default."""
    parameters = inspect.signature(RealtimeSession).parameters
    for name in FIELDS:
        assert parameters[name].default is NOT_GIVEN
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"instructions": ""}, {"instructions": ""}),
        ({"output_modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"voice": "ash"}, {"audio": {"output": {"voice": "ash"}}}),
        ({"voice": {"id": "voice_1"}}, {"audio": {"output": {"voice": {"id": "voice_1"}}}}),
        ({"speed": 1.5}, {"audio": {"output": {"speed": 1.5}}}),
        (
            {"turn_detection": "server_vad"},
            {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
        ),
        (
            {"turn_detection": "semantic_vad"},
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
        ),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 0.5}},
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.5}}}},
        ),
        (
            {"transcription": "whisper-1"},
            {"audio": {"input": {"transcription": {"model": "whisper-1"}}}},
        ),
        (
            {"noise_reduction": "near_field"},
            {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
        ),
        (
            {"input_format": "audio/pcm"},
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
        ),
        (
            {"output_format": "audio/pcmu"},
            {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
        ),
        (
            {"input_format": {"type": "audio/pcma"}},
            {"audio": {"input": {"format": {"type": "audio/pcma"}}}},
        ),
        ({"tool_choice": "none"}, {"tool_choice": "none"}),
        ({"max_output_tokens": "inf"}, {"max_output_tokens": "inf"}),
        ({"truncation": "disabled"}, {"truncation": "disabled"}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}),
        ({"tracing": "auto"}, {"tracing": "auto"}),
        ({"prompt": {"id": "p"}}, {"prompt": {"id": "p"}}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"include": []}, {"include": []}),
        ({"config": {"later": {"x": None}}}, {"later": {"x": None}}),
        ({"config": {"audio": {"input": {"later": 1}}}}, {"audio": {"input": {"later": 1}}}),
        (
            {"config": SessionConfig(instructions="a", tool_choice="none"), "instructions": "b"},
            {"instructions": "b", "tool_choice": "none"},
        ),
        (
            {"config": {"audio": {"output": {"voice": "a", "speed": 1}}}, "voice": "b"},
            {"audio": {"output": {"voice": "b", "speed": 1}}},
        ),
        (
            {"turn_detection": None, "voice": NOT_GIVEN},
            {"audio": {"input": {"turn_detection": None}}},
        ),
        (
            {"tracing": None, "prompt": None, "include": None},
            {"tracing": None, "prompt": None, "include": None},
        ),
    ],
)
def test_what_is_sent(arguments: dict[str, Any], wanted: dict[str, Any], peer: Peer) -> None:
    """Exactly what was given is sent, where the wire has it; a flat field beats config's."""
    assert sent(peer, **arguments) == {"type": "realtime", **wanted}


def test_tools_follow_those_of_config(peer: Peer) -> None:
    """tools= follow config's tools."""
    first = {"type": "function", "name": "first", "parameters": {"type": "object"}}
    second = {**first, "name": "second"}
    told = sent(peer, config={"tools": [first]}, tools=[second])
    assert [tool["name"] for tool in told["tools"]] == ["first", "second"]


@pytest.mark.parametrize("name", FIELDS)
def test_none(name: str, peer: Peer) -> None:
    """None is sent as null where the wire has null; elsewhere it is refused at once."""
    if name in NULLABLE:
        RealtimeSession(endpoint=peer.endpoint, **{name: None})
    else:
        with pytest.raises(ConfigurationError, match=name):
            RealtimeSession(endpoint=peer.endpoint, **{name: None})


def test_misspelt() -> None:
    """A misspelt name is a TypeError."""
    with pytest.raises(TypeError, match="voize"):
        RealtimeSession(voize="ash")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "arguments",
    [
        {"output_modalities": "text"},
        {"max_output_tokens": "many"},
        {"max_output_tokens": 5000},
        {"speed": 9},
        {"speed": "fast"},
        {"config": {"instructions": 5}},
        {"turn_detection": {"type": "server_vad", "threshold": 2}},
        {"include": "x"},
    ],
)
def test_wrong_values(arguments: dict[str, Any]) -> None:
    """A value that the wire does not take is refused before anything is sent; it is named."""
    with pytest.raises(ConfigurationError, match=r"\w+: "):
        RealtimeSession(**arguments)


def test_config_of_another_type() -> None:
    """config is a SessionConfig or a dict."""
    with pytest.raises(TypeError):
        RealtimeSession(config=["x"])  # type: ignore[arg-type]


@pytest.mark.row("C19")
def test_config_is_copied(server: LocalServer, make: Opener) -> None:
    """Changing a dict after the session was made changes nothing (C19)."""
    config: dict[str, Any] = {"instructions": "before", "audio": {"output": {"voice": "ash"}}}
    tools: list[Any] = [double]
    history: list[Any] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "before"}]}
    ]
    session = make(config=config, tools=tools, history=history)
    config["instructions"] = "after"
    config["audio"]["output"]["voice"] = "verse"
    tools.clear()
    history[0]["content"][0]["text"] = "after"
    history.append("more")
    with session:
        assert session.config.instructions == "before"
        assert session.config.audio.output.voice == "ash"
        assert session.tools.names == ("double",)
        assert [item.text for item in session.conversation.items] == ["before"]


def double(n: int) -> int:
    """Doubles."""
    return 2 * n


def test_update(session: RealtimeSession, server: LocalServer) -> None:
    """update() sends exactly what is given and returns what the server now holds."""
    held = session.update(instructions="x", tracing=None, voice=NOT_GIVEN)
    told = server.received[-1]
    assert told["session"] == {"type": "realtime", "instructions": "x", "tracing": None}
    assert held == session.config
    assert held.instructions == "x"
    assert held.output_modalities == ("text",)


def test_update_with_nothing(session: RealtimeSession, server: LocalServer) -> None:
    """Nothing given: nothing sent."""
    before = len(server.received)
    assert session.update() == session.config
    assert session.update(SessionConfig()) == session.config
    assert len(server.received) == before


def test_update_config(session: RealtimeSession) -> None:
    """update() takes a SessionConfig or a dict, which flat fields beat."""
    assert session.update({"instructions": "a"}, instructions="b").instructions == "b"
    assert session.update(SessionConfig(instructions="c")).instructions == "c"


def test_update_replaces_tools(make: Opener, server: LocalServer) -> None:
    """tools= of update() replaces all tools; those of a config too."""

    def old() -> None:
        """Old."""

    def new() -> None:
        """New."""

    with make(tools=[old]) as session:
        held = session.update(tools=[new], instructions="x")
        assert [tool["name"] for tool in held.tools] == ["new"]
        assert held.instructions == "x"
        assert session.tools.names == ("new",)
        session.update({"tools": [{"type": "function", "name": "wire", "parameters": {}}]})
        assert session.tools.names == ("wire",)
        assert session.update(tools=[]).tools == ()
        assert session.tools.names == ()


def test_update_with_its_own_config(make: Opener, server: LocalServer) -> None:
    """What the session holds can be sent back: its functions stay functions."""

    def ping() -> str:
        """Pings."""
        return "pong"

    with make(tools=[ping]) as session:
        session.update({"tools": session.config.tools})
        server.reply(server.call("ping"), "done")
        assert session.ask("go").text == "done"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"voize": 1}, TypeError),
        ({"voice": None}, ConfigurationError),
        ({"tools": "x"}, ConfigurationError),
        ({"tools": [5]}, TypeError),
        ({"timeout": -1}, ValueError),
        ({"timeout": True}, TypeError),
        ({"timeout": "5"}, TypeError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": float("nan")}, ValueError),
    ],
)
def test_bad_update(
    fields: dict[str, Any],
    error: type[Exception],
    session: RealtimeSession,
    server: LocalServer,
) -> None:
    """A wrong update raises and sends nothing."""
    before = len(server.received)
    with pytest.raises(error):
        session.update(instructions="x", **fields) if "tools" not in fields else session.update(
            **fields
        )
    assert len(server.received) == before


def test_refused_update(session: RealtimeSession) -> None:
    """An update that the server refuses is a ServerError, and nothing has changed."""
    before = session.config
    with pytest.raises(ServerError) as caught:
        session.update({"temperature": 1})
    assert caught.value.code == "unknown_parameter"
    assert session.config == before


def test_refused_tools(make: Opener, server: LocalServer) -> None:
    """Tools that the server refuses leave those before in force."""

    def ping() -> str:
        """Pings."""
        return "pong"

    with make(tools=[ping]) as session:
        with pytest.raises(ServerError):
            session.update({"temperature": 1}, tools=[])
        assert session.tools.names == ("ping",)
        server.reply(server.call("ping"), "done")
        assert session.ask("go").text == "done"


def test_update_timeout(bare: RealtimeSession, peer: Peer) -> None:
    """update() gives up after its timeout; a late answer does not serve the next one."""
    link = peer.link()
    with pytest.raises(RealtimeTimeout):
        bare.update(instructions="1", timeout=0)
    future = bare.request({"type": "session.update", "session": {"instructions": "2"}})
    link.say("session.updated", session={"instructions": "1"})
    link.say("session.updated", session={"instructions": "2"})
    assert future.result(15).session.instructions == "2"


def test_config_of_later_updates(bare: RealtimeSession, peer: Peer) -> None:
    """config, id and expires_at are what the server said last."""
    link = peer.link()
    with bare.expect("session.updated") as pending:
        link.say("session.updated", session={"id": "s2", "expires_at": 12, "voice": {"x": 1}})
    pending.result(timeout=15)
    assert (bare.id, bare.expires_at) == ("s2", 12)
