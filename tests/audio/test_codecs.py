"""The codecs against independent judges: the ITU's own definition, mathematics, round trips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.audio import codecs

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
PCM = st.binary(max_size=600).map(lambda data: data[: len(data) // 2 * 2])


def itu_ulaw_encode(sample: int) -> int:
    """ulaw_compress of ITU-T G.191, line by line."""
    absno = min((~sample >> 2 if sample < 0 else sample >> 2) + 33, 0x1FFF)
    segno, i = 1, absno >> 6
    while i:
        segno, i = segno + 1, i >> 1
    code = (8 - segno) << 4 | (0xF - (absno >> segno & 0xF))
    return code | 0x80 if sample >= 0 else code


def itu_ulaw_decode(code: int) -> int:
    """ulaw_expand of ITU-T G.191."""
    sign = -1 if code < 0x80 else 1
    mantissa = ~code
    exponent = mantissa >> 4 & 7
    step = 4 << (exponent + 1)
    return sign * ((0x80 << exponent) + step * (mantissa & 0xF) + step // 2 - 4 * 33)


def itu_alaw_encode(sample: int) -> int:
    """alaw_compress of ITU-T G.191."""
    ix = ~sample >> 4 if sample < 0 else sample >> 4
    if ix > 15:
        iexp = 1
        while ix > 16 + 15:
            ix, iexp = ix >> 1, iexp + 1
        ix = ix - 16 + (iexp << 4)
    return (ix | 0x80 if sample >= 0 else ix) ^ 0x55


def itu_alaw_decode(code: int) -> int:
    """alaw_expand of ITU-T G.191."""
    ix = (code ^ 0x55) & 0x7F
    iexp, mant = ix >> 4, ix & 0xF
    mant = ((mant + 16 if iexp else mant) << 4) + 8
    mant <<= max(iexp - 1, 0)
    return mant if code > 127 else -mant


EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


@pytest.mark.parametrize(
    ("encode", "judge"),
    [(codecs.ulaw_encode, itu_ulaw_encode), (codecs.alaw_encode, itu_alaw_encode)],
)
def test_every_sample_is_coded_as_the_itu_does(encode, judge):
    """All 65536 samples get the standard's code."""
    assert encode(EVERY_SAMPLE).tolist() == [judge(sample) for sample in EVERY_SAMPLE.tolist()]


@pytest.mark.parametrize(
    ("decode", "judge"),
    [(codecs.ulaw_decode, itu_ulaw_decode), (codecs.alaw_decode, itu_alaw_decode)],
)
def test_every_code_is_decoded_as_the_itu_does(decode, judge):
    """All 256 codes give the standard's level, as array and as bytes."""
    expected = [judge(code) for code in range(256)]
    assert decode(np.arange(256, dtype=np.uint8)).tolist() == expected
    assert np.frombuffer(decode(bytes(range(256))), "<i2").tolist() == expected


@pytest.mark.parametrize(
    ("decode", "code", "sample"),
    [
        (codecs.ulaw_decode, 0xFF, 0),
        (codecs.ulaw_decode, 0x7F, 0),
        (codecs.ulaw_decode, 0x00, -32_124),
        (codecs.ulaw_decode, 0x80, 32_124),
        (codecs.alaw_decode, 0xD5, 8),
        (codecs.alaw_decode, 0x55, -8),
        (codecs.alaw_decode, 0xAA, 32_256),
        (codecs.alaw_decode, 0x2A, -32_256),
    ],
)
def test_published_levels(decode, code, sample):
    """Silence and the extremes have the levels that every table prints."""
    assert decode(bytes([code])) == sample.to_bytes(2, "little", signed=True)


