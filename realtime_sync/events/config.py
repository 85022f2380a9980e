"""The session's configuration, as the wire nests it. Knows no event and no session.

Sources: wire.md section (c); the short forms are api.md's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..errors import ConfigurationError
from .options import Prompt, Reasoning, Tracing, Truncation
from .tools import ToolChoice, ToolObject
from .value import Value, check

__all__ = [
    "AudioConfig",
    "AudioFormat",
    "FLAT_FIELDS",
    "InputAudioConfig",
    "NOT_GIVEN",
    "NoiseReduction",
    "NotGiven",
    "OutputAudioConfig",
    "RESPONSE_FIELDS",
    "SessionConfig",
    "Transcription",
    "TurnDetection",
    "Voice",
    "check_ranges",
    "nest",
]


class NotGiven:
    """The type of `NOT_GIVEN`: an argument left out, as opposed to None, which is null."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __bool__(self) -> Literal[False]:
        return False

    def __reduce__(self) -> str:
        return "NOT_GIVEN"  # pickles as the one object


NOT_GIVEN = NotGiven()


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _format(value: Any) -> Any:
    if value == "audio/pcm":
        return {"type": value, "rate": 24000}
    return _typed(value)


def _model(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class AudioFormat(Value):
    """`type`: "audio/pcm" (`rate` 24000), "audio/pcmu" or "audio/pcma" (8 kHz, no rate)."""

    type: str | None = None
    rate: int | None = None


class NoiseReduction(Value):
    """`type`: "near_field" or "far_field"; `strength`: a number, 1 when first switched on."""

    type: str | None = None
    strength: float | int | None = None


class Transcription(Value):
    """How user audio is transcribed.

    Attributes:
        language: ISO-639-1; `languages` and `keywords` are read by some models instead.
        prompt: Free text, or keywords, by model.
        delay: "minimal" to "xhigh", of models that stream.
    """

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    keywords: tuple[str, ...] | None = None
    prompt: str | None = None
    delay: str | None = None


class TurnDetection(Value):
    """When the user's turn ends.

    Attributes:
        type: "server_vad" (by volume) or "semantic_vad" (by what is said).
        threshold: 0 to 1; server_vad, as are the next three, all in milliseconds.
        idle_timeout_ms: 5000 to 30000: after so much silence the model speaks up.
        eagerness: "low", "medium", "high" or "auto"; semantic_vad.
        create_response: Whether the end of a turn begins a response.
        interrupt_response: Whether speech cuts the running response.
    """

    type: str | None = None
    threshold: float | int | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class InputAudioConfig(Value):
    """`audio.input` of a session."""

    format: Annotated[AudioFormat, BeforeValidator(_format)] | None = None
    noise_reduction: Annotated[NoiseReduction, BeforeValidator(_typed)] | None = None
    transcription: Annotated[Transcription, BeforeValidator(_model)] | None = None
    turn_detection: Annotated[TurnDetection, BeforeValidator(_typed)] | None = None


class Voice(Value):
    """A custom voice, by `id`; the server's own go by their names alone."""

    id: str | None = None


class OutputAudioConfig(Value):
    """`audio.output` of a session or a response; `language`: of a translation, its target."""

    format: Annotated[AudioFormat, BeforeValidator(_format)] | None = None
    voice: str | Voice | None = None
    speed: float | int | None = None
    language: str | None = None


class AudioConfig(Value):
    """`audio` of a session or a response."""

    input: InputAudioConfig | None = None
    output: OutputAudioConfig | None = None


class SessionConfig(Value):
    """A session's configuration under the wire's names and nesting; what was set is sent.

    Unknown fields are kept and sent. `id`, `object` and `expires_at` come from the server only.

    Attributes:
        type: "realtime", "transcription" or "translation"; each has some of the fields.
        output_modalities: `("audio",)` or `("text",)`.
        max_output_tokens: 1 to 4096, or "inf"; calls count too.
        include: "item.input_audio_transcription.logprobs".
        expires_at: Epoch seconds.
    """

    type: str | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    audio: AudioConfig | None = None
    tools: tuple[ToolObject, ...] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(strict=True)] | str | None = None
    reasoning: Reasoning | None = None
    truncation: str | Truncation | None = None
    tracing: str | Tracing | None = None
    prompt: Prompt | None = None
    include: tuple[str, ...] | None = None
    id: str | None = None
    object: str | None = None
    expires_at: float | int | None = None


