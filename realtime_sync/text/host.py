"""The far end of a text session's link: what a Realtime server is, for a model behind HTTP.

It keeps the configuration and the conversation, has the model respond, and tells all of it in
events of the Realtime API; so everything above the link, turns, tools, stages, callbacks, is the
same as of a voice session. Runs on the I/O thread alone; the model's threads only hand pieces in.

A response that brings no answer leaves nothing behind: its items, and where nothing of its turn
stands after them the user's too, are gone before its failure is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from typing import Any

from ..errors import ConnectError, RealtimeError, ResponseFailed, ServerError
from ..events.config import merged
from ..events.items import Item
from .answer import Answer, Wire
from .model import Changed, Ended, Model, Piece, Request, Run

__all__ = ["Host", "Running"]

#: The key of our own in a response's metadata, which stays here.
TAG = "realtime_sync"
#: What `Running` hands in beside pieces: the API has begun, or it ended by an error.
Said = Piece | RealtimeError | None


class Running:
    """A response that the model works at."""

    request: Request

    def __init__(self, answer: Answer, key: str) -> None:
        self.answer = answer
        self.key = key  # event id of its create
        said = answer.params.get("said")
        # ids of what its turn begins with
        self.said: list[str] = said if isinstance(said, list) else []
        self.begun = False  # `response.created` is told
        self.over = False  # nothing of it is told any more. Read by its thread
        self.run: Run | None = None  # once the API has begun it. Set by its thread
        self.hang_up: Callable[[], None] | None = None  # ends the request before that. The same

    def stop(self) -> None:
        """Nobody wants more of it."""
        self.over = True
        run, hang_up = self.run, self.hang_up
        if run is not None:
            run.stop()
        elif hang_up is not None:
            hang_up()


class Host:
    """Answers a session's events.

    Args:
        model: Who responds.
        name: Of the model.
        start: Has a response made, on a thread of its own; what it hands in comes to `took`.
        failures: Where our own exceptions are laid down, by the event id of the create that was
            refused, or the id of the response that failed: the wire has words for the server's
            only.
        hidden: Ids of calls that are to leave no trace once they are answered.
    """

    def __init__(
        self,
        model: Model,
        name: str,
        *,
        start: Callable[[Running], None],
        failures: dict[str, RealtimeError],
        hidden: set[str],
    ) -> None:
        self._model = model
        self._start = start
        self._failures = failures
        self._hidden = hidden
        self._config: Wire = {"type": "realtime", "object": "realtime.session", "model": name}
        self._config["id"] = f"sess_{uuid.uuid4().hex[:20]}"
        self._items: list[Item] = []
        self._running: dict[str, Running] = {}  # by the id of the response
        self._asked: list[str] = []  # ids of the items that the last turn began with
        # ids of what was said beside a hidden call: it stands in the conversation, and not in the
        # requests of its turn, which send the user's message once more
        self._aside: set[str] = set()
        self._told: list[Wire] = []  # what is to be said
        self._prefix, self._counter = uuid.uuid4().hex[:10], count(1)
        self._calls: set[str] = set()  # ids of all calls

    def take(self) -> list[Wire]:
        """The events since the last call."""
        told, self._told = self._told, []
        return told

    def greet(self) -> None:
        """A session begins, with what the conversation holds already."""
        self._say("session.created", session=self._shown)
        for item in self._model.history:
            self._add(item, len(self._items))

    @property
    def _shown(self) -> Wire:
        # of MCP servers nobody here would wait for the lists of their tools
        tools = [tool for tool in self._config.get("tools", ()) if tool.get("type") == "function"]
        return {**self._config, "tools": tools}

    def stop(self) -> None:
        """The session is over."""
        for running in self._running.values():
            running.stop()
        self._running.clear()

    def hear(self, event: Wire) -> None:
        """An event of the session's."""
        act = _ACTS.get(event["type"])
        if act is None:
            self._refuse(event, "unknown_event", "a text session has nothing for this event")
            return
        try:
            act(self, event)
        except (LookupError, TypeError, ValueError) as exc:  # sent by hand, with what is no value
            self._refuse(event, "invalid_value", f"{event['type']}: {exc!r:.200}")

    def _say(self, kind: str, **fields: Any) -> None:
        self._told.append({"event_id": self._new_id("event"), "type": kind, **fields})

    def _say_all(self, events: list[Wire]) -> None:
        for event in events:
            self._say(**{"kind" if name == "type" else name: v for name, v in event.items()})

    def _refuse(self, event: Wire, code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message}
        self._say("error", error={**error, "event_id": event.get("event_id")})

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._prefix}{next(self._counter):05x}"

    def _new_call_id(self, given: str | None) -> str:
        # some servers count their calls from 0 in each response: an id is to be one call's
        call_id = given if given and given not in self._calls else self._new_id("call")
        self._calls.add(call_id)
        return call_id

    # --- configuration and conversation

    def _update(self, event: Wire) -> None:
        self._config = merged(self._config, event["session"])
        self._say("session.updated", session=self._shown)

    def _create_item(self, event: Wire) -> None:
        item, previous = Item.model_validate(event["item"]), event.get("previous_item_id")
        at = len(self._items)
        if previous == "root":
            at = 0
        elif previous is not None:
            found = self._find(previous)
            if found is None:
                self._refuse(event, "invalid_value", f"previous_item_id: no item {previous!r}")
                return
            at = found + 1
        if item.id is None:
            item = item.model_copy(update={"id": self._new_id("item")})
        self._add(item, at)
        if item.type == "function_call_output" and item.call_id in self._hidden:
            self._hidden.discard(item.call_id)
            self._hide(item.call_id)

    def _add(self, item: Item, at: int) -> None:
        self._items.insert(at, item)
        if item.type == "function_call" and item.call_id:
            self._calls.add(item.call_id)
        before = self._items[at - 1].id if at else None
        shown = {"status": "completed", **item.wire(), "type": item.type, "object": "realtime.item"}
        self._say("conversation.item.added", item=shown, previous_item_id=before)
        self._say("conversation.item.done", item=shown, previous_item_id=before)

    def _change(self, changed: Changed) -> None:
        """The conversation is otherwise than we knew."""
        self._delete([item_id for item_id in changed.removed if self._find(item_id) is not None])
        for before, item in changed.added:
            if self._find(item.id or "") is None:
                found = None if before is None else self._find(before)
                at = 0 if before is None else len(self._items)
                self._insert(item, at if found is None else found + 1)

    def _insert(self, item: Item, at: int) -> None:
        # the wire has no words for the front, so what stands there is told once more behind it
        behind = [] if at else self._items
        self._delete([one.id or "" for one in behind])
        self._add(item, at)
        for one in behind:
            self._add(one, len(self._items))

    def _hide(self, call_id: str) -> None:
        """A call is answered that is to leave no trace."""
        at = next(n for n, one in enumerate(self._items) if one.call_id == call_id)
        said = []
        while at and self._items[at - 1].role == "assistant":
            at -= 1
            said.append(self._items[at].id or "")
        self._delete([one.id or "" for one in self._items if one.call_id == call_id])
        after = self._items[at + len(said) :]
        if not any(one.type.startswith("function_call") for one in after):
            self._aside.update(said)

    def _delete_item(self, event: Wire) -> None:
        if self._find(event["item_id"]) is None:
            message = f"item_id: no item {event['item_id']!r}"
            self._refuse(event, "item_delete_invalid_item_id", message)
        else:
            self._delete([event["item_id"]])

    def _retrieve_item(self, event: Wire) -> None:
        at = self._find(event["item_id"])
        if at is None:
            message = f"item_id: no item {event['item_id']!r}"
            self._refuse(event, "item_retrieve_invalid_item_id", message)
        else:
            item = {**self._items[at].wire(), "type": self._items[at].type}
            self._say("conversation.item.retrieved", item=item)

    def _find(self, item_id: str) -> int | None:
        return next((at for at, item in enumerate(self._items) if item.id == item_id), None)

    def _delete(self, item_ids: list[str]) -> None:
        item_ids = [item_id for item_id in item_ids if self._find(item_id) is not None]
        self._items = [item for item in self._items if item.id not in item_ids]
        for item_id in item_ids:
            self._say("conversation.item.deleted", item_id=item_id)

    @property
    def _last(self) -> str | None:
        return self._items[-1].id if self._items else None

    # --- responses

    def _create(self, event: Wire) -> None:
        response_id = self._new_id("resp")
        answer = Answer(response_id, event, new_id=self._new_id, call_id=self._new_call_id)
        running = Running(answer, event.get("event_id") or "")
        if answer.default and running.said:
            self._asked = running.said
            self._aside.clear()
        running.request = self._request(answer.params, apart=not answer.default)
        self._running[response_id] = running
        self._start(running)

    def _request(self, params: Wire, *, apart: bool) -> Request:
        config = self._config
        options = {**config.get("options", {}), **params.get("options", {})}
        items = tuple(item for item in self._items if item.id not in self._aside)
        if params.get("input") is not None:
            items = tuple(self._input(one) for one in params["input"])
        metadata = {k: v for k, v in (params.get("metadata") or {}).items() if k != TAG}
        return Request(
            model=options.pop("model", config["model"]),
            instructions=params.get("instructions", config.get("instructions")),
            items=items,
            tools=tuple(params.get("tools", config.get("tools")) or ()),
            tool_choice=params.get("tool_choice", config.get("tool_choice")),
            options=options,
            metadata=metadata,
            apart=apart or params.get("input") is not None,
        )

    def _input(self, item: Wire) -> Item:
        at = self._find(item.get("id", "")) if item.get("type") == "item_reference" else None
        return Item.model_validate(item) if at is None else self._items[at]

    def took(self, running: Running, said: Said) -> None:
        """What a response has brought: None once the API has begun it, pieces, perhaps an error."""
        if running.over:
            return
        if isinstance(said, RealtimeError):
            self._fail(running, said)
        elif not running.begun:
            running.begun = True
            self._say_all(running.answer.created())
        elif isinstance(said, Ended):
            self._end(running, said)
        elif isinstance(said, Changed):
            self._change(said)
        elif said is not None:
            self._say_all(running.answer.take(said, self._last))

    def _end(self, running: Running, ended: Ended, *, early: bool = False) -> None:
        """A response is over; what it made stands in the conversation, unless it failed.

        Args:
            running: The response.
            ended: How.
            early: The model has not begun it.
        """
        running.stop()
        answer = running.answer
        self._running.pop(answer.id, None)
        told = answer.end(ended, self._last)
        done = told.pop()
        self._say_all(told)
        if answer.default:
            made = [Item.model_validate(item) for item in answer.items]
            self._items += made
            if ended.status != "completed":  # nobody runs what may not be whole
                self._delete([i.id or "" for i in made if i.type == "function_call"])
                made = [item for item in made if item.type != "function_call"]
            if ended.status == "completed" and not made:
                self._asked = []  # that was the answer
            if early and running.said:
                self._delete(running.said)
            elif ended.status == "failed" or (ended.status == "cancelled" and not made):
                self._leave_no_trace(made)
        self._say_all([done])

    def _leave_no_trace(self, made: list[Item]) -> None:
        self._delete([item.id or "" for item in made])
        asked, self._asked = self._asked, []
        tail = [item.id for item in self._items[len(self._items) - len(asked) :]]
        if asked and tail == asked:  # else something of the turn has come: that has happened
            self._delete(asked)

    def _fail(self, running: Running, error: RealtimeError) -> None:
        if running.begun:
            self._failures[running.answer.id] = error
            details: Wire = {"type": "server_error", "message": str(error)}
            if isinstance(error, ResponseFailed):
                details = {"type": error.type, "code": error.code, "message": error.message}
            self._end(running, Ended("failed", error=details))
            return
        running.stop()
        self._running.pop(running.answer.id, None)
        if running.answer.default and running.said:
            self._delete(running.said)
        elif running.answer.default:
            self._leave_no_trace([])
        self._failures[running.key] = error
        code = error.code if isinstance(error, ServerError) else None
        if code is None and isinstance(error, ConnectError) and error.status is not None:
            code = str(error.status)
        said = {"type": "server_error", "code": code, "message": str(error)}
        self._say("error", error={**said, "event_id": running.key})

    def _cancel(self, event: Wire) -> None:
        wanted, create = event.get("response_id"), event.get("create_id")
        found = [
            running
            for running in self._running.values()
            if (running.key == create if create else running.answer.id == wanted)
            or (wanted is None and create is None and running.answer.default)
        ]
        if not found:
            self._refuse(event, "response_cancel_not_active", "there is no such response")
            return
        running, early = found[0], not found[0].begun
        if early:
            self.took(running, None)
        self._end(running, Ended("cancelled", "client_cancelled"), early=early)


_ACTS: dict[str, Callable[[Host, Wire], None]] = {
    "session.update": Host._update,
    "conversation.item.create": Host._create_item,
    "conversation.item.delete": Host._delete_item,
    "conversation.item.retrieve": Host._retrieve_item,
    "response.create": Host._create,
    "response.cancel": Host._cancel,
}
