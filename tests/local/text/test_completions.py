"""/chat/completions as the openai package sees it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
import time
import wave
from typing import Any

import openai
import pytest

from realtime_sync.local import LocalServer

HELLO: Any = [{"role": "user", "content": "hello"}]
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def ask(client: openai.OpenAI, messages: Any = HELLO, **options: Any) -> Any:
    return client.chat.completions.create(model="m", messages=messages, **options)


def chunks(client: openai.OpenAI, messages: Any = HELLO, **options: Any) -> list[Any]:
    return list(ask(client, messages, stream=True, **options))


def text_of(seen: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in seen if c.choices)


def test_whole(server: LocalServer, client: openai.OpenAI) -> None:
    """Without `stream` the answer of the rules comes as one object, with usage that adds up."""
    answer = ask(client)
    assert answer.choices[0].message.content.startswith('Hello! You said: "hello".')
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 2
    assert server.requests[-1].path == "/chat/completions"
    assert server.requests[-1].body["messages"] == HELLO


def test_streamed(client: openai.OpenAI, server: LocalServer) -> None:
    """With `stream` it comes a word a chunk, and the last chunk says why it ended."""
    server.reply("one two three")
    seen = chunks(client)
    assert [c.choices[0].delta.content for c in seen] == ["", "one", " two", " three", None]
    assert [c.choices[0].finish_reason for c in seen][-1] == "stop"
    assert len({c.id for c in seen}) == 1
    assert all(c.usage is None for c in seen)


def test_usage_chunk(client: openai.OpenAI) -> None:
    """Usage, where it is asked for, comes in a chunk of its own that has no choices."""
    seen = chunks(client, stream_options={"include_usage": True})
    assert seen[-1].choices == []
    assert seen[-1].usage.completion_tokens == 9
    assert [c.usage for c in seen[:-1]] == [None] * (len(seen) - 1)


def calls_of(seen: list[Any]) -> dict[int, tuple[str, str, str]]:
    """Index -> id, name, arguments."""
    found: dict[int, list[str]] = {}
    for one in seen:
        for delta in (one.choices[0].delta.tool_calls or []) if one.choices else []:
            call = found.setdefault(delta.index, ["", "", ""])
            call[0] += delta.id or ""
            call[1] += delta.function.name or ""
            call[2] += delta.function.arguments or ""
    return {index: (a, b, c) for index, (a, b, c) in found.items()}


@pytest.mark.parametrize("interleaved", [False, True])
def test_parallel_calls(server: LocalServer, client: openai.OpenAI, interleaved: bool) -> None:
    """Parallel calls come in pieces by their index, one after the other or in turns."""
    server.script.interleaved = interleaved
    server.reply(["I look.", server.call("weather", city="Oslo"), server.call("clock", zone=2)])
    seen = chunks(client)
    calls = calls_of(seen)
    assert [(name, json.loads(given)) for _, name, given in calls.values()] == [
        ("weather", {"city": "Oslo"}),
        ("clock", {"zone": 2}),
    ]
    assert len({call_id for call_id, _, _ in calls.values()}) == 2
    assert not {seen[0].id} & {call_id for call_id, _, _ in calls.values()}
    assert text_of(seen) == "I look."
    assert seen[-1].choices[0].finish_reason == "tool_calls"
    order = [c.choices[0].delta.tool_calls[0].index for c in seen if c.choices[0].delta.tool_calls]
    assert (order == sorted(order)) is not interleaved


def test_tools_and_outputs(server: LocalServer, client: openai.OpenAI) -> None:
    """The rules call a tool when they are told to, and report what it has returned."""
    asked: Any = [{"role": "user", "content": 'call weather {"city": "Rome"}'}]
    message = ask(client, asked, tools=[WEATHER]).choices[0].message
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Rome"}')
    answered = [
        *asked,
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    assert ask(client, answered, tools=[WEATHER]).choices[0].message.content == (
        "weather returned: rain"
    )
    forced = {"type": "function", "function": {"name": "weather"}}
    chosen = ask(client, tools=[WEATHER], tool_choice=forced).choices[0]
    assert (chosen.message.tool_calls[0].function.name, chosen.finish_reason) == (
        "weather",
        "tool_calls",
    )


def test_limit(client: openai.OpenAI) -> None:
    """max_tokens cuts the answer, and it says so."""
    choice = ask(client, max_completion_tokens=2).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Hello! You", "length")


def test_images_and_sound(server: LocalServer, client: openai.OpenAI) -> None:
    """An image is seen to be there, whatever its URL; scripted sound is its transcript."""
    parts = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    seen = ask(client, [{"role": "user", "content": parts}]).choices[0].message.content
    assert seen.startswith("There is an image")
    server.reply(bytes(48000))
    assert ask(client).choices[0].message.content == "[sound, 1.0 s]"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages.length"),
        ({"model": 3}, "model"),
        ({"nonsense": 1}, "nonsense"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [CALL]}]}, "messages[1].tool"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}, *HELLO]},
            "messages[0].tool_calls",
        ),
        ({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "messages[0]"),
        # tagged twice, as one of the originals sends them
        ({"tools": [{"type": "function", "function": {"name": "f", "type": "function"}}]}, "tools"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_wrong_requests(client: openai.OpenAI, body: Any, param: str) -> None:
    """What the service refuses is refused, naming the field."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.post(
            "/chat/completions", cast_to=object, body={"model": "m", "messages": HELLO, **body}
        )
    assert str(caught.value.body["param"]).startswith(param)


