from __future__ import annotations

import ssl
import threading
from pathlib import Path

import pytest

import realtime_sync
from realtime_sync import Azure, Compatible, OpenAI, RealtimeSession, ReconnectPolicy
from realtime_sync.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    ServerError,
    SessionClosed,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer


def test_public_names() -> None:
    """Every name that the contract lists is importable from the package."""
    names = (
        "RealtimeSession connect SessionConfig ReconnectPolicy OpenAI Azure Compatible NOT_GIVEN "
        "Item items Response tool Tool McpTool ToolError ToolRetry NoReply"
    )
    for name in names.split():
        assert getattr(realtime_sync, name) is not None


def test_construction_starts_nothing() -> None:
    """Making a session does no I/O and starts no thread."""
    before = set(threading.enumerate())
    session = RealtimeSession(base_url="https://nowhere.invalid", api_key="sk-x")
    assert set(threading.enumerate()) <= before  # one of an earlier test may end meanwhile
    assert session.state == "new"
    assert session.id is None
    assert session.expires_at is None
    assert session.conversation.items == ()


def test_the_shortest_session(server: LocalServer) -> None:
    """The example of the contract works."""
    with RealtimeSession(
        "gpt-realtime-2.1",
        endpoint=server.endpoint,
        instructions="Be brief.",
        output_modalities=["text"],
    ) as session:
        assert session.state == "open"
        assert "Hello" in session.ask("Hello!").text
        assert session.id is not None
        assert session.id.startswith("sess")
        assert session.config.instructions == "Be brief."
        assert session.config.model == "gpt-realtime-2.1"
        assert isinstance(session.expires_at, int)
    assert session.state == "closed"


def test_connect(server: LocalServer) -> None:
    """connect() gives an open session."""
    session = realtime_sync.connect("m", endpoint=server.endpoint)
    assert session.state == "open"
    session.close()


@pytest.mark.parametrize(
    ("argument", "variable", "wanted"),
    [("a", "b", "a"), (None, "b", "b"), (None, None, "gpt-realtime-2.1")],
)
def test_model(
    argument: str | None,
    variable: str | None,
    wanted: str,
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model is the argument, else REALTIME_SYNC_MODEL as it is at open(), else the default."""
    session = RealtimeSession(argument, endpoint=peer.endpoint)
    if variable:
        monkeypatch.setenv("REALTIME_SYNC_MODEL", variable)
    with session:
        assert peer.link().path == f"/v1/realtime?model={wanted}"


def test_transcription_intent(peer: Peer) -> None:
    """A transcription session connects with an intent and without a model, and makes no turns."""
    session = RealtimeSession(endpoint=peer.endpoint, config={"type": "transcription"})
    with session:
        assert peer.link().path == "/v1/realtime?intent=transcription"
        for call in (session.ask, session.submit, session.stream, session.response.create):
            with pytest.raises(ConfigurationError):
                call()


def test_key_from_environment(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY and OPENAI_BASE_URL are read when the session opens."""
    url = peer.endpoint._url.replace("ws:", "http:").removesuffix("/v1/realtime")
    session = RealtimeSession()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment\n")
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with session:
        assert peer.link().headers["Authorization"] == "Bearer sk-environment"


@pytest.mark.row("C1")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://example.com/v1"])
def test_no_key(url: str) -> None:
    """Without any key open() raises ConfigurationError, on loopback too, and the state is new."""
    session = RealtimeSession(base_url=url)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        session.open()
    assert session.state == "new"


@pytest.mark.row("F33")
def test_key_function(peer: Peer) -> None:
    """A key function is asked at every connect, on a thread of its own."""
    threads: list[str] = []

    def key() -> str:
        threads.append(threading.current_thread().name)
        return "sk-asked"

    url = peer.endpoint._url
    for _ in range(2):
        with RealtimeSession(api_key=key, base_url=url):
            assert peer.link().headers["Authorization"] == "Bearer sk-asked"
    assert threads == ["realtime-connect"] * 2


@pytest.mark.parametrize("bad", [ValueError("sk-canary"), KeyError("x"), None, "with space"])
def test_key_function_that_fails(bad: object, peer: Peer) -> None:
    """What a key function raises is a failed attempt, and its words, maybe a key, are not shown."""

    def key() -> object:
        if isinstance(bad, Exception):
            raise bad
        return bad

    session = RealtimeSession(api_key=key, base_url=peer.endpoint._url)  # type: ignore[arg-type]
    with pytest.raises((ConfigurationError, ConnectError)) as caught:
        session.open()
    assert "sk-canary" not in repr(caught.value)
    assert session.state == "new"


@pytest.mark.row("C1")
@pytest.mark.parametrize("key", ["", "   ", "sk-\ncanary", "sk-ä", b"sk-canary", 5])
def test_bad_key(key: object) -> None:
    """What cannot be a key is refused at once, without being shown."""
    with pytest.raises(ConfigurationError) as caught:
        RealtimeSession(api_key=key)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)


