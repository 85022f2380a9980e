"""Threads for tools: how many at a time, who waits for whom, and what happens to the stuck."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync.tools.execution import MOST_ABANDONED, Refused, Task, ToolThreads

LIMIT = 15.0


class Gate:
    """Tasks that say when they run, and run until they are let go."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.most = 0
        self.over: list[str] = []
        self.refused: dict[str, str] = {}
        self._changed = threading.Condition()
        self._open: set[str] = set()

    def task(self, name: str, *, key: str | None = None, **options: Any) -> Task:
        key = key or name

        def run() -> None:
            with self._changed:
                self.running.add(key)
                self.most = max(self.most, len(self.running))
                self._changed.notify_all()
                assert self._changed.wait_for(lambda: {key, "all"} & self._open, LIMIT)
                self.running.discard(key)
                self.over.append(key)
                self._changed.notify_all()

        def refused(why: str) -> None:
            self.refused[key] = why

        return Task(name, run, refused, call_id=key, **options)

    def let(self, *keys: str) -> None:
        """Lets these end; "all": whatever comes, too."""
        with self._changed:
            self._open.update(keys)
            self._changed.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, LIMIT), (self.running, self.over, self.refused)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.let("all")


@pytest.fixture
def threads(gate: Gate) -> Iterator[ToolThreads]:
    made = ToolThreads(limit=2)
    yield made
    gate.let("all")
    made.close()
    assert made.join(lambda: LIMIT) == []


def test_so_many_at_a_time(threads: ToolThreads, gate: Gate) -> None:
    """Never more than the limit, oldest first; an idle one has no thread."""
    for n in range(6):
        threads.submit(gate.task(str(n)))
    gate.until(lambda: gate.running == {"0", "1"})
    gate.let("1")
    gate.until(lambda: gate.running == {"0", "2"})
    gate.let("all")
    gate.until(lambda: len(gate.over) == 6)
    assert gate.most == 2
    assert threads.join(lambda: LIMIT) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("realtime-tool-")]
    threads.submit(gate.task("later"))
    gate.until(lambda: "later" in gate.over)


def test_each_depth_has_its_own(threads: ToolThreads, gate: Gate) -> None:
    """Tools that wait for a turn's tools do not hold up those."""
    for n in range(3):
        threads.submit(gate.task(f"outer{n}"))
    gate.until(lambda: len(gate.running) == 2)
    for n in range(3):
        threads.submit(gate.task(f"inner{n}", depth=1))
    gate.until(lambda: len(gate.running) == 4)
    assert {name[:5] for name in gate.running} == {"outer", "inner"}


def test_serial_ones_wait_for_each_other(threads: ToolThreads, gate: Gate) -> None:
    """One of a name at a time, at whatever depth; others pass them."""
    for n in range(2):
        threads.submit(gate.task("alone", key=f"alone{n}", serial=True))
    threads.submit(gate.task("alone", key="deep", serial=True, depth=1))
    threads.submit(gate.task("other"))
    gate.until(lambda: gate.running == {"alone0", "other"})
    gate.let("alone0")
    gate.until(lambda: gate.running == {"alone1", "other"})
    gate.let("alone1")
    gate.until(lambda: gate.running == {"deep", "other"})


def test_a_serial_one_does_not_wait_for_its_own_caller(threads: ToolThreads, gate: Gate) -> None:
    """Its caller waits for it: both would wait for ever."""
    threads.submit(gate.task("alone", key="outer", serial=True))
    gate.until(lambda: gate.running == {"outer"})
    inner = gate.task("alone", key="in", serial=True, depth=1, callers=frozenset({"outer"}))
    threads.submit(inner)
    gate.until(lambda: gate.running == {"outer", "in"})


