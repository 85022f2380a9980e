from __future__ import annotations

import base64
import threading
from typing import Any

import numpy as np
import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import QueueFull, RealtimeTimeout, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
TONE = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")


def appended(server: LocalServer) -> bytes:
    """What the server got since the last commit or clear."""
    pieces: list[bytes] = []
    for event in server.received:
        if event["type"] == "input_audio_buffer.append":
            pieces.append(base64.b64decode(event["audio"]))
        elif event["type"].startswith("input_audio_buffer."):
            pieces.clear()
    return b"".join(pieces)


@pytest.mark.row("C6")
@pytest.mark.parametrize(
    "data",
    [
        TONE.tobytes(),
        bytearray(TONE.tobytes()),
        memoryview(TONE.tobytes()),
        TONE,
        TONE.astype(">i2"),
        np.repeat(TONE, 2)[::2],
        np.stack([TONE, TONE], axis=1),
    ],
    ids=["bytes", "bytearray", "memoryview", "int16", "big-endian", "strided", "stereo"],
)
def test_append(data: Any, session: RealtimeSession, server: LocalServer) -> None:
    """append() takes bytes and int16 arrays, (frames,) or (frames, channels)."""
    session.input_audio_buffer.append(data)
    item = session.input_audio_buffer.commit()
    assert session.conversation.retrieve(item.id).audio == TONE.tobytes()


@pytest.mark.row("C6")
def test_append_float(session: RealtimeSession) -> None:
    """float32 arrays are from -1 to 1."""
    session.input_audio_buffer.append(TONE.astype(np.float32) / 32768)
    item = session.input_audio_buffer.commit()
    heard = np.frombuffer(session.conversation.retrieve(item.id).audio, "<i2").astype(int)
    assert np.abs(heard - TONE).max() <= 1


@pytest.mark.parametrize("data", [TONE, TONE.tobytes()])
def test_append_other_rate(data: Any, session: RealtimeSession) -> None:
    """Arrays, and bytes as PCM16, are resampled from sample_rate."""
    session.input_audio_buffer.append(data, sample_rate=12000)
    item = session.input_audio_buffer.commit()
    size = len(session.conversation.retrieve(item.id).audio)
    assert size == pytest.approx(2 * 2 * len(TONE), abs=8)


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_formats(kind: str, make: Opener) -> None:
    """Bytes are in the session's input format, arrays are converted to it."""
    with make(input_format=kind) as session:
        session.input_audio_buffer.append(b"\x55" * 800)
        item = session.input_audio_buffer.commit()
        assert session.conversation.retrieve(item.id).audio == b"\x55" * 800
        session.input_audio_buffer.append(TONE)
        item = session.input_audio_buffer.commit()
        assert len(session.conversation.retrieve(item.id).audio) == 1600
        session.input_audio_buffer.append(TONE.tobytes(), sample_rate=24000)
        item = session.input_audio_buffer.commit()
        assert len(session.conversation.retrieve(item.id).audio) == 1600
        session.input_audio_buffer.append(memoryview(TONE))  # samples, as its format says
        item = session.input_audio_buffer.commit()
        assert len(session.conversation.retrieve(item.id).audio) == 1600


@pytest.mark.row("C6")
@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        ("text", {}, TypeError),
        (5, {}, TypeError),
        (None, {}, TypeError),
        ([1, 2], {}, TypeError),
        (np.zeros(4, np.complex64), {}, (TypeError, ValueError)),
        (np.zeros((2, 2, 2), np.int16), {}, (TypeError, ValueError)),
        (TONE, {"sample_rate": 0}, (TypeError, ValueError)),
        (TONE, {"sample_rate": "x"}, (TypeError, ValueError)),
        (b"odd", {"sample_rate": 24000}, ValueError),
        (np.zeros(4, np.int32), {}, (TypeError, ValueError)),
        (memoryview(np.zeros(4, np.float32)), {}, TypeError),
        (memoryview(TONE.astype(">i2")), {}, TypeError),
        (np.array(["a"]), {}, (TypeError, ValueError)),
        (TONE, {"timeout": -1}, ValueError),
    ],
)
def test_bad_audio(
    data: Any,
    options: dict[str, Any],
    error: Any,
    session: RealtimeSession,
    server: LocalServer,
) -> None:
    """What is no audio is refused, and nothing is sent (C6)."""
    with pytest.raises(error):
        session.input_audio_buffer.append(data, **options)
    session.input_audio_buffer.clear()
    assert "input_audio_buffer.append" not in [e["type"] for e in server.received]


