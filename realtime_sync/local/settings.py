"""The session object: defaults, what an update may say, and how it merges.

Values in, values out: no connection, no conversation, no time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from realtime_sync.local.refusal import Refusal
from realtime_sync.local.shapes import (
    Shape,
    anything,
    array,
    by_type,
    choice,
    flag,
    integer,
    nullable,
    number,
    record,
    tagged,
    text,
)

__all__ = [
    "NOISE_REDUCTION",
    "OUTPUT",
    "PRESET",
    "RESPONSE_SETTINGS",
    "SESSION",
    "TRANSCRIPTION_SESSION",
    "audio_format",
    "default_session",
    "default_transcription_session",
    "merged",
    "noise_reduction",
]

Wire = dict[str, Any]

INSTRUCTIONS = "This is the embedded server of realtime_sync: it answers by rules, without a model."
VOICES = ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]

_EFFORT = choice("minimal", "low", "medium", "high", "xhigh")
_FORMAT = tagged(
    "type",
    {
        "audio/pcm": record({"type": text(), "rate": choice(24000)}),
        "audio/pcmu": record({"type": text()}),
        "audio/pcma": record({"type": text()}),
    },
)
_VOICE = by_type({str: choice(*VOICES), dict: record({"id": text()}, required=("id",))})
_TURN = {"type": text(), "create_response": flag, "interrupt_response": flag}
_TURN_DETECTION = tagged(
    "type",
    {
        "server_vad": record(
            {
                **_TURN,
                "threshold": number(0, 1),
                "prefix_padding_ms": integer(0, 60_000),
                "silence_duration_ms": integer(0, 60_000),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
            }
        ),
        "semantic_vad": record({**_TURN, "eagerness": choice("low", "medium", "high", "auto")}),
    },
)
_TRANSCRIPTION = record(
    {
        "model": text(),
        "language": nullable(text()),
        "languages": nullable(array(text(), least=1)),
        "keywords": nullable(array(text())),
        "prompt": nullable(text()),
        "delay": nullable(_EFFORT),
    }
)

NOISE_REDUCTION: Shape = record(
    {"type": choice("near_field", "far_field"), "strength": number(0, 1)}
)
"""`audio.input.noise_reduction`, of every kind of session."""

_TOOL = tagged(
    "type",
    {
        "function": record(
            {
                "type": text(),
                "name": text(64),
                "description": text(),
                "parameters": by_type({dict: anything}),
            },
            required=("name",),
        ),
        "mcp": by_type({dict: anything}),
    },
)
_TOOL_CHOICE = by_type(
    {
        str: choice("none", "auto", "required"),
        dict: tagged(
            "type",
            {
                "function": record({"type": text(), "name": text()}, required=("name",)),
                "mcp": record(
                    {"type": text(), "server_label": text(), "name": nullable(text())},
                    required=("server_label",),
                ),
            },
        ),
    }
)
_TRUNCATION = by_type(
    {
        str: choice("auto", "disabled"),
        dict: record(
            {
                "type": choice("retention_ratio"),
                "retention_ratio": number(0, 1),
                "token_limits": nullable(record({"post_instructions": integer(0, 1 << 30)})),
            },
            required=("type", "retention_ratio"),
        ),
    }
)
_TRACING = by_type(
    {
        str: choice("auto"),
        dict: record({"workflow_name": text(), "group_id": text(), "metadata": anything}),
    }
)
_PROMPT = record({"id": text(), "version": nullable(text()), "variables": anything}, ("id",))

OUTPUT: Shape = record({"format": _FORMAT, "voice": _VOICE})
"""`audio.output` of a `response.create`."""

RESPONSE_SETTINGS: Mapping[str, Shape] = {
    "output_modalities": array(choice("text", "audio"), least=1, most=1),
    "instructions": text(),
    "tools": array(_TOOL),
    "tool_choice": _TOOL_CHOICE,
    "max_output_tokens": by_type({str: choice("inf"), int: integer(1, 4096)}),
    "parallel_tool_calls": flag,
    "reasoning": nullable(record({"effort": _EFFORT})),
    "prompt": nullable(_PROMPT),
}
"""What a session and one `response.create` both may set."""

_AUDIO_INPUT = record(
    {
        "format": _FORMAT,
        "transcription": nullable(_TRANSCRIPTION),
        "noise_reduction": nullable(NOISE_REDUCTION),
        "turn_detection": nullable(_TURN_DETECTION),
    }
)
_INCLUDE = nullable(array(choice("item.input_audio_transcription.logprobs")))
_REALTIME = record(
    {
        **RESPONSE_SETTINGS,
        "type": text(),
        "model": text(),
        "audio": record(
            {
                "input": _AUDIO_INPUT,
                "output": record({"format": _FORMAT, "voice": _VOICE, "speed": number(0.25, 1.5)}),
            }
        ),
        "include": _INCLUDE,
        "tracing": nullable(_TRACING),
        "truncation": _TRUNCATION,
    }
)
_TRANSCRIBING = record(
    {"type": text(), "audio": record({"input": _AUDIO_INPUT}), "include": _INCLUDE}
)


def _misplaced(given: str, session: str) -> Shape:
    def refuse(_value: Any, path: str) -> None:
        raise Refusal(
            "invalid_parameter",
            f"Passing a {given} session update event to a {session} session is not allowed.",
            param=f"{path}.type",
        )

    return refuse


SESSION: Shape = tagged(
    "type", {"realtime": _REALTIME, "transcription": _misplaced("transcription", "realtime")}
)
"""`session` of a `session.update` in a realtime session."""

TRANSCRIPTION_SESSION: Shape = tagged(
    "type", {"realtime": _misplaced("realtime", "transcription"), "transcription": _TRANSCRIBING}
)
"""The same in a transcription session."""

PRESET: Shape = tagged("type", {"realtime": _REALTIME, "transcription": _TRANSCRIBING})
"""`session` of a REST body, before there is a session."""

_PCM: Wire = {"type": "audio/pcm", "rate": 24000}
_DETECTION: dict[str, Wire] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}


def default_session(session_id: str, model: str, expires_at: int) -> Wire:
    """What `session.created` reports, field by field as the service does."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(_PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_DETECTION["server_vad"]),
            },
            "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def default_transcription_session(session_id: str, expires_at: int) -> Wire:
    """What `session.created` reports in a transcription session."""
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(_PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_DETECTION["server_vad"]),
            }
        },
        "include": None,
    }


