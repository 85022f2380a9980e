"""The calls that the model makes: which are ours, what became of them. No thread, socket or clock.

A function is called by us, and its output is sent; an MCP server is called by the Realtime server,
and we only wait for the end. A turn waits for both, and then one response answers them all.
A call id runs once per session: its output is kept, and sent again if the server asks again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..events.base import ClientEvent, one_line
from ..events.client import ConversationItemCreate
from ..events.items import Item
from .effects import Call, Effect, McpApproval, Retry
from .known import REMEMBERED, Known, KnownCalls
from .listings import Listings
from .responses import ResponseRecord
from .turns import Turn

if TYPE_CHECKING:
    from .state import SessionState

__all__ = ["Calls"]

log = logging.getLogger(__name__)

#: What the model reads of a call that is not run, since it never could be.
_ITSELF = "one call of it runs at a time, and that waits for your answer; answer without it"

#: Seconds that a turn waits for an MCP server's call, its approval included; for ever would hold up
#: every turn after it.
REMOTE_LIMIT = 600.0


class _Group:
    """Calls of one response that the caller answers; one reply follows the last."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.reply = False
        self.parent: Turn | None = None  # whose tool has answered


class Calls:
    """All calls of a session."""

    def __init__(
        self,
        state: SessionState,
        effects: list[Effect],
        send: Callable[[ClientEvent], None],
        new_key: Callable[[], str],
        new_item_id: Callable[[], str],
    ) -> None:
        self._state = state
        self._effects = effects  # shared with the state: what is to be done
        self._conversation = state.conversation
        self.listings = Listings(state.conversation)
        self._sequencer = state.sequencer
        self._send = send
        self._new_key = new_key
        self._new_item_id = new_item_id
        self._functions: frozenset[str] = frozenset()  # tools that are run on our side
        self._told: frozenset[str] = frozenset()  # tools whose calls the caller answers
        self._answering = False  # there have been tools of ours, so whatever is called is answered
        self._known = KnownCalls()
        self._asked: set[str] = set()  # ids of MCP approval requests
        self._groups: dict[str, _Group] = {}  # call id -> of the calls that the caller answers
        self._early: dict[str, _Group] = {}  # call id -> its answer, before its response is over

    def set_tools(
        self, functions: frozenset[str], told: frozenset[str], serial: frozenset[str] = frozenset()
    ) -> None:
        """Know which tools there are.

        Args:
            functions: Names of those that are run on our side.
            told: Of those whose calls the caller answers.
            serial: Of those on our side that run one call at a time.
        """
        self._functions = functions
        self._told = told
        self._sequencer.serial |= serial  # a call may have come when it was still so
        self._answering = self._answering or bool(functions)

    @property
    def waited_for(self) -> dict[str, Turn]:
        """Calls without an output, and the turn that waits for each."""
        return {key: known.turn for key, known in self._known.items() if known.turn is not None}

    def turn_of(self, call_id: str) -> Turn | None:
        """The turn that a call belongs to; while its response runs, that response's."""
        known, active = self._known.get(call_id), self._sequencer.active
        if known is not None and known.turn is not None:
            return known.turn
        return active.turn if active is not None else None

    # --- what a response calls

    def of(
        self, record: ResponseRecord, *, begins: bool = True
    ) -> tuple[list[str], dict[str, str]]:
        """The calls of a response that is over: begins them, answers those that must not run.

        Args:
            record: The response.
            begins: False: the session is about to end, nothing is begun any more.

        Returns:
            Ids that its turn waits for, in order; and of these, the outputs that are there.
        """
        turn = record.turn
        runs = turn is not None and record.status == "completed" and turn.may_call
        waiting: list[str] = []
        answers: dict[str, str] = {}
        group = _Group()
        for at, item in enumerate(record.output):
            key = item.call_id if item.type == "function_call" else item.id
            if not key or key in waiting:
                continue
            if item.type == "function_call":
                if not self._ours(item, turn):
                    self._join(group, key)
                elif turn is None or not runs:
                    self._refuse(item, key, record)
                elif self._function(item, key, record, turn, answers, begins):
                    waiting.append(key)
            elif item.type in _MCP and runs and not _spoken(record.output[at + 1 :]):
                waiting.append(key)
                if self._remote(item, key, turn).output is not None:
                    answers[key] = ""
        if group.reply and not group.open:
            self._sequencer.begin(Turn(parent=group.parent))
        return waiting, answers

    def _join(self, group: _Group, key: str) -> None:
        """A call of a response that is over, which the caller answers, or has already."""
        early = self._early.pop(key, None)
        if early is not None:
            group.reply, group.parent = group.reply or early.reply, early.parent
        elif key not in self._known:
            group.open.add(key)
            self._groups[key] = group
            if len(self._groups) > REMEMBERED:  # answered otherwise, or never
                del self._groups[next(iter(self._groups))]

    def _ours(self, item: Item, turn: Turn | None) -> bool:
        # tools that were given for this turn alone come as the wire has them: only reported
        given = turn.params.get("tools") if turn is not None else None
        told = self._told | {tool.get("name") for tool in given or ()}
        return self._answering and (item.name in self._functions or item.name not in told)

    def _function(
        self,
        item: Item,
        key: str,
        record: ResponseRecord,
        turn: Turn,
        answers: dict[str, str],
        begins: bool,
    ) -> bool:
        """Whether the turn waits for this call."""
        known = self._known.get(key)
        if known is None:
            name, arguments = item.name or "", item.arguments or ""
            if name in self._sequencer.serial and self._sequencer.waits.for_ever(turn, name):
                log.warning("tool %s is not run: the call would wait for itself", one_line(name))
                self._known[key] = known = Known(item, None)
                known.output = answers[key] = _error("busy", _ITSELF)
                return True
            self._known[key] = Known(item, turn)
            if begins:
                self._effects.append(Call(key, name, arguments, record, turn))
            return True
        if known.output is None:
            return False  # it runs, and its output will answer this one too
        if known.is_of(item):
            log.debug("call %s again: its output is sent again", key)
            answers[key] = known.output
        else:
            log.warning("call id %s again, with another call; it is not run", key)
            message = "this call id has been used for another call; make the call again"
            answers[key] = _error("duplicate_call", message)
        return True

    def _refuse(self, item: Item, key: str, record: ResponseRecord) -> None:
        """Answer a whole call that is not to run: the conversation must not stay half."""
        if key in self._known or item.status == "incomplete":
            return
        known = self._known[key] = Known(item, None)
        if record.turn is None or record.turn.abandoned:
            why = "nobody waits for it any more"
        elif record.status == "completed":
            why = "no more calls in this turn"
        else:
            why = f"the response that made the call is {record.status}"
        known.output = _error("cancelled", f"not run: {why}")
        self._answer(key, known.output)

    def lost(self, record: ResponseRecord) -> None:
        """A response is lost with its link; its whole calls go on standing in the conversation."""
        for item in record.output:
            if item.type == "function_call" and item.call_id and self._ours(item, record.turn):
                self._refuse(item, item.call_id, record)

    def commit(self, turn: Turn, answers: dict[str, str]) -> None:
        """Outputs that were there when the turn's response ended."""
        for key, output in answers.items():
            if key in turn.calls:  # else it went with one before it
                self._commit(turn, key, output, respond=True)

    # --- what becomes of them

    def finished(self, call_id: str, output: str, *, respond: bool) -> None:
        """A tool has answered; outputs go out in call order, then one response for all."""
        known = self._known.get(call_id)
        if known is None or known.output is not None:
            return
        turn, known.turn, known.output = known.turn, None, output
        if turn is not None:
            self._commit(turn, call_id, output, respond=respond)

    def _commit(self, turn: Turn, call_id: str, output: str, *, respond: bool) -> None:
        ready = self._sequencer.tool_finished(turn, call_id, output, respond=respond)
        outputs = [
            self._answer(key, turn.calls[key] or "")
            for key in ready
            if not ((known := self._known.get(key)) and known.remote)
        ]
        if len(ready) == len(turn.calls) and turn.tools_began is not None:
            turn.tools_seconds = self._state.running.now - turn.tools_began
            turn.tools_total += turn.tools_seconds
        self._sequencer.outputs_sent(turn, ready, outputs)

    def _answer(self, call_id: str, output: str) -> Item:
        item = Item(
            id=self._new_item_id(), type="function_call_output", call_id=call_id, output=output
        )
        self._send(ConversationItemCreate(event_id=self._new_key(), item=item))
        return item

    def moved(self, old: Turn, new: Turn) -> None:
        """A turn's calls belong to another one."""
        for known in self._known.values():
            if known.turn is old:
                known.turn = new

    # --- those that the caller answers

    def submit(self, event: ConversationItemCreate, *, respond: bool, parent: Turn | None) -> None:
        """The caller answers a call; the reply comes after the last one of its response.

        Raises:
            ValueError: The call is answered already, or we do it.
        """
        call_id = event.item.call_id or ""
        if call_id in self._known:
            raise ValueError(f"call_id: {call_id!r} is answered already, or by a tool of ours")
        self._state.sending(event)  # first the output, then the reply that it brings
        self._known[call_id] = known = Known(None, None)
        known.output = ""
        group = self._groups.pop(call_id, None) or _Group()
        group.open.discard(call_id)
        group.reply, group.parent = group.reply or respond, parent
        if self._is_being_made(call_id):
            self._early[call_id] = group  # how many there are is not known yet
        elif group.reply and not group.open:
            self._sequencer.begin(Turn(parent=parent))

    def _is_being_made(self, call_id: str) -> bool:
        """Whether the running response has this call."""
        active = self._sequencer.active
        return active is not None and any(item.call_id == call_id for item in active.output)

    def unsubmitted(self, call_id: str) -> None:
        """The server refused that output: it may be submitted once more."""
        self._known.pop(call_id, None)
        self._early.pop(call_id, None)

    # --- MCP

    def _remote(self, item: Item, key: str, turn: Turn | None) -> Known:
        known = self._known.get(key)
        if known is None:
            self._known[key] = known = Known(item, turn, remote=True)
        if item.type == "mcp_approval_request":
            self._ask(item)
        elif known.output is None and _over(item):
            known.output = ""
        if known.output is None:
            known.turn, known.due = turn, self._state.running.now + REMOTE_LIMIT
            self._effects.append(Retry(REMOTE_LIMIT))
        else:
            known.turn = None
        return known

    def retry(self) -> None:
        """Time has passed: what a server has not ended in so long is over to us."""
        now = self._state.running.now
        for key, known in list(self._known.items()):
            if known.remote and known.output is None and now >= known.due:
                log.warning("MCP call %s has not ended within %g s", key, REMOTE_LIMIT)
                self.finished(key, "", respond=True)

    def restart(self) -> None:
        """The conversation begins again: no call that was made before is in it."""
        self._groups.clear()
        self._early.clear()
        for known in self._known.values():
            known.turn, known.output = None, known.output or ""

    def unlinked(self) -> None:
        """The link is gone, and with it what MCP servers were doing for the old session."""
        self._asked.clear()
        self._early.clear()  # their response is lost, nothing is to follow it
        for key, known in list(self._known.items()):
            if known.remote and known.output is None:
                self.finished(key, "", respond=True)

    def item(self, item: Item, *, final: bool) -> None:
        """An item, in a response or in the conversation; those of MCP concern us."""
        if item.type == "mcp_approval_request" and final:
            self._ask(item)
        elif item.type == "mcp_call" and _over(item):
            self._remotely_over(item.id, item.approval_request_id)

    def call_over(self, event: Any) -> None:
        """The server says that an MCP call is over; the item may say so later, or never."""
        record = self._conversation.records.get(event.item_id)
        request_id = record.wire.approval_request_id if record is not None else None
        self._remotely_over(event.item_id, request_id)

    def _ask(self, item: Item) -> None:
        if item.id and item.id not in self._asked:
            self._asked.add(item.id)
            name, label, arguments = item.name or "", item.server_label or "", item.arguments or ""
            self._effects.append(McpApproval(item.id, name, label, arguments))

    def approval_decided(self, request_id: str, *, approve: bool, reason: str | None) -> None:
        """Tell the server; where it is not to call, there is nothing to wait for."""
        if request_id not in self._asked:
            return  # whoever asked is gone with his link
        item = Item.model_validate(
            {
                "id": self._new_item_id(),
                "type": "mcp_approval_response",
                "approval_request_id": request_id,
                "approve": approve,
                **({} if reason is None else {"reason": reason}),
            }
        )
        self._send(ConversationItemCreate(event_id=self._new_key(), item=item))
        if not approve:
            self._remotely_over(request_id)

    def _remotely_over(self, *keys: str | None) -> None:
        for key in keys:
            if not key:
                continue
            known = self._known.get(key)
            if known is None:  # before its response has ended
                self._known[key] = known = Known(None, None, remote=True)
                known.output = ""
            elif known.remote:
                self.finished(key, "", respond=True)


#: Items for whose end a turn waits, though the server does the work.
_MCP = frozenset({"mcp_call", "mcp_approval_request"})


def _over(item: Item) -> bool:
    return item.output is not None or item.error is not None


def _spoken(later: Iterable[Item]) -> bool:
    """Whether the model went on in the same response."""
    return any(item.type == "message" for item in later)


def _error(kind: str, message: str) -> str:
    return json.dumps({"error": {"type": kind, "message": message}})
