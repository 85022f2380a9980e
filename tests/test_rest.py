"""Client secrets and calls, against the embedded server and against servers that misbehave."""

from __future__ import annotations

import copy
import gc
import http.server
import json
import logging
import pickle
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import schemas
import trustme
from pipe import LIMIT

from realtime_sync import Azure, Compatible, OpenAI, RealtimeSession, SessionConfig, errors, tool
from realtime_sync.errors import ConfigurationError, ConnectError, ProtocolError
from realtime_sync.local import LocalServer
from realtime_sync.rest import Call, ClientSecret, Rest, call_id_of
from realtime_sync.runtime import clock

Wire = dict[str, Any]

KEY = "sk-secret-0123456789"
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"
)
SECRET = {"value": "ek_1", "expires_at": 1, "session": {"type": "realtime"}}


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"rain in {city}"


@pytest.fixture
def rest(server: LocalServer) -> Iterator[Rest]:
    with Rest(server.endpoint, max_retries=0) as made:
        yield made


class Stub:
    """A server that answers what the test says, and keeps what it was asked."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answer: tuple[int, Any, dict[str, str]] = (200, SECRET, {})
        self.before: Callable[[], object] = lambda: None  # run before each answer
        self.paths: list[str] = []
        self.headers: list[Any] = []
        self.bodies: list[bytes] = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub.paths.append(self.path)
                stub.headers.append(self.headers)
                stub.bodies.append(self.rfile.read(int(self.headers["content-length"] or 0)))
                stub.before()
                status, body, more = stub.answer
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(sent)), **more}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(sent)
                except OSError:
                    pass  # the client has gone

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.host}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(LIMIT)
        self._server.server_close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


def compatible(stub: Stub, key: Any = KEY, **more: Any) -> Rest:
    return Rest(Compatible(stub.url, key, **more), max_retries=0)


# --- client secrets


def test_client_secret(rest: Rest, server: LocalServer) -> None:
    """A secret begins sessions with the configuration that it was made with."""
    secret = rest.client_secret(
        model="gpt-realtime", instructions="Be brief.", output_modalities=["text"], tools=[weather]
    )
    assert secret.value.startswith("ek_")
    assert secret.session.instructions == "Be brief."
    body = server.requests[-1].body
    assert body["expires_after"] == {"anchor": "created_at", "seconds": 600}
    assert body["session"]["type"] == "realtime"
    assert body["session"]["model"] == "gpt-realtime"
    assert body["session"]["tools"][0]["name"] == "weather"
    with RealtimeSession(endpoint=Compatible(server.url, secret.value)) as session:
        assert session.config.instructions == "Be brief."
        assert session.ask("hello").text


def test_client_secret_config(rest: Rest, server: LocalServer) -> None:
    """Flat fields beat the configuration; what only the server sets is not sent back to it."""
    held = rest.client_secret(instructions="a", voice="ash").session
    assert held.id is not None
    rest.client_secret(held, voice="marin", expires_after=None)
    body = server.requests[-1].body
    assert "expires_after" not in body
    assert not {"id", "object", "expires_at"} & set(body["session"])
    assert body["session"]["instructions"] == "a"
    assert body["session"]["audio"]["output"]["voice"] == "marin"


def test_model(rest: Rest, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is the argument's, the configuration's, the environment's, or the default."""
    monkeypatch.setenv("REALTIME_SYNC_MODEL", "of-environment")
    for config, model, sent in (
        ({"model": "b"}, "a", "a"),
        ({"model": "b"}, None, "b"),
        (None, None, "of-environment"),
    ):
        rest.client_secret(config, model=model)
        assert server.requests[-1].body["session"]["model"] == sent
    monkeypatch.delenv("REALTIME_SYNC_MODEL")
    rest.client_secret()
    assert server.requests[-1].body["session"]["model"] == "gpt-realtime-2.1"


