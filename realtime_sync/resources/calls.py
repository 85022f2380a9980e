"""The calls of a session's tools: from the model's wish to the answer, whatever happens between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.effects import Call, CallEffect, Interrupted, McpApproval
from ..core.turns import Turn
from ..errors import ServerError, SessionClosed
from ..events.base import LocalEvent, one_line
from ..events.client import ConversationItemCreate
from ..events.items import Item
from ..events.local import ToolApprovalRequired, ToolFinished, ToolStarted
from ..items import function_output
from ..runtime.clock import may_wait, monotonic
from ..tools.approval import Decision
from ..tools.execution import Refused, Task, ToolThreads
from .approval import Approval, Approver, shown

if TYPE_CHECKING:
    from ..calling import Calling
    from ..core.state import SessionState
    from ..runtime.clock import Deadline
    from ..runtime.timers import Timer
    from ..tools.call import Outcome
    from ..tools.context import ToolContext
    from ..tools.function import Tool
    from .tools import Tools

__all__ = ["Calls", "running_call", "running_turn"]

log = logging.getLogger(__name__)

#: The turn whose tool runs on this thread: what the tool begins is nested in that turn.
running_turn: ContextVar[Turn | None] = ContextVar("realtime_sync_turn", default=None)
#: And the id of that tool's call.
running_call: ContextVar[str | None] = ContextVar("realtime_sync_call", default=None)

_UNWANTED = "it was not begun: nobody waits for it any more"
_REJECTED = "the call was not approved"


class _Live:
    """A call that has no answer yet."""

    __slots__ = ("call", "context", "since", "started", "task", "timer", "tool")

    def __init__(self, call: Call, context: ToolContext, tool: Tool[..., Any] | None) -> None:
        self.call = call
        self.context = context
        # as it was when the model called: another call of the response may take it away
        self.tool = tool
        self.started = False  # `tool.started` has been told
        self.since = 0.0  # and when
        self.task: Task | None = None  # None while it waits for approval
        self.timer: Timer | None = None  # ends the wait for the tool

    def finished(self, outcome: Outcome) -> ToolFinished:
        """What is told of its end."""
        return ToolFinished(
            call_id=self.call.call_id,
            name=self.call.name,
            output=outcome.output,
            error=outcome.error,
            seconds=outcome.seconds,
            at=monotonic(),
        )

    @property
    def unwanted(self) -> bool:
        """Whether its turn was given up, or failed."""
        return self.call.turn.done and self.call.turn.interrupted


class Calls:
    """Runs calls; each is answered exactly once, by whoever takes it out of `_live`."""

    def __init__(
        self,
        session: Calling,
        tools: Tools,
        *,
        threads: int,
        approver: Approver | None,
        approval_timeout: float | None,
    ) -> None:
        self._session = session
        self._tools = tools
        self.approver = approver
        self._threads = ToolThreads(limit=threads)
        # calls that run, or are asked about, at a time, at each depth: of approvers there is one
        self.at_once = threads if approver is None else 1
        self.approval = Approval(
            session, approver=approver and self._nested(approver), timeout=approval_timeout
        )
        self._live: dict[str, _Live] = {}
        self._stopped = False

    # --- what the core wants; runs on the I/O thread or the caller's, never blocks

    def act(self, effect: CallEffect) -> None:
        """Do what the core wants done."""
        match effect:
            case Call():
                self._begin(effect)
            case Interrupted():
                self._interrupt(effect)
            case McpApproval():
                self._ask(effect)

    def _begin(self, call: Call) -> None:
        from ..tools.context import ToolContext

        if self._stopped:
            return
        context = ToolContext(call.call_id, call.name, self._session)
        live = _Live(call, context, self._tools.function(call.name))
        self._live[call.call_id] = live
        # both are set before `_interrupt` is told, which may have come before this call
        if call.turn.interrupted:
            live.context.cancelled.set()
        if live.unwanted:
            self._settle(live, _refused("cancelled", _UNWANTED))
        else:
            self._queue(live, lambda: self._prepare(live))

    def _interrupt(self, what: Interrupted) -> None:
        """Tell tools that nobody waits; where nobody wants them at all, begin no more."""
        concerned = [live for key in what.call_ids if (live := self._live.get(key)) is not None]
        if what.unwanted:
            for call_id in what.call_ids:
                self.approval.reject(call_id, _UNWANTED)
            # those that wait first: a tool that is told may return, and make room for them
            for live in concerned:
                if live.task is not None and self._threads.withdraw(live.task):
                    self._settle(live, _refused("cancelled", _UNWANTED))
        for live in concerned:
            live.context.cancelled.set()

    def _ask(self, wanted: McpApproval) -> None:
        """An MCP server's call needs approval."""

        def decide(decision: Decision) -> None:
            reason = decision.message or (None if decision.approved else _REJECTED)
            self._do(
                lambda s: s.calls.approval_decided(
                    wanted.request_id, approve=decision.approved, reason=reason
                )
            )

        self.approval.wait(
            wanted.request_id,
            wanted.name,
            wanted.arguments,
            kind=(wanted.server_label, wanted.name),
            depth=self._depth(wanted.request_id),
            decide=decide,
        )

    def waits_for(self, call_id: str) -> bool:
        """Whether a call has no answer yet."""
        return call_id in self._live

    def _depth(self, call_id: str) -> int:
        turn = self._session._look(lambda s: s.calls.turn_of(call_id))
        return len(turn.callers) if turn is not None else 0

    def _nested(self, approver: Approver) -> Approver:
        """The approver, for whom the call's turn waits: what he begins does not wait for it."""

        def ask(event: ToolApprovalRequired) -> Any:
            running_turn.set(self._session._look(lambda s: s.calls.turn_of(event.call_id)))
            running_call.set(None)  # the call itself does not run yet
            return approver(event)

        return ask

    # --- one call

    def _queue(self, live: _Live, step: Callable[[], None]) -> None:
        call, tool = live.call, live.tool
        callers = call.turn.callers

        def guarded() -> None:
            try:
                step()
            except BaseException:  # a bug of ours; the model must not wait for ever
                self._settle(live, _refused("tool_failed", "the tool failed"))
                raise

        live.task = Task(
            call.name,
            guarded,
            lambda why: self._busy(live, why),
            depth=len(callers),
            callers=frozenset(callers),
            call_id=call.call_id,
            serial=tool is not None and tool.serial,
        )
        try:
            self._threads.submit(live.task)
        except Refused as exc:
            self._busy(live, str(exc))

    def _busy(self, live: _Live, why: str) -> None:
        log.warning("tool %s is not run: %s", one_line(live.call.name), why)
        self._settle(live, _refused("busy", f"{why}; try again later"))

    def _prepare(self, live: _Live) -> None:
        """Find the tool, check the arguments, ask for approval. Runs on a tool thread."""
        from ..tools import Outcome

        tool = live.tool
        if tool is None:
            names = ", ".join(sorted(self._tools.functions)) or "none"
            message = f"no tool '{one_line(live.call.name)}'; there are: {names}"
            self._settle(live, _refused("unknown_tool", message))
            return
        given = tool.read(live.call.arguments)
        if isinstance(given, Outcome):
            self._settle(live, self._counted(live, tool, given))
        elif tool.awaits_approval(given):
            self._park(live, tool, given)
        else:
            self._run(live, tool, given)

    def _park(self, live: _Live, tool: Tool[..., Any], given: dict[str, Any]) -> None:
        def decide(decision: Decision) -> None:
            if decision.approved:
                self._queue(live, lambda: self._run(live, tool, given))
            else:
                self._settle(live, _refused("rejected", decision.message or _REJECTED))

        live.task = None
        self.approval.wait(
            live.call.call_id,
            live.call.name,
            live.call.arguments,
            kind=tool.name,
            depth=len(live.call.turn.callers),
            decide=decide,
        )
        if live.unwanted:  # `_interrupt` may have come before it was there to be rejected
            self.approval.reject(live.call.call_id, _UNWANTED)

    def _run(self, live: _Live, tool: Tool[..., Any], given: dict[str, Any]) -> None:
        """Runs on a tool thread."""
        call = live.call
        if self._live.get(call.call_id) is not live:
            return  # given up meanwhile
        if live.unwanted:  # too late for `_interrupt` to withdraw it
            self._settle(live, _refused("cancelled", _UNWANTED))
            return
        running_turn.set(call.turn)
        running_call.set(call.call_id)
        self._started(live)
        if tool.timeout is not None:
            live.timer = self._session._connection.after(
                tool.timeout, lambda: self._expire(live, tool)
            )
        outcome = tool.run(given, live.context)
        if live.timer is not None:
            live.timer.cancel()
        if not self._settle(live, self._counted(live, tool, outcome)):
            log.info("tool %s has ended; nobody waits for its result", call.name)

    def _expire(self, live: _Live, tool: Tool[..., Any]) -> None:
        """The tool's time is over: answer for it, and let it run on. Runs on the I/O thread."""
        message = f"the tool has not returned within {tool.timeout:g} s"
        outcome = replace(_refused("timeout", message), seconds=tool.timeout or 0.0)
        if not self._settle(live, outcome):
            return
        log.warning("tool %s has not returned within %g s; it runs on", tool.name, tool.timeout)
        live.context._abandon()
        if live.task is not None:
            self._threads.abandon(live.task)

    def _counted(self, live: _Live, tool: Tool[..., Any], outcome: Outcome) -> Outcome:
        """The outcome; if the model has called this tool wrongly too often, that is said."""
        wrong = live.call.turn.wrong

        def count(_: Any) -> int:
            wrong[tool.name] = wrong.get(tool.name, 0) + 1 if outcome.asks_again else 0
            return wrong[tool.name]

        tries = self._session._look(count)
        return outcome.given_up() if tries > tool.retries else outcome

    def _settle(self, live: _Live, outcome: Outcome) -> bool:
        """Answer the call, unless somebody has; whether it was us."""
        call = live.call
        if self._live.pop(call.call_id, None) is None:
            return False
        if not live.started:  # nothing is finished that has not started
            self._started(live)
        self._session._connection.emit(live.finished(outcome))

        def answer(state: SessionState) -> None:
            state.calls.finished(call.call_id, outcome.output, respond=outcome.respond)
            for follow in live.context._follows:
                follow(state)

        if not self._do(answer):
            log.info("tool %s ended after the session; its result is dropped", call.name)
        return True

    def _started(self, live: _Live) -> None:
        live.started, live.since = True, monotonic()
        call, arguments = live.call, shown(live.call.arguments)
        started = ToolStarted(call_id=call.call_id, name=call.name, arguments=arguments)
        self._session._connection.emit(started)

    def _do(self, act: Callable[[Any], Any]) -> bool:
        try:
            self._session._connection.do(act)
        except SessionClosed:
            return False
        return True

    # --- calls of wire dicts

    def submit_output(self, call_id: str, output: Any, respond: bool, deadline: Deadline) -> Item:
        """See `RealtimeSession.submit_tool_output`."""
        from ..tools.call import NoReply, text_of

        may_wait()
        if not isinstance(call_id, str) or not call_id:
            raise ValueError("call_id: that of the call, from Response.function_calls")
        if isinstance(output, NoReply):
            output, respond = output.value, False
        session = self._session
        made = function_output(call_id, text_of(output))
        item = made.model_copy(update={"id": session.new_id("item")})
        event = ConversationItemCreate(event_id=session.new_id("event"), item=item)
        key, parent = event.event_id or "", running_turn.get()
        reply = session._connection.do(
            lambda s: s.calls.submit(event, respond=respond, parent=parent),
            key=key,
            what="the output",
        )
        assert reply is not None
        try:
            placed: Item = session._wait(reply, key, deadline).item
        except ServerError:
            session._look(lambda s: s.calls.unsubmitted(call_id))
            raise
        return placed

    # --- the end

    def stop(self) -> None:
        """Begin no more calls, and tell those that run."""
        self._stopped = True
        self._threads.close()
        self.approval.stop()
        for live in list(self._live.values()):
            if live.timer is not None:
                live.timer.cancel()
            live.context._abandon()

    def end(self) -> list[LocalEvent]:
        """The session is over: what is to be told of tools that still run."""
        self.stop()
        told: list[LocalEvent] = []
        for key, live in list(self._live.items()):
            if self._live.pop(key, None) is None or not live.started:
                continue
            outcome = _refused("cancelled", "the session is over")
            told.append(live.finished(replace(outcome, seconds=monotonic() - live.since)))
        return told

    def join(self, deadline: Deadline) -> None:
        """Wait for what runs; what still runs then is logged by name."""
        for threads in (self._threads, self.approval.threads):
            for task in threads.join(deadline.remaining):
                log.warning("tool %s still runs; its result is dropped", task.name)


def _refused(kind: str, message: str) -> Outcome:
    from ..tools import Outcome

    return Outcome.refused(kind, message)
