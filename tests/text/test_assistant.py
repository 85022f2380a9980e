"""AssistantSession against the embedded server's Assistants API."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from realtime_sync import RealtimeSession, items
from realtime_sync.errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    NotFound,
    ProtocolError,
    RealtimeTimeout,
    RequestRefused,
    ResponseFailed,
    SessionClosed,
)
from realtime_sync.local import LocalServer
from realtime_sync.text import AssistantSession, UploadedFile, create, load

# the openai package's own methods for this API, with which the tests look at it, are deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Wire = dict[str, Any]
New = Callable[..., AssistantSession]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """The API."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


@pytest.fixture
def new(server: LocalServer) -> Iterator[New]:
    """Makes sessions with that API; they are closed at the end."""
    made: list[AssistantSession] = []

    def make(assistant: Any = None, **arguments: Any) -> AssistantSession:
        arguments.setdefault("max_retries", 0)
        session = AssistantSession(
            create("gpt-text") if assistant is None else assistant,
            base_url=server.url,
            api_key="x",
            **arguments,
        )
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


def asked(server: LocalServer, end: str, method: str = "POST") -> list[Wire]:
    """The bodies of the requests whose path ends so, oldest first."""
    return [one.body for one in server.requests if one.method == method and one.path.endswith(end)]


@functools.cache
def connections() -> Any:
    return openai.OpenAI(base_url="http://127.0.0.1", api_key="x", max_retries=0)


def bare(server: LocalServer) -> Any:
    """The openai package's own client, with the API's retired methods."""
    return connections().with_options(base_url=server.url)


def thread_of(server: LocalServer, session: AssistantSession) -> list[tuple[str, str]]:
    """Role and text of each message of the thread, oldest first."""
    found = []
    client = bare(server)
    page = client.beta.threads.messages.list(session.thread_id, order="asc", limit=100)
    for message in page:
        texts = [part.text.value for part in message.content if part.type == "text"]
        found.append((message.role, "".join(texts)))
    return found


def told(session: AssistantSession) -> list[tuple[str, str]]:
    """The same of the session's history."""
    return [(item.role or "", item.text or "") for item in session.history if item.role]


def weather(city: str) -> str:
    """The weather somewhere."""
    return f"rain in {city}"


# Making and loading


def test_create(server: LocalServer, new: New) -> None:
    """A new assistant and a new thread are made with the session; a temperature of 0 passes."""
    made = create(
        "gpt-text", name="A", instructions="Be brief.", temperature=0, metadata={"a": "b"}
    )
    session = new(made)
    assert (session.assistant_id, session.thread_id, session.run) == (None, None, None)
    assert session.ask("hello").text.startswith("Hello!")
    (body,) = asked(server, "/assistants")
    assert body == {
        "model": "gpt-text",
        "name": "A",
        "instructions": "Be brief.",
        "temperature": 0,
        "metadata": {"a": "b"},
    }
    assert session.model == "gpt-text"
    assert (session.assistant_id or "").startswith("asst_")
    assert thread_of(server, session) == told(session)
    assert session.run is not None
    assert session.run.status == "completed"


def test_load(server: LocalServer, new: New) -> None:
    """A loaded thread's messages are the history; a thread that is not named is made."""
    first = new(create("gpt-text", instructions="Be brief."))
    first.ask("hello")
    again = new(load(first.assistant_id or "", first.thread_id)).open()
    assert told(again) == told(first)
    assert again.model == "gpt-text"
    other = new(load(first.assistant_id or "")).open()
    assert other.thread_id not in (None, first.thread_id)
    assert other.history == ()
    with pytest.raises(NotFound):
        new(load("asst_nobody")).open()
    with pytest.raises(NotFound):
        new(load(first.assistant_id or "", "thread_nobody")).open()


