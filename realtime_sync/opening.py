"""What a session is made of before it opens: endpoint, configuration, tools, history."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import ConfigurationError, ConnectError, RealtimeError
from .events.config import SessionConfig, merged
from .events.items import Item
from .history import as_history
from .runtime.azure import Azure
from .runtime.clock import Deadline, monotonic
from .runtime.dial import check_context, check_proxy
from .runtime.dialect import Beta, Dialect
from .runtime.endpoints import Address, Endpoint, OpenAI
from .runtime.relink import final

if TYPE_CHECKING:
    from .resources.conversation import ItemLike
    from .runtime.connection import Link
    from .tools.entries import ToolEntry

__all__ = ["CALL_ID", "Setup", "check_call_id", "endpoints_of"]

log = logging.getLogger(__name__)

DEFAULT_MODEL = "gpt-realtime-2.1"
TRANSLATION_MODEL = "gpt-realtime-translate"
#: The id of a call.
CALL_ID = re.compile(r"rtc_[\w-]{1,200}", re.ASCII)
#: Seconds for which an endpoint that failed is passed over, where there is another.
REST = 30.0


def endpoints_of(
    endpoint: Endpoint | Sequence[Endpoint] | None, api_key: Any, base_url: str | None
) -> tuple[Endpoint, ...]:
    """Where to connect to, in order.

    Raises:
        ConfigurationError: Two ways of saying it at once, or none.
    """
    if endpoint is None:
        return (OpenAI(api_key, base_url),)
    if api_key is not None or base_url is not None:
        raise ConfigurationError(
            "endpoint: it has the key and the URL; leave api_key, base_url out"
        )
    several = (endpoint,) if isinstance(endpoint, Endpoint) else tuple(endpoint)
    if not several or not all(isinstance(one, Endpoint) for one in several):
        raise ConfigurationError(
            "endpoint: OpenAI(...), Azure(...), Compatible(...), or some of them"
        )
    return several


def check_call_id(call_id: str) -> str:
    """A call's id, if it is one.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(call_id, str) or not CALL_ID.fullmatch(call_id):
        raise ConfigurationError(
            'call_id: the id of a call is needed, "rtc_…"; a tool call\'s is none, and of a '
            "Location header it is what call_id_of() finds"
        )
    return call_id


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)


class _Share:
    """One attempt's part of a deadline: a silent primary leaves time for the backup."""

    def __init__(self, whole: Deadline, attempts: int) -> None:
        left = whole.remaining()
        self._whole = whole  # which may be cut short meanwhile
        self._own = Deadline(None if left is None else left / attempts)

    def remaining(self) -> float | None:
        """Seconds left; None: for ever."""
        whole, own = self._whole.remaining(), self._own.remaining()
        return whole if whole is None or own is None else min(whole, own)


