"""Twenty threads with one session, and a server that refuses at random.

The seed is printed with a failure; `REALTIME_SYNC_SEED` gives another.
"""

from __future__ import annotations

import faulthandler
import os
import random
import threading
from collections import Counter
from typing import Any

import pytest

from realtime_sync import RealtimeSession, items
from realtime_sync.errors import RealtimeTimeout, ServerError
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import monotonic

THREADS = 20
SPEED = 50  # times that of speech: slow enough for a cancel to find something to cancel
LONGEST = 60.0  # seconds that a call may take; none may come near it

# before conftest takes the variables of this name away
_seed = int(os.environ.get("REALTIME_SYNC_SEED", "1"))


class Twenty:
    """The threads, and what became of their calls."""

    def __init__(
        self, session: RealtimeSession, server: LocalServer, seed: int, seconds: float
    ) -> None:
        self.session = session
        self.server = server
        self.wrong: list[str] = []
        self.ended: Counter[str] = Counter()  # (call, how it ended) -> times
        self.longest = 0.0
        self._end = monotonic() + seconds
        self._threads = [
            threading.Thread(target=self._live, args=(random.Random(f"{seed}/{n}"), n), daemon=True)
            for n in range(THREADS)
        ]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        last = self._end + 2 * LONGEST
        for thread in self._threads:
            thread.join(last - monotonic())
            if thread.is_alive():
                self.wrong.append(f"{thread.name} never came back")

    def _live(self, choice: random.Random, number: int) -> None:
        ways = [self.ask] * 4 + [self.create] * 2 + [self.delete] * 2 + [self.cancel, self.refuse]
        turn = 0
        while monotonic() < self._end:
            turn += 1
            way = choice.choice(ways)
            began = monotonic()
            try:
                how = way(f"{number}-{turn}", choice)
            except ServerError as exc:
                how = f"refused: {exc.code}"
            except BaseException as exc:
                self.wrong.append(f"{way.__name__}: {exc!r}")
                how = type(exc).__name__
            self.ended[f"{way.__name__} {how}"] += 1
            self.longest = max(self.longest, monotonic() - began)

    def ask(self, mark: str, choice: random.Random) -> str:
        timeout = choice.random() / 20 if choice.random() < 0.1 else LONGEST
        limit: dict[str, Any] = {"voice": "nobody"} if choice.random() < 0.05 else {}
        try:
            answer = self.session.ask(f"parrot {mark}", timeout=timeout, **limit)
        except RealtimeTimeout:
            if timeout == LONGEST:
                raise
            return "given up"
        if answer.status == "completed" and f'"parrot {mark}"' not in answer.text:
            self.wrong.append(f"{mark} was answered {answer.text!r}")
        return answer.status

    def create(self, _: str, choice: random.Random) -> str:
        how: Any = choice.choice(["queue", "cancel", "skip"])
        apart = {"conversation": "none"} if choice.random() < 0.3 else {}
        response = self.session.response.create(on_active=how, timeout=LONGEST, **apart)
        if response is None:
            return "skipped"
        return response.wait(timeout=LONGEST).status

    def delete(self, mark: str, choice: random.Random) -> str:
        conversation = self.session.conversation
        # no question of anybody's: what the system says
        item = conversation.create(items.system(f"note {mark}"), timeout=LONGEST)
        conversation.delete("item_unknown" if choice.random() < 0.2 else item.id, timeout=LONGEST)
        return "done"

    def cancel(self, *_: Any) -> str:
        return str(self.session.response.cancel(timeout=LONGEST))

    def refuse(self, _: str, choice: random.Random) -> str:
        """The server takes the next creates for one too many."""
        self.server.script.busy(times=choice.randint(1, 3))
        return "put in"


def rush(server: LocalServer, seconds: float, *shown: str) -> None:
    """`shown`: what must have happened, or little was tried."""
    print(f"seed {_seed}; again: REALTIME_SYNC_SEED={_seed} pytest tests/stress")  # noqa: T201
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], turn_detection=None
    ) as session:
        twenty = Twenty(session, server, _seed, seconds)
        twenty.run()
        print(dict(twenty.ended), f"longest {twenty.longest:.2f} s")  # noqa: T201
        assert twenty.wrong == []
        assert twenty.longest < LONGEST
        for way in ("ask completed", *shown):
            assert twenty.ended[way] > 0
        server.script.busy(times=0)
        assert "how are you" in session.ask("how are you", timeout=LONGEST).text
        assert session._look(lambda s: (len(s.sequencer.queue), s.sequencer.turns)) == (0, [])


@pytest.mark.usefixtures("often")
def test_twenty() -> None:
    """Every call ends, every reply belongs to its own question, nothing is left in the queue."""
    with LocalServer(speed=SPEED) as server:
        rush(server, 1.0)


@pytest.mark.long
def test_twenty_for_a_minute() -> None:
    """The same, for sixty seconds."""
    faulthandler.cancel_dump_traceback_later()  # pytest takes a test of a minute for hung
    with LocalServer(speed=SPEED) as server:
        rush(server, 60.0, "create completed", "delete done", "cancel True", "refuse put in")
