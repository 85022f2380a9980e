"""TranscriptionSession: speech in, text out, no answers. Knows no socket and no protocol."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .core.dictation import DICTATED, Dictation, ItemTranscript, Transcript
from .core.state import SessionState
from .errors import (
    ConfigurationError,
    RealtimeError,
)
from .events.client import InputAudioBufferClear
from .events.config import (
    NOT_GIVEN,
    InputAudioConfig,
    NotGiven,
    SessionConfig,
    session_config,
)
from .living import Living
from .opening import Setup, endpoints_of
from .policy import ReconnectPolicy
from .resources import Conversation, InputAudioBuffer
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.dispatcher import Dispatch
from .runtime.endpoints import Endpoint
from .runtime.futures import Reply
from .upload import ANSWERS, Upload

__all__ = ["TranscriptionSession", "connect_transcription"]

log = logging.getLogger(__name__)

DEFAULT_MODEL = "gpt-realtime-whisper"
#: These want no turn detection: the client commits. Source: wire.md (c).
LIVE_MODELS = ("gpt-realtime-whisper", "gpt-live-transcribe")
LOGPROBS = "item.input_audio_transcription.logprobs"
FRAME_MS = 100
#: A commit needs so much. Source: wire.md (b).
COMMIT_BYTES = 4800

#: `transcription` has them.
_FIELDS = ("model", "language", "languages", "keywords", "prompt", "delay")


class TranscriptionSession(Living):
    """A session that writes down what it hears.

    ::

        with connect_transcription(language="en") as session:
            print(session.transcribe("interview.wav").text)

    It is as `RealtimeSession` is, without responses: the same callbacks, watches, iterators and
    errors, `conversation` and `input_audio_buffer`. Source: wire.md (c).

    Over a lost link, and over a renewal, `transcribe` and `stream` go on: what has no transcript
    yet is said again, so they keep it until then. Where the server detects turns, only it knows
    what it has heard, and they raise `ConnectionLost`; the session is there for the next source.

    Args:
        model: Else "gpt-realtime-whisper".
        language, languages, keywords, prompt, delay: Of the transcription; which model takes which
            is in wire.md (c). What a model is known not to take is left out, with a warning.
        logprobs: Ask for log-probabilities, which give a confidence.
        turn_detection: The server's, e.g. "server_vad"; None: `transcribe` commits by itself, at
            pauses. Left out: None for the models that want it so, else the server's default.
        noise_reduction, input_format: As for `RealtimeSession`.
        config: A `SessionConfig`, or a dict of its shape; the fields above beat it.
        api_key, base_url, endpoint, dispatcher, reconnect: As for `RealtimeSession`.
        ping_interval, max_message_size, ssl_context, proxy: Likewise.

    Raises:
        ConfigurationError, TypeError: As `RealtimeSession`.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        language: str | NotGiven = NOT_GIVEN,
        languages: Sequence[str] | NotGiven = NOT_GIVEN,
        keywords: Sequence[str] | NotGiven = NOT_GIVEN,
        prompt: str | NotGiven = NOT_GIVEN,
        delay: str | NotGiven = NOT_GIVEN,
        logprobs: bool = False,
        turn_detection: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        noise_reduction: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        input_format: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        config: SessionConfig | dict[str, Any] | None = None,
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
        given = {name: value for name, value in locals().items() if name in _FIELDS}
        if model is None:
            given["model"] = NOT_GIVEN
        super().__init__()
        sound = {
            "turn_detection": turn_detection,
            "noise_reduction": noise_reduction,
            "input_format": input_format,
            "include": [LOGPROBS] if logprobs else NOT_GIVEN,
        }
        self._setup = Setup(
            model=None,
            endpoints=endpoints_of(endpoint, api_key, base_url),
            config=_configured(config, given, sound),
            tools=(),
            history=(),
            pack=False,
            max_message_size=max_message_size,
            ssl_context=ssl_context,
            proxy=proxy,
        )
        self._reconnect = reconnect
        self._listening = False  # a source is being transcribed
        self._left: Reply[Any] | None = None  # once answered, nothing of an abandoned one comes
        self._begin_life(
            self._new_state,
            dispatcher=dispatcher,
            ping_interval=ping_interval,
            on_call=lambda _: None,
            handle=lambda record: record,
            reconnect=reconnect,
        )
        self.conversation = Conversation(self)
        self.input_audio_buffer = InputAudioBuffer(self)

    def update(
        self,
        config: SessionConfig | dict[str, Any] | None = None,
        *,
        timeout: float | None = 10,
        **fields: Any,
    ) -> SessionConfig:
        """Change the configuration: sends what is given, and of the transcription all of it.

        Args:
            config: Fields as the wire nests them.
            timeout: Seconds; None waits for ever.
            fields: `model`, `language`, `turn_detection` and so on, as of the constructor; and
                `include`.

        Returns:
            What the server now holds.

        Raises:
            ServerError: The server refused it; nothing has changed.
            ConfigurationError, TypeError: A wrong value or name; nothing was sent.
        """
        deadline = Deadline(timeout)
        words = {name: fields.pop(name) for name in _FIELDS if name in fields}
        if words:
            held = self.config.audio.input if self.config.audio else None
            known = _known(held)
            fields["transcription"] = {**known, **words}
        return self._update(session_config(config, fields), deadline)

    def transcribe(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        on_partial: Callable[[ItemTranscript], object] | None = None,
        piece_seconds: float = 10.0,
        timeout: float | None = 60,
    ) -> Transcript:
        """What is said in a source, from its beginning to its end.

        It is sent as fast as the network takes it, piece by piece: never all of it is in memory,
        eleven minutes at most wait for their transcripts.
        Without turn detection it is committed at the first pause after `piece_seconds`.

        Args:
            source: The path of a WAV file of any rate; PCM16 mono bytes, or an int16 or float32
                array; an `AudioSource` (`read() -> bytes`, b"" at the end, optional
                `sample_rate`), such as a microphone; or an iterable of such bytes or arrays.
            sample_rate: That of `source`, in Hz; None: its own, else 24 kHz.
            on_partial: Called in this thread with each `ItemTranscript` as it grows; what it
                raises is raised here.
            piece_seconds: How long a piece is to be, without turn detection; three times that at
                most.
            timeout: Seconds to wait for room to send, and at the end for each next sign of the
                transcript; None waits for ever. How long a source takes is its own affair.

        Returns:
            The transcript. A piece that failed has its `error` in `items`; the others are there.

        Raises:
            RealtimeTimeout, ConnectionLost, SessionClosed: The rest will not come. To have what
                came until then, use `stream`.
            ServerError: The server refused a commit.
            ConfigurationError: Another source is being transcribed by this session.
            TypeError, ValueError, AudioError, OSError: No sound, or it cannot be read.
        """
        may_wait()
        dictation = Dictation(strict=True)
        for item in self._run(source, sample_rate, piece_seconds, timeout, dictation):
            if on_partial is not None:
                on_partial(item)
        transcript = Transcript(dictation.items())
        for error in transcript.errors:
            log.warning("a piece was not transcribed: %s", error)
        return transcript

    def stream(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        piece_seconds: float = 10.0,
        timeout: float | None = 60,
    ) -> Iterator[ItemTranscript]:
        """`transcribe`, piece by piece: each `ItemTranscript` whenever there is news of it.

        The source is read while you iterate; leaving the loop ends it. Arguments and errors as
        of `transcribe`.
        """
        check_timeout(timeout)
        self._check_open()
        dictation = Dictation(strict=True)
        return self._run(source, sample_rate, piece_seconds, timeout, dictation)

    def transcripts(self, *, timeout: float | None = None) -> Iterator[ItemTranscript]:
        """Whatever is transcribed from now on, as it grows, whoever appends and commits.

        It ends when the session is closed. Where a link is lost, so is what was committed and not
        transcribed: such items end with an `error` whose code is "connection_lost".

        Args:
            timeout: Seconds to wait for each; None waits for ever.

        Raises:
            RealtimeTimeout: None came in time.
            ConnectionLost: The link was lost for good.
        """
        events = self.events(*DICTATED, "connection.restored", timeout=timeout)
        return _heard(events, Dictation(strict=False))

    # --- for our own use

    def _run(
        self,
        source: Any,
        sample_rate: int | None,
        piece_seconds: float,
        timeout: float | None,
        dictation: Dictation,
    ) -> Iterator[ItemTranscript]:
        # numpy comes in with the first sound only
        from .audio.pauses import Pauses
        from .audio.sources import frames_of

        if not piece_seconds > 0:
            raise ValueError(f"piece_seconds: a positive number, not {piece_seconds!r}")
        pauses = Pauses(piece_seconds) if self._commits() else None
        self._check_open()
        self._begin(timeout)
        watch = self._watches.add([*DICTATED, *ANSWERS])
        run = Upload(self, watch, dictation, timeout, commits=pauses is not None)
        try:
            for frame in frames_of(source, sample_rate=sample_rate, frame_ms=FRAME_MS):
                run.append(frame)
                cut = pauses is not None and pauses.cut_after(frame)
                if cut and run.uncommitted >= COMMIT_BYTES:
                    run.commit()
                yield from run.ready()
            # with turn detection only the server knows what it has not committed yet
            if run.uncommitted and (pauses is None or pauses.left):
                run.append(bytes(max(0, COMMIT_BYTES - run.uncommitted)))
                run.commit()
            yield from run.rest()
        finally:
            self._watches.remove(watch)
            self._listening = False
            if not run.over and self.state == "open":
                self._forget()

    def _commits(self) -> bool:
        """Whether it is on us to commit."""
        held = self.config.audio.input if self.config.audio else None
        return held is None or held.turn_detection is None

    def _begin(self, timeout: float | None) -> None:
        def begin(_: SessionState) -> bool:
            busy, self._listening = self._listening, True
            return busy

        # under the lock: two sources in one buffer would be noise
        if self._look(begin):
            raise ConfigurationError(
                "source: this session transcribes another one; open a second session"
            )
        left, self._left = self._left, None
        if left is not None:  # its items must not count as ours
            try:
                left.exception(Deadline(timeout).remaining())
            except RealtimeError:
                self._listening = False
                raise

    def _forget(self) -> None:
        """What was appended and not committed must not begin the next source."""
        try:
            self._left = self._request(InputAudioBufferClear(event_id=self.new_id("event")), None)
        except RealtimeError:
            pass  # it is closed

    def _new_state(self) -> SessionState:
        return SessionState(
            new_key=lambda: self.new_id("event"),
            new_item_id=lambda: self.new_id("item"),
            config=self._setup.config,
            sendable=lambda _: None,  # what was said is written down; nobody needs to hear it again
            keep_audio=self._reconnect.keep_audio if self._reconnect is not None else 0,
        )

    def __repr__(self) -> str:
        return f"<TranscriptionSession {self.state}>"


