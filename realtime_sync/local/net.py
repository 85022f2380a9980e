"""Sockets and threads of the embedded server: one that accepts, and one for each connection.

The only place that imports `websockets`, and only when a server starts. Its protocol half is used
without its threads: a connection of ours is one thread that waits for its socket and for the next
event that is due. So a cancel is heard while deltas are being paced out, what is due together
leaves in one write, and faults are exact to the byte.
"""

from __future__ import annotations

import importlib
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from realtime_sync.errors import ConfigurationError
from realtime_sync.local.dialogue import Dialogue

__all__ = ["Listener"]

_T = TypeVar("_T")

log = logging.getLogger(__name__)

_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)
# epoll would cost a descriptor for each of a hundred connections, and wins nothing with two sockets

_BACKLOG = 512
_RECEIVE = 1 << 16
_MESSAGE_MOST = 24 << 20  # 15 MiB of audio in base64, and the event around it
_HANDSHAKE_SECONDS = 10.0
_TICK = 0.01  # seconds' worth of bytes that leave at a time, where the script sets a rate
_LONG = 3600.0  # seconds between two looks, at most
_FAREWELL_SECONDS = 0.5  # for the peer's close frame
_READING_SECONDS = 10.0  # for a peer that is slow to read what was said before


def _websockets(part: str) -> ModuleType:
    try:
        return importlib.import_module(f"websockets.{part}")
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            'the embedded server needs the package websockets: pip install "realtime_sync[local]"'
        ) from exc


class Bell:
    """Wakes every thread that waits for it, as often as it is rung.

    A thread waits for `heard()` to become readable, then gives it back and takes the next one: two
    descriptors a server, where a pair for each connection would be two a connection.
    """

    def __init__(self) -> None:
        # guards the pair and the count: any thread rings, each connection's comes and goes
        self._lock = threading.Lock()
        self._heard, self._ring = socket.socketpair()
        self._waiting: dict[socket.socket, int] = {self._heard: 0}
        self._closed = False

    def heard(self) -> socket.socket:
        """What becomes readable at the next ring."""
        with self._lock:
            self._waiting[self._heard] += 1
            return self._heard

    def give_back(self, heard: socket.socket) -> None:
        """The thread waits for it no longer."""
        with self._lock:
            self._waiting[heard] -= 1
            self._close_if_idle(heard)

    def ring(self) -> None:
        """Wakes everybody. From any thread."""
        with self._lock:
            if self._closed:
                return
            old, ring = self._heard, self._ring
            self._heard, self._ring = socket.socketpair()
            self._waiting[self._heard] = 0
            ring.close()
            self._close_if_idle(old)

    def close(self) -> None:
        """For good: it rings no more, and whoever still waits is woken."""
        with self._lock:
            self._closed = True
            self._ring.close()
            self._heard.close()

    def _close_if_idle(self, heard: socket.socket) -> None:
        if heard is not self._heard and not self._waiting[heard]:
            del self._waiting[heard]
            heard.close()


class _Ear:
    """One thread's place at a bell, inside its selector."""

    def __init__(self, bell: Bell, selector: selectors.BaseSelector) -> None:
        self._bell = bell
        self._selector = selector
        self._heard = bell.heard()
        selector.register(self._heard, selectors.EVENT_READ)

    def __enter__(self) -> _Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.give_back(self._heard)

    def wait(self, patience: float | None = None) -> dict[Any, int]:
        """What is ready, by socket; after a ring the next one is waited for already."""
        ready = {key.fileobj: mask for key, mask in self._selector.select(patience)}
        if self._heard in ready:
            self._selector.unregister(self._heard)
            self._bell.give_back(self._heard)
            self._heard = self._bell.heard()
            self._selector.register(self._heard, selectors.EVENT_READ)
        return ready