def test_who_may_ask(server: LocalServer, client: openai.OpenAI) -> None:
    """Keys, origins, methods and paths are looked at as for a session."""
    host = server.url.split("/")[2]
    for method, path, headers, status in [
        ("POST", "/v1/chat/completions", {}, 401),
        ("POST", "/v1/chat/completions", {"Authorization": "Bearer k", "Origin": "x"}, 403),
        ("GET", "/v1/chat/completions", {"Authorization": "Bearer k"}, 405),
        ("POST", "/v1/responses/a/b", {"Authorization": "Bearer k"}, 404),
        ("POST", "/chat/completions", {"Authorization": "Bearer k"}, 400),
    ]:
        asking = http.client.HTTPConnection(host, timeout=10)
        asking.request(method, path, b"{}", headers)
        assert asking.getresponse().status == status, (method, path)
        asking.close()


def test_a_client_secret_is_no_key(server: LocalServer, client: openai.OpenAI) -> None:
    """A client secret opens sessions, and nothing else."""
    secret = client.realtime.client_secrets.create(session={"type": "realtime", "model": "m"})
    with pytest.raises(openai.AuthenticationError):
        ask(client.with_options(api_key=secret.value))


# Speech


def wav(milliseconds: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(bytes(32 * milliseconds))
    return file.getvalue()


def test_transcriptions(server: LocalServer, client: openai.OpenAI) -> None:
    """A WAV file is said to contain what is scripted, else speech of its length."""
    create = client.audio.transcriptions.create
    server.script.transcripts(["good morning", RuntimeError("too noisy")])
    assert create(model="w", file=("a.wav", wav(500))).text == "good morning"
    with pytest.raises(openai.InternalServerError, match="too noisy"):
        create(model="w", file=("a.wav", wav(500)))
    assert create(model="w", file=("a.wav", wav(500))).text == "[speech, 0.5 s]"
    told = create(model="w", file=("a.wav", wav(500)), response_format="text")
    assert str(told).strip() == "[speech, 0.5 s]"
    with pytest.raises(openai.BadRequestError, match="could not be decoded"):
        create(model="w", file=("a.wav", b"RIFF, or so"))
    with pytest.raises(openai.BadRequestError, match="srt"):
        create(model="w", file=("a.wav", wav(500)), response_format="srt")


# Faults


def test_refused(server: LocalServer, client: openai.OpenAI) -> None:
    """A scripted status comes with its headers, and the openai package asks again by itself."""
    server.script.refuse(429, "slow down", retry_after="0")
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert caught.value.response.headers["Retry-After"] == "0"
    server.script.refuse(429, retry_after="0")
    server.script.refuse(500)
    assert ask(client.with_options(max_retries=2)).choices[0].message.content


def test_exceptions(server: LocalServer, client: openai.OpenAI) -> None:
    """An exception fails the call before it speaks, and breaks the stream when it has begun."""
    server.reply(RuntimeError("out of order"), ["so far", RuntimeError("out of order")])
    with pytest.raises(openai.InternalServerError, match="out of order"):
        ask(client, stream=True)
    seen: list[str] = []
    with pytest.raises(openai.APIError, match="out of order"):
        seen.extend(c.choices[0].delta.content for c in ask(client, stream=True))
    assert seen == ["", "so", " far"]
    server.reply(["so far", RuntimeError("out of order")])
    with pytest.raises(openai.InternalServerError):
        ask(client)


def test_cut(server: LocalServer, client: openai.OpenAI) -> None:
    """A stream that is cut ends in an error of the connection, after what was sent."""
    server.reply("one two three")
    server.script.cut(after=3)
    seen: list[str] = []
    with pytest.raises(openai.APIError), ask(client, stream=True) as stream:
        seen.extend(one.choices[0].delta.content for one in stream)
    assert seen == ["", "one", " two"]
    server.script.cut(after_bytes=20)
    with pytest.raises(openai.APIConnectionError):
        ask(client)


def test_ends_early(server: LocalServer, client: openai.OpenAI) -> None:
    """A stream can end as if it were complete, without a reason and without [DONE]."""
    server.reply("one two three")
    server.script.close(after=2)
    seen = chunks(client)
    assert [c.choices[0].finish_reason for c in seen] == [None, None]


def test_malformed(server: LocalServer, client: openai.OpenAI) -> None:
    """A frame comes as data of its own, whatever it holds; a body of its own without a stream."""
    server.script.frame("{not json", after=2)
    with pytest.raises(json.JSONDecodeError):
        chunks(client)
    server.script.frame('{"choices": []}', after=1)
    assert [c.choices for c in chunks(client)][1] == []
    server.script.frame("<html>")
    with pytest.raises((openai.APIError, json.JSONDecodeError, AttributeError)):
        assert ask(client).choices


def test_mute(server: LocalServer, client: openai.OpenAI) -> None:
    """A mute server sends nothing more, and leaves the connection open."""
    server.script.mute(after=1)
    began = time.monotonic()
    with pytest.raises(openai.APIConnectionError), ask(client, stream=True, timeout=0.3) as stream:
        list(stream)
    assert time.monotonic() - began >= 0.3


def test_comments_are_no_chunks(server: LocalServer, client: openai.OpenAI) -> None:
    """Pings are comments that no client sees."""
    server.reply("one")
    server.script.ping(times=3, after=1)
    assert text_of(chunks(client)) == "one"


def test_hold(server: LocalServer, client: openai.OpenAI) -> None:
    """A held answer stands still until it is released, also over the handshake's patience."""
    server.reply("one two")
    server.script.hold(after=1)
    stream = iter(ask(client, stream=True))
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "one"]
    server.script.release()
    assert next(stream).choices[0].delta.content == " two"


