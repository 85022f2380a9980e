"""Calls of a session that wait for approval: who is asked, and for how long."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from ..events.base import one_line
from ..events.local import ToolApprovalRequired
from ..tools.approval import Approvals, Decision
from ..tools.execution import Task, ToolThreads

if TYPE_CHECKING:
    from ..calling import Calling
    from ..runtime.timers import Timer

__all__ = ["Approval", "Approver", "shown"]

log = logging.getLogger(__name__)

Approver = Callable[[ToolApprovalRequired], Any]

_NOBODY = "nobody was there to approve it"


class Approval:
    """Asks the approver, handlers and watchers; the first decision counts."""

    def __init__(
        self, session: Calling, *, approver: Approver | None, timeout: float | None
    ) -> None:
        self.threads = ToolThreads(limit=1)  # two questions at once would confuse a human
        self._session = session
        self._approver = approver
        self._approvals = Approvals()
        self.timeout = timeout  # seconds until an undecided call is rejected

    def wait(
        self,
        call_id: str,
        name: str,
        arguments: str,
        *,
        kind: Hashable,
        depth: int,
        decide: Callable[[Decision], None],
    ) -> None:
        """Have a call wait. Never blocks.

        Args:
            call_id: The call's, or that of an MCP approval request.
            name: The tool's.
            arguments: As the model wrote them.
            kind: What "always" would be about.
            depth: How many tools, or approvers, wait for the turn that this call belongs to.
            decide: Told the decision, once, by the thread that makes it.
        """
        session, approvals = self._session, self._approvals
        event = ToolApprovalRequired(call_id=call_id, name=name, arguments=shown(arguments))
        timers: list[Timer | None] = []

        def decided(decision: Decision) -> None:
            for timer in timers:
                if timer is not None:
                    timer.cancel()
            decide(decision)

        # asked before it waits: a decision may come at once
        heard = session._handlers.want(event) or session._watches.want(event)
        if approvals.await_decision(call_id, kind, decided):
            return
        if self._approver is None and not heard:
            log.warning(
                "tool %s needs approval, but nothing handles tool.approval_required; rejected",
                one_line(name),
            )
            approvals.decide(call_id, Decision(False, _NOBODY))
            return
        seconds = self.timeout
        if seconds is not None:
            late = Decision(False, f"nobody approved it within {seconds:g} s")
            timers.append(session._connection.after(seconds, lambda: self._late(call_id, late)))
        session._connection.emit(event)
        if self._approver is not None:
            question = Task("approver", lambda: self._consult(event), lambda _: None, depth=depth)
            self.threads.submit(question)

    def _late(self, call_id: str, decision: Decision) -> None:
        if self._approvals.decide(call_id, decision):
            log.warning("call %s is rejected: %s", call_id, decision.message)

    def _consult(self, event: ToolApprovalRequired) -> None:
        """Ask the approver. Runs on a tool thread of its own."""
        from ..tools.call import finished
        from ..tools.context import ToolContext

        assert self._approver is not None
        if not self._approvals.waits(event.call_id):
            return
        try:
            said = finished(self._approver(event), ToolContext(event.call_id, event.name))
        except BaseException:  # the user's code; what it raises is no approval
            log.exception("the approver raised; %s is rejected", one_line(event.name))
            said = False
        message = said if isinstance(said, str) else ""
        self._approvals.decide(event.call_id, Decision(said is True, message))

    def approve(self, call_id: str, *, always: bool = False) -> bool:
        """Let it run; False where it is decided already, or was never asked about."""
        return self._approvals.decide(call_id, Decision(True), always=always)

    def reject(self, call_id: str, message: str | None = None) -> bool:
        """Do not; the message is for the model."""
        return self._approvals.decide(call_id, Decision(False, message or ""))

    def stop(self) -> None:
        """Ask nobody any more; what waits is forgotten."""
        self.threads.close()
        self._approvals.clear()


def shown(arguments: str) -> Any:
    """A call's arguments for events: a dict, or the text if it is no JSON object."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments
