"""Write down what is said in a WAV file.

You learn: `connect_transcription` opens a session that listens and does not answer. `transcribe`
takes a WAV file of any rate, a microphone, or sound as it comes, and gives the transcript;
`on_partial` sees it grow. A piece that failed is reported, and loses nothing of the others.

Run it as `python samples/transcribe.py [SPEECH.WAV]`. Without a file it first lets a model speak.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys

from realtime_sync import RealtimeSession, connect_transcription
from realtime_sync.audio import write_wav

path = sys.argv[1] if len(sys.argv) > 1 else "speech.wav"

if len(sys.argv) < 2:
    with RealtimeSession(output_modalities=["audio"]) as session:
        write_wav(path, session.ask("Hello! Please count to 5.").audio)

with connect_transcription(language="en", logprobs=True) as session:
    transcript = session.transcribe(
        path, on_partial=lambda item: print("\r" + item.text, end="", flush=True)
    )

print(f"\n{path}: {transcript.text}")
for item in transcript.items:
    if item.error is not None:
        print("a piece failed:", item.error)
    elif item.confidence is not None:
        print(f"confidence: {item.confidence:.0%}")
