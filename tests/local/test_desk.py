"""The REST calls, without a socket."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from realtime_sync.local.body import Received
from realtime_sync.local.calls import Calls
from realtime_sync.local.desk import Desk
from realtime_sync.local.grants import Grants
from realtime_sync.local.http import Reply, Request
from realtime_sync.local.reception import Reception
from realtime_sync.local.script import Script
from realtime_sync.local.text.routes import Routes

from .driving import sessions

Wire = dict[str, Any]
OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
SESSION = {"type": "realtime", "model": "m", "instructions": "Be brief."}


class Office:
    """A desk and what stands behind it."""

    def __init__(self) -> None:
        script = Script()
        self.heard: list[Received] = []
        self.sessions = sessions(script)
        self.grants = Grants(self.sessions.new_identity)
        self.calls = Calls(
            lock=threading.Lock(),
            ring=lambda: None,
            script=script,
            new_identity=self.sessions.new_identity,
        )
        reception = Reception(None, self.grants)
        self.desk = Desk(
            reception=reception,
            sessions=self.sessions,
            grants=self.grants,
            calls=self.calls,
            texts=Routes(
                reception=reception,
                sessions=self.sessions,
                lock=threading.Lock(),
                heard=self.heard.append,
            ),
            heard=self.heard.append,
        )

    def post(self, path: str, body: Any = None, *, key: str = "k", method: str = "POST") -> Reply:
        data = b"" if body is None else json.dumps(body).encode()
        return self.raw(path, data, "application/json", key=key, method=method)

    def raw(
        self, path: str, data: bytes, kind: str, *, key: str = "k", method: str = "POST"
    ) -> Reply:
        headers = {"authorization": f"Bearer {key}", "content-type": kind}
        reply = self.desk.answer(Request(method, f"/v1/realtime{path}", headers, data), 0.0)
        assert isinstance(reply, Reply)
        return reply

    def secret(self, **session: Any) -> str:
        return str(json.loads(self.post("/client_secrets", {"session": session}).body)["value"])


@pytest.fixture
def office() -> Office:
    return Office()


def error(reply: Reply) -> tuple[int, str | None, str | None]:
    told = json.loads(reply.body)["error"]
    return reply.status, told["code"], told["param"]


def call_of(reply: Reply) -> str:
    assert reply.status == 201, reply
    return dict(reply.headers)["Location"].removeprefix("/v1/realtime/calls/")


def test_client_secret(office: Office) -> None:
    """A secret has the effective session, which has not begun."""
    body = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": SESSION}
    told = json.loads(office.post("/client_secrets", body).body)
    assert told["value"].startswith("ek_")
    assert told["expires_at"] == 1_800_000_000 - 3600 + 60
    assert told["session"]["instructions"] == "Be brief."
    assert told["session"]["model"] == "m"
    assert told["session"]["expires_at"] == 0
    assert told["session"]["audio"]["output"]["voice"] == "alloy"
    grant = office.grants.find(told["value"], 59.0)
    assert grant is not None
    assert (grant.kind, grant.model, grant.ends) == ("realtime", "m", 60.0)
    assert office.heard == [Received("POST", "/realtime/client_secrets", body)]


def test_secrets_of_every_kind(office: Office) -> None:
    """Without a session it is a realtime one; transcription and translation have theirs."""
    bare = json.loads(office.post("/client_secrets").body)
    assert (bare["session"]["type"], bare["session"]["model"]) == ("realtime", "gpt-realtime")
    assert bare["expires_at"] == 1_800_000_000 - 3600 + 600
    body: Wire = {"session": {"type": "transcription"}}
    told = json.loads(office.post("/client_secrets", body).body)
    assert told["session"]["object"] == "realtime.transcription_session"
    body = {"session": {"model": "t", "audio": {"output": {"language": "de"}}}}
    told = json.loads(office.post("/translations/client_secrets", body).body)
    assert told["session"]["type"] == "translation"
    assert told["session"]["audio"]["output"]["language"] == "de"


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        ("/client_secrets", {"session": {}}, 400, "missing_required_parameter", "session.type"),
        ("/client_secrets", {"session": 5}, 400, "invalid_type", "session"),
        ("/client_secrets", {"sesion": {}}, 400, "unknown_parameter", "sesion"),
        (
            "/client_secrets",
            {"session": {"type": "realtime", "temperature": 1}},
            400,
            "unknown_parameter",
            "session.temperature",
        ),
        (
            "/client_secrets",
            {"expires_after": {"seconds": 9}},
            400,
            "invalid_value",
            "expires_after.seconds",
        ),
        ("/translations/client_secrets", {}, 400, "missing_required_parameter", "session"),
        (
            "/translations/client_secrets",
            {"session": {}},
            400,
            "missing_required_parameter",
            "session.model",
        ),
        ("/client_secrets", [1], 400, "invalid_json", None),
        (
            "/calls",
            {"sdp": OFFER, "session": {}},
            400,
            "missing_required_parameter",
            "session.type",
        ),
        ("/calls", {"sdp": "x"}, 400, "invalid_offer", None),
        ("/calls", {}, 400, "missing_required_parameter", "sdp"),
        ("/calls/rtc_x/accept", SESSION, 404, "call_id_not_found", None),
        ("/calls/rtc_x/hangup", None, 404, "call_id_not_found", None),
        ("/calls/rtc_x/dance", None, 404, "unknown_url", None),
        ("/sessions", None, 404, "unknown_url", None),
        ("", None, 405, None, None),
    ],
)
def test_refused(
    office: Office, path: str, body: Any, status: int, code: str | None, param: str | None
) -> None:
    """What is wrong is answered with the service's JSON."""
    assert error(office.post(path, body)) == (status, code, param)


