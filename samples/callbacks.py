"""React to events as they come, also with questions of your own.

You learn: `session.on` takes a wire name, a prefix with a star, or an event class. Callbacks run
one at a time, in the order of the wire, on a thread of the session's, so one may block: a
question asked in a callback works. One that raises is logged and harms nobody.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from collections import Counter
from queue import SimpleQueue

from realtime_sync import RealtimeSession
from realtime_sync.events import ResponseDone

session = RealtimeSession(output_modalities=["text"])
counts: Counter[str] = Counter()
answers: SimpleQueue[str] = SimpleQueue()  # from the callbacks' thread to the main one


@session.on("*")
def count(event):
    counts[event.type] += 1


@session.on("response.output_text.delta")
def show(event):
    print(event.delta, end="", flush=True)


@session.on(ResponseDone)
def end_of_line(event):
    print(f" [{event.response.status}]")


@session.once(ResponseDone)
def ask_back(_event):
    answers.put(session.ask("Count to 3").text)  # a blocking call inside a callback


with session:
    session.ask("Hello!")
    heard = answers.get(timeout=60)

# the end of `with` has waited for the callbacks of everything that came
print("asked back, and heard:", heard)
for name, number in counts.items():
    print(f"{number:4}  {name}")