@pytest.mark.parametrize(
    ("assistant", "message"),
    [
        ((create("m"), load("a")), "not both"),
        (None, "create.*or load"),
        ("asst_1", "create.*or load"),
        (create("gpt-realtime"), "RealtimeSession"),
        (create("gpt-text", tools=[len]), "tools: it goes to the API as JSON"),
        (create("gpt-text", voice="marin"), "voice: a text model is not heard"),
    ],
)
def test_wrong_assistants(assistant: Any, message: str) -> None:
    """Both, neither, and a realtime model are refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=message):
        AssistantSession(assistant=assistant, api_key="x")
    for wrong in ({"id": ""}, {"id": "asst_1", "thread_id": " "}):
        with pytest.raises(ConfigurationError, match="an id is needed"):
            load(**wrong)


def test_a_failed_open_makes_no_second_assistant(server: LocalServer) -> None:
    """An assistant that was made before its thread could not be is used at the next attempt."""

    class Unlucky(openai.OpenAI):
        tried = 0

        def post(self, path: str, **given: Any) -> Any:
            Unlucky.tried += path == "/threads"
            if path == "/threads" and Unlucky.tried == 1:
                raise OSError("no route to host")
            return super().post(path, **given)

    with Unlucky(base_url=server.url, api_key="x", max_retries=0) as client:
        session = AssistantSession(create("gpt-text"), client=client)
        with pytest.raises(ConnectError, match="no route to host"):
            session.open()
        with session:
            assert session.ask("count to 2").text == "1, 2."
    assert len(asked(server, "/assistants")) == 1


# Two ways


def test_what_is_deleted_here_goes_there(server: LocalServer, new: New) -> None:
    """A deleted item's message is really deleted, and no other."""
    session = new()
    session.ask("count to 2")
    session.ask("count to 3")
    session.conversation.delete(session.history[0].id or "")
    session.ask("count to 4")
    assert thread_of(server, session) == told(session)
    assert [text for _, text in told(session)] == [
        *("1, 2.", "count to 3", "1, 2, 3.", "count to 4", "1, 2, 3, 4."),
    ]


def test_what_is_deleted_there_goes_here(server: LocalServer, new: New) -> None:
    """A message that somebody has deleted is no item any more."""
    session = new()
    session.ask("count to 2")
    client = bare(server)
    messages = client.beta.threads.messages
    (newest, oldest) = messages.list(session.thread_id).data
    messages.delete(oldest.id, thread_id=session.thread_id)
    session.ask("count to 3")
    assert [text for _, text in told(session)] == ["1, 2.", "count to 3", "1, 2, 3."]
    assert thread_of(server, session) == told(session)
    assert newest.id == session.history[0].id


def test_what_is_said_there_is_said_here(server: LocalServer, new: New) -> None:
    """Messages of others become items where they stand, user's and assistant's."""
    session = new()
    session.ask("count to 2")
    client = bare(server)
    for role in ("user", "assistant"):
        client.beta.threads.messages.create(session.thread_id, role=role, content=f"by {role}")
    session.ask("count to 3")
    assert [text for _, text in told(session)] == [
        *("count to 2", "1, 2.", "by user", "by assistant", "count to 3", "1, 2, 3."),
    ]
    assert thread_of(server, session) == told(session)


def test_all_roles(server: LocalServer, new: New) -> None:
    """User's and assistant's items are messages; what systems say goes along with each run."""
    history = [items.system("Speak French."), items.user("salut"), items.assistant("Salut !")]
    session = new(history=history, instructions="Be brief.")
    session.ask("count to 2")
    (run,) = asked(server, "/runs")
    assert run["instructions"] == "Be brief."
    assert run["additional_instructions"] == "Speak French."
    assert thread_of(server, session)[:2] == [("user", "salut"), ("assistant", "Salut !")]
    assert "system" not in dict(thread_of(server, session))


