"""Hands-free conversation, without devices and in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime_sync.local import LocalServer

from .conftest import LIMIT, Stage, sound

Stages = Callable[..., Stage]


def sent(server: LocalServer, kind: str) -> list[Any]:
    return [event for event in server.received if event["type"] == kind]


def test_a_file_is_answered(stage: Stages, server: LocalServer) -> None:
    """What is said is heard, answered, and played to its end; then the talk is over."""
    on = stage()
    reply = sound(700, 660)
    server.reply(reply)
    talk = on.talk(sound(1000))
    on.until(lambda: talk.ended)
    talk.wait(timeout=LIMIT)
    assert on.sink.pcm.rstrip(b"\0") == reply.rstrip(b"\0")
    roles = [item.role for item in on.session.conversation.items]
    assert roles == ["user", "assistant"]
    assert on.session.conversation.items[0].transcript
