"""`max_duration` and `max_tokens`: a clear end for people who pay per minute."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import BudgetExceeded, ConfigurationError, SessionClosed
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def spend(link: Any, create: Any, name: str, tokens: int, *output: Any) -> None:
    """A whole response that costs so many tokens."""
    response = link.response(create, name)
    link.say("response.created", response=response)
    usage = {"total_tokens": tokens, "input_tokens": tokens, "output_tokens": 0}
    done = {**response, "status": "completed", "output": list(output), "usage": usage}
    link.say("response.done", response=done)


def test_max_duration(make: Opener, server: LocalServer) -> None:
    """When its time is up the session ends: who waits gets what came, and why."""
    seen: list[Any] = []
    session = make(max_duration=1.0)  # long enough for the beginning of an answer
    session.on("*", seen.append)
    server.script.hold(after=2)
    server.reply(STORY)
    events = session.open().events("connection.*", timeout=LIMIT)
    running, waiting = session.submit("go"), session.submit("later")
    error = running.exception(LIMIT)
    assert isinstance(error, BudgetExceeded)
    assert error.limit == "max_duration"
    assert "max_duration" in str(error)
    assert error.response.status == "lost"
    assert error.response.text.startswith("word0")
    assert isinstance(waiting.exception(LIMIT), BudgetExceeded)
    assert waiting.exception().response is None
    assert isinstance(next(events).error, BudgetExceeded)  # no connection.lost: nothing broke
    with pytest.raises(BudgetExceeded):
        next(events)
    with pytest.raises(BudgetExceeded, match="max_duration"):
        session.ask("more")
    assert session.state == "closed"
    session.close()
    assert seen[-1].type == "connection.closed"
    assert "connection.lost" not in [event.type for event in seen]


def test_max_duration_says_goodbye(peer: Peer) -> None:
    """The link ends with a close frame, code 1000, and not before its time."""
    closed = threading.Event()
    session = RealtimeSession(endpoint=peer.endpoint, max_duration=0.1)
    session.on("connection.closed", lambda _: closed.set())
    begun = time.monotonic()
    with session:
        connection = peer.link().connection
        assert closed.wait(LIMIT)
        assert time.monotonic() - begun >= 0.1
    with pytest.raises(Exception, match="1000"):
        connection.recv(timeout=LIMIT)
    assert connection.protocol.close_code == 1000


def test_a_session_that_ends_before_its_time(make: Opener) -> None:
    """close() keeps no timer; the error is SessionClosed as ever."""
    session = make(max_duration=60).open()
    session.close()
    with pytest.raises(SessionClosed) as caught:
        session.ask("x")
    assert not isinstance(caught.value, BudgetExceeded)


def test_max_tokens(peer: Peer) -> None:
    """The response that uses up the last token is still given; nothing is asked for after it."""
    with RealtimeSession(endpoint=peer.endpoint, max_tokens=100) as session:
        link = peer.link()
        first, second = session.submit(), session.submit()
        third = session.submit()
        spend(link, link.hear("response.create"), "r1", 60)
        assert first.result(LIMIT).id == "r1"
        spend(link, link.hear("response.create"), "r2", 40)
        assert second.result(LIMIT).usage.total_tokens == 40
        error = third.exception(LIMIT)
        assert isinstance(error, BudgetExceeded)
        assert error.limit == "max_tokens"
        assert "100" in str(error)
        assert session.usage.total_tokens == 100
        with pytest.raises(BudgetExceeded):
            session.response.create()
        with pytest.raises(Exception, match="1000"):  # nothing but the close frame
            link.connection.recv(timeout=LIMIT)


def test_no_tool_runs_beyond_the_budget(peer: Peer) -> None:
    """A turn that would need one more response fails with its last one; its tools do not run."""
    ran = threading.Event()

    def pay() -> str:
        """Pays."""
        ran.set()
        return "paid"

    session = RealtimeSession(endpoint=peer.endpoint, tools=[pay], max_tokens=10)
    opening = threading.Thread(target=session.open)
    opening.start()
    link = peer.link()
    update = link.hear("session.update")
    link.say("session.updated", session=update["session"])
    opening.join(LIMIT)
    future = session.submit()
    call = {"id": "i1", "type": "function_call", "call_id": "c1", "name": "pay", "arguments": "{}"}
    spend(link, link.hear("response.create"), "r1", 10, call)
    error = future.exception(LIMIT)
    assert isinstance(error, BudgetExceeded)
    assert error.response.function_calls[0].name == "pay"
    session.close()
    assert not ran.is_set()


def test_transcription_counts(peer: Peer) -> None:
    """Tokens of transcripts are tokens; seconds are not."""
    with RealtimeSession(endpoint=peer.endpoint, max_tokens=10) as session:
        link = peer.link()
        kind = "conversation.item.input_audio_transcription.completed"
        with session.expect("connection.closed") as pending:
            for usage in ({"type": "duration", "seconds": 90}, {"total_tokens": 10}):
                assert session.state == "open"
                link.say(kind, item_id="u1", content_index=0, transcript="x", usage=usage)
            assert pending.result(timeout=LIMIT).error.limit == "max_tokens"


@pytest.mark.parametrize(
    "budget",
    [
        {"max_tokens": 0},
        {"max_tokens": True},
        {"max_tokens": 1.5},
        {"max_tokens": "9"},
        {"max_duration": 0},
        {"max_duration": -1},
        {"max_duration": float("nan")},
    ],
)
def test_wrong_budgets(budget: dict[str, Any]) -> None:
    """A budget that is none is refused before anything happens; the message names it."""
    with pytest.raises(ValueError, match=next(iter(budget))):
        RealtimeSession(api_key="sk-x", **budget)
    with pytest.raises((ConfigurationError, TypeError)):
        RealtimeSession(api_key="sk-x", max_duration="1", max_tokens=0)