class Setup:
    """The arguments of a session, checked."""

    #: Whether the server loads images from where they are.
    addresses = False

    def __init__(
        self,
        *,
        model: str | None,
        endpoints: tuple[Endpoint, ...],
        config: SessionConfig,
        tools: Iterable[Any],
        history: Iterable[ItemLike],
        pack: bool,
        max_message_size: int,
        ssl_context: ssl.SSLContext | None,
        proxy: str | None,
        call_id: str | None = None,
    ) -> None:
        if model is not None and (not isinstance(model, str) or not model.strip()):
            raise ConfigurationError("model: a name is needed")
        if model is not None and any(isinstance(one, Azure) for one in endpoints):
            raise ConfigurationError("model: with Azure the deployment is the model; leave it out")
        if not isinstance(max_message_size, int) or max_message_size < 1:
            raise ConfigurationError("max_message_size: a number of bytes")
        if ssl_context is not None:
            check_context(ssl_context)
        if proxy is not None:
            check_proxy(proxy)
        if call_id is not None:
            check_call_id(call_id)
            if model is not None or config.model is not None:
                raise ConfigurationError("model: a call has its own; leave it out beside call_id")
            if config.type not in (None, "realtime"):
                raise ConfigurationError(f'type: a call is "realtime", not {config.type!r}')
        self._endpoints = endpoints
        self.call_id = call_id  # of the call to join; None: a session of its own
        self._rests: dict[Endpoint, float] = {}  # one that failed -> until when it is left alone
        self._leads_to: Endpoint | None = None  # where the last link leads; None: there was none
        # host and port of the last link, and whose protocol is spoken there
        self.place: tuple[str, int, str] | None = None
        self._model = model if model is not None else config.model
        self._max_message_size = max_message_size
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._told: set[str] = set()  # what was warned of: once a session, not once a link
        self.type = config.type or "realtime"
        self.entries: tuple[ToolEntry, ...] = _entries(config, tools)
        self.config = _to_send(config, self.entries)
        sound = config.audio.input if config.audio else None
        #: The format that user audio of the history is sent in.
        self.input_format = (sound and sound.format and sound.format.type) or "audio/pcm"
        self.history: tuple[Item, ...] = as_history(history, pack=pack, addresses=self.addresses)

    def begin_with(self, entries: tuple[ToolEntry, ...], changes: SessionConfig) -> None:
        """Have the session begin with these tools, and these changes to its configuration."""
        known = self.config.wire() if self.config is not None else {}
        config = SessionConfig.model_validate(merged(known, changes.wire()))
        self.entries, self.config = entries, _to_send(config, entries)

    @property
    def choices(self) -> int:
        """How many endpoints there are."""
        return len(self._endpoints)

    @property
    def endpoint(self) -> Endpoint:
        """Where it connects to first."""
        return self._endpoints[0]

    @property
    def where(self) -> str:
        """The server of the last link, for people; before the first: where it is to lead."""
        if self.place is None:
            return repr(self.endpoint)[1:-1]  # which shows neither key nor query
        host, port, _ = self.place
        return host if port == 443 else f"{host}:{port}"

    @property
    def asked_model(self) -> str | None:
        """The model that is asked for; None: that of the call."""
        return self._query().get("model")

    @property
    def provider(self) -> str:
        """Whose protocol is spoken, as OpenTelemetry names it."""
        return self.place[2] if self.place is not None else self.endpoint.provider

    @property
    def service(self) -> str:
        """What the session does: "realtime", "transcription", "translation" or "text"."""
        return self.type

    def check(self) -> None:
        """Complain about a missing key before anything is sent. Reads the environment."""
        for endpoint in self._endpoints:
            endpoint.check()

    def connect(self, deadline: Deadline) -> tuple[Link, Dialect]:
        """One attempt at each endpoint, in order, until a link is up; and its dialect. Blocks."""
        try:
            return self._attempt(deadline)
        except RealtimeError as exc:
            failed = exc
        _forget_frames(failed)
        raise failed

    def _attempt(self, deadline: Deadline) -> tuple[Link, Dialect]:
        from .runtime.transport import Transport

        failed: RealtimeError | None = None
        self._leads_to = None
        rested = [one for one in self._endpoints if self._rests.get(one, 0.0) <= monotonic()]
        endpoints = rested or list(self._endpoints)
        for at, endpoint in enumerate(endpoints):
            try:
                address = endpoint.address(self._query())
                link: Link = Transport.connect(
                    self._url(address),
                    address.headers,
                    deadline=_Share(deadline, len(endpoints) - at),
                    max_message_size=self._max_message_size,
                    ssl_context=self._ssl_context,
                    proxy=self._proxy,
                )
                self.place = (*_place(address.url), endpoint.provider)
                self._leads_to = endpoint
                return link, self._dialect(address)
            except ConnectError as exc:
                if deadline.passed:
                    raise  # out of time, or not wanted any more: that is not the endpoint's fault
                self._rests[endpoint] = monotonic() + REST
                if len(endpoints) > 1:
                    log.info("%r: %s", endpoint, exc)
                # while one of them may yet come back, the refusal of another is not the end
                if failed is None or final(failed) or not final(exc):
                    failed = exc
        assert failed is not None
        raise failed

    def blame(self) -> bool:
        """The last link has come to nothing: its endpoint rests; whether another does not.

        From any thread.
        """
        if self._leads_to is None:
            return False  # there was no link: each has had its turn
        now = monotonic()
        self._rests[self._leads_to] = now + REST
        self._leads_to = None
        return any(self._rests.get(one, 0.0) <= now for one in self._endpoints)

    def _dialect(self, address: Address) -> Dialect:
        if address.dialect == "beta":
            return Beta(self._told, azure=address.azure)
        return Dialect(self._told)

    def _url(self, address: Address) -> str:
        if self.type != "translation":
            return address.url
        if address.dialect == "beta":
            raise ConfigurationError("endpoint: the beta has no translations; use one that is GA")
        path, _, query = address.url.partition("?")
        return f"{path}/translations?{query}"

    def _query(self) -> dict[str, str]:
        if self.call_id is not None:
            return {"call_id": self.call_id}
        if self.type == "transcription":
            return {"intent": "transcription"}
        if self.type == "translation":
            return {"model": self._model or TRANSLATION_MODEL}
        return {"model": self._model or os.environ.get("REALTIME_SYNC_MODEL") or DEFAULT_MODEL}


def _forget_frames(error: BaseException) -> None:
    """Of the error and its causes: their locals hold keys, and reports of errors show locals."""
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            rest += [one.__cause__, one.__context__]


def _entries(config: SessionConfig, tools: Iterable[Any]) -> tuple[ToolEntry, ...]:
    if not isinstance(tools, Iterable) or isinstance(tools, (str, Mapping)):
        raise ConfigurationError("tools: a list of tools; put this one into brackets")
    wanted = [*(config.tools or ()), *tools]
    if not wanted:
        return ()
    from .tools import as_tools

    return as_tools(wanted)


def _to_send(config: SessionConfig, entries: tuple[ToolEntry, ...]) -> SessionConfig | None:
    """What a fresh session is to hear; None: nothing."""
    fields = {k: v for k, v in config.wire().items() if k != "model"}  # that is in the URL
    if entries:
        fields["tools"] = [entry.to_wire() for entry in entries]
    if not fields or set(fields) == {"type"}:
        return None
    return SessionConfig.model_validate(fields)
