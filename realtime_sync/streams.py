"""Iterators over a turn and over events. Know the connection, not the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .closing import Closing
from .core.turns import Turn
from .errors import (
    BudgetExceeded,
    ConnectionLost,
    RealtimeError,
    RealtimeTimeout,
    SessionClosed,
    copy_of,
)
from .events.base import Event
from .events.items import Item
from .response import Response, moved_on, text_of
from .runtime.clock import Deadline
from .runtime.watches import Predicate, Watch, Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from .core.responses import ResponseRecord
    from .runtime.connection import Connection

__all__ = ["Events", "Pending", "Rounds", "TextStream"]

T = TypeVar("T")


class TurnStream(Closing, Generic[T]):
    """What a turn brings, in order.

    The turn runs by itself, whether it is read or not. `close()`, the end of `with`, or Ctrl-C
    while it waits, gives it up. After a timeout the iterator can be continued. It belongs to one
    thread.
    """

    def __init__(
        self,
        turn: Turn,
        connection: Connection,
        handle: Callable[[ResponseRecord], Response],
        timeout: float | None,
    ) -> None:
        self._turn = turn
        self._connection = connection
        self._handle = handle
        self._timeout = timeout
        self._response = 0  # which of the turn's responses is being read
        self._index = 0  # of what comes next in it

    @property
    def response(self) -> Response | None:
        """The newest response, at the end the last; None before the first is created."""
        records = self._turn.records
        return self._handle(records[-1]) if records else None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self._next(Deadline(self._timeout))
        except KeyboardInterrupt:
            # a prompt keeps the traceback, and with it the loop: nobody else would give it up
            self.close()
            raise

    def _next(self, deadline: Deadline) -> T:
        while True:
            ended = self._turn.done  # before the rest: more may come in between
            value = self._next_value()
            if value is not None:
                return value
            if ended:
                if self._turn.error is not None:
                    raise copy_of(self._turn.error, self.response)
                raise StopIteration
            if not moved_on(self._connection, *self._what_next(), deadline):
                raise RealtimeTimeout(f"nothing new from the turn within {self._timeout:g} s")

    def _next_value(self) -> T | None:
        """What has come and was not read yet; None: nothing."""
        raise NotImplementedError

    def _what_next(self) -> tuple[list[Callable[[], None]], Callable[[], bool]]:
        """Whose list of waiters to join, and whether there is more to read."""
        raise NotImplementedError

    def _next_response(self) -> None:
        self._response += 1
        self._index = 0

    def close(self) -> None:
        """Give the turn up: what is queued is withdrawn, what runs is cancelled."""
        if not self._turn.done and self._turn.key is not None:
            self._connection.give_up(self._turn.key)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'ended' if self._turn.done else 'running'}>"


class TextStream(TurnStream[str]):
    """The text deltas of a turn's responses, in order; made by `session.stream`."""

    def _next_value(self) -> str | None:
        records = self._turn.records
        while self._response < len(records):
            record = records[self._response]
            done = record.done
            while self._index < len(record.events):
                event = record.events[self._index]
                self._index += 1
                piece = text_of(event)
                if piece is not None:
                    return piece
            if not done:
                return None
            self._next_response()
        return None

    def _what_next(self) -> tuple[list[Callable[[], None]], Callable[[], bool]]:
        turn, at, seen = self._turn, self._response, self._index
        if at < len(turn.records):
            record = turn.records[at]
            return record.waiters, lambda: record.done or len(record.events) > seen
        return turn.waiters, lambda: turn.done or len(turn.records) > at


class Rounds(TurnStream[Item]):
    """The items of a turn as each is complete; made by `session.rounds`."""

    def _next_value(self) -> Item | None:
        records = self._turn.records
        while self._response < len(records):
            record = records[self._response]
            another = len(records) > self._response + 1  # then nothing comes to this one
            if self._index < len(record.complete):
                _, item = record.complete[self._index]
                self._index += 1
                return self._handle(record)._with_audio(item)
            if not another:
                return None
            self._next_response()
        return None

    def _what_next(self) -> tuple[list[Callable[[], None]], Callable[[], bool]]:
        turn, at, seen = self._turn, self._response, self._index
        record = turn.records[at] if at < len(turn.records) else None

        def more() -> bool:
            if record is None:
                return turn.done or len(turn.records) > at
            return turn.done or len(turn.records) > at + 1 or len(record.complete) > seen

        if record is None or record.done:
            return turn.waiters, more  # what answers its calls, the next response, or the end
        return record.waiters, lambda: record.done or more()


class Events(Closing):
    """Events as they come, from the call on. Ends when the session is closed.

    `close()`, the end of `with` or losing the last reference ends it too. It belongs to one
    thread. After a timeout it can be continued.
    """

    def __init__(self, watch: Watch, watches: Watches, timeout: float | None) -> None:
        self._watch = watch
        self._watches = watches
        self._timeout = timeout

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        event = self._watch.get(Deadline(self._timeout))
        if event is None:
            if isinstance(self._watch.error, (BudgetExceeded, ConnectionLost)):
                raise copy_of(self._watch.error)
            raise StopIteration
        return event

    def ready(self) -> Iterator[Event]:
        """What has come already."""
        while (event := self._watch.ready()) is not None:
            yield event

    def close(self) -> None:
        """Watch no more; what has come can still be read."""
        self._watches.remove(self._watch)

    def __repr__(self) -> str:
        return f"<Events {'ended' if self._watch.ended else 'watching'}>"


class Pending:
    """An event that is expected; made by `session.expect`."""

    def __init__(self, watch: Watch, watches: Watches, predicate: Predicate | None) -> None:
        self._watch = watch
        self._watches = watches
        self._predicate = predicate
        self._found: Event | None = None  # the first match, once there is one

    def result(self, *, timeout: float | None = 30) -> Any:
        """The first match since the watch began; always the same one.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            RealtimeTimeout: None came in time.
            SessionClosed, ConnectionLost: None will come.
        """
        return self.result_by(Deadline(timeout))

    def result_by(self, deadline: Deadline, predicate: Predicate | None = None) -> Any:
        """`result`, within a deadline that other steps share."""
        if self._found is None:
            self._found = first(self._watch, predicate or self._predicate, deadline)
            self._watches.remove(self._watch)
        return self._found

    def __enter__(self) -> Pending:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._watches.remove(self._watch)


def first(watch: Watch, predicate: Predicate | None, deadline: Deadline) -> Event:
    """The first match; the end of the session is an error to whoever waits."""
    event = watch.first(predicate, deadline)
    if event is None:
        error: RealtimeError | None = watch.error
        if error is None:
            raise SessionClosed("the session was closed, or the watch was ended")
        raise copy_of(error)
    return event
