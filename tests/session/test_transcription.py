"""Speech in, text out: `connect_transcription`, against the embedded server and a scripted peer."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync import (
    ItemTranscript,
    RealtimeSession,
    ReconnectPolicy,
    Transcript,
    TranscriptionSession,
    connect_transcription,
    upload,
)
from realtime_sync.audio import write_wav
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionLost,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
)
from realtime_sync.local import LocalServer

from .peers import CREATED, Link, Peer

LIMIT = 15.0
WORDS = "conversation.item.input_audio_transcription."


def speech(*seconds: float, rate: int = 24000) -> np.ndarray[Any, Any]:
    """Stretches of sound with pauses of 0.6 s between them."""
    parts = []
    for one in seconds:
        parts += [np.sin(np.arange(int(one * rate)) / 5) * 8000, np.zeros(int(0.6 * rate))]
    return np.concatenate(parts).astype(np.int16)


@pytest.fixture
def session(server: LocalServer) -> Iterator[TranscriptionSession]:
    """An open one, which commits by itself."""
    with connect_transcription(endpoint=server.endpoint) as opened:
        yield opened


@pytest.fixture
def scripted(peer: Peer) -> Iterator[tuple[TranscriptionSession, Link]]:
    """One whose server the test is."""
    policy = ReconnectPolicy(delays=(0,), jitter=0)
    made = TranscriptionSession(endpoint=peer.endpoint, ping_interval=None, reconnect=policy)
    opening = threading.Thread(target=made.open)
    opening.start()
    link = welcome(peer)
    opening.join(LIMIT)
    yield made, link
    made.close(timeout=1)


def welcome(peer: Peer) -> Link:
    """The next link, on which the configuration is confirmed."""
    link = peer.link()
    held = link.hear("session.update")["session"]
    link.say("session.updated", session={**CREATED["session"], **held})
    return link


def cut(link: Link) -> None:
    """The link is gone."""
    link.connection.socket.shutdown(socket.SHUT_RDWR)
    link.over.set()


class Asking(threading.Thread):
    """A call on a thread of its own."""

    def __init__(self, call: Any) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.value: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._call()
        except BaseException as exc:  # shown by the test
            self.error = exc

    def result(self) -> Any:
        self.join(LIMIT)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.value


# --- what is sent


def test_it_connects_without_a_model(peer: Peer) -> None:
    """?intent=transcription, and a typed update; the live models get turn_detection null."""
    made = TranscriptionSession(
        language="de", delay="low", logprobs=True, endpoint=peer.endpoint, ping_interval=None
    )
    opening = Asking(made.open)
    link = peer.link()
    assert link.path == "/v1/realtime?intent=transcription"
    assert link.hear("session.update")["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "transcription": {
                    "model": "gpt-realtime-whisper",
                    "language": "de",
                    "delay": "low",
                },
                "turn_detection": None,
            }
        },
        "include": ["item.input_audio_transcription.logprobs"],
    }
    link.say("session.updated", session={"id": "s", "type": "transcription"})
    assert opening.result() is made
    made.close()


def test_other_models_keep_the_servers_turn_detection(server: LocalServer) -> None:
    """Nothing is said of turn detection where the model takes it; it can be switched off."""
    with connect_transcription("gpt-4o-transcribe", endpoint=server.endpoint) as one:
        held: Any = one.config.audio
        assert held.input.turn_detection.type == "server_vad"
        # 200 ms of silence end what it takes for speech; the rest is committed at the end
        assert one.transcribe(speech(1.0)).text == "[speech, 1.2 s] [speech, 0.4 s]"
        one.update(turn_detection=None, language="en")
        held = one.config.audio
        assert held.input.turn_detection is None
        heard = held.input.transcription
        assert (heard.model, heard.language) == ("gpt-4o-transcribe", "en")


def test_a_config_is_beaten_by_fields(server: LocalServer) -> None:
    """`config` gives what the fields do not."""
    config = {"audio": {"input": {"transcription": {"model": "whisper-1", "language": "fr"}}}}
    with connect_transcription("gpt-4o-transcribe", config=config, endpoint=server.endpoint) as one:
        held: Any = one.config.audio
        heard = held.input.transcription
        assert (heard.model, heard.language) == ("gpt-4o-transcribe", "fr")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"config": {"type": "realtime"}}, ConfigurationError),
        ({"language": 3}, ConfigurationError),
        ({"instructions": "x"}, TypeError),
        ({"dispatcher": "nobody"}, ConfigurationError),
        ({"reconnect": 3}, ConfigurationError),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    """A wrong argument is refused before any I/O."""
    with pytest.raises(error):
        TranscriptionSession(api_key="k", **arguments)


# --- transcribe


def test_a_file_of_any_rate(session: TranscriptionSession, tmp_path: Path) -> None:
    """A WAV file of another rate comes as long as it is."""
    write_wav(tmp_path / "a.wav", speech(1.4, rate=16000), 16000)
    assert session.transcribe(tmp_path / "a.wav").text == "[speech, 2.0 s]"


def test_every_kind_of_source(session: TranscriptionSession) -> None:
    """Bytes, arrays, readers and iterators are all heard whole."""

    class Reader:
        sample_rate = 8000

        def __init__(self) -> None:
            self._chunks = iter([speech(1.4, rate=8000).tobytes()])

        def read(self) -> bytes:
            return next(self._chunks, b"")

    pcm = speech(1.4)
    for source in (pcm, pcm.tobytes(), [pcm[:9000], pcm[9000:]], Reader()):
        assert session.transcribe(source).text == "[speech, 2.0 s]"


def test_it_commits_at_pauses(session: TranscriptionSession, server: LocalServer) -> None:
    """Without turn detection a long source is committed piece by piece, all of it, in order."""
    server.script.transcripts(["one", "two", "three"])
    assert session.transcribe(speech(2, 2, 2), piece_seconds=1.5).text == "one two three"
    sent = [base64.b64decode(e["audio"]) for e in server.received if "audio" in e]
    assert b"".join(sent) == speech(2, 2, 2).tobytes()
    # the quiet after the last pause is no piece
    assert [e["type"] for e in server.received].count("input_audio_buffer.commit") == 3


def test_a_short_end_is_heard(session: TranscriptionSession) -> None:
    """Less than the server takes in a commit is filled up with silence; nothing is no item."""
    assert session.transcribe(speech(0.02)[:480]).text == "[speech, 0.1 s]"
    assert session.transcribe(b"") == Transcript()


def test_order_of_completion(session: TranscriptionSession, server: LocalServer) -> None:
    """Items stand in the order of what was said, though they are completed in another."""
    server.script.transcripts([{"transcript": "one", "after": 2}, "two", "three"])
    ended: list[str] = []

    def partial(item: ItemTranscript) -> None:
        if item.final:
            ended.append(item.text)

    whole = session.transcribe(speech(2, 2, 2), piece_seconds=1.5, on_partial=partial)
    assert ended == ["two", "three", "one"]
    assert whole.text == "one two three"


def test_a_failed_piece(
    session: TranscriptionSession, server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and loses nothing of the others."""
    server.script.transcripts(["one", RuntimeError("mumbling"), "three"])
    whole = session.transcribe(speech(2, 2, 2), piece_seconds=1.5)
    assert whole.text == "one three"
    assert [item.error is None for item in whole.items] == [True, False, True]
    assert "mumbling" in caplog.text
    with pytest.raises(ServerError, match="mumbling"):
        whole.raise_for_status()


