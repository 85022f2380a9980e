from __future__ import annotations

import base64
import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, Response
from realtime_sync.errors import RealtimeTimeout
from realtime_sync.local import LocalServer

from .peers import Link, Peer

LIMIT = 15.0


class Speaker:
    """Says a response event by event."""

    def __init__(self, bare: RealtimeSession, link: Link) -> None:
        self.link = link
        self.session = bare
        link.say("response.created", response={**link.response({}, "r"), **self.audio("audio/pcm")})
        self.response: Response = self.arrived()

    @staticmethod
    def audio(kind: str) -> dict[str, Any]:
        return {"audio": {"output": {"format": {"type": kind}}}}

    def arrived(self) -> Any:
        """Returns once all that was said has been taken in."""
        with self.session.expect("input_audio_buffer.cleared") as pending:
            self.link.say("input_audio_buffer.cleared")
        pending.result(timeout=LIMIT)
        return self.session.response.active

    def delta(self, text: str | bytes, item: int = 0) -> None:
        where = {
            "response_id": "r",
            "item_id": f"i{item}",
            "output_index": item,
            "content_index": 0,
        }
        if isinstance(text, bytes):
            data = base64.b64encode(text).decode()
            self.link.say("response.output_audio.delta", **where, delta=data)
        else:
            self.link.say("response.output_text.delta", **where, delta=text)

    def done(self, *texts: str, status: str = "completed") -> None:
        output = [
            {
                "id": f"i{n}",
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text}],
            }
            for n, text in enumerate(texts)
        ]
        self.link.say("response.done", response={"id": "r", "status": status, "output": output})


@pytest.fixture
def speaker(bare: RealtimeSession, peer: Peer) -> Speaker:
    return Speaker(bare, peer.link())


def test_followers_see_everything(speaker: Speaker) -> None:
    """Each iterator sees everything from the beginning, however late it starts; several at once."""
    early = speaker.response.text_deltas()
    speaker.delta("one ")
    assert next(early) == "one "
    speaker.delta("two ")
    speaker.arrived()
    late = speaker.response.text_deltas()
    assert next(late) == "one "
    speaker.done("one two ")
    assert list(early) == ["two "]
    assert list(late) == ["two "]
    assert list(speaker.response.text_deltas()) == ["one ", "two "]
    kinds = [event.type for event in speaker.response]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.done"


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete", "cancelled", "new one"])
def test_followers_end_whatever_the_status(status: str, speaker: Speaker) -> None:
    """Iterators end at response.done whatever the status."""
    speaker.delta("x")
    speaker.done("x", status=status)
    assert list(speaker.response.text_deltas()) == ["x"]
    assert list(speaker.response.audio_chunks()) == []
    assert speaker.response.wait().status == status


def test_iterator_timeout(speaker: Speaker) -> None:
    """After a timeout an iterator can be continued."""
    deltas = speaker.response.text_deltas(timeout=0.01)
    for _ in range(3):
        with pytest.raises(RealtimeTimeout):
            next(deltas)
    speaker.delta("x")
    speaker.arrived()
    assert next(deltas) == "x"


@pytest.mark.row("B15")
def test_whole_samples(speaker: Speaker) -> None:
    """audio_chunks() yields whole samples though deltas end inside them; .audio is as received."""
    for piece in (b"\1", b"\2\3", b"", b"\4\5", b"\6"):
        speaker.delta(piece)
    speaker.done()
    assert list(speaker.response.audio_chunks()) == [b"\1\2", b"\3\4", b"\5\6"]
    assert speaker.response.audio == b"\1\2\3\4\5\6"


def test_bytes_are_samples_in_g711(bare: RealtimeSession, peer: Peer) -> None:
    """Where the response does not name its format, the session's counts: a byte is a sample."""
    link = peer.link()
    audio = Speaker.audio("audio/pcmu")
    link.say("session.updated", session={"id": "s", **audio})
    speaker = Speaker.__new__(Speaker)
    speaker.link, speaker.session = link, bare
    link.say("response.created", response=link.response({}, "r"))
    speaker.response = speaker.arrived()
    speaker.delta(b"\1")
    speaker.done()
    assert list(speaker.response.audio_chunks()) == [b"\1"]


def test_text_joins_messages(speaker: Speaker) -> None:
    """.text joins several messages as they stream; in the end it is the server's."""
    speaker.delta("a", item=0)
    speaker.delta("c", item=1)
    speaker.delta("b", item=0)
    speaker.arrived()
    assert speaker.response.text == "abc"
    speaker.done("A", "C")
    assert speaker.response.wait().text == "AC"


def test_output_is_a_snapshot(speaker: Speaker) -> None:
    """.output is a snapshot at each access."""
    speaker.delta("a")
    speaker.arrived()
    before = speaker.response.output
    speaker.delta("b")
    speaker.arrived()
    assert before[0].text == "a"
    assert speaker.response.output[0].text == "ab"


@pytest.mark.row("C13")
def test_iterating_from_two_threads(speaker: Speaker) -> None:
    """Two threads with an iterator each see the same."""
    got: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: got.append(list(speaker.response.text_deltas())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for n in range(50):
        speaker.delta(str(n))
    speaker.done()
    for thread in threads:
        thread.join(LIMIT)
    assert got == [[str(n) for n in range(50)]] * 4


def test_wait_in_a_callback(session: RealtimeSession, server: LocalServer) -> None:
    """wait() works inside a callback of the very response."""
    done = threading.Event()
    statuses: list[str] = []

    def heard(event: Any) -> None:
        statuses.append(session.response.get(event.response.id).wait(timeout=LIMIT).status)
        done.set()

    session.once("response.created", heard)
    session.ask("hello")
    assert done.wait(LIMIT)
    assert statuses == ["completed"]


def test_repr(speaker: Speaker) -> None:
    """The repr says id, status and the beginning of the text."""
    speaker.delta("x" * 50)
    speaker.arrived()
    assert repr(speaker.response) == f"<Response r in_progress, {'x' * 40!r}…>"


def test_handles(speaker: Speaker) -> None:
    """A response has one handle, equal by identity, and may be a key."""
    assert speaker.session.response.get("r") is speaker.response
    assert {speaker.response: 1}[speaker.session.response.active] == 1


@pytest.mark.row("C4")
@pytest.mark.parametrize("timeout", [-1, True, "5", float("nan")])
def test_bad_timeouts(timeout: Any, speaker: Speaker) -> None:
    """Timeouts are checked before anything is waited for (C4)."""
    for call in (
        speaker.response.wait,
        speaker.response.text_deltas,
        speaker.response.audio_chunks,
    ):
        with pytest.raises((TypeError, ValueError)):
            call(timeout=timeout)


def test_polling_leaves_nothing_behind(speaker: Speaker) -> None:
    """Whoever polls a response that stands still leaves no waiter behind each time."""
    deltas = speaker.response.text_deltas(timeout=0)
    for _ in range(20):
        with pytest.raises(RealtimeTimeout):
            next(deltas)
        with pytest.raises(RealtimeTimeout):
            speaker.response.wait(timeout=0)
    record = speaker.response._record
    assert record.waiters == record.enders == []