def test_transcription_secret(rest: Rest, server: LocalServer) -> None:
    """A transcription session has its model inside."""
    secret = rest.client_secret(type="transcription", transcription="gpt-transcribe")
    assert secret.session.type == "transcription"
    assert server.requests[-1].body["session"] == {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-transcribe"}}},
    }


def test_translation_secret(rest: Rest, server: LocalServer) -> None:
    """A translation session has a target language, and no type in the request."""
    secret = rest.translation_secret("es", transcription="gpt-realtime-whisper")
    assert secret.value.startswith("ek_")
    assert server.requests[-1].path == "/realtime/translations/client_secrets"
    assert server.requests[-1].body["session"] == {
        "model": "gpt-realtime-translate",
        "audio": {
            "input": {"transcription": {"model": "gpt-realtime-whisper"}},
            "output": {"language": "es"},
        },
    }
    config = {"type": "translation", "model": "m", "audio": {"output": {"language": "fr"}}}
    rest.translation_secret(config=config)
    assert server.requests[-1].body["session"] == {"model": "m", "audio": config["audio"]}


def test_nulls(rest: Rest, server: LocalServer) -> None:
    """None is sent where it changes a new session, and left out where it would not."""
    rest.client_secret(turn_detection=None, transcription=None, noise_reduction=None, include=None)
    session = server.requests[-1].body["session"]
    assert session["audio"] == {"input": {"turn_detection": None}}
    assert "include" not in session


# --- calls


def test_create(rest: Rest, server: LocalServer) -> None:
    """An offer is answered, with the id of the call."""
    call = rest.calls.create(OFFER, voice="marin", tools=[weather])
    assert call.id.startswith("rtc_")
    assert call.sdp.startswith("v=0\r\n")
    body = server.requests[-1].body
    assert body["sdp"] == OFFER
    assert body["session"]["audio"] == {"output": {"voice": "marin"}}
    rest.calls.hangup(call.id)
    with pytest.raises(errors.NotFound) as caught:
        rest.calls.hangup(call.id)
    assert caught.value.status == 404
    assert "call_id_not_found" in caught.value.body


def test_create_with_client_secret(rest: Rest, server: LocalServer) -> None:
    """With a client secret the offer goes alone: the session is the secret's own."""
    secret = rest.client_secret(instructions="of the secret")
    with Rest(Compatible(server.url, secret.value)) as other:
        assert other.calls.create(OFFER).id.startswith("rtc_")
    assert server.requests[-1].body == {"sdp": OFFER}
    with openai.OpenAI(api_key=secret.value, base_url=server.url) as client:
        assert Rest(client=client).calls.create(OFFER).id.startswith("rtc_")
    assert server.requests[-1].body == {"sdp": OFFER}


def test_accept(rest: Rest, server: LocalServer) -> None:
    """A call that comes in is accepted with a session, once."""
    call_id = server.incoming_call()
    rest.calls.accept(call_id, instructions="You answer the phone.", tools=[weather])
    request = server.requests[-1]
    assert request.path == f"/realtime/calls/{call_id}/accept"
    assert request.body["type"] == "realtime"
    assert request.body["model"] == "gpt-realtime-2.1"
    assert request.body["tools"][0]["name"] == "weather"
    with pytest.raises(ConnectError, match="answered already") as caught:
        rest.calls.accept(call_id)
    assert caught.value.status == 400


def test_reject_refer(rest: Rest, server: LocalServer) -> None:
    """A call that comes in is turned down; one that is on is passed on."""
    busy, taken = server.incoming_call(), server.incoming_call()
    rest.calls.reject(busy, 486)
    assert server.requests[-1].body == {"status_code": 486}
    rest.calls.accept(taken)
    rest.calls.refer(taken, "tel:+14155550123")
    assert server.requests[-1].body == {"target_uri": "tel:+14155550123"}
    rest.calls.reject(server.incoming_call())
    assert server.requests[-1].body == {"status_code": 603}


