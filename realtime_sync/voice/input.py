"""What the user says, on its way to the server. Used by the one thread that reads it."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from ..audio import Encoder
from ..audio.formats import BYTES_PER_MS
from ..errors import QueueFull

if TYPE_CHECKING:
    from ..speaking import Speaking

__all__ = ["Input"]

log = logging.getLogger(__name__)

_KEPT_MS = 5_000  # that wait while the writer queue is full; then the oldest are dropped


class Input:
    """Appends what it is given to the session's buffer, in the session's format.

    Attributes:
        dropped_ms: What was lost because the network was too slow.
        sent_ms: What has gone out since `sent_ms` was last set to 0.
    """

    def __init__(self, session: Speaking) -> None:
        self._session = session
        self._format = "audio/pcm"
        self._encoder = Encoder()
        self._waiting: deque[bytes] = deque()  # oldest first
        self.dropped_ms = 0.0
        self.sent_ms = 0.0

    def send(self, pcm: bytes) -> None:
        """PCM16 mono at 24 kHz. Never waits.

        Raises:
            SessionClosed: There is no session any more.
        """
        data = self._encoded(pcm)
        self.sent_ms += len(pcm) / BYTES_PER_MS["audio/pcm"]
        if not data:
            return
        self._waiting.append(data)
        try:
            self._session.input_audio_buffer.append(b"".join(self._waiting))
        except QueueFull:
            self._drop()
        else:
            self._waiting.clear()

    def _drop(self) -> None:
        per_ms = BYTES_PER_MS[self._format]
        if not self.dropped_ms:
            log.warning("the network is too slow for the microphone: its oldest audio is dropped")
        while sum(map(len, self._waiting)) > _KEPT_MS * per_ms:
            self.dropped_ms += len(self._waiting.popleft()) / per_ms

    def _encoded(self, pcm: bytes) -> bytes:
        wanted = self._session.input_format
        if wanted != self._format:
            self._format = wanted
            self._waiting.clear()
            self._encoder = Encoder(wanted)
        return self._encoder.feed(pcm)
