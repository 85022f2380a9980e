"""What comes back: a client secret, an answered call. Knows no HTTP client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigurationError, ProtocolError
from ..events.config import SessionConfig
from ..events.value import fault, read
from ..opening import CALL_ID, check_call_id

__all__ = ["Call", "ClientSecret", "call_id_of", "check_call_id"]


@dataclass(frozen=True, slots=True, repr=False)
class ClientSecret:
    """A short-lived key for a browser or a phone: `RealtimeSession(api_key=secret.value)`.

    It does not pickle, and its repr does not show it; who passes it on, passes on `.value`.

    Attributes:
        value: "ek_…"; good for many sessions, which may outlive it.
        expires_at: When no more session can begin with it, in epoch seconds.
        session: The configuration that sessions begin with, as the server filled it in.
    """

    value: str
    expires_at: float
    session: SessionConfig

    @classmethod
    def of(cls, body: bytes, what: str) -> ClientSecret:
        """The secret in a reply.

        Raises:
            ProtocolError: There is none; the message does not quote the reply.
        """
        problem = f"{what}: the server's answer is no client secret"
        try:
            said = json.loads(body)
            value, expires_at, held = said["value"], said["expires_at"], dict(said["session"])
            held.pop("client_secret", None)  # the value once more, which a repr would show
            session = read(SessionConfig, held)
        except ValidationError as exc:
            problem = f"{what}: {fault(exc, 'session')}"
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        else:
            if isinstance(value, str) and value and type(expires_at) in (int, float):
                return cls(value, expires_at, session)
        # here and not where it was caught: the cause may quote the secret
        raise ProtocolError(problem)

    def __reduce__(self) -> Any:
        raise TypeError("ClientSecret holds a key and does not pickle; pass on its .value")

    def __repr__(self) -> str:
        return f"<ClientSecret {self.session.type or 'session'}, expires at {self.expires_at}>"


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """A WebRTC call that the server has answered.

    Attributes:
        id: "rtc_…", for `Rest.calls` and `RealtimeSession(call_id=...)`; "" where the server did
            not say.
        sdp: The answer, for the peer's `setRemoteDescription`.
    """

    id: str
    sdp: str

    @classmethod
    def of(cls, body: bytes, location: str) -> Call:
        """The call in a reply.

        Raises:
            ProtocolError: The reply is no SDP.
        """
        sdp = body.decode(errors="replace")
        if not sdp.lstrip().startswith("v="):
            raise ProtocolError("calls: the server's answer is no SDP")
        try:
            return cls(call_id_of(location), sdp)
        except ConfigurationError:
            return cls("", sdp)  # the peer can talk nevertheless

    def __repr__(self) -> str:
        return f"<Call {self.id or 'without an id'}, answer of {len(self.sdp)} characters>"


def call_id_of(location: str) -> str:
    """The call's id in the `Location` header of an answered call: "/v1/realtime/calls/rtc_…".

    Raises:
        ConfigurationError: There is none in it.
    """
    if isinstance(location, str):
        path = location.partition("?")[0].partition("#")[0]
        last = path.strip().rstrip("/").rpartition("/")[2]
        if CALL_ID.fullmatch(last):
            return last
    raise ConfigurationError('location: it must end with the id of a call, "…/calls/rtc_…"')
