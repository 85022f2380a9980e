"""One source on its way to be transcribed, and what comes back. Knows no threads and no files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .core.dictation import Dictation, ItemTranscript
from .errors import RealtimeTimeout, SessionClosed, copy_of, refusal
from .events.base import ClientEvent, Event
from .events.client import InputAudioBufferClear, InputAudioBufferCommit
from .runtime.clock import Deadline
from .runtime.futures import Reply
from .runtime.watches import Watch

if TYPE_CHECKING:
    from .transcription import TranscriptionSession

__all__ = ["Upload"]

#: What a commit is refused with, where the server has committed all by itself.
NOTHING_LEFT = "input_audio_buffer_commit_empty"


class Upload:
    """One source on its way, and what comes back. Belongs to one thread."""

    def __init__(
        self,
        session: TranscriptionSession,
        watch: Watch,
        dictation: Dictation,
        timeout: float | None,
    ) -> None:
        self._session = session
        self._watch = watch
        self._dictation = dictation
        self._timeout = timeout
        self._sent: set[str] = set()  # ids of our commits and of the clear
        self._clear: Reply[Any] | None = None  # once all is sent
        self._cleared = False
        self.over = False  # nothing of it is left with the server

    def append(self, frame: bytes) -> None:
        if frame:
            buffer = self._session.input_audio_buffer
            buffer.append(frame, sample_rate=24_000, timeout=self._timeout)

    def commit(self) -> None:
        self._request(InputAudioBufferCommit(event_id=self._session.new_id("event")))

    def _request(self, event: ClientEvent) -> Reply[Any]:
        self._sent.add(event.event_id or "")
        # an error that somebody waits for is not logged; of a commit its event tells us
        return self._session._request(event, None)

    def ready(self) -> Iterator[ItemTranscript]:
        """What has come, without waiting."""
        while (event := self._watch.ready()) is not None:
            yield from self._news(event)

    def rest(self) -> Iterator[ItemTranscript]:
        """What is still to come, once all is sent."""
        # answers come in order: once this one is here, every commit before it has been answered,
        # the server's own too
        clear = InputAudioBufferClear(event_id=self._session.new_id("event"))
        self._clear = self._request(clear)
        while not self._cleared or self._dictation.pending:
            try:
                event = self._watch.get(Deadline(self._timeout))
            except RealtimeTimeout:
                left = self._dictation.pending
                raise RealtimeTimeout(
                    f"{left} piece{'s' * (left != 1)} not transcribed, and no sign of it within "
                    f"{self._timeout:g} s"
                ) from None
            yield from self._news(event)
        self.over = True

    def _news(self, event: Event | None) -> Iterator[ItemTranscript]:
        if event is None:
            error = self._watch.error
            raise copy_of(error) if error else SessionClosed("the session was closed")
        if event.type == "input_audio_buffer.cleared" and self._clear is not None:
            # it may be the answer to another's; watchers are told first, ours a moment later
            self._cleared = self._clear.result_by(Deadline(self._timeout)) is event
        elif event.type == "error":
            failed = refusal(event)
            if failed.event_id in self._sent and failed.code != NOTHING_LEFT:
                raise failed
        item = self._dictation.received(event)
        if item is not None:
            yield item
