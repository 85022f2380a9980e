"""A conversation goes on as voice, and as text again: with history, tools and stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pipe import LIMIT, Line

from realtime_sync import McpTool, RealtimeSession, StageRouter, Tool, tool
from realtime_sync.local import LocalServer
from realtime_sync.text import ChatSession

from .api import Api, called, responded, said
from .test_routing import BAKERY, move, price_of

Chat = Callable[..., ChatSession]

MESSAGES = ["message", "function_call", "function_call_output", "message"]


def kinds(session: ChatSession | RealtimeSession) -> list[str]:
    return [item.type for item in session.conversation.items]


def test_to_realtime(api: Api, chat: Chat, server: LocalServer) -> None:
    """History, instructions, tools and approver go along, and run there as they did here."""
    asked: list[str] = []

    @tool(needs_approval=True)
    def order(cake: str) -> str:
        """Orders a cake."""
        return f"{cake} ordered"

    def approver(event: Any) -> bool:
        asked.append(event.call_id)
        return True

    api.plan(called(("c1", "order", {"cake": "plum"}), text="Yes."), said("Done."))
    session = chat(instructions="Be brief.", tools=[order], approver=approver)
    session.ask("A plum cake.")
    server.reply(server.call("order", cake="apple"), "Apple, too.")
    place = {"endpoint": server.endpoint, "output_modalities": ["text"]}
    with session.to_realtime(**place) as voice:
        assert voice.config.instructions == "Be brief."
        assert kinds(voice) == ["message", *MESSAGES]
        assert [i.id for i in voice.conversation.items] == [i.id for i in session.history]
        assert voice.ask("And an apple cake.").text == "Apple, too."
        assert "apple ordered" in [item.output for item in voice.conversation.items]
    assert len(asked) == 2
    assert session.ask("Still there?").text == "Hello."  # each lives on by itself
    assert len(session.history) == 7


def test_the_stage_goes_along(api: Api, chat: Chat, server: LocalServer) -> None:
    """The router stands there where it stood here, and each moves on by itself."""
    router = StageRouter(BAKERY)
    api.plan(called(move("ordered")), said("That is 4.20."))
    session = chat(tools=[price_of], router=router, instructions="Be brief.")
    session.ask("A cake.")
    server.reply(server.call("classify_response", outcome="changed"), "What else?")
    place = {"endpoint": server.endpoint, "output_modalities": ["text"]}
    with session.to_realtime(**place) as voice:
        there = voice.router
        assert isinstance(there, StageRouter)
        assert there.stage == "payment"
        assert there.stack == router.stack
        assert str(voice.config.instructions).startswith("Be brief.\n\n")
        assert "Have it paid." in str(voice.config.instructions)
        assert voice.ask("No, wait.").text == "What else?"
        assert there.stage == "order"
        assert voice.tools.names == ("price_of", "classify_response")
        again = voice.to_chat(base_url=api.url)
    assert router.stage == "payment"
    assert isinstance(again.router, StageRouter)
    assert again.router.stage == "order"
    with again:
        again.ask("Hello?")
    assert "Take the order." in api.requests[-1]["messages"][0]["content"]


def test_before_anything(api: Api, chat: Chat, server: LocalServer) -> None:
    """A chat that was never used hands over what it was made with; so does a session."""
    session = chat(history=["Hello!"], tools=[price_of], instructions="Be brief.")
    voice = session.to_realtime(endpoint=server.endpoint)
    assert (voice.state, session.state) == ("new", "new")
    back = voice.to_chat(base_url=api.url)
    with back:
        back.ask()
    assert back.tools.names == ("price_of",)
    assert [m["content"] for m in api.requests[-1]["messages"]] == ["Be brief.", "Hello!"]


def test_to_chat(api: Api, server: LocalServer) -> None:
    """What a realtime session has said and called goes along; what it heard is a transcript."""
    server.reply("Hello there.", server.call("price_of", cake="plum"), "4.20.")
    with RealtimeSession(
        endpoint=server.endpoint, tools=[price_of], instructions="Be brief."
    ) as voice:
        voice.ask("Hello!")
        voice.ask("The price?")
        chat = voice.to_chat("gpt-text", base_url=api.url, temperature=0)
        assert [i.id for i in chat.history] == [i.id for i in voice.conversation.items]
    with chat:
        assert chat.ask("And now?").text == "Hello."
    request = api.requests[-1]
    assert (request["model"], request["temperature"]) == ("gpt-text", 0)
    assert [(m["role"], m.get("content")) for m in request["messages"]] == [
        ("system", "Be brief."),
        ("user", "Hello!"),
        ("assistant", "Hello there."),
        ("user", "The price?"),
        ("assistant", None),
        ("tool", "4.2"),
        ("assistant", "4.20."),
        ("user", "And now?"),
    ]
    assert request["tools"][0]["function"]["name"] == "price_of"


def test_speech_goes_as_its_words(line: Line, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """User audio goes along as its transcript, also where it was kept; without one it stays."""
    session, pipe = line.open()
    parts = {
        "i1": {"type": "input_audio", "transcript": "What is it?"},
        "i2": {"type": "input_audio", "transcript": "And this?", "audio": "AAAA"},
        "i3": {"type": "input_audio"},
    }
    with session.expect("conversation.item.done", lambda e: e.item.id == "i3") as told:
        for item_id, part in parts.items():
            item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
            pipe.say({"type": "conversation.item.added", "item": item})
            pipe.say({"type": "conversation.item.done", "item": item})
    told.result(timeout=LIMIT)
    chat = session.to_chat(base_url=api.url)
    assert [item.text for item in chat.history] == ["What is it?", "And this?"]
    assert "item i3 has nothing that could be sent" in caplog.text


def test_tools_of_the_api(line: Line, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """MCP servers stay behind where the API has none, and go along where it has."""
    with_mcp: list[Any] = [
        price_of,
        McpTool("docs", server_url="https://mcp.example.org", require_approval="never"),
    ]
    session = line.session(tools=with_mcp)
    assert session.to_chat(base_url=api.url).tools.names == ("price_of",)
    assert "is left out: chat completions have no such tools" in caplog.text
    api.plan(responded("Hi."))
    with session.to_chat(base_url=api.url, api="responses") as chat:
        assert chat.ask("Hello!").text == "Hi."
        assert chat.tools.names == ("price_of", "docs")
    assert [one["type"] for one in api.requests[-1]["tools"]] == ["function", "mcp"]


def test_images_go_along(api: Api, chat: Chat, server: LocalServer) -> None:
    """A realtime model loads no images: of an address it is told the address."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    session = chat()
    session.ask("This?", image="https://example.org/a.webp")
    session.ask("And this?", image=png)
    place = {"endpoint": server.endpoint, "output_modalities": ["text"]}
    with session.to_realtime(**place) as voice:
        first, _, second, _ = voice.conversation.items
    assert first.text == "[image: https://example.org/a.webp]This?"
    assert second.content is not None
    assert str(second.content[0].image_url).startswith("data:image/png")


