"""How much user audio the server holds that no commit has taken. No thread, socket or clock."""

from __future__ import annotations

from ..events.base import ClientEvent
from ..events.client import InputAudioBufferAppend

__all__ = ["Buffer"]


class Buffer:
    """Counts what was appended, in bytes of the session's input format."""

    def __init__(self) -> None:
        self.size = 0  # appended since the last commit or clear, ours or the server's
        self._in_all = 0  # appended since the session began
        self._speech_end_ms = 0  # on the server's clock of user audio

    def append(self, size: int) -> None:
        """User audio goes out."""
        self.size += size
        self._in_all += size

    def sent(self, event: ClientEvent) -> None:
        """An event goes out: it may bring audio, as the wire has it."""
        if isinstance(event, InputAudioBufferAppend):
            self.append(len(event.audio) * 3 // 4 - event.audio.count("=", -2))

    def speech_stopped(self, end_ms: int) -> None:
        """The server's turn detection says where the speech ended, in ms of the session's audio."""
        self._speech_end_ms = end_ms

    def committed(self, bytes_per_ms: int) -> None:
        """The server has committed by itself: what was appended after the speech is left."""
        heard = self._speech_end_ms * bytes_per_ms
        self.size = min(self.size, max(0, self._in_all - heard))

    def restart(self, size: int = 0) -> None:
        """A new session has an empty buffer; so many bytes wait for it."""
        self.size, self._in_all, self._speech_end_ms = size, 0, 0
