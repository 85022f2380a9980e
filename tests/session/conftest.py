from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

from .peers import Peer

Opener = Callable[..., RealtimeSession]


@pytest.fixture
def make(server: LocalServer) -> Iterator[Opener]:
    """Makes sessions of the server, in text unless told otherwise; closes them all."""
    made: list[RealtimeSession] = []

    def new(**arguments: Any) -> RealtimeSession:
        plain = {"output_modalities": ["text"], "turn_detection": None, "reconnect": None}
        if "endpoint" not in arguments:
            arguments["endpoint"] = server.endpoint
        session = RealtimeSession(**{**plain, **arguments})
        made.append(session)
        return session

    yield new
    for session in made:
        session.close()


@pytest.fixture
def session(make: Opener) -> RealtimeSession:
    """An open session in text."""
    return make().open()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server of which the test writes every frame."""
    with Peer() as running:
        yield running


@pytest.fixture
def bare(peer: Peer) -> Iterator[RealtimeSession]:
    """A session of the peer that tells it nothing by itself."""
    session = RealtimeSession(endpoint=peer.endpoint, ping_interval=None, reconnect=None)
    session.open()
    yield session
    session.close()
