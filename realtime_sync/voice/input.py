"""What the user says, on its way to the server. Used by the one thread that reads it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..audio import Encoder
from ..audio.formats import BYTES_PER_MS

if TYPE_CHECKING:
    from ..speaking import Speaking

__all__ = ["Input"]

log = logging.getLogger(__name__)

_KEPT_MS = 5_000  # that wait for the network; then the oldest are dropped


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
        dropped = self._session.input_audio_buffer._append_live(data, _KEPT_MS)
        if dropped and not self.dropped_ms:
            log.warning("the network is too slow for the microphone: its oldest audio is dropped")
        self.dropped_ms += dropped

    def _encoded(self, pcm: bytes) -> bytes:
        wanted = self._session.input_format
        if wanted != self._format:
            self._format = wanted
            self._encoder = Encoder(wanted)
        return self._encoder.feed(pcm)
