"""The first link of a session, all or nothing: what fails leaves no thread and no socket.

The part of `Connection` that opens. An attempt that failed may be followed by another.
"""

from __future__ import annotations

import logging
from typing import Any

from ..core.state import OPEN
from ..errors import ConnectError, RealtimeError, RealtimeTimeout, SessionClosed
from ..events import local
from . import loop as io
from .carrier import Todo
from .clock import Deadline, Signal, may_wait, monotonic
from .futures import Reply
from .guarded import SOON
from .link import Link
from .receiving import Receiving
from .threads import Thread

__all__ = ["Opening"]

log = logging.getLogger(__name__)

#: Seconds for what ends within a tenth of one, unless a caller's own function holds it.
GRACE = 0.3


class Opening(Receiving):
    """Opens a session."""

    def open(self, deadline: Deadline) -> None:
        """Connect, and wait until the server has confirmed what it was told.

        Raises:
            RealtimeError: It did not work; no thread is left, and it can be tried again.
        """
        may_wait()
        self._check_alone()
        state = self._new_state()
        mine, reply = False, None
        try:
            with self._lock:
                if self.phase in ("open", "reconnecting"):
                    return
                mine = self.phase == "new"  # from here on, whatever happens, we clean up
                if mine:
                    self.phase = "connecting"
                    self.opened = monotonic()
                    self._state = state
                    self._cleaned.clear()
                    self._opening = self._carrier.expect(OPEN, "open")
                reply = self._opening if self.phase == "connecting" else None
            if reply is None:
                raise SessionClosed("a closed session stays closed; make a new one") from self.error
            if mine:
                self._dial(reply, deadline)
            reply.result_by(deadline)
        except BaseException as exc:
            failed = self._failed(exc, deadline) if mine else exc
            # the thread that began the attempt cleans up; it may wait for callbacks
            if not mine and reply is not None and not self.dispatcher.here:
                self._cleaned.wait(deadline.remaining())
            if failed is not None:
                if isinstance(failed, RealtimeError):
                    failed.__traceback__ = None  # our own frames would hide the caller's line
                raise failed from failed.__cause__
        if mine and self._dialler is not None:
            self._dialler.join()  # it has handed the link over

    def _dial(self, reply: Reply[Any], deadline: Deadline) -> None:
        self._dialler = None
        try:
            self._loop = self._client.loop = io.acquire()
            thread = Thread(self._make_link, "realtime-connect", (reply, deadline))
            thread.start()
        except (OSError, RuntimeError) as exc:  # no descriptor, or no thread, is left
            raise ConnectError(f"the system is short of threads or descriptors: {exc}") from exc
        self._dialler = thread

    def _failed(self, exc: BaseException, deadline: Deadline) -> BaseException | None:
        """Clean up after an attempt; the error that `open` raises; None: it is open after all."""
        late = deadline.passed  # asked before the deadline is cut short
        if isinstance(exc, RealtimeTimeout) and self._opening is not None:
            exc = self._last_words(exc, self._opening)
        if self._withdraw(exc, deadline):
            if isinstance(exc, RealtimeTimeout):
                return None
            self.close(Deadline(SOON))
        if isinstance(exc, ConnectError) and exc.status is None and late:
            timeout = RealtimeTimeout(f"{exc}; give it more by timeout=")
            timeout.__cause__ = exc
            return timeout
        return exc

    def _last_words(self, timeout: RealtimeTimeout, reply: Reply[Any]) -> BaseException:
        """The attempt ends at the same moment as the wait for it, and may know more."""
        if self._link is not None:
            return RealtimeTimeout(f"{timeout}; {self._not_said()}")
        try:
            reply.result_by(Deadline(GRACE))
        except ConnectError as exc:
            exc.__context__ = None  # the timeout, of which it says more: what there was no time for
            return exc
        except RealtimeError:
            pass  # nothing that the timeout does not say
        except KeyboardInterrupt as exc:
            return exc
        return timeout

    def _not_said(self) -> str:
        """What the server, which has taken the link, has not said."""
        with self._lock:
            missing = sorted(self._state.calls.listings.missing)
            unconfirmed = self._state.replay.unconfirmed
        if unconfirmed:
            return "the server has not confirmed the configuration, tools or history given"
        if missing:
            return f"MCP servers have not listed their tools: {', '.join(missing)}"
        return "the server has not said session.created; is it one of the Realtime API?"

    def _make_link(self, reply: Reply[Any], deadline: Deadline) -> None:
        """One attempt; runs on `realtime-connect`."""
        try:
            link, dialect = self._connect(deadline)
        except RealtimeError as exc:
            self._fail_opening(reply, exc)
            return
        # BaseException: a key function may call sys.exit(), and open() must hear of it
        except BaseException as exc:
            log.exception("connecting failed in an unexpected way")
            self._fail_opening(reply, ConnectError(f"connecting: {type(exc).__name__} was raised"))
            return
        with self._lock:
            # publish or drop, under the lock: close(), or the next open(), may have come meanwhile
            wanted = self._opening is reply and self.phase == "connecting" and not self._given_up
            if wanted:
                self._link, self._dialect = link, dialect
        if wanted and self._loop is not None:
            self._loop.call(lambda: self._adopt(link))
        else:
            link.abort()
            link.close()  # ours still: nobody else has seen it

    def _fail_opening(self, reply: Reply[Any], error: RealtimeError) -> None:
        todo = Todo()
        with self._lock:
            if self._opening is reply:
                self._carrier.reject(OPEN, error, todo)
        self._carrier.carry_out(todo)

    def _withdraw(self, why: BaseException, deadline: Deadline) -> bool:
        """Opening failed: leave nothing behind, and fail what callbacks began meanwhile.

        Returns:
            True where the session has become open by now, and is in use: nothing was done.
        """
        error = SessionClosed("the session could not be opened")
        error.__cause__ = why if isinstance(why, RealtimeError) else None
        todo = Todo()
        with self._lock:
            if self._opening is None and self.phase not in ("new", "connecting"):
                return True
            self._given_up = True
            link, self._link = self._link, None
            self._reject_all(error, todo)
            room = self._outbox.clear()
        deadline.expire()  # ends the attempt within a tenth of a second
        for signal in room:
            signal.set()
        self._carrier.carry_out(todo)
        patience = Deadline(_patience(why))
        loop, ended = self._loop, Signal()
        if loop is not None:
            loop.call(lambda: self._end_opening(loop, link, error, ended))
            ended.wait(Deadline(SOON))
            self._client.loop = None
            loop.release(SOON)
        if self._dialler is not None:
            self._dialler.join(patience.remaining())
            if self._dialler.is_alive():
                log.warning("realtime-connect still waits for the key or for the name's address")
        fresh = self._new_state()
        # a callback may be in close(), and wait for us; what is pumped is still to be run
        if self.phase != "closing" and self._dispatch != "manual":
            self.dispatcher.stop()
            self.dispatcher.join(Deadline(SOON))
        with self._lock:
            closed = self.phase == "closing"
            self.phase = "closed" if closed else "new"
            self._state = fresh
            self._opening = self._loop = self._dialler = None
            self._given_up = False
            if not closed and self._dispatch != "manual":
                self.dispatcher = self._new_dispatcher()
        self._cleaned.set()
        if closed:
            self._closed.set()
            self.dispatcher.stop()
            self.dispatcher.join(Deadline(SOON))
        return False

    def _end_opening(
        self, loop: io.Loop, link: Link | None, error: RealtimeError, ended: Signal
    ) -> None:
        """Nothing of this attempt will be heard any more. Runs on the I/O thread."""
        if self._pinger is not None:
            self._pinger.cancel()
        if link is not None:
            self._drop_link(loop, link)
        closing = self.phase == "closing"
        if closing:
            self._publish([local.ConnectionClosed(error=None)])
        self._watches.end(None if closing else error, over=closing)
        ended.set()


def _patience(why: BaseException) -> float:
    """Seconds for the thread that connects, once an attempt has failed."""
    if isinstance(why, ConnectError):
        return SOON  # it has said so itself, and is at its end
    # who presses Ctrl-C waits for no key function
    return GRACE if isinstance(why, Exception) else GRACE / 2
