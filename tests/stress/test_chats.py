"""Many threads do everything to a few chats at once, while threads come and go between turns."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pipe import LIMIT, Task
from text.api import Api, called, chunk, cut_after, refused, said, streamed

from realtime_sync.errors import RealtimeError
from realtime_sync.text import ChatSession

pytestmark = pytest.mark.usefixtures("often")

THREADS = 8


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as running:
        yield running


def answer(dice: random.Random) -> Any:
    """What the API does next."""
    words = [chunk({"content": f"{n} "}) for n in range(dice.randrange(6))]
    return dice.choice(
        [
            said("Hi."),
            streamed(*words, chunk(finish="stop")),
            called((f"c{dice.random()}", "add", {"a": 1, "b": 2})),
            refused(500),
            cut_after(*words),
        ]
    )


def act(session: ChatSession, dice: random.Random) -> None:
    """One thing that a user might do; what the API refuses is no news."""
    what = dice.randrange(7)
    try:
        if what < 2:
            session.ask("Hello?", timeout=LIMIT)
        elif what == 2:
            list(session.stream("Hello?", timeout=LIMIT))
        elif what == 3:
            with session.stream("Hello?", timeout=LIMIT) as stream:
                next(stream, None)
        elif what == 4:
            session.interrupt()
        elif what == 5:
            session.conversation.create("By the way.", timeout=LIMIT)
        else:
            session.ask("Quick!", timeout=dice.choice([0, 0.001, 0.01]))
    except RealtimeError:
        pass


def work(sessions: list[ChatSession], seed: int, count: int) -> None:
    dice = random.Random(seed)
    for _ in range(count):
        act(dice.choice(sessions), dice)


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 6), pytest.param(2, 80, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_many_threads(api: Api, seed: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing hangs, nothing is left, and whatever each chat holds is a whole conversation."""
    dice = random.Random(seed)
    sessions = [
        ChatSession("gpt-text", base_url=api.url, max_retries=0, tools=[add]) for _ in range(3)
    ]
    api.plan(*[answer(dice) for _ in range(THREADS * count * 3)])
    tasks = [Task(work, sessions, seed * 1000 + n, count) for n in range(THREADS)]
    for task in tasks:
        task.result(30 + count)
    for session in sessions:
        api.answers.clear()
        assert session.ask("Still there?").text == "Hello."  # behind all that was given up
        calls = [item.call_id for item in session.history if item.type == "function_call"]
        there = [item.call_id for item in session.history if item.type == "function_call_output"]
        assert sorted(map(str, calls)) == sorted(map(str, there))
    ours = [t for t in threading.enumerate() if t.name.startswith("realtime-")]
    for thread in ours:
        thread.join(LIMIT)
    assert [t.name for t in threading.enumerate() if t.name.startswith("realtime-")] == []
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []
    for session in sessions:
        session.close()
