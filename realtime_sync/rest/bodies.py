"""What goes out: request bodies as the wire has them, checked. Sends nothing.

Sources: wire.md (c) and (i); the schemas in client_secret.json and calls.json.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..events.config import SessionConfig, session_config
from ..opening import DEFAULT_MODEL

__all__ = ["Config", "Wire", "expires_after", "number", "session", "translation"]

Config = SessionConfig | dict[str, Any] | None
Wire = dict[str, Any]

_TRANSLATOR = "gpt-realtime-translate"
#: Only the server sets them; a configuration that was read back has them.
_READ_ONLY = frozenset({"id", "object", "expires_at"})
#: A new session has nothing there that null could switch off, and REST takes no null there.
_OFF_ALREADY = (
    ("include",),
    ("audio", "input", "transcription"),
    ("audio", "input", "noise_reduction"),
)


def number(name: str, value: object, low: int, high: int) -> int:
    """A caller's whole number, if it is in range.

    Raises:
        ConfigurationError: It is not; names the field.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(f"{name}: a whole number from {low} to {high}, not {value!r}")
    return value


def expires_after(seconds: int | None) -> Wire:
    """That field of a body; None: none."""
    if seconds is None:
        return {}
    seconds = number("expires_after", seconds, 10, 7200)
    return {"expires_after": {"anchor": "created_at", "seconds": seconds}}


def session(
    config: Config,
    fields: Mapping[str, Any],
    *,
    type: str | None,
    model: str | None,
    tools: Iterable[Any],
    deployment: str | None,
) -> Wire:
    """A realtime or a transcription session.

    Args:
        config: Fields as the wire nests them.
        fields: Flat ones, which beat it.
        type: Beats that of `config`.
        model: Beats that of `config`.
        tools: Beside those of `config`.
        deployment: Of Azure, where it is the model.

    Raises:
        ConfigurationError, TypeError: A wrong value or name.
    """
    checked: SessionConfig = session_config(config, dict(fields))
    wire = {k: v for k, v in checked.wire().items() if k not in _READ_ONLY}
    wire["type"] = type or checked.type or "realtime"
    _without_nulls(wire)
    if wire["type"] == "realtime":
        default = os.environ.get("REALTIME_SYNC_MODEL") or DEFAULT_MODEL
        wire["model"] = _model(model, checked.model, default, deployment)
    elif wire["type"] == "transcription":
        if model is not None or checked.model is not None:
            raise ConfigurationError(
                "model: a transcription session has none; transcription= names its model"
            )
    elif wire["type"] == "translation":
        raise ConfigurationError("type: for a translation there is translation_secret()")
    else:
        raise ConfigurationError(f'type: "realtime" or "transcription", not {wire["type"]!r}')
    return wire | _tools(checked, tools)


def translation(
    config: Config,
    fields: Mapping[str, Any],
    *,
    target_language: str | None,
    model: str | None,
    deployment: str | None,
) -> Wire:
    """A translation session; arguments as in `session`.

    Raises:
        ConfigurationError, TypeError: A wrong value or name.
    """
    given = session_config(config, dict(fields)).wire()
    if given.pop("type", "translation") != "translation":
        raise ConfigurationError('config.type: "translation" here, or leave it out')
    wire = {k: v for k, v in given.items() if k not in _READ_ONLY}
    wire["model"] = _model(model, wire.get("model"), _TRANSLATOR, deployment)
    if target_language is not None:
        if not isinstance(target_language, str) or not target_language.strip():
            raise ConfigurationError('target_language: the code of a language, such as "es"')
        audio = wire["audio"] = wire.get("audio") or {}
        audio["output"] = {**(audio.get("output") or {}), "language": target_language}
    return wire


def _model(given: str | None, configured: str | None, default: str, deployment: str | None) -> str:
    if given is not None and (not isinstance(given, str) or not given.strip()):
        raise ConfigurationError("model: a name is needed")
    if given is not None and deployment is not None:
        raise ConfigurationError("model: with Azure the deployment is the model; leave it out")
    return deployment or given or configured or default


def _tools(config: SessionConfig, tools: Iterable[Any]) -> Wire:
    if not isinstance(tools, Iterable) or isinstance(tools, (str, Mapping)):
        raise ConfigurationError("tools: a list of tools; put this one into brackets")
    wanted = [*(config.tools or ()), *tools]
    if not wanted:
        return {}
    from ..tools import as_tools

    return {"tools": [entry.to_wire() for entry in as_tools(wanted)]}


def _without_nulls(wire: Wire) -> None:
    for *outer, last in _OFF_ALREADY:
        inner: Any = wire
        for step in outer:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner and inner[last] is None:
            del inner[last]
