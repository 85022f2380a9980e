"""The HTTP side of the WebSocket handshake, checked. Knows no frames and not websocket-client.

That one knows no limit, sends and keeps the cookies of other sessions, follows redirects with the
key, and puts what it read into its exceptions and its trace; so between it and the wire stands a
`Greeting`: it sees a request without secrets and a clean answer of status 101, or none.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ..errors import ConfigurationError, ConnectError
from .clock import until
from .dial import Patience
from .framing import printable
from .secrets import Secrets
from .wire import Wire

__all__ = ["Answer", "Greeting", "Headers", "words_of"]

HEAD_LIMIT = 65_536  # bytes of the answer's header
BODY_LIMIT = 65_536  # bytes of a refusal's body that are read
BODY_WAIT = 1.0  # seconds for the rest of such a body
_LINES = 256  # of the answer's header

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: ([^\r\n]*))?")
_END = re.compile(rb"\r?\n\r?\n")
_KEY = re.compile(rb"\r\nsec-websocket-key:\s*(\S+)", re.IGNORECASE)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

# set by the handshake itself
_RESERVED = frozenset({
    "host", "connection", "upgrade", "content-length", "transfer-encoding", "sec-websocket-key",
    "sec-websocket-version", "sec-websocket-accept", "sec-websocket-extensions",
    "sec-websocket-protocol",
})  # fmt: skip
_SECRET = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)

_CURES = {
    401: "check the key",
    403: "check what the key may do",
    404: "check the URL and the model",
    429: "wait, or check the quota",
}


class Headers:
    """The caller's headers, checked. They are shown nowhere."""

    def __init__(self, headers: Mapping[str, str], user_agent: str, query: str = "") -> None:
        self._lines: list[str] = []
        secrets: list[str] = []
        given = set()
        for name, value in headers.items():
            self._check(name, value)
            given.add(name.lower())
            self._lines.append(f"{name}: {value}")
            if _SECRET.search(name):
                # of "Bearer sk-…" the second word alone as well
                secrets += [value, value.split(" ", 1)[-1]]
        if len(given) < len(headers):
            raise ConfigurationError("a header is given twice, in different letter case")
        if "user-agent" not in given:
            self._lines.append(f"User-Agent: {user_agent}")
        secrets += [value for name, value in parse_qsl(query) if _SECRET.search(name)]
        #: What no message may show.
        self.secrets = Secrets(secrets)

    @staticmethod
    def _check(name: str, value: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError("a header's name is not made of letters, digits and hyphens")
        if name.lower() in _RESERVED:
            raise ConfigurationError(f"the header {name} is set by the handshake; leave it out")
        # the value is not shown: it may be the key
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ConfigurationError(
                f"the value of the header {name} holds something else than printable ASCII;"
                " is there a line break at its end?"
            )

    def into(self, request: bytes, resource: str) -> bytes:
        """websocket-client's request with the true path, our headers and no cookies of others."""
        lines = request.split(b"\r\n")
        kept = [line for line in lines[1:-2] if not line.lower().startswith(b"cookie:")]
        first = f"GET {resource} HTTP/1.1".encode("ascii")
        ours = [line.encode("ascii") for line in self._lines]
        return b"\r\n".join([first, *kept, *ours, b"", b""])

    def redact(self, text: str) -> str:
        """`text` without what the headers keep secret, should a server echo it."""
        return self.secrets.redact(text)

    def __repr__(self) -> str:
        return f"<Headers, {len(self._lines)}>"


class Answer(NamedTuple):
    """The head of what the server answered."""

    status: int
    phrase: str
    headers: dict[str, str]  # names in lower case; of several the last, but all of "connection"

    @staticmethod
    def end(data: bytearray, begin: int = 0) -> int:
        """Where the head ends, or -1; not beyond the limit."""
        found = _END.search(data, max(0, begin - 3), HEAD_LIMIT)
        return found.end() if found else -1

    @classmethod
    def parse(cls, head: bytes, peer: object) -> Answer:
        """Read the head.

        Raises:
            ConnectError: It is no HTTP.
        """
        first, *lines = head.rstrip(b"\r\n").splitlines() or [b""]
        status = _STATUS.fullmatch(first)
        if status is None:
            raise ConnectError(f"{peer} does not speak HTTP; is it a WebSocket server?")
        if len(lines) > _LINES:
            raise ConnectError(f"{peer} answered with more than {_LINES} header lines")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            try:
                key, text = name.decode("ascii").lower(), value.decode().strip()
            except UnicodeDecodeError as exc:
                raise ConnectError(f"{peer} answered with a header that is not UTF-8") from exc
            if not colon or not _NAME.fullmatch(key):
                raise ConnectError(f"{peer} answered with a header line that is none")
            if key == "connection" and key in headers:
                text = f"{headers[key]}, {text}"
            headers[key] = text
        return cls(int(status[1]), printable((status[2] or b"").decode("latin-1"), 60), headers)

    def check(self, peer: object) -> None:
        """Refuse what was not asked for; whether it is an answer to our key is seen later.

        Raises:
            ConnectError: The server chose an extension or a subprotocol.
        """
        for name in ("extensions", "protocol"):
            if f"sec-websocket-{name}" in self.headers:
                raise ConnectError(f"{peer} chose a WebSocket {name.rstrip('s')} not offered to it")

    def clean(self) -> bytes:
        """The head for websocket-client, without cookies: it would keep them for other sessions."""
        lines = [f"{k}: {v}" for k, v in self.headers.items() if k != "set-cookie"]
        return "\r\n".join([f"HTTP/1.1 {self.status} ok", *lines, "", ""]).encode()

    def refusal(self, body: bytes, peer: object, headers: Headers) -> ConnectError:
        """The error that this answer stands for."""
        text = headers.redact(body.decode(errors="replace"))
        what = f"{peer} refused the WebSocket handshake: {self.status}"
        phrase = headers.redact(self.phrase)
        words = [what + (f" {phrase}" if phrase else "")]
        said = words_of(text)
        if said:
            words.append(f"the server says: {said.rstrip('.')}")
        if 300 <= self.status < 400:
            words.append(self._redirect())
        elif self.status in _CURES:
            words.append(_CURES[self.status])
        request_id = self.headers.get("x-request-id")
        if request_id:
            words.append(f"request {headers.redact(printable(request_id, 80))}")
        error = ConnectError.for_status(self.status, "; ".join(words), text)
        error.retry_after = _seconds(self.headers)
        return error

    def _redirect(self) -> str:
        try:
            host = urlsplit(self.headers.get("location", "")).hostname
        except ValueError:
            host = None
        where = f" to {printable(host, 100)}" if host else ""
        return f"redirects{where} are not followed; use the server's own address"


class Greeting:
    """The socket that websocket-client sees: blocking under one deadline, without secrets."""

    def __init__(self, wire: Wire, patience: Patience, headers: Headers, resource: str) -> None:
        self.unread = b""  # of the answer; after the handshake, the first frames
        self._wire = wire
        self._patience = patience
        self._headers = headers
        self._resource = resource
        self._accept = ""  # what a server of WebSockets makes of our request's key
        self._clean: io.BytesIO | None = None  # the answer as websocket-client may see it

    def gettimeout(self) -> None:
        """None: it blocks, for it keeps the deadline itself."""

    def close(self) -> None:
        """websocket-client closes after a failure; the caller does that."""

    def send(self, data: bytes) -> int:
        """The request, completed."""
        found = _KEY.search(data)
        digest = hashlib.sha1((found[1] if found else b"") + _GUID, usedforsecurity=False).digest()
        self._accept = base64.b64encode(digest).decode()
        rest = self._headers.into(data, self._resource)
        while rest:
            rest = rest[self._wire.write(rest) :]
            self._wire.drain(self._patience)
        return len(data)

    def recv(self, size: int) -> bytes:
        """The answer's head, once all of it is here and found good."""
        if self._clean is None:
            self._clean = io.BytesIO(self._read_head())
        return self._clean.read(size)

    def _read_head(self) -> bytes:
        peer = self._patience.peer
        data, seen = bytearray(), 0
        while (end := Answer.end(data, seen)) < 0:
            if len(data) > HEAD_LIMIT:
                raise ConnectError(f"{peer} answered with a header of more than 64 KiB")
            seen = len(data)
            more = self._wire.read_some(self._patience)
            if not more:
                raise ConnectError(
                    f"{peer} ended the connection during the WebSocket handshake"
                ) from self._wire.error
            data += more
        answer = Answer.parse(bytes(data[:end]), peer)
        self.unread = bytes(data[end:])
        if answer.status != 101:
            raise answer.refusal(self._read_body(answer), peer, self._headers)
        answer.check(peer)
        if answer.headers.get("sec-websocket-accept") != self._accept:
            # websocket-client would take it in other letter case, too; without one it refuses
            answer.headers.pop("sec-websocket-accept", None)
        return answer.clean()

    def _read_body(self, answer: Answer) -> bytes:
        raw = bytearray(self.unread)
        patience = Patience(_Brief(self._patience), self._patience.peer)
        try:
            while not _body_done(answer, raw):
                more = self._wire.read_some(patience)
                if not more:
                    break
                raw += more
        except ConnectError:
            pass  # out of time: the status is known and says more than that
        return _read_body(answer, bytes(raw))


class _Brief:
    """A refusal's body may have no end; its status need not wait for one."""

    def __init__(self, whole: Patience) -> None:
        self._whole = whole
        self._until = monotonic() + BODY_WAIT

    def remaining(self) -> float:
        """Seconds left."""
        own, left = max(0.0, self._until - monotonic()), self._whole.left()
        return own if left is None else min(left, own)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """What Retry-After says, as seconds or as a date; None: nothing that could be waited for."""
    thousandth = headers.get("retry-after-ms")
    text = headers.get("retry-after", "")
    try:
        seconds = float(text) if thousandth is None else float(thousandth) / 1000
    except ValueError:
        try:
            seconds = until(parsedate_to_datetime(text).timestamp())
        except (ValueError, TypeError, OverflowError):
            return None
    return seconds if 0 <= seconds < math.inf else None


def words_of(body: str) -> str:
    """The message of a JSON error body; nothing of an HTML page."""
    try:
        error = json.loads(body)["error"]
        message = error if isinstance(error, str) else error["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return printable(message) if isinstance(message, str) else ""


def _body_done(answer: Answer, raw: bytes | bytearray) -> bool:
    """Whether `raw` is the whole body, or as much of it as we read."""
    if len(raw) >= BODY_LIMIT:
        return True
    if answer.headers.get("transfer-encoding", "").lower() == "chunked":
        return raw.endswith(b"0\r\n\r\n")
    length = answer.headers.get("content-length", "")
    return length.isdecimal() and len(length) < 20 and len(raw) >= int(length)


def _read_body(answer: Answer, raw: bytes) -> bytes:
    """The body itself."""
    if answer.headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks(raw))[:BODY_LIMIT]
    length = answer.headers.get("content-length", "")
    limit = int(length) if length.isdecimal() and len(length) < 20 else BODY_LIMIT
    return raw[: min(limit, BODY_LIMIT)]


def _chunks(raw: bytes) -> Iterable[bytes]:
    while raw:
        line, _, raw = raw.partition(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return
        if size <= 0:
            return
        yield raw[:size]
        raw = raw[size + 2 :]
