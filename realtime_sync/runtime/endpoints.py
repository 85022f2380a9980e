"""Where a session connects to, and how it proves who it is. No socket, no thread.

An endpoint makes the URL and the headers afresh for every connection, so a key function is asked
each time. Keys live in closures: no repr, `vars()` or pickle shows one. Sources: wire.md (i), (k).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ..errors import ConfigurationError, ConnectError

__all__ = ["Address", "Azure", "Compatible", "Endpoint", "OpenAI", "is_loopback"]

OPENAI_URL = "https://api.openai.com/v1"

Key = str | Callable[[], str]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_SAFE = "/%:@!$&'()*+,;=~"
_KEY_NAME = re.compile(r"auth|key|token|secret", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """One connection's URL and headers."""

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Address {_shown(self.url)}>"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def clean_key(key: object, name: str = "api_key") -> str:
    """A key without the line break that files end with.

    Raises:
        ConfigurationError: It cannot be one; the message does not show it.
    """
    if not isinstance(key, str):
        raise ConfigurationError(f"{name}: a string is needed, not {type(key).__name__}")
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            f"{name}: it is empty"
            if not key
            else f"{name}: it holds spaces or non-ASCII characters"
        )
    return key


def clean_url(url: object, name: str = "base_url") -> str:
    """A ws:// or wss:// URL that ends in /realtime, without a query.

    Raises:
        ConfigurationError: It cannot be one; says why.
    """
    if not isinstance(url, str) or not url.strip():
        raise ConfigurationError(f'{name}: a URL such as "https://api.openai.com/v1" is needed')
    if re.search(r"[\x00-\x20\x7f\\]", url.strip()):
        raise ConfigurationError(f"{name}: it holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ConfigurationError(f"{name}: {exc}".lower()) from None
    scheme = _SCHEMES.get(parts.scheme.lower())
    if scheme is None or not host:
        raise ConfigurationError(f"{name}: it must begin with https://, wss://, http:// or ws://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError(
            f"{name}: neither a user name, a password nor a # part belongs there"
        )
    try:
        ascii_host = host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        raise ConfigurationError(f"{name}: {host!r} is no host name") from None
    netloc = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    if port == 0:
        raise ConfigurationError(f"{name}: nothing listens on port 0")
    if port is not None:
        netloc += f":{port}"
    # what is escaped already stays; the request line takes ASCII only
    path = quote(parts.path.rstrip("/"), safe=_SAFE)
    if not path:
        path = "/v1"
    if not path.endswith("/realtime"):
        path += "/realtime"
    query = "?" + quote(parts.query, safe=_SAFE + "?") if parts.query else ""
    return f"{scheme}://{netloc}{path}{query}"


def _with_query(url: str, query: Mapping[str, str]) -> str:
    base, _, own = url.partition("?")
    pairs = {**dict(parse_qsl(own, keep_blank_values=True)), **query}
    return f"{base}?{urlencode(pairs)}" if pairs else base


def _check_mapping(value: Mapping[str, str] | None, name: str) -> dict[str, str]:
    pairs = dict(value or {})
    for key, text in pairs.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ConfigurationError(f"{name}: strings are needed, {key!r} has none")
    return pairs


class Endpoint:
    """Base of the endpoints: a handle, equal by identity, that never shows its key."""

    def __init__(
        self,
        *,
        key: Key | None,
        key_name: str = "api_key",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self.headers = _check_mapping(headers, "headers")
        self.query = _check_mapping(query, "query")
        self.has_key = key is not None
        if key is None or callable(key):
            provider = key
        else:
            known = clean_key(key, key_name)
            provider = lambda: known  # noqa: E731  # a closure keeps it out of vars()
        self._ask = provider
        self._key_name = key_name

    def key(self) -> str | None:
        """The key to use now; asked of a function if there is one.

        Raises:
            ConfigurationError: What it gave cannot be a key.
        """
        if self._ask is None:
            return None
        failed: str | None = None
        try:
            key = self._ask()
        except (Exception, SystemExit) as exc:  # sys.exit(text) too: the text may hold the key
            failed = type(exc).__name__
        if failed is not None:
            # here and not where it was caught: as a context it would be shown after all
            raise KeyFailed(f"{self._key_name}: the key function raised {failed}")
        return clean_key(key, self._key_name)

    def _carries_key(self) -> bool:
        """Whether a header or a part of the query looks like a key."""
        return any(_KEY_NAME.search(name) for name in (*self.headers, *self.query))

    def address(self, params: Mapping[str, str]) -> Address:
        """URL and headers of one connection. May block in a key function.

        Args:
            params: The query: `model`, `intent` or `call_id`.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Complain about what is wrong before anything is sent.

        Raises:
            ConfigurationError: No key, or one that would cross the network in plain text.
        """

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{type(self).__name__} holds a key and does not pickle; make it anew there"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def refuse_plain(url: str, name: str) -> None:
    """A key must not travel in plain text.

    Raises:
        ConfigurationError: ws:// to a host that is not this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "ws" and not is_loopback(parts.hostname or ""):
        raise ConfigurationError(
            f"{name}: a key would cross the network in plain text to {parts.hostname}; "
            "use https:// or wss://, or Compatible(..., allow_plain=True) if you must"
        )


class OpenAI(Endpoint):
    """OpenAI itself, or whatever `OPENAI_BASE_URL` names.

    Args:
        api_key: The key, or a function that is asked for it at every connect; else
            `OPENAI_API_KEY`, read when the session opens.
        base_url: http(s) or ws(s), with or without /v1 and /realtime; else `OPENAI_BASE_URL`, else
            OpenAI.
        organization: Sent as `OpenAI-Organization`.
        project: Sent as `OpenAI-Project`.
        headers: More headers.
        query: More of the query.
    """

    def __init__(
        self,
        api_key: Key | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(key=api_key, headers=headers, query=query)
        self._url = None if base_url is None else clean_url(base_url)
        if self._url is not None:
            refuse_plain(self._url, "base_url")
        named = {"OpenAI-Organization": organization, "OpenAI-Project": project}
        self.headers = {k: v for k, v in named.items() if v is not None} | self.headers

    def _where(self) -> str:
        if self._url is not None:
            return self._url
        url = clean_url(os.environ.get("OPENAI_BASE_URL") or OPENAI_URL, "OPENAI_BASE_URL")
        refuse_plain(url, "OPENAI_BASE_URL")
        return url

    def key(self) -> str | None:
        """The key to use now."""
        if self.has_key:
            return super().key()
        found = os.environ.get("OPENAI_API_KEY", "").strip()
        if not found:
            raise ConfigurationError(
                "api_key: none given, and OPENAI_API_KEY is not set; pass api_key=, set the "
                "variable, or use endpoint=Compatible(base_url) for a server that needs none"
            )
        return clean_key(found, "OPENAI_API_KEY")

    def check(self) -> None:
        """See `Endpoint.check`. Reads the environment; asks no key function."""
        self._where()
        if not self.has_key:
            self.key()

    def address(self, params: Mapping[str, str]) -> Address:
        """See `Endpoint.address`."""
        headers = {"Authorization": f"Bearer {self.key()}", **self.headers}
        return Address(_with_query(self._where(), {**params, **self.query}), headers)

    def __repr__(self) -> str:
        return f"<OpenAI {_shown(self._url) if self._url else 'default'}>"


class Azure(Endpoint):
    """Azure OpenAI (GA): the deployment is the model.

    Args:
        endpoint: Of the resource, e.g. "https://name.openai.azure.com".
        deployment: The deployment's name.
        api_key: Sent as `api-key`; or a function that is asked at every connect.
        token_provider: A function that gives an Entra token, sent as `Authorization: Bearer`.
        api_version: Names a preview of the beta dialect; None is GA.
        headers: More headers.
        query: More of the query.
    """

    def __init__(
        self,
        endpoint: str,
        deployment: str,
        api_key: Key | None = None,
        token_provider: Callable[[], str] | None = None,
        api_version: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        if (api_key is None) == (token_provider is None):
            raise ConfigurationError("api_key, token_provider: exactly one of the two is needed")
        if api_version is not None:
            raise ConfigurationError("api_version: previews speak the beta dialect; leave it out")
        if not isinstance(deployment, str) or not deployment:
            raise ConfigurationError("deployment: a name is needed")
        super().__init__(
            key=api_key if api_key is not None else token_provider,
            key_name="api_key" if api_key is not None else "token_provider",
            headers=headers,
            query=query,
        )
        self.deployment = deployment
        self._bearer = token_provider is not None
        base = clean_url(endpoint, "endpoint")
        self._url = re.sub(r"(/openai)?(/v1)?/realtime", "/openai/v1/realtime", base)
        refuse_plain(self._url, "endpoint")

    def address(self, params: Mapping[str, str]) -> Address:
        """See `Endpoint.address`."""
        key = self.key() or ""
        auth = {"Authorization": f"Bearer {key}"} if self._bearer else {"api-key": key}
        query = {**params, **({"model": self.deployment} if "model" in params else {})}
        return Address(_with_query(self._url, {**query, **self.query}), {**auth, **self.headers})

    def __repr__(self) -> str:
        return f"<Azure {_shown(self._url)} {self.deployment}>"


class Compatible(Endpoint):
    """Any server that speaks the protocol. Without `api_key` none is sent.

    Args:
        base_url: http(s) or ws(s), with or without /v1 and /realtime.
        api_key: The key, or a function that is asked at every connect.
        dialect: "ga".
        allow_plain: Send the key in plain text to another machine, if the URL says so.
        headers: More headers.
        query: More of the query.
    """

    def __init__(
        self,
        base_url: str,
        api_key: Key | None = None,
        dialect: str = "ga",
        allow_plain: bool = False,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        if dialect != "ga":
            raise ConfigurationError(f'dialect: "ga", not {dialect!r}')
        super().__init__(key=api_key, headers=headers, query=query)
        self._url = clean_url(base_url)
        if not allow_plain and (api_key is not None or self._carries_key()):
            refuse_plain(self._url, "base_url")

    def address(self, params: Mapping[str, str]) -> Address:
        """See `Endpoint.address`."""
        key = self.key()
        auth = {} if key is None else {"Authorization": f"Bearer {key}"}
        return Address(_with_query(self._url, {**params, **self.query}), {**auth, **self.headers})

    def __repr__(self) -> str:
        return f"<Compatible {_shown(self._url)}>"


def _shown(url: str) -> str:
    return url.partition("?")[0]  # a query may hold a key


class KeyFailed(ConfigurationError, ConnectError):
    """A key function raised: a failed attempt. Its own words may hold the key and are not shown."""
