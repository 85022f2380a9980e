"""How beta's names, fields and values stand to GA's. Knows no event but by its name.

Tables, each read in both directions, and the moves between flat and nested objects. Nothing is
changed in place unless it says so. Source: wire.md section (f).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "BETA_NAMES",
    "BETA_PARTS",
    "BETA_TRANSCRIPTION_NAMES",
    "Fields",
    "Json",
    "NOTHING",
    "PARTS",
    "Path",
    "RESPONSE_FIELDS",
    "SERVER_NAMES",
    "SESSION_FIELDS",
    "TRANSCRIPTION_NAMES",
    "flatten",
    "kind_of",
    "look",
    "nest",
    "take",
]

Json = dict[str, Any]
Path = tuple[str, ...]

# --- names

#: Transcription sessions have events of their own in beta; GA tells them by `session.type`.
TRANSCRIPTION_NAMES = {
    "transcription_session.created": "session.created",  # in no schema, but servers send it
    "transcription_session.updated": "session.updated",
}

_OTHER_NAMES = {
    # no `.done` is made of it: servers that mix send one themselves, and it would come twice
    "conversation.item.created": "conversation.item.added",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}

#: Server events that have another name in GA: beta -> GA.
SERVER_NAMES = {**_OTHER_NAMES, **TRANSCRIPTION_NAMES}

#: Types of an item's content parts: beta -> GA. `response.content_part.*` has beta's in both.
PARTS = {"text": "output_text", "audio": "output_audio"}

_FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def _turned(names: dict[str, str]) -> dict[str, str]:
    return {ga: beta for beta, ga in names.items()}


BETA_NAMES = _turned(_OTHER_NAMES)
BETA_TRANSCRIPTION_NAMES = _turned(TRANSCRIPTION_NAMES)
BETA_PARTS = _turned(PARTS)
_BETA_FORMATS = {str(ga["type"]): beta for beta, ga in _FORMATS.items()}

# --- values


def kind_of(value: Any) -> str:
    """The type that an object says it is; "" where it says none."""
    kind = value.get("type") if type(value) is dict else None
    return kind if type(kind) is str else ""


def _same(value: Any) -> Any:
    return value


def _spoken(value: Any) -> bool:
    """Whether output modalities are audio, with its text or without; GA has one name for both."""
    return type(value) is list and "audio" in value and all(m in ("text", "audio") for m in value)


def _modalities(value: Any) -> Any:
    return ["audio"] if _spoken(value) else value


def _beta_modalities(value: Any) -> Any:
    return ["text", "audio"] if _spoken(value) else value


def _format(value: Any) -> Any:
    return dict(_FORMATS.get(value) or {"type": value}) if type(value) is str else value


def _beta_format(value: Any) -> Any:
    kind = value.get("type") if type(value) is dict else None
    return _BETA_FORMATS.get(kind, kind) if type(kind) is str else value


def _voice(value: Any) -> Any:
    # Azure Voice Live has OpenAI's voices as objects; its own have no other form
    name = value.get("name") if kind_of(value) == "openai" else None
    return name if type(name) is str else value


class _Field(NamedTuple):
    """Where GA has a flat field of beta, and what its value becomes either way."""

    path: Path
    ga: Callable[[Any], Any] = _same
    beta: Callable[[Any], Any] = _same


Fields = dict[str, _Field]

#: Of the response object; its `max_output_tokens` has that name in both dialects.
RESPONSE_FIELDS: Fields = {
    "modalities": _Field(("output_modalities",), _modalities, _beta_modalities),
    "voice": _Field(("audio", "output", "voice"), _voice),
    "output_audio_format": _Field(("audio", "output", "format"), _format, _beta_format),
}

#: Of sessions, and of what `response.create` asks for.
SESSION_FIELDS: Fields = {
    **RESPONSE_FIELDS,
    "max_response_output_tokens": _Field(("max_output_tokens",)),
    "speed": _Field(("audio", "output", "speed")),
    "input_audio_format": _Field(("audio", "input", "format"), _format, _beta_format),
    "input_audio_transcription": _Field(("audio", "input", "transcription")),
    "input_audio_noise_reduction": _Field(("audio", "input", "noise_reduction")),
    "turn_detection": _Field(("audio", "input", "turn_detection")),
}

# --- moves

#: What stands where nothing stands; null is something.
NOTHING = object()


def look(top: Any, path: Path) -> Any:
    """What stands at a path; `NOTHING` where nothing does."""
    for step in path:
        if type(top) is not dict or step not in top:
            return NOTHING
        top = top[step]
    return top


def take(top: Json, path: Path) -> Any:
    """What stands at a path, taken out, and with it an object that this leaves empty.

    `top` is changed, what is below it copied.
    """
    taken = look(top, path)
    if taken is NOTHING:
        return taken
    step, below = path[0], path[1:]
    inner = dict(top[step]) if below else {}
    if below:
        take(inner, below)
    if inner:
        top[step] = inner
    else:
        del top[step]
    return taken


def _put(top: Json, path: Path, value: Any) -> bool:
    """Whether a value found its place: not where something stands, nor inside what is no object.

    `top` is changed, what is below it copied.
    """
    step, below = path[0], path[1:]
    if not below:
        if step in top:
            return False
        top[step] = value
        return True
    inner = top.get(step)
    if inner is not None and type(inner) is not dict:
        return False
    inner = dict(inner or {})
    if not _put(inner, below, value):
        return False
    top[step] = inner
    return True


def nest(top: Any, fields: Fields) -> Any:
    """An object with beta's flat fields where GA has them; the same one if it has none."""
    if type(top) is not dict or fields.keys().isdisjoint(top):
        return top
    ga = {name: value for name, value in top.items() if name not in fields}
    for name, field in fields.items():
        if name in top and not _put(ga, field.path, field.ga(top[name])):
            ga[name] = top[name]  # both dialects in one object: GA's place is taken
    return ga


def flatten(top: Json, fields: Fields) -> Json:
    """A copy of an object, with GA's nested fields where beta has them."""
    beta = dict(top)
    for name, field in fields.items():
        value = take(beta, field.path)
        if value is not NOTHING:
            beta[name] = field.beta(value)
    audio = beta.get("audio")
    if type(audio) is dict:
        audio = beta["audio"] = {side: v for side, v in audio.items() if v not in (None, {})}
    if audio in (None, {}):  # it says nothing, and beta refuses the name
        beta.pop("audio", None)
    return beta
