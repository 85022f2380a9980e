"""WAV files: written, read back, of every width, and broken in every place."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_sync.audio import read_wav, write_wav
from realtime_sync.errors import AudioError


def make(
    path: Path, frames: bytes, *, width: int = 2, channels: int = 1, rate: int = 16_000
) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(frames)
    return path


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
