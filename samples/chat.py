"""Develop an agent in cheap text, then give it a voice: the same tools, the same conversation.

You learn: a `ChatSession` talks to a text model and is used like a `RealtimeSession`; `history` is
what was said and called; `to_realtime` has the conversation go on with a realtime model, and
`to_chat` goes back. A failed request leaves the history as it was.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync.errors import RealtimeError
from realtime_sync.text import ChatSession

STOCK = {"apples": 12, "pears": 0}


def in_stock(fruit: str) -> int:
    """How many pieces of a fruit are in stock.

    Args:
        fruit: In the plural, e.g. "apples".
    """
    return STOCK.get(fruit, 0)


def show(session):
    """What stands in the conversation, a line an item."""
    for item in session.conversation.items:
        print(f"    {item.role or item.type}: {item.text or item.arguments or item.output}")


with ChatSession("gpt-4.1-mini", instructions="You sell fruit.", tools=[in_stock]) as chat:
    chat.on("tool.finished", lambda event: print(f"({event.name} returned {event.output})"))
    # "call NAME {json}": the embedded server, which has no model, understands nothing else
    for piece in chat.stream('Please call in_stock {"fruit": "apples"}', temperature=0):
        print(piece, end="", flush=True)
    print()

    before = len(chat.history)
    try:
        chat.ask("Hello?", max_tokens=-1)
    except RealtimeError as error:
        print(f"{type(error).__name__}; still {len(chat.history) == before}")

    with chat.to_realtime(voice="marin") as session:
        answer = session.ask("Count to 3")
        print(f"spoken: {answer.text} ({len(answer.audio) / 48:.0f} ms)")
        chat_again = session.to_chat("gpt-4.1-mini")

with chat_again:
    print(chat_again.ask("Count to 2").text)
    show(chat_again)
