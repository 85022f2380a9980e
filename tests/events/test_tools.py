"""Tools as the configuration has them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import tool
from realtime_sync.events.config import SessionConfig
from realtime_sync.events.tools import RequireApproval, ToolChoice, ToolFilter, ToolObject
from realtime_sync.tools import as_tools

KEYS = ("sk-1", "sk-2", "sk-3", "sk-4")
MCP = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://me:sk-3@docs.example.com/mcp?key=sk-4",
    "authorization": "sk-1",
    "headers": {"X-Key": "sk-2"},
    "allowed_tools": ["search"],
    "require_approval": {"never": {"read_only": True}},
}


def test_no_key_in_a_repr() -> None:
    """Not the tool's own, nor that of a configuration which holds it; the wire has them."""
    config = SessionConfig.model_validate({"tools": [MCP]})
    assert config.wire() == {"tools": [MCP]}
    for shown in (repr(config), str(config), repr(config.tools)):
        assert "docs.example.com" in shown
        assert not [key for key in KEYS if key in shown]


@pytest.mark.parametrize("url", ["http://[", "docs", ""])
def test_a_url_that_is_none_is_not_shown(url: str) -> None:
    """What cannot be taken apart may be all key."""
    assert repr(ToolObject(server_url=url)) == "ToolObject(server_url='…')"


def test_filters_are_typed() -> None:
    """Names or a filter; a word or a filter for either."""
    held = ToolObject.model_validate(MCP)
    assert held.allowed_tools == ("search",)
    assert held.require_approval == RequireApproval(never=ToolFilter(read_only=True))
    assert ToolObject(allowed_tools=ToolFilter(tool_names=("a",))).wire() == {
        "allowed_tools": {"tool_names": ["a"]}
    }


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ("required", "required"),
        ("tomorrow", "tomorrow"),
        ({"type": "function", "name": "f"}, ToolChoice(type="function", name="f")),
        ({"type": "mcp", "server_label": "d"}, ToolChoice(type="mcp", server_label="d")),
    ],
)
def test_tool_choice(given: Any, held: Any) -> None:
    """A word, or a tool; words of tomorrow are kept."""
    config = SessionConfig.model_validate({"tool_choice": given})
    assert config.tool_choice == held
    assert config.wire() == {"tool_choice": given}


def test_what_was_read_can_be_given_again() -> None:
    """`tools=` takes the tools that a configuration holds."""

    @tool
    def weather(city: str) -> str:
        """Tells the weather."""
        return city

    held = SessionConfig.model_validate({"tools": [weather.to_wire(), MCP]})
    assert [entry.to_wire() for entry in as_tools(held.tools or ())] == [weather.to_wire(), MCP]
