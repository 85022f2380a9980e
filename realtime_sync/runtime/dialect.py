"""The words that are spoken over one link: GA as it is, or the beta, translated both ways.

Everybody above the link speaks GA, everything on it is the server's dialect; so each link has a
`Dialect` of its own, and endpoints of both kinds may stand in one list. No socket, no thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from ..errors import ConfigurationError
from ..events.base import ClientEvent, ServerEvent
from ..events.codec import dump, encode, parse_beta, parse_either
from ..events.config import SessionConfig
from ..events.dialects import to_beta
from ..events.items import Item
from ..events.misfits import SETTINGS, fitted
from ..events.output import (
    ResponseFunctionCallArgumentsDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
)
from ..events.server import ConversationItemAdded, ConversationItemDone

__all__ = ["Beta", "Dialect"]

log = logging.getLogger(__name__)

Wire = dict[str, Any]

#: Items under way that are kept in mind.
REMEMBERED = 1000
#: What a user or a system says is complete when it is there.
_WHOLE_ROLES = frozenset({"user", "system"})
_WHOLE_KINDS = frozenset({"function_call_output"})


class Dialect:
    """GA. A server that answers with the beta's names is understood without being asked.

    Args:
        told: What this session's user has been warned of, and is not told again.
    """

    #: Whether `completed` has something to add to what comes.
    adds = False

    def __init__(self, told: set[str] | None = None) -> None:
        self._told = set() if told is None else told
        self._checked: tuple[ClientEvent, bytes] | None = None  # the newest, and its frame

    #: The event of a text frame. Never raises. No method: it would cost a call for every frame.
    parse: Callable[[bytes], ServerEvent] = staticmethod(parse_either)

    def completed(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """The events, with those between them that GA has and this dialect leaves out."""
        return events

    def check(self, event: ClientEvent) -> None:
        """Complain about what cannot be said, before anything is registered or sent.

        Raises:
            ConfigurationError: JSON or the dialect has no form for it; names the field.
        """
        self._checked = event, dump(event)  # it is about to be sent

    def dump(self, event: ClientEvent, held: SessionConfig) -> bytes:
        """The text frame of an event, without what the server is known to refuse. Hold the lock.

        What is left out is warned about, once in a session.

        Args:
            event: What is to be said.
            held: The session as the server reports it.

        Raises:
            ConfigurationError: Nothing worth sending would be left; names the fields.
        """
        if event.type in SETTINGS:
            return encode(self._fitted(event, held))
        checked, self._checked = self._checked, None
        return checked[1] if checked is not None and checked[0] is event else dump(event)

    def _fitted(self, event: ClientEvent, held: SessionConfig) -> Wire:
        said, misfits = fitted(_wire(event), held, beta=self.adds)
        for misfit in misfits:
            self._warn(misfit.path, misfit.said)
        return said

    def _warn(self, what: str, why: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s: %s", what, why)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Beta(Dialect):
    """The beta. Remembers which items are under way.

    Args:
        told: As for `Dialect`.
        azure: Whether "inf" tokens are left out, as Azure's preview has it.
    """

    adds = True
    parse = staticmethod(parse_beta)

    def __init__(self, told: set[str] | None = None, *, azure: bool = False) -> None:
        super().__init__(told)
        self._azure = azure
        self._under_way: dict[str, str | None] = {}  # item id -> the item before it; oldest first
        self._called: dict[str, str] = {}  # item id -> the function's name; oldest first
        self._adds_done = True  # False once the server itself has sent a conversation.item.done

    def completed(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """The events, and what GA says besides.

        A `conversation.item.done` for each item that is complete by them, and the function's name
        beside the arguments of its call.
        """
        told: list[ServerEvent] = []
        for event in events:
            act = self._ACTS.get(event.type)
            told.extend((event,) if act is None else act(self, event))
        return told

    def _added(self, event: ConversationItemAdded) -> tuple[ServerEvent, ...]:
        item, before = event.item, event.previous_item_id
        if _whole(item):
            return event, *self._done_of(item, before)
        _remember(self._under_way, item.id or "", before)
        return (event,)

    def _output_done(self, event: ResponseOutputItemDone) -> tuple[ServerEvent, ...]:
        item_id = event.item.id or ""
        if item_id not in self._under_way:  # out of band: it stands in no conversation
            return (event,)
        return event, *self._done_of(event.item, self._under_way.pop(item_id))

    def _done_of(self, item: Item, before: str | None) -> tuple[ServerEvent, ...]:
        done = ConversationItemDone(item=item, previous_item_id=before)
        return (done,) if self._adds_done else ()

    def _done(self, event: ServerEvent) -> tuple[ServerEvent, ...]:
        self._adds_done = False
        return (event,)

    def _output_added(self, event: ResponseOutputItemAdded) -> tuple[ServerEvent, ...]:
        if event.item.name is not None:
            _remember(self._called, event.item.id or "", event.item.name)
        return (event,)

    def _arguments_done(self, event: ResponseFunctionCallArgumentsDone) -> tuple[ServerEvent, ...]:
        name = self._called.pop(event.item_id, None)
        if name is None or event.name:
            return (event,)
        return (event.model_copy(update={"name": name}),)

    def check(self, event: ClientEvent) -> None:
        """Complain about what cannot be said, before anything is registered or sent.

        Raises:
            ConfigurationError: JSON or the beta has no form for it; names the field.
        """
        said, dropped = self._translated(_wire(event))
        # settings may be left out, but nothing of what a user says: the model would answer the rest
        content = [path for path in dropped if path.startswith(_CONTENT)]
        if said is None or content:
            raise _unsaid(content or dropped)
        encode(said)

    def dump(self, event: ClientEvent, held: SessionConfig) -> bytes:
        """As of `Dialect`, in beta."""
        said, dropped = self._translated(
            self._fitted(event, held) if event.type in SETTINGS else _wire(event)
        )
        if said is None:
            raise _unsaid(dropped)
        for path in dropped:
            self._warn(path, "the beta dialect has no words for it, so it is left out")
        return encode(said)

    def _translated(self, event: Wire) -> tuple[Wire | None, tuple[str, ...]]:
        said, dropped = to_beta(event, azure=self._azure)
        if said is not None and dropped and _emptied(said):
            said = None
        return said, dropped

    _ACTS: ClassVar[dict[str, Any]] = {
        "conversation.item.added": _added,
        "conversation.item.done": _done,
        "response.function_call_arguments.done": _arguments_done,
        "response.output_item.added": _output_added,
        "response.output_item.done": _output_done,
    }


#: How the paths of what a user says begin.
_CONTENT = ("item.", "response.input.")


def _wire(event: ClientEvent) -> Wire:
    return {"type": event.type, **event.wire()}


def _remember(known: dict[str, Any], key: str, value: Any) -> None:
    known[key] = value
    if len(known) > REMEMBERED:  # a peer that ends nothing must not fill our memory
        del known[next(iter(known))]


def _whole(item: Item) -> bool:
    """Whether an item that now stands in the conversation will not change any more."""
    if item.status in ("completed", "incomplete"):
        return True
    return item.role in _WHOLE_ROLES or item.type in _WHOLE_KINDS


def _emptied(said: Wire) -> bool:
    """Whether an event says nothing any more, now that something was taken out of it."""
    if said["type"] in ("session.update", "transcription_session.update"):
        return not said["session"]
    # an empty input is no input at all: the model would answer nothing
    return bool(said["type"] == "response.create" and said["response"].get("input") == [])


def _unsaid(paths: tuple[str, ...] | list[str]) -> ConfigurationError:
    what = ", ".join(paths)
    return ConfigurationError(
        f"{what}: the beta dialect has no words for it; leave it out, or use an endpoint that "
        "speaks GA"
    )
