"""Assistants, threads, runs and files as the openai package sees them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import openai
import pytest
from openai.types.beta import Assistant, AssistantStreamEvent, Thread
from openai.types.beta.threads import Message, Run
from pydantic import TypeAdapter

from realtime_sync.local import LocalServer

# the whole of this API is deprecated in the openai package, under several messages
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

JUDGE: TypeAdapter[Any] = TypeAdapter(AssistantStreamEvent)
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {}}}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


class Desk:
    """An assistant and a thread of its own."""

    def __init__(self, client: openai.OpenAI) -> None:
        self.base_url = client.base_url
        self.beta = client.beta
        self.assistant = client.beta.assistants.create(model="m", tools=[WEATHER])
        self.thread = client.beta.threads.create()

    def say(self, content: Any = "hello", **options: Any) -> Message:
        return self.beta.threads.messages.create(
            self.thread.id, role="user", content=content, **options
        )

    def run(self, **options: Any) -> Any:
        return self.beta.threads.runs.create(
            self.thread.id, assistant_id=self.assistant.id, **options
        )

    def streamed(self, **options: Any) -> list[Any]:
        return judged(self.run(stream=True, **options))

    def texts(self) -> list[str]:
        """What has been said, oldest first."""
        page = self.beta.threads.messages.list(self.thread.id, order="asc")
        return [one.content[0].text.value for one in page if one.content[0].type == "text"]

    def found(self, run: Run) -> Run:
        return self.beta.threads.runs.retrieve(run.id, thread_id=self.thread.id)


def judged(stream: Any) -> list[Any]:
    """The events of a stream, each as the openai package types it."""
    seen = list(stream)
    for event in seen:
        JUDGE.validate_python({"event": event.event, "data": event.data.to_dict()})
    return seen


@pytest.fixture
def desk(client: openai.OpenAI) -> Desk:
    return Desk(client)


# Assistants and threads


def test_assistants(client: openai.OpenAI) -> None:
    """An assistant is made, looked up, changed, listed and deleted; a temperature of 0 stays."""
    made = client.beta.assistants.create(model="m", name="A", temperature=0)
    assert (made.temperature, made.top_p, made.tools) == (0, 1, [])
    assert client.beta.assistants.retrieve(made.id) == made
    assert client.beta.assistants.update(made.id, name="B").name == "B"
    assert [one.name for one in client.beta.assistants.list()] == ["B"]
    assert client.beta.assistants.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError, match=f"No assistant found with id '{made.id}'"):
        client.beta.assistants.retrieve(made.id)
    assert isinstance(Assistant.model_validate(made.to_dict(), strict=True), Assistant)


def test_threads(client: openai.OpenAI) -> None:
    """A thread is made with messages, changed and deleted, its messages with it."""
    said: Any = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    thread = client.beta.threads.create(messages=said, metadata={"a": "b"})
    assert isinstance(Thread.model_validate(thread.to_dict(), strict=True), Thread)
    messages = client.beta.threads.messages
    assert [one.role for one in messages.list(thread.id, order="asc")] == ["user", "assistant"]
    assert client.beta.threads.update(thread.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.beta.threads.delete(thread.id).deleted
    for wrong in (client.beta.threads.retrieve, messages.list):
        with pytest.raises(openai.NotFoundError):
            wrong(thread.id)


def test_messages(desk: Desk) -> None:
    """A message has its metadata, which can be changed, and is really deleted."""
    made = desk.say("hello", metadata={"item": "i1"})
    messages, place = desk.beta.threads.messages, {"thread_id": desk.thread.id}
    assert made.metadata == {"item": "i1"}
    changed = messages.update(made.id, metadata={"item": "i2"}, **place)
    assert changed.metadata == {"item": "i2"} == messages.retrieve(made.id, **place).metadata
    assert messages.delete(made.id, **place).deleted
    assert desk.texts() == []
    with pytest.raises(openai.NotFoundError):
        messages.delete(made.id, **place)


def test_pages(desk: Desk) -> None:
    """Lists come in pages, forwards and backwards, twenty at a time unless told otherwise."""
    for n in range(45):
        desk.say(str(n))
    messages, thread_id = desk.beta.threads.messages, desk.thread.id
    page = messages.list(thread_id)
    assert [one.content[0].text.value for one in page.data] == [str(n) for n in range(44, 24, -1)]
    assert page.has_next_page()
    assert desk.texts() == [str(n) for n in range(45)]
    oldest = messages.list(thread_id, order="asc", limit=100).data
    assert len(oldest) == 45
    before = messages.list(thread_id, order="asc", limit=3, before=oldest[10].id).data
    assert [one.id for one in before] == [one.id for one in oldest[7:10]]
    for wrong in ({"limit": 0}, {"limit": 101}, {"after": "nobody"}, {"order": "up"}):
        with pytest.raises(openai.BadRequestError):
            messages.list(thread_id, **wrong)


def test_files_and_images(desk: Desk, client: openai.OpenAI) -> None:
    """A picture is uploaded, and a message may point to it, as long as it is there."""
    file = client.files.create(file=("a.png", PNG), purpose="vision")
    assert (file.bytes, file.filename, file.purpose) == (len(PNG), "a.png", "vision")
    assert client.files.content(file.id).content == PNG
    assert [one.id for one in client.files.list(purpose="vision")] == [file.id]
    assert client.files.retrieve(file.id).id == file.id
    part = {"type": "image_file", "image_file": {"file_id": file.id}}
    desk.say([{"type": "text", "text": "what is it?"}, part])
    url = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    shown = desk.say([url]).content[0]
    assert shown.type == "image_url"
    assert shown.image_url.url == "https://example.com/a.png"
    desk.streamed()
    assert desk.texts()[-1].startswith("There is an image")
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        desk.say([part])
    for name, purpose in [("a.txt", "vision"), ("a.png", "fun")]:
        with pytest.raises(openai.BadRequestError):
            client.files.create(file=(name, PNG), purpose=purpose)


# Runs


def test_streamed_run(desk: Desk, server: LocalServer) -> None:
    """A run tells of itself, its step and its message, from created to completed."""
    desk.say()
    server.reply("one two")
    seen = desk.streamed(temperature=0)
    assert [event.event.removeprefix("thread.") for event in seen] == [
        *("run.created", "run.queued", "run.in_progress", "run.step.created"),
        *("run.step.in_progress", "message.created", "message.in_progress"),
        *("message.delta", "message.delta", "message.completed", "run.step.completed"),
        "run.completed",
    ]
    run = seen[-1].data
    assert (run.status, run.temperature) == ("completed", 0)
    assert run.usage.total_tokens == run.usage.prompt_tokens + run.usage.completion_tokens
    assert desk.texts() == ["hello", "one two"]
    steps = desk.beta.threads.runs.steps.list(run.id, thread_id=desk.thread.id).data
    assert [one.type for one in steps] == ["message_creation"]


def outputs(run: Any) -> list[Any]:
    """One for each call that a run waits for."""
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": one.id, "output": f"{n}"} for n, one in enumerate(calls)]


def test_tool_outputs(desk: Desk, server: LocalServer) -> None:
    """A run with calls waits for the outputs of them all, and goes on in the next stream."""
    desk.say()
    server.reply(["I look.", server.call("weather", city="Oslo"), server.call("clock")])
    waiting = desk.streamed()[-1]
    assert waiting.event == "thread.run.requires_action"
    run, runs = waiting.data, desk.beta.threads.runs
    names = [one.function.name for one in run.required_action.submit_tool_outputs.tool_calls]
    assert names == ["weather", "clock"]
    place: Any = {"thread_id": desk.thread.id}
    with pytest.raises(openai.BadRequestError, match="Expected tool outputs for call_ids"):
        runs.submit_tool_outputs(run.id, tool_outputs=outputs(run)[:1], **place)
    going = judged(
        runs.submit_tool_outputs(run.id, tool_outputs=outputs(run), stream=True, **place)
    )
    assert [event.event for event in going][:3] == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
    ]
    assert going[-1].event == "thread.run.completed"
    assert desk.texts()[1:] == ["I look.", "weather returned: 0 clock returned: 1"]
    with pytest.raises(openai.BadRequestError, match="do not accept tool outputs"):
        runs.submit_tool_outputs(run.id, tool_outputs=outputs(run), **place)


def test_call_deltas(desk: Desk, server: LocalServer) -> None:
    """The arguments of calls come in pieces by their index."""
    server.reply([server.call("weather", city="Oslo"), server.call("clock", zone=2)])
    found = {0: "", 1: ""}
    for event in desk.streamed():
        if event.event == "thread.run.step.delta":
            (call,) = event.data.delta.step_details.tool_calls
            found[call.index] += call.function.arguments
    assert [json.loads(found[n]) for n in (0, 1)] == [{"city": "Oslo"}, {"zone": 2}]


def test_rules_call_tools_once(desk: Desk) -> None:
    """A demanded call is made in the first answer of a run only."""
    desk.say("what is it like in Oslo?")
    run = desk.streamed(tool_choice="required")[-1].data
    assert run.status == "requires_action"
    going = desk.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=desk.thread.id, tool_outputs=outputs(run), stream=True
    )
    assert judged(going)[-1].event == "thread.run.completed"


def test_one_run_at_a_time(desk: Desk, server: LocalServer) -> None:
    """While a run is active the thread takes neither a message nor another run."""
    server.reply(server.call("weather"))
    run = desk.streamed()[-1].data
    with pytest.raises(openai.BadRequestError, match="while a run"):
        desk.say()
    with pytest.raises(openai.BadRequestError, match="already has an active run"):
        desk.run()
    runs, place = desk.beta.threads.runs, {"thread_id": desk.thread.id}
    assert runs.cancel(run.id, **place).status == "cancelling"
    assert desk.found(run).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel run with status 'cancelled'"):
        runs.cancel(run.id, **place)
    desk.say()


def test_polled_run(desk: Desk, server: LocalServer) -> None:
    """Without a stream a run goes on by itself."""
    desk.say()
    assert desk.run().status == "queued"
    (run,) = desk.beta.threads.runs.list(desk.thread.id).data
    assert run.status == "completed"
    assert desk.texts()[-1].startswith("Hello!")


def test_polled_run_at_its_pace() -> None:
    """Polled at the service's pace, a run is under way for a while."""
    with (
        LocalServer(voice="tones", speed=4) as paced,
        openai.OpenAI(base_url=paced.url, api_key="x", timeout=10) as client,
    ):
        desk = Desk(client)
        paced.reply("word " * 120)
        paced.script.hold(after=119)  # nobody is too late to see it under way
        began = time.monotonic()
        run = desk.run()
        assert run.status == "queued"
        while run.status == "queued" and time.monotonic() < began + 30:
            run = desk.found(run)
        assert run.status == "in_progress"
        paced.script.release()
        while run.status == "in_progress" and time.monotonic() < began + 30:
            run = desk.found(run)
    assert run.status == "completed"
    assert time.monotonic() - began > 120 / 80 / 4


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled", "expired"])
def test_scripted_endings(desk: Desk, server: LocalServer, status: str) -> None:
    """The script ends a run in every way, and its message with it."""
    server.script.end_runs("completed", status)
    assert desk.streamed()[-1].event == "thread.run.completed"
    server.reply("one two")
    seen = desk.streamed()
    assert [event.event for event in seen][-3:] == [
        "thread.message.incomplete",
        f"thread.run.step.{'completed' if status == 'incomplete' else status}",
        f"thread.run.{status}",
    ]
    run = desk.found(seen[-1].data)
    assert run.status == status
    assert (run.last_error is not None) == (status == "failed")
    assert desk.texts()[-1] == "one two"


