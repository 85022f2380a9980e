from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import traceback
from typing import Any

import pytest

from realtime_sync import Compatible, OpenAI, RealtimeSession, errors, tool
from realtime_sync.errors import (
    AudioError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    QueueFull,
    RealtimeError,
    RealtimeTimeout,
    ResponseActive,
    ResponseCancelled,
    ResponseFailed,
    ResponseIncomplete,
    ServerError,
    SessionClosed,
    ToolError,
    WouldDeadlock,
)
from realtime_sync.local import LocalServer

from .conftest import Opener

LIMIT = 15.0
CANARY = "sk-canary-4711-0815"

TREE = {
    ConfigurationError: ValueError,
    ConnectError: ConnectionError,
    errors.AuthenticationError: ConnectError,
    errors.PermissionDenied: ConnectError,
    errors.NotFound: ConnectError,
    errors.RateLimited: ConnectError,
    ConnectionLost: ConnectionError,
    SessionClosed: RealtimeError,
    ServerError: RealtimeError,
    ResponseActive: RealtimeError,
    ResponseFailed: RealtimeError,
    ResponseIncomplete: RealtimeError,
    ResponseCancelled: RealtimeError,
    RealtimeTimeout: TimeoutError,
    WouldDeadlock: RuntimeError,
    ProtocolError: RealtimeError,
    QueueFull: RealtimeError,
    AudioError: RealtimeError,
    errors.AudioUnavailable: AudioError,
    errors.DeviceNotFound: AudioError,
    errors.DeviceLost: AudioError,
    ToolError: RealtimeError,
    errors.ToolRetry: ToolError,
}


@pytest.mark.parametrize("kind", TREE)
def test_tree(kind: type[Exception]) -> None:
    """Every error is a RealtimeError and what Python has for its kind."""
    assert issubclass(kind, TREE[kind])
    assert issubclass(kind, RealtimeError)


@pytest.mark.row("C15")
@pytest.mark.parametrize("kind", TREE)
def test_pickling(kind: type[Any]) -> None:
    """Every error pickles with its attributes."""
    error = kind("words")
    error.note = 1
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == "words"
        assert vars(again) == vars(error)


def provoked(make: Opener, server: LocalServer) -> list[RealtimeError]:
    """Errors as the library raises them."""
    found: list[RealtimeError] = []

    def note(call: Any) -> None:
        with pytest.raises(RealtimeError) as caught:
            call()
        found.append(caught.value)

    session = make()
    note(lambda: session.ask("x"))
    note(lambda: make(voice=5))
    server.script.refuse(429, "slow down")
    note(session.open)
    session.open()
    note(lambda: session.conversation.delete("nope"))
    note(lambda: session.wait_for("never", timeout=0))
    server.reply(["half", RuntimeError("boom")])
    note(lambda: session.ask("x"))
    server.script.hold(after=1)
    response = session.response.create()
    response.cancel()
    note(lambda: response.wait().raise_for_status())
    note(lambda: session.ask("count to 9", max_output_tokens=1).raise_for_status())
    server.script.hold(after=1)
    with session.expect("response.output_text.delta") as pending:
        running = session.submit("x")
    pending.result(timeout=LIMIT)
    server.script.cut()
    session.send({"type": "input_audio_buffer.clear"})
    note(lambda: running.result(LIMIT))
    note(lambda: session.ask("x"))
    return found


def test_errors_as_raised(make: Opener, server: LocalServer) -> None:
    """Errors that calls raise pickle, .response and .event included; none holds the key."""
    found = provoked(make, server)
    assert [type(error).__name__ for error in found] == [
        "SessionClosed", "ConfigurationError", "RateLimited", "ServerError", "RealtimeTimeout",
        "ResponseFailed", "ResponseCancelled", "ResponseIncomplete", "ConnectionLost",
        "SessionClosed",
    ]  # fmt: skip
    for error in found:
        data = pickle.dumps(error)
        assert server._key.encode() not in data
        again = pickle.loads(data)
        assert str(again) == str(error)
        for name in ("code", "type", "param", "event_id", "event", "status", "body", "reason"):
            assert getattr(again, name, None) == getattr(error, name, None)
        response = getattr(error, "response", None)
        if response is not None:
            assert again.response.text == response.text


