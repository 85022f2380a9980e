"""Calls of WebRTC and SIP. Media and sessions are elsewhere: a call is joined over the sideband."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from . import bodies
from .bodies import Config, Wire, number
from .post import Post
from .values import Call, check_call_id

__all__ = ["Calls"]

_TARGET = re.compile(r"(tel|sips?):[\x21-\x7e]+", re.IGNORECASE)


class Calls:
    """The calls of a `Rest`. Raises as `Rest.client_secret` does."""

    def __init__(self, post: Post, deployment: str | None) -> None:
        self._post = post
        self._deployment = deployment  # None where it is not Azure

    def create(
        self,
        sdp_offer: str,
        config: Config = None,
        *,
        model: str | None = None,
        tools: Iterable[Any] = (),
        timeout: float | None = 30,
        **fields: Any,
    ) -> Call:
        """Begin a WebRTC call for a peer, such as a browser whose offer reached your server.

        Where the key is a client secret and nothing else is given, its own session begins.

        Args:
            sdp_offer: The peer's offer, as it came.
            config: A `SessionConfig`, or a dict of its shape; `fields` beat it.
            model: As for `RealtimeSession`.
            tools: As for `RealtimeSession`; answer them over the sideband.
            timeout: Seconds; see `Rest`.
            fields: The flat fields of `RealtimeSession`.
        """
        if not isinstance(sdp_offer, str) or not sdp_offer.lstrip().startswith("v="):
            raise ConfigurationError('sdp_offer: an offer as text is needed, "v=0 …"')
        session = self._session(config, model, tools, fields)
        given = fields or "tools" in session or not (config is None and model is None)
        route = self._post.route()
        kind, content = "multipart/form-data", _parts(sdp_offer, session)
        if route.by_secret and not given:
            kind, content = "application/sdp", {"content": sdp_offer.encode()}
        headers = {"Accept": "application/sdp", "Content-Type": kind}
        reply = self._post.send("calls", timeout=timeout, route=route, headers=headers, **content)
        return Call.of(reply.content, reply.response.headers.get("location", ""))

    def accept(
        self,
        call_id: str,
        config: Config = None,
        *,
        model: str | None = None,
        tools: Iterable[Any] = (),
        timeout: float | None = 30,
        **fields: Any,
    ) -> None:
        """Take a SIP call that comes in; then join it with `RealtimeSession(call_id=...)`.

        Args:
            call_id: "rtc_…", from the webhook `realtime.call.incoming`.
            config: A `SessionConfig`, or a dict of its shape; `fields` beat it.
            model: As for `RealtimeSession`.
            tools: As for `RealtimeSession`; answer them over the sideband.
            timeout: Seconds; see `Rest`.
            fields: The flat fields of `RealtimeSession`.
        """
        path = f"calls/{check_call_id(call_id)}/accept"
        self._post.send(path, self._session(config, model, tools, fields), timeout=timeout)

    def reject(self, call_id: str, status_code: int = 603, *, timeout: float | None = 30) -> None:
        """Turn down a SIP call that comes in.

        Args:
            call_id: "rtc_…".
            status_code: What SIP tells the caller, 300 to 699: 486 is busy, 603 declined.
            timeout: Seconds; see `Rest`.
        """
        path = f"calls/{check_call_id(call_id)}/reject"
        body = {"status_code": number("status_code", status_code, 300, 699)}
        self._post.send(path, body, timeout=timeout)

    def refer(self, call_id: str, target_uri: str, *, timeout: float | None = 30) -> None:
        """Pass a SIP call on.

        Args:
            call_id: "rtc_…".
            target_uri: "tel:+14155550123" or "sip:agent@example.com".
            timeout: Seconds; see `Rest`.
        """
        path = f"calls/{check_call_id(call_id)}/refer"
        if not isinstance(target_uri, str) or not _TARGET.fullmatch(target_uri):
            raise ConfigurationError('target_uri: "tel:…" or "sip:…", in ASCII and without spaces')
        self._post.send(path, {"target_uri": target_uri}, timeout=timeout)

    def hangup(self, call_id: str, *, timeout: float | None = 30) -> None:
        """End a call, of SIP or WebRTC.

        Args:
            call_id: "rtc_…".
            timeout: Seconds; see `Rest`.
        """
        self._post.send(f"calls/{check_call_id(call_id)}/hangup", timeout=timeout)

    def _session(
        self, config: Config, model: str | None, tools: Iterable[Any], fields: Mapping[str, Any]
    ) -> Wire:
        session = bodies.session(
            config, fields, type=None, model=model, tools=tools, deployment=self._deployment
        )
        if session["type"] != "realtime":
            raise ConfigurationError(f'config.type: a call is "realtime", not {session["type"]!r}')
        return session

    def __repr__(self) -> str:
        return f"<Calls at {self._post!r}>"


def _parts(sdp_offer: str, session: Wire) -> Wire:
    text = json.dumps(session, allow_nan=False)
    sdp = ("sdp", (None, sdp_offer.encode(), "application/sdp"))
    return {"files": [sdp, ("session", (None, text.encode(), "application/json"))]}
