"""Where requests go, with which key, and by whose client."""

from __future__ import annotations

import importlib.util
import logging
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from realtime_sync import Azure, Compatible, OpenAI
from realtime_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    RealtimeError,
    ResponseFailed,
)
from realtime_sync.local import LocalServer
from realtime_sync.text import ChatSession

from .api import Api, Handler, chunk, events, refused

Chat = Callable[..., ChatSession]

KEY = "sk-test-of-the-service-0123456789"


def asked(api: Api, **arguments: Any) -> dict[str, str]:
    """The headers of the request that such a chat makes."""
    with ChatSession("gpt-text", max_retries=0, **arguments) as session:
        session.ask("Hello!")
    return api.headers[-1]


def test_a_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key comes from the argument, else from the environment; without any none is sent."""
    assert "authorization" not in asked(api, base_url=api.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert asked(api, base_url=api.url)["authorization"] == f"Bearer {KEY}"
    assert asked(api, base_url=api.url, api_key="sk-mine")["authorization"] == "Bearer sk-mine"
    assert "authorization" not in asked(api, endpoint=Compatible(api.url))
    monkeypatch.setenv("OPENAI_BASE_URL", api.url)
    assert asked(api)["authorization"] == f"Bearer {KEY}"
    assert asked(api, api_key="sk-mine")["authorization"] == "Bearer sk-mine"


def test_a_key_function(api: Api) -> None:
    """A function is asked for the key at every request; what it raises is not shown."""
    keys = iter(["sk-one", "sk-two"])
    with ChatSession("gpt-text", base_url=api.url, api_key=lambda: next(keys)) as session:
        session.ask("Hello!")
        session.ask("Hello!")
        with pytest.raises(ConfigurationError, match="StopIteration"):
            session.ask("Hello!")
        assert len(session.history) == 4
    assert [h["authorization"] for h in api.headers] == ["Bearer sk-one", "Bearer sk-two"]


def test_no_key_at_all() -> None:
    """OpenAI itself wants one: that is said before anything is sent."""
    with pytest.raises(ConfigurationError, match="api_key: none given"):
        ChatSession("gpt-text").ask("Hello!")


@pytest.mark.parametrize(
    "url", ["{root}", "{root}/", "{root}/v1", "{root}/v1/", "{root}/v1/realtime"]
)
def test_urls(api: Api, url: str) -> None:
    """A base URL may be one of a realtime session: http or ws, with or without /v1."""
    root = api.url.removesuffix("/v1")
    for scheme in ("http", "ws"):
        asked(api, base_url=url.format(root=root.replace("http", scheme)))
        assert api.paths[-1] == "/v1/chat/completions"
    asked(api, base_url=f"{root}/openai/deployments/x")
    assert api.paths[-1] == "/openai/deployments/x/chat/completions"


def test_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key goes over the network in plain text, unless it is asked for in words."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    far = "http://192.0.2.1/v1"
    with pytest.raises(ConfigurationError, match="plain text"):
        ChatSession("gpt-text", base_url=far, api_key=KEY)
    with pytest.raises(ConfigurationError, match="plain text"):
        ChatSession("gpt-text", base_url=far).ask("Hello!")
    ChatSession("gpt-text", endpoint=Compatible(far, KEY, allow_plain=True))


def test_endpoints(api: Api, server: LocalServer) -> None:
    """Endpoints are those of RealtimeSession, with their headers and their query."""
    headers = asked(api, endpoint=OpenAI(KEY, api.url, "org-1", "proj-1", headers={"X-A": "b"}))
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")
    assert headers["x-a"] == "b"
    asked(api, endpoint=Compatible(api.url, query={"tenant": "7"}))
    assert api.paths[-1] == "/v1/chat/completions?tenant=7"
    with ChatSession("gpt-text", endpoint=server.endpoint) as session:
        assert session.ask("echo hello").text
    azure = ChatSession("gpt-text", endpoint=Azure("https://x.example.com", "d", KEY))
    azure._service.open()
    assert str(azure._service.client.base_url) == "https://x.example.com/openai/v1/"
    azure.close()
    preview = Azure("https://x.example.com", "d", KEY, api_version="2024-10-01-preview")
    with pytest.raises(ConfigurationError, match="AzureOpenAI"):
        ChatSession("gpt-text", endpoint=preview).ask("Hello!")


def test_options_of_a_request(api: Api, chat: Chat) -> None:
    """extra_headers, extra_query and extra_body go where the openai client puts them."""
    extras: dict[str, Any] = {"extra_headers": {"X-B": "c"}, "extra_query": {"q": "1"}}
    session = chat(extra_body={"top_k": 3})
    session.ask("Hello!", **extras)
    assert api.headers[-1]["x-b"] == "c"
    assert api.paths[-1].endswith("?q=1")
    assert api.requests[-1]["top_k"] == 3
    session.update(extra_headers={"X-Secret": KEY})
    assert KEY not in repr(session.config)


def test_a_client_of_ones_own(api: Api) -> None:
    """An injected client is used as it is, and stays open."""
    client = openai.OpenAI(
        base_url=api.url, api_key=KEY, max_retries=0, default_headers={"X-Mine": "1"}
    )
    headers = asked_with(api, client)
    assert (headers["x-mine"], headers["authorization"]) == ("1", f"Bearer {KEY}")
    asked_with(api, client)  # the first chat has not closed it
    client.close()


def asked_with(api: Api, client: openai.OpenAI) -> dict[str, str]:
    with ChatSession("gpt-text", client=client) as session:
        session.ask("Hello!")
    return api.headers[-1]


def test_a_client_of_another_make(api: Api) -> None:
    """A stand-in that has what is called of the openai client will do, dicts or objects."""

    def told(**body: Any) -> Any:
        seen.append(body)
        piece, last = chunk({"content": "Hi."}), chunk(finish="stop")
        return iter([_object(piece), last])

    seen: list[Any] = []
    completions = SimpleNamespace(create=told)
    client: Any = SimpleNamespace(chat=SimpleNamespace(completions=completions))
    with ChatSession("gpt-text", client=client) as session:
        assert session.ask("Hello!").text == "Hi."
    assert seen[0]["messages"] == [{"role": "user", "content": "Hello!"}]
    assert "extra_headers" not in seen[0]


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _object(inner) for name, inner in value.items()})
    return [_object(inner) for inner in value] if isinstance(value, list) else value


def test_wrong_arguments(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be is said when the chat is made."""
    client = openai.OpenAI(base_url=api.url, api_key=KEY)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"client": client, "api_key": KEY}, r"^client: it has the key"),
        ({"endpoint": OpenAI(KEY), "base_url": api.url}, r"^endpoint: it has the key"),
        ({"endpoint": OpenAI(KEY), "client": client}, r"^client: give it, or endpoint="),
        ({"endpoint": api.url}, r"^endpoint: OpenAI"),
        ({"client": openai.AsyncOpenAI(api_key=KEY)}, r"^client: an openai.OpenAI, not Async"),
        ({"base_url": "ftp://x"}, r"^base_url"),
        ({"api": "assistants"}, r'^api: "chat" or "responses"'),
        ({"api_key": "a b"}, r"^api_key"),
        ({"tools": [{"type": "web_search"}]}, r"none of type 'web_search'.*api=.responses"),
        ({"router": object()}, r"^router"),
        ({"tool_threads": 0}, r"^tool_threads"),
        ({"approver": 1}, r"^approver"),
        ({"turn_detection": "server_vad"}, r"^turn_detection: a text model is not heard"),
        ({"messages": []}, r"^messages: the session makes that itself"),
        ({"stream": False}, r"^stream: the session makes that itself"),
    ]
    for arguments, said in wrong:
        with pytest.raises(ConfigurationError, match=said):
            ChatSession("gpt-text", **arguments)
    client.close()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r'pip install "realtime_sync\[text\]"'):
        ChatSession("gpt-text")


