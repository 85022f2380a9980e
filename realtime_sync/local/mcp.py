"""MCP servers that are played by script: their tools, approvals, calls and failures.

Source of the order of events: wire.md (h). No sockets, no threads, no clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from realtime_sync.local.answers import McpCall
from realtime_sync.local.conversation import Entry
from realtime_sync.local.responses import WORD_GAP, Running, Step

__all__ = ["McpResponse", "McpServer", "Remote", "needs_approval"]

Wire = dict[str, Any]
Result = str | BaseException | Callable[[Wire], Any]
"""What a tool gives: text, an exception, or a function of the call's arguments."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server by its label.

    Attributes:
        tools: Tool -> what a call of it gives; an exception in place of all: no list is given.
        late: Whether calls end after the response that makes them.
    """

    tools: Mapping[str, Result] | BaseException
    late: bool = False

    def listed(self) -> list[Wire] | None:
        """Its tools as an `mcp_list_tools` item has them; None where it gives no list."""
        if isinstance(self.tools, BaseException):
            return None
        return [{"name": name, "input_schema": {"type": "object"}} for name in self.tools]

    def call(self, name: str, arguments: str) -> Wire:
        """`output` or `error` of an `mcp_call` item."""
        tools = {} if isinstance(self.tools, BaseException) else self.tools
        if name not in tools:
            message = f"Unknown tool: {name}"
            return {"error": {"type": "protocol_error", "code": -32602, "message": message}}
        try:
            result = tools[name]
            if callable(result):
                result = result(json.loads(arguments or "{}"))
            if isinstance(result, BaseException):
                raise result
            return {"output": result if isinstance(result, str) else json.dumps(result)}
        except Exception as exc:  # what a script's tool raises is the tool's failure
            return {"error": {"type": "tool_execution_error", "message": str(exc)}}


def needs_approval(tool: Wire, name: str) -> bool:
    """Whether a session's MCP tool has calls of this name approved first; "always" by default."""
    wanted = tool.get("require_approval")
    if wanted is None or isinstance(wanted, str):
        return wanted != "never"
    never = (wanted.get("never") or {}).get("tool_names") or ()
    always = (wanted.get("always") or {}).get("tool_names")
    return name in always if always is not None else name not in never


@dataclass(frozen=True, slots=True)
class Remote:
    """A call of an MCP server's tool, as one response makes it.

    Attributes:
        call: What the model wants.
        approval: Whether it only asks for approval.
        outcome: What comes of it.
        late: Whether that comes after the response.
    """

    call: McpCall
    approval: bool
    outcome: Wire
    late: bool


@dataclass(slots=True)
class Late:
    """A call that ends after its response."""

    entry: Entry
    index: int
    outcome: Wire


class McpResponse(Running):
    """A response that may call MCP servers.

    Attributes:
        late: Its calls that are still to end, once it is over.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._remote: Remote | None = None  # the call that is being streamed
        self.late: list[Late] = []
        super().__init__(*arguments, **options)

    def endings(self) -> list[Wire]:
        """What follows `response.done`: the ends of its calls."""
        return [event for late in self.late for event in self._ending(late)]

    def _ending(self, late: Late) -> list[Wire]:
        late.entry.item.update(late.outcome)
        place = {"item_id": late.entry.id, "output_index": late.index}
        item = late.entry.reported()
        done = self._event(
            "response.output_item.done",
            response_id=self.plan.id,
            output_index=late.index,
            item=item,
        )
        ended = self._event(ending(late.outcome), **place)
        return [ended, done, self._event("conversation.item.done", item=item)]

    def _stream(self, part: Remote, at: float) -> Generator[Step, None, float]:
        self._remote = part
        call = part.call
        item = {"server_label": call.label, "name": call.name}
        if part.approval:
            whole = {**item, "arguments": call.arguments}
            request = {"id": self._new_id("mcpr"), "type": "mcp_approval_request", **whole}
            yield at, partial(self._begin, request, "approval")
            return at
        begun = {"id": self._new_id("mcp"), "type": "mcp_call", **item, "arguments": ""}
        yield at, partial(self._begin, begun, "mcp")
        for piece in self._within_budget(re.findall(r"\w+|\W+", call.arguments)):
            at += WORD_GAP
            yield at, partial(self._delta, "response.mcp_call_arguments.delta", piece)
        return at

    def _close(self, status: str) -> list[Wire]:
        assert self._open is not None
        remote, opened = self._remote, self._open
        if opened.kind != "mcp" or remote is None or not remote.late or status != "completed":
            return super()._close(status)
        events = self._close_call_of_mcp()
        self.late.append(Late(opened.entry, opened.index, remote.outcome))
        self._open = None
        return events

    def _close_request(self) -> list[Wire]:
        self._entry.item.pop("status", None)  # the wire's has none
        return []

    def _close_call_of_mcp(self) -> list[Wire]:
        assert self._open is not None
        assert self._remote is not None
        item, place = self._entry.item, self._place()
        whole = item.pop("status", "completed") == "completed"
        item["arguments"] = self._open.text
        done = self._event("response.mcp_call_arguments.done", **place, arguments=self._open.text)
        if not whole:
            return [done]
        del place["response_id"]
        events = [done, self._event("response.mcp_call.in_progress", **place)]
        if not self._remote.late:
            item.update(self._remote.outcome)
            events.append(self._event(ending(self._remote.outcome), **place))
        return events

    def _place(self) -> Wire:
        place = super()._place()
        if self._open is not None and self._open.kind in ("mcp", "approval"):
            del place["content_index"]
        return place

    _STREAMS: ClassVar[dict[type, Callable[..., Any]]] = {**Running._STREAMS, Remote: _stream}
    _CLOSINGS: ClassVar[dict[str, Callable[..., list[Wire]]]] = {
        **Running._CLOSINGS,
        "approval": _close_request,
        "mcp": _close_call_of_mcp,
    }


def ending(outcome: Wire) -> str:
    """The event that tells of a call's end."""
    return f"response.mcp_call.{'failed' if 'error' in outcome else 'completed'}"


def labels(tools: Iterable[Wire]) -> dict[str, Wire]:
    """The MCP tools of a session by their labels."""
    return {str(tool.get("server_label")): tool for tool in tools if tool.get("type") == "mcp"}
