"""The `realtime-io` thread: one selector for every session of the process. Knows no WebSocket.

`acquire()` starts the thread for its first caller, the last `release` ends it. A *link* is what
bytes come from (a `Transport`, or a memory `Pipe` in tests), a *client* is who is called about it.

The thread sleeps in the selector until a descriptor is ready, a timer is due or a byte comes down
the wake-up socketpair; once a second it looks whether the machine has been asleep, which no
descriptor tells. That byte is written only while the thread sleeps. No
wake-up is lost: a waker queues first and looks at the flag then; the thread sets the flag first and
looks at the queues then, so at least one of the two sees the other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

from .clients import Client, Link, Watched
from .clock import Sleep, forbidden
from .threads import Thread
from .timers import Timer, Timers

__all__ = ["Client", "Link", "Loop", "Timer", "acquire"]

log = logging.getLogger(__name__)

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_LOOK = 1.0  # seconds after which to see whether the machine has been asleep


class Loop:
    """The I/O thread. Get it from `acquire()`, give it back with `release`."""

    def __init__(self) -> None:
        self.users = 0  # acquired and not released; guarded by `_guard`
        self._calls: deque[Callable[[], None]] = deque()  # any thread appends, in order
        # Dicts as ordered sets: one store marks, however often, and needs no lock.
        self._woken: dict[Client, None] = {}
        self._ready: dict[Watched, None] = {}  # to be read although no descriptor says so
        self._watches: dict[Link, Watched] = {}
        self._of_client: dict[Client, Watched] = {}
        self._timers = Timers()
        self._sleep = Sleep()
        self._stopping = False
        self._dead = False  # in a forked child: the descriptors are the parent's
        self._sleeping = False  # see the module's docstring
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, _READ, None)
        self._thread = Thread(self._run, "realtime-io")

    def start(self) -> None:
        """Start the thread. `acquire` calls it."""
        try:
            self._thread.start()
        except RuntimeError:  # the system has none left
            self._close()
            raise

    def release(self, timeout: float | None) -> bool:
        """Give back what `acquire()` gave; the last one ends the thread and joins it.

        On the I/O thread itself nothing is joined: it ends after the present round.

        Args:
            timeout: Seconds to wait for the thread; None waits for ever.

        Returns:
            False if the thread should have ended but still runs.
        """
        global _loop
        with _guard:
            self.users -= 1
            if self.users > 0 or self._stopping:
                return True
            self._stopping = True
            if _loop is self:
                _loop = None
        self._kick()
        return self.join(timeout)

    def join(self, timeout: float | None) -> bool:
        """Wait for the thread, if it is to end; False if it still runs, but for oneself.

        After a release that could not wait for it.
        """
        if not self._stopping or self._dead or self.in_loop():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def in_loop(self) -> bool:
        """Whether this is the I/O thread."""
        return threading.get_ident() == self._thread.ident

    def call(self, fn: Callable[[], None]) -> None:
        """Run `fn` soon on the I/O thread, in the order of the calls. Any thread."""
        self._calls.append(fn)
        if self._sleeping:
            self._kick()

    def call_later(self, delay: float, fn: Callable[[], None]) -> Timer:
        """Run `fn` on the I/O thread after `delay` seconds. Any thread."""
        timer = self._timers.add(delay, fn)
        if self._sleeping:
            self._kick()
        return timer

    def wake(self, client: Client) -> None:
        """Have `client.on_wake()` run soon, once however often it is asked for. Any thread."""
        self._woken[client] = None
        if self._sleeping:
            self._kick()

    def watch(self, link: Link, client: Client) -> None:
        """Call `client.on_readable()` whenever `link` has something. Runs on the I/O thread.

        The first call comes without any: the handshake may have read more than its own.
        """
        if self._dead:
            return
        self.unwatch(link)
        watch = self._watches[link] = self._of_client[client] = Watched(link, client)
        if watch.fd < 0:
            link.notify = lambda: self._mark_ready(watch)  # type: ignore[attr-defined]
        else:
            self._drop_stale(watch.fd)
            self._set_mask(watch, _READ)
        self._mark_ready(watch)

    def unwatch(self, link: Link) -> None:
        """Forget `link`. Call it before `link.close()`. Runs on the I/O thread."""
        watch = self._watches.pop(link, None)
        if watch is None or self._dead:
            return
        if self._of_client.get(watch.client) is watch:
            del self._of_client[watch.client]
        self._ready.pop(watch, None)
        if watch.fd < 0:
            link.notify = None  # type: ignore[attr-defined]
        self._set_mask(watch, 0)

    def abandon(self, client: Client) -> None:
        """Nobody holds this client any more: say goodbye for it. Runs on the I/O thread."""
        watch = self._of_client.get(client)
        if watch is not None:
            self.unwatch(watch.link)
            watch.link.dismiss()
        self.release(0)

    def forget(self) -> None:
        """Be dead: this is a forked child, where thread and descriptors are the parent's."""
        self._dead = self._stopping = True
        self._sleeping = False  # so that nothing writes to the socketpair shared with the parent

    def __repr__(self) -> str:
        state = "dead" if self._dead else "ending" if self._stopping else "running"
        return f"<Loop {state}, {len(self._watches)} links, {self.users} users>"

    def _run(self) -> None:
        forbidden.add(threading.get_ident())
        try:
            while not self._stopping:
                self._turn()
            self._run_calls()  # what was asked for before the release is still done
        # should never run: a bug of this module, or a link that raises; nobody may wait for ever
        except BaseException as exc:
            self._give_up(exc)
        finally:
            forbidden.discard(threading.get_ident())
            self._close()

    def _close(self) -> None:
        self._selector.close()
        # under the guard: a late `_kick` must not write to a descriptor that is someone else's
        with _guard:
            self._sleeping = False
            self._wake_in.close()
            self._wake_out.close()

    def _give_up(self, error: BaseException) -> None:
        global _loop
        with _guard:
            self._stopping = True
            if _loop is self:
                _loop = None  # the next session gets a fresh one
        log.critical("the I/O thread broke", exc_info=error)
        for client in list(self._of_client):
            self._fault(client, error)

    def _turn(self) -> None:
        ready = self._select()
        if self._sleep.is_over():
            for watch in list(self._watches.values()):
                on_resume = getattr(watch.client, "on_resume", None)
                if on_resume is not None:
                    self._tell(watch.client, on_resume)
        for watch, events in ready:
            if self._watches.get(watch.link) is watch:  # an earlier client may have dropped it
                self._on_event(watch, events)
        for watch in list(self._ready):
            self._ready.pop(watch, None)
            if self._watches.get(watch.link) is watch and watch.link.ended is None:
                self._tell(watch.client, watch.client.on_readable)
        for client in list(self._woken):
            # unmarked first: what is queued while on_wake runs must bring it back
            self._woken.pop(client, None)
            self._tell(client, client.on_wake)
        if self._run_calls() | self._run_timers():  # both, so no `or`
            for watch in list(self._watches.values()):
                if watch.link.buffered:  # a keep-alive ping, say
                    self._settle(watch)

    def _select(self) -> list[tuple[Watched, int]]:
        timeout = self._timers.wait()
        if self._watches:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        self._sleeping = True
        # after the flag, never before: see the module's docstring
        if self._calls or self._woken or self._ready or self._timers.fresh or self._stopping:
            timeout = 0
        ready = self._selector.select(timeout)
        self._sleeping = False
        events = []
        for key, mask in ready:
            if key.data is None:
                self._drain()
            else:
                events.append((key.data, mask))
        return events

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # nothing more to read: it is non-blocking
            while len(self._wake_in.recv(4096)) == 4096:
                pass

    def _kick(self) -> None:
        with _guard, contextlib.suppress(OSError):  # full: it wakes anyway; closed: it has ended
            if self._dead or not (self._sleeping or self._stopping):
                return
            # no call in between: Ctrl-C in it would leave the thread asleep for ever
            self._sleeping = False  # the others need not write as well
            self._wake_out.send(b"\0")

    def _on_event(self, watch: Watched, events: int) -> None:
        client = watch.client
        if events & _READ:
            watch.stuck = False
        if events & _WRITE:
            before = watch.link.buffered
            self._flush(watch)
            watch.stuck = 0 < before == watch.link.buffered
            on_writable = getattr(client, "on_writable", None)
            if on_writable is not None:
                self._tell(client, on_writable)
            else:
                self._settle(watch)
        if events & _READ and self._watches.get(watch.link) is watch:
            self._tell(client, client.on_readable)

    def _tell(self, client: Client, what: Callable[[], None]) -> None:
        """Call the client, then give the kernel what it left in its link."""
        try:
            what()
        # the one safety net: whatever a client's bug raises, the thread serves the other sessions
        except BaseException as exc:
            self._fault(client, exc)
        watch = self._of_client.get(client)
        if watch is not None:
            self._settle(watch)

    def _settle(self, watch: Watched) -> None:
        if watch.link.buffered and not watch.mask & _WRITE:
            self._flush(watch)
        if watch.fd < 0:
            return
        # An ended link stays readable for ever; reading it would be a busy loop.
        mask = _READ if watch.link.ended is None else 0
        if watch.link.buffered and not watch.stuck:
            mask |= _WRITE
        if mask != watch.mask and self._watches.get(watch.link) is watch:
            self._set_mask(watch, mask)

    def _flush(self, watch: Watched) -> None:
        try:
            watch.link.flush()
        except Exception as exc:
            self._fault(watch.client, exc)

    def _fault(self, client: Client, error: BaseException) -> None:
        log.error("a client of the I/O thread raised %s", type(error).__name__, exc_info=error)
        try:
            client.on_fault(error)
        # the safety net of the safety net
        except BaseException:
            log.exception("on_fault raised as well")

    def _set_mask(self, watch: Watched, mask: int) -> None:
        try:
            if not mask:
                if watch.mask:
                    self._selector.unregister(watch.fd)
            elif watch.mask:
                self._selector.modify(watch.fd, mask, watch)
            else:
                self._selector.register(watch.fd, mask, watch)
        except (KeyError, OSError, ValueError):
            # closed before unwatch: the kernel forgot it by itself
            log.debug("descriptor %d was closed while it was watched", watch.fd)
            mask = 0
        watch.mask = mask

    def _drop_stale(self, fd: int) -> None:
        """Forget a link that was closed without `unwatch`, and whose number came back."""
        key = self._selector.get_map().get(fd)
        if key is not None:
            self.unwatch(key.data.link)

    def _mark_ready(self, watch: Watched) -> None:
        self._ready[watch] = None
        if self._sleeping:
            self._kick()

    def _run_calls(self) -> int:
        count = len(self._calls)  # not those that these add: sockets come in between
        for _ in range(count):
            self._guarded(self._calls.popleft())
        return count

    def _run_timers(self) -> int:
        due = self._timers.due()
        for timer in due:
            fn = timer.take()
            if fn is not None:
                self._guarded(fn)
        return len(due)

    def _guarded(self, fn: Callable[[], None]) -> None:
        try:
            fn()
        # a safety net as in `_tell`; there is no client to tell
        except BaseException:
            log.exception("a call on the I/O thread raised")


