"""A bare server on loopback, in a process of its own: as little work as can be between two frames.

It shares no code with the embedded server. One thread, one selector. What it says to a
`response.create` is prepared before anybody connects; what it hears is counted, not parsed, but for
the few bytes that a benchmark needs.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import heapq
import json
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Server", "frame", "serving"]

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: 100 ms of PCM16 at 24 kHz.
AUDIO = base64.b64encode(bytes(range(256)) * 18 + bytes(192)).decode()
TEXT = "Hello there, "


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A whole server frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """An event as the service sends it, ids and all."""
    return {"type": kind, "event_id": "event_made_up_for_a_race", **fields}


_WHERE: dict[str, Any] = {
    "response_id": "resp_made_up_for_00000000",
    "item_id": "item_made_up_for_00000000",
    "output_index": 0,
    "content_index": 0,
}
DELTAS = {
    "audio": [event("response.output_audio.delta", **_WHERE, delta=AUDIO)],
    "text": [event("response.output_text.delta", **_WHERE, delta=TEXT, obfuscation="aX2b")],
    "mixed": [
        event("response.output_audio.delta", **_WHERE, delta=AUDIO),
        event("response.output_audio_transcript.delta", **_WHERE, delta=TEXT),
    ],
}


def _renamed(frames: bytes, names: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The frames with other ids, as long as theirs."""
    for known, name in names:
        frames = frames.replace(known, name)
    return frames


@dataclass(frozen=True)
class Plan:
    """What a server does.

    Attributes:
        kind: Of the deltas of a response: "audio", "text" or "mixed".
        count: Deltas a response.
        pace: Seconds between deltas that go to every connection by themselves; 0: none do.
        gap: Seconds between the deltas of a response; 0: they come at once.
    """

    kind: str = "text"
    count: int = 0
    pace: float = 0.0
    gap: float = 0.0


class _Peer:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.open = False  # the handshake is done
        self.appends = 0
        self.heard = 0  # bytes of frames
        self.late: list[float] = []  # seconds from an append's due time to its arrival
        self.said = 0  # deltas that have gone to it by themselves
        self.spoke = 0.0  # when its user began to speak


