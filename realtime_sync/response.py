"""The live handle of a response. Reads what the core collects; changes nothing but by request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .core.responses import ResponseRecord, failure_of
from .core.usage import Metrics, metrics
from .errors import (
    RealtimeTimeout,
    ResponseCancelled,
    ResponseIncomplete,
    copy_of,
)
from .events.base import ServerEvent
from .events.items import Item
from .events.server import (
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    StatusDetails,
    Usage,
)
from .runtime.clock import Deadline

if TYPE_CHECKING:
    from .runtime.connection import Connection

__all__ = ["Follower", "Response", "moved_on", "text_of"]

T = TypeVar("T")

_TEXT = (ResponseOutputTextDelta, ResponseOutputAudioTranscriptDelta)


def text_of(event: ServerEvent) -> str | None:
    """The text that an event adds; None for all others."""
    return event.delta or None if isinstance(event, _TEXT) else None


def moved_on(
    connection: Connection,
    waiters: list[Callable[[], None]],
    ready: Callable[[], bool],
    deadline: Deadline,
) -> bool:
    """Wait until a live record has more to read; False: not in time."""
    signal = connection.follow(waiters, ready)
    if signal is None or signal.wait(deadline):
        return True
    wake = signal.set
    # whoever polls a response that stands still must not leave a waiter behind each time
    connection.look(lambda _: waiters.remove(wake) if wake in waiters else None)
    return False


class Follower(Generic[T]):
    """Reads a response from its beginning as it grows, however late it starts.

    One iterator belongs to one thread. After a timeout it can be continued.
    """

    def __init__(
        self,
        response: Response,
        pick: Callable[[ServerEvent], T | None],
        timeout: float | None,
    ) -> None:
        Deadline(timeout)  # complains about a wrong one
        self._response = response
        self._pick = pick
        self._timeout = timeout
        self._index = 0  # of the next event to look at

    def __iter__(self) -> Follower[T]:
        return self

    def __next__(self) -> T:
        record, connection = self._response._record, self._response._connection
        deadline = Deadline(self._timeout)
        while True:
            done = record.done  # before the events: the last one may come in between
            while self._index < len(record.events):
                event = record.events[self._index]
                self._index += 1
                value = self._pick(event)
                if value is not None:
                    return value
            if done:
                self._response._settle()
                self._response._raise_if_lost()
                raise StopIteration
            if connection is None:
                raise StopIteration
            more = lambda: record.done or self._index < len(record.events)  # noqa: E731
            if not moved_on(connection, record.waiters, more, deadline):
                raise RealtimeTimeout(f"nothing new from the response within {self._timeout:g} s")


class Response:
    """A response, live: everything of it that has come so far.

    A handle: equal by identity. Once done it pickles, as data.
    """

    def __init__(self, record: ResponseRecord, connection: Connection | None) -> None:
        self._record = record
        self._connection = connection  # None once it is over: who keeps it keeps no session
        self._format: str | None = None  # of its audio, from then on

    # --- what it is

    @property
    def id(self) -> str:
        """The server's id."""
        return self._record.id

    @property
    def status(self) -> str:
        """ "in_progress", "completed", "cancelled", "failed", "incomplete", or "lost"."""
        return self._record.status

    @property
    def status_details(self) -> StatusDetails | None:
        """Why it ended so; None until done."""
        return self._record.object.status_details if self._record.done else None

    @property
    def done(self) -> bool:
        """True from `response.done`, loss or close on."""
        return self._record.done

    @property
    def output(self) -> tuple[Item, ...]:
        """The items so far, with the audio received for each; a snapshot."""
        return tuple(self._with_audio(item) for item in self._items())

    @property
    def function_calls(self) -> tuple[Item, ...]:
        """The function calls among the output so far; a snapshot."""
        return tuple(item for item in self._items() if item.type == "function_call")

    @property
    def text(self) -> str:
        """Text and transcripts so far, in the end the server's."""
        return "".join(item.text or "" for item in self._items())

    @property
    def audio(self) -> bytes:
        """Everything received, played or not, in this response's output format."""
        return self._audio_of()

    @property
    def usage(self) -> Usage | None:
        """What it cost; None until done, and where the server does not say."""
        return self._record.object.usage if self._record.done else None

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata that it was created with."""
        return self._record.metadata

    @property
    def metrics(self) -> Metrics | None:
        """Its timings; None until done."""
        return metrics(self._record) if self._record.done else None

    def _with_audio(self, item: Item) -> Item:
        """An item of the output with the audio received for it."""
        # without audio as the conversation has it, or equal items would not be equal
        audio = self._audio_of(item)
        return item.with_audio(audio) if audio else item

    def _settle(self) -> None:
        """Once it is over, let go of the session. From any thread."""
        if self._connection is not None and self._record.done:
            self._format = self._audio_format()
            self._connection = None

    def _items(self) -> tuple[Item, ...]:
        self._settle()
        connection, record = self._connection, self._record
        if connection is None or record.done:
            return record.output
        items: tuple[Item, ...] = connection.look(lambda _: record.output)
        return items

    def _audio_of(self, item: Item | None = None) -> bytes:
        return b"".join(
            event.audio
            for event in tuple(self._record.events)
            if isinstance(event, ResponseOutputAudioDelta)
            and (item is None or event.item_id == item.id)
        )

    # --- what to do with it

    def wait(self, *, timeout: float | None = 120) -> Response:
        """Wait until it has ended, whatever the status.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            RealtimeTimeout: It took longer, and goes on.
            ConnectionLost, SessionClosed: It can no longer end; `.text` has what came.
        """
        deadline = Deadline(timeout)
        record, connection = self._record, self._connection
        if connection is not None:
            ended = lambda: record.done  # noqa: E731
            if not moved_on(connection, record.enders, ended, deadline):
                raise RealtimeTimeout(f"the response has not ended within {timeout:g} s")
        self._settle()
        self._raise_if_lost()
        return self

    def raise_for_status(self) -> Response:
        """Raise unless it is completed or still running.

        Raises:
            ResponseFailed, ResponseIncomplete, ResponseCancelled: As it ended.
        """
        self._raise_if_lost()
        failed = failure_of(self._record)
        if failed is not None:
            raise copy_of(failed, self)
        details = self.status_details
        reason = (details and details.reason) or "no reason given"
        if self.status == "incomplete":
            raise ResponseIncomplete(f"the response is incomplete: {reason}", response=self)
        if self.status == "cancelled":
            raise ResponseCancelled(f"the response was cancelled: {reason}", response=self)
        return self

    def cancel(self) -> None:
        """Ask the server to end it; does not wait. Harmless once it is done."""
        connection = self._connection
        if connection is not None and not self._record.done:
            connection.do(lambda state: state.sequencer.cancel(self._record))

    def text_deltas(self, *, timeout: float | None = 120) -> Iterator[str]:
        """Pieces of text and transcripts, from the beginning.

        Args:
            timeout: Seconds to wait for each; None waits for ever.

        Raises:
            RealtimeTimeout: None came in time; the iterator can be continued.
            ConnectionLost, SessionClosed: After the last piece, if it can no longer end.
        """
        return Follower(self, text_of, timeout)

    def audio_chunks(self, *, timeout: float | None = 120) -> Iterator[bytes]:
        """Pieces of audio in the output format, whole samples each, from the beginning.

        Args:
            timeout: Seconds to wait for each; None waits for ever.

        Raises:
            As `text_deltas`.
        """
        return Follower(self, _Samples(2 if self._audio_format() == "audio/pcm" else 1), timeout)

    def _audio_format(self) -> str:
        """Of its audio."""
        audio = self._record.object.audio
        fmt = audio.output.format if audio and audio.output else None
        kind, connection = fmt.type if fmt is not None else self._format, self._connection
        if kind is None and connection is not None:
            kind = connection.look(lambda s: s.audio_format("output"))
        return kind if kind in ("audio/pcmu", "audio/pcma") else "audio/pcm"

    def __iter__(self) -> Iterator[ServerEvent]:
        """All its events, from `response.created` on; each is waited for 120 seconds."""
        return Follower(self, lambda event: event, 120)

    def _raise_if_lost(self) -> None:
        error = self._record.error
        if error is not None:
            raise copy_of(error, self)

    def __repr__(self) -> str:
        said = self.text
        shown = f"{said[:40]!r}…" if len(said) > 40 else repr(said)
        return f"<Response {self.id} {self.status}, {shown}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: words, something to hear it by, calls, how it ended."""
        from .notebook.cards import response_card

        return response_card(self, self._audio_format())

    def __reduce__(self) -> Any:
        if not self._record.done:
            raise TypeError("a response that is still running does not pickle; wait() for it first")
        record = self._record
        error = None if record.error is None else copy_of(record.error)
        cause = None if record.cause is None else copy_of(record.cause)
        kept = (record.object, record.status, record.events, record.output, error, cause)
        times = {name: getattr(record.timings, name) for name in record.timings.__slots__}
        return _unpickled, (record.id, record.default, kept, times)


def _unpickled(response_id: str, default: bool, kept: Any, times: dict[str, float]) -> Response:
    record = ResponseRecord(response_id, default=default)
    record.object, record.status, record.events, record.final, record.error, record.cause = kept
    record.done = True
    for name, moment in times.items():
        setattr(record.timings, name, moment)
    return Response(record, None)


class _Samples:
    """Puts samples together that a delta's end cut apart."""

    def __init__(self, size: int) -> None:
        self._size = size  # bytes of a sample
        self._rest = b""

    def __call__(self, event: ServerEvent) -> bytes | None:
        if not isinstance(event, ResponseOutputAudioDelta):
            return None
        data = self._rest + event.audio
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        return data[:whole] or None
