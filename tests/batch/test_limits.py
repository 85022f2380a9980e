"""When the next job may begin: rates, budgets, and what servers say. Time is a number here."""

from __future__ import annotations

import math
from typing import Any

import pytest

from realtime_sync.batch import RateLimit, run
from realtime_sync.batch import attempt as tried
from realtime_sync.batch.attempt import fate_of
from realtime_sync.batch.limits import Limits, asked_to_wait
from realtime_sync.core.usage import RateLimit as Told
from realtime_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    NotFound,
    RateLimited,
    ResponseFailed,
    ServerError,
)
from realtime_sync.local import LocalServer


class Played:
    """Jobs of ten seconds, begun as the limits let them."""

    def __init__(self, *, room: int = 1000, **rate: Any) -> None:
        self.limits = Limits(RateLimit(**rate), room)
        self.used = {"requests": 1.0, "tokens": 100.0, "minutes": 0.5}
        self.begun: list[float] = []
        self._running: list[float] = []

    def play(self, seconds: float, takes: float = 10.0) -> None:
        """So long, in steps of a tenth."""
        for tick in range(int(seconds * 10)):
            now = tick / 10
            while self._running and self._running[0] <= now:
                self._running.pop(0)
                self.limits.ended(now, self.used)
            while self.limits.used_up() is None and self.limits.wait(now) <= 0:
                self.limits.began(now)
                self.begun.append(now)
                self._running.append(now + takes)

    def most_in_a_minute(self) -> int:
        """The greatest number that began within sixty seconds."""
        return max(sum(start <= other < start + 60 for other in self.begun) for start in self.begun)


def test_jobs_a_minute() -> None:
    """No minute has more of them, and every minute has that many."""
    played = Played(jobs=30)
    played.play(300)
    assert played.most_in_a_minute() == 30
    assert len(played.begun) == 5 * 30


def test_less_than_one_job_a_minute() -> None:
    """Half a job a minute is one in two minutes."""
    played = Played(jobs=0.5)
    played.play(601)
    assert played.begun == pytest.approx([0, 120, 240, 360, 480, 600], abs=0.2)


@pytest.mark.parametrize("odd", [10**400, -(10**400), math.nan, math.inf])
def test_limits_that_cannot_be(odd: float) -> None:
    """Whatever the server says of its limits, jobs go on within a minute."""
    for limit, remaining, seconds in ((odd, 1, 1.0), (10, odd, 1.0), (10, 0, odd)):
        limits = Limits(RateLimit(), 8)
        limits.began(0)
        limits.told(0, [Told("requests", limit, remaining, seconds)])  # type: ignore[arg-type]
        limits.ended(1, {"requests": 1})
        assert limits.wait(1) <= 60


@pytest.mark.parametrize(("kind", "most"), [("requests", 20), ("tokens", 2000), ("minutes", 10)])
def test_what_jobs_use_a_minute(kind: str, most: float) -> None:
    """Once it is known what a job uses, those that run count as if they had used it."""
    played = Played(**{kind: most, "room": 5})
    played.play(600)
    later = [moment for moment in played.begun if moment > 60]
    assert all(sum(a <= b < a + 60 for b in later) <= 21 for a in later)
    assert len(later) >= 9 * 20 * 0.8


def test_one_job_that_is_too_much() -> None:
    """It runs alone: a limit below what one job uses stops nothing."""
    played = Played(tokens=50)
    played.play(240)
    assert len(played.begun) >= 2


def test_a_budget() -> None:
    """No job begins that would go beyond it, and it is named."""
    played = Played(total_tokens=1000, room=2)
    played.play(300)
    assert len(played.begun) == 10
    assert played.limits.used_up() == "total_tokens"
    assert Limits(RateLimit(total_minutes=3), 1, {"minutes": 3.0}).used_up() == "total_minutes"


def test_a_refusal_stops_all() -> None:
    """Nothing begins for as long as the server says; half as many run then, and more with time."""
    limits = Limits(RateLimit(), 8)
    for _ in range(8):
        limits.began(0)
    assert limits.refused(0, 5) == 5
    assert limits.refused(1, 3) == 5  # the second one is of the same moment
    for _ in range(8):
        limits.ended(1, {}, well=False)
    assert (limits.wait(1), limits.wait(4.9) > 0, limits.wait(5)) == (4, True, 0)
    assert limits.room == 4
    limits.began(5)
    limits.ended(6, {})
    assert limits.room == 5


def test_refusals_that_name_no_time() -> None:
    """Each pause is twice as long as the one before, a minute at most, until a job ends well."""
    limits = Limits(RateLimit(), 8)
    now, pauses = 0.0, []
    for _ in range(9):
        limits.began(now)
        until = limits.refused(now, None)
        limits.ended(now, {}, well=False)
        pauses.append(until - now)
        now = until
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    limits.began(now)
    limits.ended(now, {})
    assert limits.refused(now, None) == now + 1


def test_a_refusal_for_days() -> None:
    """It is asked again after a quarter of an hour."""
    limits = Limits(RateLimit(), 8)
    limits.began(0)
    assert limits.refused(0, 1e9) == 900


