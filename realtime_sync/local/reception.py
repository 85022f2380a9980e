"""Who is let in, and to what: path, dialect, model, key, origin.

Decides on a request; sends nothing, logs nothing, has no clock.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from realtime_sync.local.grants import PREFIX, Grant, Grants

__all__ = ["Dismissal", "Reception", "Rejection", "Visit", "is_text"]

Wire = dict[str, Any]

_PATH = re.compile(r"/(?P<base>v1/|openai/v1/|)realtime(?P<rest>(?:/[\w.-]+)*)/?")
_TEXT = re.compile(
    r"/(?:v1/|openai/v1/|)"
    r"(?P<rest>(?:chat/completions|audio/transcriptions|responses|assistants|threads|files)(?:/[\w.-]+)*)/?"
)
_PREVIEW = "/openai/realtime"
_REAL_KEY = "T3BlbkFJ"  # "OpenAI" in base64: every key that OpenAI has made contains it


def is_text(target: str) -> bool:
    """Whether a request is for a text model, and no WebSocket whatever its method."""
    return _TEXT.fullmatch(target.partition("?")[0]) is not None


@dataclass(frozen=True, slots=True)
class Rejection:
    """An HTTP answer instead of a WebSocket."""

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> str:
        """The service's JSON."""
        error = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return json.dumps({"error": error}, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Dismissal:
    """A WebSocket that is accepted only to be told why not: an error, then a close frame."""

    code: str
    message: str
    close: int = 4000

    @property
    def reason(self) -> str:
        return f"invalid_request_error.{self.code}"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a client is let in for.

    Attributes:
        kind: "realtime", "transcription", "translation", or "sideband".
        model: Empty for a transcription and a sideband.
        dialect: "ga" or "beta".
        preset: What its client secret was made with.
        call_id: The call that a sideband joins.
    """

    kind: str
    model: str = ""
    dialect: str = "ga"
    preset: Wire | None = field(default=None, repr=False)
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request's target and what says who asks."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, target: str, headers: Mapping[str, str]) -> _Asked:
        # not urlsplit: it raises at what is no URL, and a client may send anything
        path, _, text = target.partition("?")
        query = {name: values[0] for name, values in parse_qs(text).items()}
        return cls(path, query, headers)

    @property
    def in_beta(self) -> bool:
        """Whether the header of the beta is there."""
        wanted = self.headers.get("openai-beta", "").split(",")
        return "realtime=v1" in (one.strip() for one in wanted)

    def first(self, *names: str) -> str:
        return next((self.query[name] for name in names if self.query.get(name)), "")


class Reception:
    """Decides on one request at a time.

    Args:
        api_key: The only key accepted beside client secrets; None: any that is not empty.
        grants: The client secrets.
        dialect: What the server speaks where the path does not say.
        needs_beta_header: Whether the beta dialect is only for those who send its header.
    """

    def __init__(
        self,
        api_key: str | None,
        grants: Grants,
        *,
        dialect: str = "ga",
        needs_beta_header: bool = True,
    ) -> None:
        self._key = None if api_key is None else api_key.strip().encode()
        self._grants = grants
        self._dialect = dialect
        self._needs_beta_header = needs_beta_header

    def __repr__(self) -> str:
        return "<Reception, any key>" if self._key is None else "<Reception, one key>"

    def visit(
        self, target: str, headers: Mapping[str, str], now: float
    ) -> Visit | Dismissal | Rejection:
        """What a WebSocket is for, or why there will be none.

        Args:
            target: The request's path and query.
            headers: Its headers, names in lower case.
            now: For client secrets that expire.
        """
        asked = _Asked.of(target, headers)
        preview = asked.path.rstrip("/") == _PREVIEW
        place = _PATH.fullmatch(asked.path)
        if "origin" in headers:
            return _FOREIGN
        if not preview and (place is None or place["rest"] not in ("", "/translations")):
            return _no_path(asked.path)
        grant = self._granted(asked, now)
        if isinstance(grant, Rejection):
            return grant
        if preview:
            return _preview(asked, grant)
        assert place is not None
        return self._place(asked, place, grant)

    def caller(
        self, target: str, headers: Mapping[str, str], now: float
    ) -> tuple[str, Grant | None] | Rejection:
        """What comes after "realtime" in a REST call's path, and the secret that it came with."""
        asked = _Asked.of(target, headers)
        found = self._let_in(asked, _PATH, headers, now)
        if isinstance(found, Rejection):
            return found
        place, grant = found
        if place["base"] == "openai/v1/" and "api-version" in asked.query:
            return _VERSIONED
        if asked.in_beta and self._dialect == "ga":
            return Rejection(400, _DISABLED.message, _DISABLED.code)
        return place["rest"], grant

    def reader(self, target: str, headers: Mapping[str, str], now: float) -> str | Rejection:
        """What comes after "/v1" in a text call's path."""
        found = self._let_in(_Asked.of(target, headers), _TEXT, headers, now)
        if isinstance(found, Rejection):
            return found
        place, grant = found
        return f"/{place['rest']}" if grant is None else _wrong_secret(grant.kind)

    def _let_in(
        self, asked: _Asked, paths: re.Pattern[str], headers: Mapping[str, str], now: float
    ) -> tuple[re.Match[str], Grant | None] | Rejection:
        """Where a call goes, and the secret that it came with; not from a page of another site."""
        if "origin" in headers:
            return _FOREIGN
        place = paths.fullmatch(asked.path)
        if place is None:
            return _no_path(asked.path)
        grant = self._granted(asked, now)
        return grant if isinstance(grant, Rejection) else (place, grant)

    def _place(
        self, asked: _Asked, place: re.Match[str], grant: Grant | None
    ) -> Visit | Dismissal | Rejection:
        azure = place["base"] == "openai/v1/"
        if azure and "api-version" in asked.query:
            return _VERSIONED
        beta = self._dialect == "beta" and not azure and not place["rest"]
        if beta and self._needs_beta_header and not asked.in_beta:
            return _NOT_ASKED_FOR
        if not beta and self._dialect == "ga" and asked.in_beta:
            return _DISABLED
        dialect = "beta" if beta else "ga"
        if place["rest"]:
            return _with_model(asked, grant, "translation", dialect)
        if asked.query.get("call_id"):
            if grant is not None:
                return _no_call(asked.query["call_id"])
            return Visit("sideband", dialect=dialect, call_id=asked.query["call_id"])
        return _session(asked, grant, dialect)

    def _granted(self, asked: _Asked, now: float) -> Grant | Rejection | None:
        """The secret that the key is, None for a key, or why it is neither."""
        given = _key_of(asked)
        if not given:
            return _NO_KEY
        if given.startswith(PREFIX):
            grant = self._grants.find(given, now)
            # with one key only, a key may look like a secret
            if grant is not None or self._key is None:
                return grant or _WRONG_KEY
        if self._key is not None:
            # in constant time: a wrong key must not tell how much of it was right
            right = hmac.compare_digest(given.encode("utf-8", "replace"), self._key)
            return None if right else _WRONG_KEY
        return _REAL if _REAL_KEY in given else None


def _key_of(asked: _Asked) -> str:
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else ""
    given = given or asked.headers.get("api-key", "").strip()
    # Azure takes it in the query too
    return given or (asked.query.get("api-key", "") if asked.path.startswith("/openai/") else "")


def _preview(asked: _Asked, grant: Grant | None) -> Visit | Rejection:
    """Azure's preview: the beta dialect, by version and deployment."""
    if not asked.query.get("api-version"):
        return Rejection(404, "Resource not found: api-version is missing.", "404")
    return _session(asked, grant, "beta")


def _session(asked: _Asked, grant: Grant | None, dialect: str) -> Visit | Rejection:
    granted = None if grant is None else grant.kind
    if asked.query.get("intent") == "transcription" or granted == "transcription":
        if granted not in (None, "transcription"):
            return _wrong_secret(str(granted))
        if asked.query.get("model"):
            message = "A transcription session takes no model parameter."
            return Rejection(400, message, "invalid_parameter")
        preset = None if grant is None else grant.session
        return Visit("transcription", dialect=dialect, preset=preset)
    return _with_model(asked, grant, "realtime", dialect)


def _with_model(asked: _Asked, grant: Grant | None, kind: str, dialect: str) -> Visit | Rejection:
    if grant is not None and grant.kind != kind:
        return _wrong_secret(grant.kind)
    model = asked.first("model", "deployment") or (grant.model if grant is not None else "")
    if not model:
        return Rejection(400, "You must provide a model parameter.", "missing_model")
    return Visit(kind, model, dialect, None if grant is None else grant.session)


def _no_path(path: str) -> Rejection:
    return Rejection(404, f"Invalid URL ({path[:200]})", "unknown_url")


def _no_call(call_id: str) -> Rejection:
    message = f"No session found for call_id {call_id[:64]!r}."
    return Rejection(404, message, "call_id_not_found")


def _wrong_secret(kind: str) -> Rejection:
    return Rejection(401, f"This client secret is for a {kind} session.", "invalid_api_key")


# a web page can reach loopback, and no browser lets it hide that it is one
_FOREIGN = Rejection(403, "Requests with an Origin header are not accepted.")
_NO_KEY = Rejection(401, "You didn't provide an API key: send an Authorization header, Bearer.")
_WRONG_KEY = Rejection(401, "Incorrect API key provided.", "invalid_api_key")
_REAL = Rejection(
    401,
    "This is an embedded test server, and the key looks like a real one: use any other text.",
    "invalid_api_key",
)
_VERSIONED = Rejection(401, "This path takes no api-version: leave it out.", "401")
_DISABLED = Dismissal(
    "beta_api_shape_disabled",
    "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
)
_NOT_ASKED_FOR = Dismissal(
    "missing_beta_header",
    "You must provide the header 'OpenAI-Beta: realtime=v1' to use the Realtime Beta API.",
)
