"""`save_audio=True`: every item of the conversation has its audio."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pybase64
import pytest

from realtime_sync import RealtimeSession, items
from realtime_sync.local import LocalServer
from realtime_sync.resources.saved import SavedAudio

from .conftest import Opener

LIMIT = 15.0


def sound(milliseconds: int, pitch: float = 440) -> bytes:
    times = np.arange(24 * milliseconds) / 24_000
    return (6000 * np.sin(2 * np.pi * pitch * times)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(48 * milliseconds)


@pytest.fixture
def saving(make: Opener) -> RealtimeSession:
    return make(output_modalities=["audio"], save_audio=True).open()


def test_the_models(saving: RealtimeSession, server: LocalServer) -> None:
    """What the model says is there, and stays when its response is gone; it pickles."""
    server.reply(sound(700, 660))
    assert saving.ask("go", timeout=LIMIT).status == "completed"
    first, second = saving.conversation.items
    assert first.audio == b""
    assert second.audio == sound(700, 660)
    assert pickle.loads(pickle.dumps(second)).audio == sound(700, 660)
    assert saving.conversation.items == (first, second)


def test_the_users_by_hand(saving: RealtimeSession) -> None:
    """What was appended before the commit, and what an item was made with."""
    saving.input_audio_buffer.append(sound(100))
    saving.input_audio_buffer.clear()
    saving.input_audio_buffer.append(sound(300))
    saving.input_audio_buffer.commit()
    saving.conversation.create(items.user(audio=sound(200, 550)))
    assert [item.audio for item in saving.conversation.items] == [sound(300), sound(200, 550)]


def test_the_users_by_turn_detection(make: Opener, server: LocalServer) -> None:
    """What the server took for speech, as it says itself."""
    detection = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    session = make(turn_detection=detection, save_audio=True).open()
    audio = silence(1000) + sound(500) + silence(900) + sound(400) + silence(700)
    done = session.events("conversation.item.done", timeout=LIMIT)
    for count in (2, 4):
        session.input_audio_buffer.append(audio)
        while len(items_of(session)) < count:
            next(done)
    for item in items_of(session):
        assert item.audio == session.conversation.retrieve(item.id or "").audio


def items_of(session: RealtimeSession) -> Any:
    return session.conversation.items


def test_what_was_not_heard_is_cut(saving: RealtimeSession, server: LocalServer) -> None:
    """A truncated item keeps what was heard; a deleted one is gone."""
    server.reply(sound(700, 660))
    saving.ask("go", timeout=LIMIT)
    item = saving.conversation.items[1]
    saving.conversation.truncate(item.id or "", 300)
    assert item.audio == sound(700, 660)[: 300 * 48]


def test_without(make: Opener, server: LocalServer) -> None:
    """Nothing is kept where nobody asked for it."""
    session = make(output_modalities=["audio"]).open()
    server.reply(sound(700, 660))
    session.ask("go", timeout=LIMIT)
    assert session.conversation.items[1].audio == b""


def test_bounds() -> None:
    """Beyond its memory it goes to disk; beyond that the oldest have none any more."""
    saved = SavedAudio(memory=1000, most=10_000)
    for number in range(12):
        delta = pybase64.b64encode(bytes([number]) * 1000).decode()
        saved.tap(
            "received",
            {"type": "response.output_audio.delta", "item_id": f"i{number}", "delta": delta},
        )
    assert saved.fetch("i0") is None
    assert saved.audio("i11") == bytes([11]) * 1000
    assert "2 items" in repr(saved)
