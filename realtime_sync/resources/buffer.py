"""`session.input_audio_buffer`: the user's audio on its way to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybase64

from ..audio.formats import BYTES_PER_MS, duration_ms
from ..core.buffer import COMMIT_MS
from ..events.client import InputAudioBufferClear, InputAudioBufferCommit
from ..events.items import Item
from ..runtime.clock import Deadline

if TYPE_CHECKING:
    from ..living import Living

__all__ = ["AudioInput", "InputAudioBuffer"]

#: Bytes of audio that go into one event; the server takes 15 MiB.
APPEND_BYTES = 1024 * 1024
#: Formats of a memoryview over bytes: over numbers of other sizes, they would be noise.
_BYTES = frozenset("Bbc")


class AudioInput:
    """Sound on its way to the server, in frames of one kind."""

    KIND = "input_audio_buffer.append"
    FRAME_BYTES = APPEND_BYTES

    def __init__(self, session: Living) -> None:
        self._session = session

    def append(
        self, data: Any, *, sample_rate: int | None = None, timeout: float | None = 0
    ) -> None:
        """Queue audio; never waits for the network.

        Args:
            data: Bytes: mono, in the session's input format, or PCM16 at `sample_rate` if that is
                given; a memoryview of int16 is samples. int16 or float32 arrays: (frames,) or
                (frames, channels), at `sample_rate`, else at 24 kHz.
            sample_rate: In Hz.
            timeout: Seconds to wait for room in the writer queue; None waits for ever.

        Raises:
            QueueFull: No room; nothing was queued.
            TypeError, ValueError: Not audio.
        """
        deadline = Deadline(timeout)
        self._session._connection.append(self._frames(self._bytes(data, sample_rate)), deadline)

    def _append_live(self, audio: bytes, keep_ms: float) -> float:
        """Queue audio of our microphone; no more than `keep_ms` of audio waits for the network.

        Args:
            audio: In the session's input format.

        Returns:
            Milliseconds that were dropped for it, the oldest that had not left.

        Raises:
            SessionClosed: There is no session.
        """
        per_ms = BYTES_PER_MS[self._session.input_format]
        keep = int(keep_ms * per_ms * 4 / 3)  # as base64
        return self._session._connection.append_live(self._frames(audio), keep) / per_ms

    def _frames(self, audio: bytes | bytearray | memoryview) -> list[tuple[bytes, int]]:
        kind, size = self.KIND.encode(), self.FRAME_BYTES
        return [
            (b'{"type":"%b","audio":"%b"}' % (kind, pybase64.b64encode(piece)), len(piece))
            for start in range(0, len(audio), size)
            if (piece := audio[start : start + size])
        ]

    def _bytes(self, data: Any, sample_rate: int | None) -> bytes | bytearray | memoryview:
        if sample_rate is None and isinstance(data, (bytes, bytearray)):
            return data
        if sample_rate is None and isinstance(data, memoryview) and data.format in _BYTES:
            return data.cast("B") if data.contiguous else bytes(data)
        # numpy comes in with arrays, views of samples and foreign rates only
        from ..audio import codecs

        pcm = codecs.to_pcm16(data, sample_rate=sample_rate)
        return bytes(codecs.encode(pcm, self._session.input_format))


class InputAudioBuffer(AudioInput):
    """The user's audio on its way to the server."""

    def commit(self, *, timeout: float | None = 10) -> Item:
        """Make what was appended a user item. Begins no response.

        Raises:
            ValueError: Less than 100 ms since the last commit or clear; nothing was sent.
            ServerError: The server refused it.
            ProtocolError: Its answer cannot be read.
        """
        deadline = Deadline(timeout)
        session = self._session
        session._check_open()
        waiting = duration_ms(session._look(lambda s: s.buffer.size), session.input_format)
        if waiting < COMMIT_MS:
            raise ValueError(
                f"{int(waiting)} ms of audio to commit; the server needs {COMMIT_MS} ms at least:"
                " append more first"
            )
        with session.expect("conversation.item.*") as pending:
            event = InputAudioBufferCommit(event_id=session.new_id("event"))
            item_id = session._ask_server(event, deadline).item_id
            known: Item | None = session._look(
                lambda s: (
                    s.conversation.records[item_id].snapshot()
                    if item_id in s.conversation
                    else None
                )
            )
            if known is not None:
                return known
            named = lambda e: getattr(getattr(e, "item", None), "id", None) == item_id  # noqa: E731
            item: Item = pending.result_by(deadline, named).item
            return item

    def clear(self, *, timeout: float | None = 10) -> None:
        """Forget what was appended and not committed.

        Raises:
            ServerError: The server refused it.
            ProtocolError: Its answer cannot be read.
        """
        event = InputAudioBufferClear(event_id=self._session.new_id("event"))
        self._session._ask_server(event, Deadline(timeout))

    def __repr__(self) -> str:
        waiting = self._session._look(lambda s: s.buffer.size)
        return f"<InputAudioBuffer, {duration_ms(waiting, self._session.input_format):.0f} ms>"
