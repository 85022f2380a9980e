"""Audio of a turn through the input audio buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipe import Line, Task

from realtime_sync.errors import ConfigurationError, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TONE = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")


def kinds(server: LocalServer) -> list[str]:
    return [event["type"] for event in server.received if event["type"] != "session.update"]


@pytest.mark.parametrize("way", ["ask", "submit", "stream", "rounds"])
def test_the_buffer(way: str, make: Opener, server: LocalServer) -> None:
    """It is appended, committed, transcribed, and answered."""
    server.script.transcripts(["good morning"])
    server.reply("hello")
    with make(transcription="whisper-1") as session:
        kind = "conversation.item.input_audio_transcription.completed"
        with session.expect(kind) as pending:
            got = getattr(session, way)(audio=TONE, through="buffer")
            if way == "submit":
                got = got.result(timeout=15)
            text = (
                got.text
                if way in ("ask", "submit")
                else "".join(piece if way == "stream" else piece.text for piece in got)
            )
            pending.result(timeout=15)
        assert text == "hello"
        assert kinds(server) == [
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "response.create",
        ]
        user = session.conversation.items[0]
        assert (user.role, user.transcript) == ("user", "good morning")
        assert session.conversation.retrieve(user.id).audio == TONE.tobytes()


def test_the_item(make: Opener, server: LocalServer) -> None:
    """Otherwise it goes as an input_audio item, with turn detection or without."""
    with make(turn_detection="server_vad") as session:
        session.ask(audio=TONE)
        session.ask(audio=TONE, through="item")
    assert kinds(server) == ["conversation.item.create", "response.create"] * 2


def test_text_and_image_beside(make: Opener, server: LocalServer) -> None:
    """They are an item of their own, before the audio."""
    with make() as session:
        session.ask("look", audio=TONE, image=PNG, detail="low", through="buffer")
        first, second, _ = session.conversation.items
        assert [part.type for part in first.content] == ["input_image", "input_text"]
        assert first.content[0].detail == "low"
        assert [part.type for part in second.content] == ["input_audio"]


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_the_session_format(kind: str, make: Opener) -> None:
    """Audio goes in the session's input format."""
    with make(input_format=kind) as session:
        session.ask(audio=TONE, through="buffer")
        item = session.conversation.items[0]
        assert len(session.conversation.retrieve(item.id).audio) == len(TONE) // 3


def test_much_of_it(make: Opener, server: LocalServer) -> None:
    """Long audio goes in several appends, and nothing of it waits afterwards."""
    long = bytes(3_000_000)
    with make() as session:
        session.ask(audio=long, through="buffer")
        assert kinds(server).count("input_audio_buffer.append") == 3
        assert repr(session.input_audio_buffer) == "<InputAudioBuffer, 0 ms>"
        item = session.conversation.items[0]
        assert len(session.conversation.retrieve(item.id).audio) == len(long)


def test_it_waits_for_its_turn(line: Line) -> None:
    """Nothing of it goes out while another turn runs."""
    session, pipe = line.open()
    first = Task(session.ask, "one")
    item, create = pipe.expect("conversation.item.create"), pipe.expect("response.create")
    second = session.submit(audio=TONE, through="buffer")
    assert pipe.no_more()
    pipe.confirm(item)
    pipe.respond(create, "1")
    assert first.result().text == "1"
    pipe.expect("input_audio_buffer.append")
    commit, create = pipe.expect("input_audio_buffer.commit"), pipe.expect("response.create")
    pipe.refuse(commit, "input_audio_buffer_commit_empty")
    with pytest.raises(ServerError, match="no"):
        second.result(timeout=15)
    assert create["type"] == "response.create"


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"text": "x"}, ValueError, "give audio="),
        ({"audio": TONE[:2399]}, ValueError, "100 ms"),
        ({"audio": TONE, "through": "air"}, ValueError, "through"),
        ({"audio": "no/such/file.wav"}, Exception, "file.wav"),
        ({"audio": 5}, TypeError, "expected PCM16"),
        ({"audio": TONE, "detail": "low"}, ValueError, "detail"),
        ({"audio": TONE, "image": PNG, "detail": "best"}, ValueError, "detail"),
    ],
)
def test_bad_input(
    arguments: Any, error: type[Exception], complaint: str, make: Opener, server: LocalServer
) -> None:
    """What cannot be is refused before anything is sent."""
    with make() as session:
        with pytest.raises(error, match=complaint):
            session.ask(**{"through": "buffer", **arguments})
        assert kinds(server) == []


def test_turn_detection(make: Opener, server: LocalServer) -> None:
    """With the server's turn detection on, it would commit by itself."""
    with make(turn_detection="server_vad") as session:
        with pytest.raises(ConfigurationError, match="turn_detection=None"):
            session.ask(audio=TONE, through="buffer")
        assert kinds(server) == []
