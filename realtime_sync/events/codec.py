"""Text of the wire to events, and back. No socket, no thread, no state.

`parse` never raises, whatever the peer sent; `dump` raises only for what a caller did wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pydantic_core
from pydantic import ValidationError

from ..errors import ConfigurationError
from .base import ClientEvent, ServerEvent, UnknownEvent
from .client import CLIENT_EVENTS
from .dialects import DIFFERENT, error_to_ga, to_ga
from .server import SERVER_EVENTS
from .value import Value, check, read

__all__ = [
    "client_event",
    "dump",
    "encode",
    "parse",
    "parse_beta",
    "parse_either",
    "server_event",
]

_from_json = pydantic_core.from_json
_to_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
#: Bytes of an unparsable text that its event keeps.
_SHOWN = 65536
#: Levels of nesting that an event may have.
_DEPTH = 64
#: What a number must stay below, so that sums and products of a few are still finite.
_HUGE = 1e300


def parse(text: bytes | str) -> ServerEvent:
    """The event that a text frame holds; `UnknownEvent` for everything else. Never raises."""
    raw = _event(text)
    return _unparsable(text) if raw is None else server_event(raw)


def parse_either(text: bytes | str) -> ServerEvent:
    """`parse`, of either dialect: some servers of today answer with the names of the beta."""
    raw = _event(text)
    if raw is None:
        return _unparsable(text)
    kind = raw["type"]
    # GA still lists this old name, so it is no sign of the beta
    if kind not in DIFFERENT or kind == "conversation.item.created":  # nearly all
        return server_event(raw)
    event = server_event(to_ga(raw))
    # what no model fits is shown as it came
    return event.model_copy(update={"raw": raw}) if isinstance(event, UnknownEvent) else event


def parse_beta(text: bytes | str) -> ServerEvent:
    """`parse`, of a server that speaks the beta: the GA event that its event stands for."""
    raw = _event(text)
    if raw is None:
        return _unparsable(text)
    event = server_event(error_to_ga(raw) if raw["type"] == "error" else to_ga(raw))
    return event.model_copy(update={"raw": raw}) if isinstance(event, UnknownEvent) else event


def _event(text: bytes | str) -> dict[str, Any] | None:
    """The decoded object, if it can be an event."""
    try:
        # "keys": to look up a value costs more than it saves, since nearly every one is new
        raw = _from_json(text, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, TypeError):
        raw = _by_hand(text)
    sound = type(raw) is dict and type(raw.get("type")) is str and _sound(raw.values())
    return raw if sound else None


def _unparsable(text: bytes | str) -> UnknownEvent:
    shown = text[:_SHOWN]
    if isinstance(shown, bytes):
        shown = shown.decode("utf-8", "backslashreplace")
    return UnknownEvent(type="unparsable", raw=shown)


def server_event(raw: dict[str, Any]) -> ServerEvent:
    """The event that a decoded object is; `UnknownEvent` where no model fits.

    Args:
        raw: Has a `type`, a str.
    """
    kind = raw["type"]
    cls = SERVER_EVENTS.get(kind)
    if cls is not None:
        try:
            return read(cls, raw)
        except ValidationError:
            pass
    event_id = raw.get("event_id")
    known = event_id if isinstance(event_id, str) else None
    return UnknownEvent(type=kind, event_id=known, raw=raw)


def _by_hand(text: bytes | str) -> Any:
    """What pydantic's parser refuses but is JSON: lone surrogates, a BOM. None for the rest."""
    try:
        if isinstance(text, bytes):
            # json itself would take surrogates in UTF-8, and guess at UTF-16
            text = text.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _sound(values: Iterable[Any], depth: int = 1) -> bool:
    """Whether decoded JSON is nested no deeper than allowed, and its numbers are finite."""
    below: list[Any] = []  # of all that is one level deeper: a call for each would cost more
    for value in values:
        kind = type(value)
        if kind is str:  # nearly all are
            continue
        if kind is int or kind is float:
            if not -_HUGE < value < _HUGE:
                return False
        elif kind is dict or kind is list:
            if depth == _DEPTH:
                return False
            below += value.values() if kind is dict else value
    return not below or _sound(below, depth + 1)


def client_event(event: ClientEvent | dict[str, Any]) -> ClientEvent:
    """A checked copy of what a caller wants to send; a type we do not know passes as it is.

    Raises:
        ConfigurationError: No `type`, or a wrong value; names the field.
        TypeError: Neither a client event nor a dict.
    """
    known = _client_event(event)
    if len(known.event_id or "") > 512:
        raise ConfigurationError("event.event_id: 512 characters at most")
    return known


def _client_event(event: ClientEvent | dict[str, Any]) -> ClientEvent:
    if isinstance(event, ClientEvent):
        cls = CLIENT_EVENTS.get(event.type, ClientEvent)
        if isinstance(event, cls):
            return event
        event = {"type": event.type, **event.wire()}  # the base class, spelt out by hand
    if not isinstance(event, dict):
        raise TypeError(f"event: a client event or a dict, not {type(event).__name__}")
    kind = event.get("type")
    if not isinstance(kind, str) or not kind:
        raise ConfigurationError('event.type: a string such as "response.create" is missing')
    checked: ClientEvent = check(CLIENT_EVENTS.get(kind, ClientEvent), event, "event")
    return checked


def dump(event: ClientEvent) -> bytes:
    """The text frame of an event: exactly what was set.

    Raises:
        ConfigurationError: It holds what JSON has no form for; names the event and the place.
    """
    try:
        body = {"type": event.type, **event.wire()}
    except (ValueError, TypeError, RecursionError) as exc:
        raise _unsayable(
            {"type": event.type, **{n: event[n] for n in event.model_fields_set}}, exc
        ) from exc
    return encode(body)


def encode(body: dict[str, Any]) -> bytes:
    """The text frame of an event that is JSON-ready already.

    Raises:
        ConfigurationError: It holds what JSON has no form for; names the event and the place.
    """
    try:
        written = pydantic_core.to_json(body)  # four times as fast as the standard library's
        # it would write a number that is none, and be right about a text that only looks like it
        if b"NaN" not in written and b"Infinity" not in written:
            return written
    except (ValueError, TypeError, RecursionError):
        pass  # what has no form is named below
    try:
        text = _to_json(body)
    except (ValueError, TypeError, RecursionError) as exc:
        raise _unsayable(body, exc) from exc
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can write only as an escape
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def _unsayable(body: dict[str, Any], why: Exception) -> ConfigurationError:
    """What JSON has no form for, by the event and the place in it."""
    place = ".".join(map(str, _place(body)))
    return ConfigurationError(": ".join(filter(None, (body["type"], place, str(why).lower()))))


def _place(value: Any, outer: tuple[Any, ...] = ()) -> list[Any]:
    """The steps to the first value inside that JSON has no form for."""
    if isinstance(value, Value):
        value = {name: value[name] for name in value.model_fields_set}
    steps: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, (dict, list, tuple)):
        steps = value.items() if isinstance(value, dict) else enumerate(value)
    around = (*outer, value)
    for step, inner in steps:
        if not _is_sayable(inner):
            ends = len(around) > _DEPTH or any(inner is one for one in around)  # a circle
            return [step] if ends else [step, *_place(inner, around)]
    return []


def _is_sayable(value: Any) -> bool:
    try:
        _to_json(pydantic_core.to_jsonable_python(value))
    except (ValueError, TypeError, RecursionError):
        return False
    return True
