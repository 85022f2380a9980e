"""Rest: client secrets and calls, blocking. Knows what to say, not how it is sent."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..closing import Closing
from ..errors import ConfigurationError
from ..events.config import NOT_GIVEN, NotGiven
from ..opening import endpoints_of
from ..runtime.azure import Azure
from ..runtime.endpoints import Endpoint
from . import bodies
from .bodies import Config, Wire
from .calls import Calls
from .post import Post
from .values import ClientSecret

if TYPE_CHECKING:
    import openai

__all__ = ["Rest"]

MAX_RETRIES = 2


class Rest(Closing):
    """The REST side of the Realtime API.

    ::

        with Rest() as rest:
            secret = rest.client_secret(voice="marin", instructions="Be brief.")
            rest.calls.accept("rtc_…", instructions="You answer the phone.", tools=[lookup])

    Every method may be called from any thread but inside a `tap`. `timeout` is in seconds, for
    each attempt and each of its steps (connect, send, receive); None waits for ever. Redirects are
    not followed, and no proxy is taken from the environment: for one, bring a `client`.

    Args:
        endpoint: `OpenAI`, `Azure` or `Compatible`, instead of the two below. Key functions are
            asked, and the environment is read, at every call.
        api_key: As for `RealtimeSession`.
        base_url: As for `RealtimeSession`.
        client: An `openai.OpenAI` of yours instead of all others, with its key, URL and retries.
        max_retries: How often what failed for now (429, 5xx, no link) is tried again; else twice.
        ssl_context: For https; else the system's certificates, checked.

    Attributes:
        calls: `Calls`: create, accept, reject, refer, hangup.

    Raises:
        ConfigurationError: The package `openai` is missing, or an argument cannot be.
    """

    def __init__(
        self,
        endpoint: Endpoint | None = None,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        client: openai.OpenAI | None = None,
        max_retries: int | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        others = (endpoint, api_key, base_url, max_retries, ssl_context)
        if client is not None and any(one is not None for one in others):
            raise ConfigurationError(
                "client: it has a key and a URL; leave the other arguments out"
            )
        if endpoint is not None and not isinstance(endpoint, Endpoint):
            raise ConfigurationError("endpoint: one OpenAI(...), Azure(...) or Compatible(...)")
        if getattr(endpoint, "dialect", "ga") != "ga":
            raise ConfigurationError("endpoint: the beta dialect has no such client secrets, calls")
        retries = bodies.number(
            "max_retries", MAX_RETRIES if max_retries is None else max_retries, 0, 100
        )
        where = None if client is not None else endpoints_of(endpoint, api_key, base_url)[0]
        self._deployment = where.deployment if isinstance(where, Azure) else None
        self._post = Post(where, client, retries, ssl_context)
        self.calls = Calls(self._post, self._deployment)

    def client_secret(
        self,
        config: Config = None,
        *,
        type: str | None = None,
        model: str | None = None,
        tools: Iterable[Any] = (),
        expires_after: int | None = 600,
        timeout: float | None = 30,
        **fields: Any,
    ) -> ClientSecret:
        """A key that begins sessions with this configuration, for a client you do not trust.

        Args:
            config: A `SessionConfig`, or a dict of its shape; `fields` beat it.
            type: "realtime" or "transcription"; else that of `config`, else "realtime".
            model: As for `RealtimeSession`; a transcription has its own, in `transcription`.
            tools: As for `RealtimeSession`; their Python stays here.
            expires_after: Seconds, 10 to 7200; None leaves it to the server.
            timeout: Seconds; see the class.
            fields: The flat fields of `RealtimeSession`.

        Raises:
            ConfigurationError, TypeError, ValueError: No key, a wrong value or name; nothing was
                sent.
            AuthenticationError, PermissionDenied, NotFound, RateLimited: The server refused.
            ConnectError: Any other refusal (`.status`, `.body`), or no link.
            RealtimeTimeout: It took longer.
            ProtocolError: The answer is not what was asked for.
            SessionClosed: `close()` was called.
            WouldDeadlock: Called inside a tap.
        """
        life = bodies.expires_after(expires_after)
        session = bodies.session(
            config, fields, type=type, model=model, tools=tools, deployment=self._deployment
        )
        reply = self._post.send("client_secrets", {**life, "session": session}, timeout=timeout)
        return ClientSecret.of(reply.content, "client_secrets")

    def translation_secret(
        self,
        target_language: str | None = None,
        *,
        config: Config = None,
        model: str | None = None,
        transcription: str | Wire | NotGiven | None = NOT_GIVEN,
        noise_reduction: str | Wire | NotGiven | None = NOT_GIVEN,
        expires_after: int | None = 600,
        timeout: float | None = 30,
    ) -> ClientSecret:
        """A key that begins translation sessions; raises as `client_secret` does.

        Args:
            target_language: What to translate into, e.g. "es".
            config: A dict of the wire's shape, with `model` and `audio`.
            model: Else that of `config`, else "gpt-realtime-translate"; with Azure the deployment.
            transcription: The model that also writes down what is said; None: none.
            noise_reduction: "near_field" or "far_field"; None: none.
            expires_after: Seconds, 10 to 7200; None leaves it to the server.
            timeout: Seconds; see the class.
        """
        life = bodies.expires_after(expires_after)
        session = bodies.translation(
            config,
            {"transcription": transcription, "noise_reduction": noise_reduction},
            target_language=target_language,
            model=model,
            deployment=self._deployment,
        )
        path = "translations/client_secrets"
        reply = self._post.send(path, {**life, "session": session}, timeout=timeout)
        return ClientSecret.of(reply.content, path)

    def close(self) -> None:
        """Give back the connections; a `client` of yours stays open. Idempotent."""
        self._post.close()

    def __reduce__(self) -> Any:
        raise TypeError("Rest holds a key and does not pickle; make it where it is needed")

    def __repr__(self) -> str:
        return f"<Rest {self._post!r}>"
