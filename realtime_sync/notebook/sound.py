"""Audio that a page plays. Knows no session."""

from __future__ import annotations

import base64
import io
import wave

from ..audio.formats import RATES, duration_ms
from .markup import FAINT, Markup, element

__all__ = ["LONGEST", "player"]

#: Seconds of audio that a page is given: 3.8 MB of text, which the notebook's file then has, too.
LONGEST = 60


def player(audio: bytes, audio_format: str, *, instead: str) -> Markup:
    """Something to hear it by; of more than a minute, which a page is not given, words that say so.

    Args:
        audio: In that format, mono: PCM16, little-endian, at 24 kHz, or G.711 at 8 kHz. Half a
            sample at the end is left out.
        audio_format: "audio/pcm", "audio/pcmu" or "audio/pcma".
        instead: How else it can be had.
    """
    seconds = duration_ms(len(audio), audio_format) / 1000
    if seconds > LONGEST:
        text = f"{seconds:.0f} s of audio: more than a page is given ({LONGEST} s); {instead}"
        return element("div", text, style=FAINT)
    source = f"data:audio/wav;base64,{base64.b64encode(_wav(audio, audio_format)).decode()}"
    return element(
        "audio",
        controls=True,
        preload="metadata",
        title=f"{seconds:.1f} s",
        style="display:block;width:100%;max-width:26em;height:2.4em;margin:.4em 0",
        src=Markup(source),  # looking for what to escape takes longer than making it
    )


def _wav(audio: bytes, audio_format: str) -> bytes:
    if audio_format != "audio/pcm":
        from ..audio import alaw_decode, ulaw_decode

        audio = (ulaw_decode if audio_format == "audio/pcmu" else alaw_decode)(audio)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATES[audio_format])
        out.writeframes(audio[: len(audio) & ~1])
    return file.getvalue()
