"""A chat-completions endpoint as the brain of realtime sessions: what is asked, a thread each.

Knows no session.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from realtime_sync.errors import ConfigurationError
from realtime_sync.local.answers import Fail
from realtime_sync.local.asked import Chunks
from realtime_sync.local.asking import Asking, Failed, Place

__all__ = ["ChatModel", "Thinkers"]

log = logging.getLogger(__name__)

Wire = dict[str, Any]

_LINE_MOST = 1 << 22
_TRANSCRIPT_MOST = 1 << 20


@dataclass(frozen=True)
class ChatModel:
    """An endpoint of chat completions, e.g. of a language model on this machine.

    Args:
        base_url: Up to "/v1"; `/chat/completions` is asked below it.
        model: The model that it is to use, whatever the session asks for.
        api_key: Sent as a bearer token; None: none is sent.
        transcription_model: Writes down what the user says, by `/audio/transcriptions` at the same
            endpoint; None: speech is sent on as sound, to models that take it.
        timeout: Seconds without a byte after which an answer is given up.
        options: More of the request's fields, e.g. `{"temperature": 0.2}`.

    Raises:
        ConfigurationError: The URL is no URL, or a key would go over plain HTTP to another machine.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    transcription_model: str | None = None
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

    @property
    def place(self) -> Place:
        """Where requests go."""
        return Place(self.base_url, self.api_key, self.timeout)


class Thinkers:
    """The requests under way at one endpoint: makes their threads, and joins them.

    Args:
        model: The endpoint.
        ring: Called when something has come in; from any thread.
    """

    def __init__(self, model: ChatModel, ring: Callable[[], None]) -> None:
        self._model = model
        self._ring = ring
        # guards the set: sessions' threads add, each request takes out who has ended, close() reads
        self._lock = threading.Lock()
        self._requests: set[Asking] = set()

    def __repr__(self) -> str:
        return f"<Thinkers at {self._model.base_url}, {len(self._requests)} requests>"

    @property
    def listens(self) -> bool:
        """Whether there is a model for what the user says."""
        return self._model.transcription_model is not None

    def think(self, body: Wire) -> Thought:
        """Begins to ask the language model."""
        thought = Thought(self._model, body, ring=self._ring, gone=self._gone)
        self._begin(thought)
        return thought

    def listen(self, wav: bytes) -> Asking:
        """Begins to have speech written down: what comes is a str or a `Fail`."""
        listening = _Listening(self._model, wav, ring=self._ring, gone=self._gone)
        self._begin(listening)
        return listening

    def close(self, timeout: float) -> None:
        """Ends all requests within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            requests = list(self._requests)
        for request in requests:
            request.cancel()
        for request in requests:
            request.join(max(0.0, deadline - time.monotonic()))
            if request.is_alive():
                log.error("thread %s outlived the server's close()", request.name)

    def _begin(self, request: Asking) -> None:
        with self._lock:
            request.start()
            self._requests.add(request)

    def _gone(self, request: Asking) -> None:
        with self._lock:
            # that one is still there: close() joins it, and the next to end lets go of it
            kept = {one for one in self._requests if one is request or one.is_alive()}
            self._requests = kept


class Thought(Asking):
    """One answer of the language model: words as they come, calls, and its end."""

    def __init__(
        self,
        model: ChatModel,
        body: Wire,
        *,
        ring: Callable[[], None],
        gone: Callable[[Asking], None],
    ) -> None:
        self.chunks = Chunks()
        sent = {
            **body,
            **model.options,
            "model": model.model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        super().__init__(
            model.place,
            "/chat/completions",
            kind="application/json",
            body=json.dumps(sent).encode(),
            ring=ring,
            gone=gone,
        )

    def read(self, answer: http.client.HTTPResponse) -> None:
        """See `Asking`."""
        for data in _events(answer):
            if self.cancelled.is_set():
                return
            if data == "[DONE]":
                break
            self._take(data)
        if self.chunks.reason is None:
            raise Failed(Fail("the brain's answer ended before its end"))
        for call in self.chunks.calls():
            self.tell(call)
        self.tell(self.chunks.ended())

    def _take(self, data: str) -> None:
        try:
            chunk = json.loads(data)
            if isinstance(chunk, dict) and chunk.get("error"):
                told = chunk["error"]
                message = str(told.get("message") if isinstance(told, dict) else told)
                raise Failed(Fail(self._place.hidden(f"the brain has failed: {message[:500]}")))
            for words in self.chunks.read(chunk):
                self.tell(words)
        except (ValueError, TypeError, AttributeError) as exc:
            raise Failed(Fail(f"the brain sent a chunk that is none: {exc}")) from exc


class _Listening(Asking):
    """One piece of speech that is being written down."""

    def __init__(
        self,
        model: ChatModel,
        wav: bytes,
        *,
        ring: Callable[[], None],
        gone: Callable[[Asking], None],
    ) -> None:
        kind, body = _form({"model": model.transcription_model or ""}, wav)
        super().__init__(
            model.place, "/audio/transcriptions", kind=kind, body=body, ring=ring, gone=gone
        )

    def read(self, answer: http.client.HTTPResponse) -> None:
        """See `Asking`."""
        try:
            text = json.loads(answer.read(_TRANSCRIPT_MOST))["text"]
        except (ValueError, KeyError, TypeError) as exc:
            raise Failed(Fail("the brain's transcript is none")) from exc
        self.tell(str(text).strip())


def _form(fields: dict[str, str], wav: bytes) -> tuple[str, bytes]:
    """The content type and the body of a form with one WAV file."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="speech.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    end = f"\r\n--{boundary}--\r\n".encode()
    body = b"".join([*parts, head.encode(), wav, end])
    return f"multipart/form-data; boundary={boundary}", body


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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _can_be_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and key.strip() == key
