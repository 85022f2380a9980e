"""What of a configuration cannot change any more, or not now."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.core.changes import check_changes
from realtime_sync.errors import ConfigurationError
from realtime_sync.events.client import InputAudioBufferClear, SessionUpdate
from realtime_sync.events.config import SessionConfig

SPOKEN, RESPONDING = (True, False), (False, True)  # the model was heard; a response runs


def config(**output: Any) -> SessionConfig:
    return SessionConfig.model_validate({"audio": {"output": output}})


def update(**output: Any) -> SessionUpdate:
    return SessionUpdate(session=config(**output))


@pytest.mark.parametrize(
    ("field", "when"), [("voice", SPOKEN), ("speed", RESPONDING)], ids=["voice", "speed"]
)
def test_too_late(field: str, when: tuple[bool, bool]) -> None:
    """A voice cannot change once the model has spoken, a speed while it speaks."""
    values: dict[str, Any] = {"voice": ("ash", {"id": "v"}), "speed": (1.0, 1.5)}
    old, new = values[field]
    held = config(**{field: old})
    with pytest.raises(ConfigurationError, match=rf"audio\.output\.{field}: it can"):
        check_changes(update(**{field: new}), held, *when)
    check_changes(update(**{field: new}), held, *reversed(when))
    check_changes(InputAudioBufferClear(), held, *when)
    for same in (update(**{field: old}), update(), SessionUpdate(session=SessionConfig())):
        check_changes(same, held, *when)
    for unknown in (config(), SessionConfig()):
        check_changes(update(**{field: new}), unknown, *when)
