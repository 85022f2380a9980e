"""Items, parts and their audio."""

from __future__ import annotations

import logging
import pickle

import pybase64
import pytest

from realtime_sync.events.items import Item, Part, decode_audio
from realtime_sync.events.output import ResponseOutputAudioDelta

BASE64 = pybase64.b64encode(b"\x00\x01\x02").decode()


@pytest.mark.parametrize(
    "bad", ["!!!!", "AAA", "AA-_", "AAAA\n", "ÄÄÄÄ", "\ud800", "AAAA====", "A" * 5]
)
def test_bad_base64_is_skipped_and_seen(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    """No bytes, and one WARNING an event, however often it is looked at."""
    event = ResponseOutputAudioDelta(delta=bad)
    assert (event.audio, event.audio) == (b"", b"")
    assert ResponseOutputAudioDelta(delta=BASE64).audio  # as another thread would, in between
    assert event.audio == b""
    assert event == ResponseOutputAudioDelta(delta=bad)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert bad not in caplog.text.replace("audio", "")


def test_good_base64(caplog: pytest.LogCaptureFixture) -> None:
    """Bytes as they were, an odd number too; nothing is none."""
    caplog.set_level(logging.DEBUG)
    assert decode_audio(BASE64) == b"\x00\x01\x02"
    assert decode_audio("") == decode_audio(None) == b""
    assert not caplog.records


def test_audio_of_a_delta_is_decoded_once() -> None:
    """The same bytes each time; a copy with another delta has other bytes; pickles without."""
    event = ResponseOutputAudioDelta(delta=BASE64)
    size = len(pickle.dumps(event))
    assert event.audio is event.audio
    assert len(pickle.dumps(event)) == size
    assert pickle.loads(pickle.dumps(event)).audio == event.audio
    assert event == ResponseOutputAudioDelta(delta=BASE64)
    assert event.model_copy(update={"delta": "AAAA"}).audio == bytes(3)


@pytest.mark.parametrize(
    ("item", "text", "transcript"),
    [
        (Item(content=(Part(text="a"), Part(transcript="b"), Part(), Part(text="c"))), "abc", "b"),
        (Item(content=(Part(transcript=""),)), "", ""),
        (Item(), "", None),
        (Item(type="function_call", arguments="{}"), None, None),
    ],
)
def test_text(item: Item, text: str | None, transcript: str | None) -> None:
    """Texts and transcripts joined; None where the kind has none."""
    assert (item.text, item.transcript) == (text, transcript)


def test_audio() -> None:
    """Of a message's parts, or what was given along; None for other kinds."""
    item = Item(id="i1", content=(Part(audio=BASE64), Part(text="x"), Part(audio=BASE64)))
    assert item.audio == b"\x00\x01\x02" * 2
    assert Item().audio == b""
    assert Item(type="mcp_call").audio is None
    held = item.with_audio(b"x")
    assert (held.audio, held.id, item.audio) == (b"x", "i1", b"\x00\x01\x02" * 2)
    assert pickle.loads(pickle.dumps(held)).audio == b"x"
    assert "audio" not in Item().with_audio(b"x").wire()


def test_describe() -> None:
    """One line that names it."""
    assert Item(id="i1", role="user", status="completed").describe() == "user i1 completed"
    assert Item(id="f1", type="function_call", name="add").describe() == "add f1"
    assert Item(id="o1", type="function_call_output").describe() == "function_call_output o1"
