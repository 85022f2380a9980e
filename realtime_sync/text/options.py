"""Which assistant a session is with: a new one, or one that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError

__all__ = ["Create", "Load", "create", "load"]


@dataclass(frozen=True, slots=True)
class Create:
    """A new assistant; see `create`."""

    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """An assistant that there is; see `load`."""

    assistant_id: str
    thread_id: str | None = None


def create(
    model: str,
    *,
    name: str | None = None,
    instructions: str | None = None,
    temperature: float | None = None,
    **fields: Any,
) -> Create:
    """A new assistant and a new thread, made when the session opens.

    Args:
        model: The model's name.
        name: Of the assistant.
        instructions: What it is told before everything else.
        temperature: 0 to 2.
        fields: More of the API's: `tools` (its built-in ones), `metadata`, `top_p`, …
    """
    given = {"name": name, "instructions": instructions, "temperature": temperature, **fields}
    return Create(model, {key: value for key, value in given.items() if value is not None})


def load(id: str, thread_id: str | None = None) -> Load:
    """An assistant that there is.

    Args:
        id: Its id.
        thread_id: The thread to go on with, whose messages become the history; None: a new one.

    Raises:
        ConfigurationError: One of them is no text, or empty.
    """
    for name, given in (("id", id), ("thread_id", thread_id)):
        if (given is not None or name == "id") and not (isinstance(given, str) and given.strip()):
            raise ConfigurationError(f"load: {name}: an id is needed, not {given!r}")
    return Load(id, thread_id)
