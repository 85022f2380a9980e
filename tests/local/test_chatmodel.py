"""A language model behind realtime sessions: here the chat endpoint of a second embedded server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pipe import LIMIT

from realtime_sync import RealtimeSession, items
from realtime_sync.errors import ConfigurationError, ResponseFailed
from realtime_sync.local import ChatModel, LocalServer


@pytest.fixture
def back() -> Iterator[LocalServer]:
    """The server whose chat endpoint is asked."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


@pytest.fixture
def front(back: LocalServer) -> Iterator[LocalServer]:
    """The realtime server that asks it."""
    brain = ChatModel(back.url, "llama", api_key="x", options={"temperature": 0})
    with LocalServer(speed=None, voice="tones", brain=brain) as running:
        yield running


@pytest.fixture
def session(front: LocalServer) -> Iterator[RealtimeSession]:
    with RealtimeSession(
        endpoint=front.endpoint, instructions="Be brief.", output_modalities=["text"]
    ) as opened:
        yield opened


def asked(back: LocalServer, n: int = -1) -> dict[str, Any]:
    return back.requests[n].body


def test_text(session: RealtimeSession, back: LocalServer) -> None:
    """A turn is one request that says all that a model has to know, and its answer."""
    back.reply("The capital\nis Paris.")
    response = session.ask("What is the capital of France?", max_output_tokens=50)
    assert response.text == "The capital\nis Paris."
    body = asked(back)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("llama", 0, 50)
    assert "tools" not in body


def test_usage(session: RealtimeSession, back: LocalServer) -> None:
    """Tokens are reported as the endpoint has counted them, else a word is one."""
    response = session.ask("hello")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 9)
    # after the last chunk of its own: first, two words, the end, usage
    counted = {"choices": [], "usage": {"prompt_tokens": 123, "completion_tokens": 45}}
    back.reply("One two.")
    back.script.frame(json.dumps(counted), after=5)
    response = session.ask("hello")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (123, 45)


def test_history(session: RealtimeSession, back: LocalServer) -> None:
    """Every request carries the conversation so far."""
    back.reply("One.", "Two.")
    session.ask("first")
    session.conversation.create(items.system("Now count."))
    session.ask("second")
    told = [(one["role"], one["content"]) for one in asked(back)["messages"]]
    assert told[1:] == [
        ("user", "first"),
        ("assistant", "One."),
        ("system", "Now count."),
        ("user", "second"),
    ]


def test_tools(session: RealtimeSession, back: LocalServer) -> None:
    """Calls, parallel ones too, go to the client; their outputs come back right behind them."""
    seen: list[str] = []

    def weather(city: str) -> str:
        """The weather.

        Args:
            city: Where.
        """
        seen.append(city)
        return f"rain in {city}"

    session.tools.add(weather)
    calls = [back.call("weather", city="Oslo"), back.call("weather", city="Rome")]
    back.reply(["I look.", *calls], "It rains in both.")
    assert session.ask("How is it?").text == "It rains in both."
    assert sorted(seen) == ["Oslo", "Rome"]
    (function,) = asked(back)["tools"]
    assert function["function"]["name"] == "weather"
    assert function["function"]["parameters"]["required"] == ["city"]
    said = asked(back)["messages"][2:]
    assert [one["role"] for one in said] == ["assistant", "tool", "tool"]
    assert said[0]["content"] == "I look."
    ids = [call["id"] for call in said[0]["tool_calls"]]
    assert [one["tool_call_id"] for one in said[1:]] == ids
    assert [one["content"] for one in said[1:]] == ["rain in Oslo", "rain in Rome"]


def test_rounds_of_calls(session: RealtimeSession, back: LocalServer) -> None:
    """A call that was made for what another one has brought stands behind that."""

    def same(n: int) -> int:
        """The same number."""
        return n

    session.tools.add(same)
    back.reply(back.call("same", n=1), back.call("same", n=2), "Both.")
    assert session.ask("One after the other.").text == "Both."
    roles = [one["role"] for one in asked(back)["messages"][1:]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]


