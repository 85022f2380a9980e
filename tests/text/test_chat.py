"""What a chat says, hears and keeps, over a scripted API.

What is known to go wrong in another client of this kind, intentional's, and what shows that it does
not here: the id of a chunk for that of a call, and the arguments of parallel calls run together
(`test_parallel_calls`); words before a call lost (`test_text_before_a_call_is_kept`); a chunk of
usage alone taken for an answer (`test_usage`); tools tagged twice
(`test_tools_as_the_api_has_them`); events of a turn unbalanced
(`test_a_turn_has_one_beginning_and_one_end`); a router that goes round for ever
(`test_routing.test_at_most_five_hops`); errors as they come, and the user's message lost or left
without an answer (`test_failures`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import Item, items, tool
from realtime_sync.errors import ConfigurationError
from realtime_sync.text import ChatSession

from .api import USAGE, Api, called, chunk, events, said, streamed, tool_call

Chat = Callable[..., ChatSession]


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def roles(chat: ChatSession) -> list[str]:
    """What stands in the history, in short."""
    return [item.role or item.type for item in chat.history]


def test_ask(api: Api, chat: Chat) -> None:
    """ask() gives the answer; what was said and answered is the history, and goes along next."""
    api.plan(said("Good ", "day."), said("Bye."))
    session = chat(instructions="Be brief.")
    response = session.ask("Hello!")
    assert (response.text, response.status) == ("Good day.", "completed")
    assert [item.text for item in session.history] == ["Hello!", "Good day."]
    session.ask("Bye!")
    assert api.requests[-1]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "Bye!"},
    ]
    assert api.requests[-1]["model"] == "gpt-text"
    assert "tools" not in api.requests[-1]


def test_stream(api: Api, chat: Chat) -> None:
    """stream() gives the text as it comes, over all rounds."""
    api.plan(called(("c1", "add", {"a": 1, "b": 2}), text="Let me see."), said("It ", "is 3."))
    stream = chat(tools=[add]).stream("1 + 2?")
    assert list(stream) == ["Let me see.", "It ", "is 3."]
    assert stream.response is not None
    assert stream.response.text == "It is 3."


def test_rounds(api: Api, chat: Chat) -> None:
    """rounds() gives each message, call and output."""
    api.plan(called(("c1", "add", {"a": 1, "b": 2}), text="Let me see."), said("3."))
    given = list(chat(tools=[add]).rounds("1 + 2?"))
    assert [item.type for item in given] == [
        *("message", "function_call", "function_call_output", "message")
    ]
    assert all(isinstance(item, Item) for item in given)


def test_text_before_a_call_is_kept(api: Api, chat: Chat) -> None:
    """What the model says before it calls stands in the history, beside the call."""
    api.plan(called(("c1", "add", {"a": 1, "b": 2}), text="Let me see."), said("3."))
    session = chat(tools=[add])
    session.ask("1 + 2?")
    message = api.requests[-1]["messages"][-2]
    assert (message["role"], message["content"]) == ("assistant", "Let me see.")
    assert [call["id"] for call in message["tool_calls"]] == ["c1"]


def test_parallel_calls(api: Api, chat: Chat) -> None:
    """Calls whose pieces come interleaved are put together by index, each with its own id."""
    api.plan(called(("call_a", "add", {"a": 1, "b": 2}), ("call_b", "add", {"a": 30, "b": 4})))
    session = chat(tools=[add])
    session.ask("Both, please.")
    calling, first, second = api.requests[-1]["messages"][-3:]
    assert [json.loads(c["function"]["arguments"]) for c in calling["tool_calls"]] == [
        {"a": 1, "b": 2},
        {"a": 30, "b": 4},
    ]
    assert [(m["tool_call_id"], m["content"]) for m in (first, second)] == [
        ("call_a", "3"),
        ("call_b", "34"),
    ]


def test_calls_without_an_index(api: Api, chat: Chat) -> None:
    """A server that numbers no call, or all of them alike, is understood by ids and names."""
    for index in (None, 0):
        one = chunk(tool_call(index, "x1", "add", '{"a": 1, "b": 1}'))
        two = chunk(tool_call(index, "x2", "add", '{"a": 2, "b": 2}'))
        api.plan(streamed(one, two, chunk(finish="tool_calls")))
        session = chat(tools=[add])
        session.ask("Both, please.")
        outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
        assert outputs == ["2", "4"]


@pytest.mark.parametrize("index", [None, 0])
@pytest.mark.parametrize("apart", [True, False])
def test_calls_without_ids(api: Api, chat: Chat, index: int | None, apart: bool) -> None:
    """Two whole calls are two, though nothing but their order tells them apart."""
    calls = [tool_call(index, None, "add", json.dumps({"a": n, "b": 1})) for n in (1, 2)]
    if not apart:
        calls = [{"tool_calls": [call for delta in calls for call in delta["tool_calls"]]}]
    api.plan(streamed(*map(chunk, calls), chunk(finish="tool_calls")))
    chat(tools=[add]).ask("Both, please.")
    outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
    assert outputs == ["2", "3"]


def test_output_that_comes_at_the_end(api: Api, chat: Chat) -> None:
    """A server of the Responses API that streams no pieces is understood, text and calls."""
    part = {"type": "output_text", "text": "Done.", "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "add"}
    call["arguments"] = '{"a": 1, "b": 2}'
    ended = {"id": "r", "object": "response", "status": "completed"}
    api.plan(events({"type": "response.completed", "response": {**ended, "output": [call]}}))
    api.plan(events({"type": "response.completed", "response": {**ended, "output": [message]}}))
    told = {"type": "response.output_item.done", "output_index": 0, "item": message}
    end = {"type": "response.completed", "response": {**ended, "output": [message]}}
    api.plan(events(told, end))
    session = chat(api="responses", tools=[add])
    assert session.ask("Add.").text == "Done."
    assert session.ask("Again.").text == "Done."
    assert [item.output for item in session.history if item.output] == ["3"]


def test_several_choices(api: Api, chat: Chat) -> None:
    """Of several choices, whose chunks come by turns, the first is the answer."""
    told = [chunk({"content": piece}) for piece in "aAbB"]
    told += [chunk(finish="stop") for _ in "aA"]
    for at, one in enumerate(told):
        one["choices"] = [{**one["choices"][0], "index": at % 2}]
    api.plan(streamed(*told))
    assert chat(n=2).ask("Hello!").text == "ab"


def test_content_in_parts(api: Api, chat: Chat) -> None:
    """Text that comes as a list of parts is text; thoughts among them are none."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    parts = [thought, {"type": "text", "text": "Yes."}]
    api.plan(streamed(chunk({"content": parts}), chunk(finish="stop")))
    assert chat().ask("Hello!").text == "Yes."


