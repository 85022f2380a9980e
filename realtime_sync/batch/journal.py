"""The results file: one line a job, whoever dies. Knows no executor and no session."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Generator
from typing import Any

from ..closing import Closing
from ..errors import ConfigurationError
from .job import JobId
from .result import Result, parsed

try:
    import fcntl
except ImportError:  # Windows: whoever runs it twice there is not kept from it
    fcntl = None  # type: ignore[assignment]

__all__ = ["Journal"]

_BEGIN = b'{"job": '  # of each line


class Journal(Closing):
    """Where results are kept: a file, or memory where none is wanted.

    A line is one `write` of the system's: killed before it, there is none; killed after it, there
    is one. What a full disk or a power cut has left of a line is cut off, and that job runs again.

    Args:
        path: Of the file; made if there is none. None: memory.
        run: Identifies the worker; a file of another one is refused.

    Raises:
        ConfigurationError: Another run's file, another run is writing it, or it is none at all.
        OSError: It cannot be written.
    """

    def __init__(self, path: str | None, run: str) -> None:
        self.path = path
        self.kept: list[Result] = []  # without a file
        self._run = run
        self._file: Any = None
        self._known: dict[JobId, str] = {}  # id -> what the job says
        # results come from the executor's threads; the line is written under it, on purpose
        self._lock = threading.Lock()
        self._end = 0  # of the last whole line
        self._unsynced = False
        self._closed = False
        if path is not None:
            if os.path.exists(path) and not os.path.isfile(path):  # a pipe, which has no end
                raise ConfigurationError(
                    f"results: {path} cannot be read back, to go on there; name a file"
                )
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115  # closed by `close`
            try:
                self._claim()
                self._read()
            except BaseException:
                self._file.close()
                raise

    def _claim(self) -> None:
        if fcntl is None:
            return
        _open.add(self)
        try:
            # ends with the process, however that ends; fcntl's other locks end as soon as anybody
            # in the process has read the file
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError(
                f"results: another run is writing {self.path}; wait for it, end it and all its"
                " processes (fuser shows who has the file open), or name another file"
            ) from exc

    def _read(self) -> None:
        self._file.seek(0)
        with contextlib.closing(_lines(self._file)) as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    self._check_cut(number, line)
                    break
                self._learn(number, parsed(line))
                self._end += len(line)
        self._file.truncate(self._end)

    def _check_cut(self, number: int, line: bytes) -> None:
        """See that the last line, which has no end, is ours to cut off: some files are written so.

        Raises:
            ConfigurationError: It is no piece of a result.
        """
        left = line.rstrip(b"\0")  # of a power cut
        if not (left.startswith(_BEGIN) or _BEGIN.startswith(left)):
            self._learn(number, None)

    def _learn(self, number: int, result: Result | None) -> None:
        where = f"results: {self.path}, line {number}"
        cure = "name another file, or remove this one"
        if result is None:
            raise ConfigurationError(f"{where}: it is no result of a batch; {cure}")
        if result.run != self._run:
            raise ConfigurationError(f"{where}: it is of another worker, or other settings; {cure}")
        if result.job in self._known:
            raise ConfigurationError(f"{where}: job {result.job!r} has a line already; {cure}")
        self._known[result.job] = result.key

    @property
    def ids(self) -> frozenset[JobId]:
        """The jobs that have a line."""
        return frozenset(self._known)

    def has(self, job: JobId, key: str) -> bool:
        """Whether a job has its line.

        Raises:
            ConfigurationError: One of that id has, which says something else.
        """
        known = self._known.get(job)
        if known is not None and known != key:
            raise ConfigurationError(
                f"results: {self.path} has a line for another job of the id {job!r}: it is a file"
                " of another run; name another one"
            )
        return known is not None

    def write(self, result: Result) -> bool:
        """Keep a result. From any thread. False: the journal is closed; the job runs again.

        Raises:
            OSError: The disk is full, say; nothing of it is kept.
        """
        line = result.line()
        with self._lock:
            if self._closed:
                return False
            if self._file is None:
                self.kept.append(result)
                return True
            try:
                if self._file.write(line) != len(line):
                    raise OSError(
                        f"{self.path}: only a part of a result was written; make room on the disk, "
                        "and run it again: it goes on there"
                    )
            except OSError:
                self._file.truncate(self._end)
                raise
            self._end += len(line)
            self._unsynced = True
            return True

    def sync(self) -> None:
        """Let what was written outlive the machine, too."""
        with self._lock:
            if self._unsynced and not self._closed:
                self._unsynced = False
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing is written any more. Idempotent."""
        try:
            self.sync()
        finally:
            with self._lock:
                self._closed = True
                if self._file is not None:
                    self._file.close()

    def let_go(self) -> None:
        """In a forked process: its copy of the file would hold the lock, whoever ends the run."""
        self._lock = threading.Lock()  # a thread that is not here may have had it
        self._closed = True
        if self._file is not None:
            self._file.close()


_open: weakref.WeakSet[Journal] = weakref.WeakSet()


def _let_go() -> None:
    for journal in tuple(_open):
        journal.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _lines(file: Any) -> Generator[bytes, None, None]:
    """The lines of an unbuffered file."""
    rest = b""
    while piece := file.read(1 << 20):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
