"""Everything that `tools=` takes, each as something with a name and a form on the wire.

No threads, no sessions; no key in any repr.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from dataclasses import field as attribute
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..events.tools import ToolObject
from ..events.value import check
from .function import Tool, checked_name

__all__ = ["McpTool", "ToolEntry", "WireTool", "as_tools"]

_NAME_KEYS: Final = {"function": "name", "mcp": "server_label"}


@dataclass(frozen=True, slots=True, repr=False)
class McpTool:
    """An MCP server whose tools the model may call; the Realtime server does the calling.

    Attributes:
        server_label: Its name in this session.
        server_url: Where it is; or else `connector_id` or `tunnel_id`, one of the three.
        authorization: OAuth access token for it.
        headers: Further HTTP headers for it.
        allowed_tools: Names, or a filter: `{"read_only": …, "tool_names": […]}`.
        require_approval: "always", "never", or a filter for either.
        server_description: What the model is told about it.
        defer_loading: Whether its tools are only loaded when searched for.
        allowed_callers: "direct", "programmatic".

    Raises:
        ConfigurationError: Not exactly one address, or the authorization is given twice.
    """

    server_label: str
    server_url: str | None = attribute(default=None, kw_only=True)
    connector_id: str | None = attribute(default=None, kw_only=True)
    tunnel_id: str | None = attribute(default=None, kw_only=True)
    authorization: str | None = attribute(default=None, kw_only=True)
    headers: Mapping[str, str] | None = attribute(default=None, kw_only=True)
    allowed_tools: list[str] | dict[str, Any] | None = attribute(default=None, kw_only=True)
    require_approval: str | dict[str, Any] | None = attribute(default=None, kw_only=True)
    server_description: str | None = attribute(default=None, kw_only=True)
    defer_loading: bool | None = attribute(default=None, kw_only=True)
    allowed_callers: list[str] | None = attribute(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.server_label, str) or not self.server_label:
            raise ConfigurationError("an MCP tool needs a server_label; give it any short name")
        addresses = (self.server_url, self.connector_id, self.tunnel_id)
        if sum(address is not None for address in addresses) != 1:
            raise ConfigurationError(
                f"MCP tool {self.server_label!r}: give one of server_url, connector_id, tunnel_id"
            )
        names = {name.lower() for name in self.headers or ()}
        if self.authorization is not None and "authorization" in names:
            raise ConfigurationError(
                f"MCP tool {self.server_label!r} has authorization= and an Authorization header; "
                "give one of them"
            )

    @property
    def name(self) -> str:
        """Its server label."""
        return self.server_label

    def to_wire(self) -> dict[str, Any]:
        """The tool as the session's config has it."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"type": "mcp", **{k: deepcopy(v) for k, v in given.items() if v is not None}}

    def __repr__(self) -> str:
        # keys hide in headers, in authorization and in a URL's query or user part
        if self.server_url is None:
            return f"<McpTool {self.server_label!r} {self.connector_id or self.tunnel_id}>"
        return f"<McpTool {self.server_label!r} at {urlsplit(self.server_url).hostname}>"


@dataclass(frozen=True, slots=True, repr=False)
class WireTool:
    """A tool given as the wire has it. Its calls are reported, not run.

    Attributes:
        name: The function's name, or the MCP server's label.
        wire: The dict, a copy.
    """

    name: str
    wire: dict[str, Any]

    @classmethod
    def of(cls, wire: Mapping[str, Any]) -> WireTool:
        """Checks what every server would refuse.

        Raises:
            ConfigurationError: No type, no name, or not JSON.
        """
        kind = wire.get("type")
        if not isinstance(kind, str):
            raise ConfigurationError('a tool given as a dict needs a "type", e.g. "function"')
        if kind == "function" and "name" not in wire and "function" in wire:
            raise ConfigurationError(
                'a Realtime tool is flat: "name" stands beside "type", not under "function"'
            )
        key = _NAME_KEYS.get(kind, "name")
        name = wire.get(key, "")
        if kind in _NAME_KEYS and (not isinstance(name, str) or not name):
            raise ConfigurationError(f'a tool of type {kind!r} needs a "{key}"')
        if kind == "function":
            checked_name(name)
        try:
            json.dumps(dict(wire), allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(f"tool {name!r} is no JSON: {exc}") from exc
        return cls(str(name), deepcopy(dict(wire)))

    def to_wire(self) -> dict[str, Any]:
        """The tool as the session's config has it."""
        return deepcopy(self.wire)

    def __repr__(self) -> str:
        return f"<WireTool {self.wire['type']} {self.name!r}>"


ToolEntry: TypeAlias = Tool[..., Any] | McpTool | WireTool


def as_tools(
    tools: Iterable[Callable[..., Any] | Tool[..., Any] | McpTool | ToolObject | Mapping[str, Any]],
) -> tuple[ToolEntry, ...]:
    """What `tools=` takes, each with a `.name` and a `.to_wire()`.

    Raises:
        TypeError: A function that cannot be a tool, or something that is none.
        ConfigurationError: A name that is invalid or taken, a wire dict that lacks something.
    """
    if isinstance(tools, (str, Mapping)) or callable(tools):
        raise ConfigurationError("tools= takes a list of tools; put this one into brackets")
    if not isinstance(tools, Iterable):
        raise TypeError(f"tools= takes a list of tools, not {type(tools).__name__}")
    entries = tuple(_entry(given) for given in tools)
    taken: set[tuple[str, str]] = set()
    twice: list[str] = []
    for entry in entries:
        wire = entry.to_wire()
        if not isinstance(entry, Tool):
            _check_fields(entry.name, wire)
        key = (_NAME_KEYS.get(wire["type"], wire["type"]), entry.name)
        if key in taken and entry.name and entry.name not in twice:
            twice.append(entry.name)
        taken.add(key)
    if twice:
        raise ConfigurationError(
            f"tools with the same name: {', '.join(twice)}; rename all but one"
        )
    return entries


def _check_fields(name: str, wire: dict[str, Any]) -> None:
    """Complain about a value that the wire has no place for, without showing it."""
    try:
        check(ToolObject, wire)
    except ConfigurationError as exc:
        raise ConfigurationError(f"tool {name!r}: {exc}") from None


def _entry(given: Any) -> ToolEntry:
    if isinstance(given, ToolObject):
        given = given.wire()
    if isinstance(given, Mapping):
        return WireTool.of(given)
    if isinstance(given, (McpTool, WireTool)):
        return given
    if inspect.isclass(given) or not callable(given):
        raise TypeError(
            f"a tool is a function, Tool, McpTool or wire dict, not {type(given).__name__}"
        )
    inner = getattr(given, "__func__", None)
    if isinstance(inner, Tool):  # a class method that is a tool, as Python 3.13 binds it
        given = inner.__get__(given.__self__)
    entry = given if isinstance(given, Tool) else Tool(given)
    if not entry.bound:
        raise ConfigurationError(
            f"{entry.name} is a method and needs its object; give tools=[instance.{entry.name}]"
        )
    return entry
