"""Talk with the model, hands-free, by microphone and loudspeaker.

You learn: `session.talk()` returns at once; iterating it gives the conversation as it is said, an
item each, the user's and the model's. `playback.interrupted` tells where speech cut the model
short, which it can only with headphones (`echo="none"`) or echo cancellation (`echo="aec"`).

Run it as `python samples/talk.py`, and end it with Ctrl-C; or as `python samples/talk.py IN.WAV
OUT.WAV`, where files stand in for the devices: it ends when the file, and the answer, were heard.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys

from realtime_sync import RealtimeSession

microphone, speaker = [*sys.argv[1:], None, None][:2]

# with devices as they are; a file has no echo
echo = "half_duplex" if microphone is None else "none"

with RealtimeSession(instructions="Be brief.", transcription="gpt-realtime-whisper") as session:
    session.on("playback.interrupted", lambda event: print(f"[cut at {event.played_ms} ms]"))
    try:
        with session.talk(microphone, speaker, echo=echo) as talk:
            print("Speak.")
            for item in talk:
                print(f"{item.role}: ", end="", flush=True)
                for piece in item.text_deltas():
                    print(piece, end="", flush=True)
                print()
    except KeyboardInterrupt:
        print("\nGoodbye.")
    print(f"{len(session.conversation.items)} items, {session.usage.total_tokens} tokens")
