"""`session.guardrail`: the user's functions that read what the model says, while it says it.

Each has a thread of its own, while there is something to read, and reads one text at a time: a slow
one delays neither the I/O thread nor callbacks nor the others. It sees fewer texts then, and always
the latest one.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import items
from ..core.guarding import trip
from ..errors import SessionClosed
from ..events.base import Event
from ..events.local import CallbackError, GuardrailTripped
from ..runtime.clock import check_timeout
from ..runtime.watches import Watch
from ..tools.execution import Refused, Task, ToolThreads
from .conversation import item_event

if TYPE_CHECKING:
    from ..asking import Asking
    from ..core.responses import ResponseRecord
    from ..core.state import SessionState
    from ..runtime.clock import Deadline
    from ..tools.context import ToolContext

__all__ = ["Check", "Guardrails", "judging"]

log = logging.getLogger(__name__)

#: What a guardrail is: given the text so far, it returns something true to stop the response;
#: `async def` too.
Check = Callable[[str], Any]

#: Set on a thread whose guardrail reads: what it asks of the model no guardrail reads.
judging: ContextVar[bool] = ContextVar("realtime_sync_judging", default=False)

_DELTAS = ("response.output_text.delta", "response.output_audio_transcript.delta")
#: Where a text is whole, whatever its length.
_ENDS = ("response.output_text.done", "response.output_audio_transcript.done", "response.done")


class _Reading:
    """How far one response has been read."""

    __slots__ = ("event", "length", "next", "queued", "record", "text")

    def __init__(self, record: ResponseRecord, every: int) -> None:
        self.record = record
        self.length = 0  # characters that have come
        self.next = every  # at which it is read again
        self.queued = False  # it is to be read
        self.text = ""  # what was read last
        self.event: Event | None = None  # that had it read


class Guardrail(Watch):
    """One function of the user's. Told of text on the I/O thread, runs on its own."""

    lasting = True

    def __init__(
        self,
        session: Asking,
        check: Check,
        every: int,
        correction: str | None,
        timeout: float | None,
    ) -> None:
        super().__init__((*_DELTAS, *_ENDS))
        self.name = str(getattr(check, "__name__", None) or type(check).__name__)
        self.threads = ToolThreads(limit=1, name="realtime-guardrail")
        self._session = session
        self._check = check
        self._every = every
        self._correction = correction
        self._timeout = timeout
        self._stuck = False  # no text is read any more
        self._readings: dict[str, _Reading] = {}  # of responses that run, by their id
        self._contexts: set[ToolContext] = set()  # of calls that run

    def put(self, events: list[Event]) -> None:
        """Runs on the I/O thread; never blocks."""
        for event in events:
            if event.type == "response.done":
                self._over(event)
            else:
                self._grown(event)

    def _grown(self, event: Any) -> None:
        reading = self._reading(event.response_id)
        if reading is None:
            return
        if event.type in _DELTAS:
            reading.length += len(event.delta)
            if reading.length < reading.next:
                return
            reading.next = (reading.length // self._every + 1) * self._every
        self._queue(reading, event)

    def _over(self, event: Any) -> None:
        reading = self._reading(event.response.id)
        if reading is not None:
            del self._readings[reading.record.id]
            self._queue(reading, event)

    def _reading(self, response_id: str) -> _Reading | None:
        known = self._readings.get(response_id)
        if known is None:
            record = self._session._look(lambda s: s.running.known(response_id))
            if record is None or record.unguarded:
                return None
            # those that were lost with their link never end
            self._readings = {k: r for k, r in self._readings.items() if not r.record.done}
            known = self._readings[response_id] = _Reading(record, self._every)
        return known

    def _queue(self, reading: _Reading, event: Event) -> None:
        reading.event = event
        if reading.queued or reading.record.muted:
            return
        reading.queued = True
        task = Task(f"guardrail {self.name}", lambda: self._read(reading, task), lambda _: None)
        try:
            self.threads.submit(task)
            self._stuck = False
        except Refused:
            reading.queued = False
            if not self._stuck:
                log.error("guardrail %s hangs again and again: texts go unread", self.name)
            self._stuck = True

    def _abandon(self, task: Task, context: ToolContext) -> None:
        """Its time is over: read the next text without it. Runs on the I/O thread."""
        log.warning(
            "guardrail %s has not returned within %g s; it runs on", self.name, self._timeout
        )
        context._abandon()
        self.threads.abandon(task)

    # --- on the guardrail's thread

    def _read(self, reading: _Reading, task: Task) -> None:
        record = reading.record
        reading.queued = False  # before the text is read: what comes from here on is read again
        text = self._session._look(lambda _: _text(record))
        if record.muted or not text or text == reading.text:
            return
        reading.text = text
        verdict = self._judge(text, reading.event, task)
        if verdict:
            self._trip(record, text, verdict if isinstance(verdict, str) else None)

    def _judge(self, text: str, event: Event | None, task: Task) -> str | bool:
        """What the function says."""
        # when called: they bring asyncio, which nothing else in a session without tools needs
        from ..tools.call import finished, was_ended
        from ..tools.context import ToolContext

        context, timer = ToolContext(name=self.name), None
        self._contexts.add(context)
        if self._timeout is not None:
            timer = self._session._connection.after(
                self._timeout, lambda: self._abandon(task, context)
            )
        judging.set(True)
        try:
            verdict = finished(self._check(text), context)
            return verdict if isinstance(verdict, str) else bool(verdict)
        except BaseException as exc:  # the user's code; the response goes on unread
            if not was_ended(exc, context):
                self._report(exc, event)
            return False
        finally:
            self._contexts.discard(context)
            if timer is not None:
                timer.cancel()

    def stop(self) -> None:
        """Read no more, and end what is awaited. From any thread; never blocks."""
        self.threads.close()
        for context in tuple(self._contexts):
            context._abandon()

    def _report(self, exc: BaseException, event: Event | None) -> None:
        log.exception("guardrail %s raised; the response goes on", self.name)
        assert event is not None
        report = CallbackError(error=exc, callback=self._check, event=event)
        self._session._connection.emit(report)

    def _trip(self, record: ResponseRecord, text: str, reason: str | None) -> None:
        session, correction = self._session, None
        if self._correction is not None:
            item = items.system(self._correction)
            correction = item_event(session, item, None, session.input_format)
        corrected: list[bool] = []

        def act(state: SessionState) -> None:
            if not record.muted:  # else another one was faster, or nobody waits for it any more
                corrected.append(trip(state, record, correction))
                session._connection.dispatcher.silence(record.id)

        try:
            session._connection.do(act)
        except SessionClosed:
            return
        if not corrected:
            return
        log.info("guardrail %s has stopped response %s", self.name, record.id)
        session._connection.emit(
            GuardrailTripped(
                response_id=record.id,
                guardrail=self.name,
                reason=reason,
                text=text,
                corrected=corrected[0],
            )
        )


class Guardrails:
    """All guardrails of a session."""

    def __init__(self, session: Asking) -> None:
        self._session = session
        self._all: tuple[Guardrail, ...] = ()

    def add(self, check: Check, every: int, correction: str | None, timeout: float | None) -> None:
        """Have this one read along, from now on; see `RealtimeSession.guardrail`."""
        _check_arguments(check, every, correction)
        if check_timeout(timeout) == 0:
            raise ValueError("timeout: seconds above 0, or None")
        made = Guardrail(self._session, check, every, correction, timeout)
        self._all = (*self._all, made)
        self._session._watches.admit(made)

    def stop(self) -> None:
        """Read no more."""
        for one in self._all:
            one.stop()

    def join(self, deadline: Deadline) -> None:
        """Wait for those that run; what still runs then is logged by name."""
        for one in self._all:
            for task in one.threads.join(deadline.remaining):
                log.warning("%s still runs; what it says does not count any more", task.name)


def _text(record: ResponseRecord) -> str:
    return "".join(item.text or "" for item in record.output)


def _check_arguments(check: Any, every: Any, correction: Any) -> None:
    if not callable(check):
        raise TypeError(f"guardrail: a function of one argument is needed, not {check!r}")
    try:
        inspect.signature(check).bind("")
    except TypeError as exc:
        raise TypeError(f"guardrail: it is called with the text alone: {exc}") from exc
    except ValueError:  # of some functions in C nothing is known
        pass
    if type(every) is not int or every < 1:
        raise ValueError(f"every_chars: a number from 1 on, not {every!r}")
    if correction is not None and (not isinstance(correction, str) or not correction.strip()):
        raise ValueError("correction: what the model is told, or None")
