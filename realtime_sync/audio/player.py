"""Playing: sound comes as fast as it likes, and goes out in real time. Knows no session.

One thread, `realtime-speaker`, takes 20 ms slices off a `Playback` and hands them to a device, or
to a sink of the user's; it alone opens, uses and closes either.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable, Collection
from typing import Any, Final

from ..errors import AudioError, DeviceLost, RealtimeTimeout, copy_of
from ..runtime.clock import Condition, Deadline, Event, may_wait
from ..runtime.threads import Thread
from .codecs import Array, Bytes, to_pcm16
from .formats import RATE
from .hardware import DeviceChoice, check_choice
from .outputs import AudioSink, DeviceOutput, Output, SinkOutput
from .owner import hasten
from .pace import REAL, Clock
from .playback import ItemId, Playback
from .ports import Changes, DeviceChange

__all__ = ["Player", "Speaker"]

log = logging.getLogger(__name__)

_OPENING: Final = 20.0  # seconds that a device may take
_AHEAD_MS: Final = 500  # that `write` lets wait for the device


class Player:
    """What plays, one item after the other. Every method may be called from any thread.

    Args:
        sink: Where to; it is given 20 ms each 20 ms, and nothing while there is no sound.
        start_ms: The jitter buffer: how much has to be there before sound begins.
        silence: Give the sink silence, too, so that what it gets is as long as the time it took.
        monitor: Called with each slice that goes out, silence included, PCM16 mono at 24 kHz, on
            the player's thread: be quick.
        clock: Whose time; None: the real one.
    """

    def __init__(
        self,
        sink: AudioSink,
        *,
        start_ms: float = 100,
        silence: bool = False,
        monitor: Callable[[bytes], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not callable(getattr(sink, "write", None)):
            raise TypeError(f"sink: something with write(), not {type(sink).__name__}")
        self._clock: Clock = clock or REAL
        self._stop = Event()
        output = SinkOutput(sink, silence, self._clock, self._stop)
        self._set_up(output, start_ms, monitor)

    def _set_up(
        self, output: Output, start_ms: float, monitor: Callable[[bytes], object] | None
    ) -> None:
        self._playback = Playback(start_ms=start_ms)
        self._output = output
        self._monitor = monitor
        self._thread: threading.Thread | None = None
        self._changed = Condition()  # guards what follows
        self._opened = self._over = False
        self._dropping = False  # the sink has still to be told to stop
        self._error: AudioError | None = None  # why it ended, if not by close

    def open(self) -> Player:
        """Open the device and begin to play; an open one is left alone.

        Raises:
            AudioUnavailable: No audio library; the message has the line that installs it.
            DeviceNotFound: No such loudspeaker.
            AudioError: It cannot be opened, or was closed.
        """
        may_wait()
        self._start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._opened or self._over, _OPENING):
                raise AudioError(f"the loudspeaker did not open within {_OPENING:g} s")
            if self._error is not None and not self._opened:
                raise copy_of(self._error)
        return self

    def _start(self) -> None:
        with self._changed:
            if self._stop.is_set():
                raise AudioError("this player was closed; make another")
            if self._thread is None:
                self._thread = Thread(self._run, "realtime-speaker")
                self._clock.enter()
                self._thread.start()
                _open.add(self)

    def play(self, pcm: bytes, item_id: ItemId = None) -> None:
        """More of an item. Never blocks; opens the device, if need be, without waiting for it.

        Args:
            pcm: PCM16 mono at 24 kHz, whole samples.
            item_id: The item it belongs to. Items are played one after the other; of one that was
                stopped nothing is played any more.

        Raises:
            ValueError: Half a sample.
            AudioError: It was closed.
        """
        self._start()
        self._playback.add(pcm, item_id)

    def finish(self, item_id: ItemId = None) -> None:
        """Nothing more comes of this item: its end is no gap in the sound."""
        self._playback.finish(item_id)

    def write(self, pcm: Bytes | Array) -> None:
        """Play sound that belongs to no item; waits while more than 500 ms are ahead of it.

        Args:
            pcm: What `to_pcm16` takes, at 24 kHz.

        Raises:
            TypeError, ValueError: As `to_pcm16`.
            AudioError: As `open`; `DeviceLost` if the device went away for good.
        """
        self.open()
        piece = RATE // 10 * 2
        whole = to_pcm16(pcm)
        for start in range(0, len(whole), piece):
            self._playback.add(whole[start : start + piece])
            self._wait(Deadline(None), _AHEAD_MS)

    def stop(self, only: Collection[ItemId] | None = None) -> dict[ItemId, float]:
        """Drop what is not yet with the device; sound fades out within 10 ms. Never blocks.

        Args:
            only: These items; what else there is is played on. None: all.

        Returns:
            For each item that was not wholly heard, also one that had not begun: the milliseconds
            of it that will have been heard once the device has played what it has.
        """
        # a device drops all that it has, or nothing
        drops = only is None or not self._playback.holds(only)
        stopped = self._playback.stop(only)
        self._dropping = self._dropping or drops
        if drops and self._output.drops:
            return {one: min(ms, self.position(one)) for one, ms in stopped.items()}
        return stopped

    def wait_playback(self, *, timeout: float | None = None) -> None:
        """Wait until all that came is heard.

        Raises:
            RealtimeTimeout: It still plays.
            DeviceLost: It never will: the device went away, and no other came.
            WouldDeadlock: In a tap.
        """
        self._wait(Deadline(timeout), None)

    def _wait(self, deadline: Deadline, waiting_ms: float | None) -> None:
        may_wait()
        if not self._playback.wait(deadline.remaining(), waiting_ms=waiting_ms):
            left_ms = self._playback.waiting_ms
            raise RealtimeTimeout(f"{left_ms:.0f} ms not played within {deadline.timeout:g} s")
        if self._error is not None:
            raise copy_of(self._error)

    def position(self, item_id: ItemId = None) -> float:
        """Milliseconds of an item heard so far: handed to the device, less what it still holds."""
        return self._playback.position(item_id)

    @property
    def playing(self) -> bool:
        """Whether there is sound that has not been heard yet."""
        return not self._over and self._playback.playing

    @property
    def item_id(self) -> ItemId:
        """The item that is being heard; None: silence, or sound of no item."""
        return self._playback.item_id

    @property
    def waiting_ms(self) -> float:
        """What has come and is not yet with the device, in milliseconds."""
        return self._playback.waiting_ms

    @property
    def level(self) -> float:
        """Loudness of the last 20 ms, in dBFS; -inf is silence."""
        return self._playback.level

    @property
    def underruns(self) -> int:
        """How often sound ran dry in the middle of an item."""
        return self._playback.underruns

    @property
    def error(self) -> AudioError | None:
        """Why it ended by itself; None: it plays, or was closed."""
        return self._error

    def _run(self) -> None:
        hasten()
        try:
            self._output.open()
            with self._changed:
                self._opened = True
                self._changed.notify_all()
            while not self._stop.is_set():
                self._step()
        except AudioError as exc:
            if not self._stop.is_set():
                self._error = exc
        except Exception as exc:  # the sink is the user's
            log.exception("the sink raised; nothing more is played")
            self._error = AudioError(f"the sink raised {exc!r}")
            self._error.__cause__ = exc
        finally:
            self._end()

    def _end(self) -> None:
        try:
            self._output.close()
        finally:
            self._clock.leave()
            self._playback.close()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _step(self) -> None:
        if self._dropping:
            self._dropping = False
            # after the fade-out, which is a slice of its own
            pcm, sounding = self._playback.take()
            self._write(pcm, sounding)
            if self._output.stop():
                self._playback.cut()
            return
        self._write(*self._playback.take())

    def _write(self, pcm: bytes, sounding: bool) -> None:
        try:
            self._output.write(pcm, sounding)
        except DeviceLost:
            self._playback.cut()
            raise
        self._playback.handed(self._output.latency())
        if self._monitor is not None:
            self._monitor(pcm)

    def close(self, *, timeout: float = 5) -> None:
        """Stop at once, and give the device back. Idempotent, from any thread."""
        self._stop.set()
        self._clock.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def __enter__(self) -> Any:
        try:
            return self.open()
        except BaseException:  # too late, or Ctrl-C: the device may open yet
            self.close(timeout=0)
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name}, {self.waiting_ms:.0f} ms waiting, {self.underruns} underruns>"


class Speaker(Player):
    """A loudspeaker: an `AudioSink`, and a `Player` of items.

    Args:
        device: As `find_device` takes it; None: REALTIME_SYNC_OUTPUT_DEVICE, else the default.
        backend: "pyaudio" or "sounddevice"; None: the first that is installed.
        start_ms: The jitter buffer: how much has to be there before sound begins.
        monitor: As for `Player`.
        on_change: Called when the device goes away or is there again, on its thread: be quick.

    Attributes:
        sample_rate: 24000, in Hz.
    """

    sample_rate = RATE

    def __init__(
        self,
        device: DeviceChoice = None,
        *,
        backend: str | None = None,
        start_ms: float = 100,
        monitor: Callable[[bytes], object] | None = None,
        on_change: Callable[[DeviceChange], object] | None = None,
    ) -> None:
        self._clock = REAL
        self._stop = Event()
        self._changes = Changes(on_change)
        self._line = DeviceOutput((check_choice(device), backend, self._changes), self._stop)
        self._set_up(self._line, start_ms, monitor)

    @property
    def played_ms(self) -> float:
        """Milliseconds heard of what was written without an item."""
        return self.position(None)

    @property
    def underruns(self) -> int:
        """How often sound ran dry: in the middle of an item, or with the device."""
        return self._playback.underruns + self._line.underruns

    @property
    def device(self) -> str | None:
        """The name of the device in use; None: not open."""
        port = self._line.port
        return port.device.name if port and port.device and not self._over else None


#: Those that are open: PortAudio hangs at exit on a stream that nobody closed.
_open: weakref.WeakSet[Player] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for player in list(_open):
        player.close(timeout=1)
