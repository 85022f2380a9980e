"""The thread that runs callbacks. Knows no socket and no protocol.

The I/O thread puts events in and never waits; callbacks run elsewhere, one at a time, in order.
Handlers are looked up when their event's turn has come, so `off` works at once; an event that
nobody listens to when it arrives is not queued at all.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..events.base import Event
from ..events.local import CallbackError
from .clock import Deadline, may_wait
from .handlers import Handlers
from .inbox import Entry, Inbox, Keep
from .threads import Thread

__all__ = ["Dispatch", "Dispatcher", "Due"]

log = logging.getLogger(__name__)

#: Responses that are kept in mind because nobody wants their deltas.
REMEMBERED = 100

#: A caller's way to have functions run, e.g. by a GUI's event loop.
Dispatch = Callable[[Callable[[], None]], object]


def _run_posted(fn: Callable[[], None]) -> None:
    try:
        fn()
    # sys.exit() in a done-callback must not keep the others from running
    except (Exception, SystemExit):
        log.exception("a future's done-callback raised")


def _serve(ref: weakref.ref[Dispatcher], inbox: Inbox) -> None:
    """The thread. It waits without holding the session, which would live for ever."""
    while True:
        dispatcher = ref()
        if dispatcher is None:
            return
        stopped = dispatcher._stopped  # before the batch: what came before the end is still run
        dispatcher._next_batch()
        if stopped:
            return
        linger = dispatcher._linger
        del dispatcher
        if not inbox.wait(linger):
            dispatcher = ref()
            if dispatcher is None or dispatcher._retires():
                return
            del dispatcher


class Due:
    """What a caller's dispatch is given: a function that runs what is due, or some of it."""

    __slots__ = ("_dispatcher",)

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def __call__(self) -> None:
        self._dispatcher._drain()

    def some(self, budget: float) -> bool:
        """Begin no callback after `budget` seconds but the first; whether there is more to run.

        Inside a callback, as in a modal dialogue's loop: nothing, and False.
        """
        dispatcher = self._dispatcher
        if dispatcher.here:
            return False
        dispatcher._drain(budget)
        return len(dispatcher._inbox) > 0 and not dispatcher._abandoned