#: Tables 1a and 2a of ITU-T G.711, at the ends of the segments: decision value, character signal
#: (A-law's before its even bits are inverted), quantized value. A-law in 13 bits, µ-law in 14.
TABLE_1A = [
    (64, 0xA0, 66),
    (128, 0xB0, 132),
    (256, 0xC0, 264),
    (512, 0xD0, 528),
    (1024, 0xE0, 1056),
    (2048, 0xF0, 2112),
    (3968, 0xFF, 4032),
]
TABLE_2A = [
    (1, 0xFE, 2),
    (31, 0xEF, 33),
    (95, 0xDF, 99),
    (223, 0xCF, 231),
    (479, 0xBF, 495),
    (991, 0xAF, 1023),
    (2015, 0x9F, 2079),
    (4063, 0x8F, 4191),
    (7903, 0x80, 8031),
]
VECTORS = [
    *((codecs.alaw_encode, codecs.alaw_decode, 8 * x, c ^ 0x55, 8 * y) for x, c, y in TABLE_1A),
    *((codecs.ulaw_encode, codecs.ulaw_decode, 4 * x, c, 4 * y) for x, c, y in TABLE_2A),
]


@pytest.mark.parametrize(("encode", "decode", "decision", "code", "level"), VECTORS)
def test_published_vectors(encode, decode, decision, code, level):
    """From a decision value on it is the table's code, below it the one before; both signs."""
    around = encode(np.array([decision - 1, decision, level, -level], np.int16)).tolist()
    assert around[0] != code
    assert around[1:] == [code, code, code ^ 0x80]
    assert decode(bytes([code, code ^ 0x80])) == np.array([level, -level], "<i2").tobytes()


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_code_survives_decoding_and_encoding(law):
    """encode(decode(code)) is code, but for µ-law's negative zero."""
    encode, decode = getattr(codecs, f"{law}_encode"), getattr(codecs, f"{law}_decode")
    back = encode(decode(bytes(range(256))))
    expected = bytes(0xFF if law == "ulaw" and code == 0x7F else code for code in range(256))
    assert back == expected


@settings(deadline=None, max_examples=50)
@given(pcm=PCM, format=st.sampled_from(sorted(codecs.RATES)))
def test_a_format_holds_what_its_duration_says(pcm, format):
    """encode then decode keeps the duration to within one 8 kHz frame."""
    coded = codecs.encode(pcm, format)
    before = codecs.duration_ms(len(pcm), "audio/pcm")
    assert abs(codecs.duration_ms(len(coded), format) - before) <= 0.125
    assert abs(codecs.duration_ms(len(codecs.decode(coded, format))) - before) <= 0.125


@settings(deadline=None, max_examples=50)
@given(pcm=PCM)
def test_pcm16_through_float32_is_exact(pcm):
    """PCM16 as float32 / 32768 comes back bit for bit, in any endianness and stride."""
    samples = np.frombuffer(pcm, "<i2")
    assert codecs.to_pcm16((samples / np.float32(32_768)).astype(np.float32)) == pcm
    assert codecs.to_pcm16(samples.astype(">i2")) == pcm
    assert codecs.to_pcm16(np.repeat(samples, 2)[::2]) == pcm
    assert codecs.to_pcm16(np.stack([samples, samples], axis=1)) == pcm
    assert codecs.to_pcm16(bytearray(pcm)) == codecs.to_pcm16(memoryview(pcm)) == pcm


def test_floats_are_clipped_and_channels_averaged():
    """Full scale does not wrap; stereo becomes its mean."""
    loud = np.array([2.0, 1.0, -1.0, -3.0], np.float32)
    assert np.frombuffer(codecs.to_pcm16(loud), "<i2").tolist() == [
        32_767,
        32_767,
        -32_768,
        -32_768,
    ]
    loudest = np.full(500, np.finfo(np.float32).max)
    assert set(np.frombuffer(codecs.to_pcm16(loudest), "<i2")) == {32_767}
    halved = np.frombuffer(codecs.to_pcm16(-loudest, sample_rate=48_000), "<i2")
    assert set(halved) == {-32_768}
    stereo = np.array([[100, 300], [-32_768, -32_768]], np.int16)
    assert np.frombuffer(codecs.to_pcm16(stereo), "<i2").tolist() == [200, -32_768]
    halves = np.array([[0.5, -0.25], [-1.0, -1.0]], np.float32)
    assert np.frombuffer(codecs.to_pcm16(halves), "<i2").tolist() == [4_096, -32_768]


def test_a_mask_is_no_noise():
    """Of a masked array the samples count, not what numpy would fill in for them."""
    masked = np.ma.masked_array(np.array([1, 2, 3], np.int16), [True, False, False])
    assert codecs.to_pcm16(masked) == np.array([1, 2, 3], "<i2").tobytes()


