"""Real time for sound that knows none, and a clock that a test moves."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from realtime_sync.audio import PacedSource, VirtualClock, pace, write_wav
from realtime_sync.audio.pace import REAL
from realtime_sync.runtime.clock import Event, monotonic


def follow(clock: VirtualClock, step: float, times: list[float], count: int) -> threading.Thread:
    """A thread that notes the time every `step` seconds."""

    def run() -> None:
        for number in range(1, count + 1):
            clock.wait_until(number * step, Event())
            times.append(clock.now())
        clock.leave()

    thread = threading.Thread(target=run)
    clock.enter()
    thread.start()
    return thread


def test_virtual_time_passes_when_it_is_moved() -> None:
    """Threads that keep pace are woken in the order of their times, however far it is moved."""
    clock, fast, slow = VirtualClock(), [], []
    threads = [follow(clock, 0.25, fast, 8), follow(clock, 0.5, slow, 4)]
    clock.advance(1.0)
    assert fast == [0.25, 0.5, 0.75, 1.0]
    assert slow == [0.5, 1.0]
    clock.advance(10)
    assert fast[-1] == slow[-1] == 2.0
    assert clock.now() == 11.0
    for thread in threads:
        thread.join(5)


def test_a_thread_that_is_stuck_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time does not wait for ever for a thread that keeps pace and never comes back."""
    monkeypatch.setattr(pace, "_LIMIT", 0.05)
    clock = VirtualClock()
    clock.enter()
    with pytest.raises(RuntimeError, match="stuck"):
        clock.advance(1)


def test_a_wait_can_be_ended() -> None:
    """`stop` and `wake`, or `release`, end a wait before its time."""
    clock, stop, ended = VirtualClock(), Event(), []

    def run() -> None:
        clock.wait_until(5, stop)
        ended.append(clock.now())
        clock.wait_until(5, Event())
        ended.append(clock.now())
        clock.leave()

    clock.enter()
    thread = threading.Thread(target=run)
    thread.start()
    stop.set()
    clock.wake()
    clock.release()
    thread.join(5)
    assert ended == [0, 0]


def test_a_paced_source() -> None:
    """An array comes in frames of 20 ms, each when it would have been spoken."""
    pcm = np.arange(2400, dtype=np.int16)
    clock, times, frames = VirtualClock(), [], []

    def run() -> None:
        source = PacedSource(pcm, clock=clock)
        while frame := source.read():
            times.append(round(clock.now(), 3))
            frames.append(frame)
        clock.leave()

    clock.enter()
    thread = threading.Thread(target=run)
    thread.start()
    clock.advance(1)
    thread.join(5)
    assert b"".join(frames) == pcm.tobytes()
    assert times == [0.02, 0.04, 0.06, 0.08, 0.1]


def test_a_paced_source_in_real_time_can_be_closed() -> None:
    """Each frame takes as long as it sounds; close ends a read from another thread."""
    source = PacedSource(bytes(48 * 100))
    began = monotonic()
    assert len(source.read()) == len(source.read()) == 960
    assert monotonic() - began >= 0.035
    source.close()
    assert source.read() == b""
    assert REAL.now() > began


def test_a_source_that_paused_does_not_burst() -> None:
    """After a pause of the source at most 100 ms come at once."""
    clock, times = VirtualClock(), []

    def chunks():
        yield bytes(960)
        clock.wait_until(10, Event())
        for _ in range(20):
            yield bytes(960)

    def run() -> None:
        source = PacedSource(chunks(), clock=clock)
        while source.read():
            times.append(round(clock.now(), 3))
        clock.leave()

    clock.enter()
    thread = threading.Thread(target=run)
    thread.start()
    clock.advance(20)
    thread.join(5)
    assert times[0] == 0.02
    assert sum(time <= 10.001 for time in times[1:]) <= 6
    assert times[-1] >= 10.2


def opened(path: Path) -> int:
    """How often this process has it open."""
    links = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(one))
        except FileNotFoundError:
            pass  # the one that lists them
    return links.count(str(path))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
@pytest.mark.parametrize("waiting", [False, True])
def test_a_file_that_is_left_is_closed(tmp_path: Path, waiting: bool) -> None:
    """Closed before its end, also while another thread reads it, it closes the file."""
    path = tmp_path.resolve() / "long.wav"
    write_wav(path, bytes(48_000), 24_000)
    source = PacedSource(path)
    assert source.read()
    assert opened(path) == 1
    reader = threading.Thread(target=lambda: [*iter(source.read, b"")])
    if waiting:
        reader.start()
    source.close()
    if waiting:
        reader.join(10)
    assert opened(path) == 0
    assert source.read() == b""
