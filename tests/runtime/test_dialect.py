"""What is spoken over a link: GA as it is, the beta translated both ways."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.events.base import ServerEvent
from realtime_sync.events.codec import client_event
from realtime_sync.events.config import SessionConfig
from realtime_sync.runtime.dialect import REMEMBERED, Beta, Dialect

Wire = dict[str, Any]

USER: Wire = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
IMAGE: Wire = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
LOOKS: Wire = {**USER, "content": [*USER["content"], IMAGE]}
MCP: Wire = {"type": "mcp_approval_response", "id": "i", "approve": True}


def said(dialect: Dialect, event: Wire) -> Wire:
    """What leaves as an event."""
    told: Wire = json.loads(dialect.dump(client_event(event), SessionConfig()))
    return told


def came(dialect: Dialect, *events: Wire) -> list[ServerEvent]:
    """What arrives of some events."""
    return dialect.completed([dialect.parse(json.dumps(event).encode()) for event in events])


def created(item_id: str, **item: Any) -> Wire:
    """The beta's event for a new item."""
    return {
        "type": "conversation.item.created",
        "previous_item_id": "before",
        "item": {"id": item_id, "type": "message", **item},
    }


def output_done(item_id: str) -> Wire:
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "completed"}
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


# --- out


def test_ga_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """GA leaves as it is, images included, and nothing is warned about."""
    event = {"type": "conversation.item.create", "item": LOOKS}
    Dialect().check(client_event(event))
    assert said(Dialect(), event) == event
    assert not caplog.records


def test_what_beta_has_no_words_for(caplog: pytest.LogCaptureFixture) -> None:
    """A setting that beta lacks is left out, and warned about once in a session."""
    told: set[str] = set()
    event = {
        "type": "session.update",
        "session": {"type": "realtime", "instructions": "x", "truncation": "disabled"},
    }
    for _ in range(2):  # two links of one session
        Beta(told).check(client_event(event))
        assert said(Beta(told), event)["session"] == {"instructions": "x"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("session.truncation: the beta dialect has no words")


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (
            {"type": "session.update", "session": {"type": "realtime", "truncation": "auto"}},
            "session.truncation",
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "type": "transcription",
                    "audio": {"input": {"transcription": {"delay": "low"}}},
                },
            },
            "session.audio.input.transcription.delay",
        ),
        ({"type": "conversation.item.create", "item": MCP}, "item.mcp_approval_response"),
        (
            {"type": "conversation.item.create", "item": {**USER, "content": [IMAGE]}},
            "item.content.input_image",
        ),
        (
            {"type": "response.create", "response": {"input": [MCP]}},
            "response.input.mcp_approval_response",
        ),
    ],
)
def test_nothing_is_left(event: Wire, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """What beta can say nothing of is an error that names it."""
    for act in (Beta().check, lambda event: Beta().dump(event, SessionConfig())):
        with pytest.raises(ConfigurationError, match=f"^{what}: the beta dialect has no words"):
            act(client_event(event))
    assert not caplog.records


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({"type": "conversation.item.create", "item": LOOKS}, "item.content.input_image"),
        (
            {"type": "response.create", "response": {"input": [LOOKS]}},
            "response.input.content.input_image",
        ),
        (
            {"type": "response.create", "response": {"input": [USER, MCP]}},
            "response.input.mcp_approval_response",
        ),
    ],
)
def test_content_is_not_thinned_out(
    event: Wire, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller's message is said whole or refused; history goes without, and says so."""
    with pytest.raises(ConfigurationError, match=f"^{what}: "):
        Beta().check(client_event(event))
    assert IMAGE["image_url"] not in json.dumps(said(Beta(), event))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [what]


def test_an_empty_input_is_one() -> None:
    """An empty session or input that was empty from the beginning is sent."""
    assert said(Beta(), {"type": "response.create", "response": {"input": []}}) == {
        "type": "response.create",
        "response": {"input": []},
    }
    update = {"type": "session.update", "session": {"type": "realtime"}}
    assert said(Beta(), update) == {"type": "session.update", "session": {}}


def test_azure_hears_no_inf() -> None:
    """Azure's preview refuses "inf", which is its default anyway; other betas take it."""
    event = {"type": "response.create", "response": {"max_output_tokens": "inf"}}
    assert said(Beta(azure=True), event)["response"] == {}
    assert said(Beta(), event)["response"] == {"max_response_output_tokens": "inf"}


@pytest.mark.parametrize("dialect", [Dialect(), Beta()], ids=repr)
def test_no_json(dialect: Dialect) -> None:
    """What JSON has no form for is refused in either dialect."""
    event = client_event({"type": "response.create", "response": {"x": float("nan")}})
    for act in (dialect.check, lambda event: dialect.dump(event, SessionConfig())):
        with pytest.raises(ConfigurationError, match=r"response\.create: "):
            act(event)


# --- in


def test_old_names_in_ga() -> None:
    """GA understands the beta's names, but for the one that it lists itself."""
    assert Dialect().parse(b'{"type":"response.text.delta"}').type == "response.output_text.delta"
    old = Dialect().parse(b'{"type":"conversation.item.created"}')
    assert old.type == "conversation.item.created"
    assert not Dialect().adds


def test_a_users_item_is_complete_at_once() -> None:
    """The beta has one event for a new item; GA's two are made of it where it is complete."""
    added, done = came(Beta(), created("i", role="user", status="completed"))
    assert (added.type, done.type) == ("conversation.item.added", "conversation.item.done")
    assert added.item == done.item  # type: ignore[attr-defined]
    assert done.previous_item_id == "before"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user"},
        {"role": "system"},
        {"type": "function_call_output"},
        {"role": "assistant", "status": "incomplete"},
    ],
)
def test_other_items_that_are_complete(item: Wire) -> None:
    """What the client made is complete, and what says so."""
    assert len(came(Beta(), created("i", **item))) == 2


