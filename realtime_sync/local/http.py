"""HTTP/1.1 without a socket: bytes in, one request out; one reply back, at once or in pieces.

One request a connection, whole or not at all, within limits. Knows nothing of the Realtime API.
"""

from __future__ import annotations

import http.client
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

__all__ = ["Exchange", "Reply", "Request", "chunk", "failure", "sse", "stream_head"]

_HEAD_MOST = 1 << 15
_BODY_MOST = 1 << 25  # a few images in base64


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def wire(self) -> bytes:
        kind = (("Content-Type", self.content_type),) if self.body else ()
        length = ("Content-Length", str(len(self.body)))
        return _head(self.status, (*kind, length, *self.headers)) + self.body


def stream_head(headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)) -> bytes:
    """What a stream of server-sent events begins with."""
    kind = ("Content-Type", "text/event-stream; charset=utf-8")
    return _head(200, (kind, *headers, ("Transfer-Encoding", "chunked")))


def sse(event: Mapping[str, Any]) -> bytes:
    """A server-sent event: `data`, JSON or text, and its `event` where it has a name."""
    name, data = event.get("event"), event["data"]
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    # a line break in a text would end the field
    lines = [f"data: {line}\n" for line in text.split("\n")]
    return "".join([f"event: {name}\n"] * (name is not None) + lines + ["\n"]).encode()


def chunk(data: bytes) -> bytes:
    """A piece of a body whose length is not known before; the last one is empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Connection: close",
        f"X-Request-Id: req_{secrets.token_hex(12)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def failure(
    status: int,
    message: str,
    code: str | None = None,
    *,
    type: str = "invalid_request_error",
    param: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Reply:
    """A reply with the service's JSON for errors."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return Reply(status, json.dumps({"error": error}, indent=2).encode() + b"\n", headers=headers)


class _Wrong(Exception):
    """Not HTTP, or more of it than is taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.reply = failure(status, message)


class Exchange:
    """One request as it comes in."""

    def __init__(self) -> None:
        self.proceed = False  # True where the client waits to be told to send its body
        self._data = bytearray()
        self._line = ("", "")  # method and target, once the head is there
        self._headers: dict[str, str] | None = None  # None until then
        self._body = bytearray()
        self._left = 0  # bytes of the body, or of its chunk, still to come
        self._chunked = False

    def received(self, data: bytes) -> Request | Reply | None:
        """Takes more bytes: the request once it is whole, or the reply to one that is wrong."""
        self._data += data
        try:
            if self._headers is None and not self._take_head():
                return None
            whole = self._take_chunks() if self._chunked else self._take_body()
        except _Wrong as wrong:
            return wrong.reply
        if not whole or self._headers is None:
            return None
        return Request(*self._line, self._headers, bytes(self._body))

    def _take_head(self) -> bool:
        if self._data and not self._data[:1].isalpha():
            raise _Wrong(400, "This is not HTTP; for TLS: it is http:// or ws:// here, without it.")
        head, end, rest = bytes(self._data).partition(b"\r\n\r\n")
        if len(head) > _HEAD_MOST:
            raise _Wrong(431, "The request's headers are too large.")
        if not end:
            return False
        line, _, block = head.partition(b"\r\n")
        words = line.decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise _Wrong(400, "This is not HTTP/1.1.")
        self._line = (words[0], words[1])
        self._headers = _headers(block)
        self._data = bytearray(rest)
        self._measure(self._headers)
        return True

    def _measure(self, headers: Mapping[str, str]) -> None:
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if encoding is not None:
            # both at once is how requests are smuggled
            if length is not None or encoding.strip().lower() != "chunked":
                raise _Wrong(400, "This transfer encoding is not taken.")
            self._chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise _Wrong(400, "The content length is no number.")
            self._left = _within(int(length[:12]))
        self.proceed = headers.get("expect", "").lower() == "100-continue" and not self._data

    def _take_body(self) -> bool:
        self._body += self._data[: self._left]
        self._left -= min(self._left, len(self._data))
        self._data.clear()
        return not self._left

    def _take_chunks(self) -> bool:
        """Whether the last chunk was there; trailers are not read."""
        while True:
            if self._left:
                if len(self._data) < self._left + 2:
                    return False
                self._body += self._data[: self._left]
                if self._data[self._left : self._left + 2] != b"\r\n":
                    raise _Wrong(400, "A chunk does not end where it should.")
                del self._data[: self._left + 2]
                self._left = 0
            line, end, _ = bytes(self._data[:64]).partition(b"\r\n")
            if not end:
                if len(line) == 64:
                    raise _Wrong(400, "A chunk's size is too long.")
                return False
            self._left = _within(_hexadecimal(line) + len(self._body)) - len(self._body)
            del self._data[: len(line) + 2]
            if not self._left:
                return True


def _headers(block: bytes) -> dict[str, str]:
    try:
        # what only looks like a header to some is a header to none
        parsed = http.client.parse_headers(io.BytesIO(block + b"\r\n\r\n"))
    except http.client.HTTPException as exc:
        raise _Wrong(431, "The request has too many headers.") from exc
    names = [name.lower() for name in parsed]
    for name in ("content-length", "transfer-encoding", "authorization"):
        if names.count(name) > 1:
            raise _Wrong(400, f"The request has more than one {name} header.")
    return {name.lower(): value for name, value in parsed.items()}


def _within(length: int) -> int:
    if length > _BODY_MOST:
        raise _Wrong(413, f"The request's body is larger than {_BODY_MOST} bytes.")
    return length


def _hexadecimal(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        raise _Wrong(400, "A chunk's size is no number.")
    return int(digits, 16)
