"""Deadlines, signals and the ban on waiting where the answers come from."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

import pytest
from pipe import LIMIT, Later, Task

from realtime_sync.errors import RealtimeTimeout, WouldDeadlock
from realtime_sync.runtime import clock
from realtime_sync.runtime.clock import (
    NAP,
    Condition,
    Deadline,
    Event,
    Signal,
    check_timeout,
    nap,
)
from realtime_sync.runtime.futures import Reply
from realtime_sync.runtime.inbox import Inbox


@pytest.mark.parametrize("seconds", [None, 0, 1, 0.5, 1e300])
def test_timeouts(seconds: float | None) -> None:
    """A timeout is a number of seconds from 0 on, or None."""
    assert check_timeout(seconds) == seconds


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), 10**400])
def test_impossible_timeouts(wrong: float) -> None:
    """A timeout that no clock can count is a ValueError."""
    with pytest.raises(ValueError, match="patience: seconds from 0 on"):
        check_timeout(wrong, "patience")


@pytest.mark.parametrize("wrong", [True, "5", b"5", [5]])
def test_timeouts_of_another_kind(wrong: object) -> None:
    """A timeout that is no number is a TypeError; True is none."""
    with pytest.raises(TypeError, match="timeout: seconds as a number"):
        check_timeout(wrong)  # type: ignore[arg-type]  # that is what is tested


def test_deadline() -> None:
    """A deadline knows what is left of it, and that ends at 0."""
    deadline = Deadline(60)
    assert 0 < (deadline.remaining() or 0) <= 60
    assert not deadline.passed
    assert Deadline(0).passed
    assert Deadline(0).remaining() == 0


def test_endless_deadline() -> None:
    """None never passes, until it is told to."""
    deadline = Deadline(None)
    assert deadline.remaining() is None
    assert not deadline.passed
    deadline.expire()
    assert deadline.passed
    assert deadline.remaining() == 0


def test_deadline_beyond_the_system() -> None:
    """A deadline never asks the system to wait longer than it can."""
    assert Deadline(1e300).remaining() == threading.TIMEOUT_MAX


@pytest.mark.parametrize("timeout", [None, LIMIT, 1e300])
def test_signal(timeout: float | None) -> None:
    """A signal ends the wait of another thread; twice does no harm."""
    signal = Signal()
    waiting = Task(signal.wait, Deadline(timeout))
    signal.set()
    signal.set()
    assert waiting.result() is True


def test_signal_that_never_comes() -> None:
    """A wait that took too long says so."""
    assert Signal().wait(Deadline(0)) is False


def test_no_waiting_where_the_answers_come_from() -> None:
    """A thread that brings the answers may not wait for one."""
    clock.forbidden.add(threading.get_ident())
    try:
        with pytest.raises(WouldDeadlock, match="inside a tap"):
            Signal().wait(Deadline(0))
    finally:
        clock.forbidden.discard(threading.get_ident())


def test_expired() -> None:
    """The error of a wait names the call and the seconds."""
    error = clock.expired("session.update", Deadline(2.5))
    assert str(error) == "session.update: no answer within 2.5 s; give it more by timeout="
    assert isinstance(error, TimeoutError)


def test_condition() -> None:
    """`with` calls the lock's own methods: no frame of Python in which a signal could end it."""
    condition = Condition()
    assert type(condition).__enter__.__get__(condition) == condition._lock.__enter__  # type: ignore[attr-defined]
    with condition:
        assert not condition.wait(0)
        condition.notify_all()
    with pytest.raises(RuntimeError):
        condition.notify()


def test_an_interrupted_condition() -> None:
    """Ctrl-C in the middle of a wait comes out as itself, and the lock is given back."""
    condition = Condition()
    release = condition._release_save  # type: ignore[attr-defined]

    def interrupted() -> None:
        release()
        raise KeyboardInterrupt

    condition._release_save = interrupted  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt), condition:
        condition.wait(LIMIT)
    task = Task(condition.acquire, timeout=LIMIT)
    assert task.result()


def test_event() -> None:
    """An event is set once and wakes who waits."""
    event = Event()
    task = Task(event.wait, LIMIT)
    event.set()
    assert task.result()
    assert isinstance(event._cond, Condition)


WAITS: dict[str, Callable[[float | None], object]] = {
    "event": Event().wait,
    "signal": lambda timeout: Signal().wait(Deadline(timeout)),
    "inbox": Inbox("a test").wait,
    "reply": lambda timeout: Reply("a test", print).result(timeout),
    "reply's error": lambda timeout: Reply("a test", print).exception(timeout),
}


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("timeout", [None, LIMIT])
@pytest.mark.parametrize("name", WAITS)
def test_a_signal_that_wakes_nobody(name: str, timeout: float | None) -> None:
    """The main thread hears of a signal that came just before it went to sleep, or of any such."""
    pressing = Later(_thread.interrupt_main)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come before the wait
        pressing.go()
        WAITS[name](timeout)
    assert time.monotonic() - begun < LIMIT
    pressing.join()


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_of_several_naps(name: str) -> None:
    """The main thread waits as long as it was told, though it wakes up in between."""
    begun = time.monotonic()
    try:
        assert not WAITS[name](2.5 * NAP)
    except RealtimeTimeout:
        pass
    assert time.monotonic() - begun >= 2.5 * NAP


def test_naps() -> None:
    """Only the main thread takes naps; no wait becomes longer by one."""
    assert [nap(seconds) for seconds in (None, 0, NAP / 2, 60)] == [NAP, 0, NAP / 2, NAP]
    assert [Task(nap, seconds).result() for seconds in (None, 60)] == [None, 60]


def test_a_condition_on_the_main_thread() -> None:
    """What is waited for may come during any nap."""
    condition, come = Condition(), threading.Event()

    def later() -> None:
        time.sleep(1.5 * NAP)
        with condition:
            come.set()
            condition.notify_all()

    task = Task(later)
    with condition:
        assert condition.wait_for(come.is_set, LIMIT)
    task.result()
