from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync import RealtimeSession, items
from realtime_sync.errors import ConfigurationError, RealtimeTimeout, ServerError
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TONE = (np.sin(np.arange(4800) / 10) * 9000).astype("<i2")


def texts(session: RealtimeSession) -> list[str | None]:
    return [item.text for item in session.conversation.items]


@pytest.mark.parametrize(
    "given",
    [
        "hello",
        items.user("hello"),
        {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    ],
)
def test_create(given: Any, session: RealtimeSession) -> None:
    """create() takes an Item, a dict, or a str, which is a user message; the server confirms it."""
    item = session.conversation.create(given)
    assert (item.type, item.role, item.text) == ("message", "user", "hello")
    assert item.id is not None
    assert len(item.id) <= 32
    assert [known.id for known in session.conversation.items] == [item.id]


def test_kinds_of_items(session: RealtimeSession) -> None:
    """One class has every kind of item; what a kind does not have is None."""
    system = session.conversation.create(items.system("rules"))
    said = session.conversation.create(items.assistant("yes"))
    call = session.conversation.create(
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    )
    output = session.conversation.create(items.function_output("c1", "42"))
    assert (system.role, system.text, system.call_id, system.output) == (
        "system",
        "rules",
        None,
        None,
    )
    assert (said.role, said.text, said.transcript, said.audio) == ("assistant", "yes", None, b"")
    assert (call.role, call.text, call.audio) == (None, None, None)
    assert (call.call_id, call.name, call.arguments) == ("c1", "f", "{}")
    assert (output.type, output.call_id, output.output) == ("function_call_output", "c1", "42")
    assert (output.name, output.arguments) == (None, None)
    assert session.conversation.items == (system, said, call, output)


def test_place(session: RealtimeSession) -> None:
    """previous_item_id says behind which item; "root" puts it first; None last."""
    one = session.conversation.create("one")
    session.conversation.create("three")
    session.conversation.create("two", previous_item_id=one.id)
    session.conversation.create("zero", previous_item_id="root")
    session.conversation.create("four", previous_item_id=None)
    assert texts(session) == ["zero", "one", "two", "three", "four"]


def test_unknown_place(session: RealtimeSession) -> None:
    """An unknown previous_item_id is a ServerError, and the item is not there."""
    with pytest.raises(ServerError):
        session.conversation.create("x", previous_item_id="nope")
    assert session.conversation.items == ()


def test_order_by_the_server(bare: RealtimeSession, peer: Peer) -> None:
    """A null or unknown previous_item_id means append; a known one means right behind it."""
    link = peer.link()
    with bare.expect("input_audio_buffer.cleared") as pending:
        for identity, previous in (("a", None), ("b", "?"), ("c", None), ("d", "a"), ("e", "e")):
            item = {"id": identity, "type": "message", "role": "user", "content": []}
            link.say("conversation.item.added", item=item, previous_item_id=previous)
        link.say("input_audio_buffer.cleared")
    pending.result(timeout=LIMIT)
    assert [item.id for item in bare.conversation.items] == ["a", "d", "b", "c", "e"]


def test_snapshot(session: RealtimeSession) -> None:
    """items is a snapshot: a tuple you hold does not grow."""
    before = session.conversation.items
    session.conversation.create("x")
    assert before == ()
    assert len(session.conversation.items) == 1


def test_an_item_never_changes(session: RealtimeSession, server: LocalServer) -> None:
    """An item you hold never changes: look it up again."""
    server.script.hold(after=2)
    server.reply("one two three four five six seven")
    response = session.response.create()
    deltas = response.text_deltas()
    next(deltas), next(deltas)
    early = session.conversation.items[-1]
    text = early.text
    assert early.status == "in_progress"
    server.script.release()
    response.wait()
    assert early.text == text
    late = session.conversation.items[-1]
    assert (late.id, late.status) == (early.id, "completed")
    assert late.text == "one two three four five six seven"


def test_retrieve(make: Opener, server: LocalServer) -> None:
    """retrieve() gives the item as the server has it, with audio."""
    with make(output_modalities=["audio"]) as session:
        server.reply(TONE.tobytes())
        response = session.ask("x")
        item = session.conversation.retrieve(response.output[0].id)
        assert item.audio == TONE.tobytes()
        user = session.conversation.create(items.user(audio=TONE))
        assert session.conversation.retrieve(user.id).audio == TONE.tobytes()


def test_truncate(make: Opener, server: LocalServer) -> None:
    """truncate() waits for its acknowledgement and cuts the transcript in the mirror."""
    with make(output_modalities=["audio"]) as session:
        server.reply("one two three four five six seven eight")
        item = session.ask("x").output[0]
        session.conversation.truncate(item.id, 100)
        cut = session.conversation.items[-1]
        assert item.transcript.startswith(cut.transcript)
        assert len(cut.transcript) < len(item.transcript)
        session.conversation.truncate(item.id, audio_end_ms=50, content_index=0, timeout=LIMIT)


def test_delete(session: RealtimeSession) -> None:
    """delete() takes the item out, here and there."""
    item = session.conversation.create("x")
    session.conversation.delete(item.id)
    assert session.conversation.items == ()
    with pytest.raises(ServerError):
        session.conversation.retrieve(item.id)


@pytest.mark.row("C8")
@pytest.mark.parametrize("call", ["retrieve", "delete", "truncate"])
def test_unknown_id(call: str, session: RealtimeSession) -> None:
    """An unknown id is a ServerError."""
    arguments = ("nope", 0) if call == "truncate" else ("nope",)
    with pytest.raises(ServerError) as caught:
        getattr(session.conversation, call)(*arguments)
    assert caught.value.event_id is not None


def test_clear(session: RealtimeSession) -> None:
    """clear() deletes all items; one that is gone already is no error."""
    for text in "abc":
        session.conversation.create(text)
    session.send({"type": "conversation.item.delete", "item_id": session.conversation.items[1].id})
    session.conversation.clear()
    assert session.conversation.items == ()
    session.conversation.clear()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (5, TypeError),
        (None, TypeError),
        (["x"], TypeError),
        ({"role": "robot", "content": []}, ConfigurationError),
        ({"role": "user", "content": "text"}, ConfigurationError),
        ({"role": "user", "content": []}, ValueError),
        (
            {"role": "user", "id": "x" * 33, "content": [{"type": "input_text", "text": "x"}]},
            ConfigurationError,
        ),
        ({"role": "assistant", "content": [{"type": "output_audio"}]}, ValueError),
    ],
)
def test_bad_items(
    given: Any, error: type[Exception], session: RealtimeSession, server: LocalServer
) -> None:
    """What cannot be an item is refused before anything is sent."""
    before = len(server.received)
    with pytest.raises(error):
        session.conversation.create(given)
    assert len(server.received) == before