@pytest.mark.parametrize("data", [b"{", b"\xff", b'{"session": NaN}', b"[" * 100_000])
def test_no_json(office: Office, data: bytes) -> None:
    """A body that is no JSON is refused."""
    reply = office.raw("/client_secrets", data, "application/json")
    assert reply.status == 400


def test_other_methods(office: Office) -> None:
    """Only POST is served."""
    reply = office.post("/client_secrets", method="DELETE")
    assert reply.status == 405
    assert dict(reply.headers)["Allow"] == "POST"


def test_a_secret_cannot_make_or_control(office: Office) -> None:
    """A client secret makes no other secret and controls no call, but makes calls."""
    secret = office.secret(**SESSION)
    assert error(office.post("/client_secrets", key=secret))[1] == "invalid_parameter"
    reply = office.raw("/calls", OFFER.encode(), "application/sdp", key=secret)
    call_id = call_of(reply)
    member = office.calls.join(call_id, 0.0)
    update = {"type": "session.update", "session": {"type": "realtime"}}
    (event,) = member.received(update, 0.0)
    assert event["session"]["instructions"] == "Be brief."
    assert event["session"]["model"] == "m"
    hang_up = office.post(f"/calls/{call_id}/hangup", key=secret)
    assert error(hang_up) == (404, "call_id_not_found", None)
    assert office.post(f"/calls/{call_id}/hangup").status == 200


def test_a_secret_of_another_kind(office: Office) -> None:
    """A transcription secret makes no call."""
    secret = office.secret(type="transcription")
    reply = office.raw("/calls", OFFER.encode(), "application/sdp", key=secret)
    assert error(reply)[1] == "invalid_parameter"


def test_multipart_call(office: Office) -> None:
    """The offer and the session as parts of one body."""
    data = (
        '--b\r\nContent-Disposition: form-data; name="sdp"\r\nContent-Type: application/sdp\r\n\r\n'
        f"{OFFER}\r\n"
        '--b\r\nContent-Disposition: form-data; name="session"\r\n\r\n'
        f"{json.dumps(SESSION)}\r\n--b--\r\n"
    ).encode()
    reply = office.raw("/calls", data, "multipart/form-data; boundary=b")
    assert call_of(reply)
    assert reply.body.startswith(b"v=0\r\n")
    assert office.heard[0].body == {"sdp": OFFER, "session": SESSION}


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=b"])
def test_wrong_multipart(office: Office, kind: str) -> None:
    """A body without parts, or without an offer, is refused."""
    assert error(office.raw("/calls", b"x", kind))[1:] == ("missing_required_parameter", "sdp")


def test_translation_call(office: Office) -> None:
    """A translation's call, with a session or a secret."""
    body = {"session": {"model": "t"}}
    secret = json.loads(office.post("/translations/client_secrets", body).body)["value"]
    reply = office.raw("/translations/calls", OFFER.encode(), "application/sdp", key=secret)
    member = office.calls.join(call_of(reply), 0.0)
    assert "session.closed" in str(member.received({"type": "session.close"}, 0.0))


def test_an_incoming_call(office: Office) -> None:
    """accept, refer and hangup in turn; reject ends another."""
    call_id, other = office.calls.begin(None), office.calls.begin(None)
    assert office.post(f"/calls/{call_id}/accept", SESSION).status == 200
    assert error(office.post(f"/calls/{call_id}/accept", SESSION))[1] == "invalid_value"
    assert office.post(f"/calls/{call_id}/refer", {"target_uri": "tel:+1"}).status == 200
    assert error(office.post(f"/calls/{call_id}/refer", {"target_uri": "x"}))[2] == "target_uri"
    assert error(office.post(f"/calls/{call_id}/refer"))[2] == "target_uri"
    assert office.post(f"/calls/{call_id}/hangup").body == b""
    assert error(office.post(f"/calls/{other}/reject", {"status_code": 5}))[2] == "status_code"
    assert office.post(f"/calls/{other}/reject").status == 200
    assert error(office.post(f"/calls/{other}/reject"))[0] == 404


def test_too_many_calls(office: Office) -> None:
    """The number of calls is bounded."""
    for _ in range(1000):
        office.calls.begin(None)
    reply = office.raw("/calls", OFFER.encode(), "application/sdp")
    assert error(reply)[:2] == (429, "rate_limit_exceeded")
