"""Any interleaving of askers, an honest server and two slow wires: everybody is answered.

After every step the core and a reference model, which knows of it nothing but what is on the
wire, agree on items, their order and texts, the active response, and who has which answer. Links
are lost, for good or until the next one; some servers echo no metadata.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from realtime_sync.core import effects as fx
from realtime_sync.core.responses import ResponseRecord
from realtime_sync.core.state import SessionState
from realtime_sync.core.turns import Turn
from realtime_sync.errors import ConnectionLost, ResponseFailed, ServerError
from realtime_sync.events.client import ConversationItemCreate, ResponseCreate
from realtime_sync.events.codec import client_event, dump, parse
from realtime_sync.events.items import Item
from realtime_sync.items import sendable

from . import honest, links, reference
from .honest import ACTIVE, TOOLS, Honest
from .links import Links

ENDS = {ServerError: "refused", ResponseFailed: "failed", ConnectionLost: "lost"}


class Sessions(RuleBasedStateMachine):
    """One core against one server. `pending` is what awaits an answer."""

    steady = 3  # of four links that might drop, as many do not

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.echo = True
        self.connect()

    @initialize(echo=st.integers(0, 3).map(bool))
    def this_server(self, echo: bool) -> None:
        """Some servers echo no metadata."""
        self.echo = self.server.echo = echo

    def connect(self) -> None:
        """A new session, as after a loss."""
        self.state = SessionState(
            new_key=lambda: self.name("e"),
            new_item_id=lambda: self.name("item_"),
            sendable=sendable,
        )
        self.state.calls.set_tools(frozenset(TOOLS), frozenset())
        self.server = Honest(echo=self.echo)
        self.reference = Links()
        self.settled: dict[str, str | None] = {}  # who waits: None; then how it ended
        self.turns: dict[str, Turn] = {}
        self.asked: dict[str, None] = {}  # those whose question has gone out
        self.question: dict[str, str | None] = {}  # response -> the newest question then
        self.deleted: set[str] = set()  # items that somebody wanted gone
        self.spoken: dict[str, int] = {}  # audio of the last link: as in `Honest`
        self.records: dict[str, ResponseRecord] = {}
        self.said: dict[str, list[str]] = {}  # response that is over -> the texts of its items
        self.calls: list[fx.Call] = []  # not answered yet
        self.inside: dict[str, set[str]] = {}  # call id -> keys for whose answers its tool waits
        self.ran: list[str] = []  # ids of calls, in the order they were run
        self.retries: list[float] = []  # delays that have not passed
        self.server.said.append({"type": "session.created"})
        self.deliver(1)

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    @property
    def pending(self) -> set[str]:
        return {key for key, how in self.settled.items() if how is None}

    def wait(self, key: str) -> None:
        self.settled[key] = self.reference.settled[key] = None

    def carry_out(self) -> None:
        self.records |= self.state.running.responses
        for effect in self.state.take():
            match effect:
                case fx.Send(event):
                    self.send_out(json.loads(dump(event)))
                case fx.Settle(key, value) if key in self.pending:
                    known = isinstance(value, ResponseRecord) and not key.startswith("s_cancel")
                    self.settled[key] = value.id if known else "answered"
                    if key in self.turns:
                        self.right_answers(self.turns[key], value)
                case fx.Reject(key, error) if key in self.pending:
                    self.settled[key] = ENDS[type(error)]
                case fx.Call():
                    self.calls.append(effect)
                    self.ran.append(effect.call_id)
                case fx.Retry(delay):
                    self.retries.append(delay)

    def send_out(self, event: dict[str, Any]) -> None:
        about = event.get("item", {}).get("id") or event.get("item_id") or event.get("response_id")
        self.reference.sent[event["event_id"]] = {**event, "about": about}
        self.server.heard.append(event)
        if event["event_id"].endswith("_said"):
            self.one_at_a_time(event["event_id"].removesuffix("_said"))

    def one_at_a_time(self, key: str) -> None:
        """No question goes out while another turn runs, or waits for its tools; but a tool's."""
        if self.turns[key].parent is None:
            others = [k for k in self.asked if k != key and self.turns[k].parent is None]
            assert not self.pending & {*others}
        self.asked[key] = None

    def right_answers(self, turn: Turn, value: Any) -> None:
        """The last response; each was made when the turn's own question was the newest.

        Or that of a tool, which asks in between.
        """
        assert value is turn.records[-1]
        own = f"{turn.key}_asked"
        if own in self.deleted:
            return  # another session is not told it
        newest = [self.question[record.id] for record in turn.records]
        assert newest[0] == own
        for asked in newest:
            other = self.turns[(asked or "").removesuffix("_asked")]
            assert other is turn or other.parent is not None

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
        user: dict[str, Any] = {"id": f"{key}_asked", "type": "message", "role": "user"}
        user["content"] = [{"type": "input_text", "text": key}]
        item = ConversationItemCreate(event_id=f"{key}_said", item=Item.model_validate(user))
        parent = self.parent(key, nested)
        params = {"metadata": {"turn": key}}
        turn = Turn(key, params=params, items=(item,), max_rounds=rounds, parent=parent)
        self.turns[key] = turn
        self.reference.rounds[key] = rounds
        self.wait(key)
        self.state.begin(turn)
        self.carry_out()

    @rule(on_active=st.sampled_from(["queue", "cancel", "skip"]), nested=st.booleans())
    def create(self, on_active: str, nested: bool) -> None:
        key = self.name("c")
        parent = self.parent(key, nested)
        event = ResponseCreate.model_validate(
            {"type": "response.create", "event_id": key, "response": {}}
        )
        if self.state.create(event, Turn(parent=parent), on_active=on_active):
            self.wait(key)
        self.carry_out()

    def say(self, kind: str, key: str = "s_", **fields: Any) -> None:
        key = self.name(key)
        self.wait(key)
        event = {"type": kind, "event_id": key, **fields}
        if not self.reference.linked:
            about = event.get("item_id") or event.get("response_id")
            self.reference.alone(key, {**event, "about": about}, "refused")
        self.state.sending(client_event(event))
        self.carry_out()

    @rule(response=st.sampled_from([{}, {"conversation": "none"}]))
    def send_create(self, response: dict[str, Any]) -> None:
        self.say("response.create", response=response)

    @rule(data=st.data())
    def send_cancel(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from([None, "r_unknown", *self.server.running]))
        self.say("response.cancel", "s_cancel_", **({"response_id": which} if which else {}))

    @rule(data=st.data())
    def send_item(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from([None, "root", "u_unknown", *self.server.items[:3]]))
        part = {"type": "input_text", "text": self.name("word")}
        item = {"id": self.name("x"), "type": "message", "role": "user", "content": [part]}
        self.say("conversation.item.create", item=item, previous_item_id=before)

    @rule(data=st.data())
    def send_delete(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(["u_unknown", *self.server.items[-4:]]))
        self.deleted.add(item)
        self.say("conversation.item.delete", item_id=item)

    @rule(data=st.data(), tenths=st.integers(0, 12))
    def send_truncate(self, data: st.DataObject, tenths: int) -> None:
        spoken = self.server.audio if self.reference.linked else self.spoken
        item = data.draw(st.sampled_from([*spoken, "u_unknown"][-4:]))
        end = spoken.get(item, 0) * tenths // 10
        self.say("conversation.item.truncate", item_id=item, audio_end_ms=end)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.pending)))
        del self.settled[key], self.reference.settled[key]
        self.state.give_up(key)
        self.carry_out()

    @precondition(tools_at_their_end)
    @rule(respond=st.booleans())
    def tool_finished(self, respond: bool) -> None:
        call = self.tools_at_their_end()[0]
        self.calls.remove(call)
        self.reference.tool(call.call_id, respond)
        self.state.calls.finished(call.call_id, "out", respond=respond)
        self.carry_out()

    # --- the wires and the server

    @precondition(lambda self: self.server.heard)
    @rule(count=st.integers(1, 4), refuse=st.integers(0, 9).map(lambda n: n == 9))
    def server_hears(self, count: int, refuse: bool) -> None:
        for _ in range(min(count, len(self.server.heard))):
            self.server.step(refuse)

    @precondition(lambda self: self.server.said)
    @rule(count=st.integers(1, 8))
    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.server.said))):
            told = self.server.said.popleft()
            self.reference.heard(told)
            self.state.received(parse(json.dumps(told)), float(self.count))
            self.question |= self.server.question
            self.carry_out()
            self.reference.told()
            self.agree()

    @precondition(lambda self: self.server.heard or self.server.said)
    @rule()
    def all_arrives(self) -> None:
        while self.server.heard or self.server.said:
            if self.server.heard:
                self.server.step()
            else:
                self.deliver(1)

    @precondition(lambda self: self.server.active)
    @rule(calls=st.integers(1, 2))
    def a_round_of_calls(self, calls: int) -> None:
        """What else takes many steps in a row: the next response is there, and wants an answer."""
        self.server.progress(self.server.active, *(self.name("call_") for _ in range(calls)))
        self.all_arrives()
        while self.tools_at_their_end():
            self.tool_finished(respond=True)
        self.all_arrives()

    # before it has been told all, a session hears no audio: see relink.json where one speaks yet
    @precondition(lambda self: self.reference.linked)
    @rule(early=st.booleans())
    def user_speaks(self, early: bool) -> None:
        self.server.speech(early)

    @precondition(lambda self: self.server.unheard)
    @rule(data=st.data())
    def transcript_comes(self, data: st.DataObject) -> None:
        self.server.transcribe(data.draw(st.sampled_from(self.server.unheard)))

    @precondition(lambda self: self.server.running)
    @rule(data=st.data(), spoken=st.booleans(), words=st.integers(1, 3), more=st.booleans())
    def server_speaks(self, data: st.DataObject, spoken: bool, words: int, more: bool) -> None:
        response = data.draw(st.sampled_from(sorted(self.server.running)))
        for _ in range(words):
            self.server.speak(response, self.name("word"), spoken)
        if not more:
            self.server.close(response)

    @precondition(lambda self: self.server.running)
    @rule(
        data=st.data(),
        calls=st.integers(0, 2),
        status=st.sampled_from(["completed"] * 4 + ["failed", "incomplete", "cancelled"]),
    )
    def server_answers(self, data: st.DataObject, calls: int, status: str) -> None:
        response = data.draw(st.sampled_from(sorted(self.server.running)))
        named = [self.name("call_") for _ in range(calls)]
        self.server.progress(response, *named, status=status)

    @rule(of_four=st.integers(0, 3), greeted=st.booleans())
    def link_drops(self, of_four: int, greeted: bool) -> None:
        """Another will be made: what had begun is lost, the rest goes on."""
        if of_four < self.steady:
            return
        self.spoken = self.server.audio
        self.reference.unlinked()
        self.state.unlinked(ConnectionLost("cut"), [])
        self.carry_out()
        self.server = Honest(self.server.count, echo=self.echo)
        self.server.said.append({"type": "session.created"})
        if greeted:
            self.deliver(1)

    @rule(really=st.integers(0, 9).map(lambda n: n == 9))
    def link_is_lost(self, really: bool) -> None:
        """For good."""
        if not really:
            return
        for key in self.pending:
            self.reference.settle(key, "lost")
        self.reference.active = None
        self.state.lost(ConnectionLost("cut"))
        self.carry_out()
        self.agree()
        self.connect()

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
    def agree(self) -> None:
        """Core and reference say the same."""
        state, expected = self.state, self.reference
        items = state.conversation.items()
        texts = expected.texts
        assert [item.id for item in items] == expected.order
        assert [item.text or "" for item in items] == [texts[name] for name in expected.order]
        active = state.sequencer.active
        assert (active and active.id) == expected.active
        assert self.settled == expected.settled
        for record in self.records.values():
            said = [item.text or "" for item in record.output]
            # once it is over, what is cut of its items stays with it
            whole = self.said.get(record.id) or [texts[i] for i in expected.outputs[record.id]]
            assert said == whole
            if record.done:
                self.said[record.id] = whole

    @invariant()
    def no_call_runs_twice(self) -> None:
        """Whatever is told how often."""
        assert len(self.ran) == len(set(self.ran))

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
        self.agree()
        state = self.state
        sequencer = state.sequencer
        assert not self.pending
        assert not any((sequencer.queue, sequencer.turns, sequencer.loose, sequencer.held))
        assert (sequencer.active, sequencer.asked) == (None, None)
        assert not any((state.running.responses, state.running.cancels))
        assert state.requests.drain() == state.creates.drain() == []
        assert [item.id for item in state.conversation.items()] == self.server.items
        assert set(state.conversation.records) == set(self.server.items)
        assert not state.calls.waited_for
        assert all(record.turn is None for turn in self.turns.values() for record in turn.records)
        self.state.lost(ConnectionLost("the end"))
        assert not [e for e in state.take() if isinstance(e, (fx.Reject, fx.Settle))]


class Unsteady(Sessions):
    """Links that are lost again and again."""

    steady = 0


TestUnsteady = Unsteady.TestCase
TestUnsteady.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@pytest.mark.long
def test_any_interleaving_at_length() -> None:
    """The same, ten times as often."""
    much = settings(max_examples=800, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(Sessions, settings=much)
    run_state_machine_as_test(Unsteady, settings=much)


def test_the_reference_is_a_judge_of_its_own() -> None:
    """It and the server import nothing of the library; it has at most 80 lines."""
    for module in (reference, links, honest):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        named = [
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        ]
        assert set(named) <= {"__future__", "base64", "collections", "typing", "reference"}
    assert len(Path(reference.__file__).read_text(encoding="utf-8").splitlines()) <= 80


def test_the_servers_word_for_active() -> None:
    """The model knows the code by itself."""
    from realtime_sync.core.sequencer import ALREADY_ACTIVE

    assert ACTIVE == ALREADY_ACTIVE
