"""The process-wide I/O thread."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync.runtime import loop as module
from realtime_sync.runtime import timers
from realtime_sync.runtime.loop import Loop, acquire
from realtime_sync.runtime.timers import Timers

LIMIT = 15.0  # seconds that only failures reach


@pytest.fixture
def loop():
    taken = acquire()
    yield taken
    assert taken.release(LIMIT)
    assert not [t for t in threading.enumerate() if t.name == "realtime-io"]


def on_loop(loop: Loop, fn: Callable[[], Any]) -> Any:
    """Run `fn` on the I/O thread; its result."""
    done, result = threading.Event(), []

    def call() -> None:
        result.append(fn())
        done.set()

    loop.call(call)
    assert done.wait(LIMIT)
    return result[0]


def settle(loop: Loop) -> None:
    """Wait until the loop has done what it was asked to so far, twice round."""
    on_loop(loop, lambda: None)
    on_loop(loop, lambda: None)


class Memory:
    """A link without a descriptor."""

    notify: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.ended: Any = None
        self.buffered = 0
        self.flushed = 0
        self.takes = 10**9  # bytes that one flush takes

    def fileno(self) -> int:
        return -1

    def flush(self) -> None:
        self.flushed += 1
        self.buffered -= min(self.buffered, self.takes)


class Plain(Memory):
    """A link over a socket; what is sent is zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.sock, self.far = socket.socketpair()
        self.sock.setblocking(False)
        self.fd = self.sock.fileno()

    def fileno(self) -> int:
        return self.sock.fileno()

    def flush(self) -> None:
        self.flushed += 1
        with contextlib.suppress(BlockingIOError):
            while self.buffered:
                self.buffered -= self.sock.send(bytes(min(self.buffered, 65536)))

    def close(self) -> None:
        self.sock.close()
        self.far.close()


class Client:
    """Notes what it is told."""

    def __init__(self, link: Memory | None = None) -> None:
        self.link = link
        self.told: list[str] = []
        self.faults: list[BaseException] = []
        self.readable, self.woken = threading.Event(), threading.Event()
        self.writable, self.faulted = threading.Event(), threading.Event()
        self.do: Callable[[str], None] = lambda what: None

    def on_readable(self) -> None:
        if isinstance(self.link, Plain):
            try:
                if not self.link.sock.recv(1):
                    self.link.ended = "ended"
            except BlockingIOError:
                pass  # the call that comes with watch
        self.note("readable", self.readable)

    def on_wake(self) -> None:
        self.note("wake", self.woken)

    def on_fault(self, error: BaseException) -> None:
        self.faults.append(error)
        self.note("fault", self.faulted)

    def note(self, what: str, event: threading.Event) -> None:
        self.told.append(what)
        event.set()
        self.do(what)


class WritableClient(Client):
    """One that wants to know when there is room."""

    def on_writable(self) -> None:
        self.note("writable", self.writable)


@pytest.fixture
def plain(loop):
    links: list[Plain] = []

    def make(kind: type[Client] = Client) -> tuple[Plain, Client]:
        link = Plain()
        client = kind(link)
        links.append(link)
        on_loop(loop, lambda: loop.watch(link, client))
        assert client.readable.wait(LIMIT)
        client.readable.clear()
        client.told.clear()
        return link, client

    yield make
    for link in links:
        on_loop(loop, lambda link=link: (loop.unwatch(link), link.close()))


# -- life ----------------------------------------------------------------------------------------


def io_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "realtime-io"]


def test_one_thread_for_all():
    """The first acquire starts the thread, the last release joins it, and it can start again."""
    for _ in range(3):
        assert io_threads() == []
        first, second = acquire(), acquire()
        assert first is second
        assert len(io_threads()) == 1
        assert io_threads()[0].daemon
        assert first.release(LIMIT)
        assert len(io_threads()) == 1
        assert "1 users" in repr(first)
        assert second.release(None)
        assert io_threads() == []
        assert "ending" in repr(second)
        assert second.release(LIMIT)  # once too often: nothing


