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

__all__ = ["append", "ask", "bargein", "crowd", "hour", "memory", "receive", "reconnect", "run"]

_HOME = Path(__file__).parent.parent
_DELTAS = 1_000  # a response
_RESPONSES = 12
_APPENDS = 5_000
_ASKS = 500
_REAL_TIME = {"kind": "audio", "pace": 0.1}
_CROWDS = (25, 50, 75, 100, 150, 200, 250, 300)


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
    # what people write: websocket-client's defaults
    rows += _race("ask, its defaults", "ask", plan, rounds, "default_floor", count=_ASKS, beside="")
    with serving(kind="audio", pace=0.1) as other:
        rows += _race(
            "ask beside audio, floor", "ask", plan, rounds, "floor", count=_ASKS, beside=other.url
        )
    return rows


def crowd(rounds: int) -> list[Row]:
    """Sessions at real time in one process: 50 appends up and 10 deltas down a second each.

    The last row is the largest crowd that is served in time; see `held`.
    """
    rounds = min(rounds, 3)
    rows = _race("50 sessions", "crowd", _REAL_TIME, rounds, sessions=50, seconds=10)
    taken = [run("crowd_ours", _REAL_TIME, sessions=200, seconds=10) for _ in range(rounds)]
    rows += [Row("200 sessions", u, tuple(one[u] for one in taken), ()) for u in taken[0]]
    return [*rows, Row("crowd held", "sessions", (held("ours"),), (held("theirs"),))]


def held(who: str) -> int:
    """The largest crowd that is served in time, at one of two attempts.

    Looked for until two sizes in a row are not: the machine may have been busy at the first. The
    steps are coarse, so that a ratio of two of them is, too.
    """
    most, failed = 0, 0
    for sessions in _CROWDS:
        runs = (run(f"crowd_{who}", _REAL_TIME, sessions=sessions, seconds=8) for _ in "12")
        if any(map(in_time, runs)):
            most, failed = sessions, 0
        else:
            failed += 1
        if failed == 2:
            break
    return most


def in_time(taken: Taken) -> bool:
    """99 % of events in a callback within 50 ms, of appends at the server within 100; none lost."""
    lost = taken["lost"] + taken["deltas lost"]
    return not lost and taken["ms p99"] <= 50 and taken["ms up p99"] <= 100


def bargein(rounds: int) -> list[Row]:
    """From the user's first word until the speaker is silent, and the server knows what was heard.

    By hand on the other side, which has no speaker.
    """
    plan = {"kind": "audio", "count": 100}
    ours = [run("bargein_ours", plan, count=20) for _ in range(rounds)]
    theirs = [run("bargein_theirs", plan, count=20) for _ in range(rounds)]
    return [
        Row(
            "word to truncate", "ms", *(tuple(r["ms cut"] for r in side) for side in (ours, theirs))
        ),
        Row("word to silence", "ms", tuple(r["ms silent"] for r in ours), ()),
    ]


def memory(rounds: int) -> list[Row]:
    """Resident memory that one of a hundred takes: idle, and with ten seconds of audio heard."""
    rounds = min(rounds, 5)
    plan = {"kind": "audio", "count": 100}
    return [
        *_race("idle session", "memory", plan, rounds, sessions=100, busy=False),
        *_race("busy session", "memory", plan, rounds, sessions=100, busy=True),
    ]


def hour(rounds: int) -> list[Row]:
    """Resident memory that an hour of audio adds, both ways."""
    plan = {"kind": "audio", "count": 600}
    return _race("an hour of audio", "hour", plan, min(rounds, 3), minutes=60, deltas=600)


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
    cuts = server.told.get("cuts")
    if cuts:
        taken["ms cut"] = cuts[len(cuts) // 2] * 1e3
    return taken