class Dispatcher:
    """Runs callbacks: on a thread of its own, through a caller's function, or when pumped."""

    def __init__(
        self,
        handlers: Handlers,
        mode: str | Dispatch,
        report: Callable[[CallbackError], None] = lambda _: None,
        linger: float | None = None,
    ) -> None:
        self._handlers = handlers
        self._linger = linger  # seconds without work after which the thread ends; None: it waits
        self._mode = mode
        self._report = report  # tells others than our handlers that a callback raised
        self._inbox = Inbox("a callback")
        self._thread: Thread | None = None
        # guards the start of the thread, since two threads may bring the first entry, and the stop:
        # what is posted before it must be run by the thread's last round
        self._starting = threading.Lock()
        self._running = threading.Lock()  # held by whoever runs callbacks right now
        self._runner: int | None = None  # his thread's id
        self._stopped = False
        self._abandoned = False  # the time for callbacks is over
        self.calling: Callable[[Any], object] | None = None  # the callback that runs
        self._begun = 0  # callbacks so far
        self._seen = 0  # of them, when somebody looked last
        weakref.finalize(self, self._inbox.wake).atexit = False
        # ids of responses whose deltas no callback gets any more; copy-on-write
        self._silenced: tuple[str, ...] = ()

    @property
    def here(self) -> bool:
        """Whether this thread is running a callback right now."""
        return self._runner == threading.get_ident()

    @property
    def busy(self) -> bool:
        """Whether a callback runs or is due."""
        return self._runner is not None or len(self._inbox) > 0

    @property
    def dropped(self) -> int:
        """Deltas that callbacks have lost, since they were too slow."""
        return self._inbox.dropped

    @property
    def stuck(self) -> object:
        """The callback that runs, if it has been running since the last look; None: none has."""
        begun, seen, self._seen = self._begun, self._seen, self._begun
        return self.calling if begun == seen else None

    # --- in

    def begin(self) -> None:
        """Something will be put: have the thread, where there is to be one. Never blocks."""
        if self._thread is None and self._mode != "manual":
            self._start()

    def put(self, entries: Iterable[Entry]) -> None:
        """Queue what somebody listens to. Runs on the I/O thread; never blocks."""
        self._inbox.put(entries)
        self.begin()

    def post(self, fn: Callable[[], None]) -> None:
        """Have a function run where callbacks run; here, if none will run any more.

        From any thread.
        """
        with self._starting:
            late = self._stopped and self._mode != "manual"
            if not late:
                self._inbox.post(fn)
        if late:
            _run_posted(fn)
        else:
            self.begin()

    def silence(self, response_id: str) -> None:
        """Give callbacks no more deltas of this response, those that are queued included."""
        self._silenced = (*self._silenced[1 - REMEMBERED :], response_id)

    def stop(self) -> None:
        """Nothing will be put any more; the thread ends after what is queued."""
        with self._starting:
            self._stopped = True
        self._inbox.wake()

    def abandon(self) -> int:
        """Begin no further callback; how many entries that leaves. From any thread."""
        self._abandoned = True
        return len(self._inbox)

    # --- out

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                own = (weakref.ref(self), self._inbox)
                thread = Thread(_serve, "realtime-dispatcher", own)
                try:
                    thread.start()
                except RuntimeError as exc:
                    log.debug("no callbacks any more: %s", exc)
                    return
                except BaseException:  # Ctrl-C, and it may have begun: one is enough
                    self._thread = thread
                    raise
                self._thread = thread

    def _retires(self) -> bool:
        """Whether there is nothing to do: the next entry starts another thread."""
        with self._starting:
            # first this: whoever puts something in now either sees it, or is seen below
            thread, self._thread = self._thread, None
            if len(self._inbox) or self._stopped:
                self._thread = thread
            return self._thread is None

    def _next_batch(self) -> None:
        if not callable(self._mode):
            self._drain()
            return
        count = len(self._inbox)
        if count:
            try:
                self._mode(Due(self))
            except Exception:
                log.exception("dispatch raised; %d callbacks are lost", count)
                for _ in range(count):
                    self._inbox.take()

    def _drain(self, budget: float | None = None) -> int:
        """Run what is queued; how many entries were run. Inside a callback or beside one: 0.

        With a budget none begins once so many seconds have passed, but for the first.
        """
        # a GUI's modal dialogue runs its event loop, and so us, inside a callback
        if self.here or not self._running.acquire(blocking=self._mode != "manual"):
            return 0
        done = 0
        ends = None if budget is None else Deadline(budget)
        self._runner = threading.get_ident()
        try:
            while not self._abandoned and not (done and ends is not None and ends.passed):
                if (entry := self._inbox.take()) is None:
                    break
                if isinstance(entry, Keep):
                    continue
                if self._silenced and self._is_silenced(entry):
                    continue
                done += 1
                if isinstance(entry, Event):
                    for handler in self._handlers.take(entry):
                        self._call(handler, entry)
                else:
                    _run_posted(entry)
        finally:
            self._runner = None
            self._running.release()
        return done

    def _is_silenced(self, entry: Entry) -> bool:
        return (
            isinstance(entry, Event)
            and entry.type.endswith(".delta")
            and getattr(entry, "response_id", None) in self._silenced
        )

    def _call(self, handler: Callable[[Any], object], event: Event) -> None:
        self.calling = handler
        self._begun += 1
        try:
            handler(event)
        except BaseException as exc:
            # SystemExit in a callback ends neither the session nor the other callbacks; when we
            # are pumped, Ctrl-C belongs to the thread that pumps
            if isinstance(exc, KeyboardInterrupt) and self._mode == "manual":
                raise
            log.exception("callback %r raised on %s", handler, event.describe())
            if not isinstance(event, CallbackError):
                report = CallbackError(error=exc, callback=handler, event=event)
                self._report(report)
                for listener in self._handlers.take(report):
                    self._call(listener, report)
        finally:
            self.calling = None

    def pump(self, timeout: float, budget: float | None = None) -> int:
        """Run what is due on this thread; wait up to `timeout` seconds for something.

        Args:
            timeout: Seconds to wait.
            budget: Seconds after which no further callback begins; None: all that is due is run.

        Returns:
            How many events were run; 0 at once inside a callback or while another thread pumps.

        Raises:
            RuntimeError: The session's dispatcher is not "manual".
        """
        deadline = Deadline(timeout)
        if self._mode != "manual":
            raise RuntimeError('pump() goes with dispatcher="manual" only')
        may_wait()
        if self._runner is not None:
            return 0
        # wake-ups of what was run before are still there, so look again after each
        while not self._inbox and not self._stopped:
            if not self._inbox.wait(deadline.remaining()) or deadline.passed:
                break
            if self._stopped:
                self._inbox.wake()  # another thread may be pumping too
        return self._drain(budget)

    def join(self, deadline: Deadline) -> bool:
        """Wait for the thread to end; whether it has. From a callback: at once."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or self.here:
            return True
        thread.join(deadline.remaining())
        return not thread.is_alive()
