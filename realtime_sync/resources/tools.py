"""`session.tools`: what the model may call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import RealtimeTimeout
from ..events.client import SessionUpdate
from ..events.config import SessionConfig
from ..runtime.clock import Deadline, may_wait
from ..runtime.watches import Watch

if TYPE_CHECKING:
    from ..calling import Calling
    from ..core.state import SessionState
    from ..events.tools import ToolObject
    from ..tools.entries import ToolEntry
    from ..tools.function import Tool

__all__ = ["Tools"]

log = logging.getLogger(__name__)

Entries = tuple["ToolEntry", ...]


class Tools:
    """What the model may call."""

    def __init__(self, session: Calling, entries: tuple[ToolEntry, ...]) -> None:
        self._session = session
        self._entries = entries  # what the server was told last
        self._leaving: tuple[ToolEntry, ...] = ()  # taken away, but not confirmed yet

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
                there = ", ".join(entry.name for entry in now) or "none"
                raise KeyError(f"no tool {name!r}; there are: {there}")
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
        session._check_open()
        key = session.new_id("event")
        listed = session._watches.add(("mcp_list_tools.completed", "mcp_list_tools.failed"))
        reply = session._connection.do(
            lambda state: self._send(state, key, change, changes), key=key, what="session.update"
        )
        assert reply is not None
        try:
            held: SessionConfig = session._wait(reply, key, deadline).session
        except BaseException:
            session._look(lambda state: self._settle(state, undo))
            raise
        session._look(self._settle)
        self._await_listings(listed, deadline)
        return held

    def _send(
        self,
        state: SessionState,
        key: str,
        change: Callable[[Entries], Entries],
        changes: SessionConfig,
    ) -> None:
        """Tell the server of other tools, and of other changes with them. Hold the lock."""
        # under the lock, so that what two threads change at once adds up, in wire order
        before, entries = self._entries, change(self._entries)
        fields = {"type": self._session._setup.type, **changes.wire()}
        fields["tools"] = [entry.to_wire() for entry in entries]
        config = SessionConfig.model_validate(fields)
        state.sending(SessionUpdate(event_id=key, session=config))
        self._entries = entries
        # calls of the new tools may come before we run on, calls of the old until then
        fresh = {entry.name for entry in entries}
        self._leaving = tuple(entry for entry in before if entry.name not in fresh)
        state.calls.set_tools(*self._kinds())

    def _settle(
        self, state: SessionState, undo: Callable[[Entries], Entries] = lambda now: now
    ) -> None:
        """The server has answered, or will not. Hold the lock."""
        self._entries, self._leaving = undo(self._entries), ()
        state.calls.set_tools(*self._kinds())

    def _await_listings(self, listed: Watch, deadline: Deadline) -> None:
        """Wait until the MCP servers have listed their tools; one that is slow is no failure."""
        look, watches = self._session._look, self._session._watches
        try:
            while (missing := look(lambda state: state.calls.listings.missing)) and listed.get(
                deadline
            ):
                pass
        except RealtimeTimeout:
            log.warning(
                "MCP servers have not listed their tools yet: %s", ", ".join(sorted(missing))
            )
        finally:
            watches.remove(listed)

    def _kinds(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Names of the tools that are run here, of those whose calls are only reported.

        And of those of the first that run one call at a time.
        """
        from ..tools import Tool, WireTool

        entries = (*self._entries, *self._leaving)
        tools = [entry for entry in entries if isinstance(entry, Tool)]
        run = frozenset(entry.name for entry in tools)
        told = frozenset(entry.name for entry in entries if isinstance(entry, WireTool))
        return run, told, frozenset(entry.name for entry in tools if entry.serial)

    # --- calls

    def function(self, name: str) -> Tool[..., Any] | None:
        """The tool of that name that is run here; one that is being removed, too."""
        from ..tools import Tool

        entries = (*self._entries, *self._leaving)
        return next((e for e in entries if e.name == name and isinstance(e, Tool)), None)

    def __repr__(self) -> str:
        return f"<Tools {', '.join(self.names) or 'none'}>"