def test_no_such_ending(server: LocalServer) -> None:
    """A status that no run ends with is refused where it is written."""
    with pytest.raises(ValueError, match="'queued': a run ends as one of completed, incomplete"):
        server.script.end_runs("queued")


def test_exceptions_and_limits(desk: Desk, server: LocalServer) -> None:
    """An exception fails a run with its text, a limit leaves it incomplete."""
    server.reply(["so far", RuntimeError("out of order")], "word " * 300)
    failed = desk.streamed()[-1].data
    assert (failed.status, failed.last_error.message) == ("failed", "out of order")
    cut = desk.streamed(max_completion_tokens=256)[-1].data
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    assert len(desk.texts()[-1].split()) == 256


def test_cancel_while_it_streams(desk: Desk, server: LocalServer) -> None:
    """Cancelled from elsewhere, a stream tells of it and ends."""
    server.reply("one two three")
    server.script.hold(after=1)
    stream = iter(desk.run(stream=True))
    seen = [next(stream)]
    while seen[-1].event != "thread.message.delta":
        seen.append(next(stream))
    desk.beta.threads.runs.cancel(seen[0].data.id, thread_id=desk.thread.id)
    assert [event.event for event in stream] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    assert desk.texts() == ["one"]


def test_a_stream_that_is_left_goes_on(desk: Desk, server: LocalServer) -> None:
    """A run whose stream was cut goes on without it."""
    server.reply("one two three")
    server.script.cut(after=8)
    stream = desk.run(stream=True)
    with pytest.raises(openai.APIError):
        list(stream)
    deadline = time.monotonic() + 15
    while desk.texts() != ["one two three"] and time.monotonic() < deadline:
        pass
    (run,) = desk.beta.threads.runs.list(desk.thread.id).data
    assert run.status == "completed"


