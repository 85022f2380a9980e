"""The REST calls: client secrets, and calls made, taken, turned down, passed on, ended.

A request in, a reply out; no sockets, no threads. Whoever calls says what time it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from realtime_sync.local import logbook, settings
from realtime_sync.local.body import Received, fields_of, loaded, object_of
from realtime_sync.local.calls import Calls
from realtime_sync.local.grants import Grant, Grants
from realtime_sync.local.http import Reply, Request, failure
from realtime_sync.local.reception import Reception, Rejection, is_text
from realtime_sync.local.refusal import Refusal, missing
from realtime_sync.local.schedule import Flow
from realtime_sync.local.sdp import answered
from realtime_sync.local.sessions import Sessions
from realtime_sync.local.shapes import Shape, anything, choice, integer, nullable, record, text
from realtime_sync.local.text.routes import Routes
from realtime_sync.local.vocabulary import TRANSLATION_SESSION

__all__ = ["Desk"]

Wire = dict[str, Any]

_MODEL = "gpt-realtime"  # where a session does not name its own
_SECONDS = 600
_LIFE = record({"anchor": choice("created_at"), "seconds": integer(10, 7200)})
_SECRET = record({"expires_after": nullable(_LIFE), "session": anything})
_REJECT = record({"status_code": nullable(integer(300, 699))})
_REFER = record({"target_uri": text(2048)}, ("target_uri",))
_STATUS = {"call_id_not_found": 404, "rate_limit_exceeded": 429}


@dataclass(frozen=True, slots=True)
class _Errand:
    """A call that is being answered."""

    body: Wire
    grant: Grant | None
    now: float
    call_id: str = ""


class Desk:
    """Answers REST calls.

    Args:
        reception: Lets clients in, as for a WebSocket.
        sessions: Makes the sessions.
        grants: The client secrets.
        calls: The calls under way.
        texts: Answers the calls of text.
        heard: Called with every call that was let in.
    """

    def __init__(
        self,
        *,
        reception: Reception,
        sessions: Sessions,
        grants: Grants,
        calls: Calls,
        texts: Routes,
        heard: Callable[[Received], None],
    ) -> None:
        self._reception = reception
        self._sessions = sessions
        self._grants = grants
        self._calls = calls
        self._texts = texts
        self._heard = heard

    def answer(self, request: Request, now: float) -> Reply | Flow:
        """The reply to any request."""
        reply = self._answer(request, now)
        logbook.called(request, reply.status if isinstance(reply, Reply) else 200)
        return reply

    def _answer(self, request: Request, now: float) -> Reply | Flow:
        if is_text(request.target):
            return self._texts.answer(request, now)
        caller = self._reception.caller(request.target, request.headers, now)
        if isinstance(caller, Rejection):
            return failure(caller.status, caller.message, caller.code)
        path, grant = caller
        route, call_id = self._route(path)
        if route is None:
            if path in ("", "/translations"):
                return failure(405, "Only WebSocket connections are served here.")
            return failure(404, f"Invalid URL ({request.method} {path[:200]})", "unknown_url")
        if request.method != "POST":
            message = f"Not allowed to {request.method[:20]} here."
            return failure(405, message, headers=(("Allow", "POST"),))
        try:
            body = _body(request)
            self._heard(Received(request.method, f"/realtime{path}", body))
            return route(self, _Errand(body, grant, now, call_id))
        except Refusal as wrong:
            status = _STATUS.get(wrong.code, 400)
            return failure(status, wrong.message, wrong.code, type=wrong.type, param=wrong.param)
        except RecursionError:
            return failure(400, "The body is nested too deeply.", "invalid_value")

    def _route(self, path: str) -> tuple[Callable[..., Reply] | None, str]:
        call = re.fullmatch(r"/calls/([\w.-]+)/(\w+)", path)
        if call is not None:
            return self._CALL_ROUTES.get(call[2]), call[1]
        return self._ROUTES.get(path), ""

    def _secret(self, errand: _Errand) -> Reply:
        wanted = errand.body.get("session")
        session = {"type": "realtime"} if wanted is None else wanted
        _without_grant(errand)
        _check(settings.PRESET, session, "session")
        return self._issued(errand, session["type"], session)

    def _translation_secret(self, errand: _Errand) -> Reply:
        _without_grant(errand)
        if "session" not in errand.body:
            raise missing("session")
        _check(TRANSLATION_SESSION, errand.body["session"], "session")
        return self._issued(errand, "translation", errand.body["session"])

    def _issued(self, errand: _Errand, kind: str, session: Wire) -> Reply:
        _check(_SECRET, errand.body, "")
        life = (errand.body.get("expires_after") or {}).get("seconds", _SECONDS)
        model = "" if kind == "transcription" else session.get("model") or _MODEL
        shown = self._sessions.new(kind, model, errand.now, session).reported_session()
        # no session has begun, so none can expire
        shown["expires_at"] = 0
        value = self._grants.issue(Grant(kind, model, session, errand.now + life))
        expires_at = int(self._sessions.epoch() + life)
        return _json({"value": value, "expires_at": expires_at, "session": shown})

    def _call(self, errand: _Errand) -> Reply:
        return self._called(errand, "realtime", "call")

    def _translation_call(self, errand: _Errand) -> Reply:
        return self._called(errand, "translation", "translation")

    def _called(self, errand: _Errand, granted: str, kind: str) -> Reply:
        grant, session = errand.grant, errand.body.get("session")
        if not isinstance(errand.body.get("sdp"), str):
            raise missing("sdp")
        if grant is not None and grant.kind != granted:
            raise Refusal("invalid_parameter", f"This client secret is for a {grant.kind} session.")
        preset = {} if grant is None else grant.session
        if session is not None:
            shape = settings.SESSION if kind == "call" else TRANSLATION_SESSION
            _check(shape, session, "session")
            preset = session
        answer = answered(errand.body["sdp"])
        model = preset.get("model") or (grant.model if grant is not None else _MODEL)
        call_id = self._calls.begin(self._sessions.new(kind, model, errand.now, preset))
        location = ("Location", f"/v1/realtime/calls/{call_id}")
        return Reply(201, answer.encode(), "text/plain; charset=utf-8", (location,))

    def _accept(self, errand: _Errand) -> Reply:
        self._check_call(errand)
        _check(settings.SESSION, errand.body, "")
        model = errand.body.get("model") or _MODEL
        mind = self._sessions.new("call", model, errand.now, errand.body)
        self._calls.accept(errand.call_id, mind, errand.now)
        return Reply(200)

    def _reject(self, errand: _Errand) -> Reply:
        self._check_call(errand)
        _check(_REJECT, errand.body, "")
        self._calls.reject(errand.call_id, errand.now)
        return Reply(200)

    def _refer(self, errand: _Errand) -> Reply:
        self._check_call(errand)
        _check(_REFER, errand.body, "")
        if not errand.body["target_uri"].startswith(("tel:", "sip:")):
            message = "Invalid 'target_uri': expected a tel: or sip: URI."
            raise Refusal("invalid_value", message, param="target_uri")
        return Reply(200)

    def _hang_up(self, errand: _Errand) -> Reply:
        self._check_call(errand)
        self._calls.hang_up(errand.call_id, errand.now)
        return Reply(200)

    def _check_call(self, errand: _Errand) -> None:
        """Raises `Refusal` unless there is such a call, and a key to control it with."""
        if errand.grant is not None:
            raise Refusal("call_id_not_found", "A client secret cannot control a call.")
        self._calls.check(errand.call_id, errand.now)

    _ROUTES: ClassVar[dict[str, Callable[..., Reply]]] = {
        "/client_secrets": _secret,
        "/translations/client_secrets": _translation_secret,
        "/calls": _call,
        "/translations/calls": _translation_call,
    }
    _CALL_ROUTES: ClassVar[dict[str, Callable[..., Reply]]] = {
        "accept": _accept,
        "reject": _reject,
        "refer": _refer,
        "hangup": _hang_up,
    }


def _check(shape: Shape, value: object, path: str) -> None:
    shape(value, path)


def _without_grant(errand: _Errand) -> None:
    if errand.grant is not None:
        raise Refusal("invalid_parameter", "A client secret cannot make another: use an API key.")


def _json(value: Wire) -> Reply:
    return Reply(200, json.dumps(value).encode())


def _body(request: Request) -> Wire:
    kinds = {"application/sdp": _sdp, "multipart/form-data": _multipart}
    return kinds.get(request.content_type, object_of)(request)


def _sdp(request: Request) -> Wire:
    return {"sdp": request.body.decode("utf-8", "replace")}


def _multipart(request: Request) -> Wire:
    fields = {
        name: data.decode("utf-8", "replace") for name, (data, _) in fields_of(request).items()
    }
    if "sdp" not in fields:
        raise missing("sdp")
    session = {"session": loaded(fields["session"], "session")} if "session" in fields else {}
    return {"sdp": fields["sdp"], **session}
