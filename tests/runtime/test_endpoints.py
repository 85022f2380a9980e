"""Where a session connects to, and how it proves who it is."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from pipe import Line

from realtime_sync import Azure, Compatible, OpenAI, RealtimeSession
from realtime_sync.errors import ConfigurationError, ConnectError, RealtimeError
from realtime_sync.runtime.endpoints import clean_key, clean_url, is_loopback

KEY = "sk-canary-0123456789"

# --- keys (C1)


@pytest.mark.parametrize("given", [KEY, f"{KEY}\n", f"  {KEY}\r\n", f"\t{KEY}"])
def test_keys(given: str) -> None:
    """What stands around a key in a file is taken off."""
    assert clean_key(given) == KEY


@pytest.mark.parametrize(
    "given", ["", " ", "\n", "two words", "a\nb", "a\r\nX: y", "schlüssel", "\0"]
)
def test_no_keys(given: str) -> None:
    """What cannot be a key is refused, by name and without showing it."""
    with pytest.raises(ConfigurationError, match=r"^mine: it ") as caught:
        clean_key(given, "mine")
    if given.strip():
        assert given not in str(caught.value)


@pytest.mark.parametrize("given", [b"key", 5, ["key"], object()])
def test_keys_of_another_kind(given: Any) -> None:
    """A key is a string."""
    with pytest.raises(ConfigurationError, match="api_key: a string is needed"):
        OpenAI(given)


def test_an_empty_key_is_none() -> None:
    """An empty key given as an argument is refused where it is given."""
    for make in (OpenAI, RealtimeSession):
        with pytest.raises(ConfigurationError, match="api_key: it is empty"):
            make(api_key="")


# --- URLs (C2)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime"),
        ("https://api.openai.com", "wss://api.openai.com/v1/realtime"),
        ("https://api.openai.com/", "wss://api.openai.com/v1/realtime"),
        ("https://api.openai.com/v1/", "wss://api.openai.com/v1/realtime"),
        ("wss://api.openai.com/v1/realtime", "wss://api.openai.com/v1/realtime"),
        ("WSS://API.OpenAI.com/v1/realtime/", "wss://api.openai.com/v1/realtime"),
        ("http://localhost:8000", "ws://localhost:8000/v1/realtime"),
        ("ws://127.0.0.1:9/x/y", "ws://127.0.0.1:9/x/y/realtime"),
        ("ws://[::1]:9/v1", "ws://[::1]:9/v1/realtime"),
        ("wss://host/realtime", "wss://host/realtime"),
        ("wss://host/v1/realtime?a=b&c=", "wss://host/v1/realtime?a=b&c="),
        ("  https://host/v1\n", "wss://host/v1/realtime"),
        ("https://bücher.example/v1", "wss://xn--bcher-kva.example/v1/realtime"),
        ("https://host/größe", "wss://host/gr%C3%B6%C3%9Fe/realtime"),
        ("https://host/a%20b", "wss://host/a%20b/realtime"),
        ("https://host/v1?a=ö&b=%20", "wss://host/v1/realtime?a=%C3%B6&b=%20"),
    ],
)
def test_urls(given: str, url: str) -> None:
    """http becomes ws; /v1 and /realtime are added where they are missing."""
    assert clean_url(given) == url


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "a URL such as"),
        (None, "a URL such as"),
        (b"https://host", "a URL such as"),
        ("api.openai.com/v1", "must begin with"),
        ("ftp://host", "must begin with"),
        ("https://", "must begin with"),
        ("https:///v1", "must begin with"),
        ("https://user:pw@host/v1", "neither a user name"),
        ("https://user@host/v1", "neither a user name"),
        ("https://@host/v1", "neither a user name"),
        ("https://host/v1#part", "neither a user name"),
        ("https://ho st/v1", "holds spaces"),
        ("https://host/v1\r\nX: y", "holds spaces"),
        ("https://host\\@evil/v1", "holds spaces"),
        ("https://host/v1?a=\x00", "holds spaces"),
        ("https://host:99999/v1", "port"),
        ("https://host:x/v1", "port"),
        ("https://[::1/v1", "url"),
        ("https://a..b/v1", "no host name"),
        (f"https://{'a' * 64}.example/v1", "no host name"),
    ],
)
def test_no_urls(given: Any, why: str) -> None:
    """What cannot be a URL is refused, and the message says why."""
    with pytest.raises(ConfigurationError, match=r"^mine: ") as caught:
        clean_url(given, "mine")
    assert why in str(caught.value)


def test_a_password_is_not_shown() -> None:
    """The message about a user name shows neither it nor the password."""
    with pytest.raises(ConfigurationError) as caught:
        Compatible(f"https://me:{KEY}@host/v1")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "::1"]
)
def test_loopback(host: str) -> None:
    """This machine has several names."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "::",
        "0.0.0.0",
    ],
)
def test_not_loopback(host: str) -> None:
    """Everything else is another machine."""
    assert not is_loopback(host)


# --- a key over plain text


