"""What all wire objects have in common."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from realtime_sync.errors import ConfigurationError
from realtime_sync.events.base import UnknownEvent
from realtime_sync.events.codec import client_event, server_event
from realtime_sync.events.config import SessionConfig
from realtime_sync.events.items import Item, Part
from realtime_sync.events.value import check, fault, read

LONG = "QUJD" * 100


def test_wire_is_exactly_what_was_set() -> None:
    """Not set is not sent, None is null, unknown fields are kept, at every depth."""
    given = {
        "instructions": "",
        "audio": {"input": {"turn_detection": None}, "output": {"voice": {"id": "v", "x": None}}},
        "new": {"deep": [None]},
    }
    assert SessionConfig.model_validate(given).wire() == given
    assert SessionConfig().wire() == {}


def test_wire_names_cannot_hide_what_a_value_can() -> None:
    """A field of the peer's called like a method of ours is kept, and the method works."""
    item = Item.model_validate({"wire": 1, "model_dump": 2, "describe": 3, "__class__": 4})
    assert item.wire() == {"wire": 1, "model_dump": 2, "describe": 3, "__class__": 4}


def test_fields_by_their_wire_names() -> None:
    """As of a dict: what was set, also where a method or Python has the name."""
    item = Item.model_validate({"id": "i1", "role": None, "wire": 1, "class": 2, "get": 3})
    assert [item[name] for name in ("id", "role", "wire", "class", "get")] == ["i1", None, 1, 2, 3]
    assert (item.get("id"), item.get("role", "x"), item.get("status", "x")) == ("i1", None, "x")
    assert "wire" in item
    assert "role" in item
    assert not [name for name in ("status", "describe", "_audio", "new") if name in item]
    with pytest.raises(KeyError, match="status"):
        item["status"]


def test_read_takes_null_where_none_belongs() -> None:
    """It reads as absent, and is written where it stood; a copy that has it otherwise is right."""
    raw = {"type": None, "id": "i1", "content": [{"text": "x"}, {"text": None}]}
    item = read(Item, raw)
    assert item.type == "message"
    assert item.wire() == raw
    assert item.model_copy(update={"id": "i2"}).wire() == {**raw, "id": "i2"}
    assert pickle.loads(pickle.dumps(item)).wire() == raw
    with pytest.raises(ValidationError, match="type"):
        read(Item, {"type": 5})


def test_nulls_of_a_place_that_is_gone() -> None:
    """A copy that was given something else there is written as it is."""
    event = server_event({"type": "conversation.item.added", "item": {"type": None}})
    assert event.wire()["item"] == {"type": None}
    assert event.model_copy(update={"item": None}).wire()["item"] is None


def test_repr_shows_what_is_set() -> None:
    """No defaults, no None; nested values likewise."""
    item = Item(id="i1", role=None, content=(Part(type="input_text", text="hi"),))
    assert repr(item) == "Item(id='i1', content=(Part(type='input_text', text='hi'),))"
    assert repr(Item.model_validate({"new": 1})) == "Item(new=1)"
    assert str(Item()) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (LONG, f"'{LONG[:30]}… (400 characters)'"),
        (f"data:image/png;base64,{LONG}", "'data:image/png;base64,QUJDQUJD… (422 characters)'"),
        ({"audio": [LONG]}, f"{{'audio': ['{LONG[:30]}… (400 characters)']}}"),
        (LONG[:60], f"'{LONG[:60]}'"),
        ("word " * 20, f"'{'word ' * 20}'"),
        ("é" * 80, f"'{'é' * 80}'"),
        (5, "5"),
    ],
)
def test_repr_is_short_where_it_would_be_noise(value: Any, shown: str) -> None:
    """Audio and images show by their beginning and length; what people wrote is shown."""
    assert repr(UnknownEvent(type="x", raw=value)) == f"UnknownEvent(type='x', raw={shown})"


def test_repr_hides_what_opens_a_tool_server() -> None:
    """Neither the authorization nor the headers of an MCP tool are shown, wherever it stands."""
    tool = {"type": "mcp", "server_label": "a", "authorization": "hush", "headers": {"key": "hush"}}
    config = SessionConfig.model_validate({"tools": [tool]})
    for value in (config, UnknownEvent(type="x", raw={"tools": [tool]})):
        assert "server_label" in repr(value)
        assert "hush" not in repr(value) + str(value)
    assert config.wire()["tools"] == [tool]


def test_check_names_the_field() -> None:
    """Each fault with its path as on the wire, without the input."""
    with pytest.raises(ConfigurationError) as caught:
        check(
            SessionConfig,
            {"audio": {"output": {"speed": "secret"}}, "tools": [{}, "secret"], "voice": 1},
            "session",
        )
    message = str(caught.value)
    assert "session.audio.output.speed: " in message
    assert "session.tools.1: " in message
    assert "secret" not in message
    assert "float" not in message.split(":")[0]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tool_choice": 5}, "tool_choice: must be a string or an object"),
        ({"reasoning": "low"}, "reasoning: must be an object"),
        ({"include": "x"}, "include: must be a list"),
        ({"parallel_tool_calls": "maybe"}, "parallel_tool_calls: must be true or false"),
        ({"audio": {"output": {"speed": "x"}}}, "audio.output.speed: must be a number"),
        (
            {"truncation": {"retention_ratio": "x"}, "prompt": {"variables": {"a": 5}}},
            "truncation.retention_ratio: must be a number; "
            "prompt.variables.a: must be a string or an object",
        ),
        (
            {"tools": [{}, {"require_approval": {"always": {"tool_names": "x"}}}]},
            "tools.1.require_approval.always.tool_names: must be a list",
        ),
    ],
)
def test_faults_say_what_is_wanted(given: Any, said: str) -> None:
    """Once a field, of a union what its branches want together, or what the one meant wants."""
    with pytest.raises(ConfigurationError) as caught:
        check(SessionConfig, given)
    assert str(caught.value) == said


def test_fault_of_a_missing_field() -> None:
    """What has no short name is said in pydantic's words."""
    with pytest.raises(ConfigurationError, match=r"^event\.item_id: field required$"):
        client_event({"type": "conversation.item.delete"})


def test_fault_without_a_path() -> None:
    """A value that is nothing of the kind."""
    with pytest.raises(ValidationError) as caught:
        Item.model_validate(5)
    assert fault(caught.value).startswith("value: ")
    assert fault(caught.value, "item").startswith("item: ")
