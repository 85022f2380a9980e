from __future__ import annotations

import pytest
from pipe import LIMIT, Line, arrived, gate, greeted, settled

from realtime_sync import ReconnectPolicy, connect_translation
from realtime_sync.local import LocalServer

from .conftest import Opener


def test_of_a_session(make: Opener, server: LocalServer) -> None:
    """Responses by status, the spread of their timings, usage, and what went over the wire."""
    session = make()
    sent: list[str] = []
    came: list[str] = []
    session.tap(lambda way, event: (sent if way == "sent" else came).append(event["type"]))
    assert session.stats().responses == {}
    assert session.stats().state == "new"
    server.reply("One.", RuntimeError("hiccups"), "Three.")
    with session:
        session.ask("a")
        with pytest.raises(Exception, match="hiccups"):
            session.ask("b")
        last = session.ask("c")
        stats = session.stats()
    assert stats.state == "open"
    assert stats.responses == {"completed": 2, "failed": 1}
    assert stats.usage == session.usage
    assert stats.timings["done"].count == 3
    assert stats.timings["first_text"].count == 2
    assert "first_audio" not in stats.timings
    assert last.metrics is not None
    assert 0 < stats.timings["first_text"].p50 <= stats.timings["done"].max
    assert stats.timings["done"].max >= (last.metrics.done or 0)
    over = session.stats()
    assert (over.state, over.responses) == ("closed", stats.responses)
    assert (over.events_sent, over.events_received) == (len(sent), len(came))
    assert (over.unknown_events, over.reconnects, over.queued_bytes) == (0, 0, 0)


def test_what_no_model_knows(line: Line) -> None:
    """Unknown, malformed and unparsable messages are counted."""
    session, pipe = line.open()
    before = session.stats()
    pipe.say({"type": "brand.new"}, {"type": "response.done", "response": 5})
    pipe.say_text("no JSON")
    pipe.binary()
    settled(session, pipe)
    assert session.stats().unknown_events - before.unknown_events == 5  # the marker is one more


def test_over_links(line: Line) -> None:
    """A response that is lost is counted as that, and the link that takes over."""
    session = line.session(reconnect=ReconnectPolicy(delays=(0, 0), jitter=0))
    first, second = greeted(), greeted()
    line.plan(first, second)
    session.open()
    first.begin(None, "r1")
    settled(session, first)
    with session.expect("connection.restored") as restored:
        first.cut()
        restored.result(timeout=LIMIT)
    stats = session.stats()  # who hears of the link counts it
    assert (stats.reconnects, stats.responses) == (1, {"lost": 1})


def test_what_waits_to_be_sent(line: Line) -> None:
    """Bytes that the network does not take are seen."""
    session, pipe = line.open()
    pipe.stall()
    session.input_audio_buffer.append(bytes(48_000))
    arrived(session, pipe)
    assert session.stats().queued_bytes > 60_000
    pipe.flow()


def test_what_is_on_its_way(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the queue has no longer, and the link not yet, waits as well."""
    session, pipe = line.open()
    with gate() as held:
        send = pipe.send
        monkeypatch.setattr(pipe, "send", lambda payload: (held(), send(payload)))
        session.input_audio_buffer.append(bytes(48_000))
        held.wait()
        assert session.stats().queued_bytes > 60_000
    arrived(session, pipe)
    assert session.stats().queued_bytes == 0


def test_callbacks_that_are_too_slow(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltas that a callback has lost are counted."""
    monkeypatch.setattr("realtime_sync.runtime.inbox.MAX_EVENTS", 10)
    session, pipe = line.open(dispatcher="manual")
    session.on("response.output_text.delta", lambda event: None)
    for number in range(50):
        pipe.say({"type": "response.output_text.delta", "response_id": "r", "delta": str(number)})
    arrived(session, pipe)
    assert session.stats().dropped_deltas > 0


def test_of_other_sessions(server: LocalServer) -> None:
    """Sessions without responses have them too."""
    with connect_translation("es", endpoint=server.endpoint) as session:
        assert session.stats().events_received > 0
        assert session.stats().responses == {}