@pytest.mark.parametrize(
    "location",
    [
        "/v1/realtime/calls/rtc_u0_E52-KBQ",
        "https://api.openai.com/v1/realtime/calls/rtc_u0_E52-KBQ?x=1",
        "rtc_u0_E52-KBQ",
        "/calls/rtc_u0_E52-KBQ/ ",
    ],
)
def test_call_id_of(location: str) -> None:
    """The id ends the path of a Location, whatever is before and behind it."""
    assert call_id_of(location) == "rtc_u0_E52-KBQ"


@pytest.mark.parametrize("location", ["", "/v1/realtime/calls", "/calls/call_1", "rtc_", None])
def test_no_call_id(location: Any) -> None:
    """A Location without a call is refused."""
    with pytest.raises(ConfigurationError, match="location"):
        call_id_of(location)


# --- what is refused before it is sent


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        (lambda r: r.client_secret(expires_after=9), "expires_after"),
        (lambda r: r.client_secret(expires_after=7201), "expires_after"),
        (lambda r: r.client_secret(expires_after=True), "expires_after"),
        (lambda r: r.client_secret(expires_after=60.0), "expires_after"),
        (lambda r: r.client_secret("alloy"), "config"),
        (lambda r: r.client_secret({"type": "beta"}), "type"),
        (lambda r: r.client_secret(type="translation"), "translation_secret"),
        (lambda r: r.client_secret(type="transcription", model="m"), "model"),
        (lambda r: r.client_secret({"type": "transcription", "model": "m"}), "model"),
        (lambda r: r.client_secret(model=" "), "model"),
        (lambda r: r.client_secret(tools=weather), "tools"),
        (lambda r: r.client_secret(speed=9), "speed"),
        (lambda r: r.client_secret(voice=None), "voice"),
        (lambda r: r.client_secret(temperature=1), "temperature"),
        (lambda r: r.client_secret(timeout=-1), "timeout"),
        (lambda r: r.translation_secret(""), "target_language"),
        (lambda r: r.translation_secret(config={"type": "realtime"}), "type"),
        (lambda r: r.calls.create(b"v=0"), "sdp_offer"),
        (lambda r: r.calls.create("offer"), "sdp_offer"),
        (lambda r: r.calls.create(OFFER, {"type": "transcription"}), "type"),
        (lambda r: r.calls.accept("call_1"), "call_id"),
        (lambda r: r.calls.accept("rtc_1/../x"), "call_id"),
        (lambda r: r.calls.hangup("/v1/realtime/calls/rtc_1"), "call_id_of"),
        (lambda r: r.calls.hangup(None), "call_id"),
        (lambda r: r.calls.reject("rtc_1", 200), "status_code"),
        (lambda r: r.calls.refer("rtc_1", "+1415"), "target_uri"),
        (lambda r: r.calls.refer("rtc_1", "sip:a@b\r\nX: y"), "target_uri"),
    ],
)
def test_refused_unsent(
    rest: Rest, server: LocalServer, wrong: Callable[[Rest], object], names: str
) -> None:
    """A wrong argument is named, and nothing is sent."""
    with pytest.raises((ConfigurationError, TypeError, ValueError), match=names):
        wrong(rest)
    assert not server.requests


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"endpoint": "http://x"}, "endpoint"),
        ({"endpoint": Compatible("http://127.0.0.1"), "api_key": "x"}, "endpoint"),
        ({"api_key": "x", "max_retries": -1}, "max_retries"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"client": "x"}, "client"),
        ({"client": "x", "api_key": "y"}, "client"),
    ],
)
def test_refused_arguments(arguments: Any, names: str) -> None:
    """A wrong argument of Rest itself is named."""
    with pytest.raises(ConfigurationError, match=names):
        Rest(**arguments)


def test_beta() -> None:
    """An endpoint of the beta dialect is refused: its REST calls are others, and switched off."""
    with pytest.raises(ConfigurationError, match="beta"):
        Rest(Compatible("http://127.0.0.1", dialect="beta"))