def test_pace() -> None:
    """At the service's pace the first chunk does not wait for the last."""
    with LocalServer(voice="tones", speed=2) as paced:
        client = openai.OpenAI(base_url=paced.url, api_key="x", timeout=10)
        paced.reply("word " * 40)
        paced.script.hold(after=39)
        began = time.monotonic()
        stream = iter(ask(client, stream=True))
        next(stream)
        paced.script.release()
        assert len(list(stream)) > 40
        client.close()
    assert time.monotonic() - began > 40 / 80 / 2


def test_a_long_stream(server: LocalServer, client: openai.OpenAI) -> None:
    """A stream that is longer than what may wait to be written arrives whole."""
    server.reply("word " * 4_000)
    assert len(text_of(chunks(client)).split()) == 4_000


def test_many_at_a_time(server: LocalServer, client: openai.OpenAI) -> None:
    """Calls at the same time have each its own answer."""
    found: list[str] = []

    def one(number: int) -> None:
        asked: Any = [{"role": "user", "content": f"count to {number}"}]
        found.append(text_of(chunks(client, asked)))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(text.count(",") for text in found) == list(range(8))


def test_a_large_request(client: openai.OpenAI) -> None:
    """An image of some megabytes in base64 is taken."""
    url = "data:image/png;base64," + base64.b64encode(bytes(4 << 20)).decode()
    parts = [{"type": "image_url", "image_url": {"url": url}}]
    answer = ask(client, [{"role": "user", "content": parts}])
    assert answer.choices[0].message.content.startswith("There is an image")
