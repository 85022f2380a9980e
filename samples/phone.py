"""Answer a telephone call: the caller hears the model, your program has the tools.

You learn: a call over SIP rings at your webhook, which tells its id; `Rest` accepts it, and a
session with `call_id=` joins it beside the caller (the "sideband"): it sees every event, runs the
tools, and may change the model's instructions. The audio stays between the caller and the model.

Run it as `python samples/phone.py CALL_ID`, the id from the event `realtime.call.incoming` that
OpenAI sends to your webhook. Without one it only says so, and begins a call by WebRTC instead, from
an offer that nobody listens to.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one; and the extra `text`.
"""

import sys

from realtime_sync import RealtimeSession
from realtime_sync.rest import Rest

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
VOICE = {"instructions": "You are the voice of a bakery. Be brief.", "voice": "marin"}


def opening_hours(day: str) -> str:
    """When the bakery is open on a day.

    Args:
        day: E.g. "Friday".
    """
    return "closed" if day == "Sunday" else "8 to 6"


with Rest() as rest:
    if len(sys.argv) > 1:
        call_id = sys.argv[1]
        rest.calls.accept(call_id, **VOICE)
    else:
        print("no call rings; calling by WebRTC")
        call_id = rest.calls.create(OFFER, **VOICE).id
    with RealtimeSession(call_id=call_id, tools=[opening_hours]) as session:
        session.on("tool.finished", lambda event: print(f"({event.name} returned {event.output})"))
        print("model:", session.ask("Greet the caller.").text)
        # "call NAME {json}": the embedded server, which has no model, understands nothing else
        print("model:", session.ask('Please call opening_hours {"day": "Friday"}').text)
    rest.calls.hangup(call_id)
    print("hung up")
