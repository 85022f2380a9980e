"""What the page keeps of sessions, and what a viewer is told of it."""

from __future__ import annotations

import json
import threading
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings

from realtime_sync.local.page import ledger as ledgers
from realtime_sync.local.page.ledger import CLOSED_KEPT, Ledger
from realtime_sync.local.page.news import News
from realtime_sync.local.page.sheet import EVENTS_KEPT, Sheet

from .test_excerpt import JSON

Wire = dict[str, Any]


class Clock:
    """Stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(lock=threading.Lock(), clock=clock, epoch=lambda: 1.7e9)


def begun(ledger: Ledger) -> Sheet:
    return ledger.begin(kind="realtime", model="m", dialect="ga")


def told(news: News) -> Wire:
    """The next message; empty where there is none."""
    message = news.message()
    return {} if message is None else dict(json.loads(message))


def numbers(message: Wire) -> list[int]:
    return [event[0] for event in message["chosen"]["events"]]


def test_a_session(ledger: Ledger, clock: Clock) -> None:
    """What is told of a session: whose it is, what goes each way, how its response stands."""
    sheet = begun(ledger)
    news = News(ledger)
    sheet.told({"type": "session.created", "session": {"id": "sess_1", "model": "gpt"}})
    sheet.heard({"type": "response.create"})
    sheet.told({"type": "response.created", "response": {"id": "r"}})
    (session,) = told(news)["sessions"]
    assert (session["label"], session["model"], session["kind"]) == ("sess_1", "gpt", "realtime")
    assert (session["client"], session["server"]) == (1, 2)
    assert (session["response"], session["open"], session["date"]) == ("in_progress", True, 1.7e12)
    assert told(news) == {}
    sheet.told({"type": "response.done", "response": {"id": "r", "status": "cancelled"}})
    sheet.told({"type": "input_audio_buffer.speech_started"})
    (session,) = told(news)["sessions"]
    assert (session["response"], session["speaking"]) == ("cancelled", True)
    clock.now += 3
    sheet.leave()
    (session,) = told(news)["sessions"]
    assert (session["open"], session["lasted"], session["speaking"]) == (False, 3000, False)


def test_sound_holds_up_nobody(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long sound takes to look at, nobody who wants the lock waits for it."""
    looked = []

    def peaks(pcm: bytes, size: int) -> bytes:
        assert ledger.lock.acquire(blocking=False)  # type: ignore[attr-defined]
        ledger.lock.release()  # type: ignore[attr-defined]
        looked.append(len(pcm))
        return bytes(len(pcm) // 2 // size)

    monkeypatch.setattr("realtime_sync.local.page.lane.peaks", peaks)
    sheet = begun(ledger)
    append = {"type": "input_audio_buffer.append", "audio": "AAAA" * 3200}
    sheet.heard(append)
    sheet.heard(
        {
            "type": "conversation.item.create",
            "item": {"content": [{**append, "type": "input_audio"}]},
        }
    )
    sheet.told({"type": "response.output_audio.delta", "delta": "AAAA" * 3200})
    assert len(looked) == 3


def test_events(ledger: Ledger, clock: Clock) -> None:
    """Of the chosen session a viewer is told every event once: number, time, gap, who, what."""
    sheet, other = begun(ledger), begun(ledger)
    news = News(ledger, sheet.number)
    clock.now += 0.5
    sheet.heard({"type": "response.create"})
    clock.now += 0.25
    sheet.told({"type": "error", "error": {"message": "no"}})
    other.heard({"type": "response.create"})
    assert told(news)["chosen"]["events"] == [
        [1, 500.0, 500.0, "client", "response.create", "", {"type": "response.create"}],
        [2, 750, 250, "server", "error", "no", {"type": "error", "error": {"message": "no"}}],
    ]
    other.heard({"type": "response.create"})
    assert told(news)["chosen"]["events"] == []
    sheet.heard(None)
    assert told(news)["chosen"]["events"][0][3:5] == ["client", "?"]


def test_sound_and_turns(ledger: Ledger) -> None:
    """With the events goes what they mean: spans, turns, sound; only what has changed."""
    sheet = begun(ledger)
    news = News(ledger, sheet.number)
    sheet.heard({"type": "response.create"})
    sheet.told({"type": "response.created", "response": {"id": "r"}})
    delta = {"type": "response.output_audio.delta", "response_id": "r", "delta": "AAAA" * 400}
    sheet.told(delta)
    chosen = told(news)["chosen"]
    assert [one["kind"] for one in chosen["spans"]] == ["response"]
    assert [one["responses"] for one in chosen["turns"]] == [1]
    assert list(chosen["output"]) == ["0"]
    sheet.heard({"type": "input_audio_buffer.clear"})
    chosen = told(news)["chosen"]
    assert (chosen["spans"], chosen["turns"], chosen["output"]) == ([], [], {})


def test_a_flood(ledger: Ledger) -> None:
    """Of 10,000 events the last 2,000 are kept; a viewer who comes late has these."""
    sheet = begun(ledger)
    tracemalloc.start()
    for n in range(10_000):
        sheet.told({"type": "response.output_text.delta", "delta": str(n)})
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    news, found = News(ledger, sheet.number), []
    while news.more:
        message = told(news)
        assert len(json.dumps(message)) < 300_000
        assert message["chosen"]["total"] == 10_000
        found += numbers(message)
    assert found == list(range(10_000 - EVENTS_KEPT + 1, 10_001))
    assert kept < 3 << 20


def test_long_events_are_fewer(ledger: Ledger) -> None:
    """A session keeps no more than a mebibyte of events."""
    sheet = begun(ledger)
    for _ in range(500):
        sheet.heard({"type": "x", "texts": ["long" * 200] * 50})
    assert sheet.size <= 1 << 20
    assert len(sheet.events(0, 1 << 30)[0]) > 50


def test_many_sessions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """All sessions together are bounded too: the one that has most gives up half of it."""
    monkeypatch.setattr(ledgers, "_SIZE_KEPT", 100_000)
    small = begun(ledger)
    small.heard({"type": "x"})
    for _ in range(200):
        sheet = begun(ledger)
        for _ in range(20):
            sheet.heard({"type": "x", "text": "y" * 100})
    assert sum(one.size for one in ledger.sheets.values()) <= 100_000
    assert len(ledger.sheets) == 201
    assert small.events(0, 1000)[1] == 1


def test_those_that_have_ended(ledger: Ledger) -> None:
    """Of sessions that have ended the last hundred are kept; viewers are told which have gone."""
    news = News(ledger)
    first = begun(ledger)
    assert [one["n"] for one in told(news)["sessions"]] == [1]
    still = begun(ledger)
    first.leave()
    for _ in range(CLOSED_KEPT):
        begun(ledger).leave()
    message = told(news)
    assert message["gone"] == [1]
    assert len(message["sessions"]) == CLOSED_KEPT + 1
    assert still.number in ledger.sheets


def test_a_chosen_one_that_is_not_there(ledger: Ledger) -> None:
    """Who looks at a session that has gone is told of the others."""
    sheet = begun(ledger)
    news = News(ledger, 77)
    assert [one["n"] for one in told(news)["sessions"]] == [sheet.number]
    assert not news.more


@settings(max_examples=50)
@given(JSON)
def test_whatever_clients_say(value: Any) -> None:
    """No event of a client's, whatever it is, hurts the session or the viewer."""
    ledger = Ledger(lock=threading.Lock(), clock=Clock(), epoch=lambda: 0.0)
    sheet = begun(ledger)
    kinds = ("conversation.item.create", "response.create", "input_audio_buffer.append", "x")
    for event in (value, *({"type": kind, "item": value, "audio": value} for kind in kinds)):
        sheet.heard(event)
    for kind in (*sheet.waveform._TAKEN, *sheet.timings._TAKEN):
        sheet.told({"type": kind, "response": value, "session": value, "item_id": value})
        sheet.told({"type": kind, "delta": value, "audio_start_ms": value, "error": value})
    assert numbers(told(News(ledger, sheet.number)))[0] == 1
