"""Bytes to and from one server, plain or TLS. Knows no WebSocket and no HTTP.

It never blocks, except in the three methods that make the connection, and belongs to one thread.
TLS is an `ssl.SSLObject` between two memory buffers, since an `SSLSocket` that two threads share,
or one that stops with a record half written, loses healthy connections (CPython issues 77271 and
143756).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import threading
from typing import Protocol

__all__ = ["ClearText", "Waiting", "Wire", "said"]

READ_SIZE = 262_144
_RECORD = 16_384  # the most that one TLS record holds
_NOTHING = memoryview(b"")
_ANSWERS = (21, 22)  # how TLS answers a handshake: by an alert, or by one of its own


class _Scratch(threading.local):
    """Where a thread reads to. One buffer for all its sockets stays in the processor's cache.

    A fresh one for each read costs a mapping, and a page fault for every 4 KB that come.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_scratch = _Scratch()


class ClearText(ssl.SSLError):
    """What the peer answered was no TLS."""


class Waiting(Protocol):
    """Whoever waits until a socket is ready, and knows how long it may; `dial.Patience` does."""

    def wait(self, sock: socket.socket, event: int) -> None: ...


class Wire:
    """A byte stream that never blocks. One thread at a time; `abort` from any."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext | None = None, host: str = ""
    ) -> None:
        self.over = False  # nothing more will come
        self.error: OSError | None = None  # what ended it, if it was not the peer's plain end
        self._sock = sock
        self._out = _NOTHING  # taken from the caller (encrypted, with TLS), not by the kernel
        self._in_bio = ssl.MemoryBIO()
        self._out_bio = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None  # None: plain TCP
        self._first: int | None = None  # byte of the TLS handshake; None: there was none yet
        if context is not None:
            self._tls = context.wrap_bio(self._in_bio, self._out_bio, server_hostname=host)
        # `abort` of one thread against `close` of another: without it the number could be given to
        # another session's socket between the look and the shutdown. Neither call blocks.
        self._life = threading.Lock()
        self._pid = os.getpid()  # a forked child must not shut down the parent's connection

    @property
    def pending(self) -> int:
        """Bytes taken that the kernel has not got yet."""
        return len(self._out) + (self._out_bio.pending if self._tls is not None else 0)

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._sock.fileno()

    def read(self) -> bytes | memoryview:
        """One read's worth of bytes; none if there are none just now or `over` is set.

        A view is good until this thread reads again, from whichever socket.
        """
        view = _scratch.view
        try:
            size = self._sock.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as exc:
            self.over, self.error = True, exc
            return b""
        if self._tls is None:
            self.over = not size
            return view[:size]
        if not size:
            self._in_bio.write_eof()
        else:
            self._in_bio.write(view[:size])
        return self._decrypt(self._tls)

    def _decrypt(self, tls: ssl.SSLObject) -> bytes:
        # All of it: what stays inside, no selector would ever announce.
        parts = []
        while True:
            try:
                part = tls.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            except OSError as exc:  # an EOF without close_notify too: it may be a truncation
                self.over, self.error = True, exc
                break
            if not part:  # close_notify
                self.over = True
                break
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, data: bytes) -> int:
        """Take bytes, if nothing is pending, for `flush` to send; how many were taken.

        Raises:
            OSError: TLS is broken.
        """
        if self._tls is None:
            self._out = memoryview(data)
            return len(data)
        try:
            return self._tls.write(data)
        except ssl.SSLWantReadError:
            return (
                0  # a renegotiation wants an answer first; the same bytes are to be offered again
            )

    def flush(self) -> bool:
        """Give the kernel what it takes of what is pending; whether nothing is left.

        Raises:
            OSError: The connection is broken.
        """
        while True:
            if not self._out:
                if not self._out_bio.pending:
                    return True
                self._out = memoryview(self._out_bio.read())
            try:
                sent = self._sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return False
            self._out = self._out[sent:] if sent < len(self._out) else _NOTHING

    def discard(self) -> None:
        """Forget what is pending: nothing can be sent any more."""
        self._out = _NOTHING
        self._out_bio.read()

    def abort(self) -> None:
        """Shut the connection down, which wakes whoever waits for it. Any thread."""
        with self._life:
            if self._sock.fileno() < 0 or os.getpid() != self._pid:
                return
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more

    def close(self) -> None:
        """Close the descriptor. Only the thread that reads may, or it would read from another's."""
        if self._tls is not None and not self.pending and os.getpid() == self._pid:
            # close_notify, for peers that take an end without it for an attack
            with contextlib.suppress(OSError):
                self._tls.unwrap()
            with contextlib.suppress(OSError):
                self.flush()
        with self._life:
            self._sock.close()

    def shake(self, patience: Waiting) -> None:
        """The TLS handshake, if there is to be one.

        Raises:
            ClearText: The peer speaks no TLS.
            OSError: The peer or its certificate was refused, or the connection broke.
        """
        while self._tls is not None:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.drain(patience)
                self._fill(patience)
            except OSError as exc:
                # the alert that tells the server why; it may not get through any more
                with contextlib.suppress(OSError):
                    self.flush()
                if self._first not in (None, *_ANSWERS):
                    raise ClearText(str(exc)) from exc
                raise
            else:
                return

    def _fill(self, patience: Waiting) -> None:
        patience.wait(self._sock, selectors.EVENT_READ)
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self._first = data[0] if self._first is None else self._first
            self._in_bio.write(data)
        else:
            self._in_bio.write_eof()

    def drain(self, patience: Waiting) -> None:
        """Flush, waiting until all of it is gone."""
        while not self.flush():
            patience.wait(self._sock, selectors.EVENT_WRITE)

    def read_some(self, patience: Waiting) -> bytes:
        """Read, waiting until there is something; b"" at the end."""
        while True:
            data = self.read()
            if data or self.over:
                return bytes(data)
            self.drain(patience)
            patience.wait(self._sock, selectors.EVENT_READ)


def said(error: BaseException) -> str:
    """What the system said, without numbers and brackets."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    text = str(reason).replace("_", " ").strip()
    if text.isupper():  # OpenSSL's names
        return text.lower()
    return text[:1].lower() + text[1:] if text else type(error).__name__
