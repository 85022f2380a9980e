"""A dozen threads call at random while the line is cut again and again, and the session closed.

Every call ends in its time, every future is settled, and nothing is left. The seed is printed;
`REALTIME_SYNC_SEED` gives another.
"""

from __future__ import annotations

import concurrent.futures
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import RealtimeError, SessionClosed
from realtime_sync.local import LocalServer

THREADS = 12
EVERY = 23  # events of the server's between two cuts
TIMEOUT = 1.0  # of each call
SLACK = 10.0  # seconds beyond it that only a hang takes
POLICY = ReconnectPolicy(delays=(0, 0.001, 0.005, 0.01) * 10, jitter=0.5)

pytestmark = pytest.mark.usefixtures("often")

SEED = int(os.environ.get("REALTIME_SYNC_SEED", "1"))


class Chaos:
    """One session and everybody who calls it."""

    def __init__(self, server: LocalServer, seed: int, ping_interval: float | None) -> None:
        self.seed = seed
        self.session = RealtimeSession(
            endpoint=server.endpoint,
            output_modalities=["text"],
            turn_detection=None,
            tools=[self._tool],
            reconnect=POLICY,
            ping_interval=ping_interval,
        )
        self.closing = threading.Event()
        self.runs: dict[str, int] = {}  # call id -> how often its tool ran
        self.futures: list[concurrent.futures.Future[Any]] = []
        self.problems: list[str] = []
        self.restored = 0
        self.events: list[str] = []
        self.session.on("connection.*", lambda event: self.events.append(event.type))
        self.session.on("tool.started", self._count)

    def _tool(self, city: str = "Oslo") -> str:
        """Looks how warm it is."""
        return f"4 degrees in {city}"

    def _count(self, event: Any) -> None:
        self.runs[event.call_id] = self.runs.get(event.call_id, 0) + 1

    def work(self, number: int) -> None:
        rng = random.Random(f"{self.seed}/{number}")
        calls = self._calls(rng)
        while not self.closing.is_set():
            name, call = rng.choice(calls)
            begun = time.monotonic()
            try:
                call()
            except SessionClosed:
                return
            except (RealtimeError, ValueError):
                pass  # a timeout, a refusal, a loss: all of them are answers
            except BaseException as exc:
                self.problems.append(f"{name}: {exc!r}")
                return
            took = time.monotonic() - begun
            if took > TIMEOUT + SLACK:
                self.problems.append(f"{name} took {took:.1f} s")

    def _calls(self, rng: random.Random) -> list[tuple[str, Callable[[], Any]]]:
        session = self.session

        def some_item() -> str:
            items = session.conversation.items
            return str(rng.choice(items).id) if items else "none"

        def stream() -> None:
            with session.stream("tell me a long story", timeout=TIMEOUT) as deltas:
                for _ in deltas:
                    if rng.random() < 0.2:
                        break

        def speak() -> None:
            session.input_audio_buffer.append(bytes(9600))
            session.input_audio_buffer.commit(timeout=TIMEOUT)

        return [
            ("ask", lambda: session.ask("hello", timeout=TIMEOUT)),
            ("tool", lambda: session.ask('call _tool {"city": "Rome"}', timeout=TIMEOUT)),
            ("submit", lambda: self.futures.append(session.submit("count to 3"))),
            ("request", lambda: self.futures.append(session.request({"type": "response.create"}))),
            ("stream", stream),
            ("speak", speak),
            ("create", lambda: session.response.create(on_active="cancel", timeout=TIMEOUT)),
            ("cancel", lambda: session.response.cancel(timeout=TIMEOUT)),
            ("item", lambda: session.conversation.create("noted", timeout=TIMEOUT)),
            ("delete", lambda: session.conversation.delete(some_item(), timeout=TIMEOUT)),
            ("retrieve", lambda: session.conversation.retrieve(some_item(), timeout=TIMEOUT)),
            ("update", lambda: session.update(instructions=str(rng.random()), timeout=TIMEOUT)),
            ("wait", lambda: session.wait_for("response.done", timeout=TIMEOUT / 4)),
            # a conversation that is small enough to be said again between two cuts
            *[("sweep", lambda: session.conversation.clear(timeout=TIMEOUT))] * 3,
            ("clear", lambda: session.input_audio_buffer.clear(timeout=TIMEOUT)),
        ]


