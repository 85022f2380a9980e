"""What a WebSocket server sends, cut into messages; and our frames. No socket, thread or clock.

It takes the place of websocket-client's `frame_buffer` and `continuous_frame`, which know no limit,
put fragments together in quadratic time and let masked frames and long control frames pass; and of
its `ABNF`, which takes twice as long for a frame. What is half there stays here until more bytes
come.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from ..errors import ProtocolError

__all__ = [
    "TEXT",
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "ABNORMAL",
    "NO_CODE",
    "Frames",
    "frame",
    "printable",
    "read_close",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

PROTOCOL, BAD_TEXT, TOO_BIG = 1002, 1007, 1009  # the close codes that we end a link with
ABNORMAL = 1006  # stands for "no close frame came"; never sent
NO_CODE = 1005  # stands for "a close frame without a code"; never sent

_FIN = 0x80
_MASKED = 0x80
_RESERVED = 0x70
_CONTROL = 0x08
_CONTROL_LIMIT = 125
_FRAGMENT_LIMIT = 131_072  # twice what Autobahn's case 9.3.1 asks for: 4 MiB in pieces of 64 bytes

# first bytes that need no second look: known opcode, no RSV bit, control frames whole
_GOOD_FIRST = frozenset(
    [_FIN | opcode for opcode in OPCODES] + [CONTINUATION, TEXT, BINARY],
)


#: Byte of a mask -> every byte under it.
_MASKS = [
    (int.from_bytes(bytes(range(256)), "big") ^ int.from_bytes(bytes([key]) * 256, "big")).to_bytes(
        256, "big"
    )
    for key in range(256)
]


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame of a client: masked, with a new key. Source: RFC 6455 5.2, 5.3."""
    first, size = _FIN | opcode, len(payload)
    if size <= _CONTROL_LIMIT:
        head = bytes((first, _MASKED | size))
    elif size < 65_536:
        head = struct.pack("!BBH", first, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", first, _MASKED | 127, size)
    key = os.urandom(4)  # which nobody can guess: a proxy must not see what a server meant it to
    masked = bytearray(payload)
    for at in range(4):
        masked[at::4] = masked[at::4].translate(_MASKS[key[at]])
    return b"".join((head, key, masked))


class Frames:
    """Bytes in, messages out; linear in the number of bytes however they are sliced."""

    def __init__(self, max_message_size: int) -> None:
        self.closed = False  # a close frame was read: what follows it is thrown away
        self._limit = max_message_size
        self._rest = bytearray()  # an incomplete frame
        self._need = 2  # bytes that `_rest` must hold before looking at it again pays
        self._opcode = 0  # TEXT or BINARY inside a fragmented message, else 0
        self._parts = bytearray()  # the fragments of that message
        self._count = 0  # how many they are

    @property
    def partial(self) -> bool:
        """Whether a frame or a fragmented message is half there."""
        return bool(self._rest or self._opcode)

    def feed(
        self,
        data: bytes | memoryview,
        messages: list[tuple[int, bytes]],
        on_control: Callable[[int, bytes], None],
    ) -> None:
        """Append the data messages that `data` completes to `messages`; keeps no view of it.

        Control frames go to `on_control(opcode, payload)`, a close frame as the last.

        Raises:
            ProtocolError: The peer broke the rules. The messages before that are in `messages`.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data, self._rest = memoryview(self._rest), bytearray()
        at = self._cut(data, messages, on_control)
        if not self.closed:
            self._rest += data[at:]

    def _cut(
        self,
        data: bytes | memoryview,
        messages: list[tuple[int, bytes]],
        on_control: Callable[[int, bytes], None],
    ) -> int:
        """Take all whole frames at the front of `data`; how many bytes they are."""
        size, at = len(data), 0
        while size - at >= 2 and not self.closed:
            first, length = data[at], data[at + 1]
            if first not in _GOOD_FIRST or length > _CONTROL_LIMIT:
                self._check(first, length)  # raises, or it is a longer data frame
            start = at + 2
            if length > _CONTROL_LIMIT:
                start += 2 if length == 126 else 8
                if start > size:
                    self._need = start - at
                    break
                length = int.from_bytes(data[at + 2 : start], "big")
            if length + len(self._parts) > self._limit and not first & _CONTROL:
                raise self._too_big(length + len(self._parts))
            end = start + length
            if end > size:
                self._need = end - at
                break
            at = end
            if first == _FIN | TEXT and not self._opcode:  # nearly every frame there is
                messages.append((TEXT, bytes(data[start:end])))
            else:
                self._take(first, bytes(data[start:end]), messages, on_control)
        else:
            self._need = 2
        return at

    def _check(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        if first & _RESERVED:
            raise _broken("the server set a reserved bit in a frame")
        if opcode not in OPCODES:
            raise _broken(f"the server sent a frame of the reserved kind {opcode}")
        if length & _MASKED:
            raise _broken("the server masked a frame")
        if opcode & _CONTROL and not first & _FIN:
            raise _broken("the server sent a control frame in fragments")
        if opcode & _CONTROL:
            raise _broken("the server sent a control frame of more than 125 bytes")

    def _too_big(self, size: int) -> ProtocolError:
        return ProtocolError(
            f"the server sent a message of {size} bytes or more; the limit is {self._limit}"
            " (max_message_size)",
            code=TOO_BIG,
        )

    def _take(
        self,
        first: int,
        payload: bytes,
        messages: list[tuple[int, bytes]],
        on_control: Callable[[int, bytes], None],
    ) -> None:
        """Every frame that is not a whole text message."""
        opcode = first & 0x0F
        if opcode & _CONTROL:
            self.closed = opcode == CLOSE
            on_control(opcode, payload)
            return
        if opcode == CONTINUATION and not self._opcode:
            raise _broken("the server continued a message that it had not begun")
        if opcode != CONTINUATION and self._opcode:
            raise _broken("the server began a message inside another one")
        if first & _FIN and opcode != CONTINUATION:
            messages.append((opcode, payload))
            return
        self._count += 1
        if self._count > _FRAGMENT_LIMIT:
            raise ProtocolError(
                f"the server sent a message in more than {_FRAGMENT_LIMIT} fragments", code=TOO_BIG
            )
        self._opcode = self._opcode or opcode
        self._parts += payload
        if first & _FIN:
            messages.append((self._opcode, bytes(self._parts)))
            self._opcode, self._count, self._parts = 0, 0, bytearray()


def _broken(what: str) -> ProtocolError:
    return ProtocolError(what, code=PROTOCOL)


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; `NO_CODE` where it has none.

    Raises:
        ProtocolError: Half a code, a code that may not be sent, or a reason that is not UTF-8.
    """
    if not payload:
        return NO_CODE, ""
    if len(payload) == 1:
        raise _broken("the server sent a close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if not (3000 <= code < 5000 or 1000 <= code <= 1014) or code in (1004, NO_CODE, ABNORMAL):
        raise _broken(f"the server closed with {code}, which is no close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError(
            "the server gave a close reason that is not UTF-8", code=BAD_TEXT
        ) from exc


def printable(text: str, limit: int = 200) -> str:
    """`text` as one line of at most `limit` characters, without control and bidi characters."""
    line = "".join(c if c.isprintable() else " " for c in text[: limit * 2])
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
