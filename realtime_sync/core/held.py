"""What callers want while there is no link, kept in order. No thread, socket or clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..events.base import ClientEvent

__all__ = ["Audio", "Held"]


class Audio:
    """One frame of user audio that waits."""

    __slots__ = ("frame", "size")

    def __init__(self, frame: bytes, size: int) -> None:
        self.frame = frame  # an `input_audio_buffer.append`
        self.size = size  # bytes of audio in it


class Held:
    """Events and audio, oldest first. Events are never lost; of the audio the newest is kept."""

    def __init__(self) -> None:
        self._entries: deque[ClientEvent | Audio] = deque()
        self._audio: deque[Audio] = deque()  # of them, the audio
        self._size = 0  # bytes of audio in it

    def put(self, event: ClientEvent) -> None:
        """Keep an event."""
        self._entries.append(event)

    @property
    def events(self) -> list[ClientEvent]:
        """The events of it, oldest first."""
        return [entry for entry in self._entries if isinstance(entry, ClientEvent)]

    def put_audio(self, frames: Iterable[tuple[bytes, int]], limit: float) -> int:
        """Keep audio; how many bytes of older audio that cost.

        Args:
            frames: Each an `input_audio_buffer.append`, and its bytes of audio.
            limit: Bytes of audio to keep; the newest frame stays, whatever its size, but at 0.
        """
        for frame, size in frames:
            audio = Audio(frame, size)
            self._entries.append(audio)
            self._audio.append(audio)
            self._size += size
        dropped = 0
        least = 1 if limit else 0
        while self._size > limit and len(self._audio) > least:
            oldest = self._audio.popleft()
            self._entries.remove(oldest)  # near the front: only events may stand before it
            self._size -= oldest.size
            dropped += oldest.size
        return dropped

    def starved(self, least: int) -> tuple[list[ClientEvent], int]:
        """Takes out the commits of which hardly any audio is left, and what is left of it.

        Args:
            least: Bytes of audio that a commit needs.

        Returns:
            The commits, and how many bytes of audio went with them.
        """
        commits: list[ClientEvent] = []
        dropped, left = 0, list[Audio]()
        for entry in list(self._entries):
            if isinstance(entry, Audio):
                left.append(entry)
            elif entry.type == "input_audio_buffer.commit":
                if sum(audio.size for audio in left) >= least:
                    break  # so have those behind it: the oldest audio goes first
                self._entries.remove(entry)
                commits.append(entry)
                dropped += self._forget(left)
                left = []
        return commits, dropped

    def withdraw(self, key: str) -> None:
        """Nobody wants the event of this id sent any more."""
        for entry in self._entries:
            if isinstance(entry, ClientEvent) and entry.event_id == key:
                self._entries.remove(entry)
                return

    def clear_audio(self) -> None:
        """Forget the audio behind the last commit."""
        self._forget(self._loose())

    def _forget(self, audios: list[Audio]) -> int:
        """Let go of some audio; how many bytes that were."""
        for audio in audios:
            self._entries.remove(audio)
            self._audio.remove(audio)
        size = sum(audio.size for audio in audios)
        self._size -= size
        return size

    @property
    def uncommitted(self) -> int:
        """Bytes of audio behind the last commit that waits."""
        return sum(audio.size for audio in self._loose())

    def _loose(self) -> list[Audio]:
        loose = []
        for entry in reversed(self._entries):
            if isinstance(entry, Audio):
                loose.append(entry)
            elif entry.type == "input_audio_buffer.commit":
                break
        return loose

    def drain(self) -> list[ClientEvent | Audio]:
        """All of it, oldest first; none stays."""
        waiting = list(self._entries)
        self._entries.clear()
        self._audio.clear()
        self._size = 0
        return waiting
