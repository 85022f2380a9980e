"""Which calls are kept in mind, and for how long."""

from __future__ import annotations

from realtime_sync.core.known import REMEMBERED

from .play import Play


def opened(ours: list[str], told: list[str]) -> Play:
    play = Play(tools=[ours, told])
    play.receive("session")
    return play


def call(play: Play, number: int, name: str) -> None:
    for said in ("created r{0}", "call r{0} i{0} call_{0} {1} {{}}", "done r{0}"):
        play.receive(said.format(number, name))


def test_calls_are_remembered_up_to_a_limit() -> None:
    """A call that is shown again is not run again, be it never so late within the limit; one that
    runs is not forgotten, however many follow."""
    play = opened(["look"], [])
    call(play, 0, "look")
    known = play.state.calls._known
    for number in range(1, REMEMBERED + 50):
        call(play, number, "look")
        if number != 1:
            play.wish({"tool": f"call_{number}", "output": "seen"})
        for reply in list(play.state.running.responses):
            play.receive(f"done {reply}")
    assert len(known) == REMEMBERED
    assert set(play.state.calls.waited_for) == {"call_0", "call_1"}
    last = REMEMBERED + 49
    effects = [*(play.receive(f"created again{last}") or ())]
    for said in (f"call again{last} x call_{last} look {{}}", f"done again{last}"):
        effects += play.receive(said)
    assert not [effect for effect in effects if str(effect).startswith("call")]


def test_calls_that_the_caller_never_submits() -> None:
    """Those that he answers by an item of his own are forgotten, too."""
    play = opened([], ["look"])
    for number in range(REMEMBERED + 50):
        call(play, number, "look")
    assert len(play.state.calls._groups) <= REMEMBERED
