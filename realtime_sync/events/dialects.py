"""The beta dialect into GA and back, as decoded JSON. No model, no socket, no state.

No event is changed in place: one that needs no work comes back as the same object, any other as a
copy that shares what stayed. What neither dialect knows, and what has an unexpected type, passes
as it stands; so do `temperature` and `client_secret`, which GA lost. Source: wire.md section (f).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .beta import (
    BETA_NAMES,
    BETA_PARTS,
    BETA_TRANSCRIPTION_NAMES,
    NOTHING,
    PARTS,
    RESPONSE_FIELDS,
    SERVER_NAMES,
    SESSION_FIELDS,
    TRANSCRIPTION_NAMES,
    Json,
    Path,
    flatten,
    kind_of,
    look,
    nest,
    take,
)

__all__ = [
    "DIFFERENT",
    "SERVER_NAMES",
    "client_to_ga",
    "error_to_ga",
    "server_to_beta",
    "to_beta",
    "to_ga",
]

# --- objects


def _with(top: Any, name: str, value: Any) -> Any:
    """An object with another value under a name; the same one where that changes nothing."""
    return top if value is top.get(name) else {**top, name: value}


def _same(value: Any) -> Any:
    return value


def _renamed(value: Any, names: dict[str, str]) -> Any:
    new = names.get(kind_of(value))
    return value if new is None else {**value, "type": new}


def _each(values: Any, change: Callable[[Any], Any]) -> Any:
    """A list with its elements changed; the same one where none is."""
    if type(values) is not list:
        return values
    changed = [change(value) for value in values]
    same = all(new is old for new, old in zip(changed, values, strict=True))
    return values if same else changed


def _item(item: Any, names: dict[str, str] = PARTS) -> Any:
    content = item.get("content") if type(item) is dict else None
    for part in content if type(content) is list else ():
        if kind_of(part) in names:
            break
    else:  # nearly all
        return item
    return _with(item, "content", _each(content, lambda part: _renamed(part, names)))


def _beta_item(item: Any) -> Any:
    return _item(item, BETA_PARTS)


def _response(response: Any) -> Any:
    if type(response) is not dict:
        return response
    ga = nest(response, RESPONSE_FIELDS)
    return _with(ga, "output", _each(ga.get("output"), _item))


def _beta_response(response: Any) -> Any:
    if type(response) is not dict:
        return response
    beta = flatten(response, RESPONSE_FIELDS)
    return _with(beta, "output", _each(beta.get("output"), _beta_item))


def _session(session: Any) -> Any:
    """A server's session, which may be of either dialect: its fields tell."""
    if type(session) is not dict or SESSION_FIELDS.keys().isdisjoint(session):
        return session
    rate = session.get("input_audio_sampling_rate")  # Azure Voice Live's, beside "pcm16"
    if type(rate) is int and session.get("input_audio_format") == "pcm16":
        session = {**session, "input_audio_format": {"type": "audio/pcm", "rate": rate}}
    transcribes = session.get("object") == "realtime.transcription_session"
    kind = "transcription" if transcribes else "realtime"
    return {"type": kind, **nest(session, SESSION_FIELDS)}


def _beta_session(session: Any) -> Any:
    if type(session) is not dict:
        return session
    beta = flatten(session, SESSION_FIELDS)
    beta.pop("type", None)
    return beta


def _typed(kind: str) -> Callable[[Any], Any]:
    """A session of an event that only beta has: its type is known by the event's name."""

    def session(value: Any) -> Any:
        return {**_session(value), "type": kind} if type(value) is dict else value

    return session


def _asked(params: Any) -> Any:
    """What `response.create` asks for."""
    if type(params) is not dict:
        return params
    ga = nest(params, SESSION_FIELDS)
    return _with(ga, "input", _each(ga.get("input"), _item))


def _beta_asked(params: Any) -> Any:
    beta = flatten(params, SESSION_FIELDS)
    return _with(beta, "input", _each(beta.get("input"), _beta_item))


# --- events


class _Work(NamedTuple):
    """What an event becomes: its GA name, the field to translate ("" for none), and how."""

    name: str
    field: str = ""
    ga: Callable[[Any], Any] = _same
    beta: Callable[[Any], Any] = _same


def _all(names: Iterable[str], *work: Any) -> dict[str, _Work]:
    return {name: _Work(name, *work) for name in names}


