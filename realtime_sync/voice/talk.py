"""Hands-free conversation: whoever speaks is heard, and the model answers aloud."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..audio import PreRoll, SpeechDetector
from ..audio.pace import Clock
from ..core.turns import DEFAULT_ROUNDS
from ..errors import ConfigurationError, RealtimeError
from ..events.client import SessionUpdate
from ..events.config import NOT_GIVEN, SessionConfig, session_config
from .cancelling import EchoCanceller
from .echo import Echo, HalfDuplex, Open
from .line import FRAME_MS, Line, detects_turns, transcription_of
from .output import Output

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..speaking import Speaking

__all__ = ["TRANSCRIPTION", "Talk"]

log = logging.getLogger(__name__)

#: What transcribes the user where the session says nothing.
TRANSCRIPTION: Final = "gpt-4o-mini-transcribe"
_PAUSE_MS: Final = 1_000  # of silence after the end of a source, at least
_PREFIX_MS: Final = 300  # of a speech that is detected here
_ONSET_MS: Final = 60  # that detection takes
_LEAST_MS: Final = 100  # that a commit needs


class Talk(Line):
    """A conversation by voice, until it is stopped; see `RealtimeSession.talk`.

    Iterating it gives the conversation as it is said, an item each, the user's and the model's;
    several may be open at a time. Belongs to one thread, as an iterator.
    """

    def __init__(
        self,
        session: Speaking,
        microphone: Any = None,
        speaker: Any = None,
        *,
        echo: str = "half_duplex",
        barge_in: str = "auto",
        local_vad: bool | Mapping[str, Any] = False,
        transcription: Any = NOT_GIVEN,
        record: Any = None,
        muted: bool = False,
        tail_ms: float = 300,
        clock: Clock | None = None,
    ) -> None:
        _check(session, echo, barge_in, local_vad, tail_ms)
        if echo == "half_duplex" and barge_in == "auto":
            _tell_once()
        self._barge_in = barge_in
        self._transcription = transcription
        self._their_turn = False  # the user has spoken, and the model has not answered yet
        self._silent_ms = 0.0  # sent since the source has ended
        self._changed: dict[str, Any] = {}  # settings of the session that we have made
        self._held: dict[str, Any] = {}  # and those that it had
        self._vad: SpeechDetector | None = None
        if local_vad is not False:
            wanted = {} if local_vad is True else dict(local_vad)
            self._vad = SpeechDetector(**{"prefix_padding_ms": _PREFIX_MS, **wanted})
            padding = wanted.get("prefix_padding_ms", _PREFIX_MS)
            self._roll = PreRoll(padding + _ONSET_MS)
        self._source_ended = False

        def made(output: Output, clock: Clock) -> Echo:
            if echo == "half_duplex" or barge_in == "off":
                return HalfDuplex(output, clock, tail_ms, self._model_is_to_answer)
            return EchoCanceller() if echo == "aec" else Open()

        super().__init__(
            session, microphone, speaker, record=record, echo=made, clock=clock, muted=muted
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _acts(self) -> dict[str, Callable[[Any], object]]:
        acts = super()._acts()
        ended = acts["response.done"]

        def response_done(event: Any) -> None:
            self._their_turn = False
            ended(event)

        return {
            **acts,
            "response.done": response_done,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
        }

    def _prepare(self) -> None:
        """Have the server do as is needed; whatever it says to that, the talk goes on."""
        fields: dict[str, Any] = {}
        if self._transcription is not NOT_GIVEN:
            if self._transcription is not None:
                fields["transcription"] = self._transcription
        elif transcription_of(self._session) is None:
            fields["transcription"] = TRANSCRIPTION
        detection = _detection_of(self._session)
        if self._barge_in != "auto" and detection and detection.get("interrupt_response", True):
            fields["turn_detection"] = {**detection, "interrupt_response": False}
        if fields:
            self._held, self._changed = self._settings(), fields
            self._change(fields)

    def _change(self, fields: dict[str, Any]) -> None:
        changes: SessionConfig = session_config(None, fields)
        wire = {"type": "realtime", **changes.wire()}
        event = SessionUpdate(
            event_id=self._session.new_id("event"), session=SessionConfig.model_validate(wire)
        )
        self._session._connection.check(event)
        self._session._request(event).add_done_callback(_warn)

    def _end(self) -> None:
        fields, self._changed = self._changed, {}
        if fields and self._session.state in ("open", "reconnecting"):
            try:
                self._restore(fields)
            except RealtimeError as exc:  # the session ends, too
                log.debug("the settings stay: %s", exc)
        super()._end()

    def _restore(self, fields: dict[str, Any]) -> None:
        """Have the session as it was, but for what somebody has changed meanwhile."""
        now = self._settings()
        back = {
            name: self._held[name] for name, given in fields.items() if _holds(now[name], given)
        }
        if back:
            self._change(back)

    def _settings(self) -> dict[str, Any]:
        return {
            "transcription": _wire(transcription_of(self._session)),
            "turn_detection": _detection_of(self._session),
        }

    # --- what the server says, on the I/O thread

    def _speech_started(self, _event: Any) -> None:
        self._their_turn = False
        if self._barge_in == "auto":
            detection = _detection_of(self._session) or {}
            self._cut("speech", cancel=detection.get("interrupt_response") is False)

    def _speech_stopped(self, _event: Any) -> None:
        self._their_turn = True

    # --- what the user says, on realtime-talk

    def _next(self) -> bytes:
        if self._source_ended:
            return b"" if self._quiet() else self._pause()
        # a file can wait until the model has spoken, and does: what it says would be lost
        if not self._ends.live and isinstance(self._echo, HalfDuplex) and self._echo.shut:
            return self._pause()
        frame = super()._next()
        if frame or self._stop.is_set():
            return frame
        self._source_ended = True
        return self._pause()

    def _pause(self) -> bytes:
        self._silent_ms += FRAME_MS
        return super()._pause()

    def _take(self, frame: bytes) -> None:
        if self._vad is None:
            self._input.send(frame)
            return
        if not self._vad.speaking:
            self._roll.push(frame)
        else:
            self._input.send(frame)
        for speech in self._vad.hear(frame):
            if speech.kind == "started":
                if self._barge_in == "auto":
                    self._cut("speech", cancel=True)
                self._input.begin()
                self._input.send(self._roll.take())
            else:
                self._answer()

    def _answer(self) -> None:
        """The user has come to an end: a turn of the model's."""
        session = self._session
        if self._input.sent_ms < _LEAST_MS:
            return
        self._their_turn = True
        turn = session._turn((), DEFAULT_ROUNDS, {})
        self._input.turn(turn)
        session._begin(turn).add_done_callback(_warn)

    def _model_is_to_answer(self) -> bool:
        """Whether a file is to wait: it would talk into the answer that is on its way."""
        return not self._ends.live and self._their_turn and self._is_busy()

    def _is_busy(self) -> bool:
        return self._session._look(
            lambda s: bool(
                s.sequencer.active
                or s.sequencer.asked
                or s.sequencer.queue
                or s.sequencer.turns
                or s.sequencer.speaking
            )
        )

    def _quiet(self) -> bool:
        """Whether the last word is said, and heard."""
        detection = _detection_of(self._session) or {}
        pause = max(_PAUSE_MS, 500 + (detection.get("silence_duration_ms") or 0))
        if self._silent_ms < pause or self.output.playing or self._is_busy():
            return False
        return self._vad is None or not self._vad.speaking