def test_each_waiter_has_his_own(session: RealtimeSession, server: LocalServer) -> None:
    """Errors that several waiters get are copies: none collects the others' tracebacks."""
    server.script.hold(after=1)  # else they might have their answers before close()
    futures = [session.submit("tell me a long story") for _ in range(3)]
    session.close()
    found = [future.exception(LIMIT) for future in futures]
    assert len({id(error) for error in found if error is not None}) == 3


@pytest.mark.row("B17")
def test_server_error(session: RealtimeSession) -> None:
    """ServerError has code, type, param, event_id and the event."""
    with pytest.raises(ServerError) as caught:
        session.update({"audio": {"output": {"voice": "no such voice"}}})
    error = caught.value
    assert error.code
    assert error.type == "invalid_request_error"
    assert error.param == "session.audio.output.voice"
    assert error.event.error.message == str(error)
    assert error.event_id == error.event.error.event_id


@pytest.mark.row("C15")
def test_no_key_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """No message, repr or log line holds the key, whatever fails."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    def bad() -> str:
        """Fails."""
        raise ValueError("in a tool")

    def key() -> str:
        return CANARY

    with LocalServer(speed=None, api_key=CANARY) as server:
        for make in (
            lambda: RealtimeSession(api_key=CANARY, base_url=server.url, tools=[bad]),
            lambda: RealtimeSession(api_key=key, base_url=server.url, tools=[bad]),
            lambda: RealtimeSession(endpoint=OpenAI(CANARY, server.url), tools=[bad]),
            lambda: RealtimeSession(endpoint=Compatible(server.url, CANARY), tools=[bad]),
        ):
            session = make()
            for status in (401, 500):
                server.script.refuse(status, f"you said {CANARY}")
                with pytest.raises(ConnectError) as refused:
                    session.open()
                shown += [repr(refused.value), refused.value.body]
                shown += traceback.format_exception(refused.value)
            session.open()
            server.reply(server.call("bad"), "sorry")
            response = session.ask("x", timeout=LIMIT)
            with pytest.raises(ServerError):
                session.conversation.delete("nope")
            server.script.hold(after=1)
            with session.expect("response.content_part.added") as pending:
                running = session.submit("x")
            pending.result(timeout=LIMIT)
            server.script.frame("nonsense")
            session.input_audio_buffer.clear()
            # the next handshake that is refused must not be one that this session has begun
            with session.expect("connection.restored") as pending:
                server.script.cut()
                session.send({"type": "input_audio_buffer.clear"})
                error = running.exception(LIMIT)
                pending.result(timeout=LIMIT)
            assert error is not None
            shown += traceback.format_exception(error)
            shown += [
                repr(vars(session)),
                repr(vars(session._setup)),
                repr(session),
                repr(response),
            ]
            shown += [repr(one) + repr(vars(one)) for one in session._setup._endpoints]
            shown += [repr(session.config), repr(pickle.dumps(response))]
            session.close()
    shown += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    assert len(caplog.records) > 50
    assert not [text for text in shown if CANARY in text]


@pytest.mark.row("C15")
def test_handles_do_not_pickle(session: RealtimeSession) -> None:
    """Session, endpoint and futures are handles: equal by identity and not picklable."""
    for handle in (
        session,
        OpenAI("sk-x"),
        session.submit("x"),
        session.events(),
        session.conversation,
        session.response,
    ):
        assert handle == handle
        assert hash(handle)
        with pytest.raises(TypeError):
            pickle.dumps(handle)
        for copied in (copy.copy, copy.deepcopy):
            with contextlib.suppress(TypeError):
                assert "sk-x" not in repr(copied(handle)) + str(vars(copied(handle)))


def test_tool_error_is_for_tools() -> None:
    """`@tool` leaves the function callable, and ToolError passes through."""

    @tool
    def bad() -> None:
        """Raises."""
        raise ToolError("no")

    with pytest.raises(ToolError, match="no"):
        bad()
