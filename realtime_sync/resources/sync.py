"""Makes the server's conversation equal to a list of items, by the fewest creates and deletes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ServerError
from ..events.base import ClientEvent
from ..events.client import ConversationItemCreate, ConversationItemDelete
from ..events.items import AUDIO_PARTS, TEXT_PARTS, Item, Part
from ..runtime.clock import Deadline

if TYPE_CHECKING:
    from ..core.state import SessionState
    from ..listening import Listening

__all__ = ["GONE", "Sync", "SyncReport", "kept"]

#: The server's code where an item to be deleted is not there. Source: wire.md (g).
GONE = "item_delete_invalid_item_id"


@dataclass(frozen=True)
class SyncReport:
    """What `conversation.sync` has done.

    Attributes:
        created: Ids, in the order of the items.
        deleted: Ids, in the order they stood; what was replaced or moved is in both.
        rejected: Id -> why the server refused to create or delete it.
    """

    created: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    rejected: dict[str, ServerError] = field(default_factory=dict)

    __hash__: ClassVar[None]  # type: ignore[assignment]


def kept(current: Sequence[Item], wanted: Sequence[Item]) -> set[int]:
    """Which of the wanted items (by index) stay as they stand: as many as can.

    The longest common subsequence of two lists without repetition: the longest rising run of
    places, in n log n.
    """
    places = {item.id: place for place, item in enumerate(current)}
    ends: list[int] = []  # ends[n]: the lowest place that a run of n + 1 can end at
    last: list[int] = []  # and the index of the wanted item that stands there
    before: dict[int, int | None] = {}  # index -> the index before it in its run
    for index, item in enumerate(wanted):
        place = places.get(item.id) if item.id is not None else None
        if place is None or not _same(current[place], item):
            continue
        length = bisect_left(ends, place)
        before[index] = last[length - 1] if length else None
        ends[length : length + 1] = [place]
        last[length : length + 1] = [index]
    found: set[int] = set()
    at: int | None = last[-1] if last else None
    while at is not None:
        found.add(at)
        at = before[at]
    return found


def _same(known: Item, wanted: Item) -> bool:
    """Whether an item is as it is wanted, as far as we can know."""
    if (known.type, known.role) != (wanted.type, wanted.role):
        return False
    if "in_progress" in (known.status, wanted.status):
        return True  # the one that is still being made is the server's to end
    if known.type != "message":
        names = ("call_id", "name", "arguments", "output")
        return all(_agree(getattr(known, name), getattr(wanted, name)) for name in names)
    left = list(known.content or ())
    for part in wanted.content or ():
        while left and not _same_part(left[0], part):
            if _told(left.pop(0)):
                return False
        if not left:
            return False
        del left[0]
    return not any(_told(part) for part in left)


def _same_part(known: Part, wanted: Part) -> bool:
    if wanted.type in AUDIO_PARTS:
        return known.type in AUDIO_PARTS and _agree(known.transcript, wanted.transcript)
    if known.type in AUDIO_PARTS:  # its transcript is how it is sent
        return wanted.type in TEXT_PARTS and known.transcript == wanted.text
    if known.type in TEXT_PARTS:
        return wanted.type in TEXT_PARTS and known.text == wanted.text
    same = known.type == wanted.type and _agree(known.image_url, wanted.image_url)
    return same and _agree(known.detail, wanted.detail)


def _agree(known: Any, wanted: Any) -> bool:
    """What one side does not say is no difference."""
    return known is None or wanted is None or known == wanted


def _told(part: Part) -> bool:
    """Whether an export has the part: audio without a transcript cannot be exported."""
    return part.type not in AUDIO_PARTS or bool(part.transcript)


class Sync:
    """One `sync`: what is to be done, and how it went.

    Args:
        session: Whose conversation it is.
        current: The items as they stand.
        wanted: The creates of the items as they are to stand, in order.
        stay: Indices of those that stand already.
    """

    def __init__(
        self,
        session: Listening,
        current: Sequence[Item],
        wanted: Sequence[ConversationItemCreate],
        stay: set[int],
    ) -> None:
        self._session = session
        self._current = current
        self._wanted = wanted
        self._there = set(stay)
        self._rejected: dict[str, ServerError] = {}

    def run(self, deadline: Deadline) -> SyncReport:
        """Delete, then create; what is refused stops nothing else.

        Raises:
            RealtimeTimeout: It was not all answered in time; what was sent is done nevertheless.
        """
        stay = {self._id(index) for index in self._there}
        gone = [item.id for item in self._current if item.id and item.id not in stay]
        deleted = self._delete(gone, deadline)
        missing = [
            index
            for index in range(len(self._wanted))
            if index not in self._there and self._id(index) not in self._rejected
        ]
        fresh = set(missing)
        while missing:
            missing = self._create(missing, deadline)
        created = tuple(self._id(index) for index in sorted(fresh & self._there))
        return SyncReport(created, tuple(deleted), self._rejected)

    def _id(self, index: int) -> str:
        return self._wanted[index].item.id or ""

    def _delete(self, ids: list[str], deadline: Deadline) -> list[str]:
        events = [
            ConversationItemDelete(event_id=self._session.new_id("event"), item_id=item_id)
            for item_id in ids
        ]
        errors = self._ask_all(events, lambda event: lambda s: s.edits.delete(event), deadline)
        self._rejected |= {
            item_id: error
            for item_id, error in zip(ids, errors, strict=True)
            if error is not None and error.code != GONE
        }
        return [item_id for item_id in ids if item_id not in self._rejected]

    def _create(self, missing: list[int], deadline: Deadline) -> list[int]:
        """Create all that are missing at once; those that are to be tried again.

        Each goes behind the one before it. Where that one is refused, the server knows no such
        place, and refuses what follows, too: this says nothing of it.
        """
        wished = self._there | set(missing)
        behind = {
            index: next((n for n in range(index - 1, -1, -1) if n in wished), None)
            for index in missing
        }
        events = []
        for index in missing:
            before = behind[index]
            place = "root" if before is None else self._id(before)
            fields = {"event_id": self._session.new_id("event"), "previous_item_id": place}
            events.append(self._wanted[index].model_copy(update=fields))
        errors = self._ask_all(events, lambda event: lambda s: s.sending(event), deadline)
        again = []
        for index, error in zip(missing, errors, strict=True):
            before = behind[index]
            if error is None:
                self._there.add(index)
            elif before is None or before in self._there:
                self._rejected[self._id(index)] = error
            else:
                again.append(index)
        return again

    def _ask_all(
        self,
        events: Sequence[ClientEvent],
        act: Callable[[Any], Callable[[SessionState], Any]],
        deadline: Deadline,
    ) -> list[ServerError | None]:
        """Send all, then wait for all; what the server has against each."""
        session = self._session
        replies = [session._request(event, None, act(event)) for event in events]
        errors: list[ServerError | None] = []
        try:
            for event, reply in zip(events, replies, strict=True):
                try:
                    session._wait(reply, event.event_id or "", deadline)
                    errors.append(None)
                except ServerError as exc:
                    errors.append(exc)
        finally:
            for event in events[len(errors) :]:
                session._connection.give_up(event.event_id or "")
        return errors