def test_a_call_without_output(front: LocalServer, back: LocalServer) -> None:
    """A call that nobody has answered yet does not keep the model from answering."""
    plain = {"type": "function", "name": "slow", "parameters": {}}
    back.reply(back.call("slow"), "Still waiting.")
    with RealtimeSession(
        endpoint=front.endpoint, tools=[plain], output_modalities=["text"]
    ) as session:
        (call,) = session.ask("begin").function_calls
        assert session.ask("and now?").text == "Still waiting."
        session.conversation.create(items.function_output(call.call_id or "", "ready"))
        session.ask("and now?", tool_choice={"type": "function", "name": "slow"})
    kept = [one for one in asked(back, 1)["messages"] if one["role"] == "tool"]
    assert [one["content"] for one in kept] == ["The result is not there yet."]
    kept = [one for one in asked(back, 2)["messages"] if one["role"] == "tool"]
    assert [one["content"] for one in kept] == ["ready"]
    chosen = {"type": "function", "function": {"name": "slow"}}
    assert asked(back, 2)["tool_choice"] == chosen


def test_speech(front: LocalServer, back: LocalServer) -> None:
    """Speech is made sentence by sentence, and heard before the model has ended."""
    back.reply("One two three. Four five six. Seven.")
    back.script.hold(after=5)
    with RealtimeSession(endpoint=front.endpoint) as session:
        response = session.response.create(input=[items.user("count")])
        chunks = response.audio_chunks()
        assert next(chunks)
        assert response.text == "One two three. "
        back.script.release()
        assert response.wait(timeout=20).text == "One two three. Four five six. Seven."
        assert len(response.audio) > 48_000


def test_speech_of_the_user(front: LocalServer, back: LocalServer) -> None:
    """Speech goes to the model as its transcript, or as sound where there is none."""
    front.script.transcripts(["good morning"])
    back.reply("Morning.", "I have heard you.")
    with RealtimeSession(
        endpoint=front.endpoint,
        output_modalities=["text"],
        transcription="whisper-1",
        turn_detection=None,
    ) as session:
        with session.expect("conversation.item.input_audio_transcription.completed") as heard:
            session.input_audio_buffer.append(bytes(9600))
            session.input_audio_buffer.commit()
            heard.result()
        session.ask()
        session.update(transcription=None)
        session.input_audio_buffer.append(bytes(9600))
        session.input_audio_buffer.commit()
        session.ask()
    assert asked(back, 0)["messages"][-1] == {"role": "user", "content": "good morning"}
    (part,) = asked(back, 1)["messages"][-1]["content"]
    assert part["type"] == "input_audio"
    assert part["input_audio"]["format"] == "wav"


@pytest.fixture
def hearing(back: LocalServer) -> Iterator[LocalServer]:
    """A realtime server that has speech written down."""
    brain = ChatModel(back.url, "llama", api_key="x", transcription_model="whisper")
    with LocalServer(speed=None, voice="tones", brain=brain) as running:
        yield running


TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def test_speech_is_written_down(hearing: LocalServer, back: LocalServer) -> None:
    """With a transcription model the language model reads what was said, once for each item."""
    back.script.transcripts(["good morning", "how are you?"])
    back.reply("Morning.", "Fine.")
    with RealtimeSession(
        endpoint=hearing.endpoint,
        output_modalities=["text"],
        transcription="any",
        turn_detection=None,
    ) as session:
        for _ in range(2):
            with session.expect(TRANSCRIBED) as heard:
                session.input_audio_buffer.append(bytes(9600))
                session.input_audio_buffer.commit()
                answer = session.ask()
                told = heard.result()
        assert (told.transcript, answer.text) == ("how are you?", "Fine.")
        assert session.conversation.items[2].transcript == "how are you?"
    asked_for = [one for one in back.requests if one.path == "/audio/transcriptions"]
    assert [one.body["model"] for one in asked_for] == ["whisper"] * 2
    told_the_model = [one["content"] for one in asked(back)["messages"] if one["role"] == "user"]
    assert told_the_model == ["good morning", "how are you?"]


def test_speech_in_an_item(hearing: LocalServer, back: LocalServer) -> None:
    """Speech that a client puts into the conversation is written down too, and nobody is told."""
    back.script.transcripts(["what is the time?"])
    back.reply("Noon.")
    with RealtimeSession(endpoint=hearing.endpoint, output_modalities=["text"]) as session:
        assert session.ask(audio=bytes(9600)).text == "Noon."
    assert asked(back)["messages"][-1] == {"role": "user", "content": "what is the time?"}