@contextmanager
def read_and_kept(desk: Desk) -> Iterator[str]:
    """The id of a run whose stream has been read to its last word, but whose connection stands."""
    url = desk.base_url
    with closing(http.client.HTTPConnection(url.host, url.port, timeout=10)) as connection:
        connection.request(
            "POST",
            f"{url.path}threads/{desk.thread.id}/runs",
            json.dumps({"assistant_id": desk.assistant.id, "stream": True}),
            {
                "Authorization": "Bearer x",
                "Content-Type": "application/json",
                "OpenAI-Beta": "assistants=v2",
            },
        )
        answer = connection.getresponse()
        lines = list(iter(answer.readline, b"data: [DONE]\n"))
        created = next(line for line in lines if b'"thread.run"' in line)
        yield json.loads(created.removeprefix(b"data: "))["id"]


def test_a_stream_that_was_read_holds_nothing_up(desk: Desk, server: LocalServer) -> None:
    """After a stream's last word the run is free, though the server still has its connection."""
    server.reply(server.call("weather"))
    runs, place = desk.beta.threads.runs, {"thread_id": desk.thread.id}
    with read_and_kept(desk) as run_id:
        assert runs.cancel(run_id, **place).status == "cancelling"
        assert runs.retrieve(run_id, **place).status == "cancelled"


