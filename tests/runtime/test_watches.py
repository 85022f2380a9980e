"""Watchers."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from pipe import LIMIT, Task

from realtime_sync import events
from realtime_sync.errors import ConnectionLost, RealtimeTimeout, WouldDeadlock
from realtime_sync.events import Event, ServerEvent, parse
from realtime_sync.runtime import clock
from realtime_sync.runtime.clock import Deadline
from realtime_sync.runtime.watches import Watch, Watches


def event(kind: str) -> Event:
    return parse(f'{{"type":"{kind}"}}')


def kinds(watch: Watch) -> list[str]:
    seen = []
    while True:
        try:
            found = watch.get(Deadline(0))
        except RealtimeTimeout:
            return seen
        if found is None:
            return [*seen, "end"]
        seen.append(found.type)


ALL = [event("error"), event("response.created"), event("response.done"), event("odd")]


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ([], ["error", "response.created", "response.done", "odd"]),
        (["*"], ["error", "response.created", "response.done", "odd"]),
        (["response.*", "odd"], ["response.created", "response.done", "odd"]),
        (["error", "err*"], ["error"]),
        ([events.UnknownEvent], ["odd"]),
    ],
)
def test_what_it_sees(wanted: list[Any], seen: list[str]) -> None:
    """A watcher sees what it asked for, each once."""
    watches = Watches()
    watch = watches.add(wanted)
    watches.feed(ALL)
    assert kinds(watch) == seen


def test_malformed() -> None:
    """A malformed event of a known type is seen by globs only."""
    watches = Watches()
    exact, glob = watches.add(["response.done"]), watches.add(["response.*"])
    watches.feed([parse('{"type":"response.done","response":5}')])
    assert kinds(exact) == []
    assert kinds(glob) == ["response.done"]


def test_they_take_nothing_from_each_other() -> None:
    """Every watcher gets everything."""
    watches = Watches()
    several = [watches.add([]) for _ in range(3)]
    watches.feed(ALL)
    assert all(len(kinds(watch)) == 4 for watch in several)


def test_wait() -> None:
    """get() waits for the next event, within its deadline."""
    watches = Watches()
    watch = watches.add(["error"])
    waiting = Task(watch.get, Deadline(LIMIT))
    watches.feed(ALL)
    assert waiting.result() == ALL[0]
    with pytest.raises(RealtimeTimeout, match=r"no error within 0 s; give it more by timeout="):
        watch.get(Deadline(0))


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ([], "no event within"),
        (["response.*", "error"], "no error or response.\\* within"),
        ([ServerEvent], "no ServerEvent within"),
    ],
)
def test_timeout_names_what_was_awaited(wanted: list[Any], named: str) -> None:
    """Whoever waits in vain reads for what, and finds a slip of the pen there."""
    with pytest.raises(RealtimeTimeout, match=named):
        Watches().add(wanted).get(Deadline(0))


def test_first() -> None:
    """first() skips what the predicate does not like; what that raises is raised."""
    watches = Watches()
    watch = watches.add([])
    watches.feed(ALL)
    found = watch.first(lambda e: e.type == "response.done", Deadline(0))
    assert found == ALL[2]
    with pytest.raises(ZeroDivisionError):
        watch.first(lambda e: 1 / 0, Deadline(0))
    with pytest.raises(RealtimeTimeout):
        watch.first(None, Deadline(0))


@pytest.mark.parametrize("error", [None, ConnectionLost("gone")])
def test_end(error: ConnectionLost | None) -> None:
    """At the end a watcher gives what has come, then None, and knows why."""
    watches = Watches()
    watch = watches.add([])
    watches.feed(ALL)
    watches.end(error)
    assert kinds(watch)[-2:] == ["odd", "end"]
    assert watch.error is error
    assert not watches
    watch.end(ConnectionLost("later"))
    assert watch.error is error


def test_the_last_event_comes_just_as_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between a reader's look into the queue and the end is not lost."""
    watches = Watches()
    watch = watches.add([])
    take = watch._inbox.take

    def late() -> Any:
        found = take()
        if not watch.ended:
            watches.feed(ALL[:1])
            watches.end(None)
        return found

    monkeypatch.setattr(watch._inbox, "take", late)
    assert kinds(watch) == ["error", "end"]


def test_added_after_the_end() -> None:
    """A watcher that comes too late ends at once: nobody would ever end it."""
    watches, error = Watches(), ConnectionLost("gone")
    watches.end(error)
    watch = watches.add([])
    assert kinds(watch) == ["end"]
    assert watch.error is error


def test_an_end_that_is_not_the_last() -> None:
    """After an attempt that failed there is another."""
    watches = Watches()
    watch = watches.add([])
    watches.end(ConnectionLost("gone"), over=False)
    assert kinds(watch) == ["end"]
    fresh = watches.add([])
    watches.feed(ALL)
    assert len(kinds(fresh)) == 4


def test_remove() -> None:
    """A watcher that is taken off gives what has come, then ends."""
    watches = Watches()
    watch, other = watches.add([]), watches.add([])
    watches.feed(ALL[:1])
    watches.remove(watch)
    watches.feed(ALL[1:])
    assert kinds(watch) == ["error", "end"]
    assert len(kinds(other)) == 4


def test_lost_references() -> None:
    """A watcher that nobody holds any more is forgotten."""
    watches = Watches()
    watches.add([])
    gc.collect()
    assert not watches
    watch = watches.add([])
    ref = watches._all
    del watch
    gc.collect()
    watches._all = ref  # a reader that took the tuple before
    watches.feed(ALL)
    watches.end(None)


def test_in_a_tap() -> None:
    """Where the events come from, waiting for one is refused."""
    watch = Watches().add([])
    clock.forbidden.add(threading.get_ident())
    try:
        with pytest.raises(WouldDeadlock):
            watch.get(Deadline(0))
    finally:
        clock.forbidden.discard(threading.get_ident())


def test_a_lasting_one() -> None:
    """It is there after an opening that failed, and ends with the session."""

    class Lasting(Watch):
        lasting = True

    watches, watch = Watches(), Lasting(("*",))
    watches.admit(watch)
    other = watches.add(("*",))
    watches.end(None, over=False)
    assert (watch.ended, other.ended) == (False, True)
    watches.feed([event("x")])
    assert watch.ready() == event("x")
    watches.end(None)
    assert watch.ended
