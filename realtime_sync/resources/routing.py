"""`router=`: has the server confirm a router's steps, and the router take them.

A step is made in this order: the server confirms prompt and tools, the router takes the step, the
call is answered. So the reply that follows the call comes from the new setting. Only the end of a
conversation is answered first: its reply, if there is one, is still the goodbye.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, RealtimeError, RealtimeTimeout, ToolError
from ..events.config import SessionConfig
from ..runtime.clock import Deadline
from .calls import running_turn

if TYPE_CHECKING:
    from ..calling import Calling
    from ..core.state import SessionState
    from ..opening import Setup
    from ..routing import Router, Setting, Step
    from ..tools import ToolContext
    from .tools import Entries

__all__ = ["Routing"]

log = logging.getLogger(__name__)

#: Seconds in which the server is to confirm a step.
LIMIT = 30.0

#: Who drives a router: two sessions at once would each move the other's conversation.
_driven: weakref.WeakKeyDictionary[Router, weakref.ref[Calling]]
_driven = weakref.WeakKeyDictionary()


class Routing:
    """Drives a router: the only one who changes it."""

    def __init__(self, session: Calling, router: Any, setup: Setup) -> None:
        """Bind the router, and have the session begin where it stands.

        Raises:
            ConfigurationError: No router, one that another session drives, or its tools do not fit
                the session's.
        """
        from ..routing import Agent, AgentRouter, Router

        if isinstance(router, Agent):
            router = AgentRouter(router)
        if not isinstance(router, Router):
            raise ConfigurationError("router: a StageRouter or an Agent is needed")
        if setup.type != "realtime":
            raise ConfigurationError(f'router: a session of type "{setup.type}" has no stages')
        self.router: Router = router
        self._session = session
        self._setup = setup
        self.said = setup.config.instructions if setup.config is not None else None
        self.given = setup.entries  # the session's tools, those that only stages have included
        self._check_alone()
        self._others = router.bind(setup.entries)  # tools that are always there
        self._told: Setting  # what the server was told last
        self._moving = False  # a step is being made
        self._restarted = False  # meanwhile the conversation has begun again
        self._begin_here()

    def _check_alone(self) -> None:
        known = _driven.get(self.router)
        other = known() if known is not None else None
        if other not in (None, self._session) and other.state not in ("new", "closed"):
            raise ConfigurationError(
                "router: another session uses it; make one for each, or close that session"
            )

    def _begin_here(self) -> None:
        self._told = setting = self.router.setting()
        self._setup.begin_with((*self._others, *setting.tools), self._changes(setting))

    def begin(self) -> None:
        """The session is about to open: it begins where the router stands by now.

        Raises:
            ConfigurationError: Another open session uses the router.
        """
        self._check_alone()
        _driven[self.router] = weakref.ref(self._session)
        self._begin_here()
        self._session.tools._entries = self._setup.entries

    def _changes(self, setting: Setting, *, voice: bool = True) -> SessionConfig:
        said = [text for text in (self.said, setting.instructions) if text]
        fields: dict[str, Any] = {"instructions": "\n\n".join(said)}
        if voice and setting.voice is not None:
            fields["audio"] = {"output": {"voice": setting.voice}}
        return SessionConfig.model_validate(fields)

    def restart(self) -> None:
        """The conversation begins again: so does the router; the server is told, not waited for."""

        def back(_: SessionState) -> bool:
            self.router.reset()
            self._restarted = self._moving
            return not self._moving

        if self._session._look(back):  # else the server is told when that step has come to its end
            self._tell(self.router.setting())

    # --- steps

    def move(self, plan: Callable[[], Step], context: ToolContext) -> Any:
        """Make a step; what its call is answered with. Runs on a tool thread; blocks.

        Raises:
            ToolError: It cannot be made; nothing has changed.
        """
        from ..tools import NoReply

        session = self._session
        step: Step = session._look(lambda _: self._begin(plan))
        try:
            setting = self.router.setting(step)  # without the lock: it may run the user's code
            if not session._calls.waits_for(context.call_id):
                raise ToolError("it took too long, and nobody waits for it any more")
            if step.ends:
                context._follow(lambda state: self._end(state, plan, setting))
                return NoReply(step.output) if self._has_spoken() else step.output
            self._confirm(setting)
            session._look(lambda _: self._take(step))
        finally:
            if session._look(self._over):
                self._tell(self.router.setting())
        session._connection.emit(step.event)
        return step.output

    def _begin(self, plan: Callable[[], Step]) -> Step:
        """Hold the lock."""
        if self._moving:
            raise ToolError("the conversation is moving on already; wait for that")
        step = plan()
        self._moving = True
        return step

    def _take(self, step: Step) -> None:
        """Hold the lock."""
        if self._restarted:
            raise ToolError("the conversation has begun again")
        self.router.take(step)

    def _over(self, _: SessionState) -> bool:
        """No step is being made any more; whether the server has to be told of a restart yet."""
        restarted, self._restarted, self._moving = self._restarted, False, False
        return restarted

    def _has_spoken(self) -> bool:
        """Whether the response that made the call has said goodbye: nobody says it twice."""
        turn = running_turn.get()
        if turn is None:
            return False
        output = self._session._look(lambda _: turn.records[-1].output if turn.records else ())
        return any(item.type == "message" for item in output)

    def _confirm(self, setting: Setting) -> None:
        """Have the server take over the setting."""
        try:
            self._change(setting)
        except RealtimeTimeout as exc:
            # it may take it over yet: what is told after it has the last word
            self._tell(self._told)
            raise self._refused(exc) from exc
        except RealtimeError as exc:
            raise self._refused(exc) from exc
        self._told = setting

    @staticmethod
    def _refused(exc: RealtimeError) -> ToolError:
        log.warning("the conversation cannot move on: %s", exc)
        return ToolError("the conversation cannot move on now; it stands where it stood")

    def _change(self, setting: Setting) -> None:
        tools, deadline = self._session.tools, Deadline(LIMIT)
        swap = _swap(self._told, setting), _swap(setting, self._told)
        try:
            tools._change(*swap, self._changes(setting), deadline)
        except ConfigurationError as exc:
            if not str(exc).startswith("audio.output.voice"):
                raise
            log.warning("the voice stays as it is: it cannot change once the model has spoken")
            tools._change(*swap, self._changes(setting, voice=False), deadline)

    # --- told, and not waited for

    def _tell(self, setting: Setting) -> None:
        try:
            self._session._connection.do(lambda state: self._send(state, setting))
        except RealtimeError as exc:  # the session is over
            log.debug("the setting is not told: %s", exc)

    def _send(self, state: SessionState, setting: Setting) -> None:
        """Hold the lock."""
        tools, key = self._session.tools, self._session.new_id("event")
        change = _swap(self._told, setting)
        tools._send(state, key, change, self._changes(setting, voice=False))
        tools._settle(state)
        self._told = setting

    def _end(self, state: SessionState, plan: Callable[[], Step], setting: Setting) -> None:
        """The call that ends the conversation is answered: begin anew. Hold the lock."""
        try:
            step = plan()
        except ToolError:  # a second call of the same response: it has ended
            return
        # within the same hold of the lock as the answer, so that whoever waited for that one, and
        # speaks next, speaks in the new setting
        try:
            self._send(state, setting)
        except ConfigurationError as exc:  # a tool of the user's, added meanwhile, has the name
            log.warning("the server is not told of the beginning: %s", exc)
        self.router.take(step)
        state.tell(step.event)


def _swap(old: Setting, new: Setting) -> Callable[[Entries], Entries]:
    def swap(now: Entries) -> Entries:
        from ..tools import as_tools

        both: list[Any] = [*(entry for entry in now if entry not in old.tools), *new.tools]
        return as_tools(both)  # complains about a name that is taken

    return swap
