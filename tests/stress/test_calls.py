"""A thousand calls at once: nothing lost, nothing doubled, no thread left.

The seed is printed with a failure; `REALTIME_SYNC_SEED` gives another.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections import Counter
from typing import Any

from realtime_sync import RealtimeSession, ToolContext, ToolError, tool
from realtime_sync.local import LocalServer

TURNS = 50
CALLS = 20  # a turn
ASKERS = 5

# before conftest takes the variables of this name away
_seed = os.environ.get("REALTIME_SYNC_SEED", "1")


class Work:
    """Tools that take a while, fail, hang, or wait for each other; what they have run."""

    def __init__(self) -> None:
        self.ran: Counter[int] = Counter()
        self.serial = threading.Lock()
        self.beside: list[int] = []  # serial calls that ran beside another one
        self._lock = threading.Lock()

    def _count(self, n: int) -> None:
        with self._lock:
            self.ran[n] += 1

    def tools(self) -> list[Any]:
        def quick(n: int, seconds: float) -> int:
            self._count(n)
            threading.Event().wait(seconds)
            return n

        async def awaits(n: int, seconds: float) -> int:
            self._count(n)
            await asyncio.sleep(seconds)
            return n

        def fails(n: int, seconds: float) -> None:
            self._count(n)
            threading.Event().wait(seconds)
            raise (ToolError if n % 2 else ValueError)(str(n))

        @tool(timeout=0.01)
        def hangs(n: int, seconds: float, context: ToolContext) -> int:
            self._count(n)
            context.cancelled.wait(5)
            threading.Event().wait(seconds)
            return n

        @tool(serial=True)
        def alone(n: int, seconds: float) -> int:
            self._count(n)
            if not self.serial.acquire(blocking=False):
                self.beside.append(n)
                return n
            threading.Event().wait(seconds / 4)
            self.serial.release()
            return n

        return [quick, awaits, fails, hangs, alone]


#: Tool -> what the model may get of a call of it; {n} is the call's number.
FAIR = {
    "quick": {"{n}"},
    "awaits": {"{n}"},
    "fails": {"tool_failed", "tool_error"},
    "hangs": {"timeout", "busy"},
    "alone": {"{n}"},
}


def script(server: LocalServer, dice: random.Random) -> dict[int, str]:
    """Queues what the model does; the tool of each call by its number."""
    names: dict[int, str] = {}
    for turn in range(TURNS):
        calls = []
        for n in range(turn * CALLS, (turn + 1) * CALLS):
            name = dice.choices(list(FAIR), weights=[10, 4, 3, 1, 2])[0]
            names[n] = name
            calls.append(server.call(name, n=n, seconds=dice.random() * 0.01))
        server.reply(calls, f"reply {turn}")
    return names


def kind(output: str) -> str:
    try:
        return str(json.loads(output)["error"]["type"])
    except TypeError:
        return output


def test_a_thousand_calls() -> None:
    """50 turns of 20 parallel calls from 5 threads: each call one output, each turn one reply."""
    where = f"REALTIME_SYNC_SEED={_seed}"
    work, replies = Work(), []
    with LocalServer(speed=None, voice="tones") as server:
        names = script(server, random.Random(_seed))
        session = RealtimeSession(
            endpoint=server.endpoint,
            output_modalities=["text"],
            tools=work.tools(),
            tool_threads=16,
        )
        with session:

            def ask() -> None:
                for _ in range(TURNS // ASKERS):
                    replies.append(session.ask("go", timeout=60).text)

            askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join(100)
            session.input_audio_buffer.clear()
            items = session.conversation.items
        received = server.received
    assert sorted(replies) == sorted(f"reply {turn}" for turn in range(TURNS)), where
    assert [event["type"] for event in received].count("response.create") == 2 * TURNS, where
    numbers = {
        item.call_id: json.loads(item.arguments or "")["n"]
        for item in items
        if item.type == "function_call"
    }
    given = [
        (numbers[event["item"]["call_id"]], kind(event["item"]["output"]))
        for event in received
        if event["type"] == "conversation.item.create" and "output" in event["item"]
    ]
    # one for each, in the order of the calls
    assert [n for n, _ in given] == list(numbers.values()), where
    assert sorted(numbers.values()) == list(range(TURNS * CALLS)), where
    wrong = [
        (n, names[n], got)
        for n, got in given
        if got not in {fair.format(n=n) for fair in FAIR[names[n]]}
    ]
    assert wrong == [], where
    busy = {n for n, got in given if got == "busy"}
    assert work.ran == Counter(n for n in range(TURNS * CALLS) if n not in busy), where
    assert work.beside == [], where
    left = [t.name for t in threading.enumerate() if t.name.startswith("realtime-tool")]
    assert left == [], where
