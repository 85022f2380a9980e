"""WAV files: written, read back, of every width, and broken in every place."""

from __future__ import annotations

import os
import struct
import subprocess
import tracemalloc
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_sync.audio import WavSink, WavSource, open_file, read_wav, write_wav
from realtime_sync.errors import AudioError, AudioUnavailable


def make(
    path: Path, frames: bytes, *, width: int = 2, channels: int = 1, rate: int = 16_000
) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(frames)
    return path


@settings(deadline=None, max_examples=30, suppress_health_check=[*HealthCheck])
@given(
    samples=st.lists(st.integers(-32_768, 32_767), max_size=50), rate=st.integers(1_000, 768_000)
)
def test_what_is_written_is_read(tmp_path, samples, rate):
    """write_wav then read_wav gives the same bytes and rate."""
    pcm = np.array(samples, "<i2").tobytes()
    write_wav(tmp_path / "a.wav", pcm, rate)
    assert read_wav(str(tmp_path / "a.wav")) == (pcm, rate)


@pytest.mark.parametrize(
    ("width", "frames"),
    [
        (1, bytes([0, 128, 255])),
        (2, struct.pack("<3h", -32_768, 0, 32_512)),
        (3, b"\x00\x00\x80" + b"\xff\x00\x00" + b"\x00\x00\x7f"),
        (4, struct.pack("<3i", -(2**31), 255, 0x7F000000)),
    ],
)
def test_every_width_becomes_sixteen_bits(tmp_path, width, frames):
    """8 (unsigned), 16, 24 and 32 bits hold the same three levels."""
    pcm, rate = read_wav(make(tmp_path / "a.wav", frames, width=width))
    assert struct.unpack("<3h", pcm) == (-32_768, 0, 32_512)
    assert rate == 16_000


def test_channels_are_averaged(tmp_path):
    """Stereo is read as its mean."""
    path = make(tmp_path / "a.wav", struct.pack("<4h", 100, 300, -5, -7), channels=2)
    assert read_wav(path) == (struct.pack("<2h", 200, -6), 16_000)


def test_every_truncation_is_an_audio_error_or_a_shorter_sound(tmp_path):
    """A file cut at any byte: AudioError with its path and the cure, or the frames left."""
    frames = struct.pack("<40h", *range(40))
    whole = make(tmp_path / "whole.wav", frames, channels=2).read_bytes()
    cut = tmp_path / "cut.wav"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        if length < 44:
            with pytest.raises(AudioError, match=r"cut\.wav.*ffmpeg"):
                read_wav(cut)
        else:
            assert len(read_wav(cut)[0]) == (length - 44) // 4 * 2


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (0, b"RIFX"),
        (8, b"AVI "),
        (16, struct.pack("<I", 2**24)),  # a chunk that ends beyond the file
        (20, struct.pack("<H", 2)),  # ADPCM
        (22, struct.pack("<H", 0)),  # channels
        (22, struct.pack("<H", 999)),
        (24, struct.pack("<I", 0)),  # rate
        (24, struct.pack("<I", 2**32 - 1)),
        (34, struct.pack("<H", 0)),  # bits
        (34, struct.pack("<H", 64)),
    ],
)
def test_a_header_that_lies_is_an_audio_error(tmp_path, offset, value):
    """Another container or codec, impossible channels, rates and widths: AudioError."""
    path = make(tmp_path / "a.wav", bytes(64))
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(value)] = value
    path.write_bytes(raw)
    with pytest.raises(AudioError, match=r"a\.wav.*ffmpeg"):
        read_wav(path)


def test_a_streamed_header_gives_what_is_there(tmp_path):
    """A data size of 0xFFFFFFFF, as pipes write it, is no error."""
    path = make(tmp_path / "a.wav", b"\1\0\2\0")
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    assert read_wav(path) == (b"\1\0\2\0", 16_000)


def test_other_errors_keep_their_kind(tmp_path):
    """No such file is an OSError; an impossible rate a ValueError, and no file is left."""
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="sample rate"):
        write_wav(tmp_path / "none.wav", b"", 0)
    with pytest.raises(ValueError, match="half a sample"):
        write_wav(tmp_path / "none.wav", b"x")
    assert not (tmp_path / "none.wav").exists()


