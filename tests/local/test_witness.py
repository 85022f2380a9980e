from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from pipe import LIMIT

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer


def lookup(city: str, unit: str = "C") -> str:
    """Looks the weather up."""
    return f"5 {unit} in {city}"


@pytest.fixture
def session(server: LocalServer) -> Any:
    """An open session with a tool, which is asked one thing."""
    server.reply(["Let me see.", server.call("lookup", city="Oslo", unit="C")], "It is cold.")
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], tools=[lookup]
    ) as session:
        session.ask("How is it in Oslo?")
        yield session


def test_said(server: LocalServer, session: RealtimeSession) -> None:
    """Whoever said it, in whatever item; the whole text is given."""
    assert server.assert_said("in Oslo") == "How is it in Oslo?"
    assert server.assert_said("in Oslo", "user") == "How is it in Oslo?"
    assert server.assert_said("cold", role="assistant") == "It is cold."
    assert server.assert_said("see") == "Let me see."
    assert server.assert_said(re.compile(r"c\w+d\.$")) == "It is cold."
    with pytest.raises(AssertionError) as failed:
        server.assert_said("cold", "user", timeout=0)
    assert str(failed.value).splitlines() == [
        "no user said 'cold'; what was said:",
        "  user: How is it in Oslo?",
        "  assistant: Let me see.",
        "  assistant: It is cold.",
    ]
    with pytest.raises(AssertionError, match="nobody said 'warm'"):
        server.assert_said(re.compile("warm"), timeout=0)


def test_called(
    server: LocalServer, session: RealtimeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was answered, with these arguments among its own; it has the answer."""
    called = server.assert_called("lookup", city="Oslo")
    assert (called.name, called.output) == ("lookup", "5 C in Oslo")
    assert called.arguments == {"city": "Oslo", "unit": "C"}
    assert server.assert_called("lookup") == called
    monkeypatch.setattr("realtime_sync.local.server._PATIENCE", 0.0)
    for name, arguments in (("lookup", {"city": "Rome"}), ("lookup", {"x": 1}), ("other", {})):
        with pytest.raises(AssertionError) as failed:
            server.assert_called(name, **arguments)
        assert str(failed.value).startswith(f"no call {name}(")
        assert "lookup(city='Oslo', unit='C'), answered '5 C in Oslo'" in str(failed.value)


def test_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody was there, the message says so."""
    monkeypatch.setattr("realtime_sync.local.server._PATIENCE", 0.0)
    server = LocalServer()
    with pytest.raises(AssertionError, match="nobody said 'x'; what was said: nothing"):
        server.assert_said("x", timeout=0)
    with pytest.raises(AssertionError, match=r"no call f\(a=1\) was answered; .*: nothing"):
        server.assert_called("f", a=1)


def test_it_waits(server: LocalServer, session: RealtimeSession) -> None:
    """What is under way is waited for, no longer than it takes."""
    found: list[str] = []
    asserting = threading.Thread(
        target=lambda: found.append(server.assert_said("late", timeout=LIMIT)), name="asserts"
    )
    asserting.start()
    session.conversation.create("too late")
    asserting.join(LIMIT)
    assert found == ["too late"]


def test_a_call_that_is_not_answered(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call counts once the client has answered; arguments that are no JSON are shown as sent."""
    from realtime_sync.local.answers import Call

    monkeypatch.setattr("realtime_sync.local.server._PATIENCE", 0.0)
    server.reply(Call("lookup", "{no"))
    wire = {"type": "function", "name": "lookup", "parameters": {"type": "object"}}
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], tools=[wire]
    ) as session:
        (call,) = session.ask("x").function_calls
        with pytest.raises(AssertionError, match=r"lookup\(\{no\), not answered"):
            server.assert_called("lookup")
        session.submit_tool_output(call.call_id or "", "done", respond=False)
        assert server.assert_called("lookup").output == "done"


def test_speech_that_has_a_transcript(server: LocalServer) -> None:
    """What the user said aloud counts where it was transcribed; so does the model's speech."""
    server.script.transcripts(["a question"])
    server.reply("an answer")
    with RealtimeSession(
        endpoint=server.endpoint,
        output_modalities=["audio"],
        transcription="whisper-1",
        turn_detection=None,
    ) as session:
        session.input_audio_buffer.append(b"\x10\x20" * 4800)
        session.input_audio_buffer.commit()
        session.response.create().wait()
        assert server.assert_said("question", "user") == "a question"
        assert server.assert_said("answer", "assistant") == "an answer"
