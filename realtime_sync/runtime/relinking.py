"""A session that goes from one link to the next: lost ones, renewals, a fresh start.

The part of `Connection` that looks whether its link lives, and makes the second and all that
follow. Everything here runs on the I/O thread unless it says otherwise. Whatever the reason, a new
link is a new session on the server, and hears all that it is to know before anything else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConnectError, ConnectionLost, RealtimeError, SessionClosed
from ..events import local
from ..events.base import Event
from . import loop as io
from .attempt import Attempt
from .carrier import Todo
from .clients import weakly
from .clock import Deadline, monotonic, until
from .ending import Ending
from .link import Link
from .outbox import APPEND, audio_in

if TYPE_CHECKING:
    from ..core.recovery import Unsent

__all__ = ["Relinking"]

log = logging.getLogger(__name__)

#: Seconds for one attempt, until its session is ready.
ATTEMPT = 10.0
#: Seconds for which a renewal waits for an idle moment.
PATIENCE = 30.0
#: Seconds until a renewal that failed is tried again.
PAUSE = 10.0
#: The key under which `reset` waits.
RESET = "reset"


class Relinking(Ending):
    """Looks after the session's link, and makes the next."""

    @property
    def reconnects(self) -> int:
        """How often another link has taken over."""
        return max(0, self._links - 1)

    # --- a link that lives

    def _adopt(self, link: Link) -> None:
        if self._link is not link or self._loop is None:
            return
        self._loop.watch(link, self._client)
        self._look_again(self._liveness.begin())
        todo = Todo()
        with self._lock:
            self._state.linked()
            self._carrier.collect(self._state.take(), todo)
        self._carrier.carry_out(todo)

    def on_resume(self) -> None:
        """The machine has been asleep: whether the link has outlived that. On the I/O thread."""
        link = self._link
        if link is None or link.ended is not None or self._liveness.interval is None:
            return
        if self._pinger is not None:
            self._pinger.cancel()
        link.ping()
        self._look_again(self._liveness.probe(monotonic()))

    def _look_again(self, delay: float | None) -> None:
        if delay is not None and self._loop is not None:
            self._pinger = self._loop.call_later(delay, weakly(self._look_at_link))

    def _look_at_link(self) -> None:
        """Whether the server lives; asks it if it has not spoken for a while."""
        link = self._link
        if link is None or link.ended is not None:
            return
        now = monotonic()
        if self._liveness.silent(link.last_received):
            silence = now - link.last_received
            error = ConnectionLost(f"the server has been silent for {silence:.1f} s", code=1006)
            error.__cause__ = TimeoutError("no answer to a ping")
            self._lose(error)
            return
        ask, delay = self._liveness.look(now, link.last_received)
        if ask:
            link.ping()
        self._look_again(delay)

    def _link_ended(self, link: Link) -> None:
        ended: Any = link.ended
        link.flush()  # our close frame, if the kernel takes it
        if self.phase == "closing" or self._state.over:
            self._finish(None)
            return
        reason = f": {ended.reason}" if ended.reason else ""
        error = ConnectionLost(
            f"the link was lost, code {ended.code}{reason}", code=ended.code, reason=ended.reason
        )
        error.__cause__ = ended.error
        self._lose(error)

    # --- a link that is lost

    def _judge(self, events: Sequence[Event]) -> None:
        """Whether something has come of the present link, but greetings and errors."""
        idle = ("session.", "error", "conversation.item.")
        if self.phase == "open" and not all(event.type.startswith(idle) for event in events):
            self._relink.worked()

    def _lose(self, error: RealtimeError) -> None:
        """The link, or an attempt to make one, has failed: try again, or end."""
        living = self.phase in ("open", "reconnecting")
        if self._link is not None and (self.phase == "reconnecting" or self._relink.unproven):
            self._blame()
        delay = self._relink.delay(error, monotonic()) if living else None
        if delay is None:
            final = _final(error, self._relink.cause(error))
            if living:
                log.warning("%s; the session has ended", final)
            self._finish(final)
            return
        loop = self._unlink(error)
        if loop is None:
            return  # close() was faster: it ends what is left
        if not self._told:  # once until it is restored; of a renewal only if that goes wrong
            self._told = True
            log.warning("%s; trying again", error)
            self._publish([local.ConnectionLost(error=_lost(error), retrying=True)])
        if self._attempt is None:  # else a renewal's is under way: its link is as good
            self._alarm = loop.call_later(delay, weakly(self._dial_again))

    def _unlink(self, error: RealtimeError) -> io.Loop | None:
        """Drop the link, and decide what becomes of what was under way; None: the session ends."""
        todo = Todo()
        loop = self._loop
        with self._lock:
            if self.phase not in ("open", "reconnecting") or loop is None:
                return None
            if self._resetting and self.phase == "open":  # whatever has ended its link
                self._state.restart(_lost(error))
            self.phase = "reconnecting"
            link, self._link = self._link, None
            unsent = [_unsent(kind, frame) for kind, frame in self._outbox.speech()]
            room = self._outbox.clear()
            self._state.unlinked(_lost(error), unsent)
            self._carrier.collect(self._state.take(), todo)
        for timer in (self._pinger, self._alarm, self._renewer):
            if timer is not None:
                timer.cancel()
        self._parting = None
        if link is not None:
            self._drop_link(loop, link)
        for signal in room:
            signal.set()
        self._carrier.carry_out(todo)
        self._publish(todo.local)
        return loop

    def _dial_again(self) -> None:
        """Begin an attempt."""
        loop = self._loop
        if loop is None:
            return
        self._attempt = attempt = Attempt(
            self._connect, loop, seconds=ATTEMPT, made=self._arrived, failed=self._attempt_failed
        )
        # one that has told of its link lives a moment longer: close() joins it, too
        living = (thread for thread in self._dialling if thread.is_alive())
        self._dialling = (*living, attempt.thread)
        try:
            attempt.start()
        except ConnectError as exc:
            self._attempt_failed(attempt, exc)

    def _attempt_failed(self, attempt: Attempt, error: RealtimeError) -> None:
        if attempt is not self._attempt:
            return
        self._attempt = None
        log.info("no link: %s", error)
        if self.phase == "reconnecting":
            self._lose(error)
        elif self.phase == "open":
            self._renewal_failed(error)

    def _arrived(self, attempt: Attempt) -> None:
        """A link is there: go over to it."""
        made, ours = attempt.take(), attempt is self._attempt
        if ours:
            self._attempt = None
        if made is None:
            return
        link, dialect = made
        if self.phase == "open" and ours and self._may_part():
            self._part()
        with self._lock:
            # publish or drop, under the lock: close() may have come meanwhile; what runs on the
            # present link may have begun meanwhile, too: the next idle moment has another attempt
            wanted = self.phase == "reconnecting" and ours
            if wanted:
                self._link, self._dialect = link, dialect
        loop = self._loop
        if not wanted or loop is None:
            link.abort()
            link.close()  # ours still: nobody else has seen it
            return
        left = attempt.deadline.remaining() or 0.0
        self._alarm = loop.call_later(left, weakly(self._not_ready, link))
        self._adopt(link)

    def _not_ready(self, link: Link) -> None:
        if self._link is link and self.phase == "reconnecting":
            self._lose(ConnectError("the server did not confirm what it was told in time"))

    def _relinked(self, todo: Todo) -> None:
        """The session is ready on its link, the first or another. Hold the lock."""
        self._links += 1
        if self._resetting:  # else this link is none that a reset has asked for
            self._resetting = False
            self._carrier.settle(RESET, None, todo)

    def _plan(self) -> None:
        """What is due on the link on which the session is ready now."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._told = False
        self._relink.linked(monotonic())
        expires_at = self._state.session.expires_at
        seconds = self._relink.renewal(None if expires_at is None else until(expires_at))
        self._renewal_due = None if seconds is None else monotonic() + seconds
        self._plan_renewal(0.0)

    def _plan_renewal(self, least: float) -> None:
        """Renew the session when that is due, but not within so many seconds."""
        if self._renewal_due is not None and self._loop is not None:
            seconds = max(least, self._renewal_due - monotonic())
            self._renewer = self._loop.call_later(seconds, weakly(self._expiring))

    # --- a session that is renewed

    def _expiring(self) -> None:
        """The time has come to go over to another session, at the next idle moment."""
        if self.phase != "open" or self._loop is None:
            return
        expires_at = self._state.session.expires_at
        if expires_at is not None and self._parting is None:
            self._publish([local.SessionExpiring(expires_at=expires_at)])
        self._begin_parting(PATIENCE)

    def _begin_parting(self, patience: float) -> None:
        loop = self._loop
        assert loop is not None
        self._parting = monotonic() + patience
        if self._renewer is not None:
            self._renewer.cancel()  # of a reset session the end that was planned is no matter
        self._renewer = loop.call_later(patience, weakly(self._renew_if_idle))
        self._renew_if_idle()

    def _may_part(self) -> bool:
        if self._parting is None:
            return False
        todo = Todo()
        with self._lock:
            may = self._state.recovery.idle or monotonic() >= self._parting
            self._state.recovery.part()  # what holds it up may be another thing by now
            self._carrier.collect(self._state.take(), todo)
        self._carrier.carry_out(todo)
        return may

    def _renew_if_idle(self) -> None:
        """Make the next link while the present one still works."""
        if self.phase == "open" and self._attempt is None and self._may_part():
            self._dial_again()

    def _part(self) -> None:
        """Leave the present link in good order: another is there."""
        link = self._link
        if link is not None and link.ended is None:
            link.send_close(1000)
            link.flush()
        why = "the session was reset" if self._resetting else "the session was renewed"
        self._unlink(ConnectionLost(why, code=1000))

    def _renewal_failed(self, error: RealtimeError) -> None:
        """Stay on the present link as long as it lives, and try again."""
        self._parting = None
        todo = Todo()
        with self._lock:
            self._state.recovery.stay()
            self._carrier.collect(self._state.take(), todo)
            self._carrier.reject(RESET, error, todo)
        self._carrier.carry_out(todo)
        loop = self._loop
        if self._renewer is not None:
            self._renewer.cancel()
        if self._resetting:
            self._resetting = False
            self._plan_renewal(PAUSE)
        elif loop is not None:
            log.warning("the session could not be renewed: %s; trying again", error)
            self._renewer = loop.call_later(PAUSE, weakly(self._expiring))

    # --- a fresh start

    def reset(self, deadline: Deadline) -> None:
        """Go over to a new session with an empty conversation. Any thread but the I/O thread.

        Raises:
            RealtimeError: It did not work; if the old link still works, nothing has changed.
        """
        with self._lock:
            self.check_open()
            loop = self._loop
            if self.phase == "connecting" or loop is None:
                raise SessionClosed("the session is not open yet; wait until it is")
            reply = self._reset
            if reply is None or reply.done():
                reply = self._reset = self._carrier.expect(RESET, "reset")
                loop.call(self._begin_reset)
        reply.result_by(deadline)

    def _begin_reset(self) -> None:
        self._resetting = True
        if self.phase == "open":
            self._begin_parting(0.0)
        elif self.phase == "reconnecting":
            # a session that has heard the old conversation, or a part of it, will not do
            error = ConnectionLost("the session was reset", code=1000)
            with self._lock:
                self._state.restart(error)
            loop = self._unlink(error)
            if loop is not None and self._attempt is None:
                self._alarm = loop.call_later(0.0, weakly(self._dial_again))


def _lost(error: RealtimeError) -> ConnectionLost:
    return error if isinstance(error, ConnectionLost) else _final(error, error)


def _final(error: RealtimeError, cause: RealtimeError) -> Any:
    """Why the session ends, or its link: what is to blame."""
    if isinstance(error, ConnectionLost) and cause is error:
        return error
    lost = error if isinstance(error, ConnectionLost) else None
    final = ConnectionLost(
        f"the link was lost for good: {cause}",
        code=lost.code if lost is not None else 1006,
        reason=lost.reason if lost is not None else "",
    )
    final.__cause__ = cause
    return final


def _unsent(kind: str, frame: bytes) -> Unsent:
    """A frame of audio, and its bytes of audio without decoding them; of others the event id."""
    if kind != APPEND:
        return str(json.loads(frame).get("event_id"))
    return frame, audio_in(frame)