@pytest.mark.parametrize("call_id", [None, "x1"])
def test_a_name_in_each_piece(api: Api, chat: Chat, call_id: str | None) -> None:
    """A server that tells a call's name with each piece of it has called once."""
    pieces = [tool_call(0, call_id, "add", piece) for piece in ('{"a": 1,', ' "b": 1}', "")]
    api.plan(streamed(*map(chunk, pieces), chunk(finish="tool_calls")))
    chat(tools=[add]).ask("Once, please.")
    outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
    assert outputs == ["2"]


def test_an_id_that_comes_late(api: Api, chat: Chat) -> None:
    """A call whose id comes with a later piece is one call."""
    pieces = [tool_call(0, None, "add", '{"a": 1,'), tool_call(0, "x1", "add", ' "b": 1}')]
    api.plan(streamed(*map(chunk, pieces), chunk(finish="tool_calls")))
    chat(tools=[add]).ask("Once, please.")
    outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
    assert outputs == ["2"]


def test_arguments_that_are_read_already(api: Api, chat: Chat) -> None:
    """A server that sends arguments as an object, not as JSON text, is understood."""
    (call,) = tool_call(0, "x1", "add")["tool_calls"]
    call["function"]["arguments"] = {"a": 1, "b": 1}
    api.plan(streamed(chunk({"tool_calls": [call]}), chunk(finish="tool_calls")))
    chat(tools=[add]).ask("Once, please.")
    outputs = [m["content"] for m in api.requests[-1]["messages"] if m["role"] == "tool"]
    assert outputs == ["2"]