def test_a_sink_streams(tmp_path):
    """What is written piece by piece is read back whole; its position is what was written."""
    sink = WavSink(tmp_path / "a.wav", sample_rate=8_000)
    pieces = [bytes([n, 0]) * 400 for n in range(50)]
    for piece in pieces:
        sink.write(piece)
    assert sink.played_ms == 2_500
    # a second or two may be missing of what a dead program wrote, never the file
    left, rate = read_wav(tmp_path / "a.wav")
    assert (len(left), rate) == (32_000, 8_000)
    sink.close()
    sink.close()
    assert read_wav(tmp_path / "a.wav") == (b"".join(pieces), 8_000)
    with pytest.raises(AudioError, match="closed"):
        sink.write(b"")


def test_a_sink_of_two_channels(tmp_path):
    """Interleaved bytes and arrays of its shape are taken; half a frame or another shape is not."""
    with WavSink(tmp_path / "a.wav", channels=2) as sink:
        sink.write(struct.pack("<4h", 1, 2, 3, 4))
        sink.write(np.array([[5, 6]], np.int16))
        sink.write(np.array([[0.5, -0.5]], np.float32))
        with pytest.raises(ValueError, match="channels"):
            sink.write(struct.pack("<3h", 1, 2, 3))
        with pytest.raises(ValueError, match="channels"):
            sink.write(np.zeros(2, np.int16))
    with wave.open(str(tmp_path / "a.wav")) as wav:
        assert wav.getnchannels() == 2
        frames = struct.unpack("<8h", wav.readframes(9))
    assert frames == (1, 2, 3, 4, 5, 6, 16_384, -16_384)


@pytest.mark.parametrize(
    ("pcm", "error"),
    [(b"abc", ValueError), (np.zeros(3), TypeError), (np.array([np.nan], np.float32), ValueError)],
)
def test_a_sink_refuses_noise(tmp_path, pcm, error):
    """Odd bytes, float64 and NaN leave the file as it was."""
    with WavSink(tmp_path / "a.wav") as sink:
        with pytest.raises(error):
            sink.write(pcm)
        sink.write(b"\1\0")
    assert read_wav(tmp_path / "a.wav") == (b"\1\0", 24_000)
    with pytest.raises(ValueError, match="channels"):
        WavSink(tmp_path / "b.wav", channels=0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_a_pipe_is_opened_once(tmp_path, monkeypatch):
    """Sound that another program writes is read from its first byte on, and waited for once."""
    sound = make(tmp_path / "a.wav", bytes(range(64))).read_bytes()
    pipe, opened = tmp_path / "pipe", []
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)  # so that nothing below waits for the other end
    os.write(writer, sound)
    real = open

    def one(path, *how, **more):
        opened.append(path)
        return real(path, *how, **more)

    monkeypatch.setattr("builtins.open", one)
    source = open_file(pipe)
    monkeypatch.undo()
    os.close(writer)
    assert opened == [pipe]
    assert b"".join(iter(source.read, b"")) == bytes(range(64))
    source.close()


@pytest.mark.parametrize("name", ["a.mp3", "a.FLAC", "a.ogg"])
def test_a_name_of_another_kind(tmp_path, name):
    """What is written is WAV; a name that says otherwise is refused, and no file is made."""
    with pytest.raises(ValueError, match=r"a\.\w+: what is written is WAV; name it \S*a\.wav"):
        WavSink(tmp_path / name)
    with pytest.raises(ValueError, match="what is written is WAV"):
        write_wav(tmp_path / name, bytes(96))
    assert not (tmp_path / name).exists()


