"""Azure OpenAI as an endpoint: its two paths, its two proofs. No socket, no thread.

Source: wire.md (k).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..errors import ConfigurationError
from .endpoints import (
    BETA_HEADER,
    Address,
    Endpoint,
    Key,
    clean_key,
    clean_url,
    refuse_plain,
    with_headers,
    with_query,
)

__all__ = ["Azure"]

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_PREVIEW = re.compile(r"\d{4}-\d{2}-\d{2}-preview")
#: Names that Azure has for the API without versions.
_GA_VERSIONS = ("", "v1", "preview", "latest")
#: What a resource's URL may end in, by the one or the other of its APIs.
_PATH = re.compile(r"(/openai)?(/v1)?/realtime$")
#: Of a URL's query, what we say anew.
_OURS = frozenset({"api-version", "deployment", "model"})
#: How client secrets begin.
_SECRET = "ek_"


class Azure(Endpoint):
    """Azure OpenAI: the deployment is the model.

    GA, at /openai/v1/realtime, unless an `api_version` names a preview; that one is at
    /openai/realtime and speaks the beta dialect, which is translated. What is left out is read
    from the environment when the session opens. `OPENAI_API_VERSION` counts only if it ends in
    "-preview": versions without are those of other APIs of Azure. It does not count, either, where
    the endpoint's URL ends in /openai/v1, which is GA's. Source: wire.md (k).

    Args:
        endpoint: Of the resource, e.g. "https://name.openai.azure.com"; any host will do, such as
            name.services.ai.azure.com or name.cognitiveservices.azure.com, and so will the whole
            URL that Azure's portal shows. Else `AZURE_OPENAI_ENDPOINT`.
        deployment: The deployment's name; else that of the endpoint's query. Transcription
            sessions do without: theirs is the model in `transcription=`.
        api_key: Sent as `api-key`; or a function that is asked at every connect. Else
            `AZURE_OPENAI_API_KEY`. A client secret ("ek_...") is sent as a bearer.
        token_provider: A function that gives an Entra token, asked at every connect, sent as
            `Authorization: Bearer`; instead of a key.
        api_version: A preview such as "2025-04-01-preview"; "v1" is GA, whatever the environment
            says; None: `OPENAI_API_VERSION`, else GA.
        headers: More headers; they beat ours.
        query: More of the query; it beats ours.

    Raises:
        ConfigurationError: Both proofs at once, or a value that cannot be.
    """

    provider = "azure.ai.openai"

    def __init__(
        self,
        endpoint: str | None = None,
        deployment: str | None = None,
        api_key: Key | None = None,
        token_provider: Callable[[], str] | None = None,
        api_version: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        if api_key is not None and token_provider is not None:
            raise ConfigurationError("api_key, token_provider: give one of the two")
        if token_provider is not None and not callable(token_provider):
            raise ConfigurationError("token_provider: a function that gives a token is needed")
        if deployment is not None and (not isinstance(deployment, str) or not deployment.strip()):
            raise ConfigurationError("deployment: a name is needed")
        super().__init__(
            key=api_key if api_key is not None else token_provider,
            key_name="api_key" if token_provider is None else "token_provider",
            headers=headers,
            query=query,
        )
        self._bearer = token_provider is not None
        self._place = None if endpoint is None else _Place.of(endpoint, "endpoint")
        # what the Azure portal shows as an endpoint has both in its query
        shown = {} if self._place is None else self._place.query
        self.deployment = deployment or shown.get("deployment") or shown.get("model")
        given = shown.get("api-version") if api_version is None else api_version
        self._version = None if given is None else _version(given)
        if self._place is not None and self._place.ga and self._version:
            raise ConfigurationError(
                "api_version: the endpoint ends in /openai/v1, which is GA and takes none; "
                "leave one of the two out"
            )

    @property
    def api_version(self) -> str | None:
        """The preview's version; None: GA. Reads the environment."""
        return self._version_at(self._where())

    @property
    def dialect(self) -> str:
        """What the server speaks: "beta" with a preview, else "ga". Reads the environment."""
        return "ga" if self.api_version is None else "beta"

    def _where(self) -> _Place:
        if self._place is not None:
            return self._place
        found = os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip()
        if not found:
            raise ConfigurationError(
                "endpoint: none given, and AZURE_OPENAI_ENDPOINT is not set; pass endpoint=, e.g. "
                '"https://name.openai.azure.com", or set the variable'
            )
        return _Place.of(found, "AZURE_OPENAI_ENDPOINT")

    def _version_at(self, place: _Place) -> str | None:
        if self._version is not None:
            return self._version or None
        version = os.environ.get("OPENAI_API_VERSION", "").strip()
        return version if _PREVIEW.fullmatch(version) and not place.ga else None

    def key(self) -> str | None:
        """The key or token to use now."""
        if self.has_key:
            return super().key()
        found = os.environ.get("AZURE_OPENAI_API_KEY", "").strip()
        if not found:
            raise ConfigurationError(
                "api_key: none given, and AZURE_OPENAI_API_KEY is not set; pass api_key= or "
                "token_provider=, or set the variable"
            )
        return clean_key(found, "AZURE_OPENAI_API_KEY")

    def check(self) -> None:
        """See `Endpoint.check`. Reads the environment; asks no key function."""
        self._where()
        if not self.has_key:
            self.key()

    def address(self, params: Mapping[str, str]) -> Address:
        """See `Endpoint.address`."""
        place = self._where()
        version = self._version_at(place)
        if "model" in params and self.deployment is None:
            raise ConfigurationError("deployment: a name is needed; with Azure it is the model")
        if version is not None and "call_id" in params:
            raise ConfigurationError("api_version: previews have no sideband; leave it out")
        asked = {name: value for name, value in params.items() if name != "model"}
        if "model" in params:
            asked["model" if version is None else "deployment"] = self.deployment or ""
        headers = self._proof()
        if version is not None:
            asked, headers = {"api-version": version, **asked}, {**headers, **BETA_HEADER}
        return Address(
            place.url(version, {**asked, **self.query}),
            with_headers(headers, self.headers),
            dialect="ga" if version is None else "beta",
            azure=True,
        )

    def _proof(self) -> dict[str, str]:
        key = self.key() or ""
        if self._bearer or key.startswith(_SECRET):
            return {"Authorization": f"Bearer {key}"}
        return {"api-key": key}

    def __repr__(self) -> str:
        where = "default" if self._place is None else self._place.root
        return f"<Azure {where} {self.deployment or ''}>".replace(" >", ">")