def test_ids_that_come_again(api: Api, chat: Chat) -> None:
    """A server that counts its calls from 0 in each response has each of them run."""
    api.plan(*[called(("call_0", "add", {"a": n, "b": 0})) for n in (1, 2)], said("Done."))
    session = chat(tools=[add])
    assert session.ask("Twice, please.").text == "Done."
    outputs = [item.output for item in session.history if item.type == "function_call_output"]
    assert outputs == ["1", "2"]
    told = [m for m in api.requests[-1]["messages"] if m["role"] in ("assistant", "tool")]
    for calling, answer in zip(told[::2], told[1::2], strict=True):
        assert calling["tool_calls"][0]["id"] == answer["tool_call_id"]


def test_tools_as_the_api_has_them(api: Api, chat: Chat) -> None:
    """A tool is tagged once, and its schema is what the function's hints say."""
    chat(tools=[add]).ask("Hello!")
    (told,) = api.requests[-1]["tools"]
    assert told.keys() == {"type", "function"}
    assert told["function"].keys() == {"name", "description", "parameters"}
    assert told["function"]["parameters"]["required"] == ["a", "b"]


def test_usage(api: Api, chat: Chat) -> None:
    """A chunk of usage alone is no answer; what it counts is the response's and the session's."""
    usage = {
        **USAGE,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    last = {**chunk(), "choices": [], "usage": usage}
    api.plan(streamed(chunk({"content": "Hi."}), chunk(finish="stop"), last))
    session = chat()
    response = session.ask("Hello!")
    assert response.text == "Hi."
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 3)
    session.ask("Hello!")
    assert (session.usage.total_tokens, session.usage.cached_tokens) == (20, 4)
    assert api.requests[-1]["stream_options"] == {"include_usage": True}
    session.ask("Hello!", stream_options=None)
    assert "stream_options" not in api.requests[-1]


def test_options(api: Api, chat: Chat) -> None:
    """Options of the API go along as they are, 0 too; those of ask() beat the session's."""
    session = chat(temperature=0, top_p=0.5, seed=0)
    session.ask("Hello!")
    assert {n: api.requests[-1][n] for n in ("temperature", "top_p", "seed")} == {
        "temperature": 0,
        "top_p": 0.5,
        "seed": 0,
    }
    session.ask("Hello!", temperature=1.5, response_format={"type": "json_object"}, max_tokens=9)
    assert api.requests[-1]["temperature"] == 1.5
    assert api.requests[-1]["response_format"] == {"type": "json_object"}
    assert api.requests[-1]["max_tokens"] == 9
    session.update(temperature=0.25)
    session.ask("Hello!")
    assert (api.requests[-1]["temperature"], api.requests[-1]["top_p"]) == (0.25, 0.5)
    session.ask("Hello!", model="gpt-other", instructions="Shout.", max_output_tokens=5000)
    assert api.requests[-1]["model"] == "gpt-other"
    assert api.requests[-1]["messages"][0] == {"role": "system", "content": "Shout."}
    assert api.requests[-1]["max_completion_tokens"] == 5000
    with pytest.raises(ConfigurationError, match=r"^temprature|temprature"):
        session.ask("Hello!", temprature=1)
    with pytest.raises(ConfigurationError, match=r"^stop: it goes to the API as JSON"):
        session.ask("Hello!", stop=object())
    with pytest.raises(ConfigurationError, match=r"^voice: a text model is not heard"):
        session.ask("Hello!", voice="marin")