def test_a_stream_takes_nothing_from_the_next() -> None:
    """A connection that goes late leaves a run alone that has gone on in another stream."""
    with (
        LocalServer(voice="tones", speed=20) as paced,
        openai.OpenAI(base_url=paced.url, api_key="x", timeout=10) as client,
    ):
        desk = Desk(client)
        text = " ".join(["word"] * 80)
        paced.reply(paced.call("weather"), text)
        place: Any = {"thread_id": desk.thread.id}
        with read_and_kept(desk) as run_id:
            run = desk.beta.threads.runs.retrieve(run_id, **place)
            going = iter(
                desk.beta.threads.runs.submit_tool_outputs(
                    run_id, tool_outputs=outputs(run), stream=True, **place
                )
            )
            seen = [next(going)]
        deadline = time.monotonic() + 15
        # each look lets go on what no stream drives
        while desk.found(run).status != "completed" and time.monotonic() < deadline:
            pass
        seen += going
    said = [one.data.delta.content[0].text.value for one in seen if "message.delta" in one.event]
    assert "".join(said) == text


def test_a_stream_ends_with_its_part(desk: Desk, server: LocalServer) -> None:
    """A run that has gone on in the next stream does not in the one before, which looks late."""
    server.reply(server.call("weather"), "one two")
    runs = vars(server)["_desk"]._texts._runs
    run = runs._runs[desk.run().id]
    steps, _ = run.flow()
    for _, make in steps:
        make()
        if run.wire["status"] == "requires_action":
            break
    waiting = run.wire["required_action"]["submit_tool_outputs"]["tool_calls"]
    run.submit({call["id"]: "rain" for call in waiting}, time.monotonic())
    following, _ = run.flow()
    assert [one["event"] for _, make in steps for one in make()] == ["done"]
    said = [one["event"] for _, make in following for one in make()]
    assert said[-2:] == ["thread.run.completed", "done"]


