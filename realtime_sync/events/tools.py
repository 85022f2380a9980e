"""Tools as a session's configuration has them. Knows no event, and runs nothing.

Source: wire.md section (c) and ga_session.json. What a kind does not have is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .value import Value

__all__ = ["ListedTool", "RequireApproval", "ToolChoice", "ToolFilter", "ToolObject"]


def _host(url: Any) -> str:
    """A URL as a repr shows it: keys hide in its query and its user part."""
    try:
        return urlsplit(url).hostname or "…"
    except ValueError:
        return "…"


class ToolFilter(Value):
    """Some of an MCP server's tools: `tool_names`, those that only read, or both."""

    read_only: bool | None = None
    tool_names: tuple[str, ...] | None = None


class RequireApproval(Value):
    """Which tools of an MCP server need an approval, and which never do."""

    always: ToolFilter | None = None
    never: ToolFilter | None = None


class ToolObject(Value):
    """The wire's tool object; `realtime_sync.Tool` and `McpTool` are what you give.

    Attributes:
        type: "function" or "mcp".
        name: Of functions.
        description: Of functions: what the model reads.
        parameters: Of functions: the JSON Schema of the arguments.
        server_label: Of MCP servers, as are all that follow.
        server_url: Where it is; or else `connector_id` or `tunnel_id`.
        authorization: OAuth access token. A repr shows neither it nor `headers`, and of the URL
            the host.
        allowed_tools: Names, or a filter.
        require_approval: "always", "never", or a filter for either.
        defer_loading: Whether its tools are only loaded when searched for.
        allowed_callers: "direct", "programmatic".
    """

    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: Any = None
    server_label: str | None = None
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: tuple[str, ...] | ToolFilter | None = None
    require_approval: str | RequireApproval | None = None
    server_description: str | None = None
    defer_loading: bool | None = None
    allowed_callers: tuple[str, ...] | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, _host(value) if name == "server_url" else value


class ToolChoice(Value):
    """The one tool to call; where any will do, the wire has "auto", "none" or "required".

    Attributes:
        type: "function" or "mcp".
        name: Of the function, or of one tool of the server.
        server_label: Of the MCP server.
    """

    type: str | None = None
    name: str | None = None
    server_label: str | None = None


class ListedTool(Value):
    """A tool that an MCP server has; `input_schema`: the JSON Schema of its arguments."""

    name: str | None = None
    description: str | None = None
    input_schema: Any = None
    annotations: Any = None
