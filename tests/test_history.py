from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import RealtimeSession, history, items
from realtime_sync.errors import ConfigurationError
from realtime_sync.events.items import Item

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def call(call_id: str | None, item_id: str | None = None, arguments: str = "{}") -> dict[str, Any]:
    fields = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}
    return fields if item_id is None else {**fields, "id": item_id}


def output(call_id: str, item_id: str | None = None) -> dict[str, Any]:
    fields = {"type": "function_call_output", "call_id": call_id, "output": "42"}
    return fields if item_id is None else {**fields, "id": item_id}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["a", call("c1", "i1")], r"history\[1\] i1: the call 'c1' has no output"),
        ([call("c1"), call("c2"), output("c1")], r"history\[1\]: the call 'c2'"),
        ([call(None)], r"history\[0\]: the call None"),
        (["a", output("c1", "i1")], r"history\[1\] i1: an output of 'c1'"),
        ([output("c1"), call("c1")], r"history\[0\]: an output of 'c1'"),
        ([call("c1"), output("c1"), output("c1", "i9")], r"history\[2\] i9: an output"),
    ],
)
def test_halves_of_calls(given: list[Any], name: str) -> None:
    """A call without output, an output without a call before it: a ValueError names the item."""
    with pytest.raises(ValueError, match=name):
        history.as_history(given)
    with pytest.raises(ConfigurationError, match=name):
        RealtimeSession(api_key="k", history=given)


def test_whole_calls() -> None:
    """Calls and outputs may stand apart, in any order of the outputs."""
    given = [call("c1"), call("c2"), "x", output("c2"), output("c1"), call("c1"), output("c1")]
    assert len(history.as_history(given)) == 7


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"role": "system", "content": [{"type": "input_audio", "audio": ""}]}, "takes input_text"),
        (
            {"role": "system", "content": [{"type": "input_image", "image_url": "x"}]},
            "a system message takes input_text; not 'input_image'",
        ),
        ({"role": "system", "content": [{"type": "output_text", "text": "x"}]}, "takes input_text"),
        (
            {"role": "user", "content": [{"type": "output_text", "text": "x"}]},
            "a user message takes input_text, input_audio, input_image; not 'output_text'",
        ),
        ({"role": "user", "content": [{"type": "output_audio"}]}, "takes input_text"),
        ({"role": "user", "content": [{"type": "inputtext", "text": "x"}]}, "takes input_text"),
        ({"role": "user", "content": [{"text": "x"}]}, "takes input_text"),
        (
            {"role": "assistant", "content": [{"type": "input_text", "text": "x"}]},
            "an? assistant message takes output_text, output_audio; not 'input_text'",
        ),
        ({"role": "assistant", "content": [{"type": "input_audio"}]}, "takes output_text"),
        ({"role": "assistant", "content": [{"type": "input_image"}]}, "takes output_text"),
        ({"role": "user", "content": [{"type": "input_text"}]}, r"content\[0\]\.text"),
        ({"role": "user", "content": [{"type": "input_text", "text": 5}]}, r"content\.0\.text"),
        (
            {"role": "user", "content": [{"type": "input_audio", "audio": "%%"}]},
            r"content\[0\]\.audio: it is not base64",
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y.png"}]},
            r"content\[0\]\.image_url",
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": "data:image/gif;base64,R0lGODlh"},
                ],
            },
            r"content\[1\]\.image_url: neither PNG nor JPEG",
        ),
        ({"role": "developer", "content": []}, "role: system, user, assistant; not 'developer'"),
        ({"type": "function_call", "call_id": "c"}, "name: a function_call needs it"),
        ({"type": "function_call_output", "output": "x"}, "call_id: a function_call_output needs"),
        ({"type": "mcp_approval_response", "id": "m"}, "approval_request_id"),
        ({"type": "item_reference", "id": "i"}, "input of a response only"),
        ({"role": "user", "id": "i" * 33, "content": []}, "33 characters"),
    ],
)
def test_what_no_item_can_be(item: dict[str, Any], complaint: str) -> None:
    """Roles and parts that do not go together are refused, and the item is named."""
    named = {"id": "it", **item}
    with pytest.raises(ValueError, match=rf"history\[1\].*{complaint}"):
        history.as_history(["a", named])
    with pytest.raises(ValueError, match=rf"^item.*{complaint}"):
        items.as_item(named)


def test_an_id_twice() -> None:
    """Two items of one id: the server would refuse the second."""
    same = items.user("x").model_copy(update={"id": "i"})
    with pytest.raises(ConfigurationError, match=r"history\[2\] i: its id is there twice"):
        history.as_history([same, "y", same])


@pytest.mark.parametrize("given", ["text", items.user("x"), {"role": "user"}, 5])
def test_one_item_alone(given: Any) -> None:
    """One item instead of a list of them would fall apart into its pieces."""
    with pytest.raises(ConfigurationError, match="put this one into brackets"):
        history.as_history(given)


def test_beta_names_of_parts() -> None:
    """The beta's part types become those of GA."""
    said = {"role": "assistant", "content": [{"type": "text", "text": "a"}]}
    heard = {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "audio"}]}
    kinds = [[p.type for p in i.content or ()] for i in history.as_history([said, heard])]
    assert kinds == [["output_text"], ["input_text"]]


def test_paired(caplog: pytest.LogCaptureFixture) -> None:
    """What has no other half is left out of an export, with a WARNING that names it."""
    given = [output("c0", "i0"), call("c1", "i1"), call("c2", "i2"), output("c1", "i3")]
    kept = history.paired([Item.model_validate(one) for one in given])
    assert [item.id for item in kept] == ["i1", "i3"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "i0" in caplog.text
    assert "i2" in caplog.text


def test_packed() -> None:
    """pack=True makes one user message that tells who said what, images in their places."""
    given = [
        items.system("Be kind."),
        items.user("what is it?", image=PNG, detail="low"),
        call("c1", arguments='{"a": 1}'),
        output("c1"),
        items.assistant("A cat."),
        {"role": "assistant", "content": [{"type": "output_audio", "transcript": "Spoken."}]},
    ]
    (item,) = history.as_history(given, pack=True)
    assert (item.type, item.role, item.id) == ("message", "user", None)
    before, image, after = item.content or ()
    assert (before.text or "").splitlines() == [
        history.INTRODUCTION,
        "",
        "system: Be kind.",
        "user showed this image:",
    ]
    assert (image.type, image.detail) == ("input_image", "low")
    assert (after.text or "").splitlines() == [
        "user: what is it?",
        'assistant called f({"a": 1})',
        "output: 42",
        "assistant: A cat.",
        "assistant: Spoken.",
    ]
    assert history.as_history([], pack=True) == ()


def test_packed_audio(caplog: pytest.LogCaptureFixture) -> None:
    """Audio without a transcript cannot be told; it is left out, with a WARNING."""
    (item,) = history.as_history([items.user("b", audio=b"\0\0")], pack=True)
    assert (item.text or "").endswith("user: b")
    assert "audio without a transcript" in caplog.text