def test_thread_and_run(desk: Desk, client: openai.OpenAI) -> None:
    """A thread and its run can be made in one call, additional messages with them."""
    said: Any = {"messages": [{"role": "user", "content": "hello"}]}
    seen = judged(
        client.beta.threads.create_and_run(
            assistant_id=desk.assistant.id, thread=said, stream=True, instructions="Be brief."
        )
    )
    assert [seen[0].event, seen[-1].event] == ["thread.created", "thread.run.completed"]
    assert seen[-1].data.instructions == "Be brief."
    more: Any = [{"role": "user", "content": "count to 3"}]
    desk.streamed(additional_messages=more, additional_instructions="Slowly.")
    assert desk.texts() == ["count to 3", "1, 2, 3."]


def test_the_header_is_wanted(server: LocalServer, client: openai.OpenAI) -> None:
    """Without the header of the API's second version it is not to be had."""
    with pytest.raises(openai.BadRequestError, match="OpenAI-Beta"):
        client.post("/threads", cast_to=object, body={})


def test_runs_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that waits for outputs longer than ten minutes expires, and takes none any more."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with LocalServer(speed=None, voice="tones") as server:
        client = openai.OpenAI(base_url=server.url, api_key="x", max_retries=0, timeout=10)
        desk = Desk(client)
        server.reply(server.call("weather"))
        run = desk.streamed()[-1].data
        now[0] += 601
        assert desk.found(run).status == "expired"
        with pytest.raises(openai.BadRequestError, match='Runs in status "expired"'):
            desk.beta.threads.runs.submit_tool_outputs(
                run.id, thread_id=desk.thread.id, tool_outputs=outputs(run)
            )
        desk.say()
        client.close()


def test_a_run_that_has_ended_does_not_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nobody has asked for anything since its stream, until its time would be over."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with (
        LocalServer(speed=None, voice="tones") as server,
        openai.OpenAI(base_url=server.url, api_key="x", max_retries=0, timeout=10) as client,
    ):
        desk = Desk(client)
        run = desk.streamed()[-1].data
        now[0] += 601
        assert desk.found(run).status == "completed"


def test_the_oldest_runs_are_forgotten(
    desk: Desk, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that runs for long does not keep every run."""
    monkeypatch.setattr("realtime_sync.local.text.runs._KEPT", 3)
    runs = [desk.streamed()[-1].data for _ in range(5)]
    assert [one.id for one in desk.beta.threads.runs.list(desk.thread.id)] == [
        one.id for one in runs[:1:-1]
    ]
    with pytest.raises(openai.NotFoundError):
        desk.found(runs[0])