def audio_format(value: Wire) -> Wire:
    """A format as it is reported: PCM names its rate, G.711 has none."""
    return dict(_PCM) if value["type"] == "audio/pcm" else {"type": value["type"]}


def _turn_detection(old: Wire | None, new: Wire) -> Wire:
    # fields of one kind of detection mean nothing to the other: start from that kind's defaults
    kept = old if old is not None and old["type"] == new["type"] else _DETECTION[new["type"]]
    return {**kept, **new}


def _transcription(old: Wire | None, new: Wire) -> Wire:
    return {**(old or {"model": "whisper-1", "language": None, "prompt": None}), **new}


def noise_reduction(old: Wire | None, new: Wire) -> Wire:
    """What a change of it leads to: the strength stays where it is left out."""
    return {**(old or {"type": "near_field", "strength": 1}), **new}


_RULES: dict[tuple[str, ...], Callable[[Any, Any], Any]] = {
    ("audio", "input", "format"): lambda _old, new: audio_format(new),
    ("audio", "output", "format"): lambda _old, new: audio_format(new),
    ("audio", "input", "turn_detection"): _turn_detection,
    ("audio", "input", "transcription"): _transcription,
    ("audio", "input", "noise_reduction"): noise_reduction,
}
_DEEP = {(), ("audio",), ("audio", "input"), ("audio", "output")}


def merged(old: Any, new: Any, path: tuple[str, ...] = ()) -> Any:
    """The session after an update that has passed `SESSION`; neither argument changes."""
    if new is None:
        return None
    if path in _RULES:
        return _RULES[path](old, copy.deepcopy(new))
    if path not in _DEEP:
        return copy.deepcopy(new)
    changed = {name: merged(old.get(name), value, (*path, name)) for name, value in new.items()}
    return {**copy.deepcopy(old), **changed}
