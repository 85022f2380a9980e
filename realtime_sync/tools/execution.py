"""The threads on which tools run. Knows no session: it is told what to run.

A thread ends when nothing waits for it, so an idle session has none. Daemon threads and no
executor: an executor waits at interpreter exit for a tool that never returns.

Depth: a tool may begin a turn and wait for it, and that turn's tools must not wait for the very
thread that waits for them. So each depth of nesting has threads of its own; waiting runs from
depth to greater depth only, and ends where nothing waits.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable

from ..runtime.threads import Thread

__all__ = ["DEFAULT_LIMIT", "MOST_ABANDONED", "Refused", "Task", "ToolThreads"]

log = logging.getLogger(__name__)

#: Tools that run at a time, at each depth.
DEFAULT_LIMIT = 4
#: Threads whose tools have not returned in their time, until no further call is begun.
MOST_ABANDONED = 8


class Refused(Exception):
    """A task is not run; the text, which the model may read, says why."""


class Task:
    """One call on its way through the threads.

    Attributes:
        name: The tool's, for the log and for those who wait for its end.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        refused: Callable[[str], None],
        *,
        depth: int = 0,
        callers: frozenset[str] = frozenset(),
        call_id: str = "",
        serial: bool = False,
    ) -> None:
        """See the class.

        Args:
            name: The tool's.
            run: Answers the call; runs on a tool thread.
            refused: Told why, where it cannot be run after all.
            depth: How many tools wait, one for the other, for the turn that this call belongs to.
            callers: Ids of the calls of these tools.
            call_id: The call's own id.
            serial: Never beside another one of this name, but for its callers.
        """
        self.name = name
        self._run = run
        self._refused = refused
        self._depth = depth
        self._callers = callers
        self._call_id = call_id
        self._serial = serial
        self._abandoned = False  # its time is over; it runs on, and nobody waits

    def __repr__(self) -> str:
        return f"<Task {self.name} {self._call_id}>"


class ToolThreads:
    """Runs tasks, at most `limit` at a time and depth, oldest first."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT, name: str = "realtime-tool") -> None:
        self._limit = limit
        self._name = name  # of the threads, before their number
        self._waiting: deque[Task] = deque()
        self._running: dict[Task, threading.Thread] = {}  # abandoned ones too
        self._leaving: set[threading.Thread] = set()  # those that found nothing more to do
        self._count = 0  # threads ever started; numbers their names
        self._closed = False
        # guards all of the above: calls come from the I/O thread, ends from the tool threads
        self._lock = threading.Lock()

    @property
    def abandoned(self) -> int:
        """How many tools run on after their time."""
        with self._lock:
            return self._abandoned()

    def submit(self, task: Task) -> None:
        """Run this as soon as a thread is free. Never blocks; dropped once closed.

        Raises:
            Refused: Too many tools, or an earlier call of this serial one, have not returned in
                their time.
        """
        with self._lock:
            if self._closed:
                return
            if self._abandoned() > MOST_ABANDONED:
                raise Refused("too many tools have not returned in their time")
            if task._serial and any(
                other._abandoned and other.name == task.name for other in self._running
            ):
                raise Refused("an earlier call of this tool has not returned in its time")
            self._waiting.append(task)
            fresh = self._startable()
        self._start(fresh)

    def withdraw(self, task: Task) -> bool:
        """Do not run it; False if it has begun, or is not known."""
        with self._lock:
            if task not in self._waiting:
                return False
            self._waiting.remove(task)
            return True

    def abandon(self, task: Task) -> None:
        """It may run on, but nobody waits, and its place is free."""
        with self._lock:
            if task not in self._running or task._abandoned:
                return
            task._abandoned = True
            stuck = [t for t in self._waiting if task._serial and t.name == task.name]
            for other in stuck:
                self._waiting.remove(other)
            fresh = self._startable()
        self._start(fresh)
        for other in stuck:
            other._refused("an earlier call of this tool has not returned in its time")

    def _abandoned(self) -> int:
        return sum(task._abandoned for task in self._running)

    def _startable(self) -> list[Task]:
        """Take those that may run now; each has a thread, not started yet. Hold the lock."""
        fresh = []
        while (task := self._take()) is not None:
            self._count += 1
            self._running[task] = Thread(self._work, f"{self._name}-{self._count}", (task,))
            fresh.append(task)
        return fresh

    def _take(self) -> Task | None:
        """The oldest one that may run now, out of the queue. Hold the lock."""
        busy = Counter(task._depth for task in self._running if not task._abandoned)
        for task in self._waiting:
            if busy[task._depth] < self._limit and not (task._serial and self._held_up(task)):
                self._waiting.remove(task)
                return task
        return None

    def _held_up(self, task: Task) -> bool:
        """Whether another call of the same serial tool runs that does not wait for this one."""
        return any(
            other.name == task.name and other._call_id not in task._callers
            for other in self._running
        )

    def _start(self, tasks: list[Task]) -> None:
        for task in tasks:
            thread = self._running.get(task)
            if thread is None:
                continue
            try:
                thread.start()
            except RuntimeError as exc:  # no more threads, or the interpreter is ending
                log.warning("tool %s: no thread could be started: %s", task.name, exc)
                with self._lock:
                    self._running.pop(task, None)
                task._refused("no thread could be started for it")

    def _work(self, task: Task | None) -> None:
        me = threading.current_thread()
        while task is not None:
            try:
                # each in a context of its own: what one tool sets, the next must not see
                contextvars.copy_context().run(task._run)
            except BaseException:  # of ours: a tool's own exceptions are its answer
                log.exception("a tool call was not answered")
            with self._lock:
                del self._running[task]
                if task._abandoned:
                    log.info("tool %s has returned, after its time", task.name)
                # this thread takes one; more than one may have waited for a serial tool's end
                task = None if self._closed else self._take()
                if task is not None:
                    self._running[task] = me
                else:  # it lives a moment longer: whoever joins waits for that, too
                    self._leaving = {me, *(one for one in self._leaving if one.is_alive())}
                fresh = [] if self._closed else self._startable()
            self._start(fresh)

    def close(self) -> None:
        """Run nothing more. Does not wait."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def join(self, remaining: Callable[[], float | None]) -> list[Task]:
        """Wait for what runs, but for this thread's own; what still runs then.

        Args:
            remaining: Seconds left, asked before each wait.
        """
        with self._lock:
            threads = {*self._running.values(), *self._leaving}
        me = threading.current_thread()
        for thread in threads:
            if thread is not me and thread.ident is not None:
                thread.join(remaining())
        with self._lock:
            return [
                task
                for task, thread in self._running.items()
                if thread is not me and thread.is_alive()
            ]
