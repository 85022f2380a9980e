"""A chat-completions endpoint as the brain of realtime sessions: requests, a thread for each.

Over the standard library's HTTP, because a request has to end at once when the user speaks: its
socket is shut down, whether the endpoint has begun to answer or not. Knows no session.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from realtime_sync.errors import ConfigurationError
from realtime_sync.local.answers import Fail
from realtime_sync.local.asked import Chunks, Heard

__all__ = ["ChatModel", "Thinkers", "Thought"]

log = logging.getLogger(__name__)

Wire = dict[str, Any]

_TRIES = 3
_PAUSES = (0.2, 1.0)  # seconds before the second and the third, unless the endpoint says more
_PAUSE_MOST = 5.0
_ERROR_MOST = 1 << 16  # bytes of an error's body
_LINE_MOST = 1 << 22
_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    403: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}


@dataclass(frozen=True)
class ChatModel:
    """An endpoint of chat completions, e.g. of a language model on this machine.

    Args:
        base_url: Up to "/v1"; `/chat/completions` is asked below it.
        model: The model that it is to use, whatever the session asks for.
        api_key: Sent as a bearer token; None: none is sent.
        timeout: Seconds without a byte after which an answer is given up.
        options: More of the request's fields, e.g. `{"temperature": 0.2}`.

    Raises:
        ConfigurationError: The URL is no URL, or a key would go over plain HTTP to another machine.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    options: Wire = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                f"brain: {self.base_url!r} is no URL of an endpoint: give http://HOST:PORT/v1"
            )
        if parts.username or parts.password:
            raise ConfigurationError("brain: a URL with a password: give api_key")
        if not self.model.strip():
            raise ConfigurationError("brain: no model: give the name that the endpoint has for it")
        if self.api_key is not None and not _can_be_header(self.api_key):
            raise ConfigurationError("brain: the key cannot be a header: it has odd characters")
        if self.api_key and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ConfigurationError(
                f"brain: a key over plain http to {parts.hostname}: use https, or leave it out"
            )


