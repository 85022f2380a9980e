"""A server over TLS, in a process of its own, that does what a `bench.*` event asks for.

    python mirror.py CERTIFICATE

Prints its port, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import sys
import time
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]
#: 100 ms of PCM16 at 24 kHz, behind eight digits.
SOUND = bytes(range(256)) * 18 + bytes(184)


def delta(number: int) -> tuple[bytes, str]:
    """A numbered delta: its audio, and its event."""
    audio = b"%08d" % number + SOUND
    said = {
        "type": "response.output_audio.delta",
        "event_id": f"event_{number}",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(audio).decode(),
        "sent": time.monotonic(),
    }
    return audio, json.dumps(said)


class Mirror:
    """One connection: hashes what it hears and what it says."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._heard, self._said = hashlib.sha256(), hashlib.sha256()
        self._appends = self._deltas = 0

    async def serve(self) -> None:
        await self._say(type="session.created", session={"id": "s", "type": "realtime"})
        async for text in self._connection:
            event = json.loads(text)
            kind = event["type"]
            if kind == "input_audio_buffer.append":
                await self._hear(base64.b64decode(event["audio"]))
            elif kind == "conversation.item.create":
                await self._say(type="conversation.item.added", item=event["item"])
            elif kind == "session.update":
                await self._say(type="session.updated", session=event["session"])
            elif kind == "bench.pace":
                await self._pace(event["seconds"], event["late"])
            elif kind == "bench.flood":
                await self._flood(event["count"])
            elif kind == "bench.end":
                await self._say(
                    type="bench.told",
                    heard=self._heard.hexdigest(),
                    said=self._said.hexdigest(),
                    appends=self._appends,
                    deltas=self._deltas,
                )

    async def _hear(self, audio: bytes) -> None:
        self._heard.update(audio)
        self._appends += 1
        if self._appends % 5 == 0:  # as much down as up
            await self._speak()

    async def _speak(self) -> None:
        audio, said = delta(self._deltas)
        self._said.update(audio)
        self._deltas += 1
        await self._connection.send(said)

    async def _pace(self, seconds: float, late: float) -> None:
        """Ten deltas a second, beginning `late` seconds from now."""
        loop = asyncio.get_running_loop()
        due = loop.time() + late
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._speak()
            due += 0.1

    async def _flood(self, count: int) -> None:
        # no delta: of those a callback that is far behind loses some
        text = json.dumps({"type": "response.output_text.done", "response_id": "r", "text": "Hi"})
        for _ in range(count):
            await self._connection.send(text)
        await self._say(type="bench.told")

    async def _say(self, **event: Any) -> None:
        await self._connection.send(json.dumps(event))


async def _serve_one(connection: ServerConnection) -> None:
    try:
        await Mirror(connection).serve()
    except ConnectionClosed:
        pass


async def main(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(
        _serve_one, "127.0.0.1", 0, ssl=context, compression=None, ping_interval=None, max_size=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
