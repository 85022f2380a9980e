"""Futures that leave the library."""

from __future__ import annotations

import concurrent.futures
import pickle
import threading
from collections.abc import Callable

import pytest
from pipe import LIMIT, Task

from realtime_sync.errors import RealtimeTimeout, WouldDeadlock
from realtime_sync.runtime import clock
from realtime_sync.runtime.futures import Reply

Posted = list[Callable[[], None]]


@pytest.fixture
def posted() -> Posted:
    """What was handed to the dispatcher."""
    return []


@pytest.fixture
def reply(posted: Posted) -> Reply[int]:
    """A future that nobody has settled."""
    return Reply("the call", posted.append)


def test_result(reply: Reply[int]) -> None:
    """result() returns what it was settled with, from another thread too."""
    waiting = Task(reply.result, timeout=LIMIT)
    reply.set_result(5)
    assert waiting.result() == 5
    assert reply.result(timeout=0) == 5
    assert reply.exception() is None


def test_failure(reply: Reply[int]) -> None:
    """result() raises what it was settled with, exception() returns it."""
    error = ValueError("no")
    reply.set_exception(error)
    with pytest.raises(ValueError, match="no"):
        reply.result()
    assert reply.exception(timeout=0) is error


def test_timeout(reply: Reply[int]) -> None:
    """Waiting too long is a RealtimeTimeout, which every TimeoutError handler catches."""
    with pytest.raises(
        TimeoutError, match=r"^the call: no answer within 0 s; give it more by timeout=$"
    ) as caught:
        reply.result(timeout=0)
    assert type(caught.value) is RealtimeTimeout
    with pytest.raises(RealtimeTimeout):
        reply.exception(timeout=0)


def test_an_answer_that_is_a_timeout(reply: Reply[int]) -> None:
    """A TimeoutError that was the answer is raised as it is."""
    error = concurrent.futures.TimeoutError("the answer")
    reply.set_exception(error)
    with pytest.raises(concurrent.futures.TimeoutError) as caught:
        reply.result(timeout=0)
    assert caught.value is error


@pytest.mark.parametrize("wrong", [-1, float("nan"), "5", True])
def test_wrong_timeouts(reply: Reply[int], wrong: object) -> None:
    """A timeout that is none is refused."""
    with pytest.raises((ValueError, TypeError), match="timeout: seconds"):
        reply.result(timeout=wrong)  # type: ignore[arg-type]  # that is what is tested


def test_cancel(reply: Reply[int]) -> None:
    """cancel() is False, and the future can still be settled."""
    assert reply.cancel() is False
    assert not reply.cancelled()
    reply.set_result(1)
    assert reply.result() == 1


def test_done_callbacks(reply: Reply[int], posted: Posted) -> None:
    """Done-callbacks are posted, never run by the thread that settles."""
    seen: list[Reply[int]] = []
    reply.add_done_callback(seen.append)  # type: ignore[arg-type]  # it is one
    reply.set_result(1)
    assert not seen
    (run,) = posted
    run()
    assert seen == [reply]


def test_done_callbacks_of_a_done_future(reply: Reply[int], posted: Posted) -> None:
    """A done-callback that comes too late is posted at once."""
    reply.set_result(1)
    seen: list[object] = []
    reply.add_done_callback(seen.append)
    posted.pop()()
    assert seen == [reply]


def test_in_a_tap(reply: Reply[int]) -> None:
    """Where the answers come from, waiting is refused; what is there can be had."""
    clock.forbidden.add(threading.get_ident())
    try:
        with pytest.raises(WouldDeadlock):
            reply.result()
        with pytest.raises(WouldDeadlock):
            reply.exception()
        reply.set_result(1)
        assert reply.result() == 1
    finally:
        clock.forbidden.discard(threading.get_ident())


def test_with_the_standard_library(reply: Reply[int]) -> None:
    """concurrent.futures.wait() takes it."""
    reply.set_result(1)
    assert concurrent.futures.wait([reply], timeout=LIMIT).done == {reply}


def test_pickle(reply: Reply[int]) -> None:
    """A future does not pickle."""
    with pytest.raises(TypeError):
        pickle.dumps(reply)
