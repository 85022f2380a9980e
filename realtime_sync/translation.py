"""TranslationSession: speech in one language in, in another out. Knows no socket, no protocol."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .core.translation import TranslationState
from .errors import (
    ConfigurationError,
    RealtimeError,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
    refusal,
)
from .events.base import Event
from .events.config import NOT_GIVEN, NotGiven, SessionConfig, session_config
from .living import Living
from .opening import Setup, endpoints_of
from .policy import ReconnectPolicy
from .resources.buffer import AudioInput
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.dispatcher import Dispatch
from .runtime.endpoints import Endpoint
from .streams import Events

__all__ = ["Translation", "TranslationSession", "connect_translation"]

log = logging.getLogger(__name__)

FRAME_MS = 200  # as the service advises. Source: wire.md (c)
INPUT_TEXT = "session.input_transcript.delta"
OUTPUT_AUDIO = "session.output_audio.delta"
OUTPUT_TEXT = "session.output_transcript.delta"
CLOSED = "session.closed"
LOST, RESTORED = "connection.lost", "connection.restored"


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of a whole source.

    Attributes:
        text: The translation.
        input_text: What was said; "" without `transcription`.
        audio: The translation, spoken: PCM16 mono at 24 kHz.
        errors: What the server complained of on the way; and, with the code "connection_lost", how
            much of the source was lost with a link.
    """

    text: str
    input_text: str
    audio: bytes
    errors: tuple[ServerError, ...] = ()

    def __repr__(self) -> str:
        return f"<Translation {self.text[:60]!r}, {len(self.audio) / 48:.0f} ms>"


class Deltas(Events):
    """The pieces of one output, until all of the translation has come. As `Events`."""

    def __next__(self) -> Any:
        event = super().__next__()
        if event.type == CLOSED:
            self.close()
            raise StopIteration
        return event


class _Frames(AudioInput):
    """Input of a translation, in frames of the length that the service advises."""

    KIND = "session.input_audio_buffer.append"
    FRAME_BYTES = FRAME_MS * 48