@pytest.mark.parametrize(
    ("audio", "error"),
    [
        (b"odd", ValueError),
        ("text", TypeError),
        ([0, 1], TypeError),
        (None, TypeError),
        (memoryview(np.zeros(4, np.float32)), TypeError),
        (np.zeros(4), TypeError),
        (np.zeros(4, np.int32), TypeError),
        (np.zeros(4, np.uint16), TypeError),
        (np.zeros(4, object), TypeError),
        (np.array([0, np.nan], np.float32), ValueError),
        (np.array([0, -np.inf], np.float32), ValueError),
        (np.zeros((2, 2, 2), np.int16), ValueError),
        (np.zeros((1, 480), np.int16), ValueError),
        (np.array(1, np.int16), ValueError),
    ],
)
def test_what_is_no_audio_is_refused(audio, error):
    """Every wrong input is refused with the format that was expected."""
    for take in (codecs.to_pcm16, lambda given: codecs.resample(given, 48_000, 24_000)):
        with pytest.raises(error, match="expected PCM16 mono"):
            take(audio)


@pytest.mark.parametrize(
    ("rate", "error"),
    [(0, ValueError), (-8_000, ValueError), (10**9, ValueError), (8e3, TypeError)],
)
def test_a_rate_that_cannot_be_is_refused(rate, error):
    """Rates are ints between 1 kHz and 768 kHz."""
    with pytest.raises(error, match="sample rate"):
        codecs.resample(b"\0\0", 24_000, rate)
    with pytest.raises(error, match="sample rate"):
        codecs.to_pcm16(b"\0\0", sample_rate=rate)


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (np.full(100, 32_767, np.int16), 0.0),
        (np.full((50, 2), -0.5, np.float32), -6.02),
        (b"", -np.inf),
        (bytes(200), -np.inf),
        ((np.sin(np.arange(24_000) / 10) * 32_767).astype("<i2").tobytes(), -3.01),
    ],
)
def test_levels_are_dbfs(audio, expected):
    """Full scale is 0, half of it -6, a full sine -3, silence and nothing -inf."""
    assert codecs.level(audio) == pytest.approx(expected, abs=0.01)


def test_g711_refuses_what_is_not_sixteen_bits():
    """No float32 into the encoder, no int16 into the decoder, no unknown format."""
    with pytest.raises(TypeError, match="to_pcm16"):
        codecs.ulaw_encode(np.zeros(4, np.float32))
    with pytest.raises(TypeError, match="uint8"):
        codecs.alaw_decode(np.zeros(4, np.int16))
    for call in (codecs.encode, codecs.decode):
        with pytest.raises(ValueError, match="audio/pcmu"):
            call(b"", "audio/mp3")


@settings(deadline=None, max_examples=50)
@given(frames=st.integers(0, 400), source=RATES, target=RATES, channels=st.integers(0, 2))
def test_resampling_gives_the_length_and_kind_it_promises(frames, source, target, channels):
    """round(n * target / source) frames, same dtype, same channels, and silence stays silence."""
    expected = round(frames * target / source)
    shape = (frames, channels) if channels else (frames,)
    for dtype in (np.int16, np.float32):
        result = codecs.resample(np.zeros(shape, dtype), source, target)
        assert result.shape == (expected, *shape[1:])
        assert result.dtype == dtype
        assert not result.any()
    assert len(codecs.resample(bytes(2 * frames), source, target)) == 2 * expected


@settings(deadline=None, max_examples=50)
@given(level=st.integers(-32_768, 32_767), frames=st.integers(1, 200), source=RATES, target=RATES)
def test_a_constant_stays_constant(level, frames, source, target):
    """No droop, ripple or click at the edges of direct current, and no wrap at full scale."""
    result = codecs.resample(np.full(frames, level, np.int16), source, target)
    assert (result == level).all()


@settings(deadline=None, max_examples=50)
@given(data=st.lists(st.integers(-32_768, 32_767), max_size=60), source=RATES, target=RATES)
def test_the_worst_input_is_clipped_not_wrapped(data, source, target):
    """Any samples: the int16 result is the float32 one, clipped."""
    samples = np.array(data, np.int16)
    exact = codecs.resample(samples.astype(np.float32), source, target)
    result = codecs.resample(samples, source, target)
    assert np.abs(result - np.clip(exact, -32_768, 32_767)).max(initial=0) <= 0.5