def test_speech_that_nobody_understands(hearing: LocalServer, back: LocalServer) -> None:
    """A transcription that fails fails the response, and is tried again by the next."""
    failed = "conversation.item.input_audio_transcription.failed"
    back.script.transcripts([RuntimeError("too noisy")] * 3)
    with RealtimeSession(
        endpoint=hearing.endpoint,
        output_modalities=["text"],
        transcription="any",
        turn_detection=None,
    ) as session:
        session.input_audio_buffer.append(bytes(9600))
        with session.expect(failed) as told:
            session.input_audio_buffer.commit()
            with pytest.raises(ResponseFailed, match="too noisy"):
                session.ask()
            assert "too noisy" in told.result().error.message
        back.script.transcripts(["hello"])
        assert session.ask().text.startswith("Hello!")


def test_a_call_that_is_left_is_heard_no_more(hearing: LocalServer, back: LocalServer) -> None:
    """Who leaves ends the transcription of what he has said."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        brain = ChatModel(url, "m", transcription_model="w")
        with LocalServer(speed=None, brain=brain) as server:
            session = RealtimeSession(endpoint=server.endpoint, turn_detection=None).open()
            session.input_audio_buffer.append(bytes(9600))
            session.input_audio_buffer.commit()
            session.close()
            await_end()


def test_images(session: RealtimeSession, back: LocalServer) -> None:
    """Images go along."""
    session.ask("what is it?", image=b"\x89PNG\r\n\x1a\n" + bytes(30))
    image, text = asked(back)["messages"][-1]["content"]
    assert text == {"type": "text", "text": "what is it?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,")


# Ends


def await_end() -> None:
    """Until no request is under way."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if not any("realtime-local-brain" in one.name for one in threading.enumerate()):
            return
        threading.Event().wait(0.005)
    raise AssertionError("a request has outlived its response")


def test_interruption_cancels_the_request(session: RealtimeSession, back: LocalServer) -> None:
    """A cancelled response ends its request at once, and keeps what was said."""
    back.reply("One two three.", "Four.")
    back.script.hold(after=2)
    response = session.response.create(input=[items.user("count")])
    deltas = response.text_deltas()
    assert [next(deltas), next(deltas)] == ["One", " two"]
    response.cancel()
    assert (response.wait(timeout=15).status, response.text) == ("cancelled", "One two")
    await_end()
    assert session.ask("go on").text == "Four."


def test_speech_interrupts(front: LocalServer, back: LocalServer) -> None:
    """Who begins to speak ends the request, and is answered when he has ended."""
    front.script.transcripts(["stop"])
    back.reply("One two three.", "Stopped.")
    back.script.hold(after=2)
    loud = (b"\x00\x40\x00\xc0" * 12) * 500  # half a second
    with RealtimeSession(
        endpoint=front.endpoint, output_modalities=["text"], transcription="any"
    ) as session:
        response = session.response.create(input=[items.user("count")])
        deltas = response.text_deltas()
        assert [next(deltas), next(deltas)] == ["One", " two"]
        with session.expect("input_audio_buffer.speech_stopped") as stopped:
            session.input_audio_buffer.append(loud)
            assert response.wait(timeout=15).status == "cancelled"
            await_end()
            with session.expect("response.done") as done:
                session.input_audio_buffer.append(bytes(48_000))
                stopped.result()
                assert done.result().response.output[0].text == "Stopped."
        assert response.status_details.reason == "turn_detected"


