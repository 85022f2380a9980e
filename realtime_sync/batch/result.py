"""What became of a job, of all jobs, and a file of that. No thread."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import RecordingError
from .job import JobId

__all__ = ["Result", "Summary", "is_parquet", "journal_of", "parsed", "results"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job: a line of the results file.

    Attributes:
        job: The job's id.
        status: "completed"; "failed": it raised, see `error`; "crashed": it ended the process that
            ran it, each time; else what the response or the `Outcome` of the worker says.
        text: What was said; None where the worker gave no text.
        value: What else the worker gave, as JSON has it: texts, numbers, lists and dicts.
        error: type, message and code of what was raised, None if nothing was.
        attempts: How often it was run to an end; a process that died meanwhile does not count.
        seconds: How long the last attempt took.
        tokens: What its sessions used.
        requests: Responses that it had, one at least.
        minutes: Of audio or conversation.
        finished: When, in epoch seconds.
        worker: Who ran it, HOST:PID.
        run: Identifies the worker and its settings.
        key: Identifies what the job says.
    """

    job: JobId
    status: str
    text: str | None = None
    value: Any = None
    error: dict[str, Any] | None = None
    attempts: int = 1
    seconds: float = 0.0
    tokens: int = 0
    requests: int = 0
    minutes: float = 0.0
    finished: float = 0.0
    worker: str = ""
    run: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    __hash__ = None  # type: ignore[assignment]

    def line(self) -> bytes:
        """As the file has it, the line's end included."""
        told = {name: getattr(self, name) for name in _FIELDS}
        try:
            return json.dumps(told, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:  # half a character, as names of files have: as an escape
            return json.dumps(told).encode() + b"\n"


def _amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf and value <= _MOST


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _text(value: Any) -> bool:
    return isinstance(value, str)


_MOST = 10**15  # of anything that is counted: floats can say it
#: What each may be.
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "job": lambda value: type(value) in (str, int),
    "status": _text,
    "text": lambda value: value is None or _text(value),
    "value": lambda _: True,
    "error": lambda value: value is None or isinstance(value, dict),
    "attempts": _count,
    "seconds": _amount,
    "tokens": _count,
    "requests": _count,
    "minutes": _amount,
    "finished": _amount,
    "worker": _text,
    "run": _text,
    "key": _text,
}


def parsed(line: bytes) -> Result | None:
    """The result that a line holds; None: it holds none."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not {"job", "status"} <= set(told):
        return None
    # a newer version may say more
    known = {name: value for name, value in told.items() if name in _FIELDS}
    return Result(**known) if all(_FIELDS[name](known[name]) for name in known) else None


def results(path: str | os.PathLike[str]) -> Iterator[Result]:
    """The results in a file, one at a time; while a run writes it, too.

    Args:
        path: Of what `run` was told to write; of a Parquet file, the one beside it is read.

    Raises:
        RecordingError: A line is no result.
        OSError: The file cannot be read.
    """
    name = journal_of(path)
    with open(name, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return  # it is being written, or was cut
            found = parsed(line)
            if found is None:
                raise RecordingError(
                    f"{name}, line {number}: it is no result of a batch; name another file, or"
                    " remove this one",
                    path=name,
                    line=number,
                )
            yield found


def journal_of(path: str | os.PathLike[str]) -> str:
    """The file of lines: the path itself, or, of a table, the one beside it."""
    name = os.fspath(path)
    return name + ".jsonl" if is_parquet(name) else name


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether a table is wanted."""
    return os.fspath(path).endswith(".parquet")


@dataclass(frozen=True, slots=True)
class Summary:
    """A run that has ended.

    Attributes:
        statuses: How many jobs ended how, of this run and the ones before that it went on with.
        skipped: Jobs that had a line already.
        seconds: How long this run took.
        tokens, minutes: What its jobs used.
        stopped: None: all jobs have a result; "total_tokens" or "total_minutes": that was used up.
        path: Of the results; None: they are in memory.
    """

    statuses: dict[str, int]
    skipped: int
    seconds: float
    tokens: int
    minutes: float
    stopped: str | None = None
    path: str | None = None
    _kept: tuple[Result, ...] = field(default=(), repr=False)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Result]:
        """The results, those of runs before included, in the order in which they came."""
        return iter(self._kept) if self.path is None else results(self.path)

    def __len__(self) -> int:
        return sum(self.statuses.values())
