"""One HTTP request on a thread of its own, which ends at once when nobody wants it any more.

Over the standard library's HTTP, because its socket can be shut down, whether the other side has
begun to answer or not. Knows no session and no protocol.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from realtime_sync.local.answers import Fail

__all__ = ["Asking", "Failed", "Place"]

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSES = (0.2, 1.0)  # seconds before the second and the third, unless the endpoint says more
_PAUSE_MOST = 5.0
_CONNECTING = 10.0  # seconds
_ERROR_MOST = 1 << 16  # bytes of an error's body
_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    403: "invalid_api_key",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go.

    Attributes:
        base_url: Up to "/v1".
        api_key: Sent as a bearer token; None: none is sent.
        timeout: Seconds without a byte after which an answer is given up.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 60.0

    @property
    def host(self) -> str:
        """Its name, with the port where there is one."""
        return urlsplit(self.base_url).netloc

    def connection(self) -> http.client.HTTPConnection:
        """A new connection there, not connected yet."""
        parts = urlsplit(self.base_url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname or "",
                parts.port,
                timeout=_CONNECTING,
                context=ssl.create_default_context(),
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_CONNECTING)

    def path(self, below: str) -> str:
        """A path below the base URL."""
        return f"{urlsplit(self.base_url).path.rstrip('/')}{below}"

    def hidden(self, message: str) -> str:
        """The message without the key, should the endpoint have given it back."""
        return message.replace(self.api_key, "…") if self.api_key else message


class Failed(Exception):
    """The endpoint has not answered as it should.

    Args:
        fail: What the client is told.
        again: Seconds after which to ask again; None: it is of no use.
    """

    def __init__(self, fail: Fail, again: float | None = None) -> None:
        super().__init__(fail.message)
        self.fail = fail
        self.again = again


class Asking(threading.Thread):
    """One request, and what has come of it so far.

    Args:
        place: Where to.
        path: Below the base URL.
        kind: The body's content type.
        body: What is sent.
        ring: Called when something has come in.
        gone: Called at the end, on this thread.
    """

    def __init__(
        self,
        place: Place,
        path: str,
        *,
        kind: str,
        body: bytes,
        ring: Callable[[], None],
        gone: Callable[[Asking], None],
    ) -> None:
        super().__init__(name="realtime-local-brain", daemon=True)
        self._place = place
        self._path = place.path(path)
        self._kind = kind
        self._body = body
        self._ring = ring
        self._gone = gone
        self._heard: deque[Any] = deque()  # appended here, taken by the session's thread
        self.cancelled = threading.Event()
        # guards the socket: cancel() must not shut down one that has been closed and given anew
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def read(self, answer: http.client.HTTPResponse) -> None:
        """Tells what an answer says.

        Raises:
            Failed: It says nothing that could be used.
            OSError, HTTPException: It was cut.
        """
        raise NotImplementedError

    def tell(self, heard: Any) -> None:
        """Hands something in."""
        self._heard.append(heard)
        self._ring()

    def take(self) -> Any:
        """What has come next; None: nothing yet."""
        return self._heard.popleft() if self._heard else None

    def cancel(self) -> None:
        """Ends the request; what has not been taken is nobody's. From any thread."""
        self.cancelled.set()
        with self._lock:
            if self._socket is not None:
                try:
                    # not SSLSocket's own, which would take TLS away from a thread that reads
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    pass  # ended already

    def run(self) -> None:
        try:
            self._try()
        except Exception:
            # the safety net: a bug here must cost one response, not leave it waiting for ever
            log.exception("%s: the request has failed", self.name)
            self.tell(Fail("the embedded server failed to ask its brain"))
        finally:
            self._gone(self)

    def _try(self) -> None:
        for attempt in range(_TRIES):
            try:
                return self._ask()
            except Failed as failed:
                if self.cancelled.is_set():
                    return None
                if failed.again is None or attempt == _TRIES - 1:
                    return self.tell(failed.fail)
                log.info("asking the brain again in %.1f s: %s", failed.again, failed.fail.message)
                if self.cancelled.wait(max(failed.again, _PAUSES[attempt])):
                    return None
        return None

    def _ask(self) -> None:
        connection = self._place.connection()
        try:
            self._connect(connection)
            answer = self._answer(connection)
            try:
                self.read(answer)
            except (OSError, http.client.HTTPException) as exc:
                message = self._place.hidden(f"the brain's answer was cut: {exc}")
                raise Failed(Fail(message)) from exc
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
            connection.sock.settimeout(self._place.timeout)
        except OSError as exc:
            raise Failed(self._unreachable(exc), again=0) from exc
        with self._lock:
            self._socket = connection.sock
        if self.cancelled.is_set():
            self.cancel()  # it came before there was a socket

    def _answer(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        headers = {"Content-Type": self._kind}
        if self._place.api_key:
            headers["Authorization"] = f"Bearer {self._place.api_key}"
        try:
            connection.request("POST", self._path, self._body, headers)
            answer = connection.getresponse()
            if answer.status == 200:
                return answer
            text = answer.read(_ERROR_MOST)
        except (OSError, http.client.HTTPException) as exc:
            raise Failed(self._unreachable(exc), again=0) from exc
        raise self._refused(answer, text)

    def _refused(self, answer: http.client.HTTPResponse, text: bytes) -> Failed:
        try:
            told = json.loads(text)["error"]
            message = str(told["message"] if isinstance(told, dict) else told)
        except (ValueError, KeyError, TypeError):
            message = answer.reason or "no reason given"
        fail = Fail(
            self._place.hidden(f"the brain answered {answer.status}: {message[:500]}"),
            _CODES.get(answer.status, "server_error"),
            "server_error" if answer.status >= 500 else "invalid_request_error",
        )
        again = answer.status in (408, 409, 429) or answer.status >= 500
        return Failed(fail, _pause(answer.headers.get("Retry-After")) if again else None)

    def _unreachable(self, exc: Exception) -> Fail:
        reason = exc or type(exc).__name__
        return Fail(self._place.hidden(f"the brain at {self._place.host} gave no answer: {reason}"))


def _pause(retry_after: str | None) -> float:
    try:
        return min(_PAUSE_MOST, max(0.0, float(retry_after or 0)))
    except ValueError:
        return 0.0
