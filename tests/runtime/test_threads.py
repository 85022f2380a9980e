"""Threads that say themselves that they have ended, and are not started at the end of all."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from pipe import LIMIT, Later

from realtime_sync.runtime import threads
from realtime_sync.runtime.clock import Event
from realtime_sync.runtime.threads import Thread


def test_an_interrupted_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread lives on for its later joins, wherever Ctrl-C has come out of one."""
    release, waits = Event(), iter(range(100))
    thread = Thread(release.wait, "realtime-held", (LIMIT,))
    thread.start()
    wait = Event.wait

    def pressed(self: Event, timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread() and next(waits) == 0:
            signal.raise_signal(signal.SIGINT)
        return wait(self, timeout)

    monkeypatch.setattr(Event, "wait", pressed)
    with pytest.raises(KeyboardInterrupt):
        thread.join()
    thread.join(0)
    assert thread.is_alive()
    release.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert thread not in threading.enumerate()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals between threads here")
@pytest.mark.usefixtures("uncollected")
def test_ctrl_c_in_a_join() -> None:
    """The same with a real one, in the middle of the wait."""
    release = Event()

    def press() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = Thread(release.wait, "realtime-held", (LIMIT,))
    thread.start()
    for _ in range(3):
        pressing = Later(press)
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012  # it may come before the call
            pressing.go()
            thread.join()
        pressing.join()
        assert thread.is_alive()
    release.set()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_ctrl_c_in_a_start() -> None:
    """Ctrl-C comes out of it as itself: what start() waits for is an event of ours."""
    thread = Thread(print, "realtime-new")
    assert isinstance(thread._started, Event)


def test_a_thread_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends by an exception has ended."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    thread = Thread(lambda: 1 // 0, "realtime-broken")
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_a_thread_that_was_not_started() -> None:
    """One that has not begun is not alive, and there is nothing to wait for."""
    thread = Thread(print, "realtime-new")
    assert not thread.is_alive()
    assert thread.daemon
    with pytest.raises(RuntimeError, match="before it is started"):
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that is what is tested
def test_a_thread_of_a_parent() -> None:
    """In a forked child the parent's threads do not run, and nobody waits for them."""
    release = Event()
    thread = Thread(release.wait, "realtime-held", (LIMIT,))
    thread.start()
    child = os.fork()
    if not child:
        try:
            thread.join()
        finally:
            os._exit(int(thread.is_alive()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    release.set()
    thread.join(LIMIT)


def test_no_thread_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the interpreter ends, none is started."""
    monkeypatch.setattr(threads, "_ending", False)
    threads.end()
    thread = Thread(print, "realtime-late")
    with pytest.raises(RuntimeError, match="the interpreter ends"):
        thread.start()
    assert not thread.is_alive()
