"""The API behind a text session: a client of the `openai` package, and its errors as ours.

What the client raises holds the request, and that the key: so its exceptions end here, and ours
have no cause.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    RealtimeError,
    RealtimeTimeout,
    RequestRefused,
    ResponseFailed,
)
from ..runtime.azure import Azure
from ..runtime.dial import default_context
from ..runtime.endpoints import Compatible, Endpoint, OpenAI, clean_key, refuse_plain
from ..runtime.framing import printable
from ..runtime.greeting import BODY_LIMIT, Headers
from ..runtime.secrets import Secrets
from .wires import Wires, hang_up

__all__ = ["Service", "check_package", "hang_up"]

#: Seconds without a byte until a request is over; a model that thinks may be silent for long.
SILENCE = 600.0
#: What the client would else take from its own arguments or from the environment.
_ENDPOINTS_OWN = ("Authorization", "OpenAI-Organization", "OpenAI-Project")
#: HTTP status -> what may help.
_CURES = {
    **dict.fromkeys((301, 302, 303, 307, 308), "no redirect is followed; give the URL it leads to"),
    401: "check the key",
    403: "check what the key may do",
    404: "check the URL and the model",
    429: "wait, or check the quota",
}


class _Named(Compatible):
    """A server that was named by its URL alone: it gets OPENAI_API_KEY, if there is one."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)

    def key(self) -> str | None:
        """The key to use now."""
        found = os.environ.get("OPENAI_API_KEY", "").strip()
        if not found:
            return None
        refuse_plain(self._url, "base_url")
        return clean_key(found, "OPENAI_API_KEY")


