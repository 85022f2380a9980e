"""A job on its way, and what becomes of it. No thread, no executor."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass
from typing import Any

from .attempt import Attempt, told_of
from .job import JobId
from .result import Result

__all__ = ["MOST", "Ticket", "failed", "killed"]

#: How often one job may be refused for the rate, or be given back by a cluster.
MOST = 50
#: Executors that may break around a job before it runs alone.
_SUSPECT = 2
#: What Dask and Ray say of a job where several processes ended, one after the other; Dask of all
#: jobs that they had been given.
_KILLERS = ("KilledWorker", "WorkerCrashedError")


@dataclass(slots=True, eq=False)
class Ticket:
    """A job on its way. Changed by the coordinator's thread, while no executor has it."""

    job: Any
    id: JobId
    key: str
    attempts: int = 0  # that came to an end, but for refusals
    refusals: int = 0
    breaks: int = 0  # how often an executor has broken around it, or given it back
    errors: int = 0  # of the executor's own
    number: str = ""  # of the attempt that is under way
    generation: int = 0  # of the executor that has it
    alone: bool = False  # nothing else runs beside it
    future: Any = None

    def __lt__(self, other: Ticket) -> bool:
        return False  # those that are due at the same time keep their order

    def verdict(self, came: Attempt | BaseException, retries: int) -> Attempt | None:
        """What became of the job, that an executor had; None: it runs again, or the run ends.

        From any thread.
        """
        if isinstance(came, Attempt):
            if came.fate in ("fatal", "given up"):
                return None
            if came.fate == "limited":
                return came if self.refusals >= MOST else None
            return None if came.fate == "again" and self.attempts < retries else came
        if isinstance(came, CancelledError):
            return None
        if killed(came):
            # twice where it is a process that may have ended by accident
            sure = self.alone and (_tried(came) or self.breaks > _SUSPECT)
            return _crashed(came) if sure else None
        # the executor's own (`attempt` raises no other), such as what Dask has for a result whose
        # worker has died since: it may have lost an answer, so the job runs once more
        # (KeyboardInterrupt as well: Ctrl-C reaches the processes of a pool, too)
        return failed(came) if self.errors else None

    def suspect(self, came: BaseException) -> bool:
        """Whether it runs alone from now on, to see whether it ends its processes."""
        return _tried(came) or self.breaks >= _SUSPECT

    def result(self, came: Attempt, run: str) -> Result:
        """What is told of it."""
        return Result(
            job=self.id,
            status=came.status,
            text=came.text,
            value=came.value,
            error=came.error,
            attempts=self.attempts + 1,
            seconds=came.seconds,
            tokens=came.tokens,
            requests=came.requests,
            minutes=came.minutes,
            finished=round(time.time(), 3),  # a moment for people: nothing is timed by it
            worker=came.worker,
            run=run,
            key=self.key,
        )


def killed(came: object) -> bool:
    """Whether a process that had the job is gone."""
    return isinstance(came, BrokenExecutor) or type(came).__name__ in _KILLERS


def _tried(came: BaseException) -> bool:
    """Whether several processes have ended: a cluster has seen to that."""
    return not isinstance(came, BrokenExecutor)


def failed(error: BaseException) -> Attempt:
    """What is told of a job that no worker has seen the end of."""
    return Attempt("failed", error=told_of(error))


def _crashed(error: BaseException) -> Attempt:
    made = failed(error)
    assert made.error is not None
    made.error["message"] = f"each process that ran it has ended: {made.error['message']}"
    return Attempt("crashed", error=made.error)
