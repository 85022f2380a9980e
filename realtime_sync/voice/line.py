"""A microphone, a speaker, and the session between them: what talk and push-to-talk share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..audio import DeviceChange, Microphone, Speaker, level
from ..audio.pace import REAL, Clock
from ..audio.recording import MODEL, USER, Recording
from ..errors import (
    AudioError,
    ConfigurationError,
    ConnectionLost,
    RealtimeError,
    SessionClosed,
    copy_of,
)
from ..events.base import Event as WireEvent
from ..events.base import LocalEvent
from ..events.local import DeviceLost, DeviceRestored
from ..runtime.clock import Deadline, Event, expired, may_wait
from ..runtime.threads import Thread
from ..runtime.watches import Watch
from .echo import Echo
from .ends import check_files, microphone_of, player_of
from .input import Input
from .live import LiveItem, LiveItems
from .output import Output

if TYPE_CHECKING:
    from ..speaking import Speaking

__all__ = ["Line", "detects_turns", "transcription_of"]

log = logging.getLogger(__name__)

FRAME_MS = 20
SILENCE = bytes(48 * FRAME_MS)
_STUCK = 2.0  # seconds that the source may take to end, once it is told to


class _Ear(Watch):
    """Tells a line of events, on the I/O thread."""

    def __init__(self, acts: dict[str, Callable[[Any], object]], over: Callable[[], None]) -> None:
        super().__init__(tuple(acts))
        self._acts = acts
        self._over = over

    def put(self, events: list[WireEvent]) -> None:
        """Runs on the I/O thread; never blocks."""
        for event in events:
            try:
                self._acts[event.type](event)
            except RealtimeError as exc:  # the session or the speaker has just been closed
                log.debug("%s comes too late: %s", event.type, exc)
            except Exception:  # a bug of ours must not end the session
                log.exception("voice could not take in %s", event.describe())

    def end(self, error: RealtimeError | None) -> None:
        """The session is over."""
        super().end(error)
        self._over()


#: Of several threads that begin at once one has the devices.
_claiming = threading.Lock()


def _claim(session: Speaking) -> None:
    with _claiming:
        if session._line_claimed:
            goes_on = session._line or "another"
            raise ConfigurationError(f"talk: {goes_on!r} goes on; stop_talking() first")
        session._line_claimed = True


class Line:
    """Base of `Talk` and `PushToTalk`.

    Args:
        session: Open.
        microphone, speaker, record: See `RealtimeSession.talk`.
        echo: Made of our output, before anything begins.
        clock: For those ends that have no time of their own; None: the real one.
    """

    def __init__(
        self,
        session: Speaking,
        microphone: Any,
        speaker: Any,
        *,
        record: Any,
        echo: Callable[[Output, Clock], Echo],
        clock: Clock | None = None,
        muted: bool = False,
    ) -> None:
        check_files(microphone, speaker, record)
        _claim(session)
        self._session = session
        self._stop = Event()
        self._done = Event()  # set when nothing of it is left
        self._ending = threading.Lock()  # held once by whoever ends it
        self._error: RealtimeError | None = None  # why it ended, if not by stop
        self._muted = muted
        self._frame = b""  # the last one heard
        self._recording: Recording | None = None
        self._give_back: Callable[[float], object] = lambda _: None
        self._patience = 5.0  # seconds for each device to be given back
        try:
            self._ends = microphone_of(microphone, clock)
            player, self._give_back = player_of(speaker, clock, self._played)
            self._clock: Clock = clock or player._clock or REAL
            self._input = Input(session)
            self.output = Output(session, player)
            self._echo = echo(self.output, self._clock)
        except BaseException:
            self._give_back(0)
            session._line_claimed = False
            raise
        self._live = LiveItems(lambda: transcription_of(session) is not None)
        self._ear = _Ear({**self._live.acts, **self._acts()}, self._over)
        self._thread = Thread(self._run, "realtime-talk")
        self._begin(record)

    def _begin(self, record: Any) -> None:
        try:
            if record is not None:
                self._recording = Recording(record, self._clock)
            for one in self._devices():
                one._changes.add(self._device_changed)
            if hasattr(self._ends.source, "open"):
                self._ends.source.open()
            self.output.player.open()
            self._prepare()
            self._session._line = self
            self._session._watches.admit(self._ear)
        except BaseException as exc:
            if not isinstance(exc, Exception):  # who presses Ctrl-C waits for no device
                self._patience = 0
            self._end()
            raise
        self._thread.start()

    def _prepare(self) -> None:
        """What else there is to do before it begins."""

    def _acts(self) -> dict[str, Callable[[Any], object]]:
        """Event -> what it does, on the I/O thread."""
        output = self.output
        return {
            "response.output_audio.delta": output.delta,
            "response.output_audio.done": output.item_done,
            "response.done": output.response_done,
            "connection.lost": self._unlinked,
            "guardrail.tripped": self._tripped,
        }

    def _unlinked(self, _event: Any) -> None:
        self.output.lost()
        self._input.unlinked()

    def silence(self) -> dict[str, float]:
        """As `Output.silence`; for `session.interrupt`."""
        return self.output.silence()

    def _tripped(self, event: Any) -> None:
        self._cut("guardrail", cancel=False, response_id=event.response_id)

    def _cut(self, reason: str, *, cancel: bool, response_id: str | None = None) -> None:
        """Silence, and a conversation that holds what was heard. From any thread."""
        heard = self.output.silence(response_id)
        try:
            self._session._interrupt(heard, reason=reason, cancel=cancel, response_id=response_id)
        except (ConnectionLost, SessionClosed) as exc:
            log.debug("nothing is cut: %s", exc)

    # --- the microphone's side, on realtime-talk

    def _run(self) -> None:
        self._clock.enter()
        try:
            while not self._stop.is_set():
                frame = self._next()
                if not frame:
                    break
                if self.output.player.error is not None:
                    raise copy_of(self.output.player.error)
                self._hear(frame)
        except SessionClosed:
            pass  # whoever closed it knows
        except RealtimeError as exc:
            self._fail(exc)
        except Exception as exc:  # the source is the user's
            log.exception("the microphone's source raised; talking ends")
            error = AudioError(f"the source raised {exc!r}")
            error.__cause__ = exc
            self._fail(error)
        finally:
            self._clock.leave()
            self._end()

    def _fail(self, error: RealtimeError) -> None:
        if not self._stop.is_set():
            log.warning("talking ends: %s", error)
            self._error = error

    def _next(self) -> bytes:
        """The next frame; b"" at the end."""
        return bytes(self._ends.source.read())

    def _pause(self) -> bytes:
        """A frame of silence, when it is due."""
        self._clock.wait_until(self._clock.now() + FRAME_MS / 1000, self._stop)
        return SILENCE

    def _devices(self) -> list[Microphone | Speaker]:
        """Those of its two ends that are devices."""
        ends = (self._ends.source, self.output.player)
        return [one for one in ends if isinstance(one, (Microphone, Speaker))]

    def _device_changed(self, change: DeviceChange) -> None:
        """Tell the session's listeners. Runs on the device's thread."""
        named = {"direction": change.direction, "device": change.device}
        told: LocalEvent = DeviceRestored(**named)
        if change.error is not None:
            told = DeviceLost(**named, error=change.error, retrying=change.retrying)
        self._session._connection.emit(told)

    def _hear(self, frame: bytes) -> None:
        """A frame of the microphone: keep out the echo, and take it."""
        if self._muted:
            frame = bytes(len(frame))
        frame = self._echo.near(frame)
        if not frame:
            return
        self._frame = frame
        if self._recording is not None:
            self._recording.add(USER, frame)
        self._take(frame)

    def _take(self, frame: bytes) -> None:
        """A frame of what the user says."""
        raise NotImplementedError

    def _played(self, pcm: bytes) -> None:
        """What goes to the speaker, on its thread."""
        self._echo.far(pcm)
        if self._recording is not None:
            self._recording.add(MODEL, pcm)

    # --- for everybody

    def __iter__(self) -> Iterator[LiveItem]:
        return iter(self._live)

    def read(self, *, timeout: float = 0) -> LiveItem | None:
        """The next item of the conversation, as iterating gives it, for those who must not wait.

        Args:
            timeout: Seconds.

        Returns:
            None where none has begun in time, or it is over.
        """
        return self._live.read(timeout)

    def mute(self) -> None:
        """Send silence instead of the microphone."""
        self._muted = True

    def unmute(self) -> None:
        """Send the microphone again."""
        self._muted = False

    @property
    def muted(self) -> bool:
        """Whether silence is sent instead of the microphone."""
        return self._muted

    @property
    def playing(self) -> bool:
        """Whether the model is heard, or about to be."""
        return self.output.playing

    @property
    def input_level(self) -> float:
        """Loudness of the last 20 ms of the user, in dBFS; -inf is silence."""
        return level(self._frame)

    @property
    def output_level(self) -> float:
        """Loudness of the last 20 ms of the model, in dBFS; -inf is silence."""
        return self.output.player.level

    @property
    def dropped_ms(self) -> float:
        """Milliseconds of the user's audio that were lost because the network was too slow."""
        return self._input.dropped_ms

    @property
    def ended(self) -> bool:
        """Whether it is over, and its devices are given back."""
        return self._done.is_set()

    # --- the end

    def wait(self, *, timeout: float | None = None) -> None:
        """Wait until it is over.

        Raises:
            RealtimeTimeout: It goes on.
            AudioError: A device or a source ended it.
            WouldDeadlock: In a tap.
        """
        deadline = Deadline(timeout)
        may_wait()
        if not self._done.wait(deadline.remaining()):
            raise expired("the conversation", deadline)
        if self._error is not None:
            raise self._error

    def stop(self, *, timeout: float = 5) -> None:
        """End it: silence at once, devices given back. Idempotent, from any thread.

        Args:
            timeout: Seconds to wait for the devices.
        """
        deadline = Deadline(timeout)
        self._over()
        self.output.silence()
        if self._session._connection.in_loop or threading.current_thread() is self._thread:
            return  # realtime-talk ends it
        if self._ends.own:
            self._ends.source.close()
        if self._thread.ident is not None:
            left = deadline.remaining()
            self._thread.join(_STUCK if left is None else min(left, _STUCK))
        if self._thread.is_alive():
            log.warning("realtime-talk still waits for its source")
        self._end()
        self._done.wait(deadline.remaining())

    def _over(self) -> None:
        """It is to end. Never blocks: it may be the I/O thread that says so."""
        self._stop.set()
        self._clock.wake()

    def _end(self) -> None:
        if not self._ending.acquire(blocking=False):
            return
        self._stop.set()
        self._session._watches.remove(self._ear)
        if self._session._line is self:
            self._session._line = None
        self._session._line_claimed = False
        for one in self._devices():
            one._changes.remove(self._device_changed)
        for close in (self._close_source, self._close_player, self._close_recording):
            try:
                close()
            except (RealtimeError, OSError) as exc:
                log.warning("talking did not end well: %s", exc)
        self._live.close()
        self._done.set()

    def _close_source(self) -> None:
        self._ends.close(self._patience)

    def _close_player(self) -> None:
        self._give_back(self._patience)

    def _close_recording(self) -> None:
        if self._recording is not None:
            self._recording.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._done.is_set():
            return f"<{name}, over>"
        return f"<{name}, {'playing' if self.playing else 'listening'}>"


def detects_turns(session: Speaking) -> bool | None:
    """Whether the server's turn detection is on; None: it did not say."""
    audio = session.config.audio
    sound = audio.input if audio is not None else None
    if sound is None or "turn_detection" not in sound.model_fields_set:
        return None
    return sound.turn_detection is not None


def transcription_of(session: Speaking) -> Any:
    """How the server transcribes the user; None: not at all."""
    audio = session.config.audio
    return audio.input.transcription if audio is not None and audio.input else None
