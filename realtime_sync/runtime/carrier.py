"""Carries the core's effects out: sends under the lock, everything else after it is released.

Settling a future under the lock would let its callbacks meet the lock again; a send outside it
would lose the order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..core import effects as fx
from ..core.responses import ResponseRecord
from ..errors import ConfigurationError, RealtimeError, ServerError, copy_of
from ..events.base import ClientEvent, LocalEvent, one_line
from .futures import Reply
from .handlers import Handlers

__all__ = ["Carrier", "Convert", "Todo"]

log = logging.getLogger(__name__)

#: Makes the caller's value of the core's, or raises.
Convert = Callable[[Any], Any]

#: Errors that only say that something had ended by itself.
BENIGN = frozenset({"response_cancel_not_active"})


class Todo:
    """Effects that wait for the lock to be released."""

    __slots__ = (
        "calls",
        "end",
        "errors",
        "local",
        "queued",
        "retries",
        "settled",
        "unsaid",
        "wakes",
    )

    def __init__(self) -> None:
        self.queued = False  # there is something to be sent
        self.settled: list[tuple[Reply[Any], Convert | None, Any, Exception | None]] = []
        self.wakes: list[Callable[[], None]] = []
        self.calls: list[fx.CallEffect] = []
        self.errors: list[Any] = []  # `error` events that nobody waits for
        self.retries: list[float] = []
        self.local: list[LocalEvent] = []
        self.unsaid: list[tuple[ClientEvent, ConfigurationError]] = []  # the core is told at once
        self.end: RealtimeError | None = None  # the session is to end, and why


class Carrier:
    """Knows who waits for what, and where effects go."""

    def __init__(
        self,
        *,
        put: Callable[[ClientEvent], None],
        put_audio: Callable[[bytes], None],
        wake: Callable[[], None],
        unsaid: Callable[[ClientEvent, ConfigurationError], tuple[fx.Effect, ...]],
        post: Callable[[Callable[[], None]], None],
        call: Callable[[fx.CallEffect], None],
        later: Callable[[float], None],
        handle: Callable[[ResponseRecord], Any],
        handlers: Handlers,
    ) -> None:
        self._put = put  # queues an event's frame, or raises where the link has no words for it
        self._put_audio = put_audio  # queues a frame of audio, which is alike in all dialects
        self._wake = wake  # has what is queued sent
        self._unsaid = unsaid  # tells the core of such a one; what follows from it
        self._post = post  # has a future's done-callback run where callbacks run
        self._call = call  # starts a tool, or has it told that nobody waits; never blocks
        self._later = later  # asks the core again after so many seconds
        self._handle = handle  # makes the caller's handle of a response
        self._handlers = handlers
        self._waiters: dict[str, tuple[Reply[Any], Convert | None]] = {}

    def expect(self, key: str, what: str, convert: Convert | None = None) -> Reply[Any]:
        """A future that is settled under `key`. Hold the lock.

        Args:
            key: As the core will name it.
            what: Names the call in a timeout's message.
            convert: Runs outside the lock.

        Raises:
            ConfigurationError: Somebody waits under it already.
        """
        if key in self._waiters:
            raise ConfigurationError(f"event_id: {key!r} is that of a call that still waits")
        reply: Reply[Any] = Reply(what, self._post)
        self._waiters[key] = (reply, convert)
        return reply

    @property
    def waits(self) -> bool:
        """Whether anybody waits. Hold the lock."""
        return bool(self._waiters)

    def forget(self, key: str) -> bool:
        """Nobody waits under `key` any more; whether somebody did. Hold the lock."""
        return self._waiters.pop(key, None) is not None

    def settle(self, key: str, value: Any, todo: Todo) -> None:
        """Answer who waits under `key`, if anybody. Hold the lock."""
        waiter = self._waiters.pop(key, None)
        if waiter is not None:
            todo.settled.append((*waiter, value, None))

    def reject(self, key: str, error: Exception, todo: Todo) -> None:
        """Tell who waits under `key`, if anybody. Hold the lock."""
        waiter = self._waiters.pop(key, None)
        if waiter is not None:
            todo.settled.append((*waiter, None, error))

    def reject_all(self, error: RealtimeError, todo: Todo) -> None:
        """Tell whoever still waits. Hold the lock."""
        for key in list(self._waiters):
            self.reject(key, copy_of(error), todo)

    def collect(self, effects: tuple[fx.Effect, ...], todo: Todo) -> None:
        """Queue the sends, sort the rest. Hold the lock: wire order is lock order."""
        for effect in effects:
            _COLLECT[type(effect)](self, effect, todo)
        while todo.unsaid:
            self.collect(self._unsaid(*todo.unsaid.pop(0)), todo)

    def _send(self, effect: fx.Send, todo: Todo) -> None:
        todo.queued = True
        try:
            self._put(effect.event)
        except ConfigurationError as exc:
            todo.unsaid.append((effect.event, exc))

    def _append(self, effect: fx.Append, todo: Todo) -> None:
        todo.queued = True
        self._put_audio(effect.frame)

    def _settled(self, effect: fx.Settle, todo: Todo) -> None:
        self.settle(effect.key, effect.value, todo)

    def _rejected(self, effect: fx.Reject, todo: Todo) -> None:
        if effect.key in self._waiters:
            self.reject(effect.key, effect.error, todo)
        elif isinstance(effect.error, ServerError) and effect.error.event is not None:
            todo.errors.append(effect.error.event)

    def carry_out(self, todo: Todo) -> None:
        """Do what is left, without the lock."""
        if todo.queued:  # not earlier: the I/O thread would only wait for the lock
            self._wake()
        for reply, convert, value, error in todo.settled:
            self._settle(reply, convert, value, error)
        for wake in todo.wakes:
            wake()
        for call in todo.calls:
            self._call(call)
        for delay in todo.retries:
            self._later(delay)
        for event in todo.errors:
            self._complain(event)

    def _settle(
        self, reply: Reply[Any], convert: Convert | None, value: Any, error: Exception | None
    ) -> None:
        """Give a caller his answer in his own terms: handles, not the core's records."""
        if isinstance(error, RealtimeError):
            record = getattr(error, "response", None)
            if isinstance(record, ResponseRecord):
                error = copy_of(error, self._handle(record))
        elif error is None and convert is not None:
            try:
                value = convert(value)
            except Exception as exc:
                error = exc
        if error is None:
            reply.set_result(value)
        else:
            reply.set_exception(error)

    def _complain(self, event: Any) -> None:
        details = event.error
        if details.code not in BENIGN and not self._handlers.want(event):
            log.warning("the server says %s: %s", one_line(details.code), one_line(details.message))


#: Effect -> what becomes of it under the lock.
_COLLECT: dict[type, Callable[[Carrier, Any, Todo], None]] = {
    fx.Send: Carrier._send,
    fx.Append: Carrier._append,
    fx.Settle: Carrier._settled,
    fx.Reject: Carrier._rejected,
    fx.Wake: lambda _, effect, todo: todo.wakes.extend(effect.waiters),
    fx.Call: lambda _, effect, todo: todo.calls.append(effect),
    fx.Interrupted: lambda _, effect, todo: todo.calls.append(effect),
    fx.McpApproval: lambda _, effect, todo: todo.calls.append(effect),
    fx.Emit: lambda _, effect, todo: todo.local.append(effect.event),
    fx.Unclaimed: lambda _, effect, todo: todo.errors.append(effect.event),
    fx.End: lambda _, effect, todo: setattr(todo, "end", effect.error),
    fx.Retry: lambda _, effect, todo: todo.retries.append(effect.delay),
}
