"""Bodies of REST calls: JSON, and forms of several parts.

Raises `Refusal` where one is neither. No routes, no sessions.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
from dataclasses import dataclass
from typing import Any

from realtime_sync.local.http import Request
from realtime_sync.local.refusal import Refusal

__all__ = ["Received", "fields_of", "loaded", "object_of", "value_of"]

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """A REST call that was let in.

    Attributes:
        method: E.g. "POST".
        path: From "/realtime" or from behind "/v1" on, without the query.
        body: What its JSON said, or the `sdp` and `session` of a call; empty without a body.
    """

    method: str
    path: str
    body: Wire


def object_of(request: Request) -> Wire:
    """The JSON object of a body; empty where there is no body."""
    return loaded(request.body, "the body") if request.body.strip() else {}


def loaded(text: bytes | str, what: str) -> Wire:
    """The JSON object in a text that is named `what` where it is none."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError as exc:
        raise Refusal("invalid_json", f"Could not parse {what} as JSON.") from exc
    if not isinstance(value, dict):
        raise Refusal("invalid_json", f"Expected {what} to be a JSON object.")
    return value


def value_of(text: str) -> object:
    """The JSON value in a text; None where it is none."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def fields_of(request: Request) -> dict[str, tuple[bytes, str]]:
    """The parts of a multipart/form-data body, and the names of the files that they are."""
    # by the standard library's reader of e-mail: the format is the same
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1")
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(head + request.body)
    fields: dict[str, tuple[bytes, str]] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        payload = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(payload, bytes) and isinstance(name, str):
            fields[name] = (payload, part.get_filename() or "")
    return fields


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
