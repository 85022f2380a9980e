"""The thread that runs callbacks, and what may stand in for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pipe import LIMIT, Gate, Task, gate, until

from realtime_sync.errors import WouldDeadlock
from realtime_sync.events import CallbackError, Event, parse
from realtime_sync.runtime import clock
from realtime_sync.runtime.clock import Deadline
from realtime_sync.runtime.dispatcher import REMEMBERED, Dispatcher, Due
from realtime_sync.runtime.handlers import Handlers
from realtime_sync.runtime.inbox import Keep


def event(kind: str) -> Event:
    return parse(f'{{"type":"{kind}"}}')


class Desk:
    """Handlers, and dispatchers for them."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.made: list[Dispatcher] = []

    def dispatcher(self, mode: Any = "thread") -> Dispatcher:
        made = Dispatcher(self.handlers, mode)
        self.made.append(made)
        return made

    def on(self, wanted: str, fn: Callable[[Any], object], **options: Any) -> None:
        self.handlers.add(wanted, fn, **options)

    def log(self, wanted: str = "*") -> list[str]:
        """Types of the events whose callbacks have run."""
        seen: list[str] = []
        self.on(wanted, lambda e: seen.append(e.type))
        return seen


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    for dispatcher in made.made:
        dispatcher.stop()
        assert dispatcher.join(Deadline(LIMIT))


def flush(dispatcher: Dispatcher) -> None:
    """Returns once everything before has run."""
    ran = threading.Event()
    dispatcher.post(ran.set)
    assert ran.wait(LIMIT)


def test_order(desk: Desk) -> None:
    """Callbacks and posted functions run in order, on one thread that has a name."""
    seen: list[tuple[str, str]] = []
    desk.on("*", lambda e: seen.append((e.type, threading.current_thread().name)))
    dispatcher = desk.dispatcher()
    dispatcher.put([event("a"), Keep(1), event("b")])
    dispatcher.post(lambda: seen.append(("posted", threading.current_thread().name)))
    dispatcher.put([event("c")])
    flush(dispatcher)
    assert [kind for kind, _ in seen] == ["a", "b", "posted", "c"]
    assert {name for _, name in seen} == {"realtime-dispatcher"}


def test_no_thread_for_nothing(desk: Desk) -> None:
    """The thread starts with the first entry."""
    dispatcher = desk.dispatcher()
    assert "realtime-dispatcher" not in [t.name for t in threading.enumerate()]
    assert dispatcher.join(Deadline(0))


def test_one_at_a_time(desk: Desk) -> None:
    """A callback that blocks delays the next one, and nobody who puts."""
    with gate() as held:
        desk.on("slow", held)
        seen = desk.log("quick")
        dispatcher = desk.dispatcher()
        dispatcher.put([event("slow")])
        held.wait()
        dispatcher.put([event("quick")])
        assert seen == []
        held.open()
        flush(dispatcher)
        assert seen == ["quick"]


