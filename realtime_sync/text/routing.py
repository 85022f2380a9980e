"""Stages of a text session: a call that moves the conversation on leaves no trace in it.

The call and its answer are taken out again, and the user's message is sent once more in the new
stage, as if it had been said there. So a model that is led needs not know that it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ToolError
from ..events.client import ConversationItemDelete
from ..resources.calls import running_turn
from ..resources.routing import Routing

if TYPE_CHECKING:
    from ..calling import Calling
    from ..core.state import SessionState
    from ..core.turns import Turn
    from ..routing import Step
    from ..tools import ToolContext
    from .setup import TextSetup

__all__ = ["MOST_HOPS", "TextRouting"]

#: How often one user message is sent once more; then the model has to answer where it is.
MOST_HOPS = 5


class _Hops:
    """What of a turn has moved the conversation."""

    def __init__(self) -> None:
        self.count = 0
        self.beside: set[str] = set()  # ids of the calls that were made together with the last move
        self.failed: set[str] = set()  # ids of calls that did not move it


class TextRouting(Routing):
    """Drives a router in a text session."""

    def __init__(self, session: Calling, router: Any, setup: TextSetup) -> None:
        """See `Routing`."""
        # ids of calls whose answer takes them along; the host reads and empties it
        self._hidden = setup.hidden
        self._hops: weakref.WeakKeyDictionary[Turn, _Hops] = weakref.WeakKeyDictionary()
        super().__init__(session, router, setup)

    def move(self, plan: Callable[[], Step], context: ToolContext) -> Any:
        """See `Routing`."""
        steps: list[Step] = []

        def planned() -> Step:
            steps.append(plan())
            return steps[-1]

        turn = running_turn.get()
        hops = self._hops_of(turn)
        try:
            answer = super().move(planned, context)
        except ToolError:
            if context.call_id in hops.beside:
                self._hidden.add(context.call_id)  # made where the conversation is no longer
            else:
                hops.failed.add(context.call_id)
            raise
        if not steps[-1].ends:
            self._hidden.add(context.call_id)
            self._session._connection.do(lambda state: self._count(state, turn, hops))
        return answer

    def _hops_of(self, turn: Turn | None) -> _Hops:
        if turn is None:
            return _Hops()
        return self._hops.setdefault(turn, _Hops())

    def _count(self, state: SessionState, turn: Turn | None, hops: _Hops) -> None:
        """The conversation has moved on. Hold the lock."""
        hops.count += 1
        if turn is not None:
            hops.beside = set(turn.calls)
            if hops.count >= MOST_HOPS:
                turn.rounds = max(turn.rounds, turn.max_rounds)  # no more calls in this turn
            elif len(turn.calls) == 1:
                turn.rounds = max(0, turn.rounds - 1)  # nobody sees this round
        for item in state.conversation.items():
            if item.call_id in hops.failed:
                delete = ConversationItemDelete(event_id=self._new_key(), item_id=item.id or "")
                state.sending(delete)
        hops.failed.clear()

    def _new_key(self) -> str:
        return self._session.new_id("event")
