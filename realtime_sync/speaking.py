"""Turns spoken aloud: microphone and loudspeaker in a session. Knows no device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from .calling import Calling
from .core.interruptions import interrupt, last_spoken
from .core.state import SessionState
from .core.stats import SessionStats
from .events.config import NOT_GIVEN, NotGiven
from .events.local import PlaybackInterrupted
from .runtime.clock import Deadline, check_timeout

if TYPE_CHECKING:
    from .resources import InputAudioBuffer
    from .voice import PushToTalk, Talk
    from .voice.line import Line

__all__ = ["Speaking"]


class Speaking(Calling):
    """The part of a session that is heard."""

    input_audio_buffer: InputAudioBuffer

    def __init__(self) -> None:
        super().__init__()
        self._line: Line | None = None  # our microphone and loudspeaker, while they are in use
        self._line_claimed = False  # from before it is made, until it is over

    def stats(self) -> SessionStats:
        known, line = super().stats(), self._line
        if line is None:
            return known
        heard = line.output.player.underruns
        return replace(known, underruns=heard, dropped_audio_ms=line.dropped_ms)

    stats.__doc__ = Calling.stats.__doc__

    def interrupt(self, played_ms: float | None = None) -> None:
        """Stop what the model says: our speaker, the response, and what it remembers of it.

        The running response is cancelled, and the assistant's last audio item truncated at what
        was heard; at 0 ms it is deleted, after its `response.done`. Told as `playback.interrupted`,
        once a response; after it no delta of that response reaches a callback, its handle still
        collects them. Tools that run are told, and no reply follows. Sends, and returns; nothing to
        interrupt is no error.

        With a device of your own call it on `input_audio_buffer.speech_started`; ours does so by
        itself.

        Args:
            played_ms: Milliseconds of that item that were heard; more than has come is what has
                come. None: our speaker's position; without our speaker nothing is truncated.

        Raises:
            ValueError, TypeError: No such number.
            ConnectionLost: There is no link now: what was running is lost anyway.
            SessionClosed: There is no session.
        """
        check_timeout(played_ms, "played_ms", "milliseconds")
        self._check_open()
        line = self._line
        heard = None if line is None else line.silence()
        if played_ms is not None:
            item_id = self._look(last_spoken)
            heard = {**(heard or {}), **({item_id: played_ms} if item_id is not None else {})}
        self._interrupt(heard, reason="client", cancel=True)

    def talk(
        self,
        microphone: Any = None,
        speaker: Any = None,
        *,
        echo: Literal["half_duplex", "none", "aec"] = "half_duplex",
        barge_in: Literal["auto", "manual", "off"] = "auto",
        local_vad: bool | Mapping[str, Any] = False,
        transcription: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        record: Any = None,
        muted: bool = False,
        tail_ms: float = 300,
    ) -> Talk:
        """Begin a hands-free conversation, and return at once.

        ::

            with session.talk() as talk:
                for item in talk:
                    print(item.role, *item.text_deltas())

        It ends by `talk.stop()`, `stop_talking()`, the end of its `with` block, `close()`, or when
        the source has ended and the last reply is played. While it lasts the speaker plays every
        response of the default conversation, those of `ask()` too. One at a time.

        Args:
            microphone: A `Microphone`, or what it takes as `device`; else what is to be said: an
                `AudioSource`, PCM16 bytes or an array at 24 kHz, chunks of such, or the path of a
                sound file (a `Path`, or a str that ends like one), sent in real time. None: the
                default device.
            speaker: A `Speaker`, a `Player`, or what a `Speaker` takes as `device`; an `AudioSink`,
                or the path of a WAV file to be written. None: the default device.
            echo: What keeps the model from hearing itself. "half_duplex": the microphone is silent
                while the speaker plays, and for `tail_ms` after, so speech interrupts nothing; a
                file waits meanwhile. "none": for headphones and devices that cancel echo. "aec":
                cancelled here (extra `aec`).
            barge_in: What speech does while the model speaks. "auto": silence at once, and the
                response is cut at what was heard. "manual": nothing, until you call `interrupt()`.
                "off": it is not heard.
            local_vad: Detect speech here and not on the server, by its loudness: True, or numbers
                for `SpeechDetector`. The session's `turn_detection` is None then.
            transcription: Of what the user says, as in the configuration; left out: switched on
                with "gpt-4o-mini-transcribe" where the session has none. None: as it is.
            record: The path of a WAV file for both sides, the user left, the model right; or two
                paths, one for each.
            muted: Begin muted.
            tail_ms: Milliseconds, see `echo`.

        Raises:
            ConfigurationError: No turn detection, here or there; two of them; an argument that
                cannot be; talking already.
            AudioUnavailable, DeviceNotFound, AudioError: No such device, or it does not open.
            SessionClosed: There is no session.
        """
        from .voice import Talk

        self._needs_responses()
        self._check_open()
        return Talk(
            self,
            microphone,
            speaker,
            echo=echo,
            barge_in=barge_in,
            local_vad=local_vad,
            transcription=transcription,
            record=record,
            muted=muted,
            tail_ms=tail_ms,
        )

    def push_to_talk(
        self, microphone: Any = None, speaker: Any = None, *, record: Any = None
    ) -> PushToTalk:
        """Talk while a key is held: `press()`, `release()`, or a `with` block for each turn.

        ::

            ptt = session.push_to_talk()
            with ptt as future:
                input("speak, then press return")
            print(future.result().text)

        Ended by `ptt.close()`, `stop_talking()` or `close()`.

        Args:
            microphone, speaker, record: As of `talk`.

        Raises:
            ConfigurationError: The server's turn detection is on; talking already.
            AudioUnavailable, DeviceNotFound, AudioError: As `talk`.
            SessionClosed: There is no session.
        """
        from .voice import PushToTalk

        self._needs_responses()
        self._check_open()
        return PushToTalk(self, microphone, speaker, record=record)

    def stop_talking(self, *, timeout: float = 5) -> None:
        """End `talk` or `push_to_talk`: silence at once, devices given back. Idempotent.

        Args:
            timeout: Seconds to wait for the devices.
        """
        line = self._line
        if line is not None:
            line.stop(timeout=timeout)

    def _hang_up(self, deadline: Deadline) -> None:
        """The session is being closed: silence, and devices given back."""
        line = self._line
        if line is not None:
            left = deadline.remaining()
            # on top of a frame that holds the lock, realtime-talk may wait for us
            waits = 0.0 if self._connection._inside() else 2.0 if left is None else left / 2
            line.stop(timeout=waits)

    def _interrupt(
        self,
        heard: Mapping[str, float] | None,
        *,
        reason: str,
        cancel: bool,
        response_id: str | None = None,
    ) -> None:
        """As `core.interruptions.interrupt`; from any thread, the I/O thread included."""
        told: list[PlaybackInterrupted] = []

        def act(state: SessionState) -> None:
            told.extend(
                interrupt(
                    state,
                    heard,
                    reason=reason,
                    cancel=cancel,
                    response_id=response_id,
                    new_key=lambda: self.new_id("event"),  # one per call
                )
            )

        self._connection.do(act)
        for event in told:
            self._connection.dispatcher.silence(event.response_id or "")
            self._connection.emit(event)
