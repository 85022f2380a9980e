"""Random nests of tools that ask the model, in a core alone; the tools' threads are imagined.

Each question has calls for an answer, each call asks questions in turn, and who moves next is
drawn. Says of each response whether its own question was the newest one that was open.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from realtime_sync.core import effects as fx
from realtime_sync.core.state import SessionState
from realtime_sync.core.turns import Turn
from realtime_sync.errors import ConnectionLost
from realtime_sync.events.client import ConversationItemCreate
from realtime_sync.events.codec import dump, parse
from realtime_sync.events.items import Item
from realtime_sync.items import sendable
from realtime_sync.tools.execution import Refused, Task, ToolThreads

from .honest import Honest

Wire = dict[str, Any]


class Threads(ToolThreads):
    """Who may run when is the library's own rule; that they run, the nest says."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.begun: list[Task] = []

    def _start(self, tasks: list[Task]) -> None:
        self.begun += tasks

    def over(self, task: Task) -> None:
        del self._running[task]
        self._start(self._startable())


class Nest:
    """One root question, and all that follows from it.

    Args:
        seed: Of what is drawn.
        serial: Some tools run one call at a time.
        threads: Tools that run at a time, at each depth; None: drawn, from 1 on.
        faults: How often, of all steps, a turn is given up, a tool's time over, or a link lost.
    """

    def __init__(
        self, seed: int, *, serial: bool, threads: int | None = None, faults: float = 0
    ) -> None:
        self.draw = draw = random.Random(seed)
        names = [f"tool_{n}" for n in range(draw.randint(1, 4))]
        part = draw.choice([0.3, 0.6, 1]) if serial else 0
        self.names, self.serial = names, [name for name in names if draw.random() < part]
        self.faults = faults
        limit = threads or draw.randint(1, 4)
        self.threads = Threads(limit)
        self.count = 0
        self.state = SessionState(
            new_key=lambda: self.name("e"),
            new_item_id=lambda: self.name("item_"),
            sendable=sendable,
        )
        self.state.calls.set_tools(frozenset(names), frozenset(), frozenset(self.serial))
        self.state.sequencer.threads = limit
        self.left = 20  # calls that may still be made
        self.turns: dict[str, Turn] = {}
        self.answers: dict[str, list[list[str]]] = {}  # question -> names of calls, by round
        self.settled: dict[str, str | None] = {}  # question -> how it ended; None: not yet
        self.asked: list[str] = []  # questions, as they went out
        self.mixed: list[tuple[str, str]] = []  # (asked for a response, newest open question)
        self.ran: Counter[str] = Counter()
        self.calls: dict[str, tuple[fx.Call, Task]] = {}  # not answered yet
        self.inside: dict[Task, tuple[Iterator[list[str]], list[str]]] = {}  # running; wait for
        self.retries = 0
        self.meet()
        self.ask("root", None, None, calls=draw.randint(2, 5))

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def meet(self) -> None:
        """A new server."""
        self.server = Honest(self.count + 1000 * len(self.asked))
        self.server.said.append({"type": "session.created"})

    def ask(self, key: str, parent: Turn | None, caller: str | None, calls: int) -> None:
        rounds = self.draw.choice([1, 1, 1, 2]) if calls else 0
        self.left -= calls * rounds
        made = [[self.draw.choice(self.names) for _ in range(calls)] for _ in range(rounds)]
        self.answers[key], self.settled[key] = made, None
        text = [{"type": "input_text", "text": key}]
        said: Wire = {"id": f"{key}_asked", "type": "message", "role": "user", "content": text}
        item = ConversationItemCreate(event_id=f"{key}_said", item=Item.model_validate(said))
        params = {"metadata": {"turn": key}}
        turn = Turn(key, params=params, items=(item,), parent=parent, caller=caller)
        turn.awaited = True
        self.turns[key] = turn
        self.state.begin(turn)
        self.carry_out()

    def carry_out(self) -> None:
        for effect in self.state.take():
            match effect:
                case fx.Send(event):
                    self.send(json.loads(dump(event)))
                case fx.Settle(key) | fx.Reject(key) if key in self.settled:
                    assert self.settled[key] is None
                    self.settled[key] = type(effect).__name__
                case fx.Call():
                    self.call(effect)
                case fx.Interrupted(call_ids, True):
                    for call_id in call_ids:
                        _, task = self.calls.get(call_id, (None, None))
                        if task is not None and self.threads.withdraw(task):
                            self.answer(call_id)
                case fx.Retry():
                    self.retries += 1

    def send(self, event: Wire) -> None:
        self.server.heard.append(event)
        if event["type"] == "response.create":
            key = event["response"]["metadata"]["turn"]
            newest = [asked for asked in self.asked if not self.turns[asked].done][-1]
            if newest != key:
                self.mixed.append((key, newest))
        elif event["event_id"].endswith("_said"):
            self.asked.append(event["event_id"].removesuffix("_said"))

    def call(self, call: fx.Call) -> None:
        self.ran[call.call_id] += 1
        callers = call.turn.callers
        task = Task(
            call.name,
            lambda: None,
            lambda _: self.answer(call.call_id),
            depth=len(callers),
            callers=frozenset(callers),
            call_id=call.call_id,
            serial=call.name in self.serial,
        )
        self.calls[call.call_id] = (call, task)
        try:
            self.threads.submit(task)
        except Refused:
            self.answer(call.call_id)

    def answer(self, call_id: str) -> None:
        if self.calls.pop(call_id, None) is not None:
            self.state.calls.finished(call_id, "out", respond=True)
            self.carry_out()

    def run_tool(self, call: fx.Call) -> Iterator[list[str]]:
        """What it asks, at times two questions at once; each time it waits for the answers."""
        for _ in range(self.draw.choice([0, 1, 1, 1, 2])):
            keys = [self.name("N") for _ in range(self.draw.choice([1] * 6 + [2]))]
            for key in keys:
                few = len(call.turn.callers) < 3 and self.left > 0
                calls = self.draw.choice([0, 1, 1, 1, 2, 3]) if few else 0
                self.ask(key, call.turn, call.call_id, calls)
            yield keys

    # --- one step

    def begin(self) -> None:
        task = self.threads.begun.pop(self.draw.randrange(len(self.threads.begun)))
        if task._call_id in self.calls:
            call, _ = self.calls[task._call_id]
            self.inside[task] = (self.run_tool(call), [])
        else:
            self.inside[task] = (iter(()), [])
        self.go_on(task)

    def go_on(self, task: Task) -> None:
        steps, _ = self.inside[task]
        keys = next(steps, None)
        if keys is not None:
            self.inside[task] = (steps, keys)
            return
        del self.inside[task]
        self.answer(task._call_id)
        self.threads.over(task)

    def respond(self) -> None:
        active = self.server.active or ""
        rounds = self.answers[self.server.running[active].told["metadata"]["turn"]]
        names = tuple(rounds.pop(0)) if rounds else ()
        self.server.progress(active, *(self.name("call_") for _ in names), names=names)

    def deliver(self) -> None:
        self.state.received(parse(json.dumps(self.server.said.popleft())), float(self.count))
        self.carry_out()

    def fail(self) -> None:
        """Something goes wrong."""
        pending = [key for key, how in self.settled.items() if how is None and key != "root"]
        running = [task for task in self.inside if task._call_id in self.calls]
        what = self.draw.choice(["asker", "tool", "link"])
        if what == "asker" and pending:
            key = self.draw.choice(pending)
            self.settled[key] = "given up"
            self.state.give_up(key)
        elif what == "tool" and running:
            task = self.draw.choice(running)
            self.answer(task._call_id)
            self.threads.abandon(task)
        elif what == "link":
            self.state.unlinked(ConnectionLost("cut"), [])
            self.meet()
        self.carry_out()

    def run(self) -> None:
        """Until nothing moves any more."""
        while moves := self.moves():
            self.draw.choice(moves)()
            if self.draw.random() < self.faults:
                self.fail()

    def moves(self) -> list[Callable[[], None]]:
        """What may happen next."""
        able = [t for t, (_, keys) in self.inside.items() if all(map(self.settled.get, keys))]
        now = [
            *([self.server.step] if self.server.heard else []),
            *([self.deliver] if self.server.said else []),
            *([self.respond] if self.server.active else []),
            *([self.begin] if self.threads.begun else []),
            *([lambda: self.go_on(self.draw.choice(able))] if able else []),
        ]
        return now or ([self.retry] if self.retries else [])

    def retry(self) -> None:
        self.retries -= 1
        self.state.retry()
        self.carry_out()