def test_own_id(session: RealtimeSession) -> None:
    """An item may bring its own id; a second one of it is the server's to refuse."""
    item = items.user("x").model_copy(update={"id": "mine"})
    assert session.conversation.create(item).id == "mine"
    with pytest.raises(ServerError):
        session.conversation.create(item)


def test_timeout(bare: RealtimeSession, peer: Peer) -> None:
    """Each call gives up after its timeout; the mirror still learns what comes late."""
    link = peer.link()
    for call in (
        lambda: bare.conversation.create("x", timeout=0),
        lambda: bare.conversation.retrieve("x", timeout=0.01),
        lambda: bare.conversation.truncate("x", 0, timeout=0.01),
        lambda: bare.conversation.delete("x", timeout=0.01),
    ):
        with pytest.raises(RealtimeTimeout):
            call()
    item = link.hear("conversation.item.create")["item"]
    with bare.expect("conversation.item.added") as pending:
        link.say("conversation.item.added", item=item)
    pending.result(timeout=LIMIT)
    assert texts(bare) == ["x"]


# --- audio and images


def wav(path: Path, rate: int, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    "audio",
    [TONE.tobytes(), bytearray(TONE.tobytes()), TONE, TONE.astype(np.float32) / 32768],
    ids=["bytes", "bytearray", "int16", "float32"],
)
def test_audio(audio: Any, session: RealtimeSession) -> None:
    """User audio may be PCM16 bytes, or int16 or float32 arrays; the item holds it."""
    item = session.conversation.create(items.user(audio=audio))
    heard = np.frombuffer(item.audio, "<i2").astype(int)
    assert np.abs(heard - TONE).max() <= 1
    assert session.conversation.retrieve(item.id).audio == item.audio


@pytest.mark.parametrize("as_text", [True, False])
def test_wav(as_text: bool, session: RealtimeSession, tmp_path: Path) -> None:
    """A WAV path of another rate is resampled to 24 kHz."""
    path = wav(tmp_path / "x.wav", 16000, TONE)
    item = items.user(audio=str(path) if as_text else path)
    assert len(item.audio) == pytest.approx(len(TONE) * 2 * 1.5, abs=8)
    session.conversation.create(item)


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_audio_in_the_session_format(kind: str, make: Opener, server: LocalServer) -> None:
    """create, history and input convert audio to the session's input format."""
    item = items.user(audio=TONE)
    with make(input_format=kind, history=[item]) as session:
        made = session.conversation.create(item)
        session.response.create(conversation="none", input=[item]).wait()
        session.ask(audio=TONE)
        assert len(session.conversation.retrieve(made.id).audio) == len(TONE) // 3
        sizes = [
            len(given["content"][0]["audio"])
            for event in server.received
            for given in [event.get("item"), *event.get("response", {}).get("input", ())]
            if given
        ]
        assert len(sizes) == 4
        assert all(size == pytest.approx(len(TONE) / 3 * 4 / 3, abs=8) for size in sizes)


def test_image(session: RealtimeSession, server: LocalServer, tmp_path: Path) -> None:
    """An image may be bytes or a path, beside text."""
    path = tmp_path / "x.png"
    path.write_bytes(PNG)
    for image in (PNG, bytearray(PNG), path, str(path)):
        session.conversation.create(items.user("what is it?", image=image))
        parts = server.received[-1]["item"]["content"]
        assert [part["type"] for part in parts] == ["input_image", "input_text"]
        assert parts[0]["image_url"].startswith("data:image/png;base64,iVBORw0K")


def test_save_audio_off(make: Opener, server: LocalServer) -> None:
    """.audio of an item looked up in the mirror is b"" where nothing asked for it to be kept."""
    with make(output_modalities=["audio"]) as session:
        session.ask("x")
        assert session.conversation.items[-1].audio == b""


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda s: s.conversation.retrieve(5), "item_id"),
        (lambda s: s.conversation.delete(None), "item_id"),
        (lambda s: s.conversation.truncate("item_1", 1.5), "audio_end_ms"),
        (lambda s: s.conversation.create("x", previous_item_id=5), "previous_item_id"),
        (lambda s: s.response.cancel(5), "response_id"),
    ],
)
def test_arguments_of_the_wrong_kind(
    call: Any, field: str, session: RealtimeSession, server: LocalServer
) -> None:
    """An id or a time that is none is a ConfigurationError that names it; nothing is sent."""
    before = len(server.received)
    with pytest.raises(ConfigurationError, match=f"^{field}: "):
        call(session)
    assert len(server.received) == before
