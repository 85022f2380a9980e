"""Tools and stages of a session: what the model may call, and who decides. Knows no link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .asking import Asking
from .core.turns import Turn
from .errors import ConfigurationError, ResponseActive, copy_of
from .events.client import ResponseCreate
from .events.config import NOT_GIVEN, NotGiven, SessionConfig, session_config
from .events.items import Item
from .living import Living
from .resources import Conversation, Responses, Tools
from .resources.approval import Approver
from .resources.calls import Calls, running_call, running_turn
from .resources.guardrails import judging
from .resources.routing import Routing
from .response import Response
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.futures import Reply

if TYPE_CHECKING:
    from typing_extensions import Self

    from .routing import Router

__all__ = ["Calling"]


class _Skipped(Exception):
    """No response is asked for: another one is running or queued."""


class Calling(Asking):
    """The part of a session whose model calls tools, and moves on through stages."""

    conversation: Conversation
    response: Responses
    _routing: Routing | None = None  # None: nobody leads the conversation

    def _begin_calling(
        self, *, threads: int, approver: Approver | None, approval_timeout: float | None
    ) -> None:
        """Take the tools that the setup has. In a constructor, before `_begin_life`."""
        self.tools = Tools(self, self._setup.entries)
        if approver is not None and not callable(approver):
            raise ConfigurationError("approver: a function of the tool.approval_required event")
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ConfigurationError(f"tool_threads: a number from 1 on, not {threads!r}")
        self._calls = Calls(
            self,
            self.tools,
            threads=threads,
            approver=approver,
            approval_timeout=check_timeout(approval_timeout, "approval_timeout"),
        )

    def open(self, *, timeout: float | None = 10) -> Self:
        if self._routing is not None and self.state == "new":
            self._routing.begin()
        return super().open(timeout=timeout)

    open.__doc__ = Living.open.__doc__

    @property
    def router(self) -> Router | None:
        """What leads the conversation, and says where it stands; of an `Agent` an `AgentRouter`."""
        return self._routing.router if self._routing is not None else None

    def update(
        self,
        config: SessionConfig | dict[str, Any] | None = None,
        *,
        tools: Iterable[Any] | NotGiven = NOT_GIVEN,
        timeout: float | None = 10,
        **fields: Any,
    ) -> SessionConfig:
        """Change the configuration: sends exactly what is given; nothing given: nothing.

        Args:
            config: Fields as the wire nests them.
            tools: Replaces all tools.
            timeout: Seconds; None waits for ever.
            fields: The flat fields of `RealtimeSession`.

        Returns:
            What the server now holds.

        Raises:
            ServerError: The server refused it; nothing has changed.
            ProtocolError: Its answer cannot be read; `config` is what it said before.
            ConfigurationError, TypeError: A wrong value or name, another voice after the first
                audio, another speed within a response; nothing was sent.
        """
        deadline = Deadline(timeout)
        changes: SessionConfig = session_config(config, fields)
        if isinstance(tools, NotGiven):
            if changes.tools is None:
                return self._update(changes, deadline)
            tools = self.tools._known(changes.tools)
        return self.tools._replace(tools, changes, deadline)

    # --- calls

    def approve(self, call_id: str, always: bool = False) -> bool:
        """Let a call run that needs approval; see the event `tool.approval_required`.

        Args:
            call_id: The event's; of an MCP call that of the approval request.
            always: Every later call of this tool too, and those that wait now.

        Returns:
            False where the call is decided already, or was never asked about.
        """
        return self._calls.approval.approve(call_id, always=always)

    def reject(self, call_id: str, message: str | None = None) -> bool:
        """Do not let a call run; the model is told so.

        Args:
            call_id: As in `approve`.
            message: Why, in words that the model may read.

        Returns:
            False where the call is decided already, or was never asked about.
        """
        return self._calls.approval.reject(call_id, message)

    def submit_tool_output(
        self, call_id: str, output: Any, respond: bool = True, *, timeout: float | None = 10
    ) -> Item:
        """Answer a call of a tool that was given as a wire dict; its response may still run.

        Args:
            call_id: The call's, from `Response.function_calls`.
            output: As a tool may return it: a str as it is, everything else as JSON.
            respond: Have the model go on once all such calls of the response are answered; a
                response begun so is one that you did not wait for: see its events, or give False
                and `ask()`.
            timeout: Seconds for the server to confirm; None waits for ever.

        Returns:
            The output as an item of the conversation.

        Raises:
            ValueError: The call is answered already, or by a tool of ours.
            ToolError: The output cannot be written as JSON; nothing was sent.
            ServerError: The server refused it.
        """
        return self._calls.submit_output(call_id, output, respond, Deadline(timeout))

    # --- for our own use

    def _create_response(
        self, event: ResponseCreate, on_active: str, deadline: Deadline
    ) -> Response | None:
        may_wait()
        wanted: list[bool] = []
        params = event.response.wire() if event.response is not None else {}
        turn = Turn(
            params=params,
            parent=running_turn.get(),
            caller=running_call.get(),
            unguarded=judging.get(),
        )
        key = event.event_id or ""

        def begin() -> Reply[Any]:
            reply = self._connection.do(
                lambda s: wanted.append(s.create(event, turn, on_active=on_active)),
                key=key,
                what="response.create",
                convert=self._handle,
            )
            if reply is None or not wanted[0]:
                raise _Skipped
            return reply

        try:
            response: Response = self._connection.wait(begin, key, deadline)
        except ResponseActive as exc:
            running = exc.response
            raise copy_of(exc, running and self._handle(running)) from None
        except _Skipped:
            return None
        return response
