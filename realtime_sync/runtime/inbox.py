"""What one thread leaves for another: a queue whose writer never waits. Knows no protocol.

A deque with one wake-up a batch: a queue's hop per event costs more than parsing the event. A
reader too far behind loses the oldest deltas, which only repeat what the session knows anyway.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable, Iterable

from ..events.base import Event
from ..events.local import ConversationUpdated
from .clock import Deadline, nap

__all__ = ["MAX_BYTES", "MAX_EVENTS", "Entry", "Inbox", "Keep"]

log = logging.getLogger(__name__)

MAX_EVENTS = 10_000
MAX_BYTES = 64_000_000


class Keep:
    """Holds something until the callbacks of the event before it have run.

    Of a reader who is too far behind only the newest is sure to be there.

    Args:
        held: What is held.
        weight: About how many bytes that is.
    """

    __slots__ = ("held", "weight")

    def __init__(self, held: object, weight: int = 0) -> None:
        self.held = held
        self.weight = min(weight, MAX_BYTES // 4)  # one alone is never too much


#: An event, a function to be run in its place, or something to be kept until here.
Entry = Event | Callable[[], None] | Keep


def _weight(entry: Entry) -> int:
    # only deltas and what is kept weigh; the count bounds the rest
    if type(entry) is Keep:
        return entry.weight
    delta = getattr(entry, "delta", None)
    return len(delta) if isinstance(delta, str) else 0


def _is_delta(entry: Entry) -> bool:
    """Whether it only repeats what the session knows anyway."""
    if not isinstance(entry, Event):
        return False
    return entry.type.endswith(".delta") or (
        isinstance(entry, ConversationUpdated) and entry.delta is not None
    )


class Inbox:
    """Filled by the I/O thread, emptied by one reader at a time."""

    def __init__(self, reader: str) -> None:
        self._reader = reader  # names the one who is too slow, in the log
        self._entries: deque[Entry] = deque()
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()  # one a batch
        # bytes in the queue, as two sums: each has one writer, so neither needs a lock
        self._put_bytes = 0  # by the I/O thread
        self._got_bytes = 0  # by the reader
        self.dropped = 0  # deltas that the reader has lost
        self._limit = MAX_EVENTS  # entries at which to look for deltas to drop

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[Entry]) -> None:
        """Queue a batch. Runs on the I/O thread; never blocks."""
        for entry in entries:
            self._entries.append(entry)
            self._put_bytes += _weight(entry)
        count = len(self._entries)
        if count > self._limit or self._put_bytes - self._got_bytes > MAX_BYTES:
            self._drop()
            # where nothing can be dropped, looking through all of it each time is quadratic
            self._limit = max(MAX_EVENTS, 2 * len(self._entries))
        elif count <= MAX_EVENTS:
            self._limit = MAX_EVENTS
        # Whatever the length is now: the reader may have taken an older entry meanwhile. One that
        # lies there will do: it is taken before the reader looks again.
        if self._entries and not self._tokens.qsize():
            self._tokens.put(None)

    def post(self, entry: Entry) -> None:
        """Queue one that is no delta. From any thread."""
        self._entries.append(entry)
        self._tokens.put(None)

    def wake(self) -> None:
        """End a `wait` although nothing has come."""
        self._tokens.put(None)

    def take(self) -> Entry | None:
        """The oldest entry; None if there is none."""
        try:
            entry = self._entries.popleft()
        except IndexError:
            return None
        self._got_bytes += _weight(entry)
        return entry

    def wait(self, timeout: float | None) -> bool:
        """Wait for a batch or `wake`; it may have been taken already. False: nothing in time."""
        deadline = Deadline(timeout)
        while True:
            try:
                self._tokens.get(timeout=nap(deadline.remaining()))
            except queue.Empty:
                if deadline.passed:
                    return False
            else:
                return True

    def _drop(self) -> None:
        # the reader sees an empty queue meanwhile, and waits for the token that follows
        taken: list[Entry] = []
        while self._entries:
            try:
                taken.append(self._entries.popleft())
            except IndexError:
                break
        # down to half, or the next event would bring us here again
        excess = len(taken) - MAX_EVENTS // 2
        surplus = self._put_bytes - self._got_bytes - MAX_BYTES // 2
        dropped = 0
        newest = next((entry for entry in reversed(taken) if isinstance(entry, Keep)), None)
        for entry in taken:
            over = excess > 0 or surplus > 0
            if isinstance(entry, Keep) and entry.weight and entry is not newest and surplus > 0:
                surplus -= entry.weight
                self._put_bytes -= entry.weight
            elif over and _is_delta(entry):
                excess -= 1
                surplus -= _weight(entry)
                self._put_bytes -= _weight(entry)
                dropped += 1
            else:
                self._entries.append(entry)
        if dropped and not self.dropped:
            log.warning(
                "%s is %d events behind and loses the oldest deltas", self._reader, len(taken)
            )
        self.dropped += dropped