@pytest.mark.row("C2")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://127.0.0.1:{port}", "/v1/realtime"),
        ("ws://127.0.0.1:{port}/v1", "/v1/realtime"),
        ("http://127.0.0.1:{port}/v1/realtime", "/v1/realtime"),
        ("WS://127.0.0.1:{port}/other/", "/other/realtime"),
    ],
)
def test_base_url(given: str, wanted: str, peer: Peer) -> None:
    """http(s) becomes ws(s), with or without /v1, with or without /realtime."""
    port = peer._server.socket.getsockname()[1]
    with RealtimeSession(api_key="sk-x", base_url=given.format(port=port)):
        assert peer.link().path.split("?")[0] == wanted


@pytest.mark.row("C2")
@pytest.mark.parametrize(
    "arguments",
    [
        {"base_url": "http://example.com", "api_key": "sk-x"},
        {"base_url": "ws://10.0.0.1", "api_key": "sk-x"},
        {"base_url": "nonsense", "api_key": "sk-x"},
        {"base_url": "https://user:pw@example.com", "api_key": "sk-x"},
        {"base_url": "https://example.com:99999", "api_key": "sk-x"},
        {"base_url": "example.com/v1", "api_key": "sk-x"},
        {"base_url": "https:///v1", "api_key": "sk-x"},
        {"base_url": "https://exam\\ple.com/v1", "api_key": "sk-x"},
        {"base_url": "https://exam ple.com/v1", "api_key": "sk-x"},
        {"base_url": "https://example.com/v1#part", "api_key": "sk-x"},
        {"base_url": "https://[::1/v1", "api_key": "sk-x"},
        {"base_url": "ws://[2001:db8::1]/v1", "api_key": "sk-x"},
        {"endpoint": OpenAI("sk-x"), "api_key": "sk-x"},
        {"endpoint": OpenAI("sk-x"), "base_url": "https://example.com"},
        {"endpoint": []},
        {"endpoint": [OpenAI("sk-x"), "https://example.com"]},
        {"endpoint": Azure("https://x.openai.azure.com", "d", "k"), "model": "m"},
        {"model": " "},
        {"dispatcher": "process"},
        {"reconnect": 3},
        {"max_message_size": 0},
        {"ssl_context": True},
        {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)},
        {"proxy": 8080},
        {"proxy": "proxy.example:8080"},
        {"proxy": "ftp://proxy.example:21"},
        {"proxy": "http://proxy.example"},
        {"proxy": "http://proxy.example:99999"},
        {"proxy": "http://proxy.example:80\r\nX: y"},
        {"tools": "add"},
        {"tools": {"type": "function", "name": "x"}},
        {"history": "hello"},
        {"history": {"type": "message"}},
        {"history": 5},
    ],
)
def test_bad_arguments(arguments: dict[str, object]) -> None:
    """Arguments are checked when the session is made."""
    with pytest.raises(ConfigurationError):
        RealtimeSession(**arguments)  # type: ignore[arg-type]


@pytest.mark.row("C4")
@pytest.mark.parametrize("interval", [-1, float("nan"), True, "10"])
def test_bad_ping_interval(interval: object) -> None:
    """A ping interval is seconds from 0 on, or None."""
    with pytest.raises((ValueError, TypeError)):
        RealtimeSession(ping_interval=interval)  # type: ignore[arg-type]


