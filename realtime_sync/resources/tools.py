"""`session.tools`: what the model may call, and the threads that run it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..core.effects import Call
from ..core.turns import Turn
from ..errors import SessionClosed
from ..events.client import SessionUpdate
from ..events.config import SessionConfig
from ..events.local import ToolFinished, ToolStarted
from ..runtime.clock import Deadline, may_wait
from ..tools.execution import ToolThreads

if TYPE_CHECKING:
    from ..core.state import SessionState
    from ..events.tools import ToolObject
    from ..session import RealtimeSession
    from ..tools.call import Outcome
    from ..tools.entries import ToolEntry

__all__ = ["Tools", "running_turn"]

log = logging.getLogger(__name__)

Entries = tuple["ToolEntry", ...]

#: The turn whose tool runs on this thread: what the tool begins is nested in that turn.
running_turn: ContextVar[Turn | None] = ContextVar("realtime_sync_turn", default=None)


class Tools:
    """What the model may call."""

    def __init__(self, session: RealtimeSession, entries: tuple[ToolEntry, ...]) -> None:
        self._session = session
        self._entries = entries  # what the server was told last
        self._leaving: tuple[ToolEntry, ...] = ()  # taken away, but not confirmed yet
        # by depth: a tool that waits for a turn of its own must not hold up that turn's tools
        self._threads: dict[int, ToolThreads[Call]] = {}
        self._stopped = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tools, in order."""
        return tuple(entry.name for entry in self._entries)

    @property
    def functions(self) -> frozenset[str]:
        """Names of those that are run here."""
        return self._kinds()[0]

    def add(self, fn: Any, *, timeout: float | None = 10) -> None:
        """Let the model call this too: a function, `Tool`, wire dict or `McpTool`.

        Raises:
            ConfigurationError: There is one of that name.
            TypeError: It cannot be a tool; says why.
            ServerError: The server refused it; nothing has changed.
        """
        from ..tools import as_tools

        deadline = Deadline(timeout)
        (entry,) = as_tools([fn])

        def more(now: Entries) -> Entries:
            both: list[Any] = [*now, entry]
            return as_tools(both)  # complains about a name that is taken

        self._change(
            more,
            lambda now: tuple(other for other in now if other is not entry),
            SessionConfig(),
            deadline,
        )

    def remove(self, name: str, *, timeout: float | None = 10) -> None:
        """Let the model not call this any more.

        Raises:
            KeyError: There is none of that name.
        """
        deadline = Deadline(timeout)
        gone: list[tuple[int, ToolEntry]] = []

        def without(now: Entries) -> Entries:
            gone.extend((at, entry) for at, entry in enumerate(now) if entry.name == name)
            if not gone:
                raise KeyError(name)
            return tuple(entry for entry in now if entry.name != name)

        def back(now: Entries) -> Entries:
            for at, entry in gone:
                now = (*now[:at], entry, *now[at:])
            return now

        self._change(without, back, SessionConfig(), deadline)

    def _replace(
        self, tools: Iterable[Any], changes: SessionConfig, deadline: Deadline
    ) -> SessionConfig:
        """Have the server confirm these tools, together with other changes."""
        from ..tools import as_tools

        entries = as_tools(tools)
        before = self._entries
        return self._change(lambda _: entries, lambda _: before, changes, deadline)

    def _known(self, tools: Iterable[ToolObject]) -> list[Any]:
        """Tools as the wire has them; our own where one is just such a tool's."""
        ours = {entry.name: entry for entry in self._entries}
        found = [(tool, ours.get(tool.name or "")) for tool in tools]
        return [
            entry if entry is not None and entry.to_wire() == tool.wire() else tool
            for tool, entry in found
        ]

    def _change(
        self,
        change: Callable[[Entries], Entries],
        undo: Callable[[Entries], Entries],
        changes: SessionConfig,
        deadline: Deadline,
    ) -> SessionConfig:
        may_wait()
        session = self._session
        key = session.new_id("event")

        def send(state: SessionState) -> None:
            # under the lock, so that what two threads change at once adds up, in wire order
            before, entries = self._entries, change(self._entries)
            fields = {"type": session._setup.type, **changes.wire()}
            fields["tools"] = [entry.to_wire() for entry in entries]
            config = SessionConfig.model_validate(fields)
            state.sending(SessionUpdate(event_id=key, session=config))
            self._entries = entries
            # calls of the new tools may come before we run on, calls of the old until then
            fresh = {entry.name for entry in entries}
            self._leaving = tuple(entry for entry in before if entry.name not in fresh)
            state.set_tools(*self._kinds())

        def settle(state: SessionState, entries: Entries) -> None:
            self._entries, self._leaving = entries, ()
            state.set_tools(*self._kinds())

        reply = session._connection.do(send, key=key, what="session.update")
        assert reply is not None
        try:
            held: SessionConfig = session._wait(reply, key, deadline).session
        except BaseException:
            session._look(lambda state: settle(state, undo(self._entries)))
            raise
        session._look(lambda state: settle(state, self._entries))
        return held

    def _kinds(self) -> tuple[frozenset[str], frozenset[str]]:
        """Names of the tools that are run here, and of those whose calls are only reported."""
        from ..tools import Tool, WireTool

        entries = (*self._entries, *self._leaving)
        run = frozenset(entry.name for entry in entries if isinstance(entry, Tool))
        told = frozenset(entry.name for entry in entries if isinstance(entry, WireTool))
        return run, told

    # --- calls

    def _submit(self, call: Call) -> None:
        """Have a call run. Runs on the I/O thread; never blocks."""
        depth, turn = 0, call.turn.parent
        while turn is not None:
            depth, turn = depth + 1, turn.parent
        if depth not in self._threads:
            self._threads[depth] = ToolThreads(self._run)
        if not self._stopped:
            self._threads[depth].submit(call)

    def _run(self, call: Call) -> None:
        """Answer one call. Runs on a tool thread."""
        running_turn.set(call.turn)
        connection = self._session._connection
        arguments = _shown(call.arguments)
        connection.emit(ToolStarted(call_id=call.call_id, name=call.name, arguments=arguments))
        outcome = self._outcome(call)
        connection.emit(
            ToolFinished(
                call_id=call.call_id,
                name=call.name,
                output=outcome.output,
                error=outcome.error,
                seconds=outcome.seconds,
            )
        )
        try:
            connection.do(
                lambda s: s.tool_finished(call.call_id, outcome.output, respond=outcome.respond)
            )
        except SessionClosed:
            log.info("tool %s ended after the session; its result is dropped", call.name)

    def _outcome(self, call: Call) -> Outcome:
        from ..tools import Outcome, Tool

        entries = (*self._leaving, *self._entries)
        known = {entry.name: entry for entry in entries if isinstance(entry, Tool)}
        tool = known.get(call.name)
        if tool is not None:
            return tool.invoke(call.arguments)
        names = ", ".join(sorted(known)) or "none"
        return Outcome.refused("unknown_tool", f"no tool {call.name!r}; there are: {names}")

    def _stop(self) -> None:
        """Begin no more calls."""
        self._stopped = True
        for threads in list(self._threads.values()):
            threads.close()

    def _join(self, deadline: Deadline) -> None:
        """Wait for what runs; what still runs then is logged by name."""
        for threads in list(self._threads.values()):
            for call in threads.join(deadline.remaining):
                log.warning("tool %s still runs; its result is dropped", call.name)

    def __repr__(self) -> str:
        return f"<Tools {', '.join(self.names) or 'none'}>"


def _shown(arguments: str) -> Any:
    """A call's arguments for events: a dict, or the text if it is no JSON object."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments
