"""TextSession: what the sessions of text models share. Knows no API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..calling import Calling
from ..core.interruptions import interrupt
from ..errors import ConfigurationError, SessionClosed
from ..events.base import ClientEvent
from ..events.config import NOT_GIVEN, NotGiven, SessionConfig
from ..events.items import Item
from ..events.local import PlaybackInterrupted
from ..items import sendable
from ..resources import Conversation, Responses
from ..resources.approval import Approver
from ..resources.conversation import ItemLike, item_event
from ..resources.responses import response_params
from ..runtime.clock import Deadline
from ..runtime.dispatcher import Dispatch
from ..tools.execution import DEFAULT_LIMIT
from .connection import TextConnection
from .model import Model
from .routing import TextRouting
from .service import Service
from .setup import TextSetup, checked_options, settings
from .state import TextState

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..routing import Agent, Router
    from ..session import RealtimeSession

__all__ = ["TextSession"]

#: What of `response.create` a text session takes; everything else goes to the API as it is.
_OWN = frozenset({"conversation", "input", "instructions", "metadata", "tool_choice", "tools"})


class TextSession(Calling):
    """A conversation with a text model: what a session is without sound.

    It opens by itself, when it is used first.
    """

    _setup: TextSetup
    _service: Service  # made first, by each kind
    _connection: TextConnection
    _connection_kind = TextConnection
    _loads_images = True

    def __init__(
        self,
        model: Model,
        name: str,
        *,
        tools: Iterable[Any] = (),
        router: Router | Agent | None = None,
        history: Iterable[ItemLike] = (),
        dispatcher: str | Dispatch = "thread",
        approver: Approver | None = None,
        approval_timeout: float | None = 300,
        tool_threads: int = DEFAULT_LIMIT,
        instructions: str | None,
        options: Mapping[str, Any],
    ) -> None:
        """See the sessions.

        Args:
            model: Who responds.
            name: Its name.
            instructions: What it is told before everything else.
            options: `tool_choice`, and options of the API.
        """
        super().__init__()
        told = {} if instructions is None else {"instructions": instructions}
        self._setup = setup = TextSetup(
            model, name, config=settings({**options, **told}), tools=tools, history=history
        )
        if router is not None:
            self._routing = TextRouting(self, router, setup)
        self._begin_calling(
            threads=tool_threads, approver=approver, approval_timeout=approval_timeout
        )
        self._begin_life(
            self._new_state,
            dispatcher=dispatcher,
            ping_interval=None,
            on_call=self._calls.act,
            on_end=self._calls.end,
            handle=self._handle,
        )
        self.conversation = Conversation(self)
        self.response = Responses(self)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._setup.name

    # --- opening

    def open(self, *, timeout: float | None = 30) -> Self:
        """Make its API ready; what is used first does so, too. On an open session: returns at once.

        Nothing is asked of the API; the package `openai` is imported, which takes a second or two.

        Raises:
            ConfigurationError: No key; see `api_key`.
            RealtimeTimeout: It took longer.
            SessionClosed: The session was closed; make a new one.
        """
        return super().open(timeout=timeout)

    # --- the conversation

    @property
    def history(self) -> tuple[Item, ...]:
        """The conversation so far, what it began with included; a snapshot."""
        return self.conversation.items if self._heard else self._setup.history

    def export(self) -> list[dict[str, Any]]:
        """The conversation as JSON-ready dicts, ids included, as `history=` accepts them."""
        if self._heard:
            return self.conversation.export()
        return [{"type": item.type, **item.wire()} for item in self._setup.history]

    @property
    def _heard(self) -> bool:
        """Whether the host knows of what the conversation began with."""
        return bool(self._look(lambda state: state.recovery.ready))

    def interrupt(self) -> None:
        """Stop what the model says, and what it calls.

        The running response is cancelled; what of it has come stays in the history. Tools that
        run are told, and no reply follows. Told as `playback.interrupted`, once a response; after
        it no delta of that response reaches a callback. Returns at once; nothing to interrupt is
        no error.

        Raises:
            SessionClosed: The session is closed.
        """
        if self.state == "new":
            return
        self._check_open()
        told: list[PlaybackInterrupted] = []

        def act(state: Any) -> None:
            new_key = lambda: self.new_id("event")  # noqa: E731  # one per call
            told.extend(interrupt(state, None, reason="client", cancel=True, new_key=new_key))
            state.withdraw()

        self._connection.do(act)
        for event in told:
            self._connection.dispatcher.silence(event.response_id or "")
            self._connection.emit(event)

    def update(
        self,
        config: SessionConfig | dict[str, Any] | None = None,
        *,
        tools: Iterable[Any] | NotGiven = NOT_GIVEN,
        timeout: float | None = 10,
        **fields: Any,
    ) -> SessionConfig:
        """Change instructions, tools, tool choice or options of the API, from the next response on.

        Args:
            config: The same, as a `SessionConfig` of the wire.
            tools: Replaces all tools.
            timeout: Seconds; None waits for ever.
            fields: `instructions`, `tool_choice`, and what goes to the API as it is.

        Raises:
            ConfigurationError, TypeError: A wrong value; nothing has changed.
        """
        given = config.wire() if isinstance(config, SessionConfig) else dict(config or {})
        return super().update({**given, **settings(fields).wire()}, tools=tools, timeout=timeout)

    def to_realtime(self, model: str | None = None, **session: Any) -> RealtimeSession:
        """The same conversation for a realtime model: history, tools and stage go along.

        ::

            with chat.to_realtime(voice="marin") as session:
                session.talk().wait()

        Both live on, each by itself: the new session has a copy of the router, which stands where
        ours does. Not open yet.

        Args:
            model: As of `RealtimeSession`.
            session: Its arguments; each beats what would go along.

        Raises:
            As `RealtimeSession`.
        """
        from .handover import to_realtime

        return to_realtime(self, model, session)

    def delete_uploaded(self) -> tuple[str, ...]:
        """Delete the files that this session has uploaded; returns their ids.

        None, where images go along with each request: in a `ChatSession`.
        """
        return ()

    def close(self, *, timeout: float | None = 5) -> None:
        """End the session. Idempotent, from any thread, a callback or tool included.

        Fails what waits with `SessionClosed`, and joins every thread but its own. A request that
        the API has not answered yet is logged by name; what comes of it is dropped.

        Args:
            timeout: Seconds for all of it.
        """
        deadline = Deadline(timeout)
        self._calls.stop()
        self._guardrails.stop()
        self._connection.close(deadline)
        self._setup.model.shut()  # here and not with the link: opening may fail, and be tried again
        if not self._connection.in_loop:
            self._calls.join(deadline)
            self._guardrails.join(deadline)
            self._setup.workers.join(deadline)

    # --- for our own use

    def _place(self) -> dict[str, Any]:
        """Where its server is, as arguments of another session; nothing: that is not known."""
        endpoint = self._service.endpoint
        return {} if endpoint is None else {"endpoint": endpoint}

    def _check_open(self) -> None:
        self._ready(None)

    def _ready(self, deadline: Deadline | None) -> None:
        try:
            super()._check_open()
        except SessionClosed:
            if self.state not in ("new", "connecting"):
                raise
            # another thread may be at it: then its end is waited for
            if deadline is None:
                self.open()
            else:
                self.open(timeout=deadline.remaining())

    def _new_state(self) -> TextState:
        state = TextState(
            failures=self._setup.failures,
            hidden=self._setup.hidden,
            new_key=lambda: self.new_id("event"),
            new_item_id=lambda: self.new_id("item"),
            config=self._setup.config,
            history=[
                item_event(self, item, None, self._setup.input_format)
                for item in self._setup.history
            ],
            sendable=sendable,
            keep_audio=0,
        )
        state.calls.set_tools(*self.tools._kinds())
        state.sequencer.threads = self._calls.at_once
        return state

    def _said(
        self, text: Any, audio: Any, image: Any, detail: str | None, through: str
    ) -> tuple[ClientEvent, ...]:
        if audio is not None or through != "item":
            raise ConfigurationError(
                "audio: a text model hears nothing; use RealtimeSession, or give it a transcript"
            )
        return super()._said(text, None, image, detail, through)

    def _params(self, overrides: dict[str, Any]) -> dict[str, Any]:
        own = {n: v for n, v in overrides.items() if n in _OWN or n == "append_instructions"}
        options = checked_options({n: v for n, v in overrides.items() if n not in own})
        instructions = self.config.instructions
        params = response_params(own, "audio/pcm", self.tools.functions, instructions)
        return {**params, "options": options} if options else params

    def __repr__(self) -> str:
        count = len(self.history)
        items = f"{count} item{'s' * (count != 1)}"
        return f"<{type(self).__name__} {self.model}, {self.state}, {items}>"