def test_tool_choice(api: Api, chat: Chat) -> None:
    """The tool to call is named as each API has it, for the first response of a turn only."""
    api.plan(called(("c1", "add", {"a": 1, "b": 2})), said("3."))
    choice = {"type": "function", "name": "add"}
    chat(tools=[add]).ask("1 + 2?", tool_choice=choice)
    assert api.requests[0]["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert "tool_choice" not in api.requests[1]


def test_images(api: Api, chat: Chat) -> None:
    """An image's address goes to the API unchanged; bytes go as a data URI."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    url = "https://example.org/a%20b.webp?x=1&y=2#z"
    session = chat()
    session.ask("What is it?", image=url, detail="low")
    seen, asked = api.requests[-1]["messages"][-1]["content"]
    assert seen == {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    assert asked == {"type": "text", "text": "What is it?"}
    session.ask(image=png)
    (seen,) = api.requests[-1]["messages"][-1]["content"]
    assert seen["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert session.delete_uploaded() == ()  # nothing was uploaded: it goes along each time
    again = chat(history=session.export())
    assert again.history[0].content == session.history[0].content


def test_audio_is_refused(chat: Chat) -> None:
    """A text model hears nothing: that is said before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"^audio: a text model hears nothing"):
        chat().ask(audio=b"\0\0")


def test_a_realtime_model_is_refused(api: Api) -> None:
    """The name of a realtime model names the class that talks to it."""
    with pytest.raises(ConfigurationError, match=r"RealtimeSession\('gpt-realtime-2.1'\)"):
        ChatSession("gpt-realtime-2.1", base_url=api.url)
    with pytest.raises(ConfigurationError, match=r"^model: a name is needed"):
        ChatSession(" ", base_url=api.url)


def test_history_is_taken(api: Api, chat: Chat) -> None:
    """history= takes what conversation.create takes, and export() gives."""
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": '{"a":1,"b":2}'}
    given: list[Any] = [
        *("Hello!", items.assistant("Hi."), items.system("It rains.")),
        *(call, items.function_output("c", "3"), items.assistant("3.")),
    ]
    session = chat(history=given)
    kinds = ["user", "assistant", "system", "function_call", "function_call_output", "assistant"]
    assert roles(session) == kinds
    session.ask("And now?")
    assert [m["role"] for m in api.requests[-1]["messages"]] == [
        *("user", "assistant", "system", "assistant", "tool", "assistant", "user")
    ]
    assert roles(chat(history=session.export())) == [*kinds, "user", "assistant"]
    with pytest.raises(ConfigurationError, match=r"history\[0\].*has no output"):
        chat(history=[call])


def test_messages_are_taken(api: Api, chat: Chat) -> None:
    """history= takes messages as chat completions have them, too: they go out as they came in."""
    url = {"url": "https://example.org/a.png", "detail": "low"}
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    given: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "1 + 2?"},
                {"type": "image_url", "image_url": url},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "assistant", "content": "3."},
    ]
    session = chat(history=given)
    session.ask("And now?")
    assert api.requests[-1]["messages"] == [*given, {"role": "user", "content": "And now?"}]
    wrong: list[tuple[Any, str]] = [
        ([{"role": "nobody", "content": "x"}], r"history\[0\].role"),
        ([{"role": "tool", "content": "x"}], r"history\[0\]"),
        ([{"role": "assistant", "tool_calls": [{}]}], r"history\[0\]"),
        ([{"role": "assistant", "tool_calls": [5]}], r"history\[0\]"),
        ([{"role": "user", "content": 5}], r"history\[0\]"),
        ([{"role": 5, "content": "x"}], r"history\[0\]"),
        ([{"role": "user", "content": [{"type": "file"}]}], r"history\[0\].content\[0\].type"),
        ({"role": "user", "content": "x"}, r"history: a list"),
        (["x", 5], r"history\[1\]"),
    ]
    for history, words in wrong:
        with pytest.raises((ConfigurationError, TypeError), match=words):
            chat(history=history)