def test_ctrl_c_as_the_guard_is_left(monkeypatch):
    """Who has not been given the loop does not keep it, alone or beside others."""

    class Guard:
        lock, times = threading.RLock(), 1

        def __enter__(self):
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()
            self.times -= 1
            if self.times == 0:
                raise KeyboardInterrupt

    for beside in (False, True):
        others = [acquire()] if beside else []
        monkeypatch.setattr(module, "_guard", Guard())
        with pytest.raises(KeyboardInterrupt):
            acquire()
        for other in others:
            assert other.users == 1
            assert other.release(LIMIT)
        for thread in io_threads():
            thread.join(LIMIT)
        assert io_threads() == []


def test_calls_before_the_release_run():
    """What was asked for before the last release is done before the thread ends."""
    loop, done = acquire(), []
    for i in range(100):
        loop.call(lambda i=i: done.append(i))
    assert loop.release(LIMIT)
    assert done == list(range(100))
    loop.call(lambda: done.append("never"))  # after the end: nothing, and no error
    loop.call_later(0, lambda: done.append("never"))
    loop.wake(Client())
    assert len(done) == 100


def test_release_on_the_thread_itself():
    """A release on the I/O thread joins nothing; the thread ends by itself."""
    loop = acquire()
    (thread,) = io_threads()
    results: list[bool] = []
    loop.call(lambda: results.append(loop.release(LIMIT)))
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert results == [True]


def test_release_that_runs_out_of_time():
    """A stuck thread is reported; the next acquire gets a fresh one."""
    loop, gate, inside = acquire(), threading.Event(), threading.Event()
    (thread,) = io_threads()
    loop.call(lambda: (inside.set(), gate.wait(LIMIT)))
    assert inside.wait(LIMIT)
    assert not loop.release(0.01)
    other = acquire()
    assert other is not loop
    assert other.release(LIMIT)
    gate.set()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_join_after_a_release_that_did_not_wait():
    """join() waits for a thread that is to end, and for none that is not."""
    loop, gate, inside = acquire(), threading.Event(), threading.Event()
    loop.call(lambda: (inside.set(), gate.wait(LIMIT), loop.join(LIMIT)))
    assert inside.wait(LIMIT)
    assert loop.join(0)  # it is not to end
    assert not loop.release(0)
    assert not loop.join(0.01)
    gate.set()
    assert loop.join(LIMIT)
    assert io_threads() == []


@pytest.mark.usefixtures("uncollected")  # what is left of other tests has descriptors too
def test_no_descriptor_left(loop):
    """A loop that has ended has given back its descriptors."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    before = len(os.listdir("/proc/self/fd"))
    other = Loop()
    other.users = 1
    other.start()
    assert other.release(LIMIT)
    assert len(os.listdir("/proc/self/fd")) == before


def test_in_loop(loop):
    """in_loop() tells the I/O thread from all others."""
    assert not loop.in_loop()
    assert on_loop(loop, loop.in_loop)


# -- wake-ups ------------------------------------------------------------------------------------


def test_calls_in_order(loop):
    """Calls run in order, also those of calls, on the I/O thread."""
    order: list[int] = []
    for i in range(1000):
        loop.call(lambda i=i: order.append(i))
    loop.call(lambda: loop.call(lambda: order.append(1000)))
    settle(loop)
    assert order == list(range(1001))


def test_wake_once_however_often(loop):
    """A client that is marked already is woken once; one marked while it runs, once more."""
    client, gate, inside = Client(), threading.Event(), threading.Event()
    loop.call(lambda: (inside.set(), gate.wait(LIMIT)))
    assert inside.wait(LIMIT)
    for _ in range(100):
        loop.wake(client)
    client.do = lambda what: loop.wake(client) if len(client.told) < 3 else None
    gate.set()
    settle(loop)
    settle(loop)
    assert client.told == ["wake"] * 3


def test_no_wakeup_is_lost(loop):
    """Under a tiny switch interval every one of many wake-ups and calls arrives."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        client, called = Client(), threading.Event()
        for _ in range(1500):
            client.woken.clear()
            called.clear()
            loop.wake(client)
            loop.call(called.set)
            assert client.woken.wait(LIMIT)
            assert called.wait(LIMIT)
    finally:
        sys.setswitchinterval(interval)


