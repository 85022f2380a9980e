"""The link between a text session and its host: in memory, with a thread for each response.

The connection drives it like a `Transport`; what is sent is heard at once, on the I/O thread. The
threads of responses (`realtime-text-N`) only hand over what the model says.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from ..errors import ProtocolError, RealtimeError
from ..runtime.clock import Deadline, monotonic
from ..runtime.threads import Thread
from .host import Host, Running, Said
from .model import Ended, Model, asker, check
from .wires import GivenUp

__all__ = ["Link", "Workers"]

log = logging.getLogger(__name__)

TEXT = 1


class _End(NamedTuple):
    """How a link ended; see `Transport.ended`."""

    code: int
    reason: str = ""
    error: BaseException | None = None


class Workers:
    """The threads on which a session's model works."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._count = count(1)

    def start(self, work: Callable[[], None]) -> None:
        """Have this done on a thread of its own.

        Raises:
            RuntimeError: The system has none left.
        """
        self._forget_ended()
        # daemon: an API that never answers must not keep the process alive
        thread = Thread(work, f"realtime-text-{next(self._count)}")
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def _forget_ended(self) -> None:
        # not by themselves at their end: close() is to join one that is about to end, too
        begun = [one for one in list(self._threads) if one.ident is not None]
        there = threading.enumerate()
        self._threads.difference_update(one for one in begun if one not in there)

    def join(self, deadline: Deadline) -> None:
        """Wait for all of them; what still runs then is logged by name."""
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(deadline.remaining())
                if thread.is_alive():
                    log.warning("%s still waits for the API to answer", thread.name)


class Link:
    """One end is the connection's, the other one the host's.

    Args:
        model: Who responds.
        name: Of the model.
        workers: On whose threads.
        failures, hidden: See `Host`.
    """

    notify: Callable[[], None] | None = None  # set by the loop; None while nobody watches
    buffered = 0

    def __init__(
        self,
        model: Model,
        name: str,
        workers: Workers,
        *,
        failures: dict[str, RealtimeError],
        hidden: set[str],
    ) -> None:
        self.ended: _End | None = None
        self.last_received = monotonic()
        self._model = model
        self._workers = workers
        self._host = Host(model, name, start=self._begin, failures=failures, hidden=hidden)
        self._came: deque[tuple[Running, Said]] = deque()  # from the threads, oldest first
        self._end: _End | None = None  # how it ends, once everything before is read
        self._host.greet()

    def fileno(self) -> int:
        return -1

    # --- the I/O thread

    def receive(self) -> list[tuple[int, bytes]]:
        if self.ended is not None:
            return []
        self.last_received = monotonic()
        while self._came:
            self._host.took(*self._came.popleft())
        told = [(TEXT, json.dumps(event).encode()) for event in self._host.take()]
        if self._end is not None:
            self.ended = self._end
        return told

    def send(self, payload: bytes) -> None:
        if self._end is None:
            self._host.hear(json.loads(payload))
            self._ready()

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        if self._end is None:
            self._host.stop()
            self._end = _End(code, reason)
            self._ready()

    def hidden(self, text: bytes) -> bytes:
        return text  # no key goes this way

    def ping(self) -> None:
        self._ready()

    def flush(self) -> None:
        pass

    def abort(self) -> None:
        if self._end is None:
            self._end = _End(1006, "aborted")
            self._ready()

    def dismiss(self) -> None:
        self.close()

    def close(self) -> None:
        self._end = self._end or _End(1006)
        self._host.stop()

    def _ready(self) -> None:
        notify = self.notify
        if notify is not None:
            notify()

    # --- the threads of the model

    def _begin(self, running: Running) -> None:
        try:
            self._workers.start(lambda: self._work(running))
        except RuntimeError as exc:
            self._hand_in(running, ProtocolError(f"no thread could be started: {exc}"))

    def _hand_in(self, running: Running, said: Said) -> None:
        self._came.append((running, said))
        self._ready()

    def _work(self, running: Running) -> None:
        """Have the model respond."""
        try:
            self._respond(running)
        except GivenUp:
            pass
        except RealtimeError as exc:
            self._hand_in(running, exc)
        # the safety net: a bug of ours, or a client that is none, must leave nobody waiting
        except BaseException as exc:
            log.exception("a response could not be read")
            self._hand_in(running, ProtocolError(f"reading the response: {exc!r}"))

    def _respond(self, running: Running) -> None:
        self._model.check(running.request.tools)  # some may have been added since
        asker.set(running if self._model.forgets else None)
        run = self._model.begin(running.request)
        asker.set(None)
        running.run = run
        try:
            if running.over:  # too late for `stop` to find it
                return
            self._hand_in(running, None)
            for piece in run:
                if running.over:
                    return
                self._hand_in(running, check(piece))
                if isinstance(piece, Ended):
                    return
            self._hand_in(running, ProtocolError("the response has no end"))
        finally:
            run.close()
