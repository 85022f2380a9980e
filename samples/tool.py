"""Let the model call a Python function, and ask before it calls another.

You learn: a plain function is a tool; its type hints and docstring tell the model how to call it.
`ask` runs the call and gives the answer that follows it. What a tool raises does not end the
session: the model is told. A tool that needs approval waits until somebody decides.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession, ToolError, tool

STOCK = {"apples": 12, "pears": 0}


def in_stock(fruit: str) -> int:
    """How many pieces of a fruit are in stock.

    Args:
        fruit: In the plural, e.g. "apples".
    """
    if fruit not in STOCK:
        raise ToolError(f"we have no {fruit}; we have: {', '.join(STOCK)}")
    print(f"(in_stock was called for {fruit})")
    return STOCK[fruit]


@tool(needs_approval=lambda arguments: arguments["pieces"] > 5)
def order(fruit: str, pieces: int = 1) -> str:
    """Orders fruit; the shopkeeper has a say in large orders.

    Args:
        fruit: In the plural.
        pieces: How many.
    """
    STOCK[fruit] = STOCK.get(fruit, 0) + pieces
    return f"{pieces} {fruit} are on their way"


def shopkeeper(event):
    """Approves by True, rejects by anything else; a str says why. Might as well ask a human."""
    print(f"(the shopkeeper is asked about {event.name} {event.arguments})")
    return True if event.arguments["pieces"] < 50 else "there is no room for so many"


with RealtimeSession(
    output_modalities=["text"], tools=[in_stock, order], approver=shopkeeper
) as session:
    # "call NAME {json}": the embedded server, which has no model, understands nothing else
    print(session.ask('Please call in_stock {"fruit": "apples"}').text)
    print(session.ask('Please call in_stock {"fruit": "bananas"}').text)
    print(session.ask('Please call order {"fruit": "pears", "pieces": 20}').text)
    print(session.ask('Please call order {"fruit": "pears", "pieces": 500}').text)
