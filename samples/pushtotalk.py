"""Talk with the model while a key is held, as with a radio.

You learn: `push_to_talk` needs the server's turn detection off; `press()` and `release()` return at
once, so a GUI may call them; `release()` gives a future of the answer. Pressing while the model
speaks interrupts it. The half second before the key was pressed is sent too.

Run it as `python samples/pushtotalk.py`: Return presses, Return releases, Ctrl-D leaves. Or as
`python samples/pushtotalk.py IN.WAV OUT.WAV`, where files stand in for the devices, for one turn.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys
import time

from realtime_sync import RealtimeSession
from realtime_sync.errors import ResponseFailed

microphone, speaker = [*sys.argv[1:], None, None][:2]


def returned(prompt):
    """Whether Return was pressed; the end of the input is not."""
    print(prompt, flush=True)
    return sys.stdin.readline() != ""


def turn(ptt):
    ptt.press()
    if microphone is None:
        returned("You are on the air; Return when you have spoken.")
    else:
        time.sleep(0.6)  # a file comes as fast as it is spoken
    answer = ptt.release()
    try:
        print("answer:", answer.result(timeout=60).text)
    except ValueError as error:  # under 100 ms: the key was only touched
        print(error)
    except ResponseFailed as error:
        print("no answer:", error)


with RealtimeSession(instructions="Be brief.", turn_detection=None) as session:
    ptt = session.push_to_talk(microphone, speaker)
    if microphone is None:
        while returned("Return, and speak:"):
            turn(ptt)
    else:
        turn(ptt)
    ptt.close()