def test_what_the_server_tells_more(server: LocalServer) -> None:
    """Segments, speakers, languages, log-probabilities and the confidence."""
    server.script.transcripts(
        [
            {
                "segments": [
                    {"text": "hi", "speaker": "A", "start": 0.0, "end": 0.5},
                    {"text": "ho", "speaker": "B", "start": 0.5, "end": 1.0},
                ],
                "logprobs": [("hi ", -0.1), ("ho", -0.3)],
                "languages": ["en"],
            }
        ]
    )
    with connect_transcription("m", logprobs=True, endpoint=server.endpoint) as session:
        whole = session.transcribe(speech(1))
    assert whole.speakers == ("A", "B")
    assert [(s.text, s.start, s.end) for s in whole.segments] == [("hi", 0, 0.5), ("ho", 0.5, 1)]
    assert whole.languages == ("en",)
    assert [one.logprob for one in whole.logprobs] == [-0.1, -0.3]
    assert whole.confidence == pytest.approx(0.8187, 1e-3)


def test_stream(session: TranscriptionSession, server: LocalServer) -> None:
    """Partial results come by iterator, before the source has ended."""
    server.script.transcripts(["one two"])

    def source() -> Iterator[np.ndarray[Any, Any]]:
        while True:
            yield speech(0.5)

    items = session.stream(source(), piece_seconds=1)
    texts = [next(items).text, next(items).text]
    assert texts == ["one", "one two"]
    items.close()  # type: ignore[attr-defined]
    # what was left of it does not begin the next one
    assert session.transcribe(speech(0.4)).text == "[speech, 1.0 s]"