def test_events(api: Api, chat: Chat) -> None:
    """The events of a turn are those of a Realtime session."""
    api.plan(called(("c1", "add", {"a": 1, "b": 2})), said("3."))
    session = chat(tools=[add], dispatcher="manual")
    told: list[str] = []
    for kind in ("response.created", "response.output_text.delta", "response.done", "tool.*"):
        session.on(kind, lambda event: told.append(event.type))
    session.ask("1 + 2?")
    while session.pump(0):
        pass
    assert told == [
        *("response.created", "response.done", "tool.started", "tool.finished"),
        *("response.created", "response.output_text.delta", "response.done"),
    ]


def test_a_wire_dict_is_only_reported(api: Api, chat: Chat) -> None:
    """A tool given as a dict is not run: submit_tool_output() answers it."""
    api.plan(called(("c1", "look", {})), said("Thanks."))
    session = chat(tools=[{"type": "function", "name": "look", "parameters": {}}])
    response = session.ask("Look!")
    (call,) = response.function_calls
    assert (call.call_id, call.name, call.arguments) == ("c1", "look", "{}")
    with session.expect("response.done") as done:
        session.submit_tool_output("c1", "a tree")
    done.result(timeout=10)
    assert session.history[-1].text == "Thanks."


def test_max_rounds(api: Api, chat: Chat) -> None:
    """After max_rounds of calls one last response runs without tools."""
    api.plan(*[called((f"c{n}", "add", {"a": n, "b": 0})) for n in range(2)], said("Enough."))
    assert chat(tools=[add]).ask("Go on.", max_rounds=2).text == "Enough."
    assert [r.get("tool_choice") for r in api.requests] == [None, None, "none"]


def test_ends_that_are_no_failure(api: Api, chat: Chat) -> None:
    """A response that stops early is incomplete, and says why."""
    api.plan(said("One, tw", finish="length"), said("One, f", finish="content_filter"))
    for reason in ("max_output_tokens", "content_filter"):
        response = chat().ask("Count!")
        assert response.status == "incomplete"
        assert response.status_details is not None
        assert response.status_details.reason == reason


def test_a_refusal_is_shown(api: Api, chat: Chat) -> None:
    """What a model says in refusing is text like any other."""
    api.plan(streamed(chunk({"refusal": "I cannot."}), chunk(finish="stop")))
    assert chat().ask("Do!").text == "I cannot."


def test_nested(api: Api, chat: Chat) -> None:
    """A tool may ask the same session: it does not wait for itself."""
    session: ChatSession

    @tool
    def think() -> str:
        """Thinks."""
        return session.ask("What do you think?").text

    api.plan(called(("c1", "think", {})), said("Green."), said("Green it is."))
    session = chat(tools=[think])
    assert session.ask("Which colour?").text == "Green it is."
    assert [m["content"] for m in api.requests[1]["messages"]] == [
        *("Which colour?", "What do you think?")
    ]


def test_importing_brings_no_client() -> None:
    """Neither importing the room nor making a chat loads the openai package."""
    code = (
        "import sys\nfrom realtime_sync.text import ChatSession\n"
        "ChatSession('m', base_url='http://127.0.0.1:9')\nprint('openai' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_turn_has_one_beginning_and_one_end(api: Api, chat: Chat) -> None:
    """However many rounds and hidden moves, events are balanced: per response, and per turn."""
    from realtime_sync import StageRouter

    from .test_routing import BAKERY, move, price_of

    api.plan(called(("c1", "price_of", {"cake": "plum"})), called(move("ordered")), said("4.20."))
    session = chat(tools=[price_of], router=StageRouter(BAKERY))
    with session.events("response.created", "response.done", "turn.*", timeout=10) as events:
        session.ask("A cake.")
        told = [next(events).type for _ in range(8)]
    assert told == [
        *("response.created", "turn.started", "response.done"),
        *("response.created", "response.done", "response.created", "response.done"),
        "turn.ended",
    ]
