"""/audio/transcriptions: what a WAV file is said to contain, scripted or an honest "[speech, …]".

There is no speech recognition here.
"""

from __future__ import annotations

import io
import wave
from typing import Any

from realtime_sync.local.answers import Fail
from realtime_sync.local.http import Reply
from realtime_sync.local.refusal import Refusal, missing, wrong_value
from realtime_sync.local.script import Script
from realtime_sync.local.text.answering import refused
from realtime_sync.local.text.files import Upload
from realtime_sync.local.transcripts import speech_of

__all__ = ["Speech"]

Wire = dict[str, Any]


class Speech:
    """Writes speech down.

    Args:
        script: Its transcripts.
    """

    def __init__(self, script: Script) -> None:
        self._script = script

    def transcribe(self, form: Upload) -> Wire | Reply:
        """The transcript of a file.

        Raises:
            Refusal: The form is wrong.
        """
        for name in ("file", "model"):
            if name not in form:
                raise missing(name)
        wanted = form.get("response_format", (b"json", ""))[0].decode("utf-8", "replace")
        if wanted not in ("json", "text"):
            raise wrong_value("response_format", wanted, ("json", "text"))
        milliseconds = _length(form["file"][0])
        words = self._script.next_transcript()
        if isinstance(words, Fail):
            return refused(words)
        text = words.transcript if words is not None else speech_of(milliseconds)
        if wanted == "text":
            return Reply(200, text.encode(), "text/plain; charset=utf-8")
        return {"text": text, "usage": {"type": "duration", "seconds": milliseconds / 1000}}


def _length(data: bytes) -> int:
    """Milliseconds of a WAV file."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            return int(file.getnframes() * 1000 // file.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError) as exc:
        message = "The audio file could not be decoded: only WAV is, here."
        raise Refusal("invalid_value", message, param="file") from exc
