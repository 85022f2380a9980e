"""The beta dialect, spoken over a brain that knows GA only: names and shapes, both ways.

Tables from wire.md (f), written apart from `realtime_sync.events`: the same mistake must not be
made on both sides. One for each connection; no sockets, no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime_sync.local.refusal import Refusal, unknown_parameter, wrong_type, wrong_value
from realtime_sync.local.shapes import number

__all__ = ["Beta", "BetaNames", "Plain", "spoken"]

Wire = dict[str, Any]

_NAMES: dict[str, str | None] = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": None,
    "conversation.item.input_audio_transcription.segment": None,
}
"""GA server events and their beta names; None: the beta has none."""

_PARTS = {"output_text": "text", "output_audio": "audio"}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_MODALITIES = {"audio": ["audio", "text"], "text": ["text"]}
_CHOICES = ("none", "auto", "required")
_ITEMS = ("message", "function_call", "function_call_output", "item_reference")
_TEMPERATURE = number(0.6, 1.2)


def _same(value: Any, _path: str = "") -> Any:
    return value


def _format_out(value: Wire, _path: str = "") -> str:
    return _FORMATS[value["type"]]


def _format_in(value: Any, path: str) -> Wire:
    for ga, beta in _FORMATS.items():
        if value == beta:
            return {"type": ga}
    raise wrong_value(path, value, _FORMATS.values())


def _modalities_out(value: list[str], _path: str = "") -> list[str]:
    return list(_MODALITIES[value[0]])


def _modalities_in(value: Any, path: str) -> list[str]:
    for ga, beta in _MODALITIES.items():
        if isinstance(value, list) and sorted(map(str, value)) == beta:
            return [ga]
    raise Refusal(
        "invalid_value",
        f"Invalid modalities: {str(value)[:100]}. "
        "Supported combinations are: ['text'] and ['audio', 'text'].",
        param=path,
    )


def _choice_out(value: Any, _path: str = "") -> str:
    return str(value if isinstance(value, str) else value.get("name"))


def _choice_in(value: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise wrong_type(path, (str,), value)
    return value if value in _CHOICES else {"type": "function", "name": value}


def _voice_out(value: Any, _path: str = "") -> str:
    return str(value if isinstance(value, str) else value["id"])


def _noise_out(value: Wire | None, _path: str = "") -> Wire | None:
    return None if value is None else {"type": value["type"]}


_Both = tuple[Callable[..., Any], Callable[..., Any]]
_Field = tuple[str, str, _Both]  # beta name, path in GA, how a value goes out and comes in

_PLAIN: _Both = (_same, _same)
_COMMON: tuple[_Field, ...] = (
    ("modalities", "output_modalities", (_modalities_out, _modalities_in)),
    ("instructions", "instructions", _PLAIN),
    ("voice", "audio.output.voice", (_voice_out, _same)),
    ("output_audio_format", "audio.output.format", (_format_out, _format_in)),
    ("tools", "tools", _PLAIN),
    ("tool_choice", "tool_choice", (_choice_out, _choice_in)),
    ("max_response_output_tokens", "max_output_tokens", _PLAIN),
)
_INPUT: tuple[_Field, ...] = (
    ("input_audio_format", "audio.input.format", (_format_out, _format_in)),
    ("input_audio_transcription", "audio.input.transcription", _PLAIN),
    ("input_audio_noise_reduction", "audio.input.noise_reduction", (_noise_out, _same)),
    ("turn_detection", "audio.input.turn_detection", _PLAIN),
    ("include", "include", _PLAIN),
)
_SESSION: tuple[_Field, ...] = (
    *_COMMON,
    *_INPUT,
    ("speed", "audio.output.speed", _PLAIN),
    ("tracing", "tracing", _PLAIN),
    ("model", "model", _PLAIN),
)
_READ_ONLY = ("id", "object", "expires_at")
_RESPONSE: tuple[_Field, ...] = (
    *_COMMON,
    ("conversation", "conversation", _PLAIN),
    ("metadata", "metadata", _PLAIN),
    ("input", "input", _PLAIN),
)
_REPORTED = (
    *("object", "id", "status", "status_details", "conversation_id", "usage", "metadata"),
    "max_output_tokens",  # the beta's session has another name for it than its response
)


def _get(value: Any, path: str) -> tuple[Any, bool]:
    """What stands at a path, and whether something does."""
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None, False
        value = value[name]
    return value, True


def _put(target: Wire, path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        target = target.setdefault(name, {})
    target[last] = value


def _outward(ga: Wire, fields: tuple[_Field, ...]) -> Wire:
    beta: Wire = {}
    for name, path, (out, _) in fields:
        value, there = _get(ga, path)
        if there:
            beta[name] = None if value is None else out(value)
    return beta


def _inward(beta: Wire, fields: tuple[_Field, ...], where: str) -> Wire:
    known = {name: (path, come_in) for name, path, (_, come_in) in fields}
    ga: Wire = {}
    for name, value in beta.items():
        if name not in known:
            raise unknown_parameter(f"{where}.{name}")
        path, come_in = known[name]
        _put(ga, path, None if value is None else come_in(value, f"{where}.{name}"))
    return ga


def _item_out(item: Wire) -> Wire:
    reported = {**item, "object": "realtime.item"}
    if "content" in item:
        parts = item["content"]
        reported["content"] = [
            {**part, "type": _PARTS.get(part["type"], part["type"])} for part in parts
        ]
    return reported


def _item_in(item: Any, path: str) -> Any:
    """An item with GA part types; what is no item is left for the brain to refuse."""
    if not isinstance(item, dict):
        return item
    if isinstance(item.get("type"), str) and item["type"] not in _ITEMS:
        raise wrong_value(f"{path}.type", item["type"], _ITEMS)
    parts = item.get("content")
    if not isinstance(parts, list):
        return item
    speaker = item.get("role")
    content = [_part_in(part, speaker, f"{path}.content[{n}]") for n, part in enumerate(parts)]
    return {**item, "content": content}


def _part_in(part: Any, speaker: Any, path: str) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        return part
    known = ("text",) if speaker == "assistant" else ("input_text", "input_audio")
    if kind not in known:
        raise wrong_value(f"{path}.type", kind, known)
    return {**part, "type": "output_text"} if kind == "text" else part


def spoken(dialect: str, *, names: bool) -> Plain:
    """What stands between the brain and a client.

    Args:
        dialect: "ga" or "beta".
        names: Whether GA goes under the beta's names.
    """
    if dialect == "beta":
        return Beta()
    return BetaNames() if names else Plain()


class Plain:
    """GA, as it is."""

    def incoming(self, event: object) -> object:
        """A client event as the brain takes it."""
        return event

    def outgoing(self, event: Wire) -> list[Wire]:
        """A server event as the client hears it."""
        return [event]


class BetaNames(Plain):
    """GA shapes under beta names, as some compatible servers answer."""

    def outgoing(self, event: Wire) -> list[Wire]:
        name = _NAMES.get(event["type"], event["type"])
        if name is None:
            return []
        event = {**event, "type": name}
        if isinstance(event.get("item"), dict):
            event["item"] = _item_out(event["item"])
        if isinstance(event.get("response"), dict):
            output = [_item_out(item) for item in event["response"]["output"]]
            event["response"] = {**event["response"], "output": output}
        return [event]


class Beta(BetaNames):
    """The whole dialect. Remembers the temperature, which GA has no place for."""

    def __init__(self) -> None:
        self._temperature = 0.8

    def incoming(self, event: object) -> object:
        """A client event as the brain takes it.

        Raises:
            Refusal: It is not of the beta dialect.
        """
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(kind, str) or kind not in self._INCOMING:
            return event
        name, field, change = self._INCOMING[kind]
        value = event.get(field)
        if not isinstance(value, dict):
            return {**event, "type": name}
        try:
            return {**event, "type": name, field: change(self, value)}
        except RecursionError:
            # what JSON can nest, str() of a wrong value cannot always show
            raise Refusal("invalid_value", "The event is nested too deeply.") from None

    def outgoing(self, event: Wire) -> list[Wire]:
        """A server event as the client hears it."""
        return [self._shaped(one) for one in super().outgoing(event)]

    def _shaped(self, event: Wire) -> Wire:
        for field, change in self._OUTGOING.items():
            if isinstance(event.get(field), dict):
                event = {**event, field: change(self, event[field])}
        if event["type"] == "response.function_call_arguments.done":
            event = {name: value for name, value in event.items() if name != "name"}
        if event["type"] == "session.updated" and "client_secret" in event["session"]:
            event = {**event, "type": "transcription_session.updated"}
        return event

    def _session_in(self, session: Wire) -> Wire:
        wanted = self._without_temperature(session, "session")
        # what only the REST call means; some clients send the whole of what it gave them
        wanted.pop("client_secret", None)
        return {"type": "realtime", **_inward(wanted, _SESSION, "session")}

    def _transcription_in(self, session: Wire) -> Wire:
        wanted = {name: value for name, value in session.items() if name != "client_secret"}
        wanted.pop("modalities", None)
        return {"type": "transcription", **_inward(wanted, _INPUT, "session")}

    def _response_in(self, response: Wire) -> Wire:
        changed = _inward(self._without_temperature(response, "response"), _RESPONSE, "response")
        if isinstance(changed.get("input"), list):
            items = enumerate(changed["input"])
            changed["input"] = [_item_in(item, f"response.input[{n}]") for n, item in items]
        return changed

    def _create_in(self, item: Wire) -> Wire:
        return dict(_item_in(item, "item"))

    def _without_temperature(self, given: Wire, where: str) -> Wire:
        rest = dict(given)
        temperature = rest.pop("temperature", None)
        if temperature is not None:
            _TEMPERATURE(temperature, f"{where}.temperature")
            if where == "session":
                self._temperature = temperature
        return rest

    def _session_out(self, session: Wire) -> Wire:
        beta = {name: session[name] for name in _READ_ONLY if name in session}
        if session.get("type") == "transcription":
            secret = {"value": "", "expires_at": 0}
            return {**beta, **_outward(session, _INPUT), "client_secret": secret}
        return {**beta, **_outward(session, _SESSION), "temperature": self._temperature}

    def _response_out(self, response: Wire) -> Wire:
        fields = _COMMON[0], _COMMON[2], _COMMON[3]
        beta = {name: response[name] for name in (*_REPORTED, "output")}
        return {**beta, **_outward(response, fields), "temperature": self._temperature}

    def _error_out(self, error: Wire) -> Wire:
        """The error in the words that the client used."""
        param, message = error["param"], error["message"]
        for where, fields in (("session", _SESSION), ("response", _RESPONSE)):
            for name, path, _ in fields:
                ga = f"{where}.{path}"
                if param is not None and (param + ".").startswith(ga + "."):
                    told = f"{where}.{name}{param[len(ga) :]}"
                    return {**error, "param": told, "message": message.replace(param, told)}
        return error

    _INCOMING: Mapping[str, tuple[str, str, Callable[..., Wire]]] = {
        "session.update": ("session.update", "session", _session_in),
        "transcription_session.update": ("session.update", "session", _transcription_in),
        "response.create": ("response.create", "response", _response_in),
        "conversation.item.create": ("conversation.item.create", "item", _create_in),
    }
    _OUTGOING: Mapping[str, Callable[..., Wire]] = {
        "session": _session_out,
        "response": _response_out,
        "error": _error_out,
    }