def test_transcripts_of_ones_own_commits(
    session: TranscriptionSession, server: LocalServer
) -> None:
    """Whoever appends and commits himself iterates over `transcripts()`, until the close."""
    server.script.transcripts(["one", "two"])
    words = session.transcripts(timeout=LIMIT)
    for _ in range(2):
        session.input_audio_buffer.append(speech(0.5))
        session.input_audio_buffer.commit()
    final = [next(item.text for item in words if item.final) for _ in range(2)]
    assert final == ["one", "two"]
    session.close()
    assert list(words) == []


def test_one_source_at_a_time(session: TranscriptionSession) -> None:
    """Two sources in one buffer would be noise: the second is refused, the first goes on."""
    first = session.stream([speech(2), speech(2)], piece_seconds=0.5)
    next(first)
    with pytest.raises(ConfigurationError, match="another one"):
        session.transcribe(speech(1))
    assert [item for item in first if item.final]
    assert session.transcribe(speech(0.4)).text == "[speech, 1.0 s]"


def test_a_source_that_raises(session: TranscriptionSession) -> None:
    """What the source raises is raised, and the session is ready for the next."""

    def source() -> Iterator[bytes]:
        yield speech(0.5).tobytes()
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        session.transcribe(source())
    assert session.transcribe(speech(0.4)).text == "[speech, 1.0 s]"


def test_in_a_callback(session: TranscriptionSession) -> None:
    """It blocks anywhere but in a tap; a callback is no exception."""
    got: list[str] = []
    done = threading.Event()

    def heard(_: object) -> None:
        got.append(session.transcribe(speech(0.4)).text)
        done.set()

    session.once("session.updated", heard)
    session.update(language="en")
    assert done.wait(LIMIT)
    assert got == ["[speech, 1.0 s]"]


# --- every wait ends


def test_a_timeout(scripted: tuple[TranscriptionSession, Link]) -> None:
    """A server that never transcribes costs `timeout`; then the session is free again."""
    session, link = scripted
    asking = Asking(lambda: session.transcribe(speech(0.4), timeout=1))
    link.hear("input_audio_buffer.commit")
    link.say("input_audio_buffer.committed", item_id="i", previous_item_id=None)
    link.hear("input_audio_buffer.clear")
    link.say("input_audio_buffer.cleared")
    with pytest.raises(RealtimeTimeout, match="1 piece not transcribed"):
        asking.result()
    assert session.state == "open"


def test_a_link_lost_for_good(peer: Peer) -> None:
    """A link that is lost and not made anew ends the wait at once."""
    made = TranscriptionSession(endpoint=peer.endpoint, ping_interval=None, reconnect=None)
    opening = Asking(made.open)
    link = welcome(peer)
    session = opening.result()
    asking = Asking(lambda: session.transcribe(speech(0.4), timeout=None))
    link.hear("input_audio_buffer.clear")  # all is sent: it waits
    cut(link)
    with pytest.raises(ConnectionLost):
        asking.result()


