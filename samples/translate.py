"""Translate a WAV file into another language, as text and spoken.

You learn: `connect_translation` opens one continuous stream: speech goes in, its translation comes
out. `translate` sends a whole file, closes the input and gives all that comes back. Live, one
thread would `append` what a microphone hears while others read `output_text()` and
`output_audio()`.

Run it as `python samples/translate.py [SPEECH.WAV [LANGUAGE [OUT.WAV]]]`. Without a file it first
lets a model speak.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys

from realtime_sync import RealtimeSession, connect_translation
from realtime_sync.audio import write_wav

arguments = dict(enumerate(sys.argv[1:]))
path = arguments.get(0, "speech.wav")
language = arguments.get(1, "es")
out = arguments.get(2, "translated.wav")

if not arguments:
    with RealtimeSession(output_modalities=["audio"]) as session:
        write_wav(path, session.ask("Hello! Please count to 5.").audio)

with connect_translation(language, transcription="gpt-realtime-whisper") as session:
    result = session.translate(path)

write_wav(out, result.audio)
print(f"heard: {result.input_text}")
print(f"{language}: {result.text}")
print(f"{out}: {len(result.audio) / 48000:.1f} s")
