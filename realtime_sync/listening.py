"""Events of a session: callbacks, watchers, taps, and whatever you send by hand."""

from __future__ import annotations

import itertools
import os
import uuid
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .core.requests import ACKNOWLEDGED
from .core.responses import ResponseRecord
from .core.state import SessionState
from .errors import ProtocolError, SessionClosed
from .events.base import ClientEvent, Event, UnknownEvent
from .events.client import ConversationItemCreate
from .events.codec import client_event
from .events.value import check
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.connection import Connection
from .runtime.futures import Reply
from .runtime.handlers import Handlers, check_called, event_type
from .runtime.taps import Tap, Taps
from .runtime.watches import Predicate, Watches
from .streams import Events, Pending

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["Listening"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[[Any], object])


class Listening:
    """The part of a session that deals in events."""

    _connection: Connection
    _loads_images = False  # whether the server loads images from where they are

    def __init__(self) -> None:
        self._prefix = uuid.uuid4().hex[:12]  # makes our ids unlike those of other sessions
        self._counter = itertools.count(1)
        self._handlers = Handlers()
        self._watches = Watches()
        self._taps = Taps()

    @overload
    def on(self, type: str | type[Event]) -> Callable[[F], F]: ...
    @overload
    def on(self, type: str | type[Event], fn: F) -> F: ...
    def on(self, type: str | type[Event], fn: Any = None) -> Any:
        """Call `fn(event)` for each such event; also as a decorator, also before `open()`.

        Callbacks run one at a time, in wire order, where `dispatcher` says. One that raises is
        logged and reported as `callback.error`; the others still run. Of what has come before, a
        new callback gets only what callbacks that were there already have yet to be called with.

        Args:
            type: A wire name, a prefix such as "response.*", "*", or an event class.
            fn: A plain function of one argument.

        Raises:
            ValueError: A name that only the beta dialect has.
            TypeError: `fn` cannot be called so.
        """
        return self._register(type, fn, once=False)

    def once(self, type: str | type[Event], fn: Any = None) -> Any:
        """Like `on`, for the first such event only."""
        return self._register(type, fn, once=True)

    def _register(self, type: str | type[Event], fn: Any, *, once: bool) -> Any:
        wanted = event_type(type)
        if fn is None:
            return lambda decorated: self._register(type, decorated, once=once)
        self._handlers.add(wanted, fn, once=once)
        return fn

    def off(self, type: str | type[Event], fn: Callable[[Any], object]) -> bool:
        """Take a callback off; whether it was registered."""
        return self._handlers.remove(event_type(type), fn)

    def wait_for(
        self,
        type: str | type[Event],
        predicate: Predicate | None = None,
        *,
        timeout: float | None = 30,
    ) -> Any:
        """The next such event from now.

        Args:
            type: As in `on`.
            predicate: Of the event; runs in this thread, and what it raises is raised here.
            timeout: Seconds; None waits for ever.

        Raises:
            RealtimeTimeout: None came in time.
            SessionClosed, ConnectionLost: None will come.
            TypeError: A predicate that cannot be called with one event.
        """
        deadline = Deadline(timeout)
        with self.expect(type, predicate) as pending:
            return pending.result_by(deadline)

    def expect(self, type: str | type[Event], predicate: Predicate | None = None) -> Pending:
        """Watch for an event from now on, so that what comes next cannot be too fast for you.

        ::

            with session.expect("conversation.item.added") as pending:
                session.send(...)
            event = pending.result(timeout=5)
        """
        wanted = event_type(type)
        if isinstance(predicate, (int, float)):
            raise TypeError(f"predicate: a function of one event; is timeout={predicate} meant?")
        if predicate is not None:
            check_called(predicate, "a predicate")
        self._check_open()
        return Pending(self._watches.add([wanted]), self._watches, predicate)

    def events(self, *types: str | type[Event], timeout: float | None = None) -> Events:
        """An iterator over such events from now on; no types: all.

        Args:
            types: As in `on`.
            timeout: Seconds to wait for each; None waits for ever.
        """
        check_timeout(timeout)
        wanted = [event_type(kind) for kind in types]
        self._check_open()
        return Events(self._watches.add(wanted), self._watches, timeout)

    def send(self, event: ClientEvent | dict[str, Any]) -> str:
        """Queue any client event; never waits for the network.

        Returns:
            Its `event_id`, made where it has none.

        Raises:
            ConfigurationError: It has no type, or a wrong value; names the field.
            ConnectionLost: There is no link now, and such an event does not wait for the next one;
                `session.update`, `response.create`, item creates and retrievals do.
            SessionClosed: There is no session.
        """
        known = self._with_id(event)
        self._check_open()

        def send(state: SessionState) -> None:
            state.recovery.check_surviving(known)
            state.sending(known)

        self._connection.do(send)
        return known.event_id or ""

    def request(self, event: ClientEvent | dict[str, Any]) -> Reply[Event]:
        """Queue a client event and have its acknowledgement.

        Returns:
            A future: the server's answer (of `response.create`: `response.created`; of
            `response.cancel`: `response.done`), or the `ServerError` that names this event.

        Raises:
            ValueError: Nothing acknowledges such an event.
            ConnectionLost: As `send`.
        """
        known = self._with_id(event)
        self._check_open()
        if known.type not in ACKNOWLEDGED:
            raise ValueError(f"nothing answers {known.type}; use send()")
        if isinstance(known, ConversationItemCreate) and known.item.id is None:
            # the item's id is all that its acknowledgement has in common with it
            item = known.item.model_copy(update={"id": self.new_id("item")})
            known = known.model_copy(update={"item": item})
        convert = _first_event if known.type == "response.create" else _as_event
        return self._request(known, convert, by_hand=True)

    def tap(self, fn: Tap) -> Callable[[], None]:
        """Show `fn("sent" or "received", event)` everything, as the wire has it, in wire order.

        It runs on the I/O thread: be quick, do not change the event, make no blocking call.

        Returns:
            The function that takes it off again.
        """
        return self._taps.add(fn)

    def record(
        self,
        path: str | os.PathLike[str],
        *,
        audio: bool = False,
        max_bytes: int | None = 1 << 30,
    ) -> Recording:
        """Write all that goes over the wire from now on into a file, one JSON line an event.

        Of a session that is open already it begins with what both sides know by then.
        `realtime-sync replay FILE` shows it, `LocalServer.from_recording(path)` plays the server's
        part of it. A thread of its own writes it, `realtime-recorder`; it ends with the session.
        What people say is in it, and only you may read the file; keys are not.

        Args:
            path: Of the file; one that is there is replaced.
            audio: Write the audio too: 64 kB a second each way, while somebody speaks.
            max_bytes: That the file may have; then the recording ends. None: no end.

        Returns:
            The recording, to end it earlier (`with`, or `close()`).

        Raises:
            OSError: It cannot be written.
            ConfigurationError: `max_bytes` is too small for anything.
            SessionClosed: The session is closed.
        """
        if self._connection.phase in ("closing", "closed"):
            raise SessionClosed("a closed session says nothing that could be recorded")
        # when called: a session that is not recorded needs none of it
        from .recording import Recording

        made = Recording(path, audio=audio, max_bytes=max_bytes)
        weakref.finalize(self, made.end).atexit = False
        try:
            self._connection.record(made)
        except SessionClosed:  # meanwhile
            made.close()
            raise
        return made

    def pump(self, timeout: float = 0, *, budget: float | None = None) -> int:
        """With `dispatcher="manual"`: run the callbacks that are due, on this thread.

        Args:
            timeout: Seconds to wait for something to become due.
            budget: Seconds after which no further callback begins: the rest is due the next time,
                and at least one is run each time. So a frame of a game is never late by more than
                your longest callback, however much has come. None: all that is due is run.

        Returns:
            How many events were run; 0 at once inside a callback or while another thread pumps.

        Raises:
            RuntimeError: Another dispatcher.
            ValueError, TypeError: No such number.
        """
        may_wait()
        check_timeout(budget, "budget")
        return self._connection.dispatcher.pump(timeout, budget)

    def new_id(self, kind: str) -> str:
        """A new id, e.g. of an "event" or "item"; at most 32 characters."""
        return f"{kind}_{self._prefix}{next(self._counter):06x}"

    def _look(self, read: Callable[[SessionState], T]) -> T:
        return self._connection.look(read)

    def _check_open(self) -> None:
        self._connection.check_open()

    def _event(self, kind: type[ClientEvent], **fields: Any) -> Any:
        """A client event of our own, with an id.

        Raises:
            ConfigurationError: A caller's value that the wire has no place for; names the field.
        """
        return check(kind, {"event_id": self.new_id("event"), **fields})

    def _with_id(self, event: ClientEvent | dict[str, Any]) -> ClientEvent:
        known = client_event(event)
        if known.event_id is None:
            known = known.model_copy(update={"event_id": self.new_id("event")})
        self._connection.check(known)
        return known

    def _request(
        self,
        event: ClientEvent,
        convert: Callable[[Any], Any] | None = None,
        act: Callable[[SessionState], Any] | None = None,
        *,
        by_hand: bool = False,
    ) -> Reply[Any]:
        def send(state: SessionState) -> None:
            if by_hand:
                state.recovery.check_surviving(event)
            state.sending(event)

        reply = self._connection.do(
            act or send,
            key=event.event_id,
            what=event.type,
            convert=convert,
        )
        assert reply is not None
        return reply

    def _ask_server(
        self,
        event: ClientEvent,
        deadline: Deadline,
        act: Callable[[SessionState], Any] | None = None,
    ) -> Any:
        may_wait()  # before anything is sent: nobody could take the answer
        self._check_open()
        self._connection.check(event)
        answer = self._connection.wait(
            lambda: self._request(event, None, act), event.event_id or "", deadline
        )
        if isinstance(answer, UnknownEvent):
            raise ProtocolError(f"{event.type}: the server has answered what cannot be read")
        return answer

    def _wait(self, reply: Reply[T], key: str, deadline: Deadline) -> T:
        answer: T = self._connection.wait(lambda: reply, key, deadline)
        return answer


def _as_event(answer: Any) -> Event:
    """The event that settles a request; of a cancelled response its last."""
    event: Event = answer.events[-1] if isinstance(answer, ResponseRecord) else answer
    return event


def _first_event(record: ResponseRecord) -> Event:
    """`response.created`, also where the response is over already."""
    return record.events[0]