#: Shared names whose content differs.
_SHARED = {
    **_all(("session.created", "session.updated"), "session", _session, _beta_session),
    **_all(("response.created", "response.done"), "response", _response, _beta_response),
    **_all(("conversation.item.added", "conversation.item.done"), "item", _item, _beta_item),
    **_all(("conversation.item.retrieved",), "item", _item, _beta_item),
    **_all(("response.output_item.added", "response.output_item.done"), "item", _item, _beta_item),
}

#: Server events that need work, by the name they come with.
_TO_GA = {
    **_SHARED,
    **{beta: _SHARED.get(ga, _Work(ga)) for beta, ga in SERVER_NAMES.items()},
    **{
        beta: _Work(ga, "session", _typed("transcription"))
        for beta, ga in TRANSCRIPTION_NAMES.items()
    },
}

#: Server events that `to_ga` may give back otherwise than they came.
DIFFERENT = frozenset(_TO_GA)

#: Client events that need work, by beta's name.
_CLIENT_TO_GA = {
    "session.update": _Work("session.update", "session", _typed("realtime")),
    "transcription_session.update": _Work("session.update", "session", _typed("transcription")),
    "response.create": _Work("response.create", "response", _asked),
    "conversation.item.create": _Work("conversation.item.create", "item", _item),
}


def to_ga(event: Json) -> Json:
    """A server event of either dialect, or of a server that mixes them, as GA has it.

    Never raises; the same object for events that are GA's.
    """
    return _to_ga(event, _TO_GA)


def error_to_ga(event: Json) -> Json:
    """A beta server's `error` whose `param` names a field, by GA's path. Never raises.

    Apart from `to_ga`, since a GA server means the wrong name itself where it shows one of beta's.
    """
    details = event.get("error")
    param = details.get("param") if type(details) is dict else None
    if type(details) is not dict or type(param) is not str:
        return event
    where, _, rest = param.partition(".")
    name, dot, below = rest.partition(".")
    if where not in ("session", "response") or name not in SESSION_FIELDS:
        return event
    ga = ".".join((where, *SESSION_FIELDS[name].path))
    return {**event, "error": {**details, "param": ga + dot + below}}


def client_to_ga(event: Json) -> Json:
    """A client event of beta as GA has it. Never raises."""
    return _to_ga(event, _CLIENT_TO_GA)


def _to_ga(event: Json, table: dict[str, _Work]) -> Json:
    kind = event.get("type")
    work = table.get(kind) if type(kind) is str else None
    if work is None:  # nearly all
        return event
    if work.field in event:
        event = _with(event, work.field, work.ga(event[work.field]))
    return event if work.name == kind else {**event, "type": work.name}


def server_to_beta(event: Json) -> Json:
    """A GA server event as beta has it; one that beta does not have, as it is. Never raises."""
    kind = kind_of(event)
    if kind == "response.function_call_arguments.done":
        return {name: value for name, value in event.items() if name != "name"}
    work = _SHARED.get(kind)
    names = BETA_NAMES
    if work is not None and work.field in event:
        if kind_of(event[work.field]) == "transcription":
            names = BETA_TRANSCRIPTION_NAMES
        event = _with(event, work.field, work.beta(event[work.field]))
    return event if kind not in names else {**event, "type": names[kind]}


# --- what a client cannot say in beta


def _any(_: Any) -> bool:
    return True


def _object(value: Any) -> bool:
    return type(value) is dict


def _untyped(value: Any) -> bool:
    return type(value) is dict and not kind_of(value)


def _other_rate(value: Any) -> bool:
    return not (value is None or value == 24000)


def _custom(value: Any) -> bool:
    return type(value) is dict and "id" in value


_Lacks = dict[Path, Callable[[Any], bool]]

#: Fields of a transcription session that beta lacks, where the value is such a one.
_TRANSCRIPTION_LACKS: _Lacks = {
    ("audio", "input", "format"): _untyped,
    ("audio", "input", "format", "rate"): _other_rate,
    ("audio", "input", "noise_reduction", "strength"): _any,
    ("audio", "input", "transcription", "delay"): _any,
    ("audio", "input", "transcription", "keywords"): _any,
    ("audio", "input", "transcription", "languages"): _any,
    ("audio", "input", "turn_detection", "idle_timeout_ms"): _any,
}

#: The same of other sessions, and of what `response.create` asks for.
_SESSION_LACKS: _Lacks = {
    **_TRANSCRIPTION_LACKS,
    ("audio", "output", "format"): _untyped,
    ("audio", "output", "format", "rate"): _other_rate,
    ("audio", "output", "voice"): _custom,
    ("include",): _any,
    ("parallel_tool_calls",): _any,
    ("prompt",): _any,
    ("reasoning",): _any,
    ("tool_choice",): _object,
    ("truncation",): _any,
}