def test_tools_of_the_api(api: Api, chat: Chat) -> None:
    """The Responses API has tools of its own; an MCP server that asks for approval has nobody."""
    from .api import responded

    mcp = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example.org"}
    with pytest.raises(ConfigurationError, match=r"MCP server 'docs'.*never"):
        chat(api="responses", tools=[mcp])
    api.plan(responded("Found."))
    tools = [{"type": "web_search"}, {**mcp, "require_approval": "never"}]
    assert chat(api="responses", tools=tools).ask("Search!").text == "Found."
    assert [one["type"] for one in api.requests[-1]["tools"]] == ["web_search", "mcp"]
    session = chat()
    session.tools.add({"type": "web_search"})
    with pytest.raises(ConfigurationError, match=r"none of type 'web_search'"):
        session.ask("Search!")
    assert session.history == ()


def test_no_key_is_shown(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A key is in no repr, message or log, also where the server repeats it."""
    caplog.set_level(logging.DEBUG)
    api.plan(refused(401, f"Incorrect API key provided: {KEY}"))
    session = ChatSession("gpt-text", base_url=api.url, api_key=KEY, max_retries=0)
    with pytest.raises(AuthenticationError, match="Incorrect API key provided") as caught:
        session.ask("Hello!")
    error: Any = caught.value
    shown = [f"{error!r}{error.body}{error.__context__!r}", repr(session), repr(session._service)]
    shown += [repr(vars(session._service)), repr(session.config)]
    shown += [record.getMessage() for record in caplog.records]
    assert KEY not in "".join(shown)
    session.close()
    client = openai.OpenAI(base_url=api.url, api_key=KEY, max_retries=0)
    api.plan(refused(401, f"Incorrect API key provided: {KEY}"))
    with ChatSession("gpt-text", client=client) as mine:
        with pytest.raises(AuthenticationError) as caught:
            mine.ask("Hello!")
        assert KEY not in f"{caught.value!r}{caught.value.body}"
    client.close()


@pytest.mark.parametrize("kind", ["error", "response.failed"])
def test_no_key_of_a_stream_is_shown(api: Api, chat: Chat, kind: str) -> None:
    """Nor where the server repeats it when the answer has begun."""
    error = {"code": "x", "message": f"not with {KEY}"}
    failed = {"id": "r", "object": "response", "status": "failed", "error": error}
    api.plan(events({"type": kind, **(error if kind == "error" else {"response": failed})}))
    with pytest.raises(ResponseFailed, match="not with …") as caught:
        chat(api="responses", api_key=KEY).ask("Hello!")
    assert KEY not in f"{caught.value!r}{caught.value.message}"


def test_an_option_that_the_client_does_not_know(chat: Chat) -> None:
    """It is named, and how servers of one's own get what they alone know."""
    with pytest.raises(ConfigurationError, match=r"'top_k'.*; .*extra_body=\{"):
        chat().ask("Hello!", top_k=1)


def test_no_redirect_is_followed(api: Api) -> None:
    """A server that sends us elsewhere is not obeyed: neither words nor a key go there."""

    def elsewhere(handler: Handler) -> None:
        handler.begin(307, location=f"http://localhost:{api.url.partition('1:')[2]}/other")
        handler.end()

    api.plan(elsewhere)
    session = ChatSession("gpt-text", base_url=api.url, api_key=KEY, max_retries=0)
    with session, pytest.raises(ConnectError, match=r"307; no redirect is followed") as caught:
        session.ask("Hello!")
    assert caught.value.status == 307
    assert len(api.requests) == 1


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that there is not is an error of ours."""

    def unknown(*_: Any, **__: Any) -> Any:  # where there is no network, nobody says so for long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with ChatSession("gpt-text", base_url="https://nobody.invalid", max_retries=0) as session:
        with pytest.raises(ConnectError, match=r"nobody\.invalid"):
            session.ask("Hello!")
        assert isinstance(session.history, tuple)


def test_repr(api: Api, chat: Chat) -> None:
    """A chat shows its model and how long its history is."""
    session = chat()
    assert repr(session) == "<ChatSession gpt-text, new, 0 items>"
    session.ask("Hello!")
    assert repr(session) == "<ChatSession gpt-text, open, 2 items>"
    assert session.model == "gpt-text"
    with pytest.raises(TypeError, match="does not pickle"):
        session.__reduce__()
    assert issubclass(ConfigurationError, RealtimeError)
