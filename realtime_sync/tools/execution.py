"""The threads on which tools run. Knows no session: it is told what to run.

A thread ends when nothing waits for it, so an idle session has none. Daemon threads and no
executor: an executor waits at interpreter exit for a tool that never returns.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["ToolThreads"]

log = logging.getLogger(__name__)

C = TypeVar("C")


class ToolThreads(Generic[C]):
    """Runs calls, at most `limit` at a time, oldest first."""

    def __init__(self, run: Callable[[C], None], *, limit: int = 1) -> None:
        self._run = run
        self._limit = limit
        self._waiting: deque[C] = deque()
        self._threads: dict[threading.Thread, C] = {}  # running -> what it runs
        self._count = 0  # threads ever started; numbers their names
        self._closed = False
        # guards all of the above: calls come from the I/O thread, ends from the tool threads
        self._lock = threading.Lock()

    def submit(self, call: C) -> None:
        """Run this as soon as a thread is free. Never blocks; dropped once closed."""
        with self._lock:
            if self._closed:
                return
            self._waiting.append(call)
            if len(self._threads) >= self._limit:
                return
            self._count += 1
            thread = threading.Thread(
                target=self._work, name=f"realtime-tool-{self._count}", daemon=True
            )
            self._threads[thread] = call
        thread.start()

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._lock:
                if not self._waiting or self._closed:
                    del self._threads[me]
                    return
                call = self._threads[me] = self._waiting.popleft()
            try:
                self._run(call)
            except Exception:  # of ours: a tool's own exceptions are its answer
                log.exception("a tool call was not answered")

    def close(self) -> None:
        """Run nothing more. Does not wait."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def join(self, remaining: Callable[[], float | None]) -> list[C]:
        """Wait for what runs, but for this thread's own; what still runs then.

        Args:
            remaining: Seconds left, asked before each wait.
        """
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(remaining())
        with self._lock:
            me = threading.current_thread()
            return [c for t, c in self._threads.items() if t is not me and t.is_alive()]
