"""The registry of callbacks."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from realtime_sync import events
from realtime_sync.events import Event, parse
from realtime_sync.runtime.handlers import Handlers, event_type, names


def event(kind: str, more: str = "") -> Event:
    return parse(f'{{"type":"{kind}"{more}}}')


MALFORMED = parse('{"type":"response.done","response":5}')


def taken(handlers: Handlers, what: Event) -> list[Any]:
    return list(handlers.take(what))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("response.done", "response.done"),
        ("response.*", "response.*"),
        ("*", "*"),
        ("a.new.name", "a.new.name"),
        (events.ResponseDone, "response.done"),
        (events.ConnectionLost, "connection.lost"),
        (events.Event, "*"),
        (events.UnknownEvent, events.UnknownEvent),
        (events.ServerEvent, events.ServerEvent),
    ],
)
def test_event_type(given: Any, wanted: Any) -> None:
    """Names, prefixes and classes are ways to name an event."""
    assert event_type(given) == wanted


@pytest.mark.parametrize("wrong", [5, None, str, int, b"error"])
def test_no_event_type(wrong: Any) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(TypeError, match="a wire name or an event class"):
        event_type(wrong)


@pytest.mark.parametrize("wrong", ["", "*.done", "response.*.delta", "**"])
def test_no_glob(wrong: str) -> None:
    """A star stands at the end, alone."""
    with pytest.raises(ValueError, match=r"response\.\*"):
        event_type(wrong)


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("response.text.delta", "response.output_text.delta"),
        ("response.text.done", "response.output_text.done"),
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.audio.done", "response.output_audio.done"),
        ("response.audio_transcript.delta", "response.output_audio_transcript.delta"),
        ("response.audio_transcript.done", "response.output_audio_transcript.done"),
        ("transcription_session.updated", "session.updated"),
    ],
)
def test_beta_names(beta: str, ga: str) -> None:
    """A name that only the beta dialect has is a ValueError that gives the GA name."""
    with pytest.raises(ValueError, match=ga):
        event_type(beta)


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ("response.done", ["response.done"]),
        ("response.*", ["response.created", "response.done", "malformed"]),
        ("resp*", ["response.created", "response.done", "malformed"]),
        ("*", ["response.created", "response.done", "error", "malformed", "odd", "local", "spoof"]),
        (events.ResponseDone, ["response.done"]),
        (events.UnknownEvent, ["malformed", "odd", "spoof"]),
        (events.LocalEvent, ["local"]),
        (
            events.ServerEvent,
            ["response.created", "response.done", "error", "malformed", "odd", "spoof"],
        ),
        ("odd", ["odd"]),
        ("connection.closed", ["local"]),
    ],
)
def test_who_sees_what(wanted: Any, seen: list[str]) -> None:
    """A malformed event, or one with a name of ours, never reaches those who trust its shape."""
    handlers = Handlers()
    handlers.add(event_type(wanted), print)
    all_events = {
        "response.created": event("response.created"),
        "response.done": event("response.done"),
        "error": event("error"),
        "malformed": MALFORMED,
        "odd": event("odd"),
        "local": events.ConnectionClosed(error=None),
        "spoof": event("connection.closed"),
    }
    assert [name for name, one in all_events.items() if handlers.want(one)] == seen
    assert [name for name, one in all_events.items() if taken(handlers, one)] == seen


def test_names() -> None:
    """A malformed event of a known type goes by no name."""
    assert names(MALFORMED) is None
    assert names(event("odd")) == "odd"


def test_order() -> None:
    """Handlers are called in the order of registration, also the same one twice."""
    handlers = Handlers()
    first, second = (lambda _: 1), (lambda _: 2)
    for wanted, fn in (("*", second), ("error", first), ("err*", second)):
        handlers.add(wanted, fn)
    assert taken(handlers, event("error")) == [second, first, second]


def test_remove() -> None:
    """remove() takes the oldest such registration off, and says whether there was one."""
    handlers = Handlers()
    first, second = (lambda _: 1), (lambda _: 2)
    handlers.add("error", first)
    handlers.add("error", second)
    handlers.add("error", first)
    assert handlers.remove("error", first) is True
    assert taken(handlers, event("error")) == [second, first]
    assert handlers.remove("*", first) is False
    assert handlers.remove("error", print) is False
    assert handlers.remove("error", first) is True
    assert handlers.remove("error", first) is False


def test_bound_methods() -> None:
    """A bound method, made anew at each access, is found again."""
    seen: list[Any] = []
    handlers = Handlers()
    handlers.add("error", seen.append)
    assert handlers.remove("error", seen.append) is True


def test_once() -> None:
    """A handler registered by once is taken off when it is called."""
    handlers = Handlers()
    handlers.add("error", print, once=True)
    assert handlers.want(event("error"))
    assert taken(handlers, event("error")) == [print]
    assert not handlers.want(event("error"))
    assert taken(handlers, event("error")) == []


def test_once_belongs_to_one() -> None:
    """Of two threads with the same event only one gets it."""
    handlers = Handlers()
    handlers.add("error", print, once=True)
    one, other = handlers.take(event("error")), handlers.take(event("error"))
    assert [*other, *one] == [print]
    again = handlers.take(event("error"))
    handlers.add("error", print, once=True)
    slow = handlers.present.listeners(event("error"))
    assert list(again) == [print]
    assert slow
    assert handlers.present.all == ()


def test_off_while_dispatching() -> None:
    """One that is taken off by the one before it is left out; one that is added waits."""
    handlers = Handlers()
    second = lambda _: 2  # noqa: E731
    third = lambda _: 3  # noqa: E731
    handlers.add("error", print)
    handlers.add("error", second)
    turn = handlers.take(event("error"))
    assert next(turn) is print
    handlers.remove("error", second)
    handlers.add("error", third)
    assert list(turn) == []
    assert taken(handlers, event("error")) == [print, third]


def test_a_peer_that_invents_names() -> None:
    """Names that the peer invents do not fill the memory."""
    handlers = Handlers()
    handlers.add("*", print)
    for n in range(1500):
        assert handlers.want(event(f"new.{n}"))
    assert len(handlers.present.cache) == 1000


async def coroutine(_: Event) -> None:
    """Not a handler."""


async def asynchronous_generator(_: Event) -> Any:
    """No more."""
    yield


def generator(_: Event) -> Any:
    """Neither."""
    yield


class Called:
    """Nor this."""

    async def __call__(self, _: Event) -> None:
        """It would be made, and not awaited."""


LAZY = [coroutine, asynchronous_generator, generator, functools.partial(generator), Called()]


@pytest.mark.parametrize("wrong", [5, "print", *LAZY, lambda: None, lambda a, b: None])
def test_no_handlers(wrong: Any) -> None:
    """A handler is a plain function that can be called with one argument."""
    with pytest.raises(TypeError, match="a handler is"):
        Handlers().add("*", wrong)


@pytest.mark.parametrize(
    "fn", [print, [].append, dict, functools.partial(print, 1), lambda *args: args]
)
def test_handlers_of_all_kinds(fn: Any) -> None:
    """Built-ins, methods, classes and partials will do."""
    Handlers().add("*", fn)


def test_warns_of_a_slip(caplog: pytest.LogCaptureFixture) -> None:
    """A name that is nearly one we know is taken, and warned about once; a new one silently."""
    for name in ("response.don", "response.don", "response.update", "a.new.name", "response.d*"):
        assert event_type(name) == name
    assert [record.getMessage() for record in caplog.records] == [
        "no event is known by the name 'response.don'; is 'response.done' meant?"
    ]
