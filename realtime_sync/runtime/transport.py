"""One WebSocket link, as the I/O thread drives it. Knows no events, no session, no lock of theirs.

The only module that imports `websocket`: its class `WebSocket` makes the handshake. Never
`WebSocketApp`, never `ws.close()`, which may wait for ever while another thread reads. Frames are
cut and made by `framing`, carried by `wire`, the server is reached by `dial`.

Afterwards one thread drives it: `receive`, `send`, `ping`, `flush` and `close` never block. Only
`abort` may come from elsewhere.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import websocket

from ..errors import ConnectError, ProtocolError
from . import greeting
from .clock import monotonic
from .dial import Deadline, Patience, Peer, default_context, reach
from .framing import (
    ABNORMAL,
    CLOSE,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    Frames,
    frame,
    printable,
    read_close,
)
from .secrets import Secrets
from .wire import Wire, said

__all__ = ["Deadline", "Ended", "Transport"]

MAX_MESSAGE_SIZE = 64 * 1024 * 1024
_TOGETHER = 65_536  # bytes of frames that are handed to the wire at once; a pong waits for no more
_PONGS = 128  # unsent answers that are kept; RFC 6455 5.5.3 asks for the newest only
_CLOSE_REASON = 123  # bytes of a reason that fit into a close frame


@dataclass(frozen=True, slots=True)
class Ended:
    """How a link ended.

    Attributes:
        code: The WebSocket close code: the peer's; 1005 where its close frame had none; 1006 where
            no close frame came; 1002, 1007 or 1009 where we ended it.
        reason: The peer's reason or what the system said; one printable line.
        error: The `OSError` or `ProtocolError` behind it, if there is one.
    """

    code: int
    reason: str = ""
    error: Exception | None = None


class Transport:
    """A WebSocket link. `connect` makes it; then it belongs to the I/O thread."""

    def __init__(
        self,
        wire: Wire,
        peer: Peer,
        *,
        max_message_size: int = MAX_MESSAGE_SIZE,
        early: bytes = b"",
        secrets: Secrets | None = None,
    ) -> None:
        self.ended: Ended | None = None  # None while it lives
        self.last_received = monotonic()  # when the last byte came
        self._wire = wire
        self._peer = peer
        self._frames = Frames(max_message_size)
        # a server that repeats our key must not bring it into an error, a log or a recording
        self._secrets = secrets or Secrets()
        self._clues = self._secrets.clues
        self._early = early  # frames that came together with the handshake
        self._pings: deque[bytes] = deque()  # unsent, at most one
        self._pongs: deque[bytes] = deque(maxlen=_PONGS)  # unsent
        self._data: deque[bytes] = deque()  # unsent text frames
        self._size = 0  # bytes of all three, and of the close frame
        self._closing: bytes | None = None  # the unsent close frame, which follows the data
        self._close_queued = False  # it was queued: nothing is accepted any more
        self._head = b""  # frames together that TLS did not take; to be offered again as they are
        self._broken: OSError | None = None  # why nothing can be sent any more
        self._aborted = False  # set by any thread

    @classmethod
    def connect(
        cls,
        url: str,
        headers: Mapping[str, str],
        *,
        deadline: Deadline,
        max_message_size: int = MAX_MESSAGE_SIZE,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> Transport:
        """Connect, blocking the calling thread, under one deadline for everything.

        Args:
            url: A clean `ws://` or `wss://` URL.
            headers: Of the request, such as `Authorization`.
            deadline: Asked for `remaining()` seconds; None is for ever. Asked ten times a second,
                so another thread ends the attempt by making it zero.
            max_message_size: Bytes that one message may have; a longer one ends the link.
            ssl_context: For `wss`; None takes the process's default.
            proxy: `http://…` or `socks5://…`; None is none, whatever the environment says. Never
                used for this machine.

        Raises:
            ConnectError: No link; its kind and `status` say why. No message holds a key.
            ConfigurationError: A header or the proxy cannot be used; nothing was sent.
        """
        from .. import __version__  # the package is still being imported above

        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        peer = Peer(parts.hostname or "", parts.port or (443 if secure else 80), secure)
        context = (ssl_context or default_context()) if secure else None
        checked = greeting.Headers(headers, f"realtime-sync/{__version__}", parts.query)
        patience = Patience(deadline, peer)
        wire = reach(peer, patience, context=context, proxy=proxy)
        try:
            patience.doing = "waiting for its answer"
            early = _greet(wire, patience, checked, parts.path, parts.query)
        except BaseException:  # Ctrl-C too: the descriptor must not outlive the attempt
            wire.close()
            raise
        return cls(
            wire,
            peer,
            max_message_size=max_message_size,
            early=early,
            secrets=checked.secrets,
        )

    # -- any thread ---------------------------------------------------------------------------

    def abort(self) -> None:
        """End the link at once and wake whoever waits for it. Any thread; closes no descriptor."""
        self._aborted = True
        self._wire.abort()

    cancel = abort

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._wire.fileno()

    def __repr__(self) -> str:
        ended = self.ended
        if ended is not None:
            state = f"ended with {ended.code}"
        else:
            state = "aborted" if self._aborted else "closing" if self._close_queued else "open"
        return f"<Transport {self._peer}, {state}, {self.buffered} bytes to send>"

    # -- the I/O thread -----------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes accepted that the kernel has not taken."""
        return self._size + len(self._head) + self._wire.pending

    def receive(self) -> list[tuple[int, bytes]]:
        """One read's worth of whole messages as (opcode, payload): 1 is text, 2 is binary.

        Never raises for what the network or the peer does: `ended` is set when the link is over.
        Pings are answered, and the peer's close frame is; `flush` sends that. Text is not checked
        for being UTF-8.
        """
        messages: list[tuple[int, bytes]] = []
        if self.ended is not None:
            return messages
        data = self._wire.read()
        if self._early:
            data, self._early = b"".join((self._early, data)), b""
        if data:
            self.last_received = monotonic()
            try:
                self._frames.feed(data, messages, self._on_control)
            except ProtocolError as exc:
                self._refuse(exc)
            for clue in self._clues:
                for _, payload in messages:
                    if clue in payload:
                        messages = [(opcode, self.hidden(text)) for opcode, text in messages]
                        break
        if self._wire.over and self.ended is None:
            self._lost()
        return messages

    def hidden(self, text: bytes) -> bytes:
        """The same without our key."""
        return self._secrets.hidden(text)

    def send(self, payload: bytes) -> None:
        """Accept one text message whole; `flush` sends it. Dropped once the link is closing."""
        if self._close_queued or self._broken is not None:
            return
        data = frame(TEXT, payload)
        self._data.append(data)
        self._size += len(data)

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        """Queue the close frame, behind what was sent before; the first one counts."""
        if self._close_queued or self._broken is not None:
            return
        self._close_queued = True
        body = b""
        if code != NO_CODE:
            cut = reason.encode()[:_CLOSE_REASON].decode(errors="ignore").encode()
            body = code.to_bytes(2, "big") + cut
        self._closing = frame(CLOSE, body)
        self._size += len(self._closing)

    def ping(self) -> None:
        """Queue a ping, ahead of the data; one unsent ping is enough. Any answer counts."""
        if not self._close_queued and self._broken is None and not self._pings:
            self._pings.append(frame(PING, b""))
            self._size += len(self._pings[0])

    def flush(self) -> None:
        """Give the kernel what it takes. Never raises: a link that broke ends in `receive`."""
        if self._broken is not None:
            return
        try:
            while self._wire.flush():
                if not self._head:
                    self._head = self._next()
                    if not self._head:
                        return
                taken = self._wire.write(self._head)
                self._head = self._head[taken:]
                if not taken:
                    return  # TLS must read first
        except OSError as exc:
            self._broken = exc
            self._forget()
            self._head = b""
            self._wire.discard()
            # What the peer said before it broke, perhaps why, is still to be read. The shutdown
            # makes sure that the selector reports the descriptor whatever the error was.
            self._wire.abort()

    def dismiss(self) -> None:
        """Say goodbye, if the kernel takes it, and close."""
        self.send_close()
        self.flush()
        self.close()

    def close(self) -> None:
        """Close the descriptor. Only the thread that reads may; twice does no harm."""
        if self.ended is None:
            self._lost()
        self._forget()
        self._head = b""
        self._wire.close()

    def _next(self) -> bytes:
        """Frames for one write: pongs and pings first, the close frame last."""
        frames: list[bytes] = []
        size = 0
        for queue in (self._pongs, self._pings, self._data):
            while queue and size < _TOGETHER:
                frames.append(queue.popleft())
                size += len(frames[-1])
        if self._closing is not None and not self._data:
            frames.append(self._closing)
            size += len(self._closing)
            self._closing = None
        self._size -= size
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _forget(self) -> None:
        """Drop what waits; what the wire holds stays: half a frame may have left already."""
        for queue in (self._pongs, self._pings, self._data):
            queue.clear()
        self._closing, self._size = None, 0

    def _on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and not self._close_queued and self._broken is None:
            if len(self._pongs) == _PONGS:
                self._size -= len(self._pongs[0])  # which the next one pushes out
            self._pongs.append(frame(PONG, payload))
            self._size += len(self._pongs[-1])
        elif opcode == CLOSE:
            code, reason = read_close(self.hidden(payload))
            self.ended = Ended(code, printable(reason))
            # unsent data would come too late; the peer does not read on
            if not self._close_queued:
                self._forget()
                self.send_close(code)

    def _refuse(self, error: ProtocolError) -> None:
        """The peer broke the rules: say so and read no more."""
        self.ended = Ended(error.code, str(error), error)
        if not self._close_queued:
            self._forget()
            self.send_close(error.code)

    def _lost(self) -> None:
        error = self._broken or self._wire.error
        if self._aborted:
            self.ended = Ended(ABNORMAL, "the link was aborted")
        elif error is None or isinstance(error, ssl.SSLEOFError):
            where = ", inside a message" if self._frames.partial else ""
            reason = f"{self._peer} ended the connection without a close frame{where}"
            self.ended = Ended(ABNORMAL, reason, error)
        else:
            reason = printable(f"the connection to {self._peer} broke: {said(error)}")
            self.ended = Ended(ABNORMAL, reason, error)


def _greet(
    wire: Wire, patience: Patience, headers: greeting.Headers, path: str, query: str
) -> bytes:
    """The WebSocket handshake; what the server sent behind it."""
    resource = (path or "/") + (f"?{query}" if query else "")
    socket = greeting.Greeting(wire, patience, headers, resource)
    peer = patience.peer
    link = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    problem: Exception | None = None
    try:
        # neither path nor headers: its trace log and its exceptions show what it knows
        link.connect(  # type: ignore[no-untyped-call]  # its options are untyped
            f"{'wss' if peer.secure else 'ws'}://{peer}/",
            socket=socket,
            redirect_limit=0,
            suppress_origin=True,
        )
    except ConnectError:
        raise
    except websocket.WebSocketException:
        pass  # raised below, so that the exception, which quotes the answer, is no context of ours
    except OSError as exc:
        problem = exc
    else:
        if link.getstatus() == 101:
            return socket.unread
    if problem is not None:
        raise ConnectError(
            f"the connection to {peer} broke during the WebSocket handshake: {said(problem)}"
        ) from problem
    raise ConnectError(
        f"{peer} did not accept the WebSocket handshake: Upgrade, Connection or"
        " Sec-WebSocket-Accept is missing or wrong; is it a WebSocket server?"
    )
