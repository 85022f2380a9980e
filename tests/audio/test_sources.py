from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync.audio import WavSource, read_wav, sources, write_wav
from realtime_sync.audio.sources import frames_of
from realtime_sync.errors import AudioError

TONE = (np.sin(np.arange(24000) / 20) * 8000).astype(np.int16)
PCM = TONE.tobytes()


class Reader:
    """An `AudioSource`."""

    def __init__(self, *chunks: bytes, sample_rate: int | None = None) -> None:
        self._chunks = iter(chunks)
        if sample_rate is not None:
            self.sample_rate = sample_rate

    def read(self) -> bytes:
        return next(self._chunks, b"")


def cut(size: int) -> list[bytes]:
    return [PCM[start : start + size] for start in range(0, len(PCM), size)]


@pytest.mark.parametrize(
    "source",
    [
        PCM,
        bytearray(PCM),
        memoryview(PCM),
        TONE,
        np.stack([TONE, TONE], axis=1),
        Reader(*cut(4800)),
        cut(1000),
        [TONE[:5000], TONE[5000:]],
        cut(333),
    ],
    ids=["bytes", "bytearray", "view", "array", "stereo", "reader", "list", "arrays", "odd cuts"],
)
def test_everything_is_one_stream(source: Any) -> None:
    """Whatever it is, the same frames of one length come out."""
    frames = list(frames_of(source, frame_ms=70))
    assert b"".join(frames) == PCM
    assert {len(frame) for frame in frames[:-1]} == {70 * 48}


def test_rates_are_changed(tmp_path: Path) -> None:
    """A file and a reader have their own rate; the argument says that of the rest."""
    eight = TONE[::3].tobytes()
    write_wav(tmp_path / "a.wav", eight, 8000)
    for source, rate in (
        (tmp_path / "a.wav", None),
        (str(tmp_path / "a.wav"), None),
        (Reader(eight, sample_rate=8000), None),
        (Reader(eight), 8000),
        (eight, 8000),
        ([eight[:2000], eight[2000:]], 8000),
    ):
        assert len(b"".join(frames_of(source, sample_rate=rate, frame_ms=100))) == len(PCM)


def test_nothing_is_read_ahead() -> None:
    """A live source is read only as frames are asked for."""
    read: list[int] = []

    def live() -> Iterator[bytes]:
        for number in range(3):
            read.append(number)
            yield bytes(4800)

    frames = frames_of(live(), frame_ms=100)
    assert read == []
    next(frames)
    assert read == [0]


def test_a_long_file_is_never_whole(tmp_path: Path) -> None:
    """Ten minutes of WAV take a megabyte or two of memory, not thirty."""
    write_wav(tmp_path / "long.wav", bytes(24000 * 2 * 600))
    tracemalloc.start()
    try:
        count = sum(len(frame) for frame in frames_of(tmp_path / "long.wav", frame_ms=100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 24000 * 2 * 600
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (None, TypeError, "a WAV path, an AudioSource"),
        (3, TypeError, "a WAV path, an AudioSource"),
        (io.BytesIO(PCM), TypeError, "an open file does not say"),
        (b"RIFF" + bytes(100), AudioError, "give its path"),
        (["text"], TypeError, "expected PCM16"),
        (np.zeros(10), TypeError, "expected PCM16"),
    ],
)
def test_what_is_no_source(source: Any, error: type[Exception], words: str) -> None:
    """What is no sound is refused, with what would be."""
    with pytest.raises(error, match=words):
        list(frames_of(source, frame_ms=100))


def test_a_file_that_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed all the same, where its frames are closed before the first was asked for."""
    path = tmp_path / "speech.wav"
    write_wav(path, bytes(4800))
    opened: list[Any] = []

    def open_file(path: Any) -> Any:
        opened.append(WavSource(path))
        return opened[-1]

    monkeypatch.setattr(sources, "open_file", open_file)
    frames_of(path, frame_ms=20).close()
    assert opened[0]._file.closed


def test_half_a_sample_at_the_end_is_dropped() -> None:
    """A recording that was cut inside a sample gives what is whole."""
    assert b"".join(frames_of([PCM + b"\x01"], frame_ms=100)) == PCM


def test_wav_source(tmp_path: Path) -> None:
    """It reads as read_wav does, says its rate, and closes its file."""
    path = tmp_path / "a.wav"
    write_wav(path, PCM, 16000)
    source = WavSource(path)
    assert "16000 Hz" in repr(source)
    assert (b"".join(iter(source.read, b"")), source.sample_rate) == read_wav(path)
    source.close()
    source.close()
    assert source.read() == b""


def test_wav_source_of_what_is_none(tmp_path: Path) -> None:
    """A file that is no WAV is refused at once, and is closed."""
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(AudioError, match="not a WAV file"):
        WavSource(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError):
        WavSource(tmp_path / "none.wav")
