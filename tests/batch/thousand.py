"""The same jobs on any engine, as a program: `python thousand.py ENGINE URL COUNT RESULTS`.

A job that has a gate waits until that file is there, so that there is something to be killed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from realtime_sync import Compatible, RealtimeSession, Response
from realtime_sync.batch import processes, run
from realtime_sync.batch.pool import Maker

AHEAD = 8  # jobs beyond those that must have ended; more than run at once


def gate(results: str, kills: int) -> str:
    """The file that opens the gate once so many processes have been killed."""
    return f"{results}.{kills}"


def jobs(count: int, url: str, results: str, kills: int) -> list[dict[str, Any]]:
    """As many jobs, no two alike; before each of so many kills a share of them has ended."""
    shares = [count * n // (kills + 2) + AHEAD for n in range(1, kills + 1)]
    return [
        {
            "id": f"job-{n}",
            "text": f"number {n}",
            "url": url,
            "gates": [gate(results, k) for k, share in enumerate(shares, 1) if n >= share],
        }
        for n in range(count)
    ]


def answer(job: dict[str, Any]) -> Response:
    """The server's answer; one job in twenty fails."""
    for opens in job["gates"]:
        while not Path(opens).exists():
            time.sleep(0.02)
    number = int(job["text"].split()[1])
    if number % 20 == 7:
        raise LookupError(f"there is no {job['text']}")
    with RealtimeSession(
        endpoint=Compatible(job["url"], "any"), output_modalities=["text"]
    ) as session:
        return session.ask(job["text"])


@contextmanager
def engine(name: str) -> Iterator[Executor | Maker | None]:
    """What the jobs run on."""
    with ExitStack() as stack:
        if name == "threads":
            yield None
        elif name == "processes":
            yield processes(2)
        else:
            from distributed import Client, LocalCluster

            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=2,
                    threads_per_worker=4,
                    processes=True,
                    dashboard_address=None,
                    host="127.0.0.1",
                )
            )
            yield stack.enter_context(Client(cluster)).get_executor()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from thousand import answer as worker  # by the name under which others can import it

    kind, url, count, path, kills = sys.argv[1:]
    with engine(kind) as executor:
        ended = run(jobs(int(count), url, path, int(kills)), worker, executor, results=path)
        sys.stdout.write(f"{ended}\n")
