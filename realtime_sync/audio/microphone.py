"""A microphone: an `AudioSource`. Its thread, `realtime-mic`, never waits without an end."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final

from ..errors import AudioError, DeviceLost, copy_of
from ..runtime.clock import Condition, Event, may_wait
from ..runtime.threads import Thread
from .codecs import level
from .formats import BYTES_PER_MS, RATE
from .hardware import DeviceChoice, check_choice
from .owner import hasten
from .ports import Changes, DeviceChange, InputPort

__all__ = ["Microphone", "PreRoll"]

log = logging.getLogger(__name__)

_KEPT_MS: Final = 5_000  # unread; then the oldest are dropped
_OPENING: Final = 20.0  # seconds that a device may take


class Microphone:
    """A microphone, 20 ms at a time: PCM16 mono at 24 kHz, whatever rate it has itself.

    Every method may be called from any thread; one thread reads. Sound is captured from `open`
    (or the first `read`) on; 5 s of it are kept for a reader that is late.

    Args:
        device: As `find_device` takes it; None: REALTIME_SYNC_INPUT_DEVICE, else the default.
        backend: "pyaudio" or "sounddevice"; None: the first that is installed.
        on_change: Called when the device goes away or is there again, on its thread: be quick.

    Attributes:
        sample_rate: 24000, in Hz.
        overflows: How often sound was lost, because the machine was busy or nobody read.
        lost_ms: How much of it, in milliseconds; with sounddevice a lower bound.
        level: Loudness of the last 20 ms, in dBFS; -inf is silence.
    """

    sample_rate = RATE

    def __init__(
        self,
        device: DeviceChoice = None,
        *,
        backend: str | None = None,
        on_change: Callable[[DeviceChange], object] | None = None,
    ) -> None:
        self._changes = Changes(on_change)
        self._wanted = (check_choice(device), backend, self._changes)
        self._port: InputPort | None = None
        self._thread: threading.Thread | None = None
        self._stop = Event()
        self._changed = Condition()  # guards what follows
        self._frames: deque[bytes] = deque()
        self._kept = 0  # bytes in them
        self._opened = False
        self._ended: AudioError | None = None  # why it ended, if not by close
        self._over = False
        self.overflows = 0
        self.lost_ms = 0.0
        self.level = level(b"")

    def open(self) -> Microphone:
        """Begin to capture; an open one is left alone.

        Raises:
            AudioUnavailable: No audio library; the message has the line that installs it.
            DeviceNotFound: No such microphone.
            AudioError: It cannot be opened, or was closed.
            WouldDeadlock: In a tap.
        """
        may_wait()
        with self._changed:
            if self._stop.is_set():
                raise AudioError("the microphone was closed; make another")
            if self._thread is None:
                self._port = InputPort(*self._wanted, self._stop)
                self._thread = Thread(self._run, "realtime-mic")
                self._thread.start()
                _open.add(self)
            if not self._changed.wait_for(lambda: self._opened or self._over, _OPENING):
                raise AudioError(f"the microphone did not open within {_OPENING:g} s")
            if self._ended is not None and not self._opened:
                raise copy_of(self._ended)
        return self

    def read(self) -> bytes:
        """The next 20 ms; b"" once it is closed. Opens it; waits.

        Raises:
            DeviceLost: It went away, and no other came in its place.
            AudioError: As `open`.
            WouldDeadlock: In a tap.
        """
        may_wait()
        if self._thread is None and not self._stop.is_set():
            self.open()
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._over or self._stop.is_set())
            if self._stop.is_set():
                return b""
            if self._frames:
                frame = self._frames.popleft()
                self._kept -= len(frame)
                return frame
            if self._ended is not None:
                raise copy_of(self._ended)
            return b""

    def discard(self, *, keep_ms: float = 0) -> None:
        """Forget what was captured and not yet read, but for the newest `keep_ms` milliseconds."""
        with self._changed:
            self._trim(keep_ms)

    def _trim(self, most_ms: float) -> float:
        """Drop the oldest; milliseconds dropped."""
        before = self._kept
        while self._frames and self._kept > most_ms * BYTES_PER_MS["audio/pcm"]:
            self._kept -= len(self._frames.popleft())
        return (before - self._kept) / BYTES_PER_MS["audio/pcm"]

    def _run(self) -> None:
        assert self._port is not None
        hasten()
        try:
            self._port.open()
            with self._changed:
                self._opened = True
                self._changed.notify_all()
            while not self._stop.is_set():
                self._step(self._port)
        except (AudioError, OSError) as exc:
            self._ended = exc if isinstance(exc, AudioError) else AudioError(str(exc))
        except Exception as exc:  # the library's, or ours: whoever reads is not left waiting
            log.exception("the microphone failed")
            self._ended = AudioError(f"the microphone failed: {exc!r}")
            self._ended.__cause__ = exc
        finally:
            self._port.close()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _step(self, port: InputPort) -> None:
        try:
            frame, lost = port.read()
        except OSError as exc:
            try:
                port.reopen(exc)
            except DeviceLost:
                if not self._stop.is_set():
                    raise
            return
        if not frame:
            return  # the resampler's first
        with self._changed:
            self._frames.append(frame)
            self._kept += len(frame)
            lost += self._trim(_KEPT_MS)
            if lost:
                self.overflows += 1
                self.lost_ms += lost
            self.level = level(frame)
            self._changed.notify_all()

    @property
    def device(self) -> str | None:
        """The name of the device in use; None: not open."""
        port = self._port
        return port.device.name if port and port.device and not self._over else None

    def close(self, *, timeout: float = 5) -> None:
        """End it, and the `read` that waits. Idempotent, from any thread."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def __enter__(self) -> Microphone:
        try:
            return self.open()
        except BaseException:  # too late, or Ctrl-C: the device may open yet
            self.close(timeout=0)
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.device or ("closed" if self._stop.is_set() else "not open")
        return f"<Microphone {state}, {self.overflows} overflows>"


class PreRoll:
    """The newest sound of a source that nobody listens to yet, so that no first syllable is lost.

    Args:
        ms: How much, in milliseconds.
    """

    def __init__(self, ms: float = 500) -> None:
        self._most = int(ms * BYTES_PER_MS["audio/pcm"])
        self._frames: deque[bytes] = deque()
        self._size = 0

    def push(self, frame: bytes) -> None:
        """One more frame, PCM16 mono at 24 kHz; the oldest beyond the length go."""
        self._frames.append(frame)
        self._size += len(frame)
        while self._frames and self._size - len(self._frames[0]) >= self._most:
            self._size -= len(self._frames.popleft())

    def take(self) -> bytes:
        """All of it, the newest `ms` at most; afterwards there is none."""
        whole = b"".join(self._frames)
        self._frames.clear()
        self._size = 0
        return whole[max(0, len(whole) - self._most) :]


#: Those that are open: PortAudio hangs at exit on a stream that nobody closed.
_open: weakref.WeakSet[Microphone] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for microphone in list(_open):
        microphone.close(timeout=1)
