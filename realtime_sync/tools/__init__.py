"""A Python function, callable by the model. Knows nothing of sessions and sockets.

- `schema`: type hints as JSON Schema and as the model that checks the arguments.
- `call`: one call: JSON text in, text out, whatever happens between.
- `context`: what a tool may know of its call.
- `docstring`: what a docstring says of a function's parameters.
- `function`: a Python function as a `Tool`.
- `entries`: everything else that `tools=` takes.
- `execution`: the threads on which tools run.

Names come in on first use: a session without tools pays nothing for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import ToolError, ToolRetry
    from .call import NoReply, Outcome, error_text
    from .context import ToolContext
    from .entries import McpTool, ToolEntry, WireTool, as_tools
    from .function import Tool, tool

__all__ = [
    "tool",
    "Tool",
    "McpTool",
    "WireTool",
    "ToolEntry",
    "as_tools",
    "NoReply",
    "ToolContext",
    "ToolError",
    "ToolRetry",
    "Outcome",
    "error_text",
]

#: Public name -> the module that has it.
_HOMES = {
    "tool": ".function",
    "Tool": ".function",
    "McpTool": ".entries",
    "WireTool": ".entries",
    "ToolEntry": ".entries",
    "as_tools": ".entries",
    "NoReply": ".call",
    "ToolContext": ".context",
    "Outcome": ".call",
    "error_text": ".call",
    "ToolError": "..errors",
    "ToolRetry": "..errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
    return value
