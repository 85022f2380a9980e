"""Effects, carried out."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import events
from realtime_sync.core import effects as fx
from realtime_sync.core.responses import ResponseRecord
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionLost,
    ServerError,
    SessionClosed,
)
from realtime_sync.events import parse
from realtime_sync.runtime.carrier import Carrier, Todo
from realtime_sync.runtime.handlers import Handlers


class Bench:
    """A carrier, and what it was told to do."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.handlers = Handlers()
        self.words_missing: set[str] = set()  # types of events that the link cannot say
        note = lambda what: lambda *args: self.done.append((what, *args))  # noqa: E731
        self.carrier = Carrier(
            put=self._put,
            put_audio=lambda frame: None,
            wake=lambda: None,
            unsaid=self._unsaid,
            post=lambda fn: fn(),
            call=note("call"),
            later=note("later"),
            handle=lambda record: f"handle of {record.id}",
            handlers=self.handlers,
        )

    def _put(self, event: events.ClientEvent) -> None:
        if event.type in self.words_missing:
            raise ConfigurationError(event.type)
        self.done.append(("put", event))

    def _unsaid(self, event: events.ClientEvent, error: Exception) -> tuple[fx.Effect, ...]:
        return (fx.Send(events.InputAudioBufferCommit()), fx.Reject(event.event_id or "", error))

    def run(self, *effects: fx.Effect) -> Todo:
        todo = Todo()
        self.carrier.collect(effects, todo)
        self.carrier.carry_out(todo)
        return todo


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_sends_are_queued_under_the_lock(bench: Bench) -> None:
    """A send is queued by collect(), in order; all else waits for carry_out()."""
    todo = Todo()
    first, second = events.InputAudioBufferClear(event_id="1"), events.ResponseCancel(event_id="2")
    retry = fx.Retry(0.5)
    bench.carrier.collect((fx.Send(first), retry, fx.Send(second)), todo)
    assert bench.done == [("put", first), ("put", second)]
    bench.carrier.carry_out(todo)
    assert bench.done[2:] == [("later", 0.5)]


def test_what_the_link_cannot_say(bench: Bench) -> None:
    """The core is told of an event that has no words, and what follows from it is carried out."""
    bench.words_missing.add("response.cancel")
    reply = bench.carrier.expect("1", "a call")
    bench.run(fx.Send(events.ResponseCancel(event_id="1")), fx.Send(events.InputAudioBufferClear()))
    assert isinstance(reply.exception(0), ConfigurationError)
    # what stood behind it first: wire order is the order of the effects
    assert [event.type for _, event in bench.done] == [
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
    ]


def test_settle(bench: Bench) -> None:
    """A waiter gets its value, by its converter, once."""
    reply = bench.carrier.expect("key", "a call", lambda value: value * 2)
    bench.run(fx.Settle("key", 21), fx.Settle("key", 0), fx.Settle("nobody", 1))
    assert reply.result(0) == 42


def test_not_before_the_lock_is_released(bench: Bench) -> None:
    """collect() settles nothing: a done-callback might want the lock."""
    reply, todo = bench.carrier.expect("key", "a call"), Todo()
    bench.carrier.collect((fx.Settle("key", 1),), todo)
    assert not reply.done()
    bench.carrier.carry_out(todo)
    assert reply.done()


def test_a_converter_that_raises(bench: Bench) -> None:
    """What the converter raises is the answer."""
    reply = bench.carrier.expect("key", "a call", lambda value: 1 / value)
    bench.run(fx.Settle("key", 0))
    with pytest.raises(ZeroDivisionError):
        reply.result(0)


def test_reject(bench: Bench) -> None:
    """A waiter gets its error."""
    reply = bench.carrier.expect("key", "a call")
    error = ServerError("no")
    bench.run(fx.Reject("key", error))
    assert reply.exception(0) is error


def test_an_error_that_has_a_response(bench: Bench) -> None:
    """The core's record in an error becomes the caller's handle."""
    reply = bench.carrier.expect("key", "a call")
    record = ResponseRecord("resp_1", default=True)
    bench.run(fx.Reject("key", ConnectionLost("gone", response=record)))
    error = reply.exception(0)
    assert isinstance(error, ConnectionLost)
    assert error.response == "handle of resp_1"


def test_a_key_in_use(bench: Bench) -> None:
    """Nobody takes another's key: one of the two would wait for ever."""
    reply = bench.carrier.expect("key", "a call")
    with pytest.raises(ConfigurationError, match="event_id: 'key' is that of a call"):
        bench.carrier.expect("key", "another")
    bench.run(fx.Settle("key", 1))
    assert reply.result(0) == 1


def test_forget(bench: Bench) -> None:
    """Whoever stopped waiting is not told."""
    reply = bench.carrier.expect("key", "a call")
    assert bench.carrier.forget("key") is True
    assert bench.carrier.forget("key") is False
    bench.run(fx.Settle("key", 1), fx.Reject("key", ServerError("no")))
    assert not reply.done()


def test_reject_all(bench: Bench) -> None:
    """At the end everybody who is left gets an error of his own."""
    replies = [bench.carrier.expect(key, "a call") for key in "abc"]
    todo = Todo()
    bench.carrier.reject(key="b", error=ServerError("no"), todo=todo)
    bench.carrier.reject_all(SessionClosed("closed"), todo)
    bench.carrier.carry_out(todo)
    errors = [reply.exception(0) for reply in replies]
    assert [type(error) for error in errors] == [SessionClosed, ServerError, SessionClosed]
    assert errors[0] is not errors[2]


def test_the_rest(bench: Bench) -> None:
    """Wake-ups, calls and local events go where they belong."""
    woken: list[int] = []
    call = fx.Call("call_1", "f", "{}", None, None)  # type: ignore[arg-type]  # carried unread
    event = events.SessionExpiring(expires_at=1)
    todo = bench.run(fx.Wake((lambda: woken.append(1), lambda: woken.append(2))), call)
    assert woken == [1, 2]
    assert bench.done == [("call", call)]
    assert bench.run(fx.Emit(event)).local == [event]
    assert todo.local == []


def unclaimed(code: str = "odd", message: str = "no") -> Any:
    return parse(f'{{"type":"error","error":{{"code":"{code}","message":"{message}"}}}}')


def test_an_error_that_nobody_waits_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody waited for and nobody handles is a warning of one line."""
    bench.run(fx.Unclaimed(unclaimed(message="one\\ntwo")))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == r"the server says odd: one\ntwo"


def test_an_error_that_is_handled(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """One that somebody handles is not logged, nor one that only says it was over anyway."""
    bench.run(fx.Unclaimed(unclaimed("response_cancel_not_active")))
    bench.handlers.add("error", print)
    bench.run(fx.Unclaimed(unclaimed()))
    assert not caplog.records


def test_an_error_whose_caller_has_gone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal of something that nobody waits for any more is logged like any other."""
    bench.run(fx.Reject("gone", ServerError("no", event=unclaimed())))
    bench.run(fx.Reject("gone", ServerError("no")))
    bench.run(fx.Reject("gone", SessionClosed("closed")))
    assert len(caplog.records) == 1
