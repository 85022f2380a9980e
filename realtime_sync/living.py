"""The life of a session: opening, closing, and what the server holds meanwhile."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .core.effects import CallEffect
from .core.responses import ResponseRecord
from .core.state import SessionState
from .core.stats import SessionStats
from .core.usage import RateLimit, SessionUsage
from .errors import ConfigurationError, ConnectError, RealtimeTimeout, ServerError
from .events.base import LocalEvent
from .events.client import SessionUpdate
from .events.config import SessionConfig
from .listening import Listening
from .opening import Setup
from .policy import ReconnectPolicy
from .runtime.clock import Deadline, check_timeout
from .runtime.connection import Connection
from .runtime.dispatcher import Dispatch

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Living", "on_birth", "sessions"]

log = logging.getLogger(__name__)


#: All that are not collected yet.
_sessions: weakref.WeakSet[Living] = weakref.WeakSet()


#: Called with each new session, in the thread that makes it; never changed in place.
_births: tuple[Callable[[Living], object], ...] = ()


def on_birth(fn: Callable[[Living], object]) -> Callable[[], None]:
    """Call `fn` with every session made from now on; what ends that."""
    global _births
    own = lambda session: fn(session)  # noqa: E731  # one per call
    _births = (*_births, own)

    def remove() -> None:
        global _births
        _births = tuple(one for one in _births if one is not own)

    return remove


def sessions() -> tuple[Living, ...]:
    """The sessions of this process that are open, or being opened, made anew or closed."""
    return tuple(one for one in list(_sessions) if one.state not in ("new", "closed"))


class Living(Listening):
    """The part of a session that opens and closes."""

    _setup: Setup
    _connection_kind = Connection

    def _begin_life(
        self,
        new_state: Callable[[], SessionState],
        *,
        dispatcher: str | Dispatch,
        ping_interval: float | None,
        max_duration: float | None = None,
        on_call: Callable[[CallEffect], None],
        on_end: Callable[[], list[LocalEvent]] = list,
        handle: Callable[[ResponseRecord], Any],
        reconnect: ReconnectPolicy | None = None,
    ) -> None:
        """Make the connection, unopened. The last step of a constructor that touches `_setup`."""
        if dispatcher not in ("thread", "manual") and not callable(dispatcher):
            raise ConfigurationError(
                f'dispatcher: "thread", "manual" or a function, not {dispatcher!r}'
            )
        if reconnect is not None and not isinstance(reconnect, ReconnectPolicy):
            raise ConfigurationError("reconnect: a ReconnectPolicy, or None")
        self._watches.owner = self
        _sessions.add(self)
        self._connection = self._connection_kind(
            new_state,
            connect=self._setup.connect,
            blame=self._setup.blame,
            handlers=self._handlers,
            watches=self._watches,
            taps=self._taps,
            dispatch=dispatcher,
            on_call=on_call,
            on_end=on_end,
            handle=handle,
            ping_interval=check_timeout(ping_interval, "ping_interval"),
            max_duration=check_timeout(max_duration, "max_duration"),
            # what a call holds is not lost with our link, and must not be told it again
            reconnect=reconnect if self._setup.call_id is None else None,
        )
        for fn in _births:
            fn(self)

    def open(self, *, timeout: float | None = 10) -> Self:
        """Connect; one attempt at each endpoint. On an open session: returns at once.

        Returns when the server has confirmed the configuration, tools and history given. After a
        failure no thread is left and the session is as new.

        Raises:
            ConfigurationError: No key; see `api_key`.
            ConnectError: No link: refused, no such host, a 4xx or 5xx (`.status`, `.body`).
            ServerError: The server refused the configuration or the history.
            RealtimeTimeout: It took longer.
            SessionClosed: The session was closed; make a new one.
        """
        deadline, left = Deadline(timeout), self._setup.choices
        while left > 1:
            # an endpoint that takes the link and makes no session of it leaves time for the next
            whole = deadline.remaining()
            try:
                self._connection.open(Deadline(None if whole is None else whole / left))
            except (ConnectError, RealtimeTimeout, ServerError) as exc:
                if deadline.passed or not self._setup.blame():
                    raise
                log.info("no session: %s; trying the next endpoint", exc)
                left -= 1
            else:
                return self
        self._connection.open(deadline)
        return self

    def close(self, *, timeout: float | None = 5) -> None:
        """End the session. Idempotent, from any thread, a callback included.

        Sends what was queued, fails what waits with `SessionClosed`, lets callbacks of what had
        arrived run, `connection.closed` last, and joins every thread but its own.

        Args:
            timeout: Seconds for all of it; neither a silent peer nor a slow callback can hold it.
        """
        self._connection.close(Deadline(timeout))

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state(self) -> str:
        """ "new", "connecting", "open", "reconnecting", "closing" or "closed"."""
        return self._connection.phase

    @property
    def id(self) -> str | None:
        """The server's id of the session; None before `open()`."""
        return self.config.id

    @property
    def config(self) -> SessionConfig:
        """What the server holds, as it said last; empty before `open()`."""
        config: SessionConfig = self._look(lambda s: s.session)
        return config

    @property
    def expires_at(self) -> float | None:
        """When the server will end the session, in epoch seconds; None if it did not say."""
        return self.config.expires_at

    @property
    def usage(self) -> SessionUsage:
        """Tokens since `open()`, out-of-band responses included; transcription apart."""
        usage: SessionUsage = self._look(lambda s: s.running.usage)
        return usage

    def stats(self) -> SessionStats:
        """The session's figures so far: responses by status, percentiles of their timings, usage.

        ::

            print(session.stats().timings["first_audio"].p95)

        A snapshot; also after the end.
        """
        return self._connection.stats()

    @property
    def rate_limits(self) -> dict[str, RateLimit]:
        """What is left of the account's limits, by name ("requests", "tokens").

        As the server said last, beside a response; empty until then.
        """
        limits: dict[str, RateLimit] = self._look(lambda s: s.running.rate_limits)
        return dict(limits)

    @property
    def input_format(self) -> str:
        """The format of user audio: "audio/pcm", "audio/pcmu" or "audio/pcma"."""
        return str(self._look(lambda s: s.audio_format("input")))

    def _update(self, changes: SessionConfig, deadline: Deadline) -> SessionConfig:
        wire = changes.wire()
        if not wire:
            self._check_open()
            return self.config
        if self._setup.type != "translation":  # those updates have none
            wire.setdefault("type", self._setup.type)
        event = SessionUpdate(
            event_id=self.new_id("event"), session=SessionConfig.model_validate(wire)
        )
        self._ask_server(event, deadline)
        return self.config

    def _repr_html_(self) -> str:
        """As a notebook shows it: how it stands now."""
        from .notebook.cards import session_card

        return session_card(self)

    def __reduce__(self) -> Any:
        raise TypeError("a session holds a link and does not pickle; make it where it is needed")