def test_a_sink_into_a_pipe(tmp_path):
    """A pipe gets a header without a length, as others write it, and every sample."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    with WavSink(pipe) as sink:
        sink.write(b"\1\0\2\0")
    said = reader.communicate(timeout=10)[0]
    (tmp_path / "a.wav").write_bytes(said)
    assert read_wav(tmp_path / "a.wav") == (b"\1\0\2\0", 24_000)


def test_a_file_that_is_full_says_so(tmp_path, monkeypatch):
    """WAV counts to 4 GiB: beyond that is an error, not a header that lies."""
    monkeypatch.setattr("realtime_sync.audio.files._MOST", 10)
    with WavSink(tmp_path / "a.wav") as sink:
        sink.write(bytes(10))
        with pytest.raises(AudioError, match="4 GiB"):
            sink.write(bytes(2))
    assert len(read_wav(tmp_path / "a.wav")[0]) == 10


def test_long_files_are_never_in_memory(tmp_path):
    """Ten minutes in and out take less than 4 MB."""
    path, piece = tmp_path / "a.wav", bytes(48_000)
    tracemalloc.start()
    try:
        with WavSink(path) as sink:
            for _ in range(600):
                sink.write(piece)
        with WavSource(path) as source:
            read = sum(len(chunk) for chunk in iter(source.read, b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == 600 * len(piece)
    assert peak < 4_000_000


SOUNDFILE = pytest.mark.skipif(
    find_spec("soundfile") is None, reason="needs soundfile: pip install soundfile"
)


@SOUNDFILE
@pytest.mark.parametrize(
    ("name", "subtype", "alike"),
    [
        ("a.flac", "PCM_24", 0.9999),
        ("a.ogg", "VORBIS", 0.97),
        ("a.mp3", "MPEG_LAYER_III", 0.97),
        ("a.wav", "FLOAT", 0.9999),
        ("b.wav", "ALAW", 0.99),
    ],
)
def test_other_kinds_of_file(tmp_path, name, subtype, alike):
    """FLAC, OGG, MP3 and odd WAV files of two channels at 44.1 kHz are read as their mean."""
    import soundfile

    left = np.sin(np.arange(88_200) / 20) * 0.5
    stereo = np.stack([left, np.zeros_like(left)], axis=1)
    soundfile.write(tmp_path / name, stereo, 44_100, subtype=subtype)
    source = open_file(tmp_path / name)
    assert source.sample_rate == 44_100
    chunks = list(iter(source.read, b""))
    source.close()
    assert source.read() == b""
    assert max(map(len, chunks)) <= 2 * 65_536
    heard = np.frombuffer(b"".join(chunks), "<i2").astype(float)
    assert abs(len(heard) - 88_200) < 3_000  # an encoder may pad
    lags = [np.corrcoef(heard[lag : lag + 80_000], left[:80_000])[0, 1] for lag in range(1_200)]
    assert max(lags) > alike
    assert np.sqrt(np.mean(heard**2)) / 32_768 == pytest.approx(0.25 / np.sqrt(2), rel=0.05)


@SOUNDFILE
def test_what_no_library_reads(tmp_path):
    """Text, nothing at all and a cut FLAC file are errors that name the file."""
    import soundfile

    soundfile.write(tmp_path / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 9_000), 8_000)
    whole = (tmp_path / "whole.flac").read_bytes()
    for content in (b"", b"Hello, this is no sound.", b"RIFF", whole[:60]):
        (tmp_path / "a.flac").write_bytes(content)
        with pytest.raises(AudioError, match=r"a\.flac"):
            open_file(tmp_path / "a.flac")


@SOUNDFILE
@pytest.mark.parametrize(("channels", "rate"), [(33, 48_000), (1, 500), (1, 800_000)])
def test_other_kinds_that_are_no_sound(tmp_path, channels, rate):
    """Channels and rates that cannot be are refused at once, by name, as of WAV files of PCM."""
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((100, channels)), rate, subtype="FLOAT")
    with pytest.raises(AudioError, match=rf"a\.wav.*claims ({channels} channels|{rate} frames)"):
        open_file(path)


def test_other_kinds_need_soundfile(tmp_path, monkeypatch):
    """Without soundfile the error is the line that installs it; a missing file stays an OSError."""
    monkeypatch.setattr("realtime_sync.audio.files.file_extra", lambda: False)
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    with pytest.raises(AudioUnavailable, match="pip install soundfile"):
        open_file(tmp_path / "a.flac")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match="ffmpeg"):
        open_file(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none.flac")
