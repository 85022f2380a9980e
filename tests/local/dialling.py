"""Real clients on loopback: connect, send, receive."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pipe import LIMIT
from websockets.sync.client import ClientConnection, connect

from realtime_sync.local import LocalServer

Wire = dict[str, Any]

_KNOWN = inspect.signature(connect).parameters


def dial(server: LocalServer, path: str, key: str = "any", **headers: str) -> ClientConnection:
    """Connects to a path, "/v1/realtime?model=m"; headers are named like_this."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("Authorization", f"Bearer {key}")
    options = {
        "additional_headers": given,
        "max_size": None,
        # what older versions of websockets do not know is left out
        "proxy": None,
        "close_timeout": 0.2,
    }
    url = server.url.replace("http", "ws").removesuffix("/v1") + path
    return connect(url, **{name: value for name, value in options.items() if name in _KNOWN})


def send(client: ClientConnection, kind: str, **fields: Any) -> None:
    client.send(json.dumps({"type": kind, **fields}))


def receive(client: ClientConnection) -> Wire:
    event = json.loads(client.recv(timeout=LIMIT))
    assert isinstance(event, dict)
    return event


def until(client: ClientConnection, kind: str) -> list[Wire]:
    events = [receive(client)]
    while events[-1]["type"] != kind:
        events.append(receive(client))
    return events
