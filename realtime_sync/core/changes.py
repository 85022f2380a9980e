"""What of a session's configuration cannot change any more, or not now. Pure."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..events.base import ClientEvent
from ..events.client import SessionUpdate
from ..events.config import SessionConfig

__all__ = ["check_changes"]


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


def _differs(field: str, changes: SessionConfig, held: SessionConfig) -> bool:
    wanted, known = _of(field, changes), _of(field, held)
    return None not in (wanted, known) and wanted != known


def _of(field: str, config: SessionConfig) -> Any:
    output = config.audio.output if config.audio is not None else None
    return getattr(output, field, None)
