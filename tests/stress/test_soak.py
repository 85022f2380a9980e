"""Many sessions for a long time, as fast as it goes: nothing hangs, leaks or grows.

Threads, locks, timers and the core are real; the network is in memory and answers by itself, so a
simulated second takes what its work takes: 50 pieces of audio up and 10 deltas down a session, a
question every second, and every three seconds the link is lost.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import threading
from collections import Counter
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
LIMIT = 60.0  # seconds of a call that only a hang takes

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


def talk(seconds: int) -> Counter[str]:
    """One session from beginning to end; what happened."""
    counts: Counter[str] = Counter()
    policy = ReconnectPolicy(delays=(0,) * 8, jitter=0)
    endpoint = Compatible("ws://127.0.0.1:9")
    with RealtimeSession(
        endpoint=endpoint, output_modalities=["text"], reconnect=policy
    ) as session:
        session.on("response.output_text.delta", lambda _: None)
        for second in range(seconds):
            for _ in range(UP):
                try:
                    session.input_audio_buffer.append(PIECE)
                except QueueFull:
                    counts["full"] += 1
            future = session.submit(f"second {second}")
            if second % FAULT == FAULT - 1:
                link = session._connection._link
                if isinstance(link, Answering):
                    link.cut()
                    counts["cuts"] += 1
            try:
                assert future.result(LIMIT).status == "completed"
                counts["answers"] += 1
            except ConnectionLost:
                counts["lost"] += 1
            session.input_audio_buffer.clear(timeout=LIMIT)
            session.conversation.clear(timeout=LIMIT)
    return counts


def soak(sessions: int, seconds: int) -> Counter[str]:
    """Runs them all; what happened."""
    tasks = [Task(talk, seconds) for _ in range(sessions)]
    return sum((task.result(limit=LIMIT * 60) for task in tasks), Counter())


def memory() -> float:
    """Resident, in MB."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def check(sessions: int, seconds: int, monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    monkeypatch.setattr(Transport, "connect", staticmethod(lambda *_, **__: Answering()))
    # as long again: what each session remembers of deleted items fills up to its limit first
    soak(sessions, seconds)
    descriptors, threads, before = (
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        memory(),
    )
    counts = soak(sessions, seconds)
    assert counts["answers"] + counts["lost"] == sessions * seconds
    assert counts["answers"] >= sessions * seconds * 0.6  # one question in three meets a fault
    assert counts["cuts"] >= sessions * (seconds // FAULT) * 0.9
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
    assert memory() - before < most, f"{memory() - before:.1f} MB more, {counts}"


needs_proc = pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.row("F30", bound="0 hung, 0 leaked, under 8 MB more")
def test_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten sessions, twelve simulated seconds: every call ends, and nothing is left of them."""
    check(10, 12, monkeypatch, most=8)


@needs_proc
@pytest.mark.long
def test_soak_at_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred sessions, ten simulated minutes."""
    check(100, 600, monkeypatch, most=16)
