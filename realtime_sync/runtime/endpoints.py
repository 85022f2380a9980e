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

__all__ = ["Address", "Compatible", "Endpoint", "OpenAI", "is_loopback"]

OPENAI_URL = "https://api.openai.com/v1"

Key = str | Callable[[], str]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_SAFE = "/%:@!$&'()*+,;=~"
_KEY_NAME = re.compile(r"auth|key|token|secret", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]+")


#: Asks for the beta; a GA server refuses whoever sends it. Source: wire.md (f).
BETA_HEADER = {"OpenAI-Beta": "realtime=v1"}


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """One connection's URL and headers, and what is spoken there.

    Attributes:
        url: ws:// or wss://.
        headers: Of the handshake.
        dialect: "ga" or "beta".
        azure: Whether the beta is that of Azure's previews.
    """

    url: str
    headers: Mapping[str, str]
    dialect: str = "ga"
    azure: bool = False

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
            f"{name}: it is empty; give the key, or leave it out"
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


def with_query(url: str, query: Mapping[str, str]) -> str:
    base, _, own = url.partition("?")
    pairs = {**dict(parse_qsl(own, keep_blank_values=True)), **query}
    return f"{base}?{urlencode(pairs)}" if pairs else base


def with_headers(ours: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Headers, the caller's own beating ours in whatever letter case."""
    beaten = {name.lower() for name in own}
    return {name: v for name, v in ours.items() if name.lower() not in beaten} | dict(own)


def _check_mapping(value: Mapping[str, str] | None, name: str) -> dict[str, str]:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}: a dict of strings is needed, not {type(value).__name__}")
    pairs = dict(value or {})
    for key, text in pairs.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ConfigurationError(f"{name}: strings are needed, {key!r} has none")
    return pairs


class Endpoint:
    """Base of the endpoints: a handle, equal by identity, that never shows its key."""

    #: Whose protocol it is, as OpenTelemetry names it.
    provider = "openai"

    @property
    def dialect(self) -> str:
        """What the server speaks: "ga" or "beta"."""
        return "ga"

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
        try:
            return clean_key(key, self._key_name)
        except ConfigurationError as exc:  # it may know better next time, as one that raises
            failed = f"{exc}; the key function gave it"
        raise KeyFailed(failed)

    def _carries_key(self, url: str) -> bool:
        """Whether a header or a part of the query, the URL's own too, looks like a key."""
        own = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        return any(_KEY_NAME.search(name) for name in (*self.headers, *self.query, *own))

    def address(self, params: Mapping[str, str]) -> Address:
        """URL and headers of one connection. May block in a key function.

        Args:
            params: The query: `model`, `intent` or `call_id`.
        """
        raise NotImplementedError

    def url(self) -> str:
        """The URL of a connection without parameters; where it can be, no key is asked for it."""
        return self.address({}).url

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
        given = {name: value for name, value in named.items() if value is not None}
        self.headers = with_headers(_check_mapping(given, "headers"), self.headers)

    def _where(self) -> str:
        if self._url is not None:
            return self._url
        url = clean_url(os.environ.get("OPENAI_BASE_URL") or OPENAI_URL, "OPENAI_BASE_URL")
        refuse_plain(url, "OPENAI_BASE_URL")
        return url

    def url(self) -> str:
        """See `Endpoint.url`."""
        return with_query(self._where(), self.query)

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
        headers = with_headers({"Authorization": f"Bearer {self.key()}"}, self.headers)
        return Address(with_query(self._where(), {**params, **self.query}), headers)

    def __repr__(self) -> str:
        return f"<OpenAI {_shown(self._url) if self._url else 'default'}>"


class Compatible(Endpoint):
    """Any server that speaks the protocol. Without `api_key` none is sent.

    Args:
        base_url: http(s) or ws(s), with or without /v1 and /realtime.
        api_key: The key, or a function that is asked at every connect.
        dialect: "ga"; or "beta" for a server that still speaks what came before: names and shapes
            are translated in both directions, and `OpenAI-Beta: realtime=v1` is sent.
        allow_plain: Send the key in plain text to another machine, if the URL says so.
        headers: More headers; they beat ours.
        query: More of the query; it beats ours.
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
        if dialect not in ("ga", "beta"):
            raise ConfigurationError(f'dialect: "ga" or "beta", not {dialect!r}')
        super().__init__(key=api_key, headers=headers, query=query)
        self._dialect = dialect
        self._url = ""  # reports of errors show an endpoint whose URL is none, too
        self._url = clean_url(base_url)
        if not allow_plain and (api_key is not None or self._carries_key(self._url)):
            refuse_plain(self._url, "base_url")

    @property
    def dialect(self) -> str:
        """What the server speaks: "ga" or "beta"."""
        return self._dialect

    def url(self) -> str:
        """See `Endpoint.url`."""
        return with_query(self._url, self.query)

    def address(self, params: Mapping[str, str]) -> Address:
        """See `Endpoint.address`."""
        key = self.key()
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if self._dialect == "beta":
            headers |= BETA_HEADER
        url = with_query(self._url, {**params, **self.query})
        return Address(url, with_headers(headers, self.headers), dialect=self._dialect)

    def __repr__(self) -> str:
        spoken = "" if self._dialect == "ga" else f", {self._dialect}"
        return f"<Compatible {_shown(self._url)}{spoken}>"


def _shown(url: str) -> str:
    return url.partition("?")[0]  # a query may hold a key


class KeyFailed(ConfigurationError, ConnectError):
    """A key function raised, or gave what is no key: a failed attempt.

    Its own words may hold the key and are not shown.
    """
