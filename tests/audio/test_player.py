"""The thread that plays: into sinks by a virtual clock, and what becomes of it when they fail."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from realtime_sync.audio import Player, VirtualClock, WavSink
from realtime_sync.errors import AudioError, RealtimeTimeout


class Sink:
    """Notes what is written, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.times: list[float] = []
        self.pcm = b""

    def write(self, pcm: bytes) -> None:
        self.times.append(round(self._clock.now(), 3))
        self.pcm += pcm


class Buffered(Sink):
    """Has a buffer of its own: 100 ms of it are always still to be played."""

    stopped = 0

    @property
    def played_ms(self) -> float:
        return max(0.0, len(self.pcm) / 48 - 100)

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def played() -> Iterator[list[Player]]:
    """Players that are closed after the test."""
    made: list[Player] = []
    yield made
    for player in made:
        player.close()


def sound(ms: float, value: int = 1000) -> bytes:
    return np.full(round(ms * 24), value, "<i2").tobytes()


def test_a_minute_in_no_time(clock: VirtualClock, played: list[Player]) -> None:
    """A minute of sound goes out slice by slice, each 20 ms, byte for byte, in virtual time."""
    sink = Sink(clock)
    player = Player(sink, clock=clock)
    played.append(player)
    pcm = np.random.default_rng(0).integers(-9000, 9000, 60 * 24_000).astype("<i2").tobytes()
    player.play(pcm, "a")
    player.finish("a")
    clock.advance(61)
    player.wait_playback(timeout=5)
    assert sink.pcm == pcm
    assert np.allclose(np.diff(sink.times), 0.02, atol=1e-3)
    assert player.position("a") == 60_000
    assert player.underruns == 0
    assert not player.playing


def test_several_items_and_their_positions(clock: VirtualClock, played: list[Player]) -> None:
    """Two items of one response play one after the other; the position is that of each."""
    player = Player(Sink(clock), clock=clock)
    played.append(player)
    player.play(sound(200), "a")
    player.play(sound(200), "b")
    player.finish("a")
    player.finish("b")
    clock.advance(0.3)
    assert player.position("a") == 200
    assert player.position("b") == pytest.approx(100, abs=21)
    clock.advance(0.3)
    assert (player.position("b"), player.playing) == (200, False)


def test_stop_is_silence_within_40_ms(clock: VirtualClock, played: list[Player]) -> None:
    """stop drops what waits: 30 ms later nothing reaches the sink; what is said next is played."""
    sink = Sink(clock)
    player = Player(sink, clock=clock)
    played.append(player)
    player.play(sound(5000), "a")
    clock.advance(1)
    stopped_at = clock.now()
    stopped = player.stop()
    clock.advance(1)
    assert sink.times[-1] - stopped_at <= 0.04
    assert stopped["a"] == player.position("a") == pytest.approx(1000, abs=31)
    assert abs(len(sink.pcm.rstrip(b"\0")) / 48 - stopped["a"]) < 1
    player.play(sound(100, 5), "b")
    player.finish("b")
    clock.advance(1)
    assert sink.pcm.endswith(sound(100, 5))


def test_a_sink_with_a_buffer(clock: VirtualClock, played: list[Player]) -> None:
    """Its played_ms gives the position, its stop() drops what it has: that was never heard."""
    sink = Buffered(clock)
    player = Player(sink, clock=clock)
    played.append(player)
    player.play(sound(5000), "a")
    clock.advance(1)
    before = player.position("a")
    assert before == pytest.approx(len(sink.pcm) / 48 - 100, abs=21)
    stopped = player.stop()
    assert stopped["a"] <= before + 1
    clock.advance(1)
    assert sink.stopped == 1
    assert player.position("a") == pytest.approx(before, abs=41)
    assert not player.playing


def test_a_sink_of_another_rate(clock: VirtualClock, played: list[Player], tmp_path: Any) -> None:
    """A WAV file at 8 kHz, silence included, is as long as the time that passed."""
    heard: list[bytes] = []
    with WavSink(tmp_path / "a.wav", sample_rate=8000) as sink:
        player = Player(sink, clock=clock, silence=True, monitor=heard.append)
        played.append(player)
        player.open()
        clock.advance(0.5)
        player.play(sound(1000), "a")
        player.finish("a")
        clock.advance(2.5)
        player.close()
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.getnframes() / 8000 == pytest.approx(3, abs=0.06)
    assert b"".join(heard).strip(b"\0") == sound(1000).strip(b"\0")
    assert len(b"".join(heard)) / 48_000 == pytest.approx(3, abs=0.03)


def test_write_waits_for_room(played: list[Player]) -> None:
    """write returns once no more than half a second is ahead, in real time too; wait hears it."""
    chunks: list[bytes] = []
    sink: Any = type("Chunks", (), {"write": lambda self, pcm: chunks.append(pcm)})()
    player = Player(sink)
    played.append(player)
    player.write(np.full(24 * 600, 0.25, np.float32))
    assert 0 < player.waiting_ms <= 500
    player.wait_playback(timeout=5)
    assert b"".join(chunks) == sound(600, 8192)


def test_wait_has_an_end(clock: VirtualClock, played: list[Player]) -> None:
    """wait times out while sound is left, and ends when the player is closed."""
    player = Player(Sink(clock), clock=clock)
    played.append(player)
    player.play(sound(500), "a")
    with pytest.raises(RealtimeTimeout, match="not played within"):
        player.wait_playback(timeout=0.01)
    player.close()
    player.wait_playback(timeout=1)
    with pytest.raises(AudioError, match="closed"):
        player.play(b"", "a")
    with pytest.raises(AudioError, match="closed"):
        player.open()


def test_a_sink_that_raises(played: list[Player], logged_errors: list[Any]) -> None:
    """What a sink raises is logged, ends the playing, and reaches whoever waits."""

    class Broken:
        def write(self, pcm: bytes) -> None:
            raise ZeroDivisionError("no sound")

    player = Player(Broken())
    played.append(player)
    player.play(sound(500), "a")
    with pytest.raises(AudioError, match="no sound"):
        player.wait_playback(timeout=5)
    assert len(logged_errors) == 1
    with pytest.raises(TypeError, match="write"):
        Player(object())  # type: ignore[arg-type]


def test_play_and_stop_never_block(clock: VirtualClock, played: list[Player]) -> None:
    """play and stop are for any thread, one that must not wait too: they return at once."""
    player = Player(Sink(clock), clock=clock)
    played.append(player)
    player.play(sound(100), "a")
    assert player.stop() == {"a": 0}
    assert repr(player) == "<Player, 0 ms waiting, 0 underruns>"