def test_wakers_in_parallel(loop):
    """Wake-ups of many threads at once all have their effect."""
    queues: list[list[int]] = [[] for _ in range(4)]
    got: list[list[int]] = [[] for _ in range(4)]
    clients = [Client() for _ in range(4)]
    finished = threading.Event()

    def drain(which: int) -> None:
        while queues[which]:
            got[which].append(queues[which].pop(0))
        if all(len(one) == 500 for one in got):
            finished.set()

    for i, client in enumerate(clients):
        client.do = lambda what, i=i: drain(i)

    def push(which: int) -> None:
        for i in range(500):
            queues[which].append(i)
            loop.wake(clients[which])

    threads = [threading.Thread(target=push, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert finished.wait(LIMIT)
    assert got == [list(range(500))] * 4


def test_no_busy_loop(loop, plain):
    """With links, timers and an ended link the thread sleeps: no rounds, no processor time."""
    link, client = plain()
    link.far.shutdown(socket.SHUT_WR)  # from now on it is readable for ever
    assert client.readable.wait(LIMIT)
    idle, _ = plain()
    timer = loop.call_later(60, lambda: None)
    stuffed, _ = plain()
    on_loop(loop, lambda: (setattr(stuffed, "buffered", 10**8), stuffed.flush()))
    settle(loop)
    rounds: list[int] = []
    real = loop._select
    loop._select = lambda: (rounds.append(1), real())[1]  # type: ignore[method-assign]
    on_loop(loop, lambda: None)
    cpu = on_loop(loop, time.thread_time)
    threading.Event().wait(0.3)
    assert len(rounds) < 8
    assert on_loop(loop, time.thread_time) - cpu < 0.1
    timer.cancel()
    stuffed.buffered = 0
    assert "3 links" in repr(loop)
    assert idle.ended is None


def test_cost_of_a_wake(loop):
    """Marking a client costs about a microsecond while the thread is busy."""
    gate, inside, client = threading.Event(), threading.Event(), Client()
    loop.call(lambda: (inside.set(), gate.wait(LIMIT)))
    assert inside.wait(LIMIT)
    begun = time.thread_time()
    for _ in range(20_000):
        loop.wake(client)
    cost = (time.thread_time() - begun) / 20_000
    gate.set()
    assert cost < 20e-6  # some 0.2 µs; the bound is for slow, shared machines


# -- timers --------------------------------------------------------------------------------------


def test_timers_in_order(loop, monkeypatch):
    """Timers run when due, those of one moment in the order of their birth."""
    order: list[int] = []
    done, gate, inside = threading.Event(), threading.Event(), threading.Event()
    loop.call(lambda: (inside.set(), gate.wait(LIMIT)))
    assert inside.wait(LIMIT)
    begun = time.monotonic()
    with monkeypatch.context() as patch:  # one moment; the thread that reads the clock is held
        patch.setattr(timers, "monotonic", lambda: begun)
        loop.call_later(0.06, done.set)
        loop.call_later(0.04, lambda: order.append(5))
        loop.call_later(0.02, lambda: order.append(3))
        loop.call_later(0.02, lambda: order.append(4))
        loop.call_later(0, lambda: order.append(1))
        loop.call_later(0, lambda: order.append(2))
        loop.call_later(-1, lambda: order.append(0))
    gate.set()
    assert done.wait(LIMIT)
    assert time.monotonic() - begun >= 0.06
    assert order == list(range(6))


def test_timers_are_cancelled(loop):
    """A cancelled timer does not run, even if another due with it cancels it."""
    ran: list[str] = []
    done = threading.Event()
    timer = loop.call_later(LIMIT, lambda: ran.append("never"))
    assert float(repr(timer).removeprefix("<Timer in ").removesuffix(" s>")) <= LIMIT
    timer.cancel()
    assert timer.cancelled
    assert repr(timer) == "<Timer cancelled or run>"

    def both() -> None:
        loop.call_later(0.01, lambda: ran.append("never")).cancel()
        victim = loop.call_later(-1, lambda: ran.append("never"))
        loop.call_later(-2, victim.cancel)
        loop.call_later(0.02, done.set)

    loop.call(both)
    assert done.wait(LIMIT)
    assert ran == []


def test_timers_do_not_pile_up():
    """Timers that are set and cancelled again and again are swept."""
    own = Timers()
    keep = own.add(1000, lambda: None)
    for _ in range(5000):
        own.add(2000, lambda: None).cancel()
        own.wait()
    assert len(own._heap) < 500
    wait = own.wait()
    assert wait is not None
    assert 900 < wait <= 1000
    keep.cancel()
    assert own.wait() is None


# -- links ---------------------------------------------------------------------------------------


def test_watch_reads_at_once_and_again(loop, plain):
    """on_readable comes once by itself, then whenever there is something."""
    link, client = plain()
    for _ in range(3):
        client.readable.clear()
        link.far.send(b"x")
        assert client.readable.wait(LIMIT)
    assert client.told == ["readable"] * 3


def test_after_a_shutdown(loop, plain):
    """A descriptor that another thread shut down is reported, and then left alone."""
    link, client = plain()
    link.sock.shutdown(socket.SHUT_RDWR)
    assert client.readable.wait(LIMIT)
    settle(loop)
    assert client.told == ["readable"]


def test_what_is_left_in_the_buffer_is_flushed(loop, plain):
    """After a callback the link is flushed; what stays goes when the kernel has room."""
    link, client = plain(WritableClient)
    client.do = lambda what: setattr(link, "buffered", 10**7) if what == "wake" else None
    loop.wake(client)
    assert client.woken.wait(LIMIT)
    settle(loop)
    assert link.buffered  # nobody has read so far
    size = 0
    while size < 10**7:
        size += len(link.far.recv(1 << 20))
    settle(loop)
    assert link.buffered == 0
    assert client.writable.is_set()
    assert "readable" not in client.told


def test_without_on_writable(loop, plain):
    """on_writable is optional."""
    link, client = plain()
    on_loop(loop, lambda: setattr(link, "buffered", 10**7))
    size = 0
    while size < 10**7:  # a call that sends is followed by a flush as well
        size += len(link.far.recv(1 << 20))
    settle(loop)
    assert client.told == []
    assert link.buffered == 0


def test_link_that_must_read_first(loop, plain):
    """A link that could write and does not is left alone until it has read: no busy loop."""
    link, client = plain()
    tries: list[int] = []
    link.flush = lambda: tries.append(1)  # type: ignore[method-assign]
    on_loop(loop, lambda: setattr(link, "buffered", 5))
    settle(loop)
    threading.Event().wait(0.05)
    assert len(tries) < 5
    del link.flush
    link.far.send(b"x")
    assert link.far.recv(5) == bytes(5)
    assert client.readable.wait(LIMIT)


def test_fair_among_links(loop, plain):
    """A link that is always readable does not keep another waiting."""
    loud, loud_client = plain()
    quiet, quiet_client = plain()
    before: list[int] = []
    quiet_client.do = lambda what: before.append(len(loud_client.told))
    # read a byte at a time
    on_loop(loop, lambda: (loud.far.send(b"x" * 50_000), quiet.far.send(b"x")))
    assert quiet_client.readable.wait(LIMIT)
    on_loop(loop, lambda: loop.unwatch(loud))
    assert before[0] <= 1


def test_unwatch_in_the_same_round(loop, plain):
    """A link that an earlier client of the round dropped is not read any more."""
    first, one = plain()
    second, two = plain()
    one.do = lambda what: loop.unwatch(second)
    two.do = lambda what: loop.unwatch(first)
    on_loop(loop, lambda: (first.far.send(b"x"), second.far.send(b"x")))
    settle(loop)
    assert sorted([len(one.told), len(two.told)]) == [0, 1]


def test_unwatch_twice_and_unknown(loop, plain):
    """unwatch of a link that is not watched does nothing; a client may change its link."""
    link, client = plain()
    other = Plain()
    on_loop(loop, lambda: loop.watch(other, client))
    on_loop(loop, lambda: (loop.unwatch(link), loop.unwatch(link)))
    client.link = other
    client.do = lambda what: setattr(other, "buffered", 5) if what == "wake" else None
    loop.wake(client)
    assert other.far.recv(5) == bytes(5)
    on_loop(loop, lambda: (loop.unwatch(other), other.close()))


@pytest.mark.usefixtures("uncollected")  # it might give back a lower number meanwhile
def test_closed_before_unwatch(loop, plain, caplog):
    """A link that was closed while it was watched disturbs neither the loop nor its successor."""
    link, client = plain()
    with caplog.at_level(logging.DEBUG, logger="realtime_sync"):
        on_loop(loop, link.close)
        on_loop(loop, lambda: setattr(link, "buffered", 1))
        link.flush = lambda: None  # type: ignore[method-assign]
        link.buffered = 1
        loop.wake(client)
        settle(loop)
    link.buffered = 0
    successor, heir = plain()
    assert successor.fd == link.fd  # the number came back
    successor.far.send(b"x")
    assert heir.readable.wait(LIMIT)


@pytest.mark.usefixtures("uncollected")  # as above
def test_closed_and_replaced(loop, plain):
    """A number that comes back before the loop noticed belongs to its new link."""
    link, client = plain()
    successors: list[Plain] = []

    def replace() -> None:
        link.close()
        successors.append(Plain())
        loop.watch(successors[0], heir)

    heir = Client()
    on_loop(loop, replace)
    heir.link = successors[0]
    assert successors[0].fd == link.fd
    settle(loop)
    heir.readable.clear()
    successors[0].far.send(b"x")
    assert heir.readable.wait(LIMIT)
    on_loop(loop, lambda: (loop.unwatch(successors[0]), successors[0].close()))
    assert client.told == []


# -- memory links --------------------------------------------------------------------------------


def test_memory_link(loop):
    """A link without descriptor is read when it notifies, from any thread, and flushed."""
    link = Memory()
    client = Client(link)
    on_loop(loop, lambda: loop.watch(link, client))
    assert client.readable.wait(LIMIT)
    for _ in range(3):
        client.readable.clear()
        assert link.notify is not None
        link.notify()
        assert client.readable.wait(LIMIT)
    client.do = lambda what: setattr(link, "buffered", 5)
    loop.wake(client)
    settle(loop)
    assert link.buffered == 0
    assert link.flushed == 1
    notify = link.notify
    on_loop(loop, lambda: loop.unwatch(link))
    assert link.notify is None
    told = len(client.told)
    notify()  # too late
    settle(loop)
    assert len(client.told) == told


def test_memory_link_that_ended(loop):
    """An ended link is not read any more."""
    link = Memory()
    client = Client(link)
    client.do = lambda what: setattr(link, "ended", True)
    on_loop(loop, lambda: loop.watch(link, client))
    assert client.readable.wait(LIMIT)
    link.notify()
    settle(loop)
    assert client.told == ["readable"]
    on_loop(loop, lambda: loop.unwatch(link))


def test_memory_link_that_stays_full(loop):
    """A memory link that takes nothing is tried again at the next event, not in circles."""
    link = Memory()
    link.takes = 0
    client = Client(link)
    client.do = lambda what: setattr(link, "buffered", 5)
    on_loop(loop, lambda: loop.watch(link, client))
    settle(loop)
    other = Client()
    loop.wake(other)
    assert other.woken.wait(LIMIT)  # the round of the last call, at whose end it flushes, is over
    flushed = link.flushed
    threading.Event().wait(0.05)
    assert link.flushed == flushed
    link.buffered = 0
    on_loop(loop, lambda: loop.unwatch(link))


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_fault_of_a_client(loop, plain, caplog, kind):
    """A client that raises is told, logged, and alone with it."""
    link, client = plain()
    _, other = plain()

    def fail(what: str) -> None:
        if what != "fault":
            raise kind("boom")

    client.do = fail
    loop.wake(client)
    loop.wake(other)
    assert client.faulted.wait(LIMIT)
    assert other.woken.wait(LIMIT)
    client.faulted.clear()
    link.far.send(b"x")
    assert client.faulted.wait(LIMIT)
    assert [type(error) for error in client.faults] == [kind] * 2
    assert "ERROR" in caplog.text
    assert "boom" in caplog.text


def test_fault_upon_fault(loop, caplog):
    """Even an on_fault that raises leaves the loop alive."""
    client = Client()

    def fail(what: str) -> None:
        raise ValueError("boom")

    client.do = fail
    loop.wake(client)
    assert client.faulted.wait(LIMIT)
    settle(loop)
    assert "on_fault raised as well" in caplog.text


def test_fault_of_calls_timers_and_flush(loop, caplog):
    """Calls, timers and flushes that raise are logged; the loop lives."""

    def fail() -> None:
        raise ValueError("boom")

    loop.call(fail)
    ran = threading.Event()
    loop.call_later(0, fail)
    loop.call_later(0, ran.set)
    assert ran.wait(LIMIT)
    assert caplog.text.count("a call on the I/O thread raised") == 2
    link = Memory()
    client = Client(link)
    link.flush = fail  # type: ignore[method-assign]
    on_loop(loop, lambda: loop.watch(link, client))
    link.buffered = 1
    loop.wake(client)
    assert client.faulted.wait(LIMIT)
    on_loop(loop, lambda: loop.unwatch(link))
    assert isinstance(client.faults[0], ValueError)


def test_the_thread_breaks(caplog):
    """Should the thread itself break, every client is told and the next session gets a new one."""
    loop = acquire()
    (thread,) = io_threads()
    link = Memory()
    client = Client(link)
    on_loop(loop, lambda: loop.watch(link, client))

    def broken() -> list[Any]:
        raise RuntimeError("a bug")

    loop._select = broken  # type: ignore[method-assign]
    loop.call(lambda: None)
    assert client.faulted.wait(LIMIT)
    thread.join(LIMIT)
    assert "the I/O thread broke" in caplog.text
    other = acquire()
    assert other is not loop
    on_loop(other, lambda: None)
    assert loop.release(LIMIT)
    assert other.release(LIMIT)
    assert io_threads() == []


def test_an_old_thread_breaks(loop, caplog):
    """One that breaks after its last release leaves its successor alone."""
    old = Loop()
    old._select = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    old.start()
    old._thread.join(LIMIT)
    assert (old.join(LIMIT), acquire()) == (True, loop)
    loop.release(LIMIT)


# -- process -------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork(loop, plain):
    """A forked child's inherited loop is dead; the child can have its own, the parent lives on."""
    link, client = plain()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        verdict = b"failed"
        with contextlib.suppress(BaseException):
            loop.wake(client)
            loop.call(lambda: None)
            loop.call_later(0, lambda: None)
            loop.unwatch(link)
            loop.watch(link, client)
            assert "dead" in repr(loop)
            assert loop.release(LIMIT)
            own = acquire()
            assert own is not loop
            on_loop(own, lambda: None)
            assert own.release(LIMIT)
            gc.collect()
            verdict = b"passed"
        os.write(write, verdict)
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        assert pipe.read() == b"passed"
    os.waitpid(child, 0)
    link.far.send(b"x")
    assert client.readable.wait(LIMIT)  # the selector that the child shares was left alone


def test_what_a_fork_does_to_the_child(monkeypatch):
    """In the child the inherited loop is dead, kept, and the module free for a new one."""
    inherited = Loop()  # never started, as the child has no such thread
    inherited.users = 1
    monkeypatch.setattr(module, "_loop", inherited)
    monkeypatch.setattr(module, "_guard", module._guard)
    monkeypatch.setattr(module, "_inherited", [])
    module._after_fork_in_child()
    module._after_fork_in_child()  # a grandchild: nothing left to forget
    assert module._loop is None
    assert module._inherited == [inherited]
    link = Memory()
    inherited.watch(link, Client(link))
    inherited.unwatch(link)
    inherited.wake(Client())
    inherited._kick()
    assert link.notify is None
    assert repr(inherited) == "<Loop dead, 0 links, 1 users>"
    assert inherited.release(LIMIT)
    assert inherited.join(LIMIT)
    inherited._selector.close()
    inherited._wake_in.close()
    inherited._wake_out.close()


def test_socketpair_full_or_closed():
    """A wake-up that finds the socketpair full, or closed, is none the worse for it."""
    loop = Loop()
    with contextlib.suppress(BlockingIOError):
        while True:
            loop._wake_out.send(bytes(4096))
    loop._sleeping = True
    loop.wake(Client())
    loop._drain()
    loop._drain()
    assert not loop._sleeping
    loop._selector.close()
    loop._wake_in.close()
    loop._wake_out.close()
    loop._sleeping = True
    loop.wake(Client())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_wake_from_a_signal_handler(loop):
    """A signal handler may wake, call and release on top of anything: nothing deadlocks."""
    hits: list[int] = []
    client = Client()

    def handler(*_: Any) -> None:
        hits.append(1)
        loop.call(lambda: None)
        loop.wake(client)
        assert acquire() is loop
        loop.release(LIMIT)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            loop.wake(client)
            acquire().release(LIMIT)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits
    settle(loop)


def test_exit_without_release():
    """A process that never releases the loop ends at once, quietly."""
    code = (
        "from realtime_sync.runtime.loop import acquire\n"
        "loop = acquire()\n"
        "loop.call_later(60, print)\n"
        "class C:\n"
        "    def on_wake(self): loop.wake(self)\n"
        "loop.wake(C())\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code], capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - begun < 10


def test_nothing_left():
    """No loop is left in the module."""
    assert module._loop is None
