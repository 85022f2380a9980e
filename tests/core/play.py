"""Plays a scenario to a core and writes down what it wants done, in short."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from realtime_sync.core import effects as fx
from realtime_sync.core.guarding import trip
from realtime_sync.core.requests import ACKNOWLEDGED
from realtime_sync.core.responses import TAG, ResponseRecord
from realtime_sync.core.sideband import SidebandState
from realtime_sync.core.state import OPEN, SessionState
from realtime_sync.core.translation import TranslationState
from realtime_sync.core.turns import Turn
from realtime_sync.errors import ConnectionLost, ResponseActive
from realtime_sync.events.client import ConversationItemCreate, ResponseCreate
from realtime_sync.events.codec import client_event, dump, parse_either
from realtime_sync.events.config import SessionConfig
from realtime_sync.events.items import Item

from .wire import Server

#: What a scenario may name as its `kind`.
KINDS = {
    "session": SessionState,
    "sideband": SidebandState,
    "translation": TranslationState,
}


class Play:
    """A core, a server to it, and everybody who waits."""

    def __init__(
        self,
        config: Any = None,
        history: Any = (),
        tools: Any = ((), ()),
        kind: str = "session",
    ) -> None:
        keys, items = itertools.count(1), itertools.count(1)
        self.state = KINDS[kind](
            new_key=lambda: f"e{next(keys)}",
            new_item_id=lambda: f"item_{next(items)}",
            config=SessionConfig.model_validate(config) if config else None,
            history=[
                ConversationItemCreate(event_id=f"h{n}", item=Item.model_validate(item))
                for n, item in enumerate(history)
            ],
        )
        self.state.calls.set_tools(*map(frozenset, tools))
        self.server = Server()
        self.turns: dict[str, Turn] = {}
        self.records: dict[str, ResponseRecord] = {}
        self.silenced: list[str] = []  # deltas that no callback is to see
        self.answers: dict[str, int] = {OPEN: 0}  # key of whoever waits -> answers so far
        self.at = 0.0

    # --- wishes

    def wish(self, wish: dict[str, Any]) -> list[str]:
        """Carry one out; the effects, in short."""
        verb = next(iter(wish))
        said = _WISHES[verb](self, wish[verb], **{k: v for k, v in wish.items() if k != verb})
        return [*([said] if said else []), *self.taken()]

    def begin(
        self,
        key: str,
        text: str | None = None,
        parent: str | None = None,
        params: Any = None,
        max_rounds: int = 5,
        item_id: str | None = None,
        caller: str | None = None,
        awaited: bool = False,
    ) -> None:
        part = {"type": "input_text", "text": text}
        user = {"id": f"{key}_item", "type": "message", "role": "user", "content": [part]}
        event = ConversationItemCreate(event_id=f"{key}_said", item=Item.model_validate(user))
        self.turns[key] = turn = Turn(
            key,
            params=params,
            items=(event,) if text else (),
            max_rounds=max_rounds,
            parent=self.turns.get(parent or ""),
            caller=caller,
        )
        turn.awaited = awaited
        self.answers[key] = 0
        self.state.begin(turn)

    def create(
        self, key: str, on_active: str = "queue", parent: str | None = None, response: Any = None
    ) -> str | None:
        raw = {"type": "response.create", "event_id": key, "response": response or {}}
        event = ResponseCreate.model_validate(raw)
        try:
            turn = Turn(params=response, parent=self.turns.get(parent or ""))
            wanted = self.state.create(event, turn, on_active=on_active)
        except ResponseActive as exc:
            return f"raised ResponseActive {_name(exc.response)}"
        if not wanted:
            return "skipped"
        self.answers[key] = 0
        return None

    def send(self, event: dict[str, Any]) -> None:
        sent = client_event(event)
        if sent.type in ACKNOWLEDGED:
            self.answers[sent.event_id or ""] = 0
        self.state.sending(sent)

    def edit(self, event: dict[str, Any]) -> None:
        """A retrieve, truncate or delete as `session.conversation` asks for it."""
        sent = client_event(event)
        self.answers[sent.event_id or ""] = 0
        getattr(self.state.edits, sent.type.rpartition(".")[2])(sent)

    def give_up(self, key: str) -> None:
        if self.answers.get(key) == 0:  # else he has his answer
            del self.answers[key]
            self.state.give_up(key)

    def tool(self, call_id: str, output: str, respond: bool = True) -> None:
        self.state.calls.finished(call_id, output, respond=respond)

    def lost(self, reason: str) -> None:
        self.state.lost(ConnectionLost(reason, code=1006))

    def unlink(self, reason: str) -> None:
        if self.answers["open"]:  # else there is one attempt only
            self.state.unlinked(ConnectionLost(reason, code=1006), [])

    def retry(self, _: bool) -> None:
        self.state.retry()

    def linked(self, _: bool) -> None:
        self.state.linked()

    def finish(self, _: bool) -> None:
        assert isinstance(self.state, TranslationState)
        self.state.finish()

    def append(self, size: int) -> None:
        self.state.appending([(b"", size)])

    def interrupt(self, _: bool) -> None:
        self.state.speech.interrupt_tools()

    def trip(self, response_id: str, correct: bool = True) -> str:
        """A guardrail trips; the correction is an item."""
        said = {"id": f"{response_id}_fix", "type": "message", "role": "system", "content": []}
        event = ConversationItemCreate(
            event_id=f"{response_id}_key", item=Item.model_validate(said)
        )
        record = self.records.get(response_id)
        if record is None:
            return "unknown"
        return "corrected" if trip(self.state, record, event if correct else None) else "tripped"

    def decide(self, request_id: str, approve: bool, reason: str | None = None) -> None:
        self.state.calls.approval_decided(request_id, approve=approve, reason=reason)

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.state.running.now = self.at

    def submit(self, call_id: str, output: str, respond: bool = True) -> str | None:
        said = {"id": f"{call_id}_out", "type": "function_call_output", "call_id": call_id}
        item = Item.model_validate({**said, "output": output})
        event = ConversationItemCreate(event_id=f"{call_id}_key", item=item)
        try:
            self.state.calls.submit(event, respond=respond, parent=None)
        except ValueError:
            return "refused"
        self.answers[f"{call_id}_key"] = 0
        return None

    # --- the server

    def receive(self, said: str | dict[str, Any]) -> list[str]:
        """Take one entry in; the effects, in short."""
        done = []
        for raw in self.server.events(said):
            self.at += 0.1
            event = parse_either(json.dumps(raw))
            self.state.received(event, self.at)
            if self.state.running.silent:
                self.state.running.silent = False
                self.silenced.append(event.type)
            done += self.taken()
        return done

    def taken(self) -> list[str]:
        """The effects since the last call, in short; timings have tests of their own."""
        self.records |= self.state.running.responses
        effects = self.state.take()
        for effect in effects:
            if isinstance(effect, (fx.Settle, fx.Reject)):
                if effect.key in self.answers:
                    self.answers[effect.key] += 1
            elif isinstance(effect, fx.Call):
                self.turns[effect.call_id] = effect.turn
            elif isinstance(effect, fx.Send):
                dump(effect.event)
        return [_SHORT[type(e)](e) for e in effects if not isinstance(e, fx.Emit)]

    # --- what it knows

    def shown(self, what: str) -> Any:
        """One thing of the state, as scenarios spell it."""
        return _STATE[what](self)


def _name(value: Any) -> str:
    if value is None:
        return "-"
    return value.id if isinstance(value, ResponseRecord) else str(value.type)


def _send(effect: fx.Send) -> str:
    event: Any = effect.event
    wire = event.wire()
    words = ["send", event.type]
    match event.type:
        case "response.create":
            params = wire.get("response") or {}
            metadata = dict(params.get("metadata") or {})
            tagged = metadata.pop(TAG, None)
            kept = {k: v for k, v in params.items() if k != "metadata"} | (
                {"metadata": metadata} if metadata else {}
            )
            words += [event.event_id, *(["untagged"] if tagged is None else [])]
            words += [json.dumps(kept)] if kept else []
        case "response.cancel":
            words.append(event.response_id or "-")
        case "conversation.item.create":
            words.append(event.item.id)
            words += _shown(event.item)
        case "conversation.item.truncate":
            words += [event.item_id, str(event.audio_end_ms)]
        case _:
            words.append(getattr(event, "item_id", event.event_id))
    return " ".join(words)


def _shown(item: Item) -> list[str]:
    """What an item of ours says, where that is not the same in every scenario."""
    if item.type == "mcp_approval_response":
        return [f"{item.approval_request_id} {item.approve} {item.reason or '-'}"]
    if item.type != "function_call_output":
        return []
    output = item.output or ""
    return [f"error {json.loads(output)['error']['type']}" if '{"error"' in output else output]


def _reject(effect: fx.Reject) -> str:
    error: Any = effect.error
    words = ["reject", effect.key, type(error).__name__]
    if getattr(error, "code", None):
        words.append(str(error.code))
    if isinstance(getattr(error, "response", None), ResponseRecord):
        words.append(error.response.id)
    return " ".join(words)


_SHORT: dict[type, Callable[[Any], str]] = {
    fx.Send: _send,
    fx.Settle: lambda e: f"settle {e.key} {_name(e.value)}",
    fx.Reject: _reject,
    fx.Call: lambda e: f"call {e.call_id} {e.name} {e.arguments}",
    fx.Interrupted: lambda e: (
        f"interrupted {' '.join(e.call_ids)}{' unwanted' if e.unwanted else ''}"
    ),
    fx.McpApproval: lambda e: f"approval {e.request_id} {e.server_label}.{e.name} {e.arguments}",
    fx.Wake: lambda e: f"wake {len(e.waiters)}",
    fx.Unclaimed: lambda e: f"unclaimed {e.event.error.code}",
    fx.Retry: lambda e: f"retry {e.delay:g}",
}


def _item(item: Item) -> str:
    who = item.role if item.type == "message" else item.type
    said = item.text if item.type == "message" else item.arguments or item.output
    status = "" if item.status in (None, "completed") else f" ({item.status})"
    return f"{who} {item.id}: {said}{status}"


_STATE: dict[str, Callable[[Play], Any]] = {
    "ready": lambda p: p.state.recovery.ready,
    "items": lambda p: [_item(item) for item in p.state.conversation.items()],
    "active": lambda p: p.state.sequencer.active and p.state.sequencer.active.id,
    "running": lambda p: list(p.state.running.responses),
    "queued": lambda p: len(p.state.sequencer.queue),
    "turns": lambda p: len(p.state.sequencer.turns),
    "responses": lambda p: {
        key: f"{r.status}: {''.join(item.text or '' for item in r.output)}"
        for key, r in p.records.items()
    },
    "metadata": lambda p: {key: r.metadata for key, r in p.records.items()},
    "silenced": lambda p: [*p.silenced],
    "settled": lambda p: sorted(key for key, count in p.answers.items() if count),
    "appended": lambda p: p.state.buffer.size,
    "over": lambda p: p.state.over,
    "config": lambda p: p.state.session.wire(),
}

_WISHES: dict[str, Callable[..., str | None]] = {
    name: getattr(Play, name)
    for name in (
        *("begin", "create", "send", "edit", "give_up", "tool", "lost", "retry", "append"),
        *("interrupt", "decide", "wait", "submit", "linked", "finish", "trip"),
        "unlink",
    )
}
