"""Sessions that several connections share."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync.local.calls import Calls, Member
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Script

from .driving import checked, sessions, types

Wire = dict[str, Any]


class Exchange:
    """Calls without connections; counts the rings."""

    def __init__(self, *, speed: float | None = None) -> None:
        self.script = Script()
        self.rings = 0
        self.sessions = sessions(self.script, speed=speed)
        self.calls = Calls(
            lock=threading.Lock(),
            ring=self._ring,
            script=self.script,
            new_identity=self.sessions.new_identity,
        )

    def _ring(self) -> None:
        self.rings += 1
        with self.calls.lock:  # nobody rings while holding it
            pass

    def mind(self) -> Any:
        return self.sessions.new("call", "m", 0.0)

    def begin(self) -> str:
        return self.calls.begin(self.mind())


def drained(member: Member, now: float = 0.0) -> list[Wire]:
    return checked([event for step in member.advance(now) for event in step])


def refused(action: Any, *args: Any) -> str:
    with pytest.raises(Refusal) as caught:
        action(*args)
    return caught.value.code


def test_all_hear_the_same() -> None:
    """What one member causes, every member hears, in the same order, ungreeted."""
    exchange = Exchange()
    call_id = exchange.begin()
    assert call_id.startswith("rtc_")
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    assert one.hello() == []
    answer = checked(one.received({"type": "response.create"}, 0.0))
    assert types(answer) == ["response.created"]
    assert other.due == float("-inf")
    mine = answer + drained(one)
    assert mine == drained(other)
    assert mine[-1]["type"] == "rate_limits.updated"
    assert exchange.rings > 0
    assert one.due is None


def test_either_may_advance() -> None:
    """The pace goes on whoever looks first."""
    exchange = Exchange(speed=1.0)
    call_id = exchange.begin()
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    exchange.script.reply("one two three")
    heard: dict[Member, list[Wire]] = {
        one: one.received({"type": "response.create"}, 0.0),
        other: [],
    }
    now, turn = 0.0, 0
    while any(member.due is not None for member in (one, other)):
        member = (one, other)[turn % 2]
        now = max(now, member.due or 0.0)
        heard[member] += drained(member, now)
        turn += 1
    assert heard[one] == heard[other]
    assert types(heard[one])[-1] == "rate_limits.updated"


def test_what_others_caused_comes_before_the_answer() -> None:
    """A member that asks hears first what it had not heard yet."""
    exchange = Exchange()
    call_id = exchange.begin()
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    one.received({"type": "input_audio_buffer.clear"}, 0.0)
    update = {"type": "session.update", "session": {"type": "realtime"}}
    assert types(other.received(update, 0.0)) == ["input_audio_buffer.cleared", "session.updated"]


def test_errors_are_for_the_one_who_erred() -> None:
    """A refused event is answered to its sender only."""
    exchange = Exchange()
    call_id = exchange.begin()
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    assert types(one.received({"type": "nonsense"}, 0.0)) == ["error"]
    assert types(one.refused(Refusal("x", "y"))) == ["error"]
    assert drained(other) == []


def test_a_member_that_left_hears_nothing() -> None:
    """The call goes on without it, and alone it need not ring."""
    exchange = Exchange()
    call_id = exchange.begin()
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    other.leave()
    one.received({"type": "response.create"}, 0.0)
    drained(one)
    assert drained(other) == []
    assert exchange.rings == 0
    third = exchange.calls.join(call_id, 0.0)
    retrieved = third.received({"type": "input_audio_buffer.clear"}, 0.0)
    assert types(retrieved) == ["input_audio_buffer.cleared"]


def test_hang_up() -> None:
    """Hanging up closes every member; the call is gone."""
    exchange = Exchange()
    call_id = exchange.begin()
    member = exchange.calls.join(call_id, 0.0)
    exchange.calls.hang_up(call_id, 0.0)
    assert member.over == (1000, "the call has ended")
    assert exchange.rings == 1
    assert refused(exchange.calls.join, call_id, 0.0) == "call_id_not_found"
    assert refused(exchange.calls.hang_up, call_id, 0.0) == "call_id_not_found"
    assert repr(exchange.calls) == "<Calls, 0 under way>"
    assert repr(member) == "<Member of <Telephone t, 0 items>>"


def test_ringing() -> None:
    """A call that rings is accepted or rejected, once; before that nobody can join."""
    calls, mind = Exchange().calls, Exchange().mind()
    call_id, other = calls.begin(None), calls.begin(None)
    assert refused(calls.join, call_id, 0.0) == "call_id_not_found"
    calls.accept(call_id, mind, 0.0)
    assert calls.join(call_id, 0.0).ends == 3600.0
    assert refused(calls.accept, call_id, mind, 0.0) == "invalid_value"
    assert refused(calls.reject, call_id, 0.0) == "invalid_value"
    calls.reject(other, 0.0)
    assert refused(calls.accept, other, mind, 0.0) == "call_id_not_found"


@pytest.mark.parametrize("by_script", [False, True])
def test_expired(by_script: bool) -> None:
    """A call ends with its session, by time or by the script."""
    exchange = Exchange()
    call_id = exchange.begin()
    exchange.calls.check(call_id, 3599.0)
    if by_script:
        exchange.script.expire()
    now = 0.0 if by_script else 3600.0
    assert refused(exchange.calls.check, call_id, now) == "call_id_not_found"


def test_limits() -> None:
    """Neither the calls nor what waits for a member grow without end."""
    exchange = Exchange()
    call_id = exchange.begin()
    one, other = exchange.calls.join(call_id, 0.0), exchange.calls.join(call_id, 0.0)
    for _ in range(50_001):
        one.received({"type": "input_audio_buffer.clear"}, 0.0)
    assert other.over == (1008, "too far behind the others")
    assert one.over is None
    for _ in range(999):
        exchange.calls.begin(None)
    assert refused(exchange.calls.begin, None) == "rate_limit_exceeded"
