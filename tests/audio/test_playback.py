"""What is to be played: order, jitter, gaps, fade-out, and how much of it was heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.audio.playback import Playback

SLICE = 960  # bytes


def sound(ms: float, value: int = 1000) -> bytes:
    return np.full(round(ms * 24), value, "<i2").tobytes()


def play(playback: Playback, slices: int, latency: float = 0.0) -> bytes:
    out = []
    for _ in range(slices):
        out.append(playback.take()[0])
        playback.handed(latency)
    return b"".join(out)


def test_it_waits_for_100_ms() -> None:
    """Sound begins once 100 ms are there, then flows without a gap."""
    playback = Playback()
    playback.add(sound(80), "a")
    assert play(playback, 2) == bytes(2 * SLICE)
    playback.add(sound(20), "a")
    assert play(playback, 5) == sound(100)


def test_what_comes_too_late_is_not_kept() -> None:
    """Once nobody plays any more, sound that still comes takes no memory."""
    playback = Playback()
    playback.close()
    playback.add(sound(200), "a")
    assert playback.waiting_ms == 0
    assert not playback.playing


def test_a_complete_item_waits_for_nothing() -> None:
    """Of an item that is complete the first slice comes at once; silence fills the last."""
    playback = Playback()
    playback.add(sound(30), "a")
    playback.finish("a")
    assert play(playback, 2) == sound(30) + bytes(480)
    assert playback.underruns == 0
    assert not playback.playing


def test_little_is_not_kept_for_ever() -> None:
    """Less than the buffer, of which nobody says that it is all, begins after as long a wait."""
    playback = Playback()
    playback.add(sound(40), "a")
    assert play(playback, 5) == bytes(5 * SLICE)
    assert play(playback, 2) == sound(40)


def test_items_one_after_the_other() -> None:
    """Deltas that come mixed are played item by item, in the order in which the items began."""
    playback = Playback()
    playback.add(sound(60, 1), "a")
    playback.add(sound(60, 2), "b")
    playback.add(sound(60, 3), "a")
    for item in ("a", "b"):
        playback.finish(item)
    assert play(playback, 9) == sound(60, 1) + sound(60, 3) + sound(60, 2)
    assert (playback.position("a"), playback.position("b")) == (120, 60)


def test_what_comes_late_for_an_item_is_played_after() -> None:
    """A dry item does not hold the next one back, and its late sound is not lost."""
    playback = Playback()
    playback.add(sound(100, 1), "a")
    play(playback, 5)
    playback.add(sound(100, 2), "b")
    assert play(playback, 5) == sound(100, 2)
    playback.add(sound(100, 3), "a")
    assert play(playback, 5)[:-480] != bytes(5 * SLICE - 480)
    assert playback.position("a") == 200


def test_a_gap_is_counted_and_does_not_click() -> None:
    """Sound that runs dry fades out, is gathered anew, fades in, and counts as one underrun."""
    playback = Playback()
    playback.add(sound(110), "a")
    first = np.frombuffer(play(playback, 7), "<i2").astype(int)
    assert np.abs(np.diff(first)).max() < 50
    assert playback.underruns == 1
    playback.add(sound(100), "a")
    playback.finish("a")
    again = np.frombuffer(play(playback, 6), "<i2").astype(int)
    assert np.abs(np.diff(again[:480])).max() < 50
    assert playback.underruns == 1
    assert playback.position("a") == 210


def test_stop_fades_and_forgets() -> None:
    """After stop 10 ms fade away, then all is silent; late deltas of it are ignored, others not."""
    playback = Playback()
    playback.add(sound(1000), "a")
    playback.add(sound(1000), "b")
    play(playback, 10)
    assert playback.stop() == {"a": 210, "b": 0}
    playback.add(sound(500), "a")
    tail = np.frombuffer(play(playback, 3), "<i2").astype(int)
    assert tail[0] > 900
    assert np.abs(np.diff(tail)).max() < 50
    assert not tail[240:].any()
    assert playback.position("a") == 210
    playback.add(sound(100, 7), "c")
    assert play(playback, 5) == sound(100, 7)


def test_stop_of_one_of_two() -> None:
    """It falls silent, or never begins; the other is played whole."""
    playback = Playback()
    playback.add(sound(300), "a")
    playback.add(sound(300, 0x0707), "b")
    playback.finish("b")
    play(playback, 10)
    assert playback.holds(["a"])
    assert not playback.holds(["a", "b"])
    assert playback.stop(["a", "c"]) == {"a": 210}
    assert play(playback, 16)[480:].rstrip(b"\0") == sound(300, 0x0707)
    assert playback.position("b") == 300
    playback.add(sound(200, 0x0707), "d")
    playback.add(sound(200), "e")
    play(playback, 2)
    assert playback.stop(["e"]) == {"e": 0}
    assert play(playback, 9).rstrip(b"\0") == sound(160, 0x0707)


def test_stop_of_nothing() -> None:
    """Nothing to stop is no error, and makes no sound."""
    playback = Playback()
    assert playback.stop() == {}
    assert play(playback, 2) == bytes(2 * SLICE)


def test_the_position_is_less_what_the_device_holds() -> None:
    """Heard is handed over, less the latency; it ends at the item's length, and never goes back."""
    playback = Playback()
    playback.add(sound(200), "a")
    playback.finish("a")
    play(playback, 5, latency=0.06)
    assert playback.position("a") == 40
    assert playback.playing
    assert playback.item_id == "a"
    playback.take()
    playback.handed(0.5)
    assert playback.position("a") == 40
    play(playback, 10, latency=0.06)
    assert playback.position("a") == 200
    assert not playback.playing
    assert playback.item_id is None
    assert playback.position("unknown") == 0


