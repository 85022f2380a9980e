"""`python -m benchmarks.reliability`: what long runs and many sessions cost, and how soon they end.

Over TLS on loopback, against `mirror` in a process of its own. Each figure stands beside the one
that is wanted of it. Linux: it reads /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import logging
import os
import pathlib
import platform
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import trustme

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy

_HOME = pathlib.Path(__file__).parent
_FRAME = bytes(range(256)) * 3 + bytes(184)  # 20 ms of PCM16 at 24 kHz, behind eight digits
_AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


@dataclass(frozen=True)
class Figure:
    """One measure, and the most that it may be; of a rate the least."""

    name: str
    value: float
    unit: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name:44} {self.value:12.3f} {self.unit:20} wanted: {self.wanted}"


class Server:
    """Where it is, and how to trust it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context

    def session(self, **arguments: Any) -> RealtimeSession:
        endpoint = Compatible(f"https://localhost:{self._port}/v1", api_key="sk-bench")
        given = {"ssl_context": self._context, "reconnect": None, **arguments}
        return RealtimeSession(endpoint=endpoint, **given)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "server.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
        with subprocess.Popen(
            [sys.executable, str(_HOME / "mirror.py"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield Server(int(process.stdout.readline()), context)
            finally:
                process.stdin.close()


def resident() -> float:
    """MB of this process."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def counts() -> tuple[int, int]:
    """Threads, and descriptors."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def left(before: tuple[int, int]) -> int:
    """How many more there are, once those that are about to end have ended."""
    deadline = time.monotonic() + 5
    while True:
        more = sum(max(0, now - then) for now, then in zip(counts(), before, strict=True))
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.01)


def told(session: RealtimeSession, **event: Any) -> Any:
    """What the server says of it in the end."""
    with session.expect("bench.told") as pending:
        session.send(event)
    return pending.result(timeout=600).raw


# --- for long


def hours(server: Server, count: float) -> list[Figure]:
    """So many hours of audio both ways, as fast as they go; every byte is checked."""
    heard, said = hashlib.sha256(), hashlib.sha256()
    first: list[float] = []
    with server.session() as session:
        session.on("response.output_audio.delta", lambda event: heard.update(event.audio))
        began, cpu = time.monotonic(), time.process_time()
        for hour in range(max(1, round(count))):
            for number in range(int(180_000 * min(1.0, count - hour))):
                audio = b"%08d" % number + _FRAME
                said.update(audio)
                session.input_audio_buffer.append(audio, timeout=60)
            gc.collect()
            first.append(resident())
        end = told(session, type="bench.end")
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        last: Any = threading.Event()
        session.on("bench.told", lambda _: last.set())
        session.send({"type": "bench.end"})
        last.wait(60)  # behind the callbacks of all deltas
    wrong = (end["heard"] != said.hexdigest()) + (end["said"] != heard.hexdigest())
    return [
        Figure("duplex audio, wall clock an hour", took / count, "s", "15"),
        Figure("duplex audio, processor an hour", cpu / count, "s CPU", "15"),
        Figure("duplex audio, memory after the first hour", first[-1] - first[0], "MB more", "8"),
        Figure("duplex audio, directions with a wrong byte", wrong, "of 2", "0"),
        Figure("duplex audio, hours", count, "h", "24"),
    ]


def crowd(server: Server, sessions: int, seconds: float, settle: float = 2.0) -> list[Figure]:
    """Sessions with ten deltas of audio a second each; `settle` seconds to begin, and to end."""
    late: list[float] = []
    with server.session() as session:
        told(session, type="bench.flood", count=10)  # what is made once a process is made
        gc.collect()
    before, memory = counts(), resident()
    made = [server.session() for _ in range(sessions)]
    for one in made:
        one.on("response.output_audio.delta", lambda e: late.append(time.monotonic() - e.sent))
        one.open(timeout=60)
    for number, one in enumerate(made):
        one.send({"type": "bench.pace", "seconds": seconds, "late": number % 100 / 1000})
    over = threading.Event()
    over.wait(settle)
    early = len(late)  # while their threads of callbacks begin
    cpu, began = time.process_time(), time.monotonic()
    over.wait(seconds - settle - 1)
    cores = (time.process_time() - cpu) / (time.monotonic() - began)
    threads, descriptors = counts()
    grown = resident() - memory
    over.wait(settle + 1)
    deadline = time.monotonic() + 10  # for what a busy machine is late with
    while len(late) < sessions * int(seconds * 10) and time.monotonic() < deadline:
        over.wait(0.05)
    began = time.monotonic()
    closing = [threading.Thread(target=one.close) for one in made]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    took = time.monotonic() - began
    after = left(before)
    came = len(late)
    late = sorted(late[early:])
    name = f"{sessions} sessions"
    return [
        Figure(f"{name}, memory each", grown / sessions, "MB", "0.5"),
        Figure(f"{name}, threads each", (threads - before[0]) / sessions, "", "3"),
        Figure(f"{name}, descriptors each", (descriptors - before[1]) / sessions, "", "3"),
        Figure(f"{name}, processor", 100 * cores, "% of a core", "60"),
        Figure(f"{name}, event to callback, p50", 1e3 * late[len(late) // 2], "ms", "1"),
        Figure(f"{name}, event to callback, p99", 1e3 * late[int(len(late) * 0.99)], "ms", "20"),
        Figure(f"{name}, deltas that came", came, f"of {sessions * int(seconds * 10)}", "all"),
        Figure(f"{name}, all closed", took, "s", "2"),
        Figure(f"{name}, threads and descriptors left", after, "", "0"),
    ]


def cycles(server: Server, count: int) -> list[Figure]:
    """Sessions that are opened and closed, one after the other."""

    def cycle() -> None:
        with server.session():
            pass

    return _repeated("opened and closed", cycle, count, warm=count // 5)


def reconnects(server: Server, count: int) -> list[Figure]:
    """Links that are cut, with fifty items to say again."""
    history = [f"item number {number}" for number in range(50)]
    with server.session(reconnect=_AT_ONCE, history=history) as session:
        times: list[float] = []

        def cut() -> None:
            link: Any = session._connection._link
            # a link over which nothing has come has not worked: the delays would be used up
            told(session, type="bench.flood", count=1)
            began = time.monotonic()
            with session.expect("connection.restored") as pending:
                link.abort()
                assert len(pending.result(timeout=60).replayed) == 50
            times.append(time.monotonic() - began)

        figures = _repeated("cut and restored, 50 items", cut, count, warm=count // 5)
    times.sort()
    return [
        *figures,
        Figure("cut and restored, 50 items, p50", 1e3 * times[len(times) // 2], "ms", "-"),
        Figure("cut and restored, 50 items, p99", 1e3 * times[int(len(times) * 0.99)], "ms", "-"),
    ]


def _repeated(name: str, act: Callable[[], None], count: int, warm: int) -> list[Figure]:
    for _ in range(warm):
        act()
    gc.collect()
    before, memory = counts(), resident()
    for _ in range(count):
        act()
    gc.collect()
    grown = resident() - memory
    return [
        Figure(f"{name}, {count} times, memory", grown, "MB more", "2"),
        Figure(f"{name}, threads and descriptors left", left(before), "", "0"),
    ]


# --- one session


def one(server: Server, count: int) -> list[Figure]:
    """Events in, events out, and how soon it ends."""
    seen, over = [0], threading.Event()
    with server.session() as session:

        def take(_: Any) -> None:
            seen[0] += 1
            if seen[0] == count:
                over.set()

        session.on("response.output_text.done", take)
        began, cpu = time.monotonic(), time.process_time()
        session.send({"type": "bench.flood", "count": count})
        over.wait(60)
        received, cpu = seen[0] / (time.monotonic() - began), time.process_time() - cpu

        def say() -> None:
            for _ in range(count // 40):
                session.send({"type": "bench.said", "text": "x" * 100})

        began = time.monotonic()
        threads = [threading.Thread(target=say) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told(session, type="bench.end")
        sent = count // 40 * 8 / (time.monotonic() - began)
    return [
        Figure("small events to one callback", received, "a second", "20,000 or more"),
        Figure("small events, processor each", 1e6 * cpu / max(1, seen[0]), "us CPU", "50"),
        Figure("events sent by 8 threads", sent, "a second", "2,000 or more"),
        Figure("abort until connection.lost, worst of 50", _worst(server, _abort), "ms", "5"),
        Figure("close() of an idle session, worst of 50", _worst(server, _close), "ms", "2,000"),
    ]


def _worst(server: Server, end: Callable[[RealtimeSession], float]) -> float:
    return 1e3 * max(end(server.session().open(timeout=60)) for _ in range(50))


def _abort(session: RealtimeSession) -> float:
    link: Any = session._connection._link
    with session.expect("connection.lost") as pending:
        began = time.monotonic()
        link.abort()
        pending.result(timeout=60)
        took = time.monotonic() - began
    session.close()
    return took


def _close(session: RealtimeSession) -> float:
    began = time.monotonic()
    session.close()
    return time.monotonic() - began


#: Name -> what measures it, given a server and hours of audio; and in small, for a test.
PARTS: dict[str, tuple[Callable[[Server, float], list[Figure]], ...]] = {
    "one": (lambda server, _: one(server, 100_000), lambda server, _: one(server, 2_000)),
    "crowd": (
        lambda server, _: crowd(server, 200, 60.0),
        lambda server, _: crowd(server, 3, 1.5, 0.3),
    ),
    "cycles": (lambda server, _: cycles(server, 1_000), lambda server, _: cycles(server, 10)),
    "cuts": (lambda server, _: reconnects(server, 500), lambda server, _: reconnects(server, 5)),
    "hours": (hours, hours),
}


def figures(*parts: str, hours_of_audio: float, small: bool = False) -> Iterator[Figure]:
    """Those of some parts; of none named, all of them."""
    with serving() as server:
        for name in parts or PARTS:
            yield from PARTS[name][small](server, hours_of_audio)


def main() -> None:
    """Print the figures, and write them where `--json` says."""
    parser = argparse.ArgumentParser("python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--hours", type=float, default=24.0, help="of duplex audio (24)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    logging.getLogger("realtime_sync").setLevel(logging.ERROR)  # of each link that we cut
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}", flush=True
    )
    found = []
    for figure in figures(*given.parts, hours_of_audio=given.hours):
        print(figure, flush=True)
        found.append(asdict(figure))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
