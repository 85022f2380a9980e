"""Reading recordings: an error says in which line it is, and what came before is given.

No thread; reads one file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any

from ..errors import RecordingError

__all__ = ["ENDED", "FORMAT", "GAP", "VERSION", "Entry", "Header", "headed", "read"]

Wire = dict[str, Any]

FORMAT = "realtime_sync recording"
#: What this library writes, and the newest that it reads.
VERSION = 1
ENDED, GAP = "recording.ended", "recording.gap"

_DIRECTIONS = ("sent", "received", "local")
#: Bytes of a line: the longest event of a server (64 MiB), with room for what is around it.
_LONGEST = 128 << 20
#: Epoch seconds at which calendars end: the year 10000.
_CALENDAR = 253_402_300_800
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says.

    Attributes:
        version: Of the format.
        time: When it began, in epoch seconds; None if it does not say.
        library: The version of realtime_sync that wrote it.
        audio: Whether it holds audio.
    """

    version: int
    time: float | None = None
    library: str = ""
    audio: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a recording.

    Attributes:
        line: The number of its line; the first is 1.
        at: Seconds since the recording began.
        time: Epoch seconds; None if the line does not say.
        direction: "sent", "received" or "local".
        event: As the wire had it.
        elided: Place of each piece of audio that was left out -> its size in bytes.
        end: How many bytes of the file are read with this line.
    """

    line: int
    at: float
    time: float | None
    direction: str
    event: Wire
    elided: dict[str, int] = field(default_factory=dict)
    end: int = 0

    __hash__ = None  # type: ignore[assignment]

    @property
    def type(self) -> str:
        """The event's."""
        return str(self.event["type"])


def read(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """The events of a recording, in order.

    Args:
        path: Of the file.

    Raises:
        RecordingError: It is no recording, newer than this library, cut or spoilt; names the line.
            The entries before it have been given.
        OSError: It cannot be read.
    """
    yield from headed(path)[1]


def headed(path: str | os.PathLike[str]) -> tuple[Header, Iterator[Entry]]:
    """What the first line says, and the events, of which at least one is to be asked for.

    The file is opened once, so that it may be a pipe. Raises as `read` does.
    """
    with ExitStack() as stack:
        lines = _Lines(stack.enter_context(open(path, "rb")), os.fspath(path))
        header = lines.header()
        return header, _entries(lines, stack.pop_all())


def _entries(lines: _Lines, file: ExitStack) -> Iterator[Entry]:
    with file:
        ended = False
        while (known := lines.object()) is not None:
            if ended:
                raise lines.wrong("something follows the end of the recording")
            entry = lines.entry(known)
            ended = entry.type == ENDED and entry.direction == "local"
            if not ended:
                yield entry
        if not ended:
            raise lines.wrong(
                "the recording is cut: it ends before its last line; whoever wrote it was ended, "
                "or still writes"
            )


class _Lines:
    """The lines of one file."""

    def __init__(self, file: IO[bytes], path: str | bytes) -> None:
        self._file = file
        self.path = os.fsdecode(path)
        self.number = 0  # of the line that is being read; the first is 1
        self._at = 0.0  # of the entry before
        self._end = 0  # bytes read

    def wrong(self, why: str) -> RecordingError:
        """The error for the present line."""
        where = f"{self.path}, line {self.number}: {why}"
        return RecordingError(where, path=self.path, line=self.number)

    def object(self) -> Wire | None:
        """The next line; None at the end of the file."""
        self.number += 1
        line = self._file.readline(_LONGEST)
        self._end += len(line)
        if not line:
            return None
        if self.number == 1 and line.startswith(_GZIP):
            raise self.wrong("the file is compressed: gunzip it first")
        if not line.endswith(b"\n"):
            if len(line) == _LONGEST:
                raise self.wrong("no recording has a line of so many bytes")
            raise self.wrong("the recording is cut: this line has no end")
        try:
            known = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise self.wrong("this is not JSON: the file is no recording, or is spoilt") from exc
        if not isinstance(known, dict):
            raise self.wrong("a JSON object is needed: the file is no recording, or is spoilt")
        return known

    def header(self) -> Header:
        known = self.object()
        if known is None:
            raise self.wrong("the file is empty")
        version = known.get("version")
        if known.get("format") != FORMAT or type(version) is not int or version < 1:
            raise self.wrong("this is no recording: session.record(path) writes them")
        if version > VERSION:
            raise self.wrong(
                f"version {version} of the format is newer than this library, which reads up to "
                f"{VERSION}: pip install --upgrade realtime_sync"
            )
        return Header(
            version=version,
            time=_time(known),
            library=str(known.get("library", "")),
            audio=known.get("audio") is True,
        )

    def entry(self, known: Wire) -> Entry:
        event, direction, at = known.get("event"), known.get("direction"), known.get("at")
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise self.wrong('"event": an object with a type is needed')
        if direction not in _DIRECTIONS:
            raise self.wrong(f'"direction": one of {", ".join(_DIRECTIONS)}, not {direction!r:.80}')
        if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at < _CALENDAR:
            raise self.wrong('"at": seconds from 0 on are needed')
        if at < self._at:
            raise self.wrong(f'"at": {at:g} is before the {self._at:g} of the line before')
        self._at = float(at)
        elided = known.get("elided", {})
        sizes = elided.values() if isinstance(elided, dict) else (None,)
        if not all(type(size) is int and 0 <= size < _LONGEST for size in sizes):
            raise self.wrong('"elided": places and sizes in bytes are needed')
        return Entry(
            line=self.number,
            at=self._at,
            time=_time(known),
            direction=direction,
            event=event,
            elided=elided,
            end=self._end,
        )


def _time(known: Wire) -> float | None:
    """Epoch seconds, if there is such a moment."""
    time = known.get("time")
    if isinstance(time, bool) or not isinstance(time, (int, float)):
        return None
    return float(time) if 0 <= time < _CALENDAR else None
