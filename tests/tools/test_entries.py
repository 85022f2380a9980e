"""Everything that tools= takes, and what it refuses."""

from __future__ import annotations

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.tools import McpTool, Tool, WireTool, as_tools, tool


def walk(steps: int) -> int:
    """Walks."""
    return steps


class Dog:
    @tool
    def bark(self) -> str:
        return "woof"


WIRE = {"type": "function", "name": "fly", "parameters": {"type": "object"}}


def test_every_kind_becomes_an_entry():
    """Functions, tools, bound tools, dicts and MCP servers answer .name and .to_wire()."""
    run = Tool(walk, name="run")
    entries = as_tools([walk, run, Dog().bark, WIRE, McpTool("docs", server_url="https://x/mcp")])
    assert [entry.name for entry in entries] == ["walk", "run", "bark", "fly", "docs"]
    assert [entry.to_wire()["type"] for entry in entries] == ["function"] * 4 + ["mcp"]
    assert entries[1] is run
    assert as_tools(entries) == entries
    assert as_tools(()) == ()


def test_wire_dicts_are_copied_and_kept():
    """Unknown fields and types stay; later changes to the caller's dict do not reach us."""
    given = {"type": "function", "name": "f", "x": {"y": 1}}
    (entry,) = as_tools([given])
    given["x"]["y"] = 2  # type: ignore[index]  # a plain dict of dicts
    assert entry.to_wire() == {"type": "function", "name": "f", "x": {"y": 1}}
    (other,) = as_tools([{"type": "web_search"}])
    assert other.to_wire() == {"type": "web_search"}
    assert repr(entry) == "<WireTool function 'f'>"


@pytest.mark.parametrize(
    ("tools", "error", "reason"),
    [
        ([walk, walk], ConfigurationError, "same name: walk"),
        ([walk, dict(WIRE, name="walk"), WIRE, WIRE], ConfigurationError, "same name: walk, fly"),
        (
            [McpTool("a", server_url="u"), {"type": "mcp", "server_label": "a"}],
            ConfigurationError,
            "same name: a",
        ),
        ([{}], ConfigurationError, '"type"'),
        ([{"type": 3}], ConfigurationError, '"type"'),
        ([{"type": "function"}], ConfigurationError, '"name"'),
        ([{"type": "function", "name": "a b"}], ConfigurationError, "'a b'"),
        ([{"type": "function", "function": {"name": "f"}}], ConfigurationError, "flat"),
        ([{"type": "mcp"}], ConfigurationError, '"server_label"'),
        ([dict(WIRE, parameters=object())], ConfigurationError, "no JSON"),
        ([dict(WIRE, parameters=float("nan"))], ConfigurationError, "no JSON"),
        ([Dog.bark], ConfigurationError, r"instance\.bark"),
        ([lambda: 0], ConfigurationError, "name="),
        (walk, ConfigurationError, "brackets"),
        (WIRE, ConfigurationError, "brackets"),
        ("walk", ConfigurationError, "brackets"),
        (3, TypeError, "a list of tools, not int"),
        (None, TypeError, "a list of tools, not NoneType"),
        (["walk"], TypeError, "not str"),
        ([None], TypeError, "not NoneType"),
        ([Dog], TypeError, "not type"),
        ([lambda *a: 0], TypeError, "cannot be a tool"),
    ],
)
def test_what_is_no_tool_is_refused(tools, error, reason):
    """Each fault has its reason, before anything is sent."""
    with pytest.raises(error, match=reason):
        as_tools(tools)


class Shop:
    @classmethod
    @tool(timeout=5)
    def prices(cls, of: str) -> str:
        return f"{cls.__name__}: {of}"


@pytest.mark.parametrize("given", [Shop.prices, Shop().prices], ids=["class", "instance"])
def test_a_class_method_that_is_a_tool(given):
    """The model does not see `cls`; the options stay."""
    (entry,) = as_tools([given])
    assert isinstance(entry, Tool)
    assert (entry.name, entry.timeout) == ("prices", 5)
    assert list(entry.parameters["properties"]) == ["of"]
    assert entry.invoke('{"of": "tea"}').output == "Shop: tea"


def test_a_function_and_a_server_may_share_a_name():
    """Names of functions and labels of MCP servers are two lists."""
    assert len(as_tools([walk, McpTool("walk", connector_id="c")])) == 2


def test_an_mcp_tool_on_the_wire():
    """Only what was given, under the wire's names."""
    given = McpTool(
        "docs",
        server_url="https://example.com/mcp",
        authorization="token",
        headers={"X-Key": "k"},
        allowed_tools=["search"],
        require_approval="never",
        defer_loading=False,
    )
    assert given.to_wire() == {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://example.com/mcp",
        "authorization": "token",
        "headers": {"X-Key": "k"},
        "allowed_tools": ["search"],
        "require_approval": "never",
        "defer_loading": False,
    }


def test_no_repr_shows_a_key():
    """Neither authorization nor headers, nor what a URL carries beside its host."""
    given = McpTool(
        "docs",
        server_url="https://user:secret1@example.com/mcp?key=secret2",
        authorization="secret3",
        headers={"X-Key": "secret4"},
    )
    assert repr(given) == "<McpTool 'docs' at example.com>"
    assert "secret" not in repr(WireTool.of(given.to_wire()))
    assert repr(McpTool("cal", connector_id="c1")) == "<McpTool 'cal' c1>"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"server_url": "u", "connector_id": "c"},
        {"server_url": "u", "authorization": "t", "headers": {"authorization": "t"}},
        {"server_label": "", "server_url": "u"},
    ],
)
def test_an_mcp_tool_that_every_server_refuses(options):
    """One address, one authorization, a label; the message holds no key."""
    with pytest.raises(ConfigurationError, match="MCP tool"):
        McpTool(**{"server_label": "docs", **options})