class Thinkers:
    """The requests under way at one endpoint: makes their threads, and joins them.

    Args:
        model: The endpoint.
        ring: Called when something has come in; from any thread.
    """

    def __init__(self, model: ChatModel, ring: Callable[[], None]) -> None:
        self._model = model
        self._ring = ring
        # guards the set: sessions' threads add, each request takes itself out, close() reads
        self._lock = threading.Lock()
        self._thoughts: set[Thought] = set()

    def __repr__(self) -> str:
        return f"<Thinkers at {self._model.base_url}, {len(self._thoughts)} requests>"

    def think(self, body: Wire) -> Thought:
        """Begins to ask the endpoint."""
        thought = Thought(self._model, body, self._ring, self._gone)
        with self._lock:
            self._thoughts.add(thought)
        thought.start()
        return thought

    def close(self, timeout: float) -> None:
        """Ends all requests within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            thoughts = list(self._thoughts)
        for thought in thoughts:
            thought.cancel()
        for thought in thoughts:
            thought.join(max(0.0, deadline - time.monotonic()))
            if thought.is_alive():
                log.error("thread %s outlived the server's close()", thought.name)

    def _gone(self, thought: Thought) -> None:
        with self._lock:
            self._thoughts.discard(thought)


class _Failed(Exception):
    """The endpoint has not answered as it should.

    Args:
        fail: What the client is told.
        again: Seconds after which to ask again; None: it is of no use.
    """

    def __init__(self, fail: Fail, again: float | None = None) -> None:
        super().__init__(fail.message)
        self.fail = fail
        self.again = again


class Thought(threading.Thread):
    """One request and what has come of it so far."""

    def __init__(
        self,
        model: ChatModel,
        body: Wire,
        ring: Callable[[], None],
        gone: Callable[[Thought], None],
    ) -> None:
        super().__init__(name="realtime-local-brain", daemon=True)
        self.chunks = Chunks()
        self._model = model
        self._body = {
            **body,
            **model.options,
            "model": model.model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        self._ring = ring
        self._gone = gone
        self._heard: deque[Heard] = deque()  # appended here, taken by the session's thread
        self._cancelled = threading.Event()
        # guards the socket: cancel() must not shut down one that has been closed and given anew
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def take(self) -> Heard | None:
        """What has come next; None: nothing yet."""
        return self._heard.popleft() if self._heard else None

    def cancel(self) -> None:
        """Ends the request; what has not been taken is nobody's. From any thread."""
        self._cancelled.set()
        with self._lock:
            if self._socket is not None:
                try:
                    # not SSLSocket's own, which would take TLS away from a thread that reads
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    pass  # ended already

    def run(self) -> None:
        try:
            self._think()
        except Exception:
            # the safety net: a bug here must cost one response, not leave it waiting for ever
            log.exception("%s: the request has failed", self.name)
            self._tell(Fail("the embedded server failed to ask its brain"))
        finally:
            self._gone(self)

    def _think(self) -> None:
        for attempt in range(_TRIES):
            try:
                return self._ask()
            except _Failed as failed:
                if self._cancelled.is_set():
                    return None
                if failed.again is None or attempt == _TRIES - 1:
                    return self._tell(failed.fail)
                log.info("asking the brain again in %.1f s: %s", failed.again, failed.fail.message)
                if self._cancelled.wait(max(failed.again, _PAUSES[attempt])):
                    return None
        return None

    def _ask(self) -> None:
        connection = self._connection()
        try:
            self._connect(connection)
            answer = self._answer(connection)
            self._read(answer)
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._model.base_url)
        host, timeout = parts.hostname or "", self._model.timeout
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(host, parts.port, timeout=timeout)

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as exc:
            raise _Failed(self._unreachable(exc), again=0) from exc
        with self._lock:
            self._socket = connection.sock
        if self._cancelled.is_set():
            self.cancel()  # it came before there was a socket

    def _answer(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._model.api_key:
            headers["Authorization"] = f"Bearer {self._model.api_key}"
        path = f"{urlsplit(self._model.base_url).path.rstrip('/')}/chat/completions"
        try:
            connection.request("POST", path, json.dumps(self._body).encode(), headers)
            answer = connection.getresponse()
            if answer.status == 200:
                return answer
            text = answer.read(_ERROR_MOST)
        except (OSError, http.client.HTTPException) as exc:
            raise _Failed(self._unreachable(exc), again=0) from exc
        raise self._refused(answer, text)

    def _refused(self, answer: http.client.HTTPResponse, text: bytes) -> _Failed:
        try:
            told = json.loads(text)["error"]
            message = str(told["message"] if isinstance(told, dict) else told)
        except (ValueError, KeyError, TypeError):
            message = answer.reason or "no reason given"
        code = _CODES.get(answer.status, "server_error")
        fail = Fail(
            self._hidden(f"the brain answered {answer.status}: {message[:500]}"),
            code,
            "server_error" if answer.status >= 500 else "invalid_request_error",
        )
        again = answer.status in (408, 409, 429) or answer.status >= 500
        return _Failed(fail, _pause(answer.headers.get("Retry-After")) if again else None)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        try:
            for data in _events(answer):
                if self._cancelled.is_set():
                    return
                if data == "[DONE]":
                    break
                self._take(data)
        except (OSError, http.client.HTTPException) as exc:
            if self._cancelled.is_set():
                return
            raise _Failed(Fail(self._hidden(f"the brain's answer was cut: {exc}"))) from exc
        if self.chunks.reason is None:
            raise _Failed(Fail("the brain's answer ended before its end"))
        for call in self.chunks.calls():
            self._tell(call)
        self._tell(self.chunks.ended())

    def _take(self, data: str) -> None:
        try:
            chunk = json.loads(data)
            if isinstance(chunk, dict) and chunk.get("error"):
                told = chunk["error"]
                message = told.get("message") if isinstance(told, dict) else told
                raise _Failed(Fail(self._hidden(f"the brain has failed: {str(message)[:500]}")))
            for words in self.chunks.read(chunk):
                self._tell(words)
        except (ValueError, TypeError, AttributeError) as exc:
            raise _Failed(Fail(f"the brain sent a chunk that is none: {exc}")) from exc

    def _tell(self, heard: Heard) -> None:
        self._heard.append(heard)
        self._ring()

    def _unreachable(self, exc: Exception) -> Fail:
        host = urlsplit(self._model.base_url).netloc
        return Fail(
            self._hidden(f"the brain at {host} gave no answer: {exc or type(exc).__name__}")
        )

    def _hidden(self, message: str) -> str:
        """The message without the key, should the endpoint have given it back."""
        key = self._model.api_key
        return message.replace(key, "…") if key else message


def _events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """The data of server-sent events."""
    data: list[str] = []
    while True:
        line = answer.readline(_LINE_MOST)
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text and data:
            yield "\n".join(data)
            data = []
        elif text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))


def _pause(retry_after: str | None) -> float:
    try:
        return min(_PAUSE_MOST, max(0.0, float(retry_after or 0)))
    except ValueError:
        return 0.0


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _can_be_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and key.strip() == key