def test_pages(server: LocalServer, new: New) -> None:
    """However long the conversation, every message is there once, and known again."""
    history = [items.user(f"message {n}") for n in range(130)]
    session = new(history=history)
    session.ask("count to 2")
    assert len(asked(server, "/messages")) == 131
    again = new(load(session.assistant_id or "", session.thread_id)).open()
    assert told(again) == told(session)
    again.ask("count to 3")
    session.ask("count to 4")
    assert len(asked(server, "/messages")) == 133
    assert told(session) == told(again)[:-2] + told(session)[-4:]


def test_stable_under_runs_again(server: LocalServer, new: New) -> None:
    """The same history over the same thread changes nothing, calls with their outputs included."""
    session = new(tools=[weather])
    server.reply(server.call("weather", city="Oslo"), "It rains.")
    session.ask("how is it?")
    session.ask("hello")
    exported, count = session.export(), len(asked(server, "/messages"))
    for _ in range(2):
        again = new(load(session.assistant_id or "", session.thread_id), history=exported)
        again.open()
        assert [item.id for item in again.history] == [item["id"] for item in exported]
        again.ask("count to 2")
        exported = again.export()
        count += 1
        assert len(asked(server, "/messages")) == count
    assert not [one for one in server.requests if one.method == "DELETE"]
    assert thread_of(server, again) == told(again)


def test_order(server: LocalServer, new: New) -> None:
    """An item that is put in between stands in between in the thread as well."""
    session = new()
    session.ask("count to 2")
    session.conversation.create("in between", previous_item_id=session.history[0].id)
    session.ask("count to 3")
    assert [text for _, text in told(session)] == [
        *("count to 2", "in between", "1, 2.", "count to 3", "1, 2, 3."),
    ]
    assert thread_of(server, session) == told(session)


def test_an_item_made_anew(server: LocalServer, new: New) -> None:
    """An item that was replaced under its id is replaced in the thread."""
    session = new(history=[items.user("one")])
    session.ask("count to 2")
    wanted = session.export()
    wanted[0]["content"] = [{"type": "input_text", "text": "other"}]
    session.conversation.sync(wanted)
    session.ask("count to 3")
    assert thread_of(server, session)[0] == ("user", "other")
    assert thread_of(server, session) == told(session)


def test_a_request_that_arrived_twice(server: LocalServer, new: New) -> None:
    """A message that was made twice is taken out once."""
    session = new()
    session.ask("count to 2")
    client = bare(server)
    messages = client.beta.threads.messages
    first = messages.list(session.thread_id, order="asc").data[0]
    messages.create(session.thread_id, role="user", content="count to 2", metadata=first.metadata)
    session.ask("count to 3")
    assert thread_of(server, session) == told(session)
    assert len(told(session)) == 4


def test_calls_from_elsewhere(server: LocalServer, new: New) -> None:
    """Calls that no run of the thread has made are told in words."""
    with RealtimeSession(
        endpoint=server.endpoint, tools=[weather], output_modalities=["text"]
    ) as voice:
        server.reply(server.call("weather", city="Oslo"), "It rains.")
        voice.ask("how is it?")
        history = voice.conversation.export()
    session = new(history=history)
    session.ask("hello")
    assert ("assistant", '[weather({"city": "Oslo"}) returned: rain in Oslo]') in thread_of(
        server, session
    )


# Tools


def test_all_outputs_together(server: LocalServer, new: New) -> None:
    """All outputs of a run are submitted in one request, whose stream brings the answer."""
    session = new(tools=[weather])
    deltas: list[str] = []
    session.on("response.output_text.delta", lambda event: deltas.append(event.delta))
    server.reply(
        ["I look.", server.call("weather", city="Oslo"), server.call("weather", city="Rome")],
        "It rains in both.",
    )
    with session.expect("response.done", lambda e: e.response.output[0].text[:2] == "It") as done:
        assert "".join(session.stream("how is it?")) == "I look.It rains in both."
        done.result()
    (body,) = asked(server, "/submit_tool_outputs")
    assert [one["output"] for one in body["tool_outputs"]] == ["rain in Oslo", "rain in Rome"]
    assert body["stream"] is True
    assert len(asked(server, "/runs")) == 1
    assert [item.type for item in session.history] == [
        *("message", "message", "function_call", "function_call"),
        *("function_call_output", "function_call_output", "message"),
    ]
    assert thread_of(server, session) == told(session)


