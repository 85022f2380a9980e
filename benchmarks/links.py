"""What a link costs: receiving, appending, asking, many sessions, memory, a lost link.

Each run is a client's process against a bare server's (`wire`), the sides in turn. "Theirs" is the
`openai` package; where a row says "floor" it is websocket-client alone, doing the same by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .race import Row, Taken, race
from .wire import serving

__all__ = ["append", "ask", "crowd", "memory", "receive", "reconnect", "run"]

_HOME = Path(__file__).parent.parent
_DELTAS = 1_000  # a response
_RESPONSES = 12
_APPENDS = 5_000
_ASKS = 500


def receive(rounds: int) -> list[Row]:
    """Received, parsed, decoded and handed over: CPU of all threads an event."""
    rows: list[Row] = []
    for kind in ("audio", "text", "mixed"):
        for how in ("callback", "iterator"):
            plan: dict[str, Any] = {"kind": kind, "count": _DELTAS}
            given = {**plan, "responses": _RESPONSES, "how": how}
            rows += _race(f"{kind}, {how}", "receive", plan, rounds, **given)
        rows += _race(f"{kind}, floor", "receive", plan, rounds, "floor", **given)
    return rows


def append(rounds: int) -> list[Row]:
    """Flat out until the server has the last byte; and fifty sessions fifty times a second."""
    rows: list[Row] = []
    for ms in (20, 100):
        rows += _race(f"append of {ms} ms", "append", {}, rounds, ms=ms, count=_APPENDS)
    return rows + _race("paced, 50 sessions", "paced", {}, min(rounds, 3), sessions=50, seconds=5)


def ask(rounds: int) -> list[Row]:
    """A turn on loopback against the same messages by hand; and beside a stream of audio."""
    plan = {"kind": "text", "count": 3}
    rows = _race("ask, floor", "ask", plan, rounds, "floor", count=_ASKS, beside="")
    with serving(kind="audio", pace=0.1) as other:
        rows += _race(
            "ask beside audio, floor", "ask", plan, rounds, "floor", count=_ASKS, beside=other.url
        )
    return rows


def crowd(rounds: int) -> list[Row]:
    """Sessions at real time in one process: 50 appends up and 10 deltas down a second each."""
    plan = {"kind": "audio", "pace": 0.1}
    rows: list[Row] = []
    for sessions in (50, 100, 200):
        name = f"{sessions} sessions"
        rows += _race(name, "crowd", plan, min(rounds, 3), sessions=sessions, seconds=10)
    return rows


def memory(rounds: int) -> list[Row]:
    """Resident memory that one of a hundred idle sessions takes."""
    return _race("idle session", "memory", {}, min(rounds, 5), sessions=100)


def reconnect(rounds: int) -> list[Row]:
    """From a cut link to a session that is restored, with 500 items and with none."""
    return race(
        "500 items, none",
        lambda: run("reconnect_ours", {}, items=500),
        lambda: run("reconnect_ours", {}, items=0),
        rounds,
    )


def _race(
    name: str, job: str, plan: dict[str, Any], rounds: int, against: str = "theirs", **given: Any
) -> list[Row]:
    def side(who: str) -> Callable[[], Taken]:
        return lambda: run(f"{job}_{who}", plan, **given)

    return race(name, side("ours"), side(against), rounds)


def run(job: str, plan: dict[str, Any], **given: Any) -> Taken:
    """What one job takes: a client's process against a server's."""
    with serving(**plan) as server:
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.clients",
                job,
                json.dumps({"url": server.url, **given}),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=_HOME,
            check=False,
        )
    if ran.returncode:
        raise RuntimeError(f"{job}: {ran.stderr[-2000:]}")
    taken: Taken = json.loads(ran.stdout)
    if server.told.get("late"):
        taken |= {
            "ms up p50": server.told["late"][0] * 1e3,
            "ms up p99": server.told["late"][1] * 1e3,
        }
        taken["lost"] = taken.pop("appends") - server.told["appends"]
    return taken
