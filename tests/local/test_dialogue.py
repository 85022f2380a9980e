"""Every kind of session over a socket: how it begins, what it speaks, how it ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
from pipe import LIMIT
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer

from .dialling import dial, receive, send, until

PATH = "/v1/realtime?model=gpt-realtime"
BETA = {"OpenAI_Beta": "realtime=v1"}
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}


def closed(client: ClientConnection) -> tuple[int, str]:
    """Reads to the end; how the server has closed."""
    try:
        while True:
            client.recv(timeout=LIMIT)
    except ConnectionClosed as exc:
        frame = exc.rcvd
    assert frame is not None
    return frame.code, frame.reason


def turn(client: ClientConnection) -> list[dict[str, Any]]:
    send(client, "conversation.item.create", item=ITEM)
    send(client, "response.create")
    return until(client, "response.done")


# Beginnings


def test_transcription(server: LocalServer) -> None:
    """?intent=transcription is a session that writes down what is committed."""
    server.script.transcripts(["hello there"])
    with dial(server, "/v1/realtime?intent=transcription") as client:
        assert receive(client)["session"]["type"] == "transcription"
        heard = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
        send(client, "session.update", session={"type": "transcription", "audio": heard})
        send(client, "input_audio_buffer.append", audio="AAAA" * 2000)
        send(client, "input_audio_buffer.commit")
        events = until(client, "conversation.item.input_audio_transcription.completed")
    assert events[-1]["transcript"] == "hello there"


def test_translation(server: LocalServer) -> None:
    """A translation gives the input back, drains at session.close, and closes with 1000."""
    with dial(server, "/v1/realtime/translations?model=gpt-realtime-translate") as client:
        assert receive(client)["session"]["type"] == "translation"
        send(client, "session.input_audio_buffer.append", audio="ABCD" * 16000)
        assert receive(client)["type"] == "session.output_audio.delta"
        send(client, "session.close")
        events = until(client, "session.closed")
        assert closed(client) == (1000, "")
    sound = [one["delta"] for one in events if one["type"] == "session.output_audio.delta"]
    assert "".join(sound) == "ABCD" * (16000 - 3200)


def test_the_beta_is_switched_off(server: LocalServer) -> None:
    """The header of the beta gets one error and close 4000, over an accepted WebSocket."""
    with dial(server, PATH, **BETA) as client:
        error = receive(client)["error"]
        assert (error["code"], error["type"]) == (
            "beta_api_shape_disabled",
            "invalid_request_error",
        )
        assert closed(client) == (4000, "invalid_request_error.beta_api_shape_disabled")


def test_what_the_dismissed_still_send(server: LocalServer) -> None:
    """Events sent along with a handshake that leads to nothing are not read."""
    request = (
        f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        "Authorization: Bearer k\r\nOpenAI-Beta: realtime=v1\r\n\r\n"
    )
    frame = bytes([0x81, 0x82]) + bytes(4) + b"{}"
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as raw:
        raw.sendall(request.encode() + frame)
        answer = b""
        while data := raw.recv(65536):
            answer += data
    assert b"beta_api_shape_disabled" in answer
    assert server.received == ()


def test_the_beta_dialect() -> None:
    """A beta server speaks beta to those who send the header, and dismisses the others."""
    with LocalServer(speed=None, voice="tones", dialect="beta") as server:
        with dial(server, PATH, **BETA) as client:
            assert receive(client)["session"]["modalities"] == ["audio", "text"]
            send(client, "session.update", session={"modalities": ["text"]})
            assert receive(client)["type"] == "session.updated"
            send(client, "session.update", session={"audio": {}})
            assert receive(client)["error"]["param"] == "session.audio"
            assert "response.text.delta" in {event["type"] for event in turn(client)}
            deep = (
                '{"type":"session.update","session":{"modalities":' + "[" * 900 + "]" * 900 + "}}"
            )
            client.send(deep)
            assert until(client, "error")[-1]["error"]["code"] == "invalid_value"
        with dial(server, PATH) as client:
            assert receive(client)["error"]["code"] == "missing_beta_header"
            assert closed(client) == (4000, "invalid_request_error.missing_beta_header")
        with dial(server, "/openai/v1/realtime?model=d") as client:
            assert receive(client)["session"]["type"] == "realtime"


def test_beta_without_the_header() -> None:
    """A beta server may be told to speak beta to everybody."""
    with (
        LocalServer(speed=None, dialect="beta", needs_beta_header=False) as server,
        dial(server, PATH) as client,
    ):
        assert "modalities" in receive(client)["session"]


def test_azure_paths(server: LocalServer) -> None:
    """The preview path speaks beta; the GA path GA, and refuses a version."""
    preview = "/openai/realtime?api-version=2025-04-01-preview&deployment=d"
    with dial(server, preview, Authorization="", api_key="k") as client:
        session = receive(client)["session"]
        assert (session["model"], session["modalities"]) == ("d", ["audio", "text"])
    with dial(server, "/openai/v1/realtime?model=d") as client:
        assert receive(client)["session"]["output_modalities"] == ["audio"]
    with pytest.raises(InvalidStatus) as caught:
        dial(server, "/openai/v1/realtime?model=d&api-version=2025-04-01-preview")
    assert caught.value.response.status_code == 401


def test_beta_names_on_demand(server: LocalServer) -> None:
    """A GA server may answer in beta names."""
    server.script.beta_names = True
    with dial(server, PATH) as client:
        assert "audio" in receive(client)["session"]
        kinds = {event["type"] for event in turn(client)}
    assert {"conversation.item.created", "response.audio.delta"} <= kinds
    assert "conversation.item.done" not in kinds


# Ends


def test_a_session_expires() -> None:
    """At its end a session gets an error, and close 1001 with the same text; it said when."""
    began = time.time()
    with LocalServer(speed=None, expires_in=0.2) as server, dial(server, PATH) as client:
        told = receive(client)["session"]["expires_at"]
        assert int(began + 0.2) <= told <= time.time() + 0.2
        error = receive(client)["error"]
        assert (error["code"], error["type"]) == ("session_expired", "invalid_request_error")
        assert closed(client) == (1001, error["message"])


def test_a_reported_end_is_an_hour_away(server: LocalServer) -> None:
    """Without expires_in a session reports an hour."""
    with dial(server, PATH) as client:
        assert abs(receive(client)["session"]["expires_at"] - time.time() - 3600) < 10


def test_expiry_in_the_midst_of_a_response() -> None:
    """An expiry does not wait for a response that is being paced, nor for a client that is slow."""
    with LocalServer(expires_in=60) as server, dial(server, PATH) as client:
        server.reply("word " * 4000)
        send(client, "response.create", response={"output_modalities": ["text"]})
        until(client, "response.output_text.delta")
        (link,) = vars(server)["_listener"]._current_links()
        link._dialogue._brain.ends = time.monotonic()
        assert until(client, "error")[-1]["error"]["code"] == "session_expired"
        assert closed(client)[0] == 1001


def test_expire_on_demand(server: LocalServer) -> None:
    """script.expire() ends all sessions that are open, at once; the next one lives."""
    with dial(server, PATH) as one, dial(server, PATH) as two:
        receive(one)
        receive(two)
        server.script.expire()
        assert receive(one)["error"]["code"] == receive(two)["error"]["code"] == "session_expired"
        assert closed(one)[0] == closed(two)[0] == 1001
    with dial(server, PATH) as three:
        assert receive(three)["type"] == "session.created"
        assert turn(three)[-1]["type"] == "response.done"


def test_expire_again_and_again(server: LocalServer) -> None:
    """Each expiry wakes everybody, and leaves no descriptor behind."""
    for _ in range(20):
        with dial(server, PATH) as client:
            receive(client)
            server.script.expire()
            assert closed(client)[0] == 1001
    server.close()  # whoever was slow to hear it has by then
    bell = vars(server)["_listener"].bell
    assert list(vars(bell)["_waiting"].values()) == [0]


def test_expire_without_connections() -> None:
    """Before the start, and after the end, there is nobody to expire."""
    server = LocalServer()
    server.script.expire()
    with server:
        pass
    server.script.expire()


# Calls


def test_sideband(server: LocalServer) -> None:
    """Two connections into one call hear the same events, once each, and are not greeted."""
    call_id = server.incoming_call()
    with pytest.raises(InvalidStatus) as caught:
        dial(server, f"/v1/realtime?call_id={call_id}")
    assert caught.value.response.status_code == 404
    calls, sessions = vars(server)["_calls"], vars(server)["_sessions"]
    calls.accept(call_id, sessions.new("call", "m", time.monotonic()), time.monotonic())
    path = f"/v1/realtime?call_id={call_id}"
    with dial(server, path) as one, dial(server, path) as two:
        send(one, "session.update", session={"type": "realtime", "output_modalities": ["text"]})
        assert receive(one) == receive(two)
        mine = turn(two)
        assert mine == until(one, "response.done")
        assert mine[-1]["response"]["status"] == "completed"
        one.close()
        until(two, "rate_limits.updated")
        assert turn(two)[-1]["response"]["status"] == "completed"
    with dial(server, path) as three:  # the call outlives its connections
        send(three, "input_audio_buffer.clear")
        assert receive(three)["type"] == "input_audio_buffer.cleared"
        calls.hang_up(call_id, time.monotonic())
        assert closed(three) == (1000, "the call has ended")
    with pytest.raises(InvalidStatus):
        dial(server, path)


def test_sideband_at_the_services_pace() -> None:
    """A paced response reaches both, though only one has asked for it."""
    with LocalServer(speed=50.0, voice="tones") as server:
        server.reply("word " * 200)
        call_id = server.incoming_call()
        calls, sessions = vars(server)["_calls"], vars(server)["_sessions"]
        calls.accept(call_id, sessions.new("call", "m", time.monotonic()), time.monotonic())
        path = f"/v1/realtime?call_id={call_id}"
        with dial(server, path) as one, dial(server, path) as two:
            send(one, "response.create", response={"output_modalities": ["text"]})
            heard: list[list[dict[str, Any]]] = []
            reader = threading.Thread(target=lambda: heard.append(until(two, "response.done")))
            reader.start()
            mine = until(one, "response.done")
            reader.join(LIMIT)
        assert [mine] == heard


def test_unknown_call(server: LocalServer) -> None:
    """An unknown call is 404 call_id_not_found."""
    with pytest.raises(InvalidStatus) as caught:
        dial(server, "/v1/realtime?call_id=rtc_unknown")
    response = caught.value.response
    assert response.status_code == 404
    assert json.loads(response.body or b"")["error"]["code"] == "call_id_not_found"


@pytest.mark.parametrize("wrong", [{"dialect": "alpha"}, {"expires_in": 0}, {"expires_in": 1e10}])
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    """Wrong arguments are refused before anything starts."""
    with pytest.raises(ConfigurationError):
        LocalServer(**wrong)