def test_long_ids_of_calls(api: Api, chat: Chat, server: LocalServer) -> None:
    """Some servers give calls longer ids than a Realtime server takes: they go along shorter."""

    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    api.plan(called(*[(f"chatcmpl-tool-{n:032}", "add", {"a": n, "b": 1}) for n in (1, 2)]))
    session = chat(tools=[add])
    session.ask("Both, please.")
    place = {"endpoint": server.endpoint, "output_modalities": ["text"]}
    with session.to_realtime(**place) as voice:
        calls = [item for item in voice.conversation.items if item.call_id]
        assert all(len(item.call_id or "") <= 32 for item in calls)
        outputs = {item.call_id: item.output for item in calls if item.output}
        assert [outputs[i.call_id] for i in calls if i.name] == ["2", "3"]
        voice.ask("Hello!")
        with voice.to_chat("gpt-text", base_url=api.url) as back:
            back.ask("Again!")


def test_where_it_goes_on(chat: Chat, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place of its own the other session is at the same server, with the same key."""
    session = chat(api_key="sk-of-this-server")
    voice = session.to_realtime()
    address = voice._setup.endpoint.address({})
    assert address.headers["Authorization"] == "Bearer sk-of-this-server"
    assert address.url == api.url.replace("http", "ws") + "/realtime"
    with voice.to_chat("gpt-text") as back:
        back.ask("Hello!")
    assert api.headers[-1]["authorization"] == "Bearer sk-of-this-server"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    mine = ChatSession("gpt-text", client=object()).to_realtime()  # type: ignore[arg-type]
    assert mine._setup.endpoint.address({}).url.startswith("wss://api.openai.com/")


def test_the_same_tools(chat: Chat, server: LocalServer) -> None:
    """The very tools go along, with all that was said of them."""
    one = Tool(price_of, timeout=3, serial=True)
    session = chat(tools=[one])
    voice = session.to_realtime(endpoint=server.endpoint)
    assert voice.tools.function("price_of") is one
