"""Ask a question and print the answer: the shortest program there is.

You learn: a session is opened by `with`, `ask` blocks until the model has answered, and what it
gives is a `Response`.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession

with RealtimeSession(instructions="Be brief.", output_modalities=["text"]) as session:
    print(session.ask("Hello! Who are you?").text)
    print(session.ask("Count to 5").text)  # the model remembers what was said before

    print(session.usage.total_tokens, "tokens for both")