def test_tools_that_fail(server: LocalServer, new: New) -> None:
    """An unknown tool, arguments that are no JSON and an exception are told to the model."""

    def broken() -> str:
        """Breaks."""
        raise RuntimeError("secret")

    from realtime_sync.local.answers import Call

    session = new(tools=[weather, broken])
    server.reply(
        [server.call("nobody"), Call("weather", "{no json"), server.call("broken")], "I see."
    )
    assert session.ask("go").text == "I see."
    (body,) = asked(server, "/submit_tool_outputs")
    outputs = [one["output"] for one in body["tool_outputs"]]
    assert all('"error"' in output for output in outputs)
    assert not any("secret" in output for output in outputs)


def test_tools_and_choice_go_to_the_run(server: LocalServer, new: New) -> None:
    """Functions, built-in tools of the assistant and the choice are the run's."""
    session = new(create("gpt-text", tools=[{"type": "code_interpreter"}]), tools=[weather])
    choice = {"type": "function", "name": "weather"}
    session.ask("in Oslo", tool_choice=choice, temperature=0, max_output_tokens=300)
    (run,) = asked(server, "/runs")
    assert [tool["type"] for tool in run["tools"]] == ["code_interpreter", "function"]
    assert run["tools"][1]["function"]["name"] == "weather"
    assert run["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert (run["temperature"], run["max_completion_tokens"]) == (0, 300)


def test_a_tool_that_asks_the_model(server: LocalServer, new: New) -> None:
    """A tool may ask the same session: its run is given up, and the outputs are told in words."""

    def think() -> str:
        """Thinks."""
        return session.ask("count to 3").text

    session = new(tools=[think])
    server.reply(server.call("think"))
    server.reply("1, 2, 3.", "I have thought.")
    assert session.ask("go").text == "I have thought."
    assert ("assistant", "[think({}) returned: 1, 2, 3.]") in thread_of(server, session)
    assert asked(server, "/submit_tool_outputs") == []


def test_outputs_that_come_too_late(server: LocalServer, new: New) -> None:
    """A run that has ended while its tools ran says how, and the conversation goes on."""

    def slow() -> str:
        """Takes its time."""
        assert session.run is not None
        client = bare(server)
        client.beta.threads.runs.cancel(session.run.id, thread_id=session.thread_id)
        return "done"

    session = new(tools=[slow])
    server.reply(server.call("slow"))
    assert session.ask("go").status == "cancelled"
    assert session.ask("count to 2").text == "1, 2."
    assert ("assistant", "[slow({}) returned: done]") not in thread_of(server, session)


# Runs


@pytest.mark.parametrize("status", ["failed", "expired", "incomplete", "cancelled"])
def test_statuses(server: LocalServer, new: New, status: str) -> None:
    """Every way in which a run ends is told: in the response, and by `run`."""
    session = new()
    server.script.end_runs(status)
    server.reply("so far")
    if status in ("failed", "expired"):
        with pytest.raises(ResponseFailed) as caught:
            session.ask("go")
        assert caught.value.code == {"failed": "server_error", "expired": "expired"}[status]
        assert session.history == ()
    else:
        response = session.ask("go")
        assert (response.status, response.text) == (status, "so far")
    assert session.run is not None
    assert session.run.status == status
    assert session.ask("count to 2").text == "1, 2."
    assert thread_of(server, session) == told(session)


def test_requires_action(server: LocalServer, new: New) -> None:
    """Calls of tools without a function are only told of; the run waits, then is given up."""
    plain = {"type": "function", "name": "plain", "parameters": {}}
    session = new(tools=[plain])
    server.reply(server.call("plain"))
    (call,) = session.ask("go").function_calls
    assert call.name == "plain"
    assert session.run is not None
    assert session.run.status == "requires_action"
    first = session.run.id
    assert session.ask("count to 2").text == "1, 2."
    client = bare(server)
    run = client.beta.threads.runs.retrieve(first, thread_id=session.thread_id)
    assert run.status == "cancelled"


def test_one_run_at_a_time(server: LocalServer, new: New) -> None:
    """Two sessions over one thread take turns, and each hears of the other's."""
    one = new().open()
    two = new(load(one.assistant_id or "", one.thread_id)).open()
    texts: list[str] = []

    def ask(session: AssistantSession, number: int) -> None:
        texts.extend(session.ask(f"count to {number}").text for _ in range(3))

    threads = [threading.Thread(target=ask, args=pair) for pair in ((one, 2), (two, 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(texts) == ["1, 2, 3."] * 3 + ["1, 2."] * 3
    assert len(thread_of(server, one)) == 12
    roles = [role for role, _ in thread_of(server, one)]
    assert roles == ["user", "assistant"] * 6


def test_somebody_elses_run_is_waited_for(server: LocalServer, new: New) -> None:
    """A run of others is not disturbed; ours begins when it has ended."""
    session = new().open()
    server.script.hold(after=0)
    client = bare(server)
    run = client.beta.threads.runs.create(session.thread_id, assistant_id=session.assistant_id)
    future = session.submit("count to 2")
    with pytest.raises(RealtimeTimeout):
        future.result(timeout=0.5)
    server.script.release()
    assert future.result(timeout=20).text == "1, 2."
    assert run.id not in (session.run and session.run.id, None)
    assert thread_of(server, session) == told(session)


def test_interrupt(server: LocalServer, new: New) -> None:
    """An interruption cancels the run, and what was said stays."""
    session = new().open()
    server.reply("one two three")
    server.script.hold(after=1)
    with session.expect("response.output_text.delta") as delta:
        future = session.submit("go")
        delta.result()
    session.interrupt()
    assert (future.result(timeout=10).status, future.result().text) == ("cancelled", "one")
    assert session.ask("count to 2").text == "1, 2."
    (first, *_) = asked(server, "/cancel")
    assert first == {}
    assert thread_of(server, session) == told(session)


def test_interrupt_while_tools_run(server: LocalServer, new: New) -> None:
    """An interruption while tools run cancels the run that waits for them."""
    running, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        """Takes its time."""
        running.set()
        go_on.wait(10)
        return "done"

    session = new(tools=[slow])
    server.reply(server.call("slow"))
    future = session.submit("go")
    assert running.wait(10)
    session.interrupt()
    go_on.set()
    future.result(timeout=10)
    assert session.ask("count to 2").text == "1, 2."
    assert len(asked(server, "/cancel")) >= 1
    assert asked(server, "/submit_tool_outputs") == []


def test_close_ends_the_run(server: LocalServer, new: New) -> None:
    """close() cancels what is under way."""
    session = new().open()
    server.reply("one two three")
    server.script.hold(after=1)
    with session.expect("response.output_text.delta") as delta:
        future = session.submit("go")
        delta.result()
    session.close()
    with pytest.raises(SessionClosed):
        future.result(timeout=10)
    assert asked(server, "/cancel") == [{}]


@pytest.mark.parametrize("after", [0, 3, 9, 12])
def test_cut_streams(server: LocalServer, new: New, after: int) -> None:
    """A stream that is cut is an error of its own, and leaves no trace, here and there."""
    session = new()
    session.ask("count to 2")
    server.reply("one two three")
    server.script.cut(after=after)  # 12: all has come but for the end of the run
    with pytest.raises(ConnectionLost):
        session.ask("go")
    assert [text for _, text in told(session)] == ["count to 2", "1, 2."]
    assert session.ask("count to 3").text == "1, 2, 3."
    session.ask("count to 4")
    assert thread_of(server, session) == told(session)
    assert len(told(session)) == 6


def test_a_run_that_was_begun_twice(server: LocalServer, new: New) -> None:
    """Where the answer to a request was lost and it is made again, one answer stays."""
    session = new(max_retries=1)
    session.ask("count to 2")
    server.reply("lost", "kept")
    with session.expect("response.created") as begun:
        server.script.cut(after_bytes=20)  # of the first stream, its head
        assert session.ask("go").text == "kept"
        begun.result()
    session.ask("count to 3")
    assert [text for _, text in told(session)] == [
        *("count to 2", "1, 2.", "go", "kept", "count to 3", "1, 2, 3."),
    ]
    assert thread_of(server, session) == told(session)


@pytest.mark.parametrize("data", ["{no json", "[1]", '{"nonsense": 1}', "null"])
def test_malformed_events(server: LocalServer, new: New, data: str) -> None:
    """An event that is none is an error of its own, and leaves no trace."""
    session = new()
    session.ask("count to 2")
    server.script.frame(data, after=5)
    with pytest.raises(ProtocolError):
        session.ask("go")
    assert session.ask("count to 3").text == "1, 2, 3."
    assert len(told(session)) == 4
    assert thread_of(server, session) == told(session)


def test_a_server_that_falls_silent(server: LocalServer, new: New) -> None:
    """A turn that was waited for in vain is given up: its run is cancelled."""
    session = new().open()
    server.reply("one two three")
    server.script.mute(after=8)
    with pytest.raises(RealtimeTimeout):
        session.ask("go", timeout=1)
    assert session.ask("count to 2").text == "1, 2."
    assert thread_of(server, session) == told(session)


def test_refusals(server: LocalServer, new: New) -> None:
    """What the API refuses is a typed error; busy servers are asked again."""
    session = new(max_retries=2).open()
    server.script.refuse(429, retry_after="0")
    server.script.refuse(500)
    assert session.ask("count to 2").text == "1, 2."
    with pytest.raises(RequestRefused, match="temperature"):
        session.ask("go", temperature=5)
    assert len(told(session)) == 2
    session.ask("count to 3")
    assert thread_of(server, session) == told(session)


def test_beside_the_conversation(server: LocalServer, new: New) -> None:
    """A response beside the conversation has a thread of its own, which goes with it."""
    session = new()
    session.ask("count to 2")
    beside = session.response.create(conversation="none", input=["count to 3"])
    assert beside.wait().text == "1, 2, 3."
    session.ask("count to 4")
    assert len(told(session)) == 4
    assert thread_of(server, session) == told(session)
    session.close()  # it is deleted behind the response
    assert len([one for one in server.requests if one.method == "DELETE"]) == 1


# Images


def png(width: int = 40, height: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


def test_images(server: LocalServer, new: New, tmp_path: Path) -> None:
    """Bytes, paths and images of Pillow are uploaded, once each; addresses go as they are."""
    path = tmp_path / "a.png"
    path.write_bytes(png())
    seen: list[UploadedFile] = []
    session = new(on_file_uploaded=seen.append)
    for image in (png(), path, png(30, 30), Image.open(path)):
        session.ask("what is it?", image=image)
    session.ask("and this?", image="https://example.com/a.png")
    assert len(asked(server, "/files")) == len(seen) <= 3
    assert seen[0].original == seen[0].data == png()
    assert (seen[0].kind, seen[0].filename[-4:]) == ("image/png", ".png")
    parts = [
        p for body in asked(server, "/messages") for p in body["content"] if p["type"] != "text"
    ]
    assert parts[0] == {"type": "image_file", "image_file": {"file_id": seen[0].id}}
    assert parts[1] == parts[0]
    assert parts[-1] == {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def test_image_size(server: LocalServer, new: New) -> None:
    """Images that are too large are made to fit, their shape kept; others stay as they are."""
    seen: list[UploadedFile] = []
    session = new(image_size=(20, 20), on_file_uploaded=seen.append)
    for image in (png(40, 20), png(10, 5)):
        session.ask("what is it?", image=image)
    sizes = [Image.open(io.BytesIO(one.data)).size for one in seen]
    assert sizes == [(20, 10), (10, 5)]
    assert seen[1].data == seen[1].original
    for wrong in ((0, 1), (1,), "20x20", (True, 1)):
        with pytest.raises(ConfigurationError, match="image_size"):
            new(image_size=wrong)


def test_delete_uploaded(server: LocalServer, new: New, caplog: Any) -> None:
    """Uploaded files can be deleted; said again, an image is uploaded again."""

    def told_of(_: UploadedFile) -> None:
        raise RuntimeError("not interested")

    session = new(on_file_uploaded=told_of)
    session.ask("what is it?", image=png())
    (file_id,) = session.delete_uploaded()
    assert session.delete_uploaded() == ()
    assert asked(server, f"/files/{file_id}", "DELETE") == [{}]
    session.ask("what is it?", image=png())
    assert len(asked(server, "/files")) == 2
    assert "on_file_uploaded raised" in caplog.text
    caplog.clear()
    session.close()
    assert len(session.delete_uploaded()) == 1
    assert session.delete_uploaded() == ()


def test_files_that_cannot_be_deleted(server: LocalServer, new: New) -> None:
    """One that is gone already is no error; one that is refused is tried again."""
    session = new()
    for size in (10, 20):
        session.ask("what is it?", image=png(size))
    files = bare(server).files
    files.delete(next(iter(files.list())).id)
    server.script.refuse(500)
    with pytest.raises(ConnectError):
        session.delete_uploaded()
    session.delete_uploaded()
    assert list(files.list()) == []
    assert session.delete_uploaded() == ()


def test_interrupted_and_asked_at_once(server: LocalServer, new: New) -> None:
    """What is asked right after an interruption is not ended by it."""
    session = new().open()
    for _ in range(5):
        server.reply("one two three")
        server.script.hold(after=1)
        with session.expect("response.output_text.delta") as delta:
            session.submit("go")
            delta.result()
        session.interrupt()
        response = session.ask("count to 2")
        assert (response.status, response.text) == ("completed", "1, 2.")
    assert thread_of(server, session) == told(session)


# Over


def test_to_chat(server: LocalServer, new: New) -> None:
    """The conversation goes on without the Assistants API, with tools and instructions."""
    session = new(create("gpt-text", instructions="Be brief."), tools=[weather])
    server.reply(server.call("weather", city="Oslo"), "It rains.")
    session.ask("how is it?")
    with session.to_chat() as chat:
        server.reply(server.call("weather", city="Rome"), "There, too.")
        assert chat.ask("and in Rome?").text == "There, too."
        assert chat.model == "gpt-text"
        roles = [one["role"] for one in asked(server, "/chat/completions")[-1]["messages"]]
    assert roles[:5] == ["system", "user", "assistant", "tool", "assistant"]
    with session.to_chat("other", api="responses") as chat:
        assert chat.ask("count to 2").text == "1, 2."
        assert asked(server, "/responses")[0]["model"] == "other"
    with pytest.raises(ConfigurationError, match="not known until open"):
        new(load("asst_1")).to_chat()


def test_a_client_of_your_own(server: LocalServer) -> None:
    """An injected client is used, also by the chat that goes on."""
    with AssistantSession(create("gpt-text"), client=bare(server)) as session:
        assert session.ask("count to 2").text == "1, 2."
        with session.to_chat() as chat:
            assert chat.ask("count to 3").text == "1, 2, 3."


def test_to_realtime(server: LocalServer, new: New) -> None:
    """The conversation is given a voice."""
    session = new()
    session.ask("count to 2")
    with session.to_realtime(endpoint=server.endpoint, output_modalities=["text"]) as voice:
        assert voice.ask("count to 3").text == "1, 2, 3."
        assert [item.text for item in voice.conversation.items][:2] == ["count to 2", "1, 2."]
