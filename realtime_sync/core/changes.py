"""What of a session's configuration cannot change any more, or not now. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import ConfigurationError
from ..events.base import ClientEvent
from ..events.client import SessionUpdate
from ..events.config import SessionConfig

__all__ = ["check_changes", "contradicted", "held_after"]

#: Of a session, what no update can change.
_LASTING = ("id", "expires_at")


def check_changes(event: ClientEvent, held: SessionConfig, spoken: bool, responding: bool) -> None:
    """Complain about an update that the server would refuse whole. Source: wire.md (b).

    Args:
        event: What is to be sent; any but a `session.update` passes.
        held: What the server holds.
        spoken: Whether the model has been heard in this session.
        responding: Whether a response of the default conversation runs.

    Raises:
        ConfigurationError: A voice that changes after the first audio, a speed within a response.
    """
    if not isinstance(event, SessionUpdate):
        return
    changes = event.session
    if spoken and _differs("voice", changes, held):
        raise ConfigurationError(
            "audio.output.voice: it cannot change any more once the model has spoken; open a new "
            "session for another voice, with history=session.conversation.export()"
        )
    if responding and _differs("speed", changes, held):
        raise ConfigurationError(
            "audio.output.speed: it can change between turns only; wait until the response is over"
        )


def held_after(event: Any, held: SessionConfig) -> SessionConfig:
    """What the server holds once it has told of its session.

    An update that tells of none changes nothing, and one that names neither id nor end keeps both.
    """
    told: SessionConfig = event.session
    if event.type != "session.updated":
        return told
    if "session" not in event:
        return held
    same = {name: held[name] for name in _LASTING if name in held and name not in told}
    return told.model_copy(update=same) if same else told


def contradicted(asked: SessionConfig, held: SessionConfig) -> list[str]:
    """Dotted names of what the server confirms otherwise than it was asked for; without the values.

    The model is left out: servers answer an alias with the name of a snapshot.
    """
    return sorted(_unlike({**asked.wire(), "model": None}, held.wire()))


def _unlike(asked: Any, held: Any, path: str = "") -> Iterator[str]:
    if isinstance(asked, dict) and isinstance(held, dict):
        for name in asked.keys() & held.keys():
            yield from _unlike(asked[name], held[name], f"{path}.{name}" if path else name)
    elif isinstance(asked, float | int) and isinstance(held, float | int):
        if not math.isclose(asked, held, rel_tol=1e-6):  # single precision comes back
            yield path
    elif isinstance(asked, str) and isinstance(held, str):
        if asked != held:
            yield path
    elif _is_of_names(asked) and _is_of_names(held) and len(asked) == len(held) and asked != held:
        yield path


def _is_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _differs(field: str, changes: SessionConfig, held: SessionConfig) -> bool:
    wanted, known = _of(field, changes), _of(field, held)
    return None not in (wanted, known) and wanted != known


def _of(field: str, config: SessionConfig) -> Any:
    output = config.audio.output if config.audio is not None else None
    return getattr(output, field, None)
