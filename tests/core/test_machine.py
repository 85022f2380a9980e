"""Any interleaving of askers, an honest server and two slow wires: everybody is answered."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime_sync.core import effects as fx
from realtime_sync.core.state import SessionState
from realtime_sync.core.turns import Turn
from realtime_sync.errors import ConnectionLost, ServerError
from realtime_sync.events.client import ConversationItemCreate, ResponseCreate
from realtime_sync.events.codec import client_event, dump, parse
from realtime_sync.events.items import Item

from .honest import ACTIVE, Honest


class Sessions(RuleBasedStateMachine):
    """One core against one server. `pending` is what awaits an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.state = SessionState(
            new_key=lambda: self.name("e"), new_item_id=lambda: self.name("item_")
        )
        self.state.set_tools(frozenset({"add"}), frozenset())
        self.server = Honest()
        self.pending: set[str] = set()
        self.turns: dict[str, Turn] = {}
        self.calls: list[fx.Call] = []  # not answered yet
        self.inside: dict[str, set[str]] = {}  # call id -> keys for whose answers its tool waits
        self.ran: list[str] = []  # ids of calls, in the order they were run
        self.retries: list[float] = []  # delays that have not passed
        self.refused = False  # the server has disliked something
        self.server.said.append({"type": "session.created"})
        self.deliver(1)

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def carry_out(self) -> None:
        for effect in self.state.take():
            match effect:
                case fx.Send(event):
                    self.server.heard.append(json.loads(dump(event)))
                case fx.Settle(key, value):
                    if key in self.turns:
                        self.right_answer(self.turns[key], value)
                    self.pending.discard(key)
                case fx.Reject(key, error):
                    assert self.refused or key not in self.turns
                    assert key not in self.turns or isinstance(error, (ServerError, ConnectionLost))
                    self.pending.discard(key)
                case fx.Call():
                    self.calls.append(effect)
                    self.ran.append(effect.call_id)
                case fx.Retry(delay):
                    self.retries.append(delay)

    def right_answer(self, turn: Turn, value: Any) -> None:
        """The last response; the first was made when the turn's own question was the newest."""
        assert value is turn.records[-1]
        assert self.server.question[turn.records[0].id] == f"{turn.key}_asked"

    def running_tools(self) -> list[fx.Call]:
        """One after the other, but for those of turns that a tool has begun, and waits for."""
        nested = [call for call in self.calls if call.turn.parent is not None]
        return [call for call in self.calls if call.turn.parent is None][:1] + nested

    def parent(self, key: str, nested: bool) -> Turn | None:
        """The turn whose tool asks, and waits for the answer."""
        running = self.running_tools()
        if not nested or not running:
            return None
        self.inside.setdefault(running[-1].call_id, set()).add(key)
        return running[-1].turn

    def tools_at_their_end(self) -> list[fx.Call]:
        waiting = self.pending
        return [c for c in self.running_tools() if not self.inside.get(c.call_id, set()) & waiting]

    # --- askers

    @rule(nested=st.booleans(), rounds=st.integers(0, 2))
    def ask(self, nested: bool, rounds: int) -> None:
        key = self.name("A")
        user = {"id": f"{key}_asked", "type": "message", "role": "user", "content": []}
        item = ConversationItemCreate(event_id=f"{key}_said", item=Item.model_validate(user))
        parent = self.parent(key, nested)
        self.turns[key] = turn = Turn(key, items=(item,), max_rounds=rounds, parent=parent)
        self.pending.add(key)
        self.state.begin(turn)
        self.carry_out()

    @rule(on_active=st.sampled_from(["queue", "cancel", "skip"]), nested=st.booleans())
    def create(self, on_active: str, nested: bool) -> None:
        key = self.name("c")
        parent = self.parent(key, nested)
        event = ResponseCreate.model_validate(
            {"type": "response.create", "event_id": key, "response": {}}
        )
        if self.state.create(event, on_active=on_active, parent=parent):
            self.pending.add(key)
        self.carry_out()

    @rule(
        raw=st.sampled_from(
            [
                {"type": "response.create", "response": {"conversation": "none"}},
                {"type": "response.create"},
                {"type": "response.cancel"},
                {"type": "conversation.item.delete", "item_id": "u1"},
            ]
        )
    )
    def send(self, raw: dict[str, Any]) -> None:
        key = self.name("s")
        self.pending.add(key)
        self.state.sending(client_event({**raw, "event_id": key}))
        self.carry_out()

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.pending)))
        self.pending.discard(key)
        self.state.give_up(key)
        self.carry_out()

    @precondition(tools_at_their_end)
    @rule(respond=st.booleans())
    def tool_finished(self, respond: bool) -> None:
        call = self.tools_at_their_end()[0]
        self.calls.remove(call)
        self.state.tool_finished(call.call_id, "out", respond=respond)
        self.carry_out()

    # --- the wires and the server

    @precondition(lambda self: self.server.heard)
    @rule(count=st.integers(1, 4), refuse=st.integers(0, 19).map(lambda n: n == 19))
    def server_hears(self, count: int, refuse: bool) -> None:
        self.refused = self.refused or refuse
        for _ in range(min(count, len(self.server.heard))):
            self.server.step(refuse)

    @precondition(lambda self: self.server.said)
    @rule(count=st.integers(1, 8))
    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.server.said))):
            event = parse(json.dumps(self.server.said.popleft()))
            self.state.received(event, float(self.count))
            self.carry_out()

    @precondition(lambda self: self.server.heard or self.server.said)
    @rule()
    def all_arrives(self) -> None:
        while self.server.heard or self.server.said:
            if self.server.heard:
                self.server.step()
            else:
                self.deliver(1)

    @rule()
    def user_speaks(self) -> None:
        self.server.speech()

    @precondition(lambda self: self.server.running)
    @rule(data=st.data(), calls=st.integers(0, 2))
    def server_answers(self, data: st.DataObject, calls: int) -> None:
        response = data.draw(st.sampled_from(sorted(self.server.running)))
        self.server.progress(response, *(self.name("call_") for _ in range(calls)))

    def time_passes(self) -> bool:
        """A short delay may pass at any time; in a whole second all that is under way arrives."""
        under_way = self.server.heard or self.server.said
        return bool(self.retries) and (self.retries[0] < 1 or not under_way)

    @precondition(time_passes)
    @rule()
    def retry(self) -> None:
        del self.retries[0]
        self.state.retry()
        self.carry_out()

    # --- what holds

    @invariant()
    def one_at_a_time(self) -> None:
        """Of our own creates at most one is on the wire; no call runs twice."""
        assert len(self.ran) == len(set(self.ran))
        active = self.state.sequencer.active
        assert active is None or active.id in self.state.running.responses

    def teardown(self) -> None:
        """Nothing more is asked: all comes to rest, and nobody waits."""
        for _ in range(10_000):
            if self.server.said:
                self.deliver(1)
            elif self.server.heard:
                self.server.step()
            elif self.server.running:
                self.server.progress(next(iter(self.server.running)))
            elif self.tools_at_their_end():
                self.tool_finished(respond=True)
            elif self.retries:
                self.retry()
            else:
                break
        state = self.state
        sequencer = state.sequencer
        assert not self.pending
        assert not any((sequencer.queue, sequencer.turns, sequencer.loose, sequencer.held))
        assert (sequencer.active, sequencer.asked) == (None, None)
        assert not any((state.running.responses, state.running.cancels))
        assert state.requests.drain() == state.creates.drain() == []
        assert [item.id for item in state.conversation.items()] == self.server.items
        assert set(state.conversation.records) == set(self.server.items)
        assert set(state.running.calls.values()) <= {None}
        assert all(record.turn is None for turn in self.turns.values() for record in turn.records)
        self.state.lost(ConnectionLost("the end"))
        assert not [e for e in state.take() if isinstance(e, (fx.Reject, fx.Settle))]


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_the_servers_word_for_active() -> None:
    """The model knows the code by itself."""
    from realtime_sync.core.sequencer import ALREADY_ACTIVE

    assert ACTIVE == ALREADY_ACTIVE