#: Flat spelling -> path on the wire.
FLAT_FIELDS: dict[str, tuple[str, ...]] = {
    "instructions": ("instructions",),
    "output_modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "transcription": ("audio", "input", "transcription"),
    "noise_reduction": ("audio", "input", "noise_reduction"),
    "input_format": ("audio", "input", "format"),
    "output_format": ("audio", "output", "format"),
    "tool_choice": ("tool_choice",),
    "max_output_tokens": ("max_output_tokens",),
    "truncation": ("truncation",),
    "reasoning": ("reasoning",),
    "tracing": ("tracing",),
    "prompt": ("prompt",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "include": ("include",),
}

#: Fields of which the wire knows null; None elsewhere is a caller's mistake.
NULLABLE = frozenset(
    {"turn_detection", "transcription", "noise_reduction", "tracing", "prompt", "include"}
)

#: `response.create`: the wire's own fields, and the flat spellings that fit a response.
RESPONSE_FIELDS: dict[str, tuple[str, ...]] = {
    name: (name,)
    for name in (
        "audio",
        "conversation",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "output_modalities",
        "parallel_tool_calls",
        "prompt",
        "reasoning",
        "tool_choice",
        "tools",
    )
} | {"voice": ("audio", "output", "voice"), "output_format": ("audio", "output", "format")}


def nest(
    base: dict[str, Any], fields: dict[str, Any], table: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """`base` with the given flat fields put where the wire has them; `NOT_GIVEN` ones left out.

    Raises:
        TypeError: A field that the table does not have.
        ConfigurationError: `base` has no object where a field belongs.
    """
    merged = dict(base)
    for name, value in fields.items():
        if name not in table:
            raise TypeError(f"unknown field {name!r}; there are: {', '.join(sorted(table))}")
        if isinstance(value, NotGiven):
            continue
        *outer, last = table[name]
        inner = merged
        for step in outer:
            inner[step] = inner = _opened(inner.get(step), name)
        inner[last] = value
    return merged


def _opened(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, Value):
        return value.wire()
    if value is not None and not isinstance(value, dict):
        raise ConfigurationError(f"{name}: its place is taken by {type(value).__name__} {value!r}")
    return dict(value or {})


def session_config(config: SessionConfig | dict[str, Any] | None, fields: dict[str, Any]) -> Any:
    """The `SessionConfig` to send: `config`, with the flat fields given beating its own.

    Raises:
        ConfigurationError: A wrong value; names the field.
        TypeError: A field that does not exist.
    """
    if config is not None and not isinstance(config, (SessionConfig, dict)):
        raise TypeError(f"config: a SessionConfig or a dict, not {type(config).__name__}")
    for name, value in fields.items():
        if value is None and name not in NULLABLE:
            raise ConfigurationError(
                f"{name}: None would be null, which the wire does not have here; leave it out"
            )
    base = config.wire() if isinstance(config, SessionConfig) else dict(config or {})
    checked: SessionConfig = check(SessionConfig, nest(base, fields, FLAT_FIELDS))
    check_ranges(checked)
    return checked


#: Numbers the server is known to refuse: path -> (low, high). Source: wire.md (c).
_RANGES: dict[tuple[str, ...], tuple[float, float]] = {
    ("audio", "output", "speed"): (0.25, 1.5),
    ("audio", "input", "turn_detection", "threshold"): (0, 1),
    ("audio", "input", "turn_detection", "idle_timeout_ms"): (5000, 30000),
    ("max_output_tokens",): (1, 4096),
    ("truncation", "retention_ratio"): (0, 1),
}


def check_ranges(settings: Value, where: str = "") -> None:
    """Complain about a number that servers are known to refuse, of a session or of a response.

    Raises:
        ConfigurationError: Names the field.
    """
    for path, (low, high) in _RANGES.items():
        value: Any = settings
        for step in path:
            value = getattr(value, step, None)
        if isinstance(value, (int, float)) and not low <= value <= high:
            raise ConfigurationError(
                f"{where}{'.'.join(path)}: {value} is not from {low} to {high}"
            )
    most = getattr(settings, "max_output_tokens", None)
    if isinstance(most, str) and most != "inf":
        raise ConfigurationError(f'{where}max_output_tokens: an int from 1 to 4096, or "inf"')


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A configuration with changes, as the server merges them: below the top level too.

    An object of another `type` (turn detection, say) replaces the old one whole.
    """
    result = dict(base)
    for name, value in changes.items():
        old: Any = result.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        if both and old.get("type") == value.get("type", old.get("type")):
            value = merged(old, value)
        result[name] = value
    return result
