"""What a session may cost, how fast it was, what is left of the account's limits."""

from __future__ import annotations

import pytest

from realtime_sync import NOT_GIVEN, RealtimeSession
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0


def test_rate_limits(session: RealtimeSession, server: LocalServer) -> None:
    """By name, as the server said last; empty before; the dict is the caller's own."""
    assert session.rate_limits == {}
    with session.expect("rate_limits.updated") as pending:
        session.ask("hello")
    pending.result(timeout=LIMIT)
    limits = session.rate_limits
    assert set(limits) == {"requests", "tokens"}
    assert limits["tokens"].name == "tokens"
    assert limits["tokens"].remaining > 0
    limits.clear()
    assert session.rate_limits


def test_speech_to_audio(bare: RealtimeSession, peer: Peer) -> None:
    """The metrics of a response to speech have the time from its end to the first audio."""
    link = peer.link()
    with bare.expect("response.metrics") as pending:
        link.say("input_audio_buffer.speech_stopped", audio_end_ms=500, item_id="u1")
        link.say("response.created", response=link.response({}, "r1"))
        place = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
        link.say("response.output_audio.delta", **place, delta="AAAA")
        link.say("response.done", response={**link.response({}, "r1"), "status": "completed"})
        metrics = pending.result(timeout=LIMIT).metrics
    assert metrics.created is None  # the server's own
    assert 0 <= metrics.first_audio <= metrics.speech_to_audio < LIMIT


@pytest.mark.parametrize(
    ("overrides", "sent"),
    [
        ({}, "be brief\n\nin French"),
        ({"instructions": "shout"}, "shout\n\nin French"),
        ({"instructions": NOT_GIVEN}, "be brief\n\nin French"),
        ({"instructions": None}, "in French"),
    ],
)
def test_append_instructions(
    overrides: dict[str, object], sent: str, make: Opener, server: LocalServer
) -> None:
    """It goes behind the instructions that would hold otherwise, for a response and a turn."""
    with make(instructions="be brief") as session:
        session.response.create(append_instructions="in French", **overrides).wait()
        session.ask("x", append_instructions="in French", **overrides)
        session.ask("x", append_instructions=None)
    creates = [e["response"] for e in server.received if e["type"] == "response.create"]
    assert [create.get("instructions") for create in creates] == [sent, sent, None]


def test_append_instructions_of_another_type(session: RealtimeSession) -> None:
    """Only text can be appended."""
    with pytest.raises(TypeError, match="append_instructions"):
        session.ask("x", append_instructions=5)
