"""Sound as a picture."""

from __future__ import annotations

import base64
import struct

import pytest

from realtime_sync.audio.codecs import peaks
from realtime_sync.local.page.lane import Lane


def loud(ms: int, level: int = 32767) -> bytes:
    """So many milliseconds at a level."""
    return struct.pack("<h", level) * (24 * ms)


def placed(lane: Lane, pcm: bytes, at: float, revision: int, *, counted: bool = False) -> float:
    """Places a piece; where it begins."""
    piece = lane.piece(pcm, at)
    lane.place(piece, revision, counted=counted)
    return piece.start


def drawn(lane: Lane) -> list[int]:
    """All columns from the beginning on."""
    blocks = lane.since(0)
    found: list[int] = []
    for second in range(max(blocks, default=-1) + 1):
        found += base64.b64decode(blocks[second]) if second in blocks else bytes(50)
    return found


def test_peaks() -> None:
    """The loudest of every few samples, whatever its sign; the last of them may be fewer."""
    pcm = struct.pack("<5h", 0, -32768, 16384, 0, 128)
    assert list(peaks(pcm, 2)) == [255, 127, 0]
    assert list(peaks(pcm + b"\x01", 2)) == [255, 127, 0]
    assert peaks(b"", 2) == b""


def test_pieces_follow_each_other() -> None:
    """Pieces that come faster than they are heard stand one behind the other."""
    lane = Lane()
    assert [placed(lane, loud(100), at, 1) for at in (40, 41, 42)] == [40, 140, 240]
    assert drawn(lane)[:18] == [0, 0, *[254] * 15, 0]
    assert lane.sounded == 300


def test_a_pause_is_a_gap() -> None:
    """What comes later stands later; what is a little late still follows."""
    lane = Lane()
    placed(lane, loud(100), 0, 1)
    assert placed(lane, loud(100), 300, 1) == 100
    assert placed(lane, loud(20), 1000, 1) == 1000
    assert drawn(lane)[9:12] == [254, 0, 0]
    assert drawn(lane)[50:52] == [254, 0]


def test_a_piece_may_end_within_a_column() -> None:
    """The two halves of 20 ms are one column, as loud as the louder."""
    lane = Lane()
    placed(lane, loud(30), 0, 1)
    placed(lane, loud(30, 100), 30, 1)
    assert drawn(lane)[:4] == [254, 254, 1, 0]


def test_only_what_has_changed() -> None:
    """A viewer is told the seconds that have changed since he was told last."""
    lane = Lane()
    placed(lane, loud(1500), 0, 1)
    placed(lane, loud(100), 1500, 2)
    assert set(lane.since(0)) == {0, 1}
    assert set(lane.since(1)) == {1}
    assert lane.since(2) == {}


def test_silence_takes_no_room() -> None:
    """An hour without sound takes nothing, and of long sound the last ten minutes are kept."""
    lane = Lane()
    placed(lane, loud(20), 0, 1)
    placed(lane, loud(20), 3_600_000, 1)
    assert len(lane.since(0)) == 2
    placed(lane, loud(327_000, 100), 4_000_000, 1)
    placed(lane, loud(327_000, 100), 4_300_000, 1)
    assert len(lane.since(0)) == 600
    placed(lane, loud(700_010, 100), 5_000_000, 2)
    assert set(lane.since(1)) == set(range(5_101, 5_701))


@pytest.mark.parametrize(("counted", "at"), [(0, 500), (50, 550), (100, 2000), (150, 2050)])
def test_where_what_was_counted_stands(counted: float, at: float) -> None:
    """The server counts what it is sent; on the session's time that is where it came."""
    lane = Lane()
    placed(lane, loud(100), 500, 1, counted=True)
    placed(lane, loud(100), 1000, 1)
    placed(lane, loud(100), 2000, 1, counted=True)
    assert lane.whereabouts(counted) == at


def test_after_a_cut() -> None:
    """What comes after a cut takes the place of what was not heard, of all of it."""
    lane = Lane()
    placed(lane, loud(3000, 4000), 0, 1)
    lane.silence(300)
    assert drawn(lane) == [31] * 150
    assert placed(lane, loud(100), 600, 2) == 600
    assert drawn(lane) == [31] * 30 + [254] * 5 + [0] * 115
    assert set(lane.since(1)) == {0, 1, 2}
