"""Lead a conversation through stages.

You learn: a router says, stage by stage, what the model is told and which tools it has. The model
moves on by naming an outcome; the server has confirmed the new stage before the call is answered.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

from realtime_sync import RealtimeSession, StageRouter

MENU = {"loaf": 4.2, "roll": 0.6}

BAKERY = {
    "background": "You are the voice of a small bakery. Be brief.",
    "stages": {
        "order": {
            "accessible_from": "_start_",
            "goal": "Find out what the customer wants.",
            "tools": ["price_of"],
            "outcomes": {
                "ordered": {"description": "The order is clear.", "move_to": "payment"},
                "nothing": {"description": "They want nothing.", "move_to": "_end_"},
            },
        },
        "payment": {
            "goal": "Ask for cash or card.",
            "outcomes": {"paid": {"description": "They have said which.", "move_to": "_end_"}},
        },
        "question": {
            "accessible_from": "_all_",
            "description": "The customer asks something about the bakery.",
            "goal": "Answer it: open from 8 to 6, Main Street 1.",
            "outcomes": {"answered": {"move_to": "_backtrack_"}},
        },
    },
}


def price_of(bread: str) -> float:
    """What a piece costs, in euros.

    Args:
        bread: E.g. "loaf".
    """
    return MENU[bread]


router = StageRouter(BAKERY)
print(router.to_mermaid())

with RealtimeSession(output_modalities=["text"], router=router, tools=[price_of]) as session:
    session.on("stage.changed", lambda event: print(f"({event.from_stage} -> {event.to_stage})"))
    session.on("conversation.ended", lambda event: print(f"(went through {event.path})"))

    # "call NAME {json}": the embedded server, which has no model, understands nothing else
    print(session.ask('Please call price_of {"bread": "loaf"}').text)
    for outcome in ("question", "answered", "ordered", "paid"):
        print(session.ask(f'Please call classify_response {{"outcome": "{outcome}"}}').text)
    print(session.ask("Please call end_conversation {}").text)
