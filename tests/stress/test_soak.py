"""Many sessions for a long time, as fast as it goes: nothing hangs, leaks or grows.

Threads, locks, timers and the core are real; the network is in memory and answers by itself, and
the clock is the test's: a simulated second is over when all sessions have done their work of it, 50
pieces of audio up and 10 deltas down, a question each; every three of them the link is lost.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import logging
import os
import pathlib
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pipe import Pipe, Task

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectionLost, QueueFull
from realtime_sync.runtime.transport import Transport

UP, DOWN, FAULT = 50, 10, 3  # appends a second, deltas a second, seconds between two faults
PIECE = bytes(960)  # 20 ms
CONFIRMED = {
    *("session.update", "input_audio_buffer.clear"),
    *("conversation.item.create", "conversation.item.delete"),
}
LIMIT = 600.0  # simulated seconds of a call that only a hang takes

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


class Answering(Pipe):
    """A link whose server answers by itself. Runs on the I/O thread."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0  # pieces of audio
        self.greet()

    def flush(self) -> None:
        super().flush()
        with self._changed:
            frames, self.frames = self.frames, []
        for frame in frames:
            if frame.startswith(b'{"type":"input_audio_buffer.append"'):
                self.heard += 1
            else:
                self.answer(json.loads(frame))

    def answer(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "response.create":
            response_id = self.begin(event)
            for n in range(DOWN):
                self.delta(response_id, f"word {n} ")
            self.finish(response_id, "".join(f"word {n} " for n in range(DOWN)))
        elif kind in CONFIRMED:
            self.confirm(event)


class Clock:
    """The library's clock, which goes on as the sessions do."""

    def __init__(self, sessions: int) -> None:
        self._begun, self._sessions = time.monotonic(), sessions
        self._done = 0  # seconds, of all sessions together
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._begun + self._done / self._sessions

    def tick(self) -> None:
        """A session has done a second's work."""
        with self._lock:
            self._done += 1


def idle(session: RealtimeSession) -> None:
    """Returns once the callbacks of what has come have run, and the I/O thread has let go of it."""
    loop, ran = session._connection._loop, threading.Event()
    assert loop is not None
    loop.call(lambda: session._connection.dispatcher.post(ran.set))
    assert ran.wait(LIMIT)


def talk(
    seconds: int, over: Callable[[RealtimeSession, int], None], fault: int = FAULT
) -> Counter[str]:
    """One session from beginning to end; what happened.

    Args:
        seconds: Simulated ones.
        over: Told after each of them how many there were.
        fault: Seconds between two lost links.
    """
    counts: Counter[str] = Counter()
    policy = ReconnectPolicy(delays=(0,) * 8, jitter=0)
    endpoint = Compatible("ws://127.0.0.1:9")
    with RealtimeSession(
        endpoint=endpoint, output_modalities=["text"], reconnect=policy
    ) as session:
        session.on("response.output_text.delta", lambda _: None)
        for second in range(1, seconds + 1):
            for _ in range(UP):
                try:
                    session.input_audio_buffer.append(PIECE)
                except QueueFull:
                    counts["full"] += 1
            future = session.submit(f"second {second}")
            link = session._connection._link
            if second % fault == 0 and isinstance(link, Answering):
                link.cut()
                counts["cuts"] += 1
            try:
                assert future.result(LIMIT).status == "completed"
                counts["answers"] += 1
            except ConnectionLost:
                counts["lost"] += 1
            session.input_audio_buffer.clear(timeout=LIMIT)
            session.conversation.clear(timeout=LIMIT)
            over(session, second)
    return counts


class Soak:
    """All sessions, and what is there of memory, threads and descriptors at some moments."""

    def __init__(
        self, sessions: int, seconds: int, marks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sessions, self.seconds, self.marks = sessions, seconds, marks
        self.resident: list[float] = []  # MB at each mark, when all have come to it
        self._meeting = threading.Barrier(sessions, lambda: self.resident.append(memory()))
        self._clock = Clock(sessions)
        monkeypatch.setattr(Transport, "connect", staticmethod(lambda *_, **__: Answering()))
        for name, module in list(sys.modules.items()):
            ours = name.startswith("realtime_sync") or name == "pipe"
            if ours and getattr(module, "monotonic", None) is time.monotonic:
                monkeypatch.setattr(module, "monotonic", self._clock)

    def run(self) -> Counter[str]:
        """Runs them all; what happened."""
        tasks = [Task(talk, self.seconds, self._over) for _ in range(self.sessions)]
        return sum((task.result(limit=3600) for task in tasks), Counter())

    def _over(self, session: RealtimeSession, second: int) -> None:
        self._clock.tick()
        if second in self.marks:
            idle(session)
            self._meeting.wait(LIMIT)


def memory() -> float:
    """Resident, in MB."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def check(soak: Soak, most: float) -> None:
    """Nothing hangs, nothing is left, and from the first mark on memory is flat.

    Args:
        soak: The first of its marks is the end of the warm-up.
        most: MB that may have come after it.
    """
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    counts, whole = soak.run(), soak.sessions * soak.seconds
    print(dict(counts), [f"{size:.1f} MB" for size in soak.resident])  # noqa: T201
    assert counts["answers"] + counts["lost"] == whole
    assert counts["answers"] >= whole * 0.6  # one question in three meets a fault
    assert counts["cuts"] >= soak.sessions * (soak.seconds // FAULT) * 0.9
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
    assert max(soak.resident) - soak.resident[0] < most, soak.resident


@pytest.fixture
def _quiet() -> Iterator[None]:
    """pytest would keep a record of each of 20,000 lost links: 20 MB of them."""
    logger = logging.getLogger("realtime_sync")
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings of the last hundred responses are kept, not of the last thousand: they would still
    be filling up when a soak is over."""
    monkeypatch.setattr("realtime_sync.core.stats.LAST", 100)


needs_proc = pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.usefixtures("_quiet", "_few")
@pytest.mark.row("F30", bound="0 hung, 0 leaked, under 4 MB more after 12 s")
def test_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten sessions, 36 simulated seconds: every call ends, nothing is left, memory is flat."""
    check(Soak(10, 36, (12, 24, 36), monkeypatch), most=4)


@needs_proc
@pytest.mark.usefixtures("_quiet", "_few")
@pytest.mark.long
def test_soak_at_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred sessions, ten simulated minutes, three of them for warming up."""
    faulthandler.cancel_dump_traceback_later()  # pytest takes a test of minutes for hung
    check(Soak(100, 600, (180, 360, 600), monkeypatch), most=8)


@pytest.mark.usefixtures("_few")
def test_what_a_session_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of what is over, up to a limit: after 220 turns on one link nothing is added to them."""
    monkeypatch.setattr(Transport, "connect", staticmethod(lambda *_, **__: Answering()))
    sizes: dict[int, int] = {}

    def look(session: RealtimeSession, second: int) -> None:
        if second in (220, 400):
            idle(session)
            gc.collect()
            # of core and events alone: the rest of the process has its own business
            seen = tracemalloc.take_snapshot().filter_traces(
                [
                    tracemalloc.Filter(True, f"*/realtime_sync/{room}/*")
                    for room in ("core", "events")
                ]
            )
            sizes[second] = sum(trace.size for trace in seen.traces)

    monkeypatch.setattr(sys.modules[__name__], "UP", 0)
    # of the newest thousand responses there are times: fewer here, or it would grow until then
    monkeypatch.setattr("realtime_sync.core.stats.LAST", 100)
    tracemalloc.start()
    try:
        assert talk(400, look, fault=1000)["answers"] == 400
    finally:
        tracemalloc.stop()
    assert sizes[400] - sizes[220] < 25_000  # without a limit it would be 46,000