def test_nothing(session: RealtimeSession, server: LocalServer) -> None:
    """Empty audio sends nothing."""
    for data in (b"", np.zeros(0, np.int16)):
        session.input_audio_buffer.append(data)
    session.input_audio_buffer.clear()
    assert "input_audio_buffer.append" not in [e["type"] for e in server.received]


@pytest.mark.row("C6", bound="1 MiB an event")
def test_large(session: RealtimeSession, server: LocalServer) -> None:
    """Long audio goes out in pieces of at most 1 MiB."""
    data = np.arange(1_300_000, dtype=np.int16).tobytes()
    session.input_audio_buffer.append(data, timeout=LIMIT)
    item = session.input_audio_buffer.commit()
    assert session.conversation.retrieve(item.id).audio == data
    sizes = [
        len(base64.b64decode(e["audio"])) for e in server.received if e["type"].endswith("append")
    ]
    assert sizes == [1 << 20, 1 << 20, len(data) - (2 << 20)]


@pytest.mark.row("F20", bound="0 s for the caller")
def test_queue_full(bare: RealtimeSession, peer: Peer) -> None:
    """append() never waits for the network: without room it raises QueueFull at once."""
    peer.link()  # which does not read
    piece = bytes(1 << 20)
    with pytest.raises(QueueFull):  # noqa: PT012  # the kernel takes some of it
        for _ in range(100):
            bare.input_audio_buffer.append(piece)
    with pytest.raises(QueueFull):  # noqa: PT012  # the kernel takes some of it
        for _ in range(100):
            bare.input_audio_buffer.append(piece, timeout=0.01)
    bare.close(timeout=0.1)


def test_room_is_waited_for(bare: RealtimeSession, peer: Peer) -> None:
    """timeout= waits for room in the queue."""
    link = peer.link()
    piece = bytes(1 << 20)
    with pytest.raises(QueueFull):  # noqa: PT012  # the kernel takes some of it
        for _ in range(100):
            bare.input_audio_buffer.append(piece)
    reading = threading.Event()

    def read() -> None:
        while not reading.is_set():
            link.connection.recv(timeout=LIMIT)

    thread = threading.Thread(target=read)
    thread.start()
    bare.input_audio_buffer.append(piece, timeout=LIMIT)
    reading.set()
    bare.send({"type": "input_audio_buffer.clear"})
    thread.join(LIMIT)


def test_close_ends_waiting_for_room(bare: RealtimeSession, peer: Peer) -> None:
    """Who waits for room when the session closes gets SessionClosed."""
    peer.link()
    piece = bytes(1 << 20)
    caught: list[BaseException] = []

    def append() -> None:
        try:
            while True:
                bare.input_audio_buffer.append(piece, timeout=None)
        except BaseException as exc:
            caught.append(exc)

    thread = threading.Thread(target=append)
    thread.start()
    while not bare._connection._outbox._room:
        pass
    bare.close(timeout=0.2)
    thread.join(LIMIT)
    assert type(caught[0]).__name__ == "SessionClosed"


def test_commit(session: RealtimeSession, server: LocalServer) -> None:
    """commit() makes a user item and begins no response."""
    session.input_audio_buffer.append(bytes(4800))
    item = session.input_audio_buffer.commit()
    assert (item.type, item.role) == ("message", "user")
    assert session.conversation.items[0].id == item.id
    assert session.response.active is None