def test_the_models_item_is_complete_with_its_output() -> None:
    """Of the model's item the end of the output is the end; what is out of band has none."""
    beta = Beta()
    told = came(
        beta,
        created("i", role="assistant", status="in_progress"),
        output_done("i"),
        output_done("i"),
        output_done("other"),
    )
    assert [event.type.rpartition("item.")[2] for event in told] == [
        "added",
        "done",
        "done",
        "done",
        "done",
    ]
    assert [event.type for event in told].count("conversation.item.done") == 1
    assert told[2].type == "conversation.item.done"
    assert told[2].item.status == "completed"  # type: ignore[attr-defined]
    assert told[2].previous_item_id == "before"  # type: ignore[attr-defined]


def test_a_server_that_mixes() -> None:
    """A server that has the event itself is not helped any more."""
    beta = Beta()
    own = {"type": "conversation.item.done", "item": {"id": "i"}}
    came(beta, created("i", role="user"), own)
    assert len(came(beta, created("j", role="user"))) == 1


def test_items_that_never_end() -> None:
    """A server that begins items without end does not fill our memory."""
    beta = Beta()
    came(beta, *(created(f"i{n}", role="assistant") for n in range(REMEMBERED + 2)))
    assert len(came(beta, output_done("i1"))) == 1
    assert len(came(beta, output_done("i2"))) == 2


def called(item_id: str, name: str | None) -> Wire:
    item = {"id": item_id, "type": "function_call", "status": "in_progress", "name": name}
    return {"type": "response.output_item.added", "output_index": 0, "item": item}


def test_the_name_of_a_call() -> None:
    """The beta names a function where its call begins; GA where its arguments end, too."""
    arguments = {"type": "response.function_call_arguments.done", "arguments": "{}"}
    beta = Beta()
    came(beta, called("a", "first"), called("b", "second"), called("c", None))
    names = [
        event.name  # type: ignore[attr-defined]
        for item_id in ("b", "a", "c", "a")
        for event in came(beta, {**arguments, "item_id": item_id})
    ]
    assert names == ["second", "first", None, None]
    came(beta, called("d", "theirs"))
    (own,) = came(beta, {**arguments, "item_id": "d", "name": "own"})
    assert own.name == "own"  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [b"{", b"null", b'{"type":"response.created","response":5}'])
def test_bad_frames(text: bytes) -> None:
    """No frame breaks the dialect, and what no model fits is shown as it came."""
    event = Beta().parse(text)
    assert Beta().completed([event]) == [event]