def test_stop_says_what_will_have_been_heard() -> None:
    """What the device holds is still heard: stop counts it, and the position comes to it."""
    playback = Playback()
    playback.add(sound(1000), "a")
    play(playback, 10, latency=0.1)
    assert playback.position("a") == 100
    assert playback.stop() == {"a": 210}
    play(playback, 20, latency=0.1)
    assert playback.position("a") == 210


def test_a_device_that_drops_what_it_has() -> None:
    """What a sink has dropped was not heard."""
    playback = Playback()
    playback.add(sound(1000), "a")
    play(playback, 10, latency=0.1)
    playback.stop()
    play(playback, 1, latency=0.1)  # the fade-out
    playback.cut()
    assert playback.position("a") == 110
    assert playback.wait(0)


def test_it_waits_until_all_is_heard() -> None:
    """wait is false while sound is left, and true at once when nobody plays any more."""
    playback = Playback()
    playback.add(sound(20), "a")
    assert not playback.wait(0)
    playback.close()
    assert playback.wait(0)


def test_what_it_refuses() -> None:
    """Half a sample and an impossible buffer."""
    with pytest.raises(ValueError, match="half a sample"):
        Playback().add(b"abc")
    with pytest.raises(ValueError, match="start_ms"):
        Playback(start_ms=-1)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9000)), max_size=20),
    latency=st.sampled_from([0.0, 0.013, 0.1]),
)
def test_every_sample_once(sizes: list[tuple[str, int]], latency: float) -> None:
    """However it comes, each sample of each item is played once, in order, and counted."""
    playback, wanted, number = Playback(), {}, 1
    for item, frames in sizes:
        piece = (np.arange(number, number + frames) % 30_000 + 1).astype("<i2").tobytes()
        number += frames
        wanted[item] = wanted.get(item, b"") + piece
        playback.add(piece, item)
    for item in wanted:
        playback.finish(item)
    total = sum(map(len, wanted.values()))
    out = play(playback, total // SLICE + 10, latency)
    assert out.rstrip(b"\0")[:total].ljust(total, b"\0") == b"".join(wanted.values())
    for item, pcm in wanted.items():
        assert playback.position(item) == pytest.approx(len(pcm) / 48)
    assert playback.underruns == 0
