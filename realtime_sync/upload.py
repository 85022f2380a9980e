"""One source on its way to be transcribed, and what comes back. Knows no threads and no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .core.dictation import Dictation, ItemTranscript
from .errors import ConnectionLost, RealtimeTimeout, SessionClosed, copy_of, refusal
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
#: Bytes of audio that wait for their transcripts, in all, before more is read: eleven minutes.
AHEAD = 32 * 1024 * 1024
LOST, RESTORED, CLEARED = "connection.lost", "connection.restored", "input_audio_buffer.cleared"
#: Beside the events of a dictation.
ANSWERS = (CLEARED, "error", LOST, RESTORED)


@dataclass(slots=True)
class _Piece:
    """Audio of one item, kept until its transcript is there: a lost link takes both."""

    frames: list[bytes] = field(default_factory=list)
    size: int = 0
    key: str = ""  # the event id of its commit; "" while it grows
    item_id: str | None = None  # once the server has committed it
    was: str | None = None  # what its item was in the session before


class Upload:
    """One source on its way, and what comes back. Belongs to one thread.

    Args:
        commits: Whether it is on us to commit. Then a link that is lost costs nothing but time:
            what has no transcript yet is said again over the next one. Else only the server knows
            what it has heard, and the loss is raised.
    """

    def __init__(
        self,
        session: TranscriptionSession,
        watch: Watch,
        dictation: Dictation,
        timeout: float | None,
        *,
        commits: bool,
    ) -> None:
        self._session = session
        self._watch = watch
        self._dictation = dictation
        self._timeout = timeout
        self._commits = commits
        self._pieces: deque[_Piece] = deque()  # without their transcripts, oldest first
        self._open = _Piece()  # since the last commit
        self._sent: set[str] = set()  # ids of our commits and of the clear
        self._clear: Reply[Any] | None = None  # once all is sent
        self._cleared = False
        self.over = False  # nothing of it is left with the server

    @property
    def uncommitted(self) -> int:
        """Bytes since the last commit."""
        return self._open.size

    def append(self, frame: bytes) -> None:
        """Send a piece of the source."""
        if not frame:
            return
        if self._commits:
            self._open.frames.append(frame)
        self._open.size += len(frame)
        self._say(frame)

    def commit(self) -> None:
        """What was sent since the last commit is one item."""
        if self._commits:
            self._pieces.append(self._open)
        done, self._open = self._open, _Piece()
        self._say_commit(done)

    def _say(self, frame: bytes) -> None:
        buffer = self._session.input_audio_buffer
        buffer.append(frame, sample_rate=24_000, timeout=self._timeout)

    def _say_commit(self, piece: _Piece) -> None:
        event = InputAudioBufferCommit(event_id=self._session.new_id("event"))
        piece.key, piece.item_id, piece.was = event.event_id or "", None, piece.item_id or piece.was
        self._request(event)

    def _request(self, event: ClientEvent) -> Reply[Any]:
        self._sent.add(event.event_id or "")
        # an error that somebody waits for is not logged; of a commit its event tells us
        return self._session._request(event, None)

    def _request_clear(self) -> Reply[Any]:
        return self._request(InputAudioBufferClear(event_id=self._session.new_id("event")))

    def ready(self) -> Iterator[ItemTranscript]:
        """What has come, without waiting, unless too much is under way."""
        while (event := self._watch.ready()) is not None:
            yield from self._news(event)
        while self._pieces and sum(piece.size for piece in self._pieces) > AHEAD:
            yield from self._news(self._next())

    def rest(self) -> Iterator[ItemTranscript]:
        """What is still to come, once all is sent."""
        # answers come in order: once this one is here, every commit before it has been answered,
        # the server's own too
        self._clear = self._request_clear()
        while not self._cleared or self._dictation.pending:
            yield from self._news(self._next())
        self.over = True

    def _next(self) -> Event:
        """The next event.

        Raises:
            RealtimeTimeout, ConnectionLost, SessionClosed: None comes.
        """
        try:
            event = self._watch.get(Deadline(self._timeout))
        except RealtimeTimeout:
            left = self._dictation.pending
            raise RealtimeTimeout(
                f"{left} piece{'s' * (left != 1)} not transcribed, and no sign of it within "
                f"{self._timeout:g} s"
            ) from None
        if event is None:
            error = self._watch.error
            raise copy_of(error) if error else SessionClosed("the session was closed")
        return event

    def _news(self, event: Event) -> Iterator[ItemTranscript]:
        if event.type in (LOST, RESTORED):
            self._resume(event)
            return
        if event.type == CLEARED and self._clear is not None:
            self._cleared = self._answers(self._clear, event)
        elif event.type == "error":
            self._check(event)
        elif event.type == "input_audio_buffer.committed":
            self._committed(event)
        item = self._dictation.received(event)
        if item is not None:
            if item.final:
                self._forget(item.item_id)
            yield item

    def _answers(self, reply: Reply[Any], event: Event) -> bool:
        # it may be the answer to another's; watchers are told first, ours a moment later
        answer: Any = reply.result_by(Deadline(self._timeout))
        return answer is event

    def _check(self, event: Event) -> None:
        failed = refusal(event)
        if failed.event_id not in self._sent:
            return
        if failed.code != NOTHING_LEFT:
            raise failed
        self._pieces = deque(piece for piece in self._pieces if piece.key != failed.event_id)

    def _committed(self, event: Any) -> None:
        piece = next((one for one in self._pieces if one.item_id is None), None)
        if piece is None:
            return
        piece.item_id = event.item_id
        if piece.was is not None:
            self._dictation.said_again(piece.was, event.item_id)

    def _forget(self, item_id: str) -> None:
        self._pieces = deque(piece for piece in self._pieces if piece.item_id != item_id)

    # --- over another link

    def _resume(self, event: Event) -> None:
        """Say again what has no transcript yet.

        Raises:
            ConnectionLost: There is no other link, or only the server knows what it has heard.
            RealtimeTimeout: It does not come in time.
        """
        if not self._commits:
            lost = getattr(event, "error", None)
            raise copy_of(lost) if lost else ConnectionLost("the session was renewed", code=1000)
        while not (event.type == RESTORED and self._emptied()):
            event = self._next()
        self._dictation.restart()
        for piece in self._pieces:
            for frame in piece.frames:
                self._say(frame)
            self._say_commit(piece)
        for frame in self._open.frames:
            self._say(frame)
        if self._clear is not None:
            self._cleared, self._clear = False, self._request_clear()

    def _emptied(self) -> bool:
        """Whether nothing stands in the new session's buffer: some of ours went there by itself."""
        self._sent.clear()  # what becomes of those commits is of no interest
        clear = self._request_clear()
        while (event := self._next()).type != LOST:
            if event.type == CLEARED and self._answers(clear, event):
                return True
            if event.type == "error":
                self._check(event)
        return False
