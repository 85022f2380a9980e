"""One request and its reply, or our error. The only `import openai`; knows no session.

What the `openai` client raises holds the request, and that the key: so its exceptions end here,
and ours have no cause.
"""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import (
    ConfigurationError,
    ConnectError,
    RealtimeError,
    RealtimeTimeout,
    SessionClosed,
)
from ..runtime.clock import check_timeout, may_wait
from ..runtime.dial import default_context
from ..runtime.endpoints import Endpoint
from ..runtime.framing import printable
from ..runtime.greeting import BODY_LIMIT, Headers, words_of
from ..runtime.secrets import Secrets

if TYPE_CHECKING:
    import openai

__all__ = ["Post", "Route"]

#: What the client would else take from its own arguments or from the environment.
_ENDPOINTS_OWN = ("Authorization", "OpenAI-Organization", "OpenAI-Project")
_CURES = {
    401: "check the key",
    403: "check what the key may do",
    404: "check the URL and the call_id",
    429: "wait, or check the quota",
}


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """Where one request goes, and with what.

    Attributes:
        url: Up to "/realtime"; below the client's own URL where it begins with "/".
        query: Of the URL.
        headers: An `Omit` of the client's takes away what it would send by itself.
        by_secret: Whether the key is a client secret.
        hidden: Takes what is secret out of a text.
    """

    url: str
    query: Mapping[str, str]
    headers: Mapping[str, Any]
    by_secret: bool
    hidden: Callable[[str], str]


class Post:
    """Sends requests, from any thread.

    Args:
        endpoint: Where to; asked for URL and key at every request. None where there is a client.
        client: The caller's own.
        max_retries: Of our own client.
        context: TLS of our own client.

    Raises:
        ConfigurationError: The package `openai` is missing, or the client is the wrong one.
    """

    def __init__(
        self,
        endpoint: Endpoint | None,
        client: openai.OpenAI | None,
        max_retries: int,
        context: ssl.SSLContext | None,
    ) -> None:
        self._openai = _openai()
        self._endpoint = endpoint
        self._closed = False
        if client is None:
            client = self._own_client(max_retries, context)
        elif not isinstance(client, self._openai.OpenAI):
            raise ConfigurationError(f"client: an openai.OpenAI, not {type(client).__name__}")
        elif isinstance(client, self._openai.AzureOpenAI):
            raise ConfigurationError(
                "client: AzureOpenAI speaks the preview; use Rest(Azure(...)), or "
                'openai.OpenAI(base_url="https://NAME.openai.azure.com/openai/v1", ...)'
            )
        self._client = client

    def _own_client(self, max_retries: int, context: ssl.SSLContext | None) -> openai.OpenAI:
        http = self._openai.DefaultHttpxClient(
            trust_env=False,  # a session takes no proxy from the environment either
            verify=context or default_context(),
        )
        weakref.finalize(self, http.close)
        # neither key nor URL is used: each request brings those of its moment
        client: openai.OpenAI = self._openai.OpenAI(
            api_key="unused",
            base_url="https://unused.invalid",
            max_retries=max_retries,
            http_client=http,
        )
        return client

    def close(self) -> None:
        """Give back the connections, but not those of the caller's client. Idempotent."""
        self._closed = True
        if self._endpoint is not None:
            self._client.close()

    def route(self) -> Route:
        """The way of the next request. May block in a key function.

        Raises:
            ConfigurationError: No key, or one that cannot be.
            SessionClosed: `close()` was called.
        """
        if self._closed:
            raise SessionClosed("this Rest is closed; make a new one")
        if self._endpoint is None:
            by_secret = (self._client.api_key or "").startswith("ek_")
            return Route("/realtime", {}, {}, by_secret, self._without_key)
        address = self._endpoint.address({})
        url, _, query = address.url.partition("?")
        checked = Headers(address.headers, "", query)
        given = {name.lower(): value for name, value in address.headers.items()}
        left_out = {n: self._openai.Omit() for n in _ENDPOINTS_OWN if n.lower() not in given}
        return Route(
            url="http" + url.removeprefix("ws"),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={**left_out, **address.headers},
            by_secret=given.get("authorization", "").startswith("Bearer ek_"),
            hidden=checked.redact,
        )

    def send(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float | None,
        route: Route | None = None,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> Any:
        """The reply, read to its end: `.content`, and `.response` with status and headers.

        Args:
            path: Below "/realtime/".
            body: Sent as JSON.
            timeout: Seconds for each attempt and each of its steps; None waits for ever.
            route: Else a new one.
            headers: Beside those of the route.
            content: `files` or `content` instead of a body.
        """
        may_wait()
        check_timeout(timeout)
        route = route or self.route()
        options: Any = {
            "headers": {"Accept": "*/*", **route.headers, **(headers or {})},
            "params": route.query,
            "timeout": timeout,
            "follow_redirects": False,  # the key would go along
        }
        try:
            return self._client.post(
                f"{route.url}/{path}",
                cast_to=self._openai.HttpxBinaryResponseContent,
                body=body,
                options=options,
                **content,
            )
        except self._openai.OpenAIError as exc:
            failed = self._failed(exc, path, timeout, route)
        # here and not where it was caught: what the client raises holds the request's headers
        raise failed

    def _failed(
        self, exc: openai.OpenAIError, path: str, timeout: float | None, route: Route
    ) -> RealtimeError:
        host = urlsplit(route.url).hostname or self._client.base_url.host
        what = f"/realtime/{path} at {host}"
        if isinstance(exc, self._openai.APITimeoutError):
            return RealtimeTimeout(f"{what}: no answer" + _within(timeout))
        if isinstance(exc, self._openai.APIStatusError):
            return _refusal(exc, what, route.hidden)
        return ConnectError(route.hidden(f"{what}: {_reason(exc)}"))

    def _without_key(self, text: str) -> str:
        key = self._client.api_key or ""  # after the request: a key function is asked during it
        return Secrets([key]).redact(text)

    def __repr__(self) -> str:
        return "your client" if self._endpoint is None else repr(self._endpoint)


def _openai() -> Any:
    try:
        import openai
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            'client secrets and calls need the package openai: pip install "realtime_sync[text]"'
        ) from exc
    return openai


def _within(timeout: float | None) -> str:
    return "" if timeout is None else f" within {timeout:g} s"


def _refusal(exc: Any, what: str, hidden: Callable[[str], str]) -> ConnectError:
    """The error for a status from 300 on."""
    status, body = exc.status_code, hidden(exc.response.text)[:BODY_LIMIT]
    words = [f"{what}: refused with {status}"]
    said = words_of(body)
    if said:
        words.append(f"the server says: {said.rstrip('.')}")
    if status in _CURES:
        words.append(_CURES[status])
    elif status < 400:
        words.append("redirects are not followed; use the server's own address")
    request_id = exc.response.headers.get("x-request-id")
    if request_id:
        words.append(f"request {hidden(printable(request_id, 80))}")
    return ConnectError.for_status(status, "; ".join(words), body)


def _reason(exc: BaseException) -> str:
    """What the system said; of other causes the kind alone, since their text may quote a header."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError):
            return str(cause) or type(cause).__name__
        exc, cause = cause, cause.__cause__ or cause.__context__
    return type(exc).__name__