@pytest.mark.parametrize(
    "make",
    [
        lambda url: OpenAI(KEY, url),
        lambda url: OpenAI(None, url),
        lambda url: Compatible(url, KEY),
        lambda url: Azure(url, "d", KEY),
        lambda url: RealtimeSession(api_key=KEY, base_url=url),
        lambda url: RealtimeSession(api_key=lambda: KEY, base_url=url),
    ],
)
def test_no_key_in_plain_text(make: Any) -> None:
    """A key over ws:// to another machine is refused; to this one it may go."""
    for url in ("http://example.com/v1", "ws://10.0.0.1:8000"):
        with pytest.raises(ConfigurationError, match="in plain text"):
            make(url)
    make("http://127.0.0.1:8000/v1")
    make("https://example.com/v1")


def test_plain_text_if_you_must() -> None:
    """Without a key, or when asked for, ws:// is allowed."""
    assert Compatible("ws://example.com").address({}).headers == {}
    allowed = Compatible("ws://example.com", KEY, allow_plain=True).address({})
    assert allowed.headers == {"Authorization": f"Bearer {KEY}"}


def test_the_environment_s_url_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_BASE_URL may not carry a key in plain text either."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://example.com/v1")
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL: a key would cross"):
        OpenAI(KEY).address({})
    with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"):
        OpenAI(KEY).check()


# --- addresses


def test_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI takes key and URL from its arguments, else from the environment, when asked."""
    endpoint = OpenAI()
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        endpoint.check()
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        endpoint.address({})
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    endpoint.check()
    address = endpoint.address({"model": "m"})
    assert address.url == "wss://api.openai.com/v1/realtime?model=m"
    assert address.headers == {"Authorization": f"Bearer {KEY}"}
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example")
    assert endpoint.address({}).url == "wss://proxy.example/v1/realtime"
    assert OpenAI("k", "https://mine").address({}).url == "wss://mine/v1/realtime"


def test_openai_headers() -> None:
    """Organization, project and more headers are sent; yours win."""
    address = OpenAI(
        "k", organization="o", project="p", headers={"X-More": "1", "OpenAI-Project": "q"}
    ).address({})
    assert address.headers == {
        "Authorization": "Bearer k",
        "OpenAI-Organization": "o",
        "OpenAI-Project": "q",
        "X-More": "1",
    }


def test_headers_in_whatever_case() -> None:
    """A header of yours beats ours, however it is written."""
    mine = {"authorization": "Basic x", "openai-beta": "other=v2"}
    assert Compatible("wss://h", KEY, headers=mine).address({}).headers == mine
    assert Compatible("wss://h", KEY, "beta", headers=mine).address({}).headers == mine
    assert OpenAI(KEY, headers=mine).address({}).headers == mine


def test_dialects() -> None:
    """The beta is asked for by its header, which GA servers refuse; nothing else is spoken."""
    ga, beta = Compatible("wss://h"), Compatible("wss://h", dialect="beta")
    assert (ga.dialect, beta.dialect, OpenAI(KEY).dialect) == ("ga", "beta", "ga")
    assert ga.address({}).dialect == "ga"
    assert "OpenAI-Beta" not in ga.address({}).headers
    address = beta.address({"model": "m"})
    assert (address.url, address.dialect) == ("wss://h/v1/realtime?model=m", "beta")
    assert address.headers == {"OpenAI-Beta": "realtime=v1"}
    assert repr(beta) == "<Compatible wss://h/v1/realtime, beta>"
    with pytest.raises(ConfigurationError, match='dialect: "ga" or "beta", not \'alpha\''):
        Compatible("wss://h", dialect="alpha")


@pytest.mark.parametrize("make", [OpenAI, lambda key: Compatible("wss://h", key)])
def test_client_secrets(make: Any) -> None:
    """A client secret is a key like any other."""
    assert make("ek_1").address({}).headers == {"Authorization": "Bearer ek_1"}


def test_queries_are_merged() -> None:
    """The URL's own query stays, ours is added, the endpoint's wins."""
    endpoint = Compatible("wss://h/v1/realtime?a=1&model=x", query={"b": "2 3", "c": "&="})
    assert endpoint.address({"model": "m"}).url == (
        "wss://h/v1/realtime?a=1&model=m&b=2+3&c=%26%3D"
    )
    assert Compatible("wss://h", query={"model": "own"}).address({"model": "m"}).url == (
        "wss://h/v1/realtime?model=own"
    )


@pytest.mark.parametrize("name", ["headers", "query"])
@pytest.mark.parametrize("pairs", [{"a": 1}, {1: "a"}, {"a": None}, {"a": b"b"}])
def test_pairs_are_strings(name: str, pairs: Any) -> None:
    """Headers and query take strings."""
    with pytest.raises(ConfigurationError, match=f"{name}: strings are needed"):
        Compatible("wss://h", **{name: pairs})
    for bad in (["a"], "X: y", 5, b"X: y"):
        with pytest.raises(ConfigurationError, match=f"{name}: a dict of strings is needed, not"):
            Compatible("wss://h", **{name: bad})


def test_compatible_takes_no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compatible without a key sends none, whatever the environment holds."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Compatible("wss://h").address({}).headers == {}


def test_key_functions() -> None:
    """A key function is asked at every connect; what it gives is checked."""
    keys: Iterator[Any] = iter([f"{KEY}\n", "", None])
    endpoint = Compatible("wss://h", lambda: next(keys))
    assert endpoint.address({}).headers == {"Authorization": f"Bearer {KEY}"}
    with pytest.raises(ConfigurationError, match="api_key: it is empty"):
        endpoint.address({})
    with pytest.raises(ConfigurationError, match="not NoneType"):
        endpoint.address({})


# --- what a session does with them


def test_the_environment_is_read_at_open(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, URL and model are looked for when the session opens, not when it is made."""
    session = line.session(endpoint=OpenAI())
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        session.open()
    assert session.state == "new"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1")
    monkeypatch.setenv("REALTIME_SYNC_MODEL", "m-1")
    session.open()
    assert line.dialled == [
        ("ws://localhost:1/v1/realtime?model=m-1", {"Authorization": f"Bearer {KEY}"})
    ]


