"""How much user audio the server holds that no commit has taken. No thread, socket or clock."""

from __future__ import annotations

from ..events.base import ClientEvent
from ..events.client import InputAudioBufferAppend

__all__ = ["COMMIT_MS", "Buffer"]

#: Milliseconds of audio that a commit needs. Source: wire.md (b).
COMMIT_MS = 100


class Buffer:
    """Counts what was appended, in bytes of the session's input format."""

    def __init__(self) -> None:
        self.size = 0  # appended since the last commit or clear, ours or the server's
        self._in_all = 0  # appended since the session began
        self._answered = 0  # of that, when the server last gave a sign of life
        self.detects = False  # the server detects turns, and commits by itself
        # on the server's clock of user audio
        self._speech_start_ms: int | None = None  # None: nobody speaks
        self._speech_end_ms = 0

    def append(self, size: int) -> None:
        """User audio goes out."""
        self.size += size
        self._in_all += size

    def dropped(self, size: int) -> None:
        """So much of it will not go out after all."""
        self.size = max(0, self.size - size)
        self._in_all -= size

    def sent(self, event: ClientEvent) -> None:
        """An event goes out: it may bring audio, as the wire has it."""
        if isinstance(event, InputAudioBufferAppend):
            self.append(len(event.audio) * 3 // 4 - event.audio.count("=", -2))

    def speech_started(self, start_ms: int) -> None:
        """The server's turn detection says where speech began, in ms of the session's audio."""
        self._speech_start_ms = start_ms

    def answered(self) -> None:
        """The server has given a sign of life."""
        self._answered = self._in_all

    def unheard(self, bytes_per_ms: int, *, dead: bool = False) -> int:
        """Bytes that would be missed if this session ended now.

        Where the server detects turns, that is the speech under way: silence is not missed. A link
        that was dead may have swallowed speech, and that speech began: then all since the server's
        last sign of life.
        """
        if not self.detects:
            return self.size
        missed = self._in_all - self._answered if dead else 0
        if self._speech_start_ms is not None:
            missed = max(missed, self._in_all - self._speech_start_ms * bytes_per_ms)
        return min(self.size, missed)

    def speech_stopped(self, end_ms: int) -> None:
        """The server's turn detection says where the speech ended, in ms of the session's audio."""
        self._speech_end_ms = end_ms

    def committed(self, bytes_per_ms: int) -> None:
        """The server has committed by itself: what was appended after the speech is left."""
        self._speech_start_ms = None
        heard = self._speech_end_ms * bytes_per_ms
        self.size = min(self.size, max(0, self._in_all - heard))

    def restart(self, size: int = 0) -> None:
        """A new session has an empty buffer; so many bytes wait for it."""
        self.size, self._in_all, self._answered = size, 0, 0
        self._speech_start_ms, self._speech_end_ms = None, 0
