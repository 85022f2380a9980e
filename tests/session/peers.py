"""Servers of which the test writes every frame, or every byte."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from typing import Any

from websockets.sync.server import ServerConnection, serve

from realtime_sync import Compatible, RealtimeSession

Wire = dict[str, Any]

CREATED: Wire = {
    "type": "session.created",
    "event_id": "event_created",
    "session": {"id": "sess_1", "type": "realtime", "model": "m"},
}


class Link:
    """One accepted connection; the test's thread speaks for the server."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.path = connection.request.path if connection.request else ""
        self.headers = connection.request.headers if connection.request else {}
        self.over = threading.Event()

    def say(self, kind: str, **fields: Any) -> None:
        """Sends an event."""
        self.connection.send(json.dumps({"type": kind, "event_id": f"event_{kind}", **fields}))

    def say_all(self, *events: Wire) -> None:
        """Sends several events in one write, so that the client reads them in one piece."""
        frames = [frame(json.dumps(event).encode()) for event in events]
        self.raw(b"".join(frames))

    def raw(self, data: bytes) -> None:
        """Sends bytes past the protocol."""
        self.connection.socket.sendall(data)

    def hear(self, kind: str, timeout: float = 15) -> Wire:
        """The next client event of that type; others are passed over."""
        while True:
            event: Wire = json.loads(self.connection.recv(timeout=timeout))
            if event["type"] == kind:
                return event

    def respond(
        self, create: Wire, response_id: str, text: str, *, status: str = "completed"
    ) -> None:
        """Answers a `response.create` with a whole text response, in one write."""
        response = self.response(create, response_id)
        item = {"id": f"item_{response_id}", "type": "message", "role": "assistant"}
        where = {"response_id": response_id, "item_id": item["id"], "output_index": 0}
        done = {**item, "status": "completed", "content": [{"type": "output_text", "text": text}]}
        self.say_all(
            {"type": "response.created", "response": {**response, "status": "in_progress"}},
            {"type": "response.output_item.added", **where, "item": {**item, "content": []}},
            {"type": "response.output_text.delta", **where, "content_index": 0, "delta": text},
            {"type": "response.done", "response": {**response, "status": status, "output": [done]}},
        )

    @staticmethod
    def response(create: Wire, response_id: str) -> Wire:
        """A response object that echoes the metadata, as the service does."""
        wanted = create.get("response") or {}
        place = None if wanted.get("conversation") == "none" else "conv_1"
        return {
            "id": response_id,
            "object": "realtime.response",
            "conversation_id": place,
            "metadata": wanted.get("metadata"),
            "output": [],
        }


def frame(payload: bytes, *, first: int = 0x81, masked: bool = False) -> bytes:
    """One frame, as right or wrong as it is asked for."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 65536:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    if masked:
        return bytes([first, length[0] | 0x80]) + length[1:] + bytes(4) + payload
    return bytes([first]) + length + payload


class Peer:
    """Accepts connections and says `session.created`; all else is the test's."""

    def __init__(self, *, greeting: Wire | None = CREATED) -> None:
        self._greeting = greeting
        self._links: queue.Queue[Link] = queue.Queue()
        self._all: list[Link] = []
        self._server = serve(
            self._accept, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None
        )
        self._thread = threading.Thread(target=self._serve, name="peer", daemon=True)

    def _serve(self) -> None:
        try:
            self._server.serve_forever()
        except (OSError, ValueError):
            pass  # closed before it had begun

    def _accept(self, connection: ServerConnection) -> None:
        link = Link(connection)
        self._all.append(link)
        if self._greeting is not None:
            connection.send(json.dumps(self._greeting))
        self._links.put(link)
        link.over.wait(60)

    @property
    def endpoint(self) -> Compatible:
        port = self._server.socket.getsockname()[1]
        return Compatible(f"http://127.0.0.1:{port}/v1", api_key="sk-peer-key")

    def link(self) -> Link:
        """The next connection."""
        return self._links.get(timeout=15)

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._all:
            link.over.set()
        self._server.shutdown()
        self._thread.join(5)


class Socket:
    """A TCP server that answers every connection with given bytes, or with silence."""

    def __init__(self, answer: bytes | None, *, reads: bool = True) -> None:
        self._answer = answer
        self._reads = reads
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)

    @property
    def endpoint(self) -> Compatible:
        return Compatible(f"http://127.0.0.1:{self.port}/v1", api_key="sk-peer-key")

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            with contextlib.suppress(OSError):  # the client may have gone
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._reads:
            self.requests.append(connection.recv(65536))
        if self._answer is not None:
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Socket:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()


def drain(session: RealtimeSession) -> None:
    """Returns once every callback of what has arrived has run."""
    done = threading.Event()
    future = session.request({"type": "input_audio_buffer.clear"})
    future.add_done_callback(lambda _: done.set())
    assert done.wait(15)
    done.clear()
    session.request({"type": "input_audio_buffer.clear"}).add_done_callback(lambda _: done.set())
    assert done.wait(15)