@pytest.mark.row("F35")
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises(
    desk: Desk, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """What a callback raises is logged and reported; everybody else still runs."""
    reports: list[CallbackError] = []

    def broken(_: Event) -> None:
        raise error

    desk.on("a", broken)
    desk.on("callback.error", reports.append)
    seen = desk.log("a")
    dispatcher = desk.dispatcher()
    dispatcher.put([event("a"), event("a")])
    flush(dispatcher)
    assert seen == ["a", "a"]
    assert [(r.error, r.callback, r.event.type) for r in reports] == [(error, broken, "a")] * 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_an_error_in_its_own_handler(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """What the handler of callback.error raises is only logged."""

    def broken(_: Event) -> None:
        raise ValueError("no")

    desk.on("a", broken)
    desk.on("callback.error", broken)
    seen = desk.log("callback.error")
    dispatcher = desk.dispatcher()
    dispatcher.put([event("a")])
    flush(dispatcher)
    assert seen == ["callback.error"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_done_callback_that_raises(
    desk: Desk, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """What a done-callback raises is logged; the thread goes on."""

    def broken() -> None:
        raise error

    dispatcher = desk.dispatcher()
    dispatcher.post(broken)
    flush(dispatcher)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR


def test_off_works_at_once(desk: Desk) -> None:
    """A handler that is taken off does not see what is queued already."""
    with gate() as held:
        desk.on("slow", held)
        late: list[Event] = []
        desk.on("a", late.append)
        dispatcher = desk.dispatcher()
        dispatcher.put([event("slow"), event("a")])
        held.wait()
        desk.handlers.remove("a", late.append)
        held.open()
        flush(dispatcher)
        assert late == []


def test_once_while_dispatching(desk: Desk) -> None:
    """A once-handler runs once though two of its events are queued; it may register again."""
    seen: list[str] = []

    def again(e: Event) -> None:
        seen.append(e.type)
        if len(seen) < 2:
            desk.on("a", again, once=True)

    desk.on("a", again, once=True)
    dispatcher = desk.dispatcher()
    dispatcher.put([event("a") for _ in range(4)])
    flush(dispatcher)
    assert seen == ["a", "a"]


def test_stop_runs_what_is_queued(desk: Desk) -> None:
    """The thread ends after what was put before stop()."""
    with gate() as held:
        desk.on("slow", held)
        seen = desk.log("a")
        dispatcher = desk.dispatcher()
        dispatcher.put([event("slow")])
        held.wait()
        dispatcher.put([event("a")])
        dispatcher.post(lambda: seen.append("posted"))
        dispatcher.stop()
        assert not dispatcher.join(Deadline(0))
        held.open()
        assert dispatcher.join(Deadline(LIMIT))
        assert seen == ["a", "posted"]


def test_posting_after_the_stop(desk: Desk) -> None:
    """A function posted after the end runs at once, here."""
    dispatcher = desk.dispatcher()
    dispatcher.stop()
    seen = []
    dispatcher.post(lambda: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]


def test_join_inside_a_callback(desk: Desk) -> None:
    """A callback that joins its own thread does not wait for itself."""
    dispatcher = desk.dispatcher()
    joined: list[bool] = []
    desk.on("a", lambda _: joined.append(dispatcher.join(Deadline(None))))
    dispatcher.put([event("a")])
    flush(dispatcher)
    assert joined == [True]


def test_ctrl_c_while_the_thread_begins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the thread; the next callback starts no other, which nobody would end."""
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def pressed(thread: threading.Thread) -> None:
        start(thread)
        begun.append(thread)
        raise KeyboardInterrupt

    dispatcher = desk.dispatcher()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", pressed)
        with pytest.raises(KeyboardInterrupt):
            dispatcher.post(lambda: None)
        flush(dispatcher)
    assert [thread.name for thread in begun] == ["realtime-dispatcher"]


# --- manual


def test_pump(desk: Desk) -> None:
    """pump() runs what is due on the caller's thread, and says how many."""
    threads: list[threading.Thread] = []
    desk.on("*", lambda _: threads.append(threading.current_thread()))
    dispatcher = desk.dispatcher("manual")
    assert dispatcher.pump(0) == 0
    dispatcher.put([event("a"), Keep(1), event("b")])
    dispatcher.post(lambda: threads.append(threading.current_thread()))
    assert dispatcher.pump(0) == 3
    assert threads == [threading.current_thread()] * 3
    assert dispatcher.pump(0) == 0


def test_pump_waits(desk: Desk) -> None:
    """pump(timeout) waits for something due, and no longer."""
    seen = desk.log()
    dispatcher = desk.dispatcher("manual")
    pumping = Task(dispatcher.pump, LIMIT)
    dispatcher.put([event("a")])
    assert pumping.result() == 1
    assert seen == ["a"]


def test_pump_with_a_budget(desk: Desk) -> None:
    """Once it is used up no callback begins but the first; the rest waits for the next time."""
    seen = desk.log()
    dispatcher = desk.dispatcher("manual")
    dispatcher.put([event("a"), Keep(1), event("b"), event("c")])
    assert [dispatcher.pump(0, 0) for _ in range(4)] == [1, 1, 1, 0]
    assert seen == ["a", "b", "c"]
    dispatcher.put([event("a"), event("b")])
    assert dispatcher.pump(LIMIT, LIMIT) == 2


def test_pump_inside_a_callback(desk: Desk) -> None:
    """pump() inside a callback is 0 at once; the rest runs after it."""
    seen = desk.log()
    dispatcher = desk.dispatcher("manual")
    inner: list[int] = []
    desk.on("a", lambda _: inner.append(dispatcher.pump(None)))  # type: ignore[arg-type]  # ditto
    dispatcher.put([event("a"), event("b")])
    assert dispatcher.pump(0) == 2
    assert inner == [0]
    assert seen == ["a", "b"]


def test_pump_from_two_threads(desk: Desk) -> None:
    """While one thread pumps, another gets 0 at once."""
    with gate() as held:
        desk.on("a", held)
        dispatcher = desk.dispatcher("manual")
        dispatcher.put([event("a"), event("a")])
        pumping = Task(dispatcher.pump, 0)
        held.wait()
        assert dispatcher.pump(LIMIT) == 0
        held.open()
        assert pumping.result() == 2


def test_two_threads_that_wait_in_pump(desk: Desk) -> None:
    """The end wakes everybody who pumps."""
    dispatcher = desk.dispatcher("manual")
    pumping = [Task(dispatcher.pump, None) for _ in range(3)]
    dispatcher.stop()
    assert [task.result() for task in pumping] == [0, 0, 0]


def test_pump_after_the_end(desk: Desk) -> None:
    """What was left can still be pumped, and pump() does not wait for more."""
    seen = desk.log()
    dispatcher = desk.dispatcher("manual")
    dispatcher.put([event("a")])
    dispatcher.stop()
    dispatcher.post(lambda: seen.append("posted"))
    assert dispatcher.pump(None) == 2  # type: ignore[arg-type]  # it may not wait at all
    assert dispatcher.pump(None) == 0  # type: ignore[arg-type]  # ditto
    assert seen == ["a", "posted"]


def test_ctrl_c_while_pumping(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C in a pumped callback belongs to the thread that pumps; pumping can go on."""

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    desk.on("a", interrupted)
    seen = desk.log("b")
    dispatcher = desk.dispatcher("manual")
    dispatcher.put([event("a"), event("b")])
    with pytest.raises(KeyboardInterrupt):
        dispatcher.pump(0)
    assert dispatcher.pump(0) == 1
    assert seen == ["b"]
    assert not caplog.records


def test_pump_of_others(desk: Desk) -> None:
    """Only the manual dispatcher is pumped."""
    for mode in ("thread", lambda fn: fn()):
        with pytest.raises(RuntimeError, match='dispatcher="manual"'):
            desk.dispatcher(mode).pump(0)


def test_pump_in_a_tap(desk: Desk) -> None:
    """On the I/O thread nothing is pumped: callbacks would run there."""
    dispatcher = desk.dispatcher("manual")
    clock.forbidden.add(threading.get_ident())
    try:
        with pytest.raises(WouldDeadlock):
            dispatcher.pump(0)
    finally:
        clock.forbidden.discard(threading.get_ident())


# --- a caller's own


class Gui:
    """An event loop: functions come from any thread, and run where `run` is called."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def dispatch(self, fn: Callable[[], None]) -> None:
        self.queue.put(fn)

    def run(self) -> None:
        self.queue.get(timeout=LIMIT)()


def test_gui(desk: Desk) -> None:
    """Callbacks run where the caller's function has them run, in order."""
    gui, threads, seen = Gui(), [], desk.log()
    desk.on("*", lambda _: threads.append(threading.current_thread()))
    dispatcher = desk.dispatcher(gui.dispatch)
    dispatcher.put([event("a"), event("b")])
    gui.run()
    assert seen == ["a", "b"]
    dispatcher.put([event("c")])
    gui.run()
    assert seen == ["a", "b", "c"]
    assert set(threads) == {threading.current_thread()}


def test_a_modal_dialogue(desk: Desk) -> None:
    """A callback that runs the GUI's loop runs no callback inside itself."""
    gui, seen = Gui(), desk.log()
    order: list[str] = []
    dispatcher = desk.dispatcher(gui.dispatch)

    def modal(_: Event) -> None:
        dispatcher.put([event("inner")])
        gui.run()
        order.append("modal ends")

    desk.on("outer", modal)
    desk.on("inner", lambda _: order.append("inner"))
    dispatcher.put([event("outer")])
    gui.run()
    assert order == ["modal ends", "inner"]
    assert seen == ["outer", "inner"]


def test_a_gui_that_takes_some(desk: Desk) -> None:
    """What is dispatched can be run piece by piece, and says whether there is more."""
    gui, seen = Gui(), desk.log()
    dispatcher = desk.dispatcher(gui.dispatch)
    nested: list[bool] = []

    def modal(_: Event) -> None:
        nested.append(due.some(0))

    desk.on("outer", modal)
    dispatcher.put([event("outer"), event("a"), event("b")])
    due = gui.queue.get(timeout=LIMIT)
    assert isinstance(due, Due)
    assert [due.some(0) for _ in range(4)] == [True, True, False, False]
    assert seen == ["outer", "a", "b"]
    assert nested == [False]  # the one that it runs in goes on with the rest


def test_dispatch_at_once(desk: Desk) -> None:
    """A dispatch that runs the function there and then will do."""
    seen = desk.log()
    dispatcher = desk.dispatcher(lambda fn: fn())
    dispatcher.put([event("a")])
    flush(dispatcher)
    assert seen == ["a"]


def test_a_dispatch_that_raises(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """If dispatch raises, that batch is lost and said to be; the next one runs."""
    seen, raised = desk.log(), Gate()
    left = [ValueError("no")]

    def dispatch(fn: Callable[[], None]) -> None:
        if left:
            raised.reached.set()
            raise left.pop()
        fn()

    dispatcher = desk.dispatcher(dispatch)
    dispatcher.put([event("a"), event("b")])
    raised.wait()
    # the batch is given up after the exception; a second may come only when it is gone
    until(lambda: not len(dispatcher._inbox), "the batch to be given up")
    dispatcher.put([event("c")])
    flush(dispatcher)
    assert seen == ["c"]
    (record,) = caplog.records
    assert "2 callbacks are lost" in record.getMessage()


def test_the_last_batch_goes_through_dispatch(desk: Desk) -> None:
    """What was put before stop() still reaches the GUI."""
    gui, seen = Gui(), desk.log()
    dispatcher = desk.dispatcher(gui.dispatch)
    dispatcher.put([event("a")])
    dispatcher.stop()
    assert dispatcher.join(Deadline(LIMIT))
    gui.run()
    assert seen == ["a"]


def test_silence(desk: Desk) -> None:
    """Deltas of a silenced response reach no callback, queued ones neither; all else does."""
    seen = desk.log()
    dispatcher = desk.dispatcher("manual")
    kinds = "response.output_text.delta", "response.output_text.done"
    dispatcher.put(
        parse(f'{{"type":"{kind}","response_id":"{response_id}","item_id":"i","delta":"x"}}')
        for response_id in ("r1", "r2")
        for kind in kinds
    )
    dispatcher.silence("r1")
    assert dispatcher.pump(0) == 3
    assert seen == [kinds[1], *kinds]
    for number in range(REMEMBERED):
        dispatcher.silence(f"s{number}")
    dispatcher.put([parse(f'{{"type":"{kinds[0]}","response_id":"r1"}}')])
    assert dispatcher.pump(0) == 1  # so old a one is not kept in mind for ever