def test_an_abandoned_one_makes_room(threads: ToolThreads, gate: Gate, caplog: Any) -> None:
    """It runs on, and its place is free; later it ends, and is counted no more."""
    caplog.set_level(logging.INFO, "realtime_sync")
    stuck = gate.task("stuck")
    threads.submit(stuck)
    for n in range(2):
        threads.submit(gate.task(str(n)))
    gate.until(lambda: gate.running == {"stuck", "0"})
    threads.abandon(stuck)
    threads.abandon(stuck)
    gate.until(lambda: gate.running == {"stuck", "0", "1"})
    assert threads.abandoned == 1
    gate.let("all")
    gate.until(lambda: len(gate.over) == 3)
    assert threads.join(lambda: LIMIT) == []
    assert threads.abandoned == 0
    assert "tool stuck has returned, after its time" in caplog.text
    threads.abandon(stuck)
    assert threads.abandoned == 0


def test_too_many_abandoned_ones(threads: ToolThreads, gate: Gate) -> None:
    """A new call is refused, until one of them returns."""
    stuck = [gate.task(str(n)) for n in range(MOST_ABANDONED + 1)]
    for task in stuck:
        threads.submit(task)
        gate.until(lambda task=task: task.name in gate.running)  # type: ignore[misc]  # a default
        threads.abandon(task)
    with pytest.raises(Refused, match="too many tools"):
        threads.submit(gate.task("new"))
    first = threads._running[stuck[0]]
    gate.let("0")
    first.join(LIMIT)
    threads.submit(gate.task("new"))
    gate.until(lambda: "new" in gate.running)


def test_an_abandoned_serial_one(threads: ToolThreads, gate: Gate) -> None:
    """Never two at a time: those that wait for it are refused, and those to come."""
    stuck = gate.task("alone", key="stuck", serial=True)
    threads.submit(stuck)
    gate.until(lambda: gate.running == {"stuck"})
    threads.submit(gate.task("alone", key="waits", serial=True))
    threads.abandon(stuck)
    assert "has not returned" in gate.refused["waits"]
    with pytest.raises(Refused, match="has not returned"):
        threads.submit(gate.task("alone", key="new", serial=True))


def test_withdrawn(threads: ToolThreads, gate: Gate) -> None:
    """What has not begun can be taken back, once."""
    tasks = [gate.task(str(n)) for n in range(3)]
    for task in tasks:
        threads.submit(task)
    gate.until(lambda: len(gate.running) == 2)
    assert threads.withdraw(tasks[2])
    assert not threads.withdraw(tasks[2])
    assert not threads.withdraw(tasks[0])
    gate.let("all")
    gate.until(lambda: len(gate.over) == 2)


def test_closed(threads: ToolThreads, gate: Gate) -> None:
    """What waits is dropped, what runs is named if it does not end in time."""
    for n in range(3):
        threads.submit(gate.task(str(n)))
    gate.until(lambda: len(gate.running) == 2)
    threads.close()
    threads.submit(gate.task("new"))
    assert sorted(task.name for task in threads.join(lambda: 0.01)) == ["0", "1"]
    gate.let("all")
    assert threads.join(lambda: LIMIT) == []
    assert sorted(gate.over) == ["0", "1"]


@pytest.mark.row("F49")
def test_no_more_threads(
    gate: Gate, threads: ToolThreads, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """The call is refused, not forgotten; the next may have more luck."""

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        threads.submit(gate.task("first"))
    assert "no thread could be started" in gate.refused["first"]
    threads.submit(gate.task("second"))
    gate.until(lambda: gate.running == {"second"})


def test_a_bug_of_ours_is_shown(threads: ToolThreads, gate: Gate, caplog: Any) -> None:
    """What a task raises is logged, and its thread goes on."""
    threads.submit(Task("bad", lambda: 1 / 0, lambda _: None))  # type: ignore[arg-type,return-value]  # raises
    threads.submit(gate.task("good"))
    gate.let("all")
    gate.until(lambda: gate.over == ["good"])
    assert threads.join(lambda: LIMIT) == []
    assert "a tool call was not answered" in caplog.text