def test_a_password_of_a_proxy_is_not_shown() -> None:
    """The message about a proxy that is none does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        RealtimeSession(api_key="k", proxy="ftp://me:hunter2@proxy.example:21")
    assert "hunter2" not in str(caught.value)


def test_a_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told when the session is made, with the cure."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"realtime_sync\[proxy\]"):
        RealtimeSession(api_key="k", proxy="socks5://127.0.0.1:1080")


@pytest.mark.row("F5", bound="a WARNING where the session is made")
def test_a_context_that_checks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is taken, with a warning; one that checks is taken without a word."""
    RealtimeSession(api_key="k", ssl_context=ssl.create_default_context())
    assert not caplog.records
    context = ssl.create_default_context()
    context.check_hostname = False
    RealtimeSession(api_key="k", ssl_context=context)
    assert "gets the key" in caplog.text


def test_reconnect_is_accepted() -> None:
    """reconnect takes a policy or None."""
    RealtimeSession(reconnect=None)
    RealtimeSession(reconnect=ReconnectPolicy(delays=(1,), renew_every=60))


@pytest.mark.row("C2")
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://[::1]:9/v1", "ws://[::1]:9/v1/realtime"),
        ("wss://[2001:db8::1]:8443/v1", "wss://[2001:db8::1]:8443/v1/realtime"),
    ],
)
def test_addresses_of_version_6(given: str, shown: str) -> None:
    """They are taken in brackets; plain only on loopback, as ever."""
    session = RealtimeSession(api_key="sk-x", base_url=given)
    assert shown in repr(session._setup._endpoints)


@pytest.mark.row("C1")
@pytest.mark.parametrize("key", ["sk-read\n", "sk-read\r\n", "  sk-read "])
def test_a_key_read_from_a_file(key: str, peer: Peer) -> None:
    """Its line break at the end is no part of it."""
    with RealtimeSession(api_key=key, base_url=peer.endpoint._url):
        assert peer.link().headers["Authorization"] == "Bearer sk-read"


@pytest.mark.row("C2")
def test_plain_only_if_asked_for() -> None:
    """A key crosses the network in plain text only with Compatible(allow_plain=True)."""
    with pytest.raises(ConfigurationError):
        Compatible("ws://example.com", api_key="sk-x")
    with pytest.raises(ConfigurationError):
        Compatible("ws://example.com/v1?api-key=sk-x")
    Compatible("ws://example.com", api_key="sk-x", allow_plain=True)
    Compatible("ws://example.com")


