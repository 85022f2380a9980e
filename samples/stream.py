"""Print an answer while it is being made, and stop it half-way.

You learn: `stream` gives the pieces of text as they come; leaving its `with` block early gives the
turn up, so that nothing goes on costing money; the session then goes on as if nothing had happened.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession

with RealtimeSession(output_modalities=["text"]) as session:
    with session.stream("Tell me a long story.") as story:
        for number, piece in enumerate(story, 1):
            print(piece, end="", flush=True)
            if number == 40:
                break  # enough
    print(" ...")

    for piece in session.stream("Count to 10"):
        print(piece, end="", flush=True)
    print()
