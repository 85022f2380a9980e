"""Guardrails, slow and quick ones, beside many turns."""

from __future__ import annotations

import random
import threading

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

SEED = 5


@pytest.mark.parametrize("turns", [40, pytest.param(400, marks=pytest.mark.long)])
def test_trips_beside_turns(turns: int) -> None:
    """Every turn ends; each response is stopped once at most, and only where a text was bad."""
    chance = random.Random(SEED)  # no secret
    wait = threading.Event()  # never set
    told: list[tuple[str, str]] = []
    with LocalServer(speed=None) as server:
        session = RealtimeSession(
            endpoint=server.endpoint, output_modalities=["text"], turn_detection=None
        )
        session.on("guardrail.tripped", lambda e: told.append((e.response_id, e.text)))
        for delay in (0.0, 0.002, 0.01):

            @session.guardrail(every_chars=5, correction="Mend it." if delay else None)
            def read(text: str, delay: float = delay) -> bool:
                wait.wait(delay)
                return "bad" in text

        with session:
            for number in range(turns):
                words = f"turn {number} is " + chance.choice(["good", "bad, very bad"]) * 3
                server.reply(words)
                if chance.random() < 0.5:
                    answer = session.ask(f"{number}", timeout=20)
                else:
                    answer = session.submit(f"{number}").result(timeout=20)
                assert answer.status in ("completed", "cancelled"), f"seed {SEED}, turn {number}"
    assert len({response_id for response_id, _ in told}) == len(told)
    assert all("bad" in text for _, text in told)
    assert told
