"""One direction's sound as a picture: how loud each 20 ms was, on the session's own time.

No events, no clock, no thread.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field

from realtime_sync.audio.codecs import peaks

__all__ = ["Lane", "Piece"]

_COLUMN = 20  # ms
_COLUMNS = 50  # in a block: a second
_BLOCKS = 600  # seconds that have sound; those without take nothing
_LATE = 250.0  # ms that a piece may be late and still follow the one before: networks jitter
_STRETCHES = 500  # of what was counted


@dataclass(slots=True)
class _Block:
    """A second of columns, and when it last changed."""

    revision: int
    levels: bytearray = field(default_factory=lambda: bytearray(_COLUMNS))


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound that is to be placed.

    Attributes:
        start: Where it begins, in ms of the session.
        length: ms.
        column: The first that has a level.
        levels: How loud each column is, 1 to 255.
        joined: Whether the first column belongs to the piece before, too.
    """

    start: float
    length: float
    column: int
    levels: bytes
    joined: bool


class Lane:
    """What goes one way, as it would be heard: each piece when it comes, or behind the one before.

    Bounded: it keeps the last ten minutes that have sound.
    """

    def __init__(self) -> None:
        self.sounded = 0.0  # ms that were placed in all
        self.ends = -math.inf  # ms at which what was placed so far is over
        self._blocks: dict[int, _Block] = {}
        self._unheard: float | None = None  # where the end of what is not heard stands
        self._counted = 0.0  # ms of what was counted so far
        # where what was counted stands: ms of it -> ms of the session, ascending
        self._stretches: list[tuple[float, float]] = []

    def piece(self, pcm: bytes, at: float, per_ms: int = 24) -> Piece:
        """What is to be placed, where it is heard; by the thread that places it.

        It looks at every sample, which takes long where there are many: nobody is to wait for it.

        Args:
            pcm: PCM16 mono, whole samples.
            at: When it came, in ms of the session.
            per_ms: Samples in a millisecond.
        """
        start = self.ends if at - self.ends < _LATE else at
        size = _COLUMN * per_ms
        column, lead = divmod(round(start * per_ms), size)
        # silence is sound as well: 0 is where there is none
        levels = peaks(bytes(2 * lead) + pcm, size).replace(b"\0", b"\1")
        early = max(0, len(levels) - _BLOCKS * _COLUMNS)
        length = len(pcm) / 2 / per_ms
        return Piece(start, length, column + early, levels[early:], lead > 0 and not early)

    def place(self, piece: Piece, revision: int, *, counted: bool = False) -> None:
        """Puts a piece where it is heard.

        Args:
            piece: The last that `piece` made.
            revision: What the change is known by.
            counted: Whether `whereabouts` is to find it.
        """
        if self._unheard is not None:
            self._erase(piece.start, self._unheard, revision)
            self._unheard = None
        self._put(piece, revision)
        for second in sorted(self._blocks)[: max(0, len(self._blocks) - _BLOCKS)]:
            del self._blocks[second]
        if counted:
            self._count(piece.start, piece.length)
        self.ends = piece.start + piece.length
        self.sounded += piece.length

    def _put(self, piece: Piece, revision: int) -> None:
        column, levels = piece.column, piece.levels
        while levels:
            second, place = divmod(column, _COLUMNS)
            block = self._blocks.setdefault(second, _Block(revision))
            block.revision = revision
            here, levels = levels[: _COLUMNS - place], levels[_COLUMNS - place :]
            before = block.levels[place] if piece.joined and column == piece.column else 0
            block.levels[place : place + len(here)] = here
            block.levels[place] = max(before, here[0])
            column += len(here)

    def _count(self, start: float, length: float) -> None:
        last = self._stretches[-1] if self._stretches else None
        if last is None or abs(last[1] + self._counted - last[0] - start) > 1:
            self._stretches.append((self._counted, start))
            del self._stretches[:-_STRETCHES]
        self._counted += length

    def whereabouts(self, counted: float) -> float:
        """Where so many ms of what was counted stand, in ms of the session."""
        stretches = (one for one in reversed(self._stretches) if one[0] <= counted)
        known, start = next(stretches, self._stretches[0] if self._stretches else (0.0, 0.0))
        return max(0.0, start + counted - known)

    def silence(self, at: float) -> None:
        """What was placed beyond `at` is not heard; from where the next piece stands on it goes.

        Args:
            at: ms of the session.
        """
        if at < self.ends:
            self._unheard, self.ends = max(self.ends, self._unheard or 0.0), at

    def _erase(self, start: float, end: float, revision: int) -> None:
        first, last = int(start / _COLUMN), int(end / _COLUMN)
        for second, block in self._blocks.items():
            from_, to = (
                max(first - second * _COLUMNS, 0),
                min(last + 1 - second * _COLUMNS, _COLUMNS),
            )
            if from_ < to:
                block.levels[from_:to] = bytes(to - from_)
                block.revision = revision

    def since(self, revision: int) -> dict[int, str]:
        """The seconds of the session that have changed since then, and how loud they are.

        Returns:
            Second -> 50 levels, each a byte of 0 (no sound) to 255 for 20 ms, in base64.
        """
        return {
            second: base64.b64encode(block.levels).decode()
            for second, block in self._blocks.items()
            if block.revision > revision
        }