def test_what_the_server_says_is_left() -> None:
    """Too few tokens for those that run and one more: it waits until so many are back."""
    limits = Limits(RateLimit(), 8)
    limits.began(0)
    limits.ended(0, {"tokens": 100, "requests": 1})
    limits.began(0)
    limits.told(0, [Told("tokens", limit=1000, remaining=400, reset_seconds=60)])
    assert limits.wait(0) == 0
    limits.told(0, [Told("tokens", limit=1100, remaining=100, reset_seconds=60)])
    assert limits.wait(0) == pytest.approx(6)  # 100 of the 1,000 that come back in a minute
    limits.told(0, [Told("requests", limit=100, remaining=0, reset_seconds=None), Told("x")])
    assert limits.wait(0) == pytest.approx(6)


def test_nothing_is_divided_by_nothing() -> None:
    """Odd figures of a server's stop nothing for longer than a minute."""
    limits = Limits(RateLimit(), 2)
    for odd in (
        Told("tokens", limit=0, remaining=0, reset_seconds=1e9),
        Told("requests", limit=-5, remaining=-7, reset_seconds=1e9),
        Told("requests", limit=None, remaining=0, reset_seconds=1e9),
        Told("minutes", limit=1, remaining=2, reset_seconds=-4),
    ):
        limits.told(0, [odd])
    assert 0 <= limits.wait(0) <= 60
    limits.began(0)
    limits.began(0)
    assert limits.wait(0) == math.inf


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.5s. Visit", 1.5),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1h2m3.5s.", 3723.5),
        ("try again in 7 seconds", 7),
        ("Please retry after 12 seconds.", 12),
        ("Try again in 2 minutes.", 120),
        ("try again in 1d", 86400),
        ("try again later", None),
        ("try again in a while", None),
        ("", None),
    ],
)
def test_how_long_a_message_says(said: str, seconds: float | None) -> None:
    """Every way in which servers write it."""
    assert asked_to_wait(said) == (None if seconds is None else pytest.approx(seconds))


def limited(message: str = "", **more: Any) -> RateLimited:
    error = RateLimited("refused with 429", status=429, body=message)
    for name, value in more.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (limited(retry_after=3.0), ("limited", 3.0)),
        (limited("Please try again in 2s."), ("limited", 2.0)),
        (limited(), ("limited", None)),
        (limited("insufficient_quota"), ("fatal", None)),
        (
            ResponseFailed("it failed", code="rate_limit_exceeded", message="try again in 4s"),
            ("limited", 4.0),
        ),
        (ResponseFailed("it failed", code="insufficient_quota"), ("fatal", None)),
        (ResponseFailed("it failed", type="server_error"), ("again", None)),
        (ResponseFailed("it failed", type="invalid_request_error"), ("", None)),
        (ServerError("try again in 9s", code="inference_rate_limit_exceeded"), ("limited", 9.0)),
        (ServerError("no", code="model_not_found"), ("fatal", None)),
        (AuthenticationError("no", status=401), ("fatal", None)),
        (NotFound("no", status=404), ("", None)),
        (ConnectError("no", status=503), ("again", None)),
        (ConnectionLost("gone"), ("again", None)),
        (FileNotFoundError("gone"), ("", None)),
        (TimeoutError("slow"), ("again", None)),
        (ValueError("a bug"), ("", None)),
    ],
)
def test_what_is_done_about_an_error(error: Exception, fate: tuple[str, float | None]) -> None:
    """Waited for, tried again, told, or the end of the run."""
    assert fate_of(error) == fate


def test_429_is_waited_for(server: LocalServer) -> None:
    """The job that is refused runs again when the server says, and has one result."""
    from realtime_sync import RealtimeSession, Response

    server.script.refuse(429, "Rate limit reached. Please try again in 200ms.", times=2)

    def work(job: str) -> Response:
        with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
            return session.ask("Count to 2")

    ended = run(["a", "b", "c"], work, concurrency=1, retries=0)
    assert [(one.status, one.text, one.attempts) for one in ended] == [
        ("completed", "1, 2.", 1)
    ] * 3
    assert ended.seconds >= 0.4


def test_a_long_pause_is_not_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that an executor has meanwhile is given back: Ctrl-C need not wait for the server."""
    now = tried.monotonic()
    monkeypatch.setattr(tried, "_quiet_until", now + 120)
    came = tried.attempt(str, 1, "1")
    assert (came.fate, came.requests) == ("limited", 0)
    assert came.wait == pytest.approx(120, abs=30)
    monkeypatch.setattr(tried, "_quiet_until", now)
    assert tried.attempt(str, 1, "1").text == "1"


def test_a_budget_ends_a_run(tmp_path: Any) -> None:
    """It says so; run again with a greater one, it goes on."""
    from realtime_sync.batch import Outcome

    def work(job: int) -> Outcome:
        return Outcome("x", minutes=1)

    path = tmp_path / "results.jsonl"
    jobs = list(range(10))
    first = run(jobs, work, concurrency=1, rate_limit={"total_minutes": 4}, results=path)
    assert (first.stopped, len(first)) == ("total_minutes", 4)
    again = run(jobs, work, concurrency=1, rate_limit={"total_minutes": 4}, results=path)
    assert (again.stopped, len(again), again.skipped) == ("total_minutes", 4, 4)
    rest = run(jobs, work, rate_limit={"total_minutes": 10}, concurrency=1, results=path)
    assert (rest.stopped, len(rest)) == (None, 10)


@pytest.mark.parametrize("wrong", [0, -1, True, "x"])
def test_wrong_limits(wrong: Any) -> None:
    """Each is named."""
    with pytest.raises(ConfigurationError, match="rate_limit: tokens"):
        RateLimit(tokens=wrong)
