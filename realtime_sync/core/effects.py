"""What the core wants done. Data only: the core itself does nothing.

`Send` and `Append` effects are carried out under the lock, in order; the others when it is free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import RealtimeError
    from ..events.base import ClientEvent, LocalEvent
    from ..events.server import Error
    from .responses import ResponseRecord
    from .turns import Turn

__all__ = [
    "Append",
    "Call",
    "CallEffect",
    "Effect",
    "Emit",
    "End",
    "Interrupted",
    "McpApproval",
    "Reject",
    "Retry",
    "Send",
    "Settle",
    "Unclaimed",
    "Wake",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Queue this event for the wire."""

    event: ClientEvent


@dataclass(frozen=True, slots=True)
class Append:
    """Queue this frame of user audio, which has waited for a link."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Settle:
    """The answer that somebody registered under `key` waits for."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Reject:
    """No answer will come for `key`; this is why."""

    key: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Wake:
    """Somebody follows a response or a turn, and it has moved on."""

    waiters: tuple[Callable[[], None], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The model calls a tool."""

    call_id: str
    name: str
    arguments: str
    response: ResponseRecord
    turn: Turn


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Nobody waits for these calls any more; those that run are told.

    Attributes:
        call_ids: Calls without an output, perhaps not all of them ours.
        unwanted: Those that have not begun are not to run at all.
    """

    call_ids: tuple[str, ...]
    unwanted: bool


@dataclass(frozen=True, slots=True)
class McpApproval:
    """An MCP server is to be called, if somebody approves."""

    request_id: str
    name: str
    server_label: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell watchers and callbacks of this local event."""

    event: LocalEvent


@dataclass(frozen=True, slots=True)
class End:
    """End the session; whoever waits gets (his copy of) this error."""

    error: RealtimeError


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """An `error` event that concerns nothing that we sent and still have in mind."""

    event: Error


@dataclass(frozen=True, slots=True)
class Retry:
    """Call `SessionState.retry` after so many seconds."""

    delay: float


#: What concerns tools.
CallEffect = Call | Interrupted | McpApproval

Effect = Send | Append | Settle | Reject | Wake | CallEffect | Emit | Unclaimed | Retry | End