def test_without_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package openai the error names the extra."""
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigurationError, match=r'pip install "realtime_sync\[text\]"'):
        Rest(api_key="x")


def test_import_is_light() -> None:
    """Importing the room loads no openai."""
    program = "import sys, realtime_sync.rest; sys.exit('openai' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# --- where it goes, and with what key


def test_key_function(stub: Stub) -> None:
    """A key function is asked at every call."""
    keys = iter(("first-key", "second-key"))
    with compatible(stub, lambda: next(keys)) as rest:
        rest.client_secret()
        rest.client_secret()
    assert [h["Authorization"] for h in stub.headers] == ["Bearer first-key", "Bearer second-key"]


def test_key_function_that_raises(stub: Stub) -> None:
    """What a key function raises is told by its kind alone."""

    def broken() -> str:
        raise OSError(KEY)

    with compatible(stub, broken) as rest, pytest.raises(ConfigurationError) as caught:
        rest.client_secret()
    assert "OSError" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_environment(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and URL of the environment are read at the call; a missing key is named."""
    with Rest(max_retries=0) as rest:
        with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
            rest.client_secret()
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", stub.url)
        rest.client_secret()
    assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert stub.paths == ["/v1/realtime/client_secrets"]


def test_endpoints_own(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the endpoint says is sent: no key, organization or proxy of the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with compatible(stub, None, headers={"X-Mine": "1"}, query={"a": "b c"}) as rest:
        rest.client_secret()
    (headers,) = stub.headers
    assert headers["X-Mine"] == "1"
    for name in ("Authorization", "OpenAI-Organization", "OpenAI-Project"):
        assert headers[name] is None
    assert stub.paths == ["/v1/realtime/client_secrets?a=b+c"]
    named = OpenAI(KEY, stub.url, organization="o", project="p")
    with Rest(named) as rest:
        rest.client_secret()
    assert (stub.headers[1]["OpenAI-Organization"], stub.headers[1]["OpenAI-Project"]) == ("o", "p")


def test_azure(stub: Stub) -> None:
    """Azure has its own path, its deployment for a model, and a key or a token."""
    with Rest(Azure(stub.host, "my-deployment", api_key=KEY)) as rest:
        rest.client_secret()
        rest.translation_secret("es")
        with pytest.raises(ConfigurationError, match="deployment"):
            rest.calls.accept("rtc_1", model="m")
    with Rest(Azure(stub.host, "my-deployment", token_provider=lambda: "entra-token")) as rest:
        rest.calls.accept("rtc_1")
    assert stub.paths == [
        "/openai/v1/realtime/client_secrets",
        "/openai/v1/realtime/translations/client_secrets",
        "/openai/v1/realtime/calls/rtc_1/accept",
    ]
    assert (stub.headers[0]["api-key"], stub.headers[0]["Authorization"]) == (KEY, None)
    assert (stub.headers[2]["api-key"], stub.headers[2]["Authorization"]) == (
        None,
        "Bearer entra-token",
    )
    bodies = [json.loads(body) for body in stub.bodies]
    assert bodies[0]["session"]["model"] == "my-deployment"
    assert bodies[1]["session"]["model"] == "my-deployment"
    assert bodies[2]["model"] == "my-deployment"


def test_own_client(stub: Stub) -> None:
    """A client of the caller's brings its key and URL, and stays open."""
    with openai.OpenAI(api_key=KEY, base_url=stub.url, organization="o", max_retries=0) as client:
        with Rest(client=client) as rest:
            assert rest.client_secret().value == "ek_1"
            assert repr(rest) == "<Rest your client>"
        assert not client.is_closed()
        stub.answer = (401, {"error": {"message": f"wrong key {KEY}"}}, {})
        with pytest.raises(errors.AuthenticationError) as caught:
            Rest(client=client).calls.hangup("rtc_1")
    assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert stub.headers[0]["OpenAI-Organization"] == "o"
    assert stub.paths == ["/v1/realtime/client_secrets", "/v1/realtime/calls/rtc_1/hangup"]
    assert KEY not in str(caught.value) + caught.value.body


def test_wrong_client() -> None:
    """Azure's client of the preview is refused, with what would do instead."""
    azure = openai.AzureOpenAI(api_key="x", azure_endpoint="https://x", api_version="1")
    with azure as client, pytest.raises(ConfigurationError, match=r"Rest\(Azure"):
        Rest(client=client)


# --- what can go wrong


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ConnectError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, ConnectError),
    ],
)
def test_refusals(stub: Stub, status: int, kind: type[ConnectError]) -> None:
    """A refusal is our error, with status, body and the server's words, and it pickles."""
    body = {"error": {"message": f"no, {KEY}", "code": "c"}}
    stub.answer = (status, body, {"x-request-id": "req_1"})
    with compatible(stub) as rest, pytest.raises(ConnectError) as caught:
        rest.client_secret()
    error = caught.value
    assert type(error) is kind
    assert error.status == status
    assert '"code": "c"' in error.body
    for part in (f"refused with {status}", "the server says: no, …", "request req_1"):
        assert part in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.status, again.body) == (kind, status, error.body)