class Server:
    """Runs until its standard input ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._peers: dict[socket.socket, _Peer] = {}
        one = [frame(json.dumps(e).encode()) for e in DELTAS.get(plan.kind, [])]
        self._deltas = b"".join(one[n % len(one)] for n in range(plan.count)) if one else b""
        self._one = one[0] if one else b""
        self._later: list[tuple[float, int, _Peer, bytes]] = []  # when it goes to whom; a heap
        self._responses = 0
        self._turn = -1  # whose tenth of the connections it is
        self._cuts: list[float] = []  # seconds from a user's word to the truncate that it brought

    def run(self) -> None:
        """Serve; the port is the first line of output, the last one what was heard."""
        print(self._listener.getsockname()[1], flush=True)
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ, "end")
        due = time.monotonic()
        while True:
            pace = self._plan.pace
            soon = self._later[0][0] if self._later else None
            soon = due if pace and (soon is None or due < soon) else soon
            wait = None if soon is None else max(0.0, soon - time.monotonic())
            for key, mask in self._selector.select(wait):
                if key.data == "end":
                    self._tell()
                    return
                if key.fileobj is self._listener:
                    self._accept()
                    continue
                peer = key.data
                try:
                    if mask & selectors.EVENT_READ:
                        self._read(peer)
                    self._flush(peer)
                except OSError:
                    self._drop(peer)
            self._say_later()
            if pace and time.monotonic() >= due:
                due += pace / 10  # a tenth of the connections at a time, so that they are spread
                self._broadcast()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = self._peers[sock] = _Peer(sock)
        self._selector.register(sock, selectors.EVENT_READ, peer)

    def _drop(self, peer: _Peer) -> None:
        self._selector.unregister(peer.sock)
        peer.sock.close()
        peer.open = False

    def _read(self, peer: _Peer) -> None:
        data = peer.sock.recv(1 << 18)
        if not data:
            raise ConnectionError
        peer.inbox += data
        if not peer.open:
            self._greet(peer)
        box, at, size = peer.inbox, 0, len(peer.inbox)
        while size - at >= 6:
            length, head = box[at + 1] & 0x7F, 2
            if length == 126:
                length, head = int.from_bytes(box[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(box[at + 2 : at + 10], "big"), 10
            if size - at < head + 4 + length:
                break
            start = at + head + 4
            self._hear(peer, box[at] & 0xF, box[at + head : start], box, start, length)
            at = start + length
        del box[:at]

    def _greet(self, peer: _Peer) -> None:
        head, end, rest = bytes(peer.inbox).partition(b"\r\n\r\n")
        if not end:
            return
        found = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.IGNORECASE)
        assert found
        accept = base64.b64encode(hashlib.sha1(found[1] + _MAGIC).digest())
        peer.outbox += (
            b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        session = {"id": "sess_1", "type": "realtime", "model": "m", "object": "realtime.session"}
        peer.outbox += frame(json.dumps(event("session.created", session=session)).encode())
        peer.inbox[:] = rest
        peer.open = True

    def _hear(
        self, peer: _Peer, opcode: int, mask: bytearray, box: bytearray, at: int, size: int
    ) -> None:
        peer.heard += size
        if opcode == 8:
            peer.outbox += frame(_clear(box, mask, at, size), 8)
            self._flush(peer)
            raise ConnectionError
        if opcode == 9:
            peer.outbox += frame(_clear(box, mask, at, size), 10)
            return
        if size > 600:
            peer.appends += 1
            if self._plan.pace:
                self._time(peer, _clear(box, mask, at, 80))
            return
        text = _clear(box, mask, at, size)
        if b'"response.create"' in text:
            self._respond(peer, json.loads(text))
        elif b'"conversation.item.create"' in text:
            item = json.loads(text)["item"]
            self._say(peer, event("conversation.item.added", item=item, previous_item_id=None))
            self._say(peer, event("conversation.item.done", item=item, previous_item_id=None))
        elif b'"session.update"' in text:
            self._say(peer, event("session.updated", session=json.loads(text)["session"]))
        elif b'"input_audio_buffer.commit"' in text:
            self._say(peer, event("input_audio_buffer.committed", item_id=f"u{peer.appends}"))
        elif b'"conversation.item.truncate"' in text:
            self._cuts.append(time.monotonic() - peer.spoke)
            cut = {k: v for k, v in json.loads(text).items() if k not in ("type", "event_id")}
            self._say(peer, event("conversation.item.truncated", **cut))
        elif b'"benchmark.speak"' in text:  # its user is to begin to speak
            peer.spoke = time.monotonic()
            started = event("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
            self._say(peer, {**started, "sent": peer.spoke})

    def _time(self, peer: _Peer, text: bytes) -> None:
        """An append's first eight bytes of audio say when it was due."""
        found = re.search(rb'"audio": ?"([A-Za-z0-9+/]{12})', text)
        if found is not None:
            (due,) = struct.unpack("<d", base64.b64decode(found[1])[:8])
            peer.late.append(time.monotonic() - due)

    def _respond(self, peer: _Peer, create: dict[str, Any]) -> None:
        self._responses += 1
        known = str(_WHERE["response_id"])
        response_id = f"{known[:-8]}{self._responses:08}"  # alike in length: the frames stay whole
        item_id = f"{_WHERE['item_id'][:-8]}{self._responses:08}"
        response: dict[str, Any] = {
            "id": response_id,
            "object": "realtime.response",
            "status": "in_progress",
            "output": [],
            "conversation_id": "conv_1",
            "metadata": (create.get("response") or {}).get("metadata"),
        }
        item = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        where = {"response_id": response["id"], "output_index": 0}
        self._say(peer, event("response.created", response=response))
        self._say(peer, event("response.output_item.added", item=item, **where))
        self._say(peer, event("conversation.item.added", item=item, previous_item_id=None))
        names = (
            (known.encode(), response_id.encode()),
            (
                str(_WHERE["item_id"]).encode(),
                item_id.encode(),
            ),
        )
        if not self._plan.gap:
            peer.outbox += _renamed(self._deltas, names)
        part = {"type": "output_text", "text": "done"}
        whole = {**item, "status": "completed", "content": [part]}
        done = {**response, "status": "completed", "output": [whole]}
        last = b"".join(
            frame(json.dumps(said).encode())
            for said in (
                event("conversation.item.done", item=whole, previous_item_id=None),
                event("response.done", response=done),
            )
        )
        if self._plan.gap:
            self._spread(peer, _renamed(self._one, names), last)
        else:
            peer.outbox += last

    def _spread(self, peer: _Peer, delta: bytes, last: bytes) -> None:
        """A response's deltas, each in its time, and what ends it."""
        now, count = time.monotonic(), self._plan.count
        for n, said in enumerate([delta] * count + [last], 1):
            moment = now + min(n, count) * self._plan.gap
            heapq.heappush(self._later, (moment, self._responses * 1000 + n, peer, said))

    def _say_later(self) -> None:
        """What is due of responses that come in their time."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, _, peer, said = heapq.heappop(self._later)
            if not peer.open:
                continue
            peer.outbox += said
            try:
                self._flush(peer)
            except OSError:
                self._drop(peer)

    def _say(self, peer: _Peer, said: dict[str, Any]) -> None:
        peer.outbox += frame(json.dumps(said).encode())

    def _broadcast(self) -> None:
        kinds = DELTAS[self._plan.kind]
        peers = [peer for peer in self._peers.values() if peer.open]
        self._turn = (self._turn + 1) % 10
        for peer in peers[self._turn :: 10]:
            peer.said += 1
            said = {**kinds[0], "sent": time.monotonic(), "number": peer.said}
            peer.outbox += frame(json.dumps(said).encode())
            try:
                self._flush(peer)
            except OSError:
                self._drop(peer)

    def _flush(self, peer: _Peer) -> None:
        while peer.outbox:
            try:
                sent = peer.sock.send(memoryview(peer.outbox)[: 1 << 20])
            except BlockingIOError:
                self._selector.modify(peer.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
                return
            del peer.outbox[:sent]
        if self._selector.get_key(peer.sock).events & selectors.EVENT_WRITE:
            self._selector.modify(peer.sock, selectors.EVENT_READ, peer)

    def _tell(self) -> None:
        peers = list(self._peers.values())
        late = sorted(delay for peer in peers for delay in peer.late)
        told = {
            "appends": sum(peer.appends for peer in peers),
            "bytes": sum(peer.heard for peer in peers),
            "late": [late[int(len(late) * share)] for share in (0.5, 0.99)] if late else [],
            "cuts": sorted(self._cuts),
        }
        print(json.dumps(told), flush=True)


def _clear(box: bytearray, mask: bytearray, at: int, size: int) -> bytes:
    """The first bytes of a masked payload."""
    masked = int.from_bytes(box[at : at + size], "big")
    key = int.from_bytes((bytes(mask) * (size // 4 + 1))[:size], "big")
    return (masked ^ key).to_bytes(size, "big")


class Serving:
    """A server that runs; `told` has what it heard, once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.pid = process.pid
        self.told: dict[str, Any] = {}

    def end(self) -> None:
        """Have it tell what it heard."""
        output, _ = self._process.communicate("", timeout=30)
        self.told = json.loads(output.splitlines()[-1])


@contextlib.contextmanager
def serving(**plan: Any) -> Iterator[Serving]:
    """A server in a process of its own.

    Args:
        plan: Fields of `Plan`.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.wire", json.dumps(plan)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    running = Serving(process)
    try:
        yield running
        running.end()
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


if __name__ == "__main__":
    Server(Plan(**json.loads(sys.argv[1]))).run()
