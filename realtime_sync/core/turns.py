"""A turn: a user item (or none), then responses and tool calls until a response makes no call.

And its jobs: creates that have not been created yet. No thread, no socket, no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import RealtimeError, copy_of
from ..events.base import ClientEvent
from ..events.client import ConversationItemDelete, ResponseCreate, ResponseParams
from ..events.local import TurnEnded
from .responses import ResponseRecord

__all__ = ["DEFAULT_ROUNDS", "Job", "Turn"]

#: Rounds of tool calls in turns that nobody gave a number.
DEFAULT_ROUNDS = 5
#: Of a create that says nothing of its own.
_PLAIN = ResponseParams()


class Turn:
    """One user item and everything that answers it."""

    def __init__(
        self,
        key: str | None = None,
        *,
        params: dict[str, Any] | None = None,
        items: tuple[ClientEvent, ...] = (),
        max_rounds: int = DEFAULT_ROUNDS,
        parent: Turn | None = None,
        caller: str | None = None,
        unguarded: bool = False,
    ) -> None:
        self.key = key  # who waits for its end; None: nobody
        self.params = params or {}  # the `response` object of its creates
        self.given = items  # kept until its first response begins: they may have to be said again
        self.items = items  # sent together with the first create
        self.heard: str | None = None  # id of the item that its commit has made
        self.unheard = 0  # of them: sent, and not answered yet
        self.max_rounds = max_rounds
        self.parent = parent  # the turn whose tool began this one
        self.caller = caller  # and the id of that tool's call
        self.awaited = False  # whoever has begun it does nothing else until its end
        self.unguarded = unguarded  # a guardrail has asked for it: none reads its responses
        self.part = False  # it has turned out to be the parent's own
        self.rounds = 0  # of tool calls, so far
        self.records: list[ResponseRecord] = []  # its responses, oldest first
        self.calls: dict[str, str | None] = {}  # of this round: call id -> output, None: running
        self.reply = False  # an output of this round asks for a response
        self.wrong: dict[str, int] = {}  # tool -> wrong calls of it, one after the other
        self.interrupted = False  # nobody waits for this round's calls any more
        self.overtaken = False  # the user has begun to speak since this round's calls
        self.superseded = False  # and has a reply: there is to be no other for these calls
        self.tools_began: float | None = None  # when this round's calls began
        self.tools_seconds: float | None = None  # how long the last round's calls took
        self.tools_total = 0.0  # and those of all rounds
        self.retried = False  # a response in text was asked for once more
        # an item that is to follow the response that runs, and be answered; once in a turn
        self.correction: ClientEvent | None = None
        self.corrected = False
        self.announced = 0  # 1: `turn.started` has been told, 2: `turn.ended` too
        self.done = False
        self.error: RealtimeError | None = None  # why it failed
        self.abandoned = False  # its caller has gone
        self.waiters: list[Callable[[], None]] = []  # called once when there is more

    def told(self) -> TurnEnded:
        """What is told of it at its end."""
        return TurnEnded(
            response_ids=tuple(record.id for record in self.records),
            status=self.records[-1].status,
            rounds=self.rounds,
            tool_seconds=self.tools_total,
            error=self.error and copy_of(self.error),
        )

    def replacing(
        self, instead_of: tuple[str, ...], new_key: Callable[[], str], speaking: bool
    ) -> tuple[ClientEvent, ...]:
        """What is sent before another response takes the place of the last one; nothing: none does.

        Args:
            instead_of: Ids of items that are deleted.
            new_key: Makes event ids.
            speaking: The user has the word, so that nothing is corrected.
        """
        correction, self.correction = self.correction, None
        gone = [ConversationItemDelete(event_id=new_key(), item_id=one) for one in instead_of]
        return (*gone, *([] if correction is None or speaking else [correction]))

    def again(self) -> None:
        """A new session is to hear the items: none of them is with the server any more."""
        self.items, self.heard, self.unheard = self.given, None, 0

    @property
    def may_call(self) -> bool:
        """Whether calls are run; past max_rounds it was told to make none."""
        return not self.abandoned and self.rounds < self.max_rounds

    @property
    def running_calls(self) -> tuple[str, ...]:
        """Ids of this round's calls that have no output yet."""
        return tuple(key for key, output in self.calls.items() if output is None)

    @property
    def callers(self) -> tuple[str, ...]:
        """Ids of the calls whose tools wait, one for the other, for this turn."""
        if self.parent is None:
            return ()
        return self.parent.callers if self.part else (self.caller or "", *self.parent.callers)

    @property
    def called(self) -> dict[str, str]:
        """This round's calls that have no output yet, with the names of their tools."""
        made = self.records[-1].output if self.records else ()
        names = {item.call_id: item.name for item in made}
        return {key: names.get(key) or "" for key in self.running_calls}

    @property
    def calling(self) -> str | None:
        """The name of the tool that has begun it, while that runs."""
        return self.parent.called.get(self.caller or "") if self.parent is not None else None

    def job(self, key: str, *, first: bool) -> Job:
        """The next of its creates, under this event id; `first`: before any round of calls."""
        params = dict(self.params)
        if not first:
            params.pop("tool_choice", None)
        if self.rounds >= self.max_rounds:
            params["tool_choice"] = "none"
        response = ResponseParams.model_validate(params) if params else _PLAIN
        create = ResponseCreate(type="response.create", event_id=key, response=response)
        return Job(create, self, first=first, handle=False)

    def within(self, other: Turn) -> bool:
        """Whether this turn was begun by a tool of the other, however deep."""
        turn: Turn | None = self
        while turn is not None:
            if turn is other:
                return True
            turn = turn.parent
        return False


class Job:
    """A `response.create` of the default conversation, queued or on its way."""

    def __init__(self, create: ResponseCreate, turn: Turn, *, first: bool, handle: bool) -> None:
        self.create = create
        self.turn = turn
        self.first = first  # it begins its turn
        self.handle = handle  # somebody waits for `response.created` under the create's id
        self.urgent = False  # goes before turns that no response has begun yet
        self.cancelled = False  # somebody wants it ended as soon as it is created
        self.refusals = 0
        self.again = False  # it has been asked for once more, over another link

    @property
    def key(self) -> str:
        """The id of its create event."""
        return self.create.event_id or ""