def test_page(stub: Stub) -> None:
    """A page of HTML is in the body, not in the message."""
    stub.answer = (502, b"<html>bad gateway</html>", {})
    with compatible(stub) as rest, pytest.raises(ConnectError) as caught:
        rest.client_secret()
    assert caught.value.body == "<html>bad gateway</html>"
    assert "html" not in str(caught.value)


def test_redirect(stub: Stub) -> None:
    """A redirect is not followed: the key would go along."""
    other = Stub()
    try:
        stub.answer = (307, b"", {"Location": other.url})
        with compatible(stub) as rest, pytest.raises(ConnectError, match="redirects"):
            rest.client_secret()
        assert not other.paths
    finally:
        other.close()


def test_no_link() -> None:
    """No server: an error with what the system says, and no status."""
    gone = Stub()
    gone.close()
    with compatible(gone) as rest, pytest.raises(ConnectError, match="refused") as caught:
        rest.client_secret()
    assert caught.value.status is None


def test_broken_off(stub: Stub) -> None:
    """A server that breaks off is told by the kind of the fault alone: its text may quote a key."""
    stub.answer = (200, b"{", {"Content-Length": "9"})
    with compatible(stub) as rest, pytest.raises(ConnectError, match=r"ProtocolError$") as caught:
        rest.client_secret()
    assert caught.value.status is None


