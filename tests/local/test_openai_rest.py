"""The openai package's synchronous REST client against the embedded server, on its one port."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pipe import LIMIT
from websockets.exceptions import InvalidStatus

from realtime_sync.local import LocalServer

from .dialling import dial, receive, send, until

# websockets 17 wants connect() in a with statement; the openai package does not do that yet
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
SESSION: Any = {"type": "realtime", "model": "gpt-realtime", "output_modalities": ["text"]}


@pytest.fixture
def client(server: LocalServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as made:
        yield made


def test_client_secret_is_a_key(server: LocalServer, client: openai.OpenAI) -> None:
    """A secret is parsed, opens sessions with its settings, and is a key until it expires."""
    life: Any = {"anchor": "created_at", "seconds": 60}
    secret = client.realtime.client_secrets.create(expires_after=life, session=SESSION)
    assert secret.value.startswith("ek_")
    assert 55 < secret.expires_at - time.time() <= 60
    assert secret.session.type == "realtime"
    assert secret.session.output_modalities == ["text"]
    for _ in range(2):
        with dial(server, "/v1/realtime", secret.value) as connection:
            session = receive(connection)["session"]
            assert (session["model"], session["output_modalities"]) == ("gpt-realtime", ["text"])
    assert server.requests[0].path == "/realtime/client_secrets"
    with pytest.raises(InvalidStatus):
        dial(server, "/v1/realtime", "ek_unknown")


def test_transcription_secret(server: LocalServer, client: openai.OpenAI) -> None:
    """A secret of a transcription session opens one without a model."""
    heard: Any = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    secret = client.realtime.client_secrets.create(
        session={"type": "transcription", "audio": heard}
    )
    assert secret.session.type == "transcription"
    with dial(server, "/v1/realtime", secret.value) as connection:
        session = receive(connection)["session"]
    assert session["type"] == "transcription"
    assert session["audio"]["input"]["transcription"]["model"] == "gpt-4o-transcribe"


def test_translation_secret(server: LocalServer, client: openai.OpenAI) -> None:
    """A secret of a translation session."""
    secret = client.realtime.translations.client_secrets.create(
        session={"model": "gpt-realtime-translate", "audio": {"output": {"language": "de"}}}
    )
    assert secret.session.audio.output is not None
    assert secret.session.audio.output.language == "de"
    with dial(server, "/v1/realtime/translations", secret.value) as connection:
        assert receive(connection)["session"]["model"] == "gpt-realtime-translate"


def test_a_call_and_its_sideband(server: LocalServer, client: openai.OpenAI) -> None:
    """A call is made, joined by the openai client, has a turn, and is hung up."""
    made = client.realtime.calls.create(sdp=OFFER, session=SESSION)
    assert made.response.status_code == 201
    assert made.text.startswith("v=0")
    call_id = made.response.headers["location"].rpartition("/")[2]
    with client.realtime.connect(call_id=call_id) as connection:
        connection.response.create()
        for event in connection:
            assert event.type != "error", event
            if event.type == "response.done":
                break
        client.realtime.calls.hangup(call_id)
    with pytest.raises(openai.NotFoundError) as caught:
        client.realtime.calls.hangup(call_id)
    assert caught.value.code == "call_id_not_found"


def test_an_incoming_call(server: LocalServer, client: openai.OpenAI) -> None:
    """accept, refer, hangup; and reject, whose status the test can read."""
    call_id = server.incoming_call()
    client.realtime.calls.accept(call_id, type="realtime", model="gpt-realtime")
    with dial(server, f"/v1/realtime?call_id={call_id}") as connection:
        send(connection, "session.update", session={"type": "realtime"})
        assert until(connection, "session.updated")[-1]["session"]["model"] == "gpt-realtime"
    client.realtime.calls.refer(call_id, target_uri="tel:+14155550123")
    client.realtime.calls.hangup(call_id)
    other = server.incoming_call()
    client.realtime.calls.reject(other, status_code=486)
    paths = [request.path.rpartition("/")[2] for request in server.requests]
    assert paths == ["accept", "refer", "hangup", "reject"]
    assert server.requests[-1].body == {"status_code": 486}


def test_errors_are_the_clients(server: LocalServer, client: openai.OpenAI) -> None:
    """Refusals arrive as the openai package's exceptions, with code and param."""
    wrong: Any = {"type": "realtime", "voice": "x"}
    with pytest.raises(openai.BadRequestError) as caught:
        client.realtime.client_secrets.create(session=wrong)
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "session.voice")
    headers = {"OpenAI-Beta": "realtime=v1"}
    with pytest.raises(openai.BadRequestError) as caught:
        client.realtime.client_secrets.create(extra_headers=headers)
    assert caught.value.code == "beta_api_shape_disabled"
    with (
        LocalServer(api_key="right") as other,
        openai.OpenAI(base_url=other.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.realtime.client_secrets.create()


def test_beta_client() -> None:
    """The openai package's beta client has a turn with a beta server."""
    with LocalServer(speed=None, voice="tones", dialect="beta") as server:
        url = server.url.replace("http", "ws")
        client = openai.OpenAI(base_url=server.url, websocket_base_url=url, api_key="x")
        with (
            client,
            client.beta.realtime.connect(model="gpt-4o-realtime-preview") as connection,
        ):
            assert connection.recv().type == "session.created"
            connection.session.update(session={"modalities": ["text"]})
            connection.response.create()
            kinds = []
            for event in connection:
                assert event.type != "error", event
                kinds.append(event.type)
                if event.type == "response.done":
                    break
    assert "response.text.done" in kinds


# The port itself


def port_of(server: LocalServer) -> int:
    return int(server.url.split(":")[2].removesuffix("/v1"))


def test_a_body_in_pieces(server: LocalServer) -> None:
    """Chunked bodies and Expect: 100-continue work over the socket."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=LIMIT) as raw:
        raw.sendall(
            b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
            b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 100 Continue")
        raw.sendall(b"2\r\n{}\r\n0\r\n\r\n")
        answer = raw.recv(100_000)
        while b'"value"' not in answer:
            answer += raw.recv(100_000)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        while raw.recv(100_000):
            pass  # the server ends the connection


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/realtime/client_secrets", {}, 401),
        ("/v1/realtime/client_secrets", {"Authorization": "Bearer k", "Origin": "https://x"}, 403),
        ("/v1/embeddings", {"Authorization": "Bearer k"}, 404),
    ],
)
def test_refused(server: LocalServer, path: str, headers: dict[str, str], status: int) -> None:
    """Keys and origins count for REST as they do for WebSockets; each answer is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=LIMIT)
    connection.request("POST", path, body=b"{}", headers=headers)
    response = connection.getresponse()
    assert response.status == status
    assert json.loads(response.read())["error"]["message"]
    connection.close()
    assert server.requests == ()


def test_get_without_an_upgrade(server: LocalServer, client: openai.OpenAI) -> None:
    """A GET that wants no WebSocket is told so, and takes no part in a call."""
    made = client.realtime.calls.create(sdp=OFFER, session=SESSION)
    call_id = made.response.headers["location"].rpartition("/")[2]
    for path in ("/v1/realtime?model=m", f"/v1/realtime?call_id={call_id}"):
        connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=LIMIT)
        connection.request("GET", path, headers={"Authorization": "Bearer k"})
        assert connection.getresponse().status == 426
        connection.close()
    calls = vars(server)["_calls"]
    assert vars(calls)["_calls"][call_id].members == []


def test_too_many_incoming_calls(server: LocalServer) -> None:
    """The number of calls is bounded."""
    for _ in range(1000):
        server.incoming_call()
    with pytest.raises(RuntimeError, match="1000 calls"):
        server.incoming_call()


def test_too_large(server: LocalServer) -> None:
    """A body beyond the limit is refused before it is read."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=LIMIT) as raw:
        raw.sendall(b"POST /v1/realtime/calls HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_keys_are_nowhere(server: LocalServer, client: openai.OpenAI) -> None:
    """What the server shows of a REST call holds no key."""
    secret = client.realtime.client_secrets.create()
    shown = repr(server) + repr(server.requests) + repr(vars(server))
    assert secret.value not in shown
