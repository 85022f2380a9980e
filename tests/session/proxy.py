"""A network between client and server that does to each direction what the test asks."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import deque

from realtime_sync import Compatible

LIMIT = 15.0
_BACKLOG = 65_536  # bytes under way in one direction; whoever sends more waits, as in a network
_READ = 16_384


class Way:
    """What one direction does; changed at any time, from any thread.

    Attributes:
        delay: Seconds that everything is under way.
        jitter: Seconds by which that varies, either way; the order is kept.
        rate: Bytes a second; None: as many as go.
        dark: Whether all that comes is swallowed, and acknowledged: a black hole.
        passed: Bytes that have come through.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.jitter = 0.0
        self.rate: float | None = None
        self.dark = False
        self.passed = 0


class Proxy:
    """Passes everything on to `port`; `up` is what the client says, `down` what it hears."""

    def __init__(self, port: int) -> None:
        self.up, self.down = Way(), Way()
        self._port = port
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        # a narrow way in, or the kernel would take a minute of audio
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self._sockets: list[socket.socket] = []
        self._pipes: list[_Pipe] = []
        self._thread = threading.Thread(target=self._accept, name="proxy")

    @property
    def endpoint(self) -> Compatible:
        port = self._listener.getsockname()[1]
        return Compatible(f"http://127.0.0.1:{port}/v1", api_key="sk-proxy-key")

    def reset(self) -> None:
        """Ends every connection by a TCP reset."""
        sockets, self._sockets = self._sockets, []
        pipes, self._pipes = self._pipes, []
        for pipe in pipes:
            pipe.resetting = True
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)  # wakes who reads it: only then close() resets it
        for pipe in pipes:
            pipe.join()
        for sock in sockets:
            sock.close()

    def end(self) -> None:
        """Ends every connection by a FIN, without a close frame."""
        for sock in list(self._sockets):  # the next one may come at once, and is none of these
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                self._pipes += [
                    _Pipe(client, server, self.up, self._over),
                    _Pipe(server, client, self.down, self._over),
                ]

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LIMIT)
        self.end()
        for pipe in self._pipes:
            pipe.join()
        for sock in self._sockets:
            sock.close()


class _Pipe:
    """One direction of one connection, with a thread at each end."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, way: Way, over: threading.Event
    ) -> None:
        self._source, self._sink, self._way, self._over = source, sink, way, over
        self._coming: deque[tuple[float, bytes]] = deque()  # when each is due
        self._size = 0
        self._changed = threading.Condition()
        self.resetting = False  # ends without a FIN
        self._threads = [
            threading.Thread(target=work, name="proxy") for work in (self.fill, self.drain)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(LIMIT)
            assert not thread.is_alive()

    def fill(self) -> None:
        due, data = 0.0, b"x"
        while data:
            try:
                data = self._source.recv(_READ)
            except OSError:
                data = b""  # a reset is an end, too
            way = self._way
            if way.dark and data:
                continue
            spread = random.uniform(-way.jitter, way.jitter)
            due = max(due, time.monotonic() + way.delay + spread)
            with self._changed:
                self._coming.append((due, data))
                self._size += len(data)
                self._changed.notify_all()
                while (
                    data and self._size > _BACKLOG and not (self._over.is_set() or self.resetting)
                ):
                    self._changed.wait(0.1)

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                with self._changed:
                    if not self._changed.wait_for(lambda: self._coming, 0.1):
                        if self._over.is_set():
                            return
                        continue
                    due, data = self._coming[0]
                self._over.wait(max(0.0, due - time.monotonic()))
                if self.resetting:
                    return
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._pass_on(data)
                with self._changed:
                    self._coming.popleft()
                    self._size -= len(data)
                    self._changed.notify_all()

    def _pass_on(self, data: bytes) -> None:
        rate = self._way.rate
        step = len(data) if rate is None else max(1, int(rate / 50))
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            self._sink.sendall(piece)
            self._way.passed += len(piece)
            if rate is not None and not self.resetting:
                self._over.wait(len(piece) / rate)
