"""Speech out and speech in, by WAV files.

You learn: `output_modalities=["audio"]` asks for speech, `response.audio` has it as PCM16 (mono,
24 kHz), `response.text` what was said. `ask(audio=...)` takes a WAV file of any rate as what the
user says.

Run it as `python samples/speech.py [QUESTION.WAV [REPLY.WAV]]`. Without a question it first lets
the model speak one.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys

from realtime_sync import RealtimeSession
from realtime_sync.audio import write_wav

arguments = sys.argv[1:]
question = arguments[0] if arguments else None
reply = arguments[1] if len(arguments) > 1 else "reply.wav"

with RealtimeSession(output_modalities=["audio"]) as session:
    if question is None:
        question = "question.wav"
        spoken = session.ask("Hello! Please ask me a question.")
        write_wav(question, spoken.audio)
        print(f"{question}: {spoken.text}")

    answer = session.ask(audio=question)
    write_wav(reply, answer.audio)
    print(f"{reply}: {answer.text}")
