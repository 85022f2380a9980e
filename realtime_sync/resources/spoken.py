"""A turn's audio as it goes through the input audio buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybase64

from .. import items
from ..audio.formats import duration_ms
from ..core.buffer import COMMIT_MS
from ..errors import ConfigurationError
from ..events.base import ClientEvent
from ..events.client import InputAudioBufferAppend, InputAudioBufferCommit
from ..events.config import SessionConfig
from ..items import in_format
from .buffer import APPEND_BYTES

if TYPE_CHECKING:
    from ..listening import Listening

__all__ = ["buffered"]


def buffered(
    session: Listening, audio: Any, audio_format: str, config: SessionConfig
) -> tuple[ClientEvent, ...]:
    """The events that bring audio into the buffer and commit it.

    Args:
        audio: What `items.user` takes.
        audio_format: The session's input format.
        config: What the server holds.

    Raises:
        ValueError: None, or less than a commit needs.
        ConfigurationError: The server's turn detection is on, and would commit by itself.
        TypeError, AudioError: Not audio.
    """
    if audio is None:
        raise ValueError('through: "buffer" is a way for audio; give audio=')
    sound = config.audio.input if config.audio else None
    if sound is not None and sound.turn_detection is not None:
        raise ConfigurationError(
            'through: "buffer" needs turn_detection=None; with it the server commits by itself'
        )
    made = in_format(items.user(audio=audio), audio_format)
    data = pybase64.b64decode((made.content or ())[0].audio or "")
    if duration_ms(len(data), audio_format) < COMMIT_MS:
        raise ValueError(f'audio: the buffer needs {COMMIT_MS} ms at least; use through="item"')
    appends = [
        InputAudioBufferAppend(audio=pybase64.b64encode(data[at : at + APPEND_BYTES]).decode())
        for at in range(0, len(data), APPEND_BYTES)
    ]
    return (*appends, InputAudioBufferCommit(event_id=session.new_id("event")))
