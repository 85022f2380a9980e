"""What goes wrong between a chat and its API: a typed error or a retry, and a history as before."""

from __future__ import annotations

import json
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pipe import LIMIT, Task, gate

from realtime_sync import ToolError
from realtime_sync.errors import (
    AuthenticationError,
    ConnectError,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RealtimeError,
    RealtimeTimeout,
    ResponseFailed,
    ServerError,
    SessionClosed,
)
from realtime_sync.text import ChatSession

from .api import (
    Answer,
    Api,
    by_words,
    called,
    chunk,
    cut_after,
    events,
    held,
    refused,
    responded,
    said,
    streamed,
    tool_call,
)

Chat = Callable[..., ChatSession]

HALF = chunk({"content": "Hel"})
CALL = chunk(tool_call(0, "c1", "add", '{"a"'))
ERROR = {"error": {"message": "too much to do", "type": "server_error", "code": "overloaded"}}


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


REFUSALS = [
    (401, AuthenticationError),
    (403, PermissionDenied),
    (404, NotFound),
    (429, RateLimited),
    (400, ServerError),
    (422, ServerError),
    (500, ConnectError),
    (503, ConnectError),
]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
def test_a_refusal(api: Api, chat: Chat, status: int, kind: type[RealtimeError]) -> None:
    """An HTTP error is an error of ours, with status and words; the message is taken back."""
    session = chat(history=["Before."])
    before = session.history
    api.plan(refused(status, "because"))
    with pytest.raises(kind) as caught:
        session.ask("Hello!")
    error: Any = caught.value
    assert (error.status, "because" in str(error)) == (status, True)
    assert "because" in error.body
    assert error.__cause__ is None
    if kind is ServerError:
        assert isinstance(error, ConnectError)
        assert (error.code, error.type) == ("some_code", "some_error")
    assert pickle.loads(pickle.dumps(error)).status == status
    assert [item.text for item in session.history] == [item.text for item in before]
    assert session.ask("Again!").text == "Hello."
    assert [m["content"] for m in api.requests[-1]["messages"]] == ["Before.", "Again!"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_the_client_asks_again(api: Api, chat: Chat, status: int) -> None:
    """What may work later is asked again by the openai client; nobody hears of it."""
    api.plan(refused(status, retry_after_ms="1"), said("There."))
    session = chat(max_retries=1)
    assert session.ask("Hello!").text == "There."
    assert len(api.requests) == 2
    assert len(session.history) == 2


def test_retry_after(api: Api, chat: Chat) -> None:
    """How long the server wants to be left alone is told."""
    api.plan(refused(429, retry_after="7"))
    with pytest.raises(RateLimited) as caught:
        chat().ask("Hello!")
    assert caught.value.retry_after == 7


BROKEN: dict[str, tuple[Answer, type[RealtimeError], str]] = {
    "cut": (cut_after(HALF), ConnectionLost, "Hel"),
    "cut before anything": (cut_after(), ConnectionLost, ""),
    "cut in a call": (cut_after(HALF, CALL), ConnectionLost, "Hel"),
    "ends without an end": (streamed(HALF, done=False), ConnectionLost, "Hel"),
    "done without an end": (streamed(HALF), ConnectionLost, "Hel"),
    "no JSON": (streamed(HALF, "{not json"), ProtocolError, "Hel"),
    "choices of another shape": (streamed(HALF, {**chunk(), "choices": 5}), ProtocolError, "Hel"),
    "an error in the stream": (streamed(HALF, ERROR), ResponseFailed, "Hel"),
    "no stream": (lambda handler: _page(handler), ConnectionLost, ""),
}


def _page(handler: Any) -> None:
    handler.begin(kind="text/html")
    handler.write("<html>Welcome!</html>\n\n")
    handler.end()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream(api: Api, chat: Chat, name: str) -> None:
    """A stream that breaks raises after what has come; nothing of it stays in the history."""
    answer, kind, text = BROKEN[name]
    session = chat(tools=[add], history=["Before."])
    api.plan(answer)
    stream = session.stream("Hello!")
    pieces: list[str] = []
    with pytest.raises(kind) as caught:
        pieces.extend(stream)
    assert "".join(pieces) == text
    assert stream.response is not None
    assert (stream.response.status, stream.response.text) == ("failed", text)
    if hasattr(caught.value, "response"):
        assert caught.value.response.text == text
    with pytest.raises(kind):
        stream.response.raise_for_status()
    assert [item.text for item in session.history] == ["Before."]
    assert session.ask("Again!").text == "Hello."
    assert [m["content"] for m in api.requests[-1]["messages"]] == ["Before.", "Again!"]


def test_words_of_a_failed_response(api: Api, chat: Chat) -> None:
    """An error within the stream keeps its code and its words."""
    api.plan(streamed(ERROR))
    with pytest.raises(ResponseFailed, match="too much to do") as caught:
        chat().ask("Hello!")
    assert (caught.value.code, caught.value.message) == ("overloaded", "too much to do")
    failed = {"id": "r", "status": "failed", "error": {"code": "bad", "message": "no luck"}}
    for last in (
        {"type": "response.failed", "response": failed},
        {"type": "error", "code": "bad", "message": "no luck"},
    ):
        api.plan(events(last))
        with pytest.raises(ResponseFailed, match="no luck") as caught:
            chat(api="responses").ask("Hello!")
        assert (caught.value.code, caught.value.message) == ("bad", "no luck")


def test_broken_chunks_that_do_no_harm(api: Api, chat: Chat) -> None:
    """What a chunk leaves out, or has too much of, does not end the response."""
    odd = [
        {"id": "x"},
        {**chunk(), "choices": None},
        {**chunk(), "choices": [{"index": 0}]},
        {**chunk(), "choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {**chunk(), "novelty": {"a": 1}},
        chunk({"content": None, "tool_calls": None}),
    ]
    api.plan(streamed(*odd, chunk({"content": "Hi."}), *odd, chunk(finish="stop"), *odd))
    assert chat().ask("Hello!").text == "Hi."


def test_usage_that_does_not_come(api: Api, chat: Chat) -> None:
    """A link that breaks behind the answer's end is no failure."""
    api.plan(cut_after(chunk({"content": "Hi."}), chunk(finish="stop")))
    response = chat().ask("Hello!")
    assert (response.text, response.status, response.usage) == ("Hi.", "completed", None)


def test_a_later_round_fails(api: Api, chat: Chat) -> None:
    """What has run has run: the call stays, so that ask() goes on from there, and runs no tool."""
    ran = []

    def pay() -> str:
        """Pays."""
        ran.append(1)
        return "paid"

    for failure in (refused(500), cut_after(HALF)):
        ran.clear()
        session = chat(tools=[pay])
        api.plan(called(("c1", "pay", {})), failure, said("It is paid."))
        with pytest.raises(RealtimeError):
            session.ask("Pay!")
        assert [item.type for item in session.history] == [
            *("message", "function_call", "function_call_output")
        ]
        assert session.ask().text == "It is paid."
        assert [m["role"] for m in api.requests[-1]["messages"]] == ["user", "assistant", "tool"]
        assert ran == [1]


def test_a_question_without_an_answer(api: Api, chat: Chat) -> None:
    """An answer may be empty; whatever fails after it leaves its question where it is."""
    session = chat()
    api.plan(streamed(chunk(finish="stop")), refused(500), cut_after())
    assert session.ask("Hello?").text == ""
    for _ in range(2):
        with pytest.raises(RealtimeError):
            session.ask()
        assert [item.text for item in session.history] == ["Hello?"]


def test_a_tool_that_raises(api: Api, chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    """The model is told, in words meant for it, and the turn goes on."""

    def break_() -> None:
        """Breaks."""
        raise RuntimeError("a secret")

    def refuse() -> None:
        """Refuses."""
        raise ToolError("not on Sundays")

    calls = [("c1", "break_", {}), ("c2", "refuse", {}), ("c3", "nobody", {}), ("c4", "add", "{")]
    api.plan(called(*calls), said("Sorry."))
    session = chat(tools=[break_, refuse, add])
    assert session.ask("Do it all!").text == "Sorry."
    outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
    assert "tool_failed" in outputs[0]
    assert "a secret" not in outputs[0]
    assert "not on Sundays" in outputs[1]
    assert "unknown_tool" in outputs[2]
    assert "invalid_arguments" in outputs[3]


def test_nobody_is_there(chat: Chat) -> None:
    """A server that does not answer is an error of ours, and names the host."""
    session = chat(base_url="http://127.0.0.1:9/v1", api_key="sk-secret-key")
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1") as caught:
        session.ask("Hello!")
    assert "sk-secret" not in f"{caught.value!r}{caught.value.__context__!r}"
    assert session.history == ()


def test_a_timeout(api: Api, chat: Chat) -> None:
    """ask() that times out gives the request up; the next one does not see its message."""
    with gate() as door:
        answer = by_words(Hello=held(door), Are=said("There."))
        api.plan(answer, answer)
        session = chat().open()
        with pytest.raises(RealtimeTimeout):
            session.ask("Hello there!", timeout=0.1)
        assert session.history == ()
        assert session.ask("Are you there?").text == "There."
        # the one that was given up may come in after it
        told = [[m["content"] for m in request["messages"]] for request in api.requests]
        assert [one for one in told if one != ["Hello there!"]] == [["Are you there?"]]


def test_given_up_within_the_answer(api: Api, chat: Chat) -> None:
    """What has come until then stays, as incomplete; nothing more of it comes."""
    with gate() as door:
        api.plan(held(door, HALF), said("There."))
        session = chat()
        stream = session.stream("Hello!")
        assert next(stream) == "Hel"
        stream.close()
        assert session.ask("Go on!").text == "There."
    told = [(m["role"], m["content"]) for m in api.requests[-1]["messages"]]
    assert told == [("user", "Hello!"), ("assistant", "Hel"), ("user", "Go on!")]
    assert session.history[1].status == "incomplete"


def test_closing_while_it_waits(api: Api, chat: Chat) -> None:
    """close() fails what waits, and hangs up on the API."""
    for before in ((), (HALF,)):
        with gate() as door:
            api.plan(held(door, *before))
            session = chat()
            asking = Task(session.ask, "Hello!")
            door.wait()
            session.close(timeout=2)
            with pytest.raises(SessionClosed):
                asking.result()
        with pytest.raises(SessionClosed):
            session.ask("Hello?")
        assert session.state == "closed"


def test_a_client_that_is_none(
    api: Api, chat: Chat, logged_errors: list[logging.LogRecord]
) -> None:
    """Whatever a client of one's own raises, ask() has an error of ours."""

    class Client:
        class chat:  # as the openai client has it
            class completions:
                @staticmethod
                def create(**_: Any) -> Any:
                    raise KeyError("what?")

    with ChatSession("gpt-text", client=Client()) as session:  # type: ignore[arg-type]
        with pytest.raises(RealtimeError, match="KeyError"):
            session.ask("Hello!")
        assert session.history == ()
    assert logged_errors == []


def test_responses_that_break(api: Api, chat: Chat) -> None:
    """The same over the Responses API."""
    created = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
    for answer, kind in (
        (refused(429), RateLimited),
        (events(created, {**delta, "delta": "Hel"}), ConnectionLost),
        (cut_after(created, {**delta, "delta": "Hel"}), ConnectionLost),
        (streamed(created, "{no"), ProtocolError),
        (streamed(created, {**delta, "delta": {"a": 1}}), ProtocolError),
    ):
        api.plan(answer)
        session = chat(api="responses")
        with pytest.raises(kind):
            session.ask("Hello!")
        assert session.history == ()
        api.plan(responded("There."))
        assert session.ask("Again!").text == "There."
        assert [one["content"] for one in api.requests[-1]["input"]] == ["Again!"]


@pytest.mark.parametrize("which", ["chat", "responses"])
def test_calls_that_could_not_be_sent_again(api: Api, chat: Chat, which: str) -> None:
    """Servers refuse odd names and arguments that are no object: a later request has neither."""
    calls = [("a", "functions.add", {"a": 1}), ("b", "", {"a": 1})]
    api.plan(responded(calls=calls) if which == "responses" else called(*calls))
    if which == "chat":
        api.plan(called(("c", "add", '{"a": 1, '), ("d", "add", "[1]")), said("Sorry."))
    else:
        api.plan(responded("Sorry."))
    session = chat(api=which, tools=[add])
    assert session.ask("Add.").text == "Sorry."
    told = [f for f in _functions(api.requests[-1]) if f is not None]
    names = ["functions_add", "unknown", "add", "add"]
    assert [f["name"] for f in told] == names[: len(told)]
    assert all(isinstance(json.loads(f["arguments"]), dict) for f in told)
    first = next(i for i in session.history if i.type == "function_call")
    assert first.name == "functions.add"  # as it was called


def _functions(request: Any) -> Any:
    for one in request.get("input") or ():
        yield one if one.get("type") == "function_call" else None
    for one in request.get("messages") or ():
        for call in one.get("tool_calls") or ():
            yield call["function"]


def test_half_a_surrogate_pair(api: Api, chat: Chat) -> None:
    """What no UTF-8 can say leaves a conversation that can go on."""
    api.plan(said("a\ud800b"))
    session = chat()
    assert session.ask("Hello!").text == "a?b"
    assert session.ask("Again!").text == "Hello."


def test_events_by_hand_that_cannot_be(chat: Chat) -> None:
    """What is sent by hand and cannot be is refused like anything else; the session lives."""
    session = chat()
    for event in (
        {"type": "response.create", "response": {"options": 5}},
        {"type": "response.create", "response": {"metadata": {"a": "b"}, "tools": [{}]}},
        {"type": "input_audio_buffer.commit"},
        {"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1},
    ):
        assert isinstance(session.request(event).exception(LIMIT), RealtimeError)
    session.send({"type": "response.create", "response": {"said": 5, "instructions": "x"}})
    assert session.ask("Hello!").text == "Hello."


def test_a_first_ask_in_no_time(api: Api) -> None:
    """The time of ask() covers getting ready, too; the next one does what was left."""
    session = ChatSession("gpt-text", base_url=api.url)
    with gate() as door:
        answer = by_words(Hello=held(door), Are=said("There."))
        api.plan(answer, answer)
        with pytest.raises(RealtimeTimeout):
            session.ask("Hello there!", timeout=0)
        assert session.history == ()
        assert session.ask("Are you there?").text == "There."
        session.close()


def test_a_thread_that_cannot_start(api: Api, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without threads is an error of ours."""
    session = chat().open()

    class Unstartable(threading.Thread):
        def __init__(self, target: Any, name: str) -> None:
            super().__init__(target=target, name=name)

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("realtime_sync.text.link.Thread", Unstartable)
        with pytest.raises(ProtocolError, match="thread"):
            session.ask("Hello!", timeout=LIMIT)
    assert session.history == ()
    assert session.ask("Hello!").text == "Hello."