def test_interruption_before_the_first_word() -> None:
    """A request is ended at once also while the endpoint says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        brain = ChatModel(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", "m")
        with (
            LocalServer(speed=None, brain=brain) as server,
            RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as asking,
        ):
            response = asking.response.create(input=[items.user("hello")])
            taken, _ = silent.accept()
            with taken:
                assert b"/v1/chat/completions" in taken.recv(65536)
                response.cancel()
                taken.settimeout(LIMIT)
                while taken.recv(65536):
                    pass  # the brain has a minute


def test_a_lost_client_ends_the_request(front: LocalServer, back: LocalServer) -> None:
    """Nothing is thought of for a client that has gone."""
    back.script.hold(after=0)
    session = RealtimeSession(endpoint=front.endpoint, output_modalities=["text"]).open()
    session.response.create(input=[items.user("hello")])
    session.close()
    await_end()


def test_close_ends_the_request(back: LocalServer) -> None:
    """close() ends requests under way, and joins their threads."""
    back.script.hold(after=0)
    server = LocalServer(speed=None, brain=ChatModel(back.url, "m", api_key="x")).start()
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], reconnect=None
    ) as session:
        session.response.create(input=[items.user("hello")])
        server.close()
        await_end()


# Errors


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (lambda s: s.refuse(401, "no such key"), "invalid_api_key", "answered 401: no such key"),
        (lambda s: s.refuse(404, "no such model"), "model_not_found", "no such model"),
        (lambda s: s.refuse(429, times=3, retry_after="0"), "rate_limit_exceeded", "answered 429"),
        (lambda s: s.refuse(500, "boom", times=3), "server_error", "answered 500: boom"),
        (lambda s: s.cut(after=3), "server_error", "brain's answer"),
        (lambda s: s.close(after=3), "server_error", "ended before its end"),
        (lambda s: s.frame("{no json", after=2), "server_error", "a chunk that is none"),
        (lambda s: s.frame("[1]", after=2), "server_error", "a chunk that is none"),
        (lambda s: s.frame('{"error": "out"}', after=2), "server_error", "has failed: out"),
    ],
)
def test_errors(
    session: RealtimeSession, back: LocalServer, spoil: Any, code: str, message: str
) -> None:
    """What goes wrong at the endpoint fails the response, in the protocol's words."""
    back.reply("One two.", "Fine.")
    spoil(back.script)
    with pytest.raises(ResponseFailed, match=message) as caught:
        session.ask("hello")
    assert caught.value.code == code
    assert session.ask("again").text in ("One two.", "Fine.")


def test_retries(session: RealtimeSession, back: LocalServer) -> None:
    """A busy endpoint is asked again, as long as nothing was said."""
    back.script.refuse(429, retry_after="0")
    back.script.refuse(503)
    back.reply("Fine.")
    assert session.ask("hello").text == "Fine."


def test_nobody_there(unused_port: int) -> None:
    """An endpoint that is not there fails the response, naming it."""
    brain = ChatModel(f"http://127.0.0.1:{unused_port}/v1", "m")
    with (
        LocalServer(speed=None, brain=brain) as server,
        RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session,
        pytest.raises(ResponseFailed, match=f"127.0.0.1:{unused_port} gave no answer"),
    ):
        session.ask("hello")


@pytest.fixture
def unused_port() -> Iterator[int]:
    """One at which nobody listens, and which nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def test_the_key_stays_hidden(back: LocalServer) -> None:
    """An endpoint that gives the key back does not make it known."""
    key = "canary-0815"
    brain = ChatModel(back.url, "m", api_key=key)
    back.script.refuse(401, f"{key} is wrong")
    with (
        LocalServer(speed=None, brain=brain) as server,
        RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session,
    ):
        with pytest.raises(ResponseFailed) as caught:
            session.ask("hello")
        assert key not in str(caught.value) + repr(brain) + json.dumps(server.received)


def test_length(session: RealtimeSession, back: LocalServer) -> None:
    """An answer that the endpoint cuts is incomplete, with the protocol's reason."""
    response = session.ask("hello", max_output_tokens=2)
    assert (response.status, response.text) == ("incomplete", "Hello! You")
    assert response.status_details.reason == "max_output_tokens"


def test_script_first(session: RealtimeSession, front: LocalServer, back: LocalServer) -> None:
    """What is scripted goes before what is thought."""
    front.reply("scripted")
    assert session.ask("hello").text == "scripted"
    assert back.requests == ()


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("localhost:8000", {}, "no URL"),
        ("http://a:b@localhost/v1", {}, "password"),
        ("http://example.com/v1", {"api_key": "k"}, "plain http"),
        ("http://localhost/v1", {"api_key": "a\nb"}, "cannot be a header"),
    ],
)
def test_wrong_brains(url: str, options: Any, message: str) -> None:
    """An endpoint that cannot be is refused where it is named."""
    with pytest.raises(ConfigurationError, match=message):
        ChatModel(url, "m", **options)
    with pytest.raises(ConfigurationError, match="no model"):
        ChatModel("http://localhost/v1", " ")