@pytest.mark.row("C7", bound="100 ms")
def test_commit_guard(session: RealtimeSession, server: LocalServer) -> None:
    """A commit of less than 100 ms is a ValueError, nothing sent; counted since commit or clear."""
    buffer = session.input_audio_buffer
    count = len(server.received)
    with pytest.raises(ValueError, match="100"):
        buffer.commit()
    assert len(server.received) == count
    buffer.append(bytes(4798))
    with pytest.raises(ValueError, match="99 ms of audio to commit; the server needs 100 ms"):
        buffer.commit()
    buffer.append(bytes(2))
    buffer.commit()
    with pytest.raises(ValueError, match="100"):
        buffer.commit()
    buffer.append(bytes(9600))
    buffer.clear()
    with pytest.raises(ValueError, match="100"):
        buffer.commit()


def test_commits_of_the_server_count(bare: RealtimeSession, peer: Peer) -> None:
    """A commit by the server's turn detection counts as well."""
    link = peer.link()
    bare.input_audio_buffer.append(bytes(48 * 500))
    link.hear("input_audio_buffer.append")
    with bare.expect("input_audio_buffer.committed") as pending:
        link.say("input_audio_buffer.speech_stopped", item_id="i", audio_end_ms=450)
        link.say("input_audio_buffer.committed", item_id="i")
    pending.result(timeout=LIMIT)
    with pytest.raises(ValueError, match="50 ms"):
        bare.input_audio_buffer.commit()


def test_refused_commit(bare: RealtimeSession, peer: Peer) -> None:
    """What the server refuses is a ServerError."""
    link = peer.link()
    bare.input_audio_buffer.append(bytes(9600))
    caught: list[BaseException] = []

    def commit() -> None:
        try:
            bare.input_audio_buffer.commit()
        except BaseException as exc:
            caught.append(exc)

    thread = threading.Thread(target=commit)
    thread.start()
    event = link.hear("input_audio_buffer.commit")
    link.say("error", error={"message": "no", "code": "x", "event_id": event["event_id"]})
    thread.join(LIMIT)
    assert isinstance(caught[0], ServerError)


def test_commit_timeout(bare: RealtimeSession, peer: Peer) -> None:
    """commit() and clear() give up after their timeout, also when the item itself stays away."""
    link = peer.link()
    bare.input_audio_buffer.append(bytes(9600))
    answer = threading.Thread(
        target=lambda: (
            link.hear("input_audio_buffer.commit"),
            link.say("input_audio_buffer.committed", item_id="i"),
        )
    )
    answer.start()
    with pytest.raises(RealtimeTimeout):
        bare.input_audio_buffer.commit(timeout=0.2)
    answer.join(LIMIT)
    with pytest.raises(RealtimeTimeout):
        bare.input_audio_buffer.clear(timeout=0)


def test_commit_before_its_item(bare: RealtimeSession, peer: Peer) -> None:
    """The item is waited for, though it comes after the acknowledgement."""
    link = peer.link()
    bare.input_audio_buffer.append(bytes(9600))
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(bare.input_audio_buffer.commit()))
    thread.start()
    link.hear("input_audio_buffer.commit")
    with bare.expect("input_audio_buffer.committed") as pending:
        link.say("input_audio_buffer.committed", item_id="mine")
    pending.result(timeout=LIMIT)
    for identity in ("other", "mine"):
        link.say("conversation.item.added", item={"id": identity, "type": "message"})
    thread.join(LIMIT)
    assert got[0].id == "mine"


def test_repr(session: RealtimeSession) -> None:
    """The repr says how much waits to be committed."""
    session.input_audio_buffer.append(bytes(4800))
    assert repr(session.input_audio_buffer) == "<InputAudioBuffer, 100 ms>"


def test_a_refused_commit_leaves_the_audio(bare: RealtimeSession, peer: Peer) -> None:
    """A commit that the server refuses can be tried again: what was appended still counts."""
    link = peer.link()
    bare.input_audio_buffer.append(bytes(48 * 200))
    reply = bare.request({"type": "input_audio_buffer.commit", "event_id": "mine"})
    link.say("error", error={"message": "not now", "code": "busy", "event_id": "mine"})
    with pytest.raises(ServerError):
        reply.result(LIMIT)
    assert "200 ms" in repr(bare.input_audio_buffer)