@dataclass(frozen=True, slots=True, repr=False)
class _Place:
    """A resource's URL in parts.

    Attributes:
        root: Scheme, host, and what stands before Azure's own path.
        query: Of the URL.
        ga: Whether its path was that of GA.
    """

    root: str
    query: Mapping[str, str]
    ga: bool

    @classmethod
    def of(cls, endpoint: str, name: str) -> _Place:
        url, _, text = clean_url(endpoint, name).partition("?")
        refuse_plain(url, name)
        path = _PATH.search(url)
        assert path is not None  # clean_url has added the end of it
        query = dict(parse_qsl(text, keep_blank_values=True))
        return cls(url[: path.start()], query, path[0] == "/openai/v1/realtime")

    def url(self, version: str | None, query: Mapping[str, str]) -> str:
        path = "/openai/v1/realtime" if version is None else "/openai/realtime"
        kept = {name: value for name, value in self.query.items() if name not in _OURS}
        return with_query(f"{self.root}{path}", {**kept, **query})


def _version(given: object) -> str:
    """A preview's version; "" for GA's names.

    Raises:
        ConfigurationError: It is neither.
    """
    version = given.strip() if isinstance(given, str) else given
    if version in _GA_VERSIONS:
        return ""
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ConfigurationError(
            f'api_version: a preview such as "2025-04-01-preview", or "v1" for GA; not {given!r}'
        )
    return version