def test_compatible_without_key(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compatible without api_key sends none: it never takes OPENAI_API_KEY."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with RealtimeSession(endpoint=Compatible(peer.endpoint._url, headers={"X-A": "b"})):
        headers = peer.link().headers
    assert "Authorization" not in headers
    assert headers["X-A"] == "b"


def test_next_endpoint(peer: Peer, server: LocalServer) -> None:
    """open() tries the endpoints in order; a refusal and a failing key function go to the next."""

    def no_key() -> str:
        raise RuntimeError("the vault is sealed")

    server.script.refuse(503)
    primary = Compatible(peer.endpoint._url, api_key=no_key)
    with RealtimeSession(endpoint=[primary, server.endpoint, peer.endpoint]) as session:
        peer.link()
        assert session.state == "open"


@pytest.mark.row("C12")
def test_open_twice(session: RealtimeSession, server: LocalServer) -> None:
    """On an open session open() returns at once."""
    assert session.open() is session
    assert [e["type"] for e in server.received] == ["session.update"]


@pytest.mark.row("C12")
def test_open_after_close(session: RealtimeSession) -> None:
    """A closed session stays closed."""
    session.close()
    with pytest.raises(SessionClosed):
        session.open()
    assert session.state == "closed"


@pytest.mark.row("C12")
def test_two_threads_share_a_with(make: Opener) -> None:
    """It may be entered twice, and left by another thread than entered: the first exit closes."""
    session = make()
    with session:
        with session:
            leaving = threading.Thread(target=session.__exit__, args=(None, None, None))
            leaving.start()
            leaving.join(15)
            assert session.state == "closed"
        assert session.state == "closed"
    with pytest.raises(SessionClosed), session:
        pass


@pytest.mark.row("C12")
def test_close_before_open(make: Opener) -> None:
    """A session that was never opened can be closed; it stays closed."""
    session = make()
    session.close()
    assert session.state == "closed"
    with pytest.raises(SessionClosed):
        session.open()


@pytest.mark.row("C12")
def test_enter_open_session(session: RealtimeSession) -> None:
    """`with` opens only if not open, and closes at the end."""
    identity = session.id
    with session:
        assert session.id == identity
    assert session.state == "closed"
    with pytest.raises(SessionClosed), session:
        pass


def test_open_waits_for_confirmation(server: LocalServer, make: Opener) -> None:
    """open() returns after the server has confirmed config, tools and history."""

    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    with make(
        instructions="x",
        tools=[add],
        history=["hi", {"role": "assistant", "content": [{"type": "output_text", "text": "yo"}]}],
    ) as session:
        assert session.config.instructions == "x"
        assert session.config.tools[0]["name"] == "add"
        assert [item.text for item in session.conversation.items] == ["hi", "yo"]


def test_nothing_given_nothing_sent(server: LocalServer) -> None:
    """Where no config, tool or history is given, nothing is sent."""
    with RealtimeSession(endpoint=server.endpoint):
        pass
    assert server.received == ()


CALL = {"type": "function_call", "call_id": "x" * 60, "name": "ping", "arguments": "{}"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"voice": "no such voice"},
        {"config": {"temperature": 1}},
        {"history": [CALL, {"type": "function_call_output", "call_id": "x" * 60, "output": ""}]},
    ],
)
def test_refused_setup(arguments: dict[str, object], make: Opener, server: LocalServer) -> None:
    """What the server refuses while opening is a ServerError; the session is as new."""
    session = make(**arguments)
    with pytest.raises(ServerError) as caught:
        session.open()
    assert caught.value.code
    assert session.state == "new"


def test_open_again_after_failure(server: LocalServer, make: Opener) -> None:
    """After a failed open() no thread is left and the next one may work."""
    session = make()
    server.script.refuse(401, "no")
    with pytest.raises(AuthenticationError):
        session.open()
    assert not {t.name for t in threading.enumerate()} & {"realtime-io", "realtime-connect"}
    assert session.open().ask("hello").text


@pytest.mark.row("C5")
def test_calls_before_open(make: Opener) -> None:
    """Calls before open() raise SessionClosed."""
    session = make()
    for call in (
        lambda: session.ask("x"),
        lambda: session.submit("x"),
        lambda: session.stream("x"),
        lambda: session.send({"type": "input_audio_buffer.clear"}),
        lambda: session.request({"type": "input_audio_buffer.clear"}),
        lambda: session.update(voice="ash"),
        lambda: session.update(),
        lambda: session.wait_for("x"),
        lambda: session.expect("x"),
        lambda: session.events(),
        lambda: session.conversation.create("x"),
        lambda: session.response.create(),
        lambda: session.response.cancel(),
        lambda: session.input_audio_buffer.append(b"12"),
        lambda: session.input_audio_buffer.commit(),
        lambda: session.tools.add(lambda: 1),
    ):
        with pytest.raises((SessionClosed, ConfigurationError)):
            call()


def test_environment_is_not_needed(server: LocalServer, make: Opener) -> None:
    """RealtimeSession(endpoint=server.endpoint) needs no key."""
    with make() as session:
        assert session.state == "open"


def test_repr(session: RealtimeSession) -> None:
    """The repr says state, items and responses, in the user's words."""
    session.ask("hello")
    assert repr(session) == "<RealtimeSession open, 2 items>"
    session.close()
    assert repr(session) == "<RealtimeSession closed, 2 items>"


def test_package_has_type_marker() -> None:
    """The package is typed."""
    assert (Path(realtime_sync.__file__).parent / "py.typed").exists()
