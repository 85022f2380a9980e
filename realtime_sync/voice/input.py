"""What the user says, on its way to the server. Used by the one thread that reads it."""

from __future__ import annotations

import base64
import logging
from collections import deque
from typing import TYPE_CHECKING

from ..audio import Encoder
from ..audio.formats import BYTES_PER_MS
from ..events.client import (
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
)

if TYPE_CHECKING:
    from ..core.turns import Turn
    from ..speaking import Speaking

__all__ = ["Input"]

log = logging.getLogger(__name__)

_KEPT_MS = 5_000  # that wait for the network; then the oldest are dropped


class Input:
    """Appends what it is given to the session's buffer, in the session's format.

    Attributes:
        dropped_ms: What was lost because the network was too slow.
        sent_ms: What has gone out since `begin`.
    """

    def __init__(self, session: Speaking) -> None:
        self._session = session
        self._format = "audio/pcm"
        self._encoder = Encoder()
        self._said: deque[bytes] = deque()  # since `begin`: a lost link may want it again
        self._said_size = 0  # bytes in it
        self._torn = False  # a link was lost since `begin`, and the server's buffer with it
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
        self._keep(data)

    def begin(self) -> None:
        """A turn of the user's begins: what goes out from now on belongs to it."""
        self.sent_ms, self._said_size, self._torn = 0.0, 0, False
        self._said.clear()

    def unlinked(self) -> None:
        """A link is lost. Runs on the I/O thread."""
        self._torn = True

    def turn(self, turn: Turn) -> None:
        """The user's turn is over: give it what it begins with.

        The server has the audio, and only the commit is missing; unless it was lost with a link,
        now or before the turn is answered: then the last of it is said again, as much as
        `replay_audio` keeps.
        """
        session = self._session
        commit = InputAudioBufferCommit(event_id=session.new_id("event"))
        said = [
            InputAudioBufferAppend(audio=base64.b64encode(data).decode()) for data in self._said
        ]
        turn.given, turn.items = (*said, commit), (commit,)
        if self._torn:
            session._request(InputAudioBufferClear(event_id=session.new_id("event")))
            turn.items = turn.given
        self._said.clear()

    def _keep(self, data: bytes) -> None:
        self._said.append(data)
        self._said_size += len(data)
        most = self._session._look(lambda s: s.conversation.kept.limit) * 3 / 4
        while self._said and self._said_size > most:
            self._said_size -= len(self._said.popleft())

    def _encoded(self, pcm: bytes) -> bytes:
        wanted = self._session.input_format
        if wanted != self._format:
            self._format = wanted
            self._encoder = Encoder(wanted)
        return self._encoder.feed(pcm)