def sine(frequency: float, rate: int, seconds: float = 0.25) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def level_db(samples: np.ndarray) -> float:
    """RMS in dB relative to a full sine, away from the edges."""
    inner = samples[len(samples) // 8 : -len(samples) // 8].astype(np.float64)
    return 20 * np.log10(max(np.sqrt(2 * np.mean(inner**2)), 1e-12))


@settings(max_examples=40, deadline=None)
@given(source=RATES, target=RATES, part=st.floats(0.02, 0.9))
def test_a_sine_in_the_passband_keeps_its_level_and_phase(source, target, part):
    """Up to 0.9 of the lower Nyquist frequency: within 0.1 dB, and on time to -75 dB."""
    frequency = part * min(source, target) / 2
    result = codecs.resample(sine(frequency, source), source, target)
    assert abs(level_db(result)) <= 0.1
    ideal = np.sin(2 * np.pi * frequency * np.arange(len(result)) / target)
    assert level_db(result - ideal) <= -75


@pytest.mark.parametrize("target", [8_000, 16_000, 24_000, 44_100])
@pytest.mark.parametrize("part", [1.0, 1.02, 1.3])
def test_what_the_lower_rate_cannot_hold_is_gone(target, part):
    """Aliases: a tone above the target's Nyquist frequency is at least 78 dB down."""
    frequency = min(part * target / 2, 23_900)
    assert level_db(codecs.resample(sine(frequency, 48_000), 48_000, target)) <= -78


@pytest.mark.parametrize(
    ("source", "target"), [(8_000, 24_000), (16_000, 24_000), (24_000, 48_000)]
)
def test_no_images_above_the_source(source, target):
    """Images: of a passband tone nothing above the source's Nyquist frequency remains at -75 dB."""
    result = codecs.resample(sine(0.4 * source, source), source, target)
    spectrum = np.abs(np.fft.rfft(result * np.blackman(len(result))))
    above = spectrum[np.fft.rfftfreq(len(result), 1 / target) > source / 2]
    assert 20 * np.log10(above.max() / spectrum.max()) <= -75


def test_pieces_join_without_clicks():
    """A 440 Hz tone resampled in pieces of 20 ms stays within -50 dB of the whole."""
    tone = sine(440, 48_000)
    pieces = [codecs.resample(tone[at : at + 960], 48_000, 24_000) for at in range(0, 12_000, 960)]
    whole = codecs.resample(tone, 48_000, 24_000)
    joined = np.concatenate(pieces)
    assert 20 * np.log10(np.abs(joined - whole[: len(joined)]).max()) <= -50


def test_edges_stay_within_the_signal():
    """A loud tone cut anywhere does not leave its own range by more than a tenth at the ends."""
    tone = sine(2_500, 8_000)[3:]
    assert np.abs(codecs.resample(tone, 8_000, 24_000)).max() <= 1.1


def test_rates_without_a_common_measure_work_too():
    """767999 Hz to 8 kHz, where the table of weights would be too large to keep."""
    result = codecs.resample(sine(1_000, 767_999, 0.05), 767_999, 8_000)
    ideal = np.sin(2 * np.pi * 1_000 * np.arange(len(result)) / 8_000)
    assert level_db(result - ideal) <= -70


def test_equal_rates_give_an_equal_copy():
    """Nothing to do is done on a copy."""
    given_array = np.arange(5, dtype=np.int16)
    result = codecs.resample(given_array, 24_000, 24_000)
    result[0] = 9
    assert given_array[0] == 0


def test_floats_of_another_scale_are_warned_about_once(caplog):
    """PCM16 in float32 becomes noise; whoever sends it is told why, and peaks over 1 are not it."""
    codecs._warn_of_scale.cache_clear()
    codecs.to_pcm16(np.array([1.5, -1.5], dtype=np.float32))
    assert not caplog.records
    for _ in range(2):
        codecs.to_pcm16(np.array([300.0, -20_000.0], dtype=np.float32))
    (record,) = caplog.records
    assert "Divide it by 32768" in record.getMessage()
