"""Which `response.created` answers which `response.create`. No thread, no socket, no clock.

The answer carries no reference, so we put a tag into the metadata, which the server echoes. A
response without our tag was begun by the server itself (voice activity, idle timeout) or by
another client, and must not satisfy anybody's create; unless this server echoes no metadata at
all, as some compatible ones do: then the oldest create is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events.client import ResponseCreate, ResponseParams
from ..events.output import ResponseObject
from .responses import TAG

if TYPE_CHECKING:
    from .turns import Job

__all__ = ["Create", "Creates", "is_default"]

#: Pairs of metadata the server takes; with that many of the user's there is no room for our tag.
METADATA_PAIRS = 16


class Create:
    """A `response.create` on its way."""

    __slots__ = ("abandoned", "at", "default", "event", "given", "job", "metadata", "tagged")

    def __init__(self, event: ResponseCreate, job: Job | None, at: float) -> None:
        given = event
        asked = event.response
        params = asked.wire() if asked is not None and asked.model_fields_set else {}
        self.default = params.get("conversation") != "none"  # it writes the default conversation
        metadata: dict[str, Any] = dict(params.get("metadata") or {})
        self.tagged = len(metadata) < METADATA_PAIRS and TAG not in metadata
        if self.tagged:
            metadata[TAG] = event.event_id or ""
            params["metadata"] = metadata
            response = ResponseParams.model_validate(params)
            event = event.model_copy(update={"response": response})
        self.metadata = metadata
        self.given = given  # as it was asked for, without our tag
        self.event = event  # as it is sent
        self.job = job  # None: it went past the sequencer
        self.at = at  # when it was asked for
        self.abandoned = False  # its caller has gone: cancelled as soon as it is created

    @property
    def key(self) -> str:
        """Its event id."""
        return self.event.event_id or ""


class Creates:
    """All creates on their way, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, Create] = {}
        self.echoed: bool | None = None  # whether this server echoes metadata; None: not seen yet

    def add(self, event: ResponseCreate, *, job: Job | None, at: float) -> Create:
        """Register before it is queued. Its `event` is the one to send."""
        create = Create(event, job, at)
        self._waiting[create.key] = create
        return create

    def get(self, key: str) -> Create | None:
        """The create with this event id, if it is still on its way."""
        return self._waiting.get(key)

    def pop(self, key: str) -> Create | None:
        """It has been answered."""
        return self._waiting.pop(key, None)

    def drain(self) -> list[Create]:
        """All of them; none stays."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting

    def match(self, told: ResponseObject) -> Create | None:
        """The create that this new response answers; None: the server's own doing."""
        metadata = told.metadata or {}
        if metadata:
            self.echoed = True  # ours or another client's
        tagged = self._waiting.get(str(metadata.get(TAG)))
        if tagged is not None and tagged.tagged:
            return self.pop(tagged.key)
        for create in self._waiting.values():
            if not create.tagged and create.metadata == metadata:
                return self.pop(create.key)  # sixteen pairs of the user's: recognised by them
        if self.echoed is None and self._waiting and "metadata" not in told.model_fields_set:
            self.echoed = False  # the real server always sends the field
        oldest = self.oldest(default=is_default(told)) if self.echoed is False else None
        return self.pop(oldest.key) if oldest is not None else None

    def tells(self, told: ResponseObject) -> bool:
        """Whether a response names a create that is still on its way."""
        return str((told.metadata or {}).get(TAG)) in self._waiting

    def unclear(self, *, default: bool) -> Create | None:
        """The create that a new, untagged response might yet turn out to answer."""
        create = self.oldest(default=default) if self.echoed is None else None
        # the server takes our events in order: it has not even come to this one
        early = create is not None and create.job is not None and create.job.turn.unheard
        return None if early else create

    def oldest(self, *, default: bool = True) -> Create | None:
        """The oldest create on its way: of this kind if there is one, else of any."""
        waiting = list(self._waiting.values())
        return next((c for c in waiting if c.default == default), waiting[0] if waiting else None)


def is_default(told: ResponseObject) -> bool:
    """Whether a response writes the default conversation: null says no, silence says nothing."""
    return told.conversation_id is not None or "conversation_id" not in told.model_fields_set