def _check(
    session: Speaking, echo: str, barge_in: str, local_vad: bool | Mapping[str, Any], tail_ms: float
) -> None:
    if echo not in ("half_duplex", "none", "aec"):
        raise ConfigurationError(f'echo: "half_duplex", "none" or "aec", not {echo!r}')
    if barge_in not in ("auto", "manual", "off"):
        raise ConfigurationError(f'barge_in: "auto", "manual" or "off", not {barge_in!r}')
    if not isinstance(local_vad, (bool, Mapping)):
        raise ConfigurationError(f"local_vad: True, or numbers by name, not {local_vad!r}")
    number = isinstance(tail_ms, (int, float)) and not isinstance(tail_ms, bool)
    if not (number and 0 <= tail_ms <= 5_000):
        raise ConfigurationError(f"tail_ms: 0 to 5000 milliseconds, not {tail_ms!r}")
    detects = detects_turns(session)
    if detects is False and local_vad is False:
        raise ConfigurationError(
            "talk: nobody would notice that you have spoken; give the session turn_detection, "
            "or local_vad=True"
        )
    if detects and local_vad is not False:
        raise ConfigurationError(
            "local_vad: the server detects turns already; give the session turn_detection=None"
        )


@functools.cache
def _tell_once() -> None:
    log.warning(
        'talk: the microphone is silent while the model speaks (echo="half_duplex"), so speech '
        'interrupts nothing; with headphones use echo="none", else echo="aec"'
    )


def _detection_of(session: Speaking) -> dict[str, Any] | None:
    audio = session.config.audio
    detection = audio.input.turn_detection if audio is not None and audio.input else None
    return detection.wire() if detection is not None else None


def _wire(value: Any) -> Any:
    return value.wire() if value is not None else None


def _holds(now: Any, given: Any) -> bool:
    """Whether a setting still is what we have made it; the server may have filled in more."""
    if isinstance(given, str):
        given = {"model": given}
    return now is not None and all(now.get(name) == value for name, value in given.items())


def _warn(future: Any) -> None:
    error = future.exception(0)
    if isinstance(error, RealtimeError):
        log.warning("talk: %s", error)