class TranslationSession(Living):
    """One continuous stream: speech goes in, its translation comes out, as text and spoken.

    ::

        with connect_translation("es") as session:
            result = session.translate("talk.wav")
            print(result.text)

    Or live, one thread appending, others reading `output_audio()` and `output_text()`. There are no
    items, responses, commits or turns; callbacks, watches and errors are those of
    `RealtimeSession`. Output is driven by input time: a stream that is live must go on while
    nobody speaks, so append silence then, as an open microphone does (`bytes(9600)` is 200 ms of
    it). Source: wire.md (c).

    A lost link is made anew, and the stream goes on; what was under way is not translated:
    `connection.restored` has its `lost_audio_ms`, a `Translation` its `errors`.

    Args:
        target_language: ISO-639-1, e.g. "es"; else the server's default.
        model: Else "gpt-realtime-translate".
        transcription: A model's name, or None: whether, and by which, the input is written down
            too.
        noise_reduction: As for `RealtimeSession`.
        api_key, base_url, endpoint, dispatcher, reconnect: As for `RealtimeSession`.
        ping_interval, max_message_size, ssl_context, proxy: Likewise.

    Raises:
        ConfigurationError, TypeError: As `RealtimeSession`.
    """

    def __init__(
        self,
        target_language: str | None = None,
        *,
        model: str | None = None,
        transcription: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        noise_reduction: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        endpoint: Endpoint | Sequence[Endpoint] | None = None,
        dispatcher: str | Dispatch = "thread",
        reconnect: ReconnectPolicy | None = ReconnectPolicy(),  # noqa: B008  # frozen
        ping_interval: float | None = 10,
        max_message_size: int = 64 * 1024 * 1024,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        super().__init__()
        fields: dict[str, Any] = {
            "target_language": NOT_GIVEN if target_language is None else target_language,
            "transcription": transcription,
            "noise_reduction": noise_reduction,
        }
        wire = _config(fields).wire()
        self._setup = Setup(
            model=model,
            endpoints=endpoints_of(endpoint, api_key, base_url),
            config=SessionConfig.model_validate({**wire, "type": "translation"}),
            tools=(),
            history=(),
            pack=False,
            max_message_size=max_message_size,
            ssl_context=ssl_context,
            proxy=proxy,
        )
        self._frames = _Frames(self)
        self._reconnect = reconnect
        self._begin_life(
            self._new_state,
            dispatcher=dispatcher,
            ping_interval=ping_interval,
            on_call=lambda _: None,
            handle=lambda record: record,
            reconnect=reconnect,
        )

    # --- in

    def append(
        self, data: Any, *, sample_rate: int | None = None, timeout: float | None = 0
    ) -> None:
        """Queue speech, or silence; never waits for the network.

        Args:
            data: PCM16 mono bytes, or an int16 or float32 array, (frames,) or (frames, channels).
                It goes in frames of 200 ms, so 200 ms at a time is best.
            sample_rate: In Hz; None: 24 kHz.
            timeout: Seconds to wait for room in the writer queue; None waits for ever.

        Raises:
            QueueFull: No room; nothing was queued.
            TypeError, ValueError: Not audio.
        """
        self._frames.append(data, sample_rate=sample_rate, timeout=timeout)

    def finish(self) -> None:
        """No input follows: the server says what is left, and the iterators end. Never waits.

        Once more does no harm.
        """
        try:
            self._connection.do(lambda state: _of(state).finish())
        except SessionClosed:
            # asked for before: the server may have been at its end before the second call
            if not self._look(lambda state: _of(state).finished):
                raise

    def update(
        self,
        target_language: str | NotGiven = NOT_GIVEN,
        *,
        transcription: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        noise_reduction: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        timeout: float | None = 10,
    ) -> SessionConfig:
        """Change what is given, as of the constructor; nothing given: nothing is sent.

        Returns:
            What the server now holds.

        Raises:
            ServerError: The server refused it; nothing has changed.
            ConfigurationError, TypeError: A wrong value; nothing was sent.
        """
        changes = _config({
            "target_language": target_language,
            "transcription": transcription,
            "noise_reduction": noise_reduction,
        })  # fmt: skip
        return self._update(changes, Deadline(timeout))

    # --- out

    def output_audio(self, *, timeout: float | None = None) -> Deltas:
        """The spoken translation from now on: events with `.audio` (PCM16) and `.elapsed_ms`.

        It ends when all has come after `finish()` or `close()`, or with the session. As of all
        iterators of events, one that is 10,000 of them or 64 MB behind loses the oldest.

        Args:
            timeout: Seconds to wait for each; None waits for ever.

        Raises:
            RealtimeTimeout: None came in time; it can be continued.
            ConnectionLost: The link was lost for good.
        """
        return self._deltas(OUTPUT_AUDIO, timeout)

    def output_text(self, *, timeout: float | None = None) -> Deltas:
        """The translation's text from now on: events with `.delta` and `.elapsed_ms`.

        As `output_audio`.
        """
        return self._deltas(OUTPUT_TEXT, timeout)

    def input_text(self, *, timeout: float | None = None) -> Deltas:
        """What was said, from now on, where `transcription` is on: as `output_text`."""
        return self._deltas(INPUT_TEXT, timeout)

    def _deltas(self, kind: str, timeout: float | None) -> Deltas:
        check_timeout(timeout)
        self._check_open()
        return Deltas(self._watches.add([kind, CLOSED]), self._watches, timeout)

    def translate(
        self, source: Any, *, sample_rate: int | None = None, timeout: float | None = 60
    ) -> Translation:
        """A whole source, to its end; the session is closed by it.

        Args:
            source: The path of a WAV file of any rate; PCM16 mono bytes, or an int16 or float32
                array; an `AudioSource` (`read() -> bytes`, b"" at the end, optional
                `sample_rate`); or an iterable of such bytes or arrays. Never all of it is in
                memory.
            sample_rate: That of `source`, in Hz; None: its own, else 24 kHz.
            timeout: Seconds to wait for room to send, and at the end for each next piece; None
                waits for ever. How long a source takes is its own affair.

        Raises:
            RealtimeTimeout, ConnectionLost, SessionClosed: The rest will not come.
            TypeError, ValueError, AudioError, OSError: No sound, or it cannot be read.
        """
        # numpy comes in with the first sound only
        from .audio.sources import frames_of

        may_wait()
        gathered = _Gathered()
        with self.events(*GATHERED, timeout=timeout) as events:
            for frame in frames_of(source, sample_rate=sample_rate, frame_ms=FRAME_MS):
                self.append(frame, timeout=timeout)
                for event in events.ready():
                    gathered.take(event)
                while gathered.waiting:  # or what is sent meanwhile would be lost, too
                    gathered.take(next(events, None))
            self.finish()
            while not gathered.over:
                gathered.take(next(events, None))
        self.close()
        return gathered.translation()

    # --- the end

    def close(self, *, timeout: float | None = 10) -> None:
        """End the session, once what is left of the translation has come. Idempotent.

        Sends `session.close` and waits for `session.closed`; then as of `RealtimeSession`.

        Args:
            timeout: Seconds for all of it. What has not come by then is lost, with a WARNING.
        """
        deadline = Deadline(timeout)
        if self.state == "open" and not self._connection.in_loop:
            self._drain(deadline)
        self._connection.close(deadline)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:  # nobody waits for the rest
            self._connection.close(Deadline(5))

    def _drain(self, deadline: Deadline) -> None:
        left = deadline.remaining()
        watch = self._watches.add([CLOSED])
        try:
            self.finish()
            if not self._look(lambda state: state.over):
                # some of the time is for the end of the link
                watch.get(Deadline(None if left is None else left * 0.8))
        except RealtimeTimeout:
            log.warning("the rest of a translation did not come in time, and is lost")
        except RealtimeError as exc:
            log.debug("the session had ended: %s", exc)
        finally:
            self._watches.remove(watch)

    def _new_state(self) -> TranslationState:
        return TranslationState(
            new_key=lambda: self.new_id("event"),
            new_item_id=lambda: self.new_id("item"),
            config=self._setup.config,
            keep_audio=self._reconnect.keep_audio if self._reconnect is not None else 0,
        )

    def __repr__(self) -> str:
        return f"<TranslationSession {self.state}>"


#: What a whole translation is made of.
GATHERED = (INPUT_TEXT, OUTPUT_AUDIO, OUTPUT_TEXT, CLOSED, "error", LOST, RESTORED)


class _Gathered:
    """What has come of one translation."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {INPUT_TEXT: [], OUTPUT_TEXT: []}
        self._audio: list[bytes] = []
        self._errors: list[ServerError] = []
        self.over = False
        self.waiting = False  # for a link

    def take(self, event: Event | None) -> None:
        """Take in one event; None: the session has ended."""
        if event is None or event.type == CLOSED:
            self.over, self.waiting = True, False
            return
        told: Any = event
        if event.type in (LOST, RESTORED):
            self.waiting = event.type == LOST and told.retrying
            if event.type == RESTORED and told.lost_audio_ms:
                missing = f"{told.lost_audio_ms:.0f} ms of the source were lost with the link"
                self._errors.append(ServerError(missing, code="connection_lost"))
        elif event.type == OUTPUT_AUDIO:
            self._audio.append(told.audio)
        elif event.type == "error":
            self._errors.append(refusal(event))
        elif event.type in self._texts:
            self._texts[event.type].append(told.delta)

    def translation(self) -> Translation:
        """All of it."""
        text, heard = ("".join(self._texts[kind]) for kind in (OUTPUT_TEXT, INPUT_TEXT))
        return Translation(text, heard, b"".join(self._audio), tuple(self._errors))


def _config(fields: dict[str, Any]) -> SessionConfig:
    """The configuration to send."""
    language = fields.pop("target_language")
    if not isinstance(language, NotGiven) and (
        not isinstance(language, str) or not language.strip()
    ):
        raise ConfigurationError('target_language: a code such as "es" is needed')
    base: dict[str, Any] = {}
    if not isinstance(language, NotGiven):
        base = {"audio": {"output": {"language": language}}}
    made: SessionConfig = session_config(base, fields)
    return made


def _of(state: Any) -> TranslationState:
    assert isinstance(state, TranslationState)
    return state


def connect_translation(target_language: str | None = None, **arguments: Any) -> TranslationSession:
    """`TranslationSession(...).open()`."""
    return TranslationSession(target_language, **arguments).open()