def cuts(server: LocalServer, _: random.Random) -> None:
    """The line is cut every so many events."""
    for _ in range(2000):
        server.script.cut(after=EVERY)


def any_faults(server: LocalServer, rng: random.Random) -> None:
    """Whatever the embedded server can do wrong, in any order."""
    script = server.script
    faults: list[Callable[[int], Any]] = [
        lambda after: script.cut(after=after),
        lambda after: script.cut(after_bytes=after * 97),
        lambda after: script.reset(after=after),
        lambda after: script.close(rng.choice([1001, 1005, 1011, 1012, 1013]), after=after),
        lambda after: script.mute(after=after),
        lambda after: script.deafen(after=after),
        lambda after: script.ping(times=50, after=after),
        lambda after: script.raw(rng.randbytes(40), after=after),
        lambda after: script.frame('{"type": "response.done", "response": []}', after=after),
        lambda after: script.frame("no event at all", after=after),
        lambda after: script.frame(b"\0\1", after=after),
    ]
    for _ in range(500):
        rng.choice(faults)(rng.randrange(5, 60))
    script.busy(times=5)
    script.refuse(503)
    script.refuse(429, retry_after="0.01")
    script.slice = rng.choice([None, None, 7, 100])


def storm(
    seed: int,
    seconds: float,
    faults: Callable[[LocalServer, random.Random], None] = cuts,
    ping_interval: float | None = 10.0,
) -> Chaos:
    """One run; what it found is in the problems."""
    with LocalServer(speed=None, voice="tones") as server:
        chaos = Chaos(server, seed, ping_interval)
        chaos.session.open(timeout=30)
        faults(server, random.Random(seed))
        threads = [
            threading.Thread(target=chaos.work, args=(n,), name=f"caller-{n}", daemon=True)
            for n in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        chaos.closing.wait(seconds)
        begun = time.monotonic()
        chaos.session.close(timeout=5 + SLACK)  # in mid-flight
        if time.monotonic() - begun > 5 + SLACK:
            chaos.problems.append("close() took too long")
        chaos.closing.set()
        for thread in threads:
            thread.join(TIMEOUT + SLACK)
            if thread.is_alive():
                chaos.problems.append(f"{thread.name} hangs")
    return chaos


def judge(chaos: Chaos) -> None:
    """What must hold, whatever the seed."""
    assert chaos.problems == [], f"seed {chaos.seed}"
    for future in chaos.futures:
        assert future.done(), f"seed {chaos.seed}: a future is not settled"
        error = future.exception(timeout=0)
        assert error is None or isinstance(error, RealtimeError), f"seed {chaos.seed}: {error!r}"
    assert set(chaos.runs.values()) <= {1}, f"seed {chaos.seed}: a tool ran twice"
    assert chaos.events[-1] == "connection.closed", f"seed {chaos.seed}"
    assert chaos.events.count("connection.closed") == 1, f"seed {chaos.seed}"
    left = [t.name for t in threading.enumerate() if t.name in ("realtime-io", "realtime-connect")]
    assert left == [], f"seed {chaos.seed}: {left}"


@pytest.mark.row("F30", "F31", "C5", bound="0 calls that hang, each tool once")
def test_cuts() -> None:
    """Cut every 23 events and closed in mid-flight: every call ends, every future is settled."""
    chaos = storm(SEED, 1.5)
    judge(chaos)
    assert "connection.restored" in chaos.events, f"seed {chaos.seed}"


@pytest.mark.long
def test_cuts_at_length() -> None:
    """A hundred seeds."""
    for seed in range(100):
        judge(storm(seed, 1.0))


@pytest.mark.row("F50", bound="0 calls that hang, each tool once")
def test_any_faults() -> None:
    """Faults of every kind in any order: every call ends, every future is settled."""
    judge(storm(SEED, 1.5, any_faults, ping_interval=0.2))


@pytest.mark.long
def test_any_faults_at_length() -> None:
    """A hundred seeds."""
    for seed in range(100):
        judge(storm(seed, 1.0, any_faults, ping_interval=0.2))