def test_no_key_on_loopback_either(line: Line) -> None:
    """The default endpoint needs a key on loopback too."""
    session = RealtimeSession(base_url="http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        session.open()
    assert line.dialled == []


@pytest.mark.parametrize("more", [{"api_key": "k"}, {"base_url": "wss://h"}])
def test_two_ways_at_once(more: dict[str, str]) -> None:
    """An endpoint has the key and the URL already."""
    with pytest.raises(ConfigurationError, match="endpoint: it has the key"):
        RealtimeSession(endpoint=Compatible("wss://h"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [[], [1], "wss://h", [Compatible("wss://h"), None]])
def test_no_endpoints(wrong: Any) -> None:
    """An endpoint is one of ours, or several."""
    with pytest.raises(ConfigurationError, match="endpoint: OpenAI"):
        RealtimeSession(endpoint=wrong)


def test_several(line: Line) -> None:
    """Endpoints are tried in order."""
    line.plan(ConnectError("down"))
    session = line.session(endpoint=[Compatible("wss://one"), Compatible("wss://two", KEY)])
    session.open()
    assert [url.partition("/v1")[0] for url, _ in line.dialled] == ["wss://one", "wss://two"]


def test_transcription_names_no_model(line: Line) -> None:
    """A transcription session connects with its intent and without a model."""
    pipe_of = line.session(config={"type": "transcription"})
    line.plan(ConnectError("down"))
    with pytest.raises(ConnectError):
        pipe_of.open()
    assert line.dialled[0][0].endswith("/v1/realtime?intent=transcription")


# --- the canary


def shown(thing: Any, seen: set[int] | None = None) -> str:
    """Everything that repr, str and vars show of a thing, however deep."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return ""
    seen.add(id(thing))
    text = repr(thing) + str(thing)
    inner: list[Any] = []
    if isinstance(thing, dict):
        inner = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset)):
        inner = list(thing)
    elif type(thing).__module__.startswith("realtime_sync"):
        inner = list(getattr(thing, "__dict__", {}).values())
        inner += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
    return text + "".join(shown(one, seen) for one in inner)


@pytest.mark.parametrize(
    "endpoint",
    [
        OpenAI(KEY),
        OpenAI(lambda: KEY, "https://h/v1"),
        Azure("https://h", "d", KEY),
        Azure("https://h", "d", token_provider=lambda: KEY),
        Compatible(f"https://h/v1?key={KEY}", KEY),
    ],
    ids=repr,
)
def test_no_key_is_shown(endpoint: Any) -> None:
    """No repr shows a key, and no endpoint pickles."""
    assert KEY not in repr(endpoint)
    assert KEY not in str(endpoint)
    assert KEY not in repr(endpoint.address({}))
    with pytest.raises(TypeError, match="does not pickle") as caught:
        pickle.dumps(endpoint)
    assert KEY not in str(caught.value)


def test_the_key_is_nowhere(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """A session with a key shows it nowhere: not in vars, however deep, nor in the log."""
    caplog.set_level(logging.DEBUG)
    session = line.session(endpoint=OpenAI(KEY), instructions="x")
    assert KEY not in shown(session)
    line.plan(ConnectError("down"))
    with pytest.raises(ConnectError):
        session.open()
    assert line.dialled[0][1] == {"Authorization": f"Bearer {KEY}"}
    assert KEY not in shown(session)
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(session)
    assert KEY not in caplog.text


def test_a_key_function_that_raises(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """What a key function raises is a failed attempt, and its text, which may be a key, is kept."""

    def broken() -> str:
        raise ValueError(KEY)

    session = line.session(endpoint=OpenAI(broken))
    with pytest.raises(RealtimeError, match="ValueError") as caught:
        session.open()
    assert KEY not in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert session.state == "new"
    assert KEY not in caplog.text


def test_a_key_function_that_exits(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """sys.exit() in a key function is a failed attempt too."""

    def leaving() -> str:
        raise SystemExit("bye")

    session = line.session(endpoint=OpenAI(leaving))
    with pytest.raises(ConnectError, match="SystemExit"):
        session.open(timeout=None)
    assert session.state == "new"
