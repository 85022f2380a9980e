"""Frames on their way to the server: audio into the queue, and whatever is queued onto the link.

The part of `Connection` that sends. What the core wants sent comes by the carrier.
"""

from __future__ import annotations

import logging

from ..errors import QueueFull
from ..events.base import one_line
from .carrier import Todo
from .clock import Deadline
from .guarded import Guarded
from .link import Link

__all__ = ["Sending", "wire"]

#: One line an event, sent (>) or received (<), at DEBUG; no audio, no key.
wire = logging.getLogger("realtime_sync.wire")

#: Bytes given to the link at once; what is still in the outbox can be overtaken.
LINK_BYTES = 256 * 1024


class Sending(Guarded):
    """Fills the queue, and empties it onto the link."""

    def append(self, frames: list[tuple[bytes, int]], deadline: Deadline) -> None:
        """Queue audio: all of it, or none. While there is no link the newest of it waits.

        Args:
            frames: Each an `input_audio_buffer.append`, and its bytes of audio.
            deadline: For how long to wait for room.

        Raises:
            QueueFull: No room within the deadline; nothing was queued.
            SessionClosed: There is no session.
        """
        self._check_alone()
        payloads = [frame for frame, _ in frames]
        while True:
            todo = None
            with self._lock:
                self.check_open()
                if self.phase == "reconnecting":
                    full, todo = None, self._hold(frames)
                else:
                    waiting = self._link.buffered if self._link else 0
                    full = self._outbox.put_audio(payloads, waiting)
                    if full is None:
                        self._state.appending(frames)
            if todo is not None:
                self._carry_out(todo)
                return
            if full is None:
                self._wake_loop()
                return
            # first whether it is to wait at all: a tap may append without waiting
            if deadline.passed or not full.wait(deadline):
                raise QueueFull(
                    "no room in the writer queue, since the server or the network is slow;"
                    " wait for some by append(..., timeout=seconds)"
                )

    def append_live(self, frames: list[tuple[bytes, int]], keep: int) -> int:
        """Queue audio of our microphone, without waiting for room.

        Args:
            frames: As for `append`.
            keep: Bytes of such frames that may wait; the oldest beyond are dropped.

        Returns:
            How many bytes of audio were dropped.

        Raises:
            SessionClosed: There is no session.
        """
        self._check_alone()
        with self._lock:
            self.check_open()
            todo = self._hold(frames) if self.phase == "reconnecting" else None
            if todo is None:
                self._state.appending(frames)
                dropped = self._outbox.put_live([frame for frame, _ in frames], keep)
                self._state.buffer.dropped(dropped)
        if todo is not None:
            self._carry_out(todo)
            return 0
        if self._loop is not None:
            self._loop.wake(self._client)
        return dropped

    def _hold(self, frames: list[tuple[bytes, int]]) -> Todo:
        """Keep audio for the next link; a commit may lose its own by that. Hold the lock."""
        todo = Todo()
        self._state.appending(frames)
        self._collect(todo)
        return todo

    def on_wake(self) -> None:
        """Frames are queued. Runs on the I/O thread."""
        link = self._link
        if link is None or link.ended is not None:
            return
        while True:
            with self._lock:
                frames = self._outbox.take(LINK_BYTES - link.buffered)
                room = self._outbox.made_room(link.buffered)
            for signal in room:
                signal.set()
            if not frames:
                return
            self._give(link, frames)
            # what the kernel takes at once brings nobody back here for the rest
            link.flush()
            if self._outbox.empty:  # whoever puts something in wakes us
                return

    on_writable = on_wake

    def _give(self, link: Link, frames: list[tuple[str, bytes]]) -> None:
        self._sent += len(frames)
        debug = wire.isEnabledFor(logging.DEBUG)
        for kind, frame in frames:
            link.send(frame)
            if debug:
                wire.debug("> %s, %d bytes", one_line(kind, 80), len(frame))
            if self._taps:
                self._taps.show("sent", frame, None, link.hidden)
        self._outbox.handed = 0  # for a moment they count twice: else nowhere