def committed(link: Link, item_id: str, before: str | None) -> None:
    link.say("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)


def completed(link: Link, item_id: str, text: str) -> None:
    link.say(WORDS + "completed", item_id=item_id, content_index=0, transcript=text)


def test_a_lost_link(scripted: tuple[TranscriptionSession, Link], peer: Peer) -> None:
    """What had no transcript yet is said again over the next link, and keeps its place."""
    session, link = scripted
    heard: list[tuple[str, str]] = []
    asking = Asking(
        lambda: session.transcribe(
            speech(2, 2, 2),
            piece_seconds=1.5,
            on_partial=lambda item: heard.append((item.item_id, item.text)),
        )
    )
    for _ in range(3):
        link.hear("input_audio_buffer.commit")
    committed(link, "a", None)
    committed(link, "b", "a")
    link.say(WORDS + "delta", item_id="a", content_index=0, delta="o")
    with session.expect(WORDS + "completed") as pending:
        completed(link, "b", "two")
        pending.result(timeout=LIMIT)
    cut(link)
    link = welcome(peer)
    link.hear("input_audio_buffer.clear")  # what went there by itself is dropped
    link.say("input_audio_buffer.cleared")
    sizes = [0, 0]
    for number in range(2):
        while "audio" in (event := json.loads(link.connection.recv(timeout=LIMIT))):
            sizes[number] += len(base64.b64decode(event["audio"]))
        assert event["type"] == "input_audio_buffer.commit"
    assert all(95_000 < size < 150_000 for size in sizes)
    link.hear("input_audio_buffer.clear")
    committed(link, "a2", None)
    committed(link, "c2", "a2")
    completed(link, "c2", "three")
    link.say("input_audio_buffer.cleared")
    completed(link, "a2", "one")
    whole = asking.result()
    assert whole.text == "one two three"
    assert [item.item_id for item in whole.items] == ["a2", "b", "c2"]
    assert heard == [("a", "o"), ("b", "two"), ("c2", "three"), ("a2", "one")]


def test_a_link_lost_twice(scripted: tuple[TranscriptionSession, Link], peer: Peer) -> None:
    """Also where the next link is lost before it was told anything."""
    session, link = scripted
    asking = Asking(lambda: session.transcribe(speech(0.4)))
    link.hear("input_audio_buffer.commit")
    committed(link, "a", None)
    cut(link)
    link = welcome(peer)
    link.hear("input_audio_buffer.clear")
    with session.expect("conversation.created") as pending:
        link.say("conversation.created")  # the link has worked: attempts are counted afresh
        pending.result(timeout=LIMIT)
    cut(link)
    link = welcome(peer)
    link.hear("input_audio_buffer.clear")
    link.say("input_audio_buffer.cleared")
    link.hear("input_audio_buffer.commit")
    committed(link, "b", None)
    completed(link, "b", "one")
    link.hear("input_audio_buffer.clear")
    link.say("input_audio_buffer.cleared")
    assert asking.result().text == "one"


def test_a_source_that_begins_without_a_link(
    scripted: tuple[TranscriptionSession, Link], peer: Peer
) -> None:
    """All of it is said once the link is there, though only the last seconds of sound wait."""
    session, link = scripted
    with session.expect("connection.lost") as pending:
        cut(link)
        pending.result(timeout=LIMIT)
    link, read = peer.link(), threading.Event()
    held = link.hear("session.update")["session"]

    def source() -> Iterator[np.ndarray[Any, Any]]:
        yield speech(2, 2, 2)
        read.set()

    asking = Asking(lambda: session.transcribe(source(), piece_seconds=1.5))
    assert read.wait(LIMIT)
    assert session.state == "reconnecting"
    link.say("session.updated", session={**CREATED["session"], **held})
    event, emptied, pieces = {"type": ""}, False, 0
    while pieces < 3 or event["type"] != "input_audio_buffer.clear":
        event = json.loads(link.connection.recv(timeout=LIMIT))
        if event["type"] == "input_audio_buffer.clear":
            emptied = True
            link.say("input_audio_buffer.cleared")
        elif event["type"] == "input_audio_buffer.commit" and emptied:
            pieces += 1
            committed(link, f"i{pieces}", f"i{pieces - 1}" if pieces > 1 else None)
            completed(link, f"i{pieces}", str(pieces))
        elif event["type"] == "input_audio_buffer.commit":  # what had waited
            empty = {"code": "input_audio_buffer_commit_empty", "event_id": event["event_id"]}
            link.say("error", error=empty)
    assert asking.result().text == "1 2 3"


def test_a_lost_link_with_turn_detection(peer: Peer) -> None:
    """Only the server knows what it has heard: the loss is raised, and the session lives on."""
    policy = ReconnectPolicy(delays=(0,))
    made = TranscriptionSession("m", endpoint=peer.endpoint, reconnect=policy)
    opening = Asking(made.open)
    link = peer.link()
    link.hear("session.update")
    vad = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    link.say("session.updated", session=vad)
    session = opening.result()
    asking = Asking(lambda: session.transcribe(speech(0.4)))
    link.hear("input_audio_buffer.clear")
    with session.expect("connection.restored") as pending:
        cut(link)
        link = peer.link()
        link.hear("session.update")
        link.say("session.updated", session=vad)
        pending.result(timeout=LIMIT)
    with pytest.raises(ConnectionLost):
        asking.result()
    assert session.state == "open"
    session.close(timeout=1)


def test_ones_own_commits_over_a_lost_link(
    scripted: tuple[TranscriptionSession, Link], peer: Peer
) -> None:
    """What was committed and not transcribed ends with an error; the iterator goes on."""
    session, link = scripted
    words = session.transcripts(timeout=LIMIT)
    committed(link, "a", None)
    committed(link, "b", "a")
    completed(link, "a", "one")
    assert next(words).text == "one"
    cut(link)
    link = welcome(peer)
    missing = next(words)
    assert (missing.item_id, missing.final) == ("b", True)
    assert missing.error is not None
    assert missing.error.code == "connection_lost"
    committed(link, "c", None)
    completed(link, "c", "three")
    assert next(words).text == "three"


def test_too_much_ahead(
    scripted: tuple[TranscriptionSession, Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source is read no further than the transcripts can follow."""
    monkeypatch.setattr(upload, "AHEAD", 100_000)
    session, link = scripted
    read: list[int] = []

    def source() -> Iterator[np.ndarray[Any, Any]]:
        for number in range(2):
            read.append(number)
            yield speech(2)

    asking = Asking(lambda: session.transcribe(source(), piece_seconds=1.5))
    for number, item_id in enumerate("ab"):
        link.hear("input_audio_buffer.commit")
        assert read == list(range(number + 1))
        committed(link, item_id, "a" if number else None)
        completed(link, item_id, item_id)
    link.hear("input_audio_buffer.clear")
    link.say("input_audio_buffer.cleared")
    assert asking.result().text == "a b"


def test_a_close(scripted: tuple[TranscriptionSession, Link]) -> None:
    """close() from another thread ends the wait."""
    session, link = scripted
    asking = Asking(lambda: session.transcribe(speech(0.4), timeout=None))
    link.hear("input_audio_buffer.commit")
    session.close(timeout=1)
    with pytest.raises(SessionClosed):
        asking.result()


def test_a_refused_commit(scripted: tuple[TranscriptionSession, Link]) -> None:
    """The server's refusal of a commit is raised."""
    session, link = scripted
    asking = Asking(lambda: session.transcribe(speech(0.4)))
    commit = link.hear("input_audio_buffer.commit")
    error = {"code": "invalid_value", "message": "not now", "event_id": commit["event_id"]}
    link.say("error", error=error)
    with pytest.raises(ServerError, match="not now"):
        asking.result()


def test_the_servers_own_commits(scripted: tuple[TranscriptionSession, Link]) -> None:
    """With turn detection the server commits; that nothing is left at the end is no error."""
    session, link = scripted
    updating = Asking(lambda: session.update(turn_detection="server_vad"))
    held = link.hear("session.update")["session"]
    link.say("session.updated", session={"id": "s", **held})
    updating.result()
    asking = Asking(lambda: session.transcribe(speech(2, 2), piece_seconds=0.5))
    commit = link.hear("input_audio_buffer.commit")  # the only one, at the end
    link.say("input_audio_buffer.committed", item_id="a", previous_item_id=None)
    link.say("input_audio_buffer.committed", item_id="b", previous_item_id="a")
    empty = {"code": "input_audio_buffer_commit_empty", "event_id": commit["event_id"]}
    link.say("error", error=empty)
    link.hear("input_audio_buffer.clear")
    link.say(WORDS + "completed", item_id="b", content_index=0, transcript="two")
    link.say("input_audio_buffer.cleared")
    link.say(WORDS + "completed", item_id="a", content_index=0, transcript="one")
    assert asking.result().text == "one two"


# --- the other way to have one


def test_a_realtime_session_of_that_type(server: LocalServer) -> None:
    """RealtimeSession(config={"type": "transcription"}) transcribes, and makes no responses."""
    config = {"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}}
    with RealtimeSession(endpoint=server.endpoint, config=config) as session:
        with pytest.raises(ConfigurationError, match="no responses"):
            session.ask("hello")
        with pytest.raises(ConfigurationError, match="no responses"):
            session.response.create()
        with session.expect(WORDS + "completed") as pending:
            session.input_audio_buffer.append(speech(0.4))  # the server's turn detection commits
        assert pending.result(timeout=LIMIT).transcript == "[speech, 0.6 s]"
