"""What the server's part of a recording says, and when, on a clock that only the test moves."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.errors import RecordingError
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.replay import Replay, Replayed
from realtime_sync.local.script import Script

Wire = dict[str, Any]

EPOCH = 5000.0
HEADER = {"format": "realtime_sync recording", "version": 1}
CREATED = {"type": "session.created", "session": {"id": "s", "model": "m"}}


class Tape:
    """A recording that is made up line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Wire] = [HEADER]
        self.at = 0.0

    def add(self, direction: str, kind: str, after: float = 0.0, **fields: Any) -> int:
        """One event, so many seconds after the last one; its line."""
        self.at += after
        elided = fields.pop("elided", {})
        event = {"type": kind, **fields}
        line = {"at": self.at, "time": 1000 + self.at, "direction": direction, "event": event}
        self.lines.append({**line, "elided": elided})
        return len(self.lines)

    def play(
        self, *, speed: float | None = None, partial: bool = False, end: bool = True
    ) -> Replay:
        """The recording, read."""
        ended = {"at": self.at, "direction": "local", "event": {"type": "recording.ended"}}
        lines = [*self.lines, ended] if end else self.lines
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return Replay(self.path, epoch=lambda: EPOCH, partial=partial)


class Client:
    """Speaks to one link of a recording."""

    def __init__(self, replay: Replay, speed: float | None = None) -> None:
        self.now = 100.0
        self.brain: Replayed = replay.next(Script(), "t", speed, self.now)

    def due(self) -> list[str]:
        """The types of what is said by now."""
        return [e["type"] for events in self.brain.advance(self.now) for e in events]

    def events(self) -> list[Wire]:
        """What is said by now."""
        return [e for events in self.brain.advance(self.now) for e in events]

    def send(self, kind: str, **fields: Any) -> list[Wire]:
        """Sends an event; what is said to it at once."""
        told = self.brain.received({"type": kind, **fields}, self.now)
        return [*told, *self.events()]


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """A recording that begins with `session.created`."""
    made = Tape(tmp_path / "bug.jsonl")
    made.add("received", kind="session.created", session=CREATED["session"])
    return made


def turn(tape: Tape, name: str, *, metadata: Any = None) -> None:
    """A user item, and a response to it that takes a second."""
    item = {"id": f"u_{name}", "type": "message", "role": "user", "content": []}
    tape.add("sent", "conversation.item.create", 1.0, event_id=f"e_{name}", item=item)
    tape.add("sent", "response.create", response={"metadata": metadata} if metadata else {})
    tape.add("received", "conversation.item.added", 0.1, item=item)
    response = {"id": f"r_{name}", "metadata": metadata}
    tape.add("received", "response.created", response=response)
    tape.add("received", "response.output_text.delta", 0.5, response_id=f"r_{name}", delta="Hi")
    done = {**response, "status": "completed"}
    tape.add("received", "response.done", 0.5, response=done)
    tape.add("received", "rate_limits.updated", rate_limits=[])


def test_each_event_waits_for_its_cause(tape: Tape) -> None:
    """What answers an event is said once it has come, and not before; ids are the client's."""
    turn(tape, "1", metadata={"realtime_sync": "tag_1"})
    client = Client(tape.play())
    assert [e["type"] for e in client.brain.hello()] == ["session.created"]
    assert client.due() == []
    assert client.brain.awaited is not None
    assert client.brain.awaited.line == 3
    (added,) = client.send(
        "conversation.item.create",
        event_id="mine",
        item={"id": "own", "type": "message", "role": "user", "content": []},
    )
    assert (added["type"], added["item"]["id"]) == ("conversation.item.added", "own")
    said = client.send("response.create", response={"metadata": {"realtime_sync": "own_tag"}})
    assert [e["type"] for e in said] == [
        "response.created",
        "response.output_text.delta",
        "response.done",
        "rate_limits.updated",
    ]
    assert said[0]["response"]["metadata"] == {"realtime_sync": "own_tag"}
    assert client.brain.due is None
    assert client.brain.awaited is None