class Listener:
    """Accepts connections and owns their threads.

    Args:
        host: Where to bind.
        port: 0 for any; the real one once started.
        new_dialogue: Makes the inside of a connection, given the WebSocket protocol's.
    """

    def __init__(self, *, host: str, port: int, new_dialogue: Callable[[Any], Dialogue]) -> None:
        self.host = host
        self.port = port
        self.new_dialogue = new_dialogue
        self.closing = False
        self.shared = threading.Lock()  # guards what connections share: the calls
        self.shown = threading.Lock()  # guards what the page shows, where there is one
        self.bell: Bell | None = None  # once started; wakes every thread
        self._news = threading.Condition()  # guards the number of those who wait for what is said
        self._waiters = 0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._links: set[Link] = set()
        # guards the links: the accepting thread adds, each takes out who has ended, close() reads
        self._lock = threading.Lock()

    def start(self) -> None:
        """Binds, then starts the accepting thread. Does nothing where it runs already."""
        if self._thread is not None:
            return
        if self.closing:
            raise ConfigurationError("a server that was closed stays closed: make a new one")
        _websockets("server")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._socket = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self.bell = Bell()
        self._thread = threading.Thread(
            target=self._accept, name=f"realtime-local-{self.port}", daemon=True
        )
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Ends everything within `timeout` seconds. Idempotent, from any thread."""
        self.closing = True
        thread, self._thread = self._thread, None
        if thread is None or self.bell is None:
            return
        deadline = time.monotonic() + timeout
        self.bell.ring()
        thread.join(max(0.0, deadline - time.monotonic()))
        links = self._current_links()
        for link in links:
            link.join(max(0.0, deadline - time.monotonic()))
        for link in links:
            if link.is_alive():
                link.abort()
                link.join(1.0)  # all that it waits for now is its turn
            if link.is_alive():
                log.error("thread %s outlived the server's close()", link.name)
        self.bell.close()

    def ring(self) -> None:
        """Wakes every connection. From any thread."""
        if self.bell is not None:
            self.bell.ring()

    def news(self) -> None:
        """Something was said: whoever waits is to look. From any thread."""
        if self._waiters:
            with self._news:
                self._news.notify_all()

    def wait(self, look: Callable[[], _T | None], timeout: float) -> _T | None:
        """What `look` finds, as soon as it does; None: nothing, for so many seconds."""
        deadline = time.monotonic() + timeout
        with self._news:
            self._waiters += 1  # before the look: what comes after it rings
            try:
                while (found := look()) is None:
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._news.wait(left):
                        return look()
                return found
            finally:
                self._waiters -= 1

    def gone(self, link: Link) -> None:
        """Runs on the link's thread, at its end."""
        with self._lock:
            # that one is still there: close() joins it, and the next to end lets go of it
            self._links = {one for one in self._links if one is link or one.is_alive()}

    def _current_links(self) -> list[Link]:
        with self._lock:
            return list(self._links)

    def _accept(self) -> None:
        assert self._socket is not None
        assert self.bell is not None
        with self._socket as listening, _Selector() as selector, _Ear(self.bell, selector) as ear:
            selector.register(listening, selectors.EVENT_READ)
            while not self.closing:
                ear.wait()
                self._accept_waiting(listening)

    def _accept_waiting(self, listening: socket.socket) -> None:
        while not self.closing:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                log.warning("could not accept a connection: %s", exc)
                # out of descriptors, mostly: wait for one instead of asking again at once
                threading.Event().wait(0.05)
                return
            link = Link(connection, self)
            with self._lock:  # whoever it has answered finds it among them
                link.start()
                self._links.add(link)


