"""The sequencer's corners that no wire event reaches; its rules are in the scenarios."""

from __future__ import annotations

from realtime_sync.core.sequencer import RETRY_DELAYS

from .play import Play


def test_a_response_that_is_over_is_not_cancelled() -> None:
    """Cancelling what is done sends nothing."""
    play = Play()
    for said in ("session", "created r1", "done r1"):
        play.receive(said)
    play.state.sequencer.cancel(play.records["r1"])
    assert play.taken() == []


def test_the_turn_of_a_response_is_begun_by_create_too() -> None:
    """Its calls are answered with the create's overrides."""
    play = Play(tools=[["add"], []])
    play.receive("session")
    play.wish({"create": "c1", "response": {"instructions": "x", "tool_choice": "required"}})
    for said in ("created r1 c1", "call r1 f1 call_1 add {}", "done r1"):
        play.receive(said)
    sent = play.wish({"tool": "call_1", "output": "1"})
    assert sent[-1] == 'send response.create e2 {"instructions": "x"}'


def test_delays_grow() -> None:
    """A server that goes on refusing is asked less and less often."""
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)