def test_tls() -> None:
    """A certificate is checked, by the context given or else by the system's."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    server = Stub(theirs)
    endpoint = Compatible(server.url.replace("http:", "https:"), KEY)
    try:
        with Rest(endpoint, ssl_context=ours) as rest:
            assert rest.client_secret().value == "ek_1"
        with (
            Rest(endpoint, max_retries=0) as rest,
            pytest.raises(ConnectError, match="certificate"),
        ):
            rest.client_secret()
    finally:
        server.close()
    assert len(server.paths) == 1


def test_timeout(stub: Stub) -> None:
    """A silent server is waited for as long as `timeout` says."""
    over = threading.Event()
    stub.before = lambda: over.wait(LIMIT)
    with compatible(stub) as rest:
        with pytest.raises(errors.RealtimeTimeout, match=r"no answer within 0\.05 s"):
            rest.client_secret(timeout=0.05)
        over.set()
        assert rest.client_secret(timeout=None).value == "ek_1"


def test_retries(stub: Stub) -> None:
    """What fails for now is tried again, `max_retries` times."""

    def recover() -> None:
        if len(stub.paths) == 3:
            stub.answer = (200, SECRET, {})

    stub.answer = (503, {}, {"Retry-After": "0.01"})
    stub.before = recover
    with Rest(Compatible(stub.url, KEY)) as rest:
        assert rest.client_secret().value == "ek_1"
    assert len(stub.paths) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"ek_leaked",
        {"value": "ek_leaked"},
        {**SECRET, "value": 7},
        {**SECRET, "value": ""},
        {**SECRET, "expires_at": "ek_leaked"},
        {**SECRET, "session": None},
        {"value": "ek_leaked", "expires_at": 1, "session": "ek_leaked"},
    ],
)
def test_no_secret(stub: Stub, answer: Any) -> None:
    """An answer that is no secret is a ProtocolError that does not quote it."""
    stub.answer = (200, answer, {})
    with compatible(stub) as rest, pytest.raises(ProtocolError) as caught:
        rest.client_secret()
    assert "leaked" not in "".join(traceback.format_exception(caught.value))


def test_no_answer_to_an_offer(stub: Stub) -> None:
    """An answer that is no SDP is a ProtocolError; one without a Location has no id."""
    stub.answer = (201, b"<html>", {})
    with compatible(stub) as rest:
        with pytest.raises(ProtocolError, match="SDP"):
            rest.calls.create(OFFER)
        stub.answer = (201, OFFER.encode(), {})
        assert rest.calls.create(OFFER) == Call("", OFFER)
        stub.answer = (201, OFFER.encode(), {"Location": "/v1/realtime/calls/rtc_1"})
        assert rest.calls.create(OFFER) == Call("rtc_1", OFFER)


def test_key_is_nowhere(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a log, a repr nor anything an exception refers to holds the key."""
    caplog.set_level(logging.DEBUG)
    stub.answer = (401, {"error": f"wrong: {KEY}"}, {"x-request-id": "req_1"})
    with compatible(stub) as rest, pytest.raises(ConnectError) as caught:
        rest.client_secret()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in caplog.text + repr(rest) + repr(rest.calls) + str(error) + str(vars(error))


# --- life


def test_close(stub: Stub) -> None:
    """After close() nothing is sent; closing again is harmless."""
    rest = compatible(stub)
    rest.client_secret()
    rest.close()
    rest.close()
    with pytest.raises(errors.SessionClosed):
        rest.calls.hangup("rtc_1")
    assert len(stub.paths) == 1


def test_forgotten(stub: Stub) -> None:
    """One that is not closed leaves no open socket behind."""
    compatible(stub).client_secret()
    gc.collect()  # a ResourceWarning would fail the test


def test_tap(stub: Stub) -> None:
    """On the I/O thread a call is refused: it would hold up every session."""
    clock.forbidden.add(threading.get_ident())
    try:
        with compatible(stub) as rest, pytest.raises(errors.WouldDeadlock):
            rest.client_secret()
    finally:
        clock.forbidden.discard(threading.get_ident())