_PART_LACKS: _Lacks = {("detail",): _any, ("image_url",): _any}
_PART_KINDS = frozenset({"input_image"})
#: What the assistant said out loud can be an item, but no input of a response.
_INPUT_PART_KINDS = _PART_KINDS | {"output_audio"}
_TOOL_KINDS = frozenset({"mcp"})
_ITEM_KINDS = frozenset(
    {"mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools"}
)


class _Client:
    """One client event on its way to beta."""

    def __init__(self, azure: bool) -> None:
        self.azure = azure
        self.dropped: list[str] = []  # what beta lacks, by GA's path

    def event(self, event: Json) -> Json | None:
        says = _SAYS.get(kind_of(event))
        return event if says is None else says(self, event)

    def session_update(self, event: Json) -> Json:
        session = event.get("session")
        if type(session) is not dict:
            return event
        if kind_of(session) != "transcription":
            said = _beta_session(self._settings(session, "session", _SESSION_LACKS))
            return {**event, "session": said}
        said = _beta_session(self._settings(session, "session", _TRANSCRIPTION_LACKS))
        return {**event, "type": "transcription_session.update", "session": said}

    def response_create(self, event: Json) -> Json:
        params = event.get("response")
        if type(params) is not dict:
            return event
        lean = self._settings(params, "response", _SESSION_LACKS)
        if type(lean.get("input")) is list:
            said = (self._item(item, "response.input", _INPUT_PART_KINDS) for item in lean["input"])
            lean["input"] = [item for item in said if item is not None]
        return {**event, "response": _beta_asked(lean)}

    def item_create(self, event: Json) -> Json | None:
        if "item" not in event:
            return event
        item = self._item(event["item"], "item", _PART_KINDS)
        return None if item is None else _with(event, "item", _beta_item(item))

    def _settings(self, settings: Json, where: str, lacks: _Lacks) -> Json:
        lean = self._without(settings, where, lacks)
        if type(lean.get("tools")) is list:
            lean["tools"] = self._other(lean["tools"], _TOOL_KINDS, f"{where}.tools")
        if self.azure and lean.get("max_output_tokens") == "inf":
            del lean["max_output_tokens"]
        return lean

    def _item(self, item: Any, where: str, part_kinds: frozenset[str]) -> Any:
        """An item without what beta lacks; None where nothing would be left."""
        if kind_of(item) in _ITEM_KINDS:
            self.dropped.append(f"{where}.{kind_of(item)}")
            return None
        content = item.get("content") if type(item) is dict else None
        if type(content) is not list or not content:
            return item
        kept = self._other(content, part_kinds, f"{where}.content")
        said = _each(kept, lambda part: self._part(part, f"{where}.content"))
        return {**item, "content": said} if said else None

    def _part(self, part: Any, where: str) -> Any:
        return self._without(part, where, _PART_LACKS) if type(part) is dict else part

    def _other(self, values: list[Any], kinds: frozenset[str], where: str) -> list[Any]:
        """Those of other kinds."""
        self.dropped += [f"{where}.{kind_of(value)}" for value in values if kind_of(value) in kinds]
        return [value for value in values if kind_of(value) not in kinds]

    def _without(self, top: Json, where: str, lacks: _Lacks) -> Json:
        lean = dict(top)
        for path, lacking in lacks.items():
            value = look(lean, path)
            if value is not NOTHING and lacking(value):
                take(lean, path)
                if value is not None:  # null asks for nothing
                    self.dropped.append(".".join((where, *path)))
        return lean


_SAYS: dict[str, Callable[[_Client, Json], Json | None]] = {
    "conversation.item.create": _Client.item_create,
    "response.create": _Client.response_create,
    "session.update": _Client.session_update,
}


def to_beta(event: Json, *, azure: bool = False) -> tuple[Json | None, tuple[str, ...]]:
    """A GA client event as beta has it, and what of it beta has no words for.

    Args:
        event: What neither dialect knows stays in it.
        azure: Leaves `"inf"` tokens out, which Azure's preview refuses and has as its default.

    Returns:
        The event, or None where nothing worth sending is left (an MCP item, a lone image); and
        what was dropped, by GA's path, e.g. "session.prompt" or "session.tools.mcp". A null that
        beta lacks goes unnamed: it asks for nothing.
    """
    client = _Client(azure)
    said = client.event(event)
    return said, tuple(dict.fromkeys(client.dropped))