def _heard(events: Iterator[Any], dictation: Dictation) -> Iterator[ItemTranscript]:
    for event in events:
        if event.type == "connection.restored":
            yield from dictation.lost()
        elif (item := dictation.received(event)) is not None:
            yield item


def _configured(
    config: SessionConfig | dict[str, Any] | None, words: dict[str, Any], sound: dict[str, Any]
) -> SessionConfig:
    """The configuration to send."""
    base: SessionConfig = session_config(config, sound)
    if base.type not in (None, "transcription"):
        raise ConfigurationError(f"type: a transcription session, not {base.type!r}")
    heard = base.audio.input if base.audio else None
    known = _known(heard)
    given = {name: value for name, value in words.items() if not isinstance(value, NotGiven)}
    wanted = {"model": DEFAULT_MODEL, **known, **given}
    fields: dict[str, Any] = {"transcription": wanted}
    detects = heard is not None and "turn_detection" in heard.model_fields_set
    if wanted["model"] in LIVE_MODELS and not detects:
        fields["turn_detection"] = None
    made: SessionConfig = session_config({**base.wire(), "type": "transcription"}, fields)
    return made


def _known(heard: InputAudioConfig | None) -> dict[str, Any]:
    """What is set of the transcription; null says nothing."""
    wire = heard.transcription.wire() if heard and heard.transcription else {}
    return {name: value for name, value in wire.items() if value is not None}


def connect_transcription(model: str | None = None, **arguments: Any) -> TranscriptionSession:
    """`TranscriptionSession(...).open()`."""
    return TranscriptionSession(model, **arguments).open()