# Guards `_loop`, `users` and the life of the wake-up socketpair. Never held while anything is
# called or joined. Taken by a waker only if the thread sleeps. Re-entrant: a signal handler or a
# finalizer that closes a session may run on top of a frame that holds it.
_guard = threading.RLock()
_loop: Loop | None = None  # the running one; None while no session lives
_inherited: list[Loop] = []  # of a forked child: kept, since collecting them would touch sockets


def acquire() -> Loop:
    """The process's loop, started if need be. Every call wants one `release`."""
    held = None
    try:
        with _guard:
            held = _taken()
        return held  # noqa: RET504  # it is needed below
    except BaseException:  # Ctrl-C as the guard is left: nobody will know that he has it
        if held is not None:
            held.release(0)
        raise


def _taken() -> Loop:
    global _loop
    if _loop is None:
        loop = Loop()
        try:
            loop.start()
            _loop = loop
        except BaseException:  # Ctrl-C, and it may have begun: it ends, and closes what it has
            loop._stopping = True
            loop._kick()
            raise
    _loop.users += 1
    return _loop


def _after_fork_in_child() -> None:
    global _guard, _loop
    _guard = threading.RLock()  # the old one may have been held by a thread that is not here
    if _loop is not None:
        _loop.forget()
        _inherited.append(_loop)
        _loop = None


if hasattr(os, "register_at_fork"):  # pragma: no branch  # not on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)
