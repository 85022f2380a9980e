"""Let the model call a Python function.

You learn: a plain function is a tool; its type hints and docstring tell the model how to call it.
`ask` runs the call and gives the answer that follows it. What a tool raises does not end the
session: the model is told.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession, ToolError

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


with RealtimeSession(output_modalities=["text"], tools=[in_stock]) as session:
    # "call NAME {json}": the embedded server, which has no model, understands nothing else
    print(session.ask('Please call in_stock {"fruit": "apples"}').text)
    print(session.ask('Please call in_stock {"fruit": "bananas"}').text)