class Service:
    """A client of the `openai` package, made when it is needed first, or the caller's own.

    Args:
        client: The caller's; None: our own, by what follows.
        endpoint: Where to, and with which key; asked at every request.
        api_key, base_url: Instead of an endpoint.
        max_retries: How often our client asks again after 408, 409, 429, 5xx and without a link.

    Raises:
        ConfigurationError: The package is missing, or an argument cannot be.
    """

    def __init__(
        self,
        client: Any = None,
        *,
        endpoint: Endpoint | None = None,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        max_retries: int = 2,
    ) -> None:
        named = api_key is not None or base_url is not None
        if named and (client is not None or endpoint is not None):
            which = "client" if client is not None else "endpoint"
            raise ConfigurationError(
                f"{which}: it has the key and the URL; leave api_key, base_url out"
            )
        if client is not None and endpoint is not None:
            raise ConfigurationError("client: give it, or endpoint=, not both")
        if client is None:
            check_package()
        if type(client).__name__.startswith("Async"):
            raise ConfigurationError(f"client: an openai.OpenAI, not {type(client).__name__}")
        if endpoint is None and client is None:
            url_alone = api_key is None and base_url is not None
            endpoint = _Named(base_url or "") if url_alone else OpenAI(api_key, base_url)
        elif endpoint is not None and not isinstance(endpoint, Endpoint):
            raise ConfigurationError("endpoint: OpenAI(...), Azure(...) or Compatible(...)")
        self.endpoint = endpoint  # None: the client is the caller's
        self.client = client  # None until it is made
        self._closed = False
        self._max_retries = max_retries
        self._wires: Wires | None = None  # of our own client
        self._hidden: Callable[[str], str] = self._without_key

    def open(self) -> None:
        """Make the client. May take a while: the package is imported.

        Raises:
            ConfigurationError: There is no key, or no such API at the endpoint.
        """
        if self.endpoint is None or (self.client is not None and not self._closed):
            return
        self.endpoint.check()
        url = self.endpoint.url()
        if isinstance(self.endpoint, Azure) and "/openai/v1/" not in url:
            raise ConfigurationError(
                "endpoint: text models of Azure are reached without api_version; leave it out, or "
                "give client=openai.AzureOpenAI(...)"
            )
        import openai

        self._wires = wires = Wires()
        http = openai.DefaultHttpxClient(
            event_hooks={"request": [wires.watch]},
            follow_redirects=False,  # to nobody else goes what was said, or an api-key
            trust_env=False,  # a session takes no proxy from the environment either
            verify=default_context(),
        )
        weakref.finalize(self, http.close)
        # the key is not used: each request brings that of its moment
        self.client = openai.OpenAI(
            api_key="unused",
            base_url=_base(url),
            max_retries=self._max_retries,
            timeout=SILENCE,
            http_client=http,
        )
        self._closed = False

    def close(self) -> None:
        """Give back the connections, but not those of the caller's client. Idempotent.

        `open` makes new ones.
        """
        if self.endpoint is not None and self.client is not None:
            self._closed = True
            self.client.close()

    def ask(self, call: Callable[..., Any], body: Mapping[str, Any]) -> Any:
        """What `call`, given the client and the body as keywords, returns; its errors as ours."""
        failed: RealtimeError
        try:
            stream = call(self.client)(**{**body, **self._extras(body)})
        except RealtimeError:
            raise
        except Exception as exc:
            failed = self._failed(exc, begun=False)
        else:
            if self._wires is not None:
                self._wires.taken(stream)
            return stream
        # here and not where it was caught: what the client raises holds the request's headers
        raise failed

    def give_back(self, stream: Any) -> None:
        """Close a stream."""
        close = getattr(stream, "close", None)
        if close is not None:
            close()
        if self._wires is not None:
            self._wires.given_back(stream)

    def read(self, stream: Any) -> Iterator[Any]:
        """What a stream brings; its errors as ours."""
        iterator = iter(stream)
        while True:
            try:
                value = next(iterator)
            except StopIteration:
                return
            except Exception as exc:
                failed = self._failed(exc, begun=True)
            else:
                yield value
                continue
            raise failed

    def without_key(self, told: Any) -> Any:
        """What the server says, should it have given the key back."""
        return self._hidden(told) if isinstance(told, str) else told

    def _extras(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the endpoint adds to a request. May block in a key function."""
        if self.endpoint is None:
            return {}
        from openai import Omit

        address = self.endpoint.address({})
        query = address.url.partition("?")[2]
        self._hidden = Headers(address.headers, "", query).redact
        given = {name.lower() for name in address.headers}
        left_out = {name: Omit() for name in _ENDPOINTS_OWN if name.lower() not in given}
        headers = {**left_out, **address.headers, **(body.get("extra_headers") or {})}
        queries = {**dict(parse_qsl(query)), **(body.get("extra_query") or {})}
        if isinstance(self.endpoint, Azure):
            queries.pop("model", None)  # the deployment of the realtime model
        return {"extra_headers": headers, "extra_query": queries or None}

    # --- errors

    def _failed(self, exc: Exception, *, begun: bool) -> RealtimeError:
        kinds = {kind.__name__ for kind in type(exc).__mro__}
        status = getattr(exc, "status_code", None)
        said = self._hidden(_words(exc))
        if isinstance(status, int):
            return self._refusal(exc, status, said)
        if kinds & {"APITimeoutError", "TimeoutException", "TimeoutError"}:
            text = f"{self._where}: nothing came for too long"
            return ConnectionLost(text, code=1006) if begun else RealtimeTimeout(text)
        if kinds & {"APIConnectionError", "TransportError", "OSError"}:
            reason = self._hidden(_reason(exc))
            if begun:
                text = f"{self._where}: the stream was cut: {reason}"
                return ConnectionLost(text, code=1006, reason=reason)
            return ConnectError(
                f"no connection to {self._where}: {reason}; check the URL, and that the server runs"
            )
        if "APIError" in kinds and begun:
            code, kind = getattr(exc, "code", None), getattr(exc, "type", None)
            text = f"the response failed: {said or code or kind or 'no reason given'}"
            return ResponseFailed(text, code=code, type=kind, message=said or None)
        if begun:
            return ProtocolError(f"{self._where}: what came is no stream of answers: {said}")
        if isinstance(exc, (TypeError, ValueError)):
            cure = ""
            if "unexpected keyword" in said:
                cure = "; what the package openai does not know goes into extra_body={...}"
            return ConfigurationError(f"the request cannot be made: {said}{cure}")
        return ConnectError(f"{self._where}: {type(exc).__name__}: {said}")

    def _refusal(self, exc: Any, status: int, said: str) -> RealtimeError:
        body = self._hidden(_body(exc))[:BODY_LIMIT]
        words = [f"{self._where}: refused with {status}"]
        if said:
            words.append(f"the server says: {said.rstrip('.')}")
        if status in _CURES:
            words.append(_CURES[status])
        text = "; ".join(words)
        error = ConnectError.for_status(status, text, body)
        if 400 <= status < 500 and type(error) is ConnectError:
            error = refused = RequestRefused(text, status=status, body=body)
            for name in ("code", "type", "param"):
                value = getattr(exc, name, None)
                setattr(refused, name, value if isinstance(value, str) else None)
        error.retry_after = _retry_after(exc)
        return error

    @property
    def _where(self) -> str:
        return urlsplit(str(getattr(self.client, "base_url", ""))).hostname or "the API"

    def _without_key(self, text: str) -> str:
        key = getattr(self.client, "api_key", None)
        return Secrets([key]).redact(text) if isinstance(key, str) else text

    def __repr__(self) -> str:
        return f"<Service {'of your client' if self.endpoint is None else self.endpoint!r}>"


def check_package() -> None:
    """See that the package is here, without importing it.

    Raises:
        ConfigurationError: It is missing.
    """
    if importlib.util.find_spec("openai") is None:
        raise ConfigurationError(
            'text models need the package openai: pip install "realtime_sync[text]"'
        )


def _base(url: str) -> str:
    """The base URL as HTTP clients have it: with /v1, without /realtime and without a query."""
    url = url.partition("?")[0]
    return "http" + url.removeprefix("ws").removesuffix("/realtime")


def _body(exc: Any) -> str:
    body = getattr(exc, "body", None)
    if isinstance(body, str):
        return body
    with contextlib.suppress(TypeError, ValueError):
        return json.dumps(body) if body is not None else ""
    return ""


def _words(exc: Any) -> str:
    """What the server said, of a JSON body; nothing of an HTML page."""
    body = getattr(exc, "body", None)
    if isinstance(body, dict):
        error = body.get("error", body)
        said = error.get("message") if isinstance(error, dict) else error
        return printable(said) if isinstance(said, str) else ""
    if getattr(exc, "status_code", None) is not None:
        return ""
    return printable(str(getattr(exc, "message", None) or exc))


def _reason(exc: BaseException) -> str:
    """What the system said; of other causes the kind alone, since their text may quote a header."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, OSError):
            return printable(str(cause)) or type(cause).__name__
        exc, cause = cause, cause.__cause__ or cause.__context__
    return type(exc).__name__


def _retry_after(exc: Any) -> float | None:
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        return float(exc.response.headers["retry-after"])
    return None