def test_time(tape: Tape) -> None:
    """Each event comes as long after its cause as in the recording, divided by the speed."""
    turn(tape, "1")
    client = Client(tape.play(), speed=2.0)
    client.brain.hello()
    client.now += 50
    assert client.due() == []
    item = {"id": "u", "type": "message", "role": "user", "content": []}
    assert client.send("conversation.item.create", item=item) == []
    assert client.send("response.create") == []
    times = []
    while client.brain.due is not None:
        client.now = client.brain.due
        times += [(round(client.now - 150, 3), kind) for kind in client.due()]
    assert times == [
        (0.05, "conversation.item.added"),
        (0.05, "response.created"),
        (0.3, "response.output_text.delta"),
        (0.55, "response.done"),
        (0.55, "rate_limits.updated"),
    ]


def test_another_order(tape: Tape) -> None:
    """What does not depend on each other may come in another order; nobody waits in vain."""
    item = {"id": "a", "type": "message", "role": "user", "content": []}
    system = {"id": "b", "type": "message", "role": "system", "content": []}
    tape.add("sent", "response.create")
    tape.add("received", "response.created", response={"id": "r"})
    tape.add("sent", "conversation.item.create", item=item)
    tape.add("sent", "conversation.item.create", item=system)
    tape.add("received", "conversation.item.added", item=item)
    tape.add("received", "conversation.item.added", item=system)
    tape.add("received", "response.done", response={"id": "r", "status": "completed"})
    client = Client(tape.play())
    client.brain.hello()
    assert [e["type"] for e in client.send("response.create")] == [
        "response.created",
        "response.done",
    ]
    (first,) = client.send("conversation.item.create", item={**system, "id": "x"})
    (second,) = client.send("conversation.item.create", item={**item, "id": "y"})
    assert (first["item"]["role"], first["item"]["id"]) == ("system", "x")
    assert (second["item"]["role"], second["item"]["id"]) == ("user", "y")


def test_what_comes_by_itself(tape: Tape) -> None:
    """Speech and the responses that a server begins follow from the first piece of audio."""
    tape.add("sent", "input_audio_buffer.append", 1.0, audio="")
    tape.add("sent", "input_audio_buffer.append", audio="")
    tape.add("received", "input_audio_buffer.speech_started", 1.0, item_id="u")
    tape.add("received", "input_audio_buffer.committed", 1.0, item_id="u")
    tape.add("received", "response.created", 1.0, response={"id": "r"})
    tape.add("received", "response.done", 1.0, response={"id": "r", "status": "completed"})
    client = Client(tape.play(), speed=1.0)
    client.brain.hello()
    client.now += 60
    assert client.due() == []
    assert client.brain.awaited is not None
    kinds = []
    for _ in range(4):
        assert client.send("input_audio_buffer.append", audio="AA==") == []
        client.now += 1
        kinds += client.due()
    assert kinds == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.committed",
        "response.created",
        "response.done",
    ]


def test_a_manual_commit_is_waited_for(tape: Tape) -> None:
    """`committed` answers a commit where there was one."""
    tape.add("sent", "input_audio_buffer.commit")
    tape.add("received", "input_audio_buffer.committed", item_id="u")
    tape.add("received", "conversation.item.added", item={"id": "u", "role": "user"})
    client = Client(tape.play())
    client.brain.hello()
    assert client.due() == []
    said = client.send("input_audio_buffer.commit")
    assert [e["type"] for e in said] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]


def test_a_cancel(tape: Tape) -> None:
    """A response that the client cancelled runs until it does so again."""
    tape.add("sent", "response.create")
    tape.add("received", "response.created", response={"id": "r"})
    tape.add("sent", "response.cancel")
    tape.add("received", "response.done", response={"id": "r", "status": "cancelled"})
    client = Client(tape.play())
    client.brain.hello()
    assert [e["type"] for e in client.send("response.create")] == ["response.created"]
    assert [e["type"] for e in client.send("response.cancel")] == ["response.done"]


