"""/responses as the openai package sees it."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from realtime_sync.local import LocalServer

WEATHER: Any = {"type": "function", "name": "weather", "parameters": {}, "strict": False}
CALLED = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
JUDGE: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def ask(client: openai.OpenAI, given: Any = "hello", **options: Any) -> Any:
    return client.responses.create(model="m", input=given, **options)


def test_whole(server: LocalServer, client: openai.OpenAI) -> None:
    """Without `stream` the response comes as one object, with usage that adds up."""
    response = ask(client, instructions="Be brief.", metadata={"a": "b"})
    assert response.output_text.startswith('Hello! You said: "hello".')
    assert (response.status, response.metadata) == ("completed", {"a": "b"})
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert server.requests[-1].path == "/responses"


def test_streamed(server: LocalServer, client: openai.OpenAI) -> None:
    """With `stream` come the service's events, numbered, each as the openai package types it."""
    server.reply(["I look.", server.call("weather", city="Oslo"), server.call("clock", zone=2)])
    seen = list(ask(client, stream=True))
    for event in seen:
        JUDGE.validate_python(event.to_dict())
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    kinds = [event.type for event in seen]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    text = "".join(e.delta for e in seen if e.type == "response.output_text.delta")
    assert text == seen[-1].response.output_text == "I look."
    calls = [one for one in seen[-1].response.output if one.type == "function_call"]
    assert [(one.name, json.loads(one.arguments)) for one in calls] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"zone": 2}),
    ]
    deltas = [e for e in seen if e.type == "response.function_call_arguments.delta"]
    assert {e.output_index for e in deltas} == {1, 2}
    assert "".join(e.delta for e in deltas if e.output_index == 2) == calls[1].arguments


def test_tools_and_outputs(client: openai.OpenAI) -> None:
    """The rules call a tool when they are told to, and report what it has returned."""
    first = ask(client, "call weather {}", tools=[WEATHER])
    (call,) = first.output
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = ask(client, [output], previous_response_id=first.id, tools=[WEATHER])
    assert second.output_text == "weather returned: rain"
    again = [{"role": "user", "content": "call weather {}"}, call.to_dict(), output]
    assert ask(client, again, store=False).output_text == "weather returned: rain"


def test_kept(client: openai.OpenAI) -> None:
    """A response can be looked up, gone on from, referred to and deleted."""
    first = ask(client, "hello")
    assert client.responses.retrieve(first.id).output_text == first.output_text
    assert [one.type for one in client.responses.input_items.list(first.id)] == ["message"]
    ask(
        client,
        [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "x"}],
    )
    client.responses.delete(first.id)
    for wrong in (
        lambda: client.responses.retrieve(first.id),
        lambda: client.responses.delete("x"),
    ):
        with pytest.raises(openai.NotFoundError):
            wrong()
    with pytest.raises(openai.BadRequestError, match="not found"):
        ask(client, previous_response_id=first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(ask(client, store=False).id)


@pytest.mark.parametrize("stream", [False, True])
def test_failed_and_incomplete(server: LocalServer, client: openai.OpenAI, stream: bool) -> None:
    """An exception fails the response, a limit cuts it; both say so in the response."""

    def last(**options: Any) -> Any:
        got = ask(client, stream=stream, **options)
        if not stream:
            return got
        events = list(got)
        assert events[-1].type == f"response.{events[-1].response.status}"
        return events[-1].response

    server.reply(["so far", RuntimeError("out of order")])
    failed = last()
    assert (failed.status, failed.error.message) == ("failed", "out of order")
    assert failed.output_text == "so far"
    cut = last(max_output_tokens=2)
    assert (cut.status, cut.output_text) == ("incomplete", "Hello! You")
    assert cut.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"input": [{"type": "robot"}]}, "input[0].type"),
        ({"input": [CALLED]}, "input"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": ""}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].id"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0]"),
    ],
)
def test_wrong_requests(client: openai.OpenAI, body: Any, param: str) -> None:
    """What the service refuses is refused, naming the field."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/responses", cast_to=object, body={"model": "m", "input": "x", **body})
    assert str(caught.value.body["param"]).startswith(param)


def test_faults(server: LocalServer, client: openai.OpenAI) -> None:
    """The script's faults happen here too."""
    server.script.refuse(429, retry_after="0")
    with pytest.raises(openai.RateLimitError):
        ask(client)
    server.script.cut(after=4)
    seen: list[str] = []
    with pytest.raises(openai.APIError), ask(client, stream=True) as stream:
        seen.extend(event.type for event in stream)
    assert len(seen) == 4