class Link(threading.Thread):
    """One connection: owns its socket and its dialogue."""

    def __init__(self, connection: socket.socket, listener: Listener) -> None:
        super().__init__(name=f"realtime-local-link-{connection.fileno()}", daemon=True)
        self._socket = connection
        self._listener = listener
        self._dialogue = listener.new_dialogue(_new_protocol())
        self._ended = False  # True once the peer has gone or the link was cut
        self._leaving = False  # True once the closing handshake is under way
        self._owed = 0  # bytes that were unsent when that was looked at last
        self._half_closed = False  # True once our half of TCP is ended
        self._next_write = 0.0  # when the script lets more leave; 0: now
        self._parting = False  # True once the server closes and we have said goodbye
        # when patience ends: with the handshake, later with the peer's close frame; None: never
        self._until: float | None = time.monotonic() + _HANDSHAKE_SECONDS

    def abort(self) -> None:
        """Ends the link at once. From any thread."""
        self._ended = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # gone already

    def run(self) -> None:
        try:
            # what goes wrong is logged before the peer can see the end of it
            with self._socket:
                self._serve()
        finally:
            self._dialogue.ended()
            self._listener.gone(self)

    def _serve(self) -> None:
        bell = self._listener.bell
        assert bell is not None
        try:
            with _Selector() as selector, _Ear(bell, selector) as ear:
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(self._socket, selectors.EVENT_READ)
                while not self._ended:
                    self._turn(selector, ear)
        except OSError as exc:
            log.debug("%s: the client has gone: %s", self.name, exc)
        except Exception:
            # the safety net: a bug here must cost one connection, not the server
            log.exception("%s: the embedded server failed", self.name)

    def _turn(self, selector: selectors.BaseSelector, ear: _Ear) -> None:
        """Waits for the client, for room to write, for the next event, or for the end."""
        if self._listener.closing and not self._parting:
            self._part(time.monotonic())
        wanted = 0 if self._dialogue.deaf else selectors.EVENT_READ
        if self._dialogue.unsent and time.monotonic() >= self._next_write:
            wanted |= selectors.EVENT_WRITE
        self._want(selector, wanted)
        ready = ear.wait(self._patience())
        now = time.monotonic()
        if ready.get(self._socket, 0) & selectors.EVENT_READ:
            self._receive(now)
        self._dialogue.advance(now)
        self._write()
        self._look_at_end(now)

    def _want(self, selector: selectors.BaseSelector, wanted: int) -> None:
        known = self._socket in selector.get_map()
        if wanted and known:
            selector.modify(self._socket, wanted)
        elif wanted:
            selector.register(self._socket, wanted)
        elif known:
            selector.unregister(self._socket)

    def _patience(self) -> float | None:
        paced = self._next_write if self._dialogue.unsent and self._next_write else None
        times = [one for one in (self._dialogue.due, self._until, paced) if one is not None]
        # a selector takes no time without end
        return min(_LONG, max(0.0, min(times) - time.monotonic())) if times else None

    def _part(self, now: float) -> None:
        self._parting = True
        self._dialogue.farewell()
        self._until = now + _FAREWELL_SECONDS

    def _receive(self, now: float) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        if not data:
            self._ended = True
            return
        self._dialogue.received(data, now)

    def _write(self) -> None:
        unsent = self._dialogue.unsent
        now = time.monotonic()
        if not unsent or now < self._next_write:
            return
        size, rate = self._dialogue.pace
        if rate is not None:
            size = min(size or _RECEIVE, max(1, int(rate * _TICK)))
        try:
            written = self._socket.send(unsent if size is None else unsent[:size])
        except BlockingIOError:
            return
        del unsent[:written]
        self._next_write = 0.0 if rate is None else now + written / rate

    def _look_at_end(self, now: float) -> None:
        dialogue = self._dialogue
        if not dialogue.unsent:
            if dialogue.cut:
                self._ended = True
                if dialogue.reset:  # closed without having lingered, a socket resets the link
                    linger = struct.pack("ii", 1, 0)
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif dialogue.half_closed and not self._half_closed:
                self._half_closed = True
                self._socket.shutdown(socket.SHUT_WR)
        if self._until is not None and now >= self._until:
            self._ended = True
        elif dialogue.leaving and not self._parting:
            self._await_farewell(now)
        elif dialogue.established and not self._parting:
            self._until = None

    def _await_farewell(self, now: float) -> None:
        owed = len(self._dialogue.unsent)
        if not self._leaving or owed != self._owed:
            self._until = now + (_READING_SECONDS if owed else _FAREWELL_SECONDS)
        self._leaving, self._owed = True, owed


def _new_protocol() -> Any:
    server = _websockets("server")
    return server.ServerProtocol(
        subprotocols=["realtime"],
        # clients that offer none, or others, are as welcome as those that offer "realtime"
        select_subprotocol=lambda _, offered: "realtime" if "realtime" in offered else None,
        max_size=_MESSAGE_MOST,
        logger=_silent,
    )


# websockets logs every header at DEBUG, the key among them: it gets a logger that leads nowhere
_silent = logging.Logger("realtime_sync.local.websockets", logging.CRITICAL)