def test_errors_name_the_client_s_event(tape: Tape) -> None:
    """A refusal follows its event, under the name that this client has given it."""
    tape.add("sent", "conversation.item.delete", event_id="e1", item_id="no")
    tape.add("received", "error", error={"code": "item_delete_invalid_item_id", "event_id": "e1"})
    tape.add("received", "error", error={"code": "by_itself"})
    client = Client(tape.play())
    client.brain.hello()
    first, second = client.send("conversation.item.delete", event_id="mine", item_id="no")
    assert first["error"]["event_id"] == "mine"
    assert second["error"]["code"] == "by_itself"


def test_another_configuration(tape: Tape) -> None:
    """A recorded update may be left out, and others are confirmed."""
    tape.add("sent", "session.update", session={"instructions": "a"})
    tape.add("received", "session.updated", session={"id": "s", "instructions": "a"})
    turn(tape, "1")
    without, other = Client(tape.play()), Client(tape.play())
    without.brain.hello()
    item = {"id": "u", "type": "message", "role": "user", "content": []}
    assert [e["type"] for e in without.send("conversation.item.create", item=item)] == [
        "conversation.item.added"
    ]
    other.brain.hello()
    (first,) = other.send("session.update", session={"instructions": "b"})
    (second,) = other.send("session.update", session={"instructions": "c"})
    assert first["session"] == {"id": "s", "instructions": "a"}
    assert second["session"] == {"id": "s", "instructions": "c"}


def test_what_the_recording_does_not_have(tape: Tape) -> None:
    """Another client event is refused, and the error says what is waited for, and where."""
    tape.add("sent", "response.create")
    tape.add("received", "response.created", response={"id": "r"})
    client = Client(tape.play())
    client.brain.hello()
    (refused,) = client.send("conversation.item.delete", event_id="x", item_id="y")
    assert (refused["error"]["code"], refused["error"]["event_id"]) == ("not_in_recording", "x")
    assert "response.create (line 3 of" in refused["error"]["message"]
    assert "bug.jsonl" in refused["error"]["message"]
    for odd in (None, [1], {"no": "type"}):
        (told,) = client.brain.received(odd, 0.0)
        assert told["error"]["code"] == "invalid_event"


