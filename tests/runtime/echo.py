"""Autobahn's fuzzing server, and our transport that echoes whatever it says.

    unshare -Urn python echo.py WSTEST FOLDER CASES BUT

The server binds every interface, whatever its URL says: hence a network of its own. CASES, and
those among them that are left out, are patterns such as `1.*,2.3`. Prints what became of each case
as one JSON object.
"""

from __future__ import annotations

import fcntl
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

from websocket import ABNF

from realtime_sync.runtime.framing import BINARY
from realtime_sync.runtime.loop import Loop, acquire
from realtime_sync.runtime.transport import Ended, Transport

PORT = 9001
AGENT = "realtime-sync"
LIMIT = 60.0  # seconds for one case; 16 MB in pieces of 64 bytes take a few


class Within:
    """A deadline."""

    def __init__(self) -> None:
        self._until = time.monotonic() + LIMIT

    def remaining(self) -> float:
        return self._until - time.monotonic()


class Both(Transport):
    """Sends binary messages too, for which the Realtime API has no use."""

    def send_binary(self, payload: bytes) -> None:
        if self._close_queued or self._broken is not None:
            return
        frame: bytes = ABNF.create_frame(payload, BINARY).format()
        self._data.append(frame)
        self._size += len(frame)


class Echo:
    """Says again what it hears, until the link ends.

    Text that is no UTF-8 it answers with a ping, and the pong, which shows that the link lives,
    with a close frame.
    """

    def __init__(self, loop: Loop, path: str) -> None:
        self.heard: list[bytes] = []
        self.ended: Ended | None = None
        self.bad: list[str] = []  # texts that are no UTF-8, in hexadecimal digits
        self.alive = False  # such a text came, and then an answer to our ping
        self._over = threading.Event()
        self._loop = loop
        self._link = Both.connect(f"ws://127.0.0.1:{PORT}{path}", {}, deadline=Within())
        loop.call(lambda: loop.watch(self._link, self))

    def wait(self) -> Echo:
        if not self._over.wait(LIMIT):
            raise TimeoutError(f"the server did not end it: {self._link}")
        return self

    def on_readable(self) -> None:
        before = self._link.last_received
        for opcode, payload in self._link.receive():
            self.heard.append(payload)
            if opcode == BINARY:
                self._link.send_binary(payload)
            elif good(payload):
                self._link.send(payload)
            else:
                self._link.ping()
                self.bad.append(payload.hex())
                before = self._link.last_received
        if self.bad and self._link.last_received > before and self._link.ended is None:
            self.alive = True
            self._link.send_close()
        if self._link.ended is not None and not self._over.is_set():
            self.ended = self._link.ended
            self._link.flush()
            self._loop.unwatch(self._link)
            self._link.close()
            self._over.set()

    def on_wake(self) -> None:
        """Nothing is ever sent from elsewhere."""

    def on_fault(self, error: BaseException) -> None:
        self.ended = Ended(0, f"a bug: {error!r}")
        self._over.set()


def good(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def raise_loopback() -> None:
    """`ip link set lo up`, where there may be no `ip`."""
    up = struct.pack("16sH14x", b"lo", 0x1)  # struct ifreq with IFF_UP
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def await_server() -> None:
    end = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # it says nothing when it is ready
        else:
            return


def play(loop: Loop, folder: pathlib.Path) -> dict[str, Any]:
    """Play every case; what the server says of them, and what we have heard."""

    def ask(what: str) -> Any:
        return json.loads(Echo(loop, what).wait().heard[0])

    played: dict[str, Any] = {}
    for number in range(1, int(ask("/getCaseCount")) + 1):
        case = ask(f"/getCaseInfo?case={number}")["id"]
        echo = Echo(loop, f"/runCase?case={number}&agent={AGENT}").wait()
        played[case] = {"ended": str(echo.ended), "bad": echo.bad, "alive": echo.alive}
    Echo(loop, f"/updateReports?agent={AGENT}").wait()
    said = json.loads((folder / "index.json").read_text())[AGENT]
    return {case: {**played[case], **said[case]} for case in played}


def main(wstest: str, folder: str, cases: str, but: str) -> None:
    raise_loopback()
    spec = pathlib.Path(folder, "spec.json")
    chosen = {"cases": cases.split(","), "exclude-cases": but.split(",") if but else []}
    place = {"url": f"ws://127.0.0.1:{PORT}", "outdir": folder}
    spec.write_text(json.dumps({**place, **chosen, "exclude-agent-cases": {}}))
    command = [wstest, "-m", "fuzzingserver", "-s", str(spec), "-u", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            await_server()
            loop = acquire()
            json.dump(play(loop, pathlib.Path(folder)), sys.stdout)
            loop.release(LIMIT)
        finally:
            server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