def test_threads(rest: Rest, server: LocalServer) -> None:
    """One Rest serves several threads."""
    made: list[ClientSecret] = []
    threads = [threading.Thread(target=lambda: made.append(rest.client_secret())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert len({secret.value for secret in made}) == 8


def test_values() -> None:
    """Values are frozen; what holds a key shows it nowhere and does not pickle."""
    secret = ClientSecret("ek_hidden", 7, SessionConfig(type="realtime"))
    assert repr(secret) == "<ClientSecret realtime, expires at 7>"
    assert repr(Call("rtc_1", "v=0")) == "<Call rtc_1, answer of 3 characters>"
    with pytest.raises(AttributeError):
        secret.value = "x"  # type: ignore[misc]
    for give in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"\.value"):
            give(secret)
    call = Call("rtc_1", "v=0")
    assert pickle.loads(pickle.dumps(call)) == call
    with Rest(api_key=KEY) as rest:
        assert repr(rest) == "<Rest <OpenAI default>>"
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(rest)


def test_secret_in_session(stub: Stub) -> None:
    """A server that repeats the secret inside the session does not get it into a repr."""
    held = {"type": "realtime", "client_secret": {"value": "ek_1"}}
    stub.answer = (200, {**SECRET, "session": held}, {})
    with compatible(stub) as rest:
        assert "ek_1" not in repr(rest.client_secret().session)


# --- schemas and recordings

FIELDS: list[Wire] = [
    {},
    {"instructions": "x", "output_modalities": ["text"], "max_output_tokens": 7},
    {"voice": "marin", "speed": 1.2, "output_format": "audio/pcmu", "input_format": "audio/pcm"},
    {"turn_detection": "semantic_vad", "transcription": "whisper-1"},
    {"turn_detection": None, "transcription": None, "noise_reduction": None},
    {"noise_reduction": {"type": "near_field", "strength": 0.5}, "include": None},
    {"tool_choice": "required", "tools": [weather], "parallel_tool_calls": True},
    {"reasoning": {"effort": "low"}, "truncation": "disabled", "tracing": "auto"},
    {"prompt": {"id": "pmpt_1"}, "tracing": None, "config": {"id": "sess_1", "expires_at": 5}},
]


def _check(name: str, file: str, body: Wire) -> None:
    assert schemas.faults(schemas.load(file)[name], body, closed=True) == []


_UNSENT = [n for n in schemas.load("client_secret.json") if n[:4] == "beta" or "response" in n]


@pytest.mark.parametrize("name", schemas.cases("client_secret.json", *_UNSENT))
def test_secret_schemas(name: str, rest: Rest, server: LocalServer) -> None:
    """Every request for a secret validates."""
    for fields in FIELDS:
        if name == "create.request":
            rest.client_secret(**fields)
        else:
            kept = {k: v for k, v in fields.items() if k in ("transcription", "noise_reduction")}
            rest.translation_secret("es", **kept)
        _check(name, "client_secret.json", server.requests[-1].body)
    if name == "create.request":
        rest.client_secret(type="transcription", transcription="whisper-1", turn_detection=None)
        _check(name, "client_secret.json", server.requests[-1].body)


@pytest.mark.parametrize("name", schemas.cases("calls.json", "webhook.realtime.call.incoming"))
def test_call_schemas(name: str, rest: Rest, server: LocalServer) -> None:
    """Every request about a call validates."""
    call_id = server.incoming_call()
    match name.partition(".")[0]:
        case "create":
            for fields in FIELDS:
                rest.calls.create(OFFER, **fields)
                _check(name, "calls.json", server.requests[-1].body)
        case "accept":
            for fields in FIELDS:
                rest.calls.accept(server.incoming_call(), **fields)
                _check(name, "calls.json", server.requests[-1].body)
        case "reject":
            rest.calls.reject(call_id)
            _check(name, "calls.json", server.requests[-1].body)
        case "refer":
            rest.calls.accept(call_id)
            rest.calls.refer(call_id, "sip:a@example.com")
            _check(name, "calls.json", server.requests[-1].body)


def _recorded() -> list[Any]:
    folder = schemas.TRANSCRIPTS
    if not folder.is_dir():
        missing = pytest.mark.skip(reason=f"{folder} is not here: no recordings to read")
        return [pytest.param("{}", marks=missing, id="recordings")]
    return [
        pytest.param(line, id=f"{path.stem}-{number}")
        for path in sorted(folder.glob("*__*.jsonl"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())
        if line.strip() and "request" in json.loads(line)
    ]


@pytest.mark.parametrize("line", _recorded())
def test_recordings(line: str) -> None:
    """What OpenAI and Azure have answered is read, field by field."""
    response = json.loads(line)["response"]
    if "parsed_body" in response:
        said = response["parsed_body"]
        secret = ClientSecret.of(json.dumps(said).encode(), "recorded")
        assert (secret.value, secret.expires_at) == (said["value"], said["expires_at"])
        assert secret.session.wire() == said["session"]
        return
    (location,) = response["headers"]["location"]
    call = Call.of(response["body"]["string"].encode(), location)
    assert location == f"/v1/realtime/calls/{call.id}"
    assert call.sdp == response["body"]["string"]
