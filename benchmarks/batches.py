"""How many conversations at once a batch on threads holds, as a share of as many times one.

Answers are paced as the service paces them, by a bare server in a process of its own (`wire`). A
job is a session of four turns, opened and closed: what a batch adds weighs less in longer ones.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from typing import Any

from .race import Row
from .wire import serving

__all__ = ["rows"]

_HOME = pathlib.Path(__file__).parent.parent
_AT_ONCE = (4, 16, 64)
_WAVES = 3  # jobs that each thread has, one after the other
_TURNS = 4
_SAYS = "Count to 50"
#: The service says about 80 words a second.
_PLAN = {"kind": "text", "count": 50, "gap": 1 / 80}
#: Processors this busy are the limit, not we.
_BUSY = 0.9


def rows(rounds: int) -> list[Row]:
    """Share of so many times the throughput of one, and how busy the processors are meanwhile."""
    made: dict[tuple[str, str], list[float]] = {}
    for _ in range(min(rounds, 3)):
        one = _run(1)["jobs a second"]
        for count in _AT_ONCE:
            taken = _run(count)
            name = f"{count} jobs at once"
            share = taken["jobs a second"] / (count * one)
            made.setdefault((name, "% of as many times one"), []).append(share * 100)
            made.setdefault((name, "% of processors busy"), []).append(taken["busy"] * 100)
            made.setdefault((name, "% of a core"), []).append(taken["cores"] * 100)
    return [Row(name, unit, tuple(values), ()) for (name, unit), values in made.items()]


def holds(share: float, busy: float) -> bool:
    """Whether a row is as it must be: nine tenths, unless the processors are the limit."""
    return share >= 90 or busy >= _BUSY * 100


def _run(count: int, waves: int = _WAVES) -> dict[str, float]:
    """What so many at once take: a client's process against a server's."""
    with serving(**_PLAN) as server:
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.batches", server.url, str(count), str(waves)],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=_HOME,
            check=False,
        )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2000:])
    taken: dict[str, float] = json.loads(ran.stdout)
    return taken


def converse(url: str, count: int, waves: int) -> dict[str, float]:
    """A batch, and what it took."""
    from realtime_sync import Compatible, RealtimeSession
    from realtime_sync.batch import run

    def work(_: int) -> Any:
        with RealtimeSession(
            endpoint=Compatible(url, "any"), output_modalities=["text"]
        ) as session:
            for _ in range(_TURNS - 1):
                session.ask(_SAYS)
            return session.ask(_SAYS)

    run(range(count), work, concurrency=count)  # what is loaded and started once is no part of it
    busy, total = _processors()
    cpu, began = time.process_time(), time.monotonic()
    ended = run(range(count * waves), work, concurrency=count)
    took, spent = time.monotonic() - began, time.process_time() - cpu
    busy_then, total_then = _processors()
    if ended.statuses != {"completed": count * waves}:
        raise RuntimeError(f"not all jobs were completed: {ended.statuses}")
    return {
        "jobs a second": count * waves / took,
        "busy": (busy_then - busy) / max(1, total_then - total),
        "cores": spent / took,
    }


def _processors() -> tuple[int, int]:
    """Ticks of all processors that were busy, and all."""
    with open("/proc/stat", encoding="ascii") as told:
        ticks = [int(one) for one in told.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


if __name__ == "__main__":
    print(json.dumps(converse(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