def test_audio_that_was_left_out(tape: Tape) -> None:
    """Silence of the same length, in the format of the session, stands for it."""
    session = {"id": "s", "audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    tape.add("received", "response.output_audio.delta", delta="", elided={"delta": 6})
    tape.add("received", "session.updated", session=session)
    tape.add("received", "response.output_audio.delta", delta="", elided={"delta": 6})
    tape.add("received", "response.output_audio.delta", delta="QUJD")
    client = Client(tape.play())
    client.brain.hello()
    sounds = [base64.b64decode(e["delta"]) for e in client.events() if "delta" in e]
    assert sounds == [bytes(6), b"\xff" * 6, b"ABC"]


def test_a_session_ends_as_late_as_it_did(tape: Tape) -> None:
    """`expires_at` is told anew: the recording may be years old."""
    tape.add("received", "session.updated", 5.0, session={"id": "s", "expires_at": 1065})
    client = Client(tape.play())
    client.brain.hello()
    (told,) = client.events()
    assert told["session"]["expires_at"] == EPOCH + 60


def test_a_recording_that_began_in_the_middle(tmp_path: Path) -> None:
    """The client is told what both sides knew by then."""
    tape = Tape(tmp_path / "bug.jsonl")
    session = {"id": "s", "instructions": "Be brief."}
    known = [{"id": "a", "type": "message"}, {"id": "b", "type": "message"}]
    tape.add("local", "recording.began", session=session, items=known)
    tape.add("sent", "response.create")
    tape.add("received", "response.created", response={"id": "r"})
    client = Client(tape.play())
    created, *items = client.brain.hello()
    assert created["session"] == session
    assert [(e["type"], e["item"]["id"], e["previous_item_id"]) for e in items] == [
        ("conversation.item.added", "a", None),
        ("conversation.item.done", "a", None),
        ("conversation.item.added", "b", "a"),
        ("conversation.item.done", "b", "a"),
    ]
    (updated,) = client.send("session.update", session={"voice": "x"})
    assert updated["session"] == {**session, "voice": "x"}
    assert [e["type"] for e in client.send("response.create")] == ["response.created"]


@pytest.mark.parametrize(("code", "over"), [(1012, 1012), (None, 1006), (7, 1006)])
def test_links_that_were_lost(tape: Tape, code: int | None, over: int) -> None:
    """Each link ends as it did, and the next one is another session; there are no more than so."""
    tape.add("sent", "response.create")
    tape.add("local", "connection.lost", 0.5, code=code)
    tape.add("local", "connection.lost", 0.5, code=1006)
    tape.add("received", "session.created", session={"id": "second"})
    replay = tape.play(speed=None)
    client = Client(replay)
    client.brain.hello()
    client.due()
    assert client.brain.over is None
    client.send("response.create")
    assert client.brain.over == (over, "")
    assert client.brain.due is None
    again = Client(replay)
    assert again.brain.hello()[0]["session"]["id"] == "second"
    with pytest.raises(Refusal, match="2 links"):
        Client(replay)


def test_the_beta_is_told_by_its_words(tape: Tape) -> None:
    """A recording of the beta is played to a client that speaks it."""
    assert tape.play().dialect == "ga"
    tape.add("received", "response.text.delta", delta="Hi")
    assert tape.play().dialect == "beta"


def test_recordings_that_are_not_whole(tape: Tape) -> None:
    """A cut or a gap is an error with its line, unless a part will do."""
    tape.add("local", "recording.gap", events=7)
    tape.add("received", "response.created", response={"id": "r"})
    with pytest.raises(RecordingError, match=r"line 3: 7 events are missing.*partial=True") as gap:
        tape.play()
    assert gap.value.line == 3
    tape.lines.pop(2)
    with pytest.raises(RecordingError, match=r"line 4: .*cut"):
        tape.play(end=False)
    client = Client(tape.play(end=False, partial=True))
    client.brain.hello()
    assert client.due() == ["response.created"]


@pytest.mark.parametrize(
    "wrong",
    [{"session": "x"}, {}, {"session": {}, "items": "x"}, {"session": {}, "items": [{}, 5]}],
)
def test_a_beginning_that_cannot_be(tmp_path: Path, wrong: Wire) -> None:
    """What no client could be told is an error before anybody connects, with its line."""
    tape = Tape(tmp_path / "bug.jsonl")
    tape.add("local", "recording.began", **wrong)
    with pytest.raises(RecordingError, match=r"line 2: recording.began: an object") as broken:
        tape.play()
    assert broken.value.line == 2


@pytest.mark.parametrize("odd", [{}, [1], 5, None, True, "x", math.nan])
def test_events_of_other_types(tape: Tape, odd: Any) -> None:
    """What a server said is said again, however odd."""
    inside = {"id": odd, "event_id": odd, "item": odd, "metadata": odd, "content": odd}
    for kind in ("conversation.item.create", "response.create", "session.update", "odd"):
        tape.add("sent", kind, item=odd, response=odd, session=odd, event_id=odd)
        tape.add("sent", kind, item=inside, response=inside, session=inside)
    kinds = ("conversation.item.added", "response.created", "response.done", "error", "odd")
    for kind in (*kinds, "session.updated", "session.created"):
        tape.add("received", kind, item=odd, response=odd, session=odd, error=odd, item_id=odd)
        session = {"expires_at": odd, "audio": odd}
        tape.add("received", kind, item=inside, response=inside, session=session, error=inside)
    replay = tape.play()
    for _ in range(3):
        client = Client(replay)
        client.brain.hello()
        client.due()
        for kind in ("conversation.item.create", "response.create", "session.update", "odd"):
            for _ in range(2):
                client.send(kind, item=odd, response=inside, session=odd)
        assert client.brain.due is None


def test_recordings_without_a_session(tmp_path: Path) -> None:
    """Where nothing was ever said there is nothing to play; a foreign file is none, partly too."""
    tape = Tape(tmp_path / "bug.jsonl")
    tape.add("local", "connection.closed")
    with pytest.raises(RecordingError, match="no session begins"):
        tape.play()
    tape.lines[0] = {"format": "other"}
    with pytest.raises(RecordingError, match="line 1"):
        tape.play(partial=True)
