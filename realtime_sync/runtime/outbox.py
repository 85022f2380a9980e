"""Frames that wait to be sent. No thread, no socket; every method under the connection's lock."""

from __future__ import annotations

from collections import deque

from .clock import Signal

__all__ = ["Outbox", "audio_in"]

#: Bytes that may wait to be sent before `append` waits.
QUEUE_BYTES = 8 * 1024 * 1024
#: Client events that may overtake queued audio: they are about what plays now.
OVERTAKERS = frozenset({"response.cancel", "conversation.item.truncate"})
APPEND = "input_audio_buffer.append"

#: An event's type, and its text frame.
Frame = tuple[str, bytes]


def audio_in(frame: bytes) -> int:
    """Bytes of audio in a frame of it, without decoding them."""
    text = frame[frame.rindex(b":") + 2 : -2]
    return len(text) * 3 // 4 - text.count(b"=")


class Live(bytes):
    """A frame of our microphone's: of no use if it comes late."""


class Outbox:
    """Strictly in order, but for the two overtakers. Only audio is refused when it is full."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self.size = 0  # bytes of all of them
        self.handed = 0  # bytes that were taken last, until the link has them
        self._room: list[Signal] = []  # who waits for room

    @property
    def waiting(self) -> int:
        """Bytes that no link has yet. Hold the lock."""
        return self.size + self.handed

    @property
    def empty(self) -> bool:
        """Whether nothing waits, and nobody for room. Any thread."""
        return not (self._frames or self._room)

    def put(self, kind: str, frame: bytes) -> None:
        """Queue a frame. Hold the lock: wire order is lock order."""
        place = len(self._frames)
        if kind in OVERTAKERS:
            while place and self._frames[place - 1][0] == APPEND:
                place -= 1
        self._frames.insert(place, (kind, frame))
        self.size += len(frame)

    def put_audio(self, frames: list[bytes], buffered: int) -> Signal | None:
        """Queue frames of audio together; a signal to wait for where there is no room.

        More than all the room there is goes when nothing else waits. Hold the lock.

        Args:
            frames: Each an `input_audio_buffer.append`.
            buffered: Bytes that the link has accepted and not sent.
        """
        waiting = self.size + buffered
        size = sum(map(len, frames))
        if waiting and waiting + size > QUEUE_BYTES:
            signal = Signal()
            self._room.append(signal)
            return signal
        self._frames.extend([(APPEND, frame) for frame in frames])
        self.size += size
        return None

    def put_live(self, frames: list[bytes], keep: int) -> int:
        """Queue audio of this moment; `keep` bytes of its frames may wait, the oldest beyond go.

        Hold the lock.

        Returns:
            How many bytes of audio went.
        """
        for frame in frames:
            self.put(APPEND, Live(frame))
        if self.size <= keep:
            return 0
        left = sum(len(frame) for _, frame in self._frames if isinstance(frame, Live))
        dropped, kept = 0, deque[Frame]()
        for kind, frame in self._frames:
            if left > keep and isinstance(frame, Live):
                left -= len(frame)
                self.size -= len(frame)
                dropped += audio_in(frame)
            else:
                kept.append((kind, frame))
        self._frames = kept
        return dropped

    def take(self, size: int) -> list[Frame]:
        """The oldest frames, about so many bytes of them. Hold the lock."""
        taken: list[Frame] = []
        before = self.size
        while self._frames and size > 0:
            frame = self._frames.popleft()
            size -= len(frame[1])
            self.size -= len(frame[1])
            taken.append(frame)
        self.handed = before - self.size
        return taken

    def made_room(self, buffered: int) -> list[Signal]:
        """Who may try again, now that so many bytes wait behind us. Hold the lock."""
        if not self._room or self.size + buffered > QUEUE_BYTES // 2:
            return []
        room, self._room = self._room, []
        return room

    def speech(self) -> list[Frame]:
        """Of what waits, that which is about the input audio buffer. Hold the lock."""
        return [frame for frame in self._frames if frame[0].startswith("input_audio_buffer.")]

    def clear(self) -> list[Signal]:
        """Send nothing more; who waited for room. Hold the lock."""
        self._frames.clear()
        self.size = self.handed = 0
        room, self._room = self._room, []
        return room
