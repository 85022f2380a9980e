"""The sockets of an HTTP client: a request that nobody waits for any more ends at once.

The client knows no way to end one that the server has not answered yet, and would ask again for
what nobody wants. So we watch which socket each request of ours uses (by the `trace` extension of
its transport), and shut that down; what would be sent after that is not.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from .model import Asker, asker

__all__ = ["GivenUp", "Wires", "hang_up"]


#: Steps of a request, by how they begin, at which it can be broken off: while the client makes a
#: link of its own it would leave it open.
_BEFORE = ("connect_tcp.started", "send_request_", "receive_response_headers")


class GivenUp(BaseException):
    """Nobody waits for this request. No `Exception`: the client would take it for a lost link."""


class Wires:
    """The sockets of one client."""

    def __init__(self) -> None:
        self._idle: dict[Any, None] = {}  # streams without a request, as far as we know

    def watch(self, request: Any) -> None:
        """Follow a request that is about to be sent: an event hook of the client's."""
        asks = asker.get()
        if asks is None:
            return
        asks.hang_up = None  # that of an attempt before

        def trace(name: str, info: dict[str, Any]) -> None:
            self._trace(asks, name, info)

        request.extensions = {**request.extensions, "trace": trace}
        if asks.over:
            raise GivenUp

    def _trace(self, asks: Asker, name: str, info: dict[str, Any]) -> None:
        step = name.partition(".")[2]
        if asks.over and step.startswith(_BEFORE):
            raise GivenUp
        if step in ("connect_tcp.complete", "start_tls.complete"):
            stream = info["return_value"]
            asks.hang_up = lambda: _shut(stream)
            if asks.over:  # it was given up when there was nothing to shut
                _shut(stream)
        elif step == "send_request_headers.started" and asks.hang_up is None:
            # it has taken one that is there, and does not say which: an idle one is soon made anew
            asks.hang_up = self._shut_idle

    def taken(self, stream: Any) -> None:
        """A response has begun: its socket is not idle."""
        self._idle.pop(_network(stream), None)

    def given_back(self, stream: Any) -> None:
        """A response is closed: its socket may be used again."""
        for other in list(self._idle):
            if _closed(other):
                self._idle.pop(other, None)
        network = _network(stream)
        if network is not None and not _closed(network):
            self._idle[network] = None

    def _shut_idle(self) -> None:
        for stream in list(self._idle):
            _shut(stream)


def hang_up(stream: Any) -> None:
    """Have whoever reads a stream find its end at once. From any thread."""
    _shut(_network(stream))


def _network(stream: Any) -> Any:
    """The network stream under a stream of answers; None: a client of another make has none."""
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        return stream.response.extensions["network_stream"]
    return None


def _closed(network: Any) -> bool:
    with contextlib.suppress(Exception):  # of another make
        return bool(network.get_extra_info("socket").fileno() == -1)
    return True


def _shut(network: Any) -> None:
    """Closing a socket wakes nobody who waits for it; shutting it down does."""
    with contextlib.suppress(Exception):  # it is shut, or of another make
        socket.socket.shutdown(network.get_extra_info("socket"), socket.SHUT_RDWR)
