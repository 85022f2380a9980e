"""Writing a recording: the I/O thread hands frames over, a thread of its own writes them.

Knows no session. The file is written by that thread alone, without a buffer of Python's, so that a
process that forks or dies leaves whole lines behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import time
from collections import deque
from typing import Any

import realtime_sync

from ..closing import Closing
from ..errors import ConfigurationError, RecordingError
from ..runtime.clock import Deadline, Event, may_wait, monotonic
from ..runtime.threads import Thread
from .deltas import Deltas
from .entries import ENDED, FORMAT, GAP, VERSION
from .veil import HIDDEN, SOUNDS, audio_parts, hide, unkeyed

__all__ = ["MOST", "Recording"]

log = logging.getLogger(__name__)

#: Bytes that a recording may have, unless told otherwise.
MOST = 1 << 30
#: Bytes of frames that may wait to be written; a disk that is slower loses some, counted.
HELD = 32 << 20
#: Seconds between two writes: one wake-up for all that comes meanwhile.
PAUSE = 0.05
#: Lines that wait at most for a text to go on.
_WAITING = 1000
#: Bytes that the last line may take.
_LAST = 512

#: Binary on Windows too, which else would change the ends of lines.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)

Wire = dict[str, Any]
_Frame = tuple[float, str, bytes | Wire]


class Recording(Closing):
    """A recording that is being written; `session.record(path)` begins one.

    Ends with the session, by `close()`, or at the end of its `with` block. A disk that is full ends
    it, not the session: a WARNING, and `error` says so.

    Attributes:
        path: Of the file.
        written: Events in it so far.
        dropped: Events that are missing, since the disk was too slow.
        error: Why it ended before its time; None where it did not.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, audio: bool = False, max_bytes: int | None = MOST
    ) -> None:
        if max_bytes is not None and (type(max_bytes) is not int or max_bytes < 2 * _LAST):
            raise ConfigurationError(f"max_bytes: a number of bytes from {2 * _LAST} on, or None")
        self.path = os.fspath(path)
        self.written = 0
        self.dropped = 0
        self.error: Exception | None = None
        self._audio = audio
        self._most = max_bytes
        self._size = 0  # bytes in the file
        self._frames: deque[_Frame] = deque()
        self._put = 0  # bytes ever handed over; only the I/O thread adds
        self._taken = 0  # of these, no longer held; only the writing thread adds
        self._told = 0  # dropped events that a line in the file tells of
        self._held: list[Wire] = []  # not written yet
        self._deltas = Deltas()
        self._at = 0.0  # of the last line, in seconds since the beginning
        self._due = Event()  # there is something to write
        self._over = Event()  # nothing more will come
        # others read it as little as they hear what it tells of
        self._file = os.open(self.path, _NEW, 0o600)
        _keep_private(self._file)
        self._began = monotonic()
        self._epoch = time.time() - self._began
        self._thread = Thread(self._work, "realtime-recorder")
        try:
            self._write([self._header()])
        except BaseException:
            os.close(self._file)
            raise
        try:
            self._thread.start()
        except RuntimeError:  # the system has none left
            os.close(self._file)
            raise
        except BaseException:  # Ctrl-C, and it may have begun: it closes the file
            self.end()
            raise

    @property
    def over(self) -> bool:
        """Whether it takes nothing any more."""
        return self._over.is_set()

    def take(self, direction: str, frame: bytes) -> None:
        """A frame as the wire has it. Runs on the I/O thread; never blocks."""
        if self._put - self._taken > HELD:
            self.dropped += 1
        else:
            self._put += len(frame)
            self._hold(direction, frame)

    def note(self, event: Wire) -> None:
        """Something that no server said. Runs on the I/O thread; never blocks."""
        self._hold("local", event)

    def _hold(self, direction: str, what: bytes | Wire) -> None:
        self._frames.append((monotonic(), direction, what))
        if not self._due.is_set():
            self._due.set()

    def end(self) -> None:
        """Nothing more will come; what has is still written. From any thread; does not wait."""
        self._over.set()
        self._due.set()

    def join(self, deadline: Deadline) -> bool:
        """Wait until all is written; whether it is."""
        self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    def close(self, *, timeout: float | None = 5) -> None:
        """End it, and wait until all is written. Idempotent, from any thread.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            WouldDeadlock: In a tap.
        """
        deadline = Deadline(timeout)
        may_wait()
        self.end()
        if not self.join(deadline):
            log.warning("realtime-recorder still writes %s", self.path)

    def __repr__(self) -> str:
        state = "ended" if self.over else "running"
        return f"<Recording {self.path} {state}, {self.written} events>"

    # --- the thread

    def _work(self) -> None:
        try:
            while not self._over.is_set():
                self._due.wait()
                self._over.wait(PAUSE)
                self._due.clear()
                self._write(self._lines())
            self._write(self._lines(last=True))
            self._write([self._last()], last=True)
        except (OSError, RecordingError) as exc:
            self.error = exc
            log.warning("the recording %s has ended before its time: %s", self.path, exc)
        finally:
            self.end()
            self._frames.clear()
            os.close(self._file)

    def _lines(self, *, last: bool = False) -> list[bytes]:
        """What can be written; nothing while the end of a text may become a key."""
        while self._frames:
            at, direction, what = self._frames.popleft()
            if isinstance(what, bytes):
                self._taken += len(what)
            self._held.append(self._line(at, direction, what))
            self.written += 1
        missing = self.dropped - self._told
        if missing:
            self._told += missing
            # as of the last event: one that comes in just now has a time already
            at = self._began + self._at
            self._held.append(self._line(at, "local", {"type": GAP, "events": missing}))
        if last or len(self._held) > _WAITING:
            self._deltas.end()
        if self._deltas:
            return []
        lines = [_dumped(line) for line in self._held]
        self._held.clear()
        return lines

    def _line(self, at: float, direction: str, what: bytes | Wire) -> Wire:
        frame = what if isinstance(what, bytes) else json.dumps(what).encode()
        event = _event(frame)
        if direction == "received":
            self._deltas.add(event, _said(frame, event))
        elif direction == "local":
            self._deltas.end()
        self._at = round(at - self._began, 6)
        line: Wire = {
            "at": self._at,
            "time": round(at + self._epoch, 6),
            "direction": direction,
            "event": event,
        }
        if not self._audio:
            elided = {}
            for place, put, text in list(audio_parts(event)):
                put("")
                elided[place] = len(text) * 3 // 4 - text[-2:].count("=")
            if elided:
                line["elided"] = elided
        return line

    def _header(self) -> bytes:
        return _dumped(
            {
                "format": FORMAT,
                "version": VERSION,
                "time": round(self._epoch + self._began, 6),
                "library": realtime_sync.__version__,
                "audio": self._audio,
            }
        )

    def _last(self) -> bytes:
        told = {"type": ENDED, "events": self.written, "missing": self.dropped}
        return _dumped(self._line(monotonic(), "local", told))

    def _write(self, lines: list[bytes], *, last: bool = False) -> None:
        """Append whole lines.

        Raises:
            OSError: The disk is full, say.
            RecordingError: It would be longer than it may be; it has its last line.
        """
        fits: list[bytes] = []
        room = None if last or self._most is None else self._most - _LAST - self._size
        for line in lines:
            if room is not None and len(line) > room:
                self.written -= len(lines) - len(fits)
                self._append([*fits, self._last()])
                raise RecordingError(f"max_bytes={self._most} are written", path=self.path)
            fits.append(line)
            room = None if room is None else room - len(line)
        self._append(fits)

    def _append(self, lines: list[bytes]) -> None:
        rest = memoryview(b"".join(lines))
        self._size += len(rest)
        while rest:
            rest = rest[os.write(self._file, rest) :]


def _keep_private(file: int) -> None:
    """Take from a file that was there already what others may do with it; not from a device."""
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(file).st_mode):
        with contextlib.suppress(OSError):  # somebody else's, or of a file system without owners
            os.fchmod(file, 0o600)


def _dumped(line: Wire) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can name, has no UTF-8
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _event(frame: bytes) -> Wire:
    """What a frame says, without keys."""
    text = unkeyed(frame.decode("utf-8", "replace"))
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return {"type": "unparsable", "raw": text}
    hide(event)
    return event


def _said(frame: bytes, event: Wire) -> str | None:
    """What the delta of a text says, before anything was hidden in it; None: it is none."""
    kind, shown = event["type"], event.get("delta")
    if not kind.endswith(".delta") or kind in SOUNDS or not isinstance(shown, str):
        return None
    return str(json.loads(frame)["delta"]) if HIDDEN in shown else shown
