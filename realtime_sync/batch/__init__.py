"""Many conversations: a worker, called once for each job, on threads, processes or a cluster.

::

    from realtime_sync.batch import processes, run

    def answer(question):                   # a job is an str, or has an `id`
        with RealtimeSession(output_modalities=["text"]) as session:
            return session.ask(question["text"])

    run(questions, answer, processes(4), results="answers.jsonl")

The coordinator is the thread that calls `run`. It alone takes jobs, keeps the rate limit, decides
what is tried again, and has the results file; executors only run `attempt`, which calls the worker
and gives back plain data. So whatever dies, a job has one line: a worker's process is made anew
and its jobs run again; the coordinator, run again with the same file, goes on with the jobs that
have no line. A line is written by whichever thread learns of a result, before anybody is told.

job          what identifies a job and a worker; tools by dotted path
result       what became of a job: a line of the file
journal      the results file: one line a job, locked, cut back to whole lines
limits       the rate limit and the budgets, and what servers say of them
attempt      a job tried once, where the executor runs it
ticket       a job on its way
pool         an executor, made anew when it breaks
coordinator  jobs in, results out
runs         `run`: the coordinator between what is checked before and summed up after
conversation conversations as jobs, and what is expected of them
converse     the worker that holds and scores them; `transcribe`: the one for recordings
page         a run as a page with charts; `parquet`: as a table
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conversation import Conversation, Turn, conversations
    from .converse import Converse
    from .job import Outcome
    from .limits import RateLimit
    from .page import report
    from .pool import processes
    from .result import Result, Summary, results
    from .runs import run
    from .transcribe import Recording, Transcribe, recordings

__all__ = [
    "Conversation",
    "Converse",
    "Outcome",
    "RateLimit",
    "Recording",
    "Result",
    "Summary",
    "Transcribe",
    "Turn",
    "conversations",
    "processes",
    "recordings",
    "report",
    "results",
    "run",
]

_HOMES = {
    "Conversation": "conversation",
    "Turn": "conversation",
    "conversations": "conversation",
    "Converse": "converse",
    "Recording": "transcribe",
    "Transcribe": "transcribe",
    "recordings": "transcribe",
    "report": "page",
    "Summary": "result",
    "run": "runs",
    "Outcome": "job",
    "RateLimit": "limits",
    "processes": "pool",
    "Result": "result",
    "results": "result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value
