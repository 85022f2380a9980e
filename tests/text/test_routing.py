from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_sync import Agent, StageRouter
from realtime_sync.errors import ConfigurationError, ConnectError
from realtime_sync.text import ChatSession

from .api import Api, Wire, called, refused, said

Chat = Callable[..., ChatSession]

BAKERY: dict[str, Any] = {
    "background": "You are a bakery.",
    "stages": {
        "order": {
            "accessible_from": "_start_",
            "goal": "Take the order.",
            "tools": ["price_of"],
            "outcomes": {"ordered": {"description": "It is clear.", "move_to": "payment"}},
        },
        "payment": {
            "goal": "Have it paid.",
            "outcomes": {"paid": {"move_to": "_end_"}, "changed": {"move_to": "order"}},
        },
    },
}


def price_of(cake: str) -> float:
    """The price of a cake."""
    return 4.2


def move(outcome: str, call_id: str = "m1") -> tuple[str, str, Wire]:
    """The call that moves on."""
    return (call_id, "classify_response", {"outcome": outcome})


def bakery(chat: Chat, **arguments: Any) -> ChatSession:
    return chat(tools=[price_of], router=StageRouter(BAKERY), **arguments)


def stage(session: ChatSession) -> str:
    router = session.router
    assert isinstance(router, StageRouter)
    return router.stage


def names(request: Wire) -> list[str]:
    return [tool["function"]["name"] for tool in request["tools"]]


def test_a_move_is_hidden(api: Api, chat: Chat) -> None:
    """The call leaves no trace: the same user message goes to the next stage, as if said there."""
    api.plan(called(move("ordered")), said("That is 4.20."))
    session = bakery(chat, instructions="Be brief.")
    changes: list[Any] = []
    with session.expect("stage.changed") as changed:
        assert session.ask("A cake, please.").text == "That is 4.20."
        changes.append(changed.result(timeout=15))
    assert (changes[0].from_stage, changes[0].to_stage) == ("order", "payment")
    assert changes[0].outcome == "ordered"
    assert stage(session) == "payment"
    assert [item.text for item in session.history] == ["A cake, please.", "That is 4.20."]
    first, second = (request["messages"] for request in api.requests)
    assert [m["role"] for m in first] == [m["role"] for m in second] == ["system", "user"]
    assert first[1] == second[1] == {"role": "user", "content": "A cake, please."}
    assert first[0]["content"].startswith("Be brief.\n\n")
    assert "Take the order." in first[0]["content"]
    assert "Have it paid." in second[0]["content"]
    assert names(api.requests[0]) == ["price_of", "classify_response"]
    assert names(api.requests[1]) == ["classify_response"]


def test_at_most_five_hops(api: Api, chat: Chat) -> None:
    """A router that goes round in circles is left after five moves: the model has to answer."""
    outcomes = ["ordered", "changed"] * 4
    api.plan(*[called(move(o, f"m{n}")) for n, o in enumerate(outcomes[:5])], said("Well."))
    session = bakery(chat)
    assert session.ask("Hm.").text == "Well."
    assert len(api.requests) == 6
    assert [r.get("tool_choice") for r in api.requests] == [None] * 5 + ["none"]
    assert [item.text for item in session.history] == ["Hm.", "Well."]
    session.ask("And now?")  # counted afresh in each turn
    assert "tool_choice" not in api.requests[-1]


def test_a_model_that_calls_on(api: Api, chat: Chat) -> None:
    """One that calls although it must not has its turn ended, and the history is whole."""
    outcomes = ["ordered", "changed"] * 3
    api.plan(*[called(move(o, f"m{n}")) for n, o in enumerate(outcomes)])
    session = bakery(chat)
    session.ask("Hm.")
    assert len(api.requests) == 6
    api.plan(said("Yes?"))
    assert session.ask("Hello?").text == "Yes?"
    told = [m["role"] for m in api.requests[-1]["messages"]]
    assert told in (["system", "user", "user"], ["system", "user", "assistant", "tool", "user"])


def test_hops_are_no_rounds(api: Api, chat: Chat) -> None:
    """max_rounds counts rounds of tools, not moves that nobody sees."""
    api.plan(called(move("ordered")), called(move("changed", "m2")))
    api.plan(called(("p1", "price_of", {"cake": "plum"})), said("4.20."))
    session = bakery(chat)
    assert session.ask("The price?", max_rounds=1).text == "4.20."
    assert [r.get("tool_choice") for r in api.requests] == [None, None, None, "none"]
    kinds = [item.type for item in session.history]
    assert kinds == ["message", "function_call", "function_call_output", "message"]


def test_a_move_beside_a_tool(api: Api, chat: Chat) -> None:
    """Of a response with both calls the one stays, the other one is hidden."""
    api.plan(called(("p1", "price_of", {"cake": "plum"}), move("ordered")), said("4.20."))
    session = bakery(chat)
    session.ask("A cake.")
    kinds = [(item.type, item.name) for item in session.history]
    assert ("function_call", "price_of") in kinds
    assert ("function_call", "classify_response") not in kinds
    *_, calling, answer = api.requests[-1]["messages"]
    assert [call["id"] for call in calling["tool_calls"]] == ["p1"]
    assert answer["tool_call_id"] == "p1"


def test_words_before_a_move(api: Api, chat: Chat) -> None:
    """What was said before the move was heard: it stays, but the user's message is resent last."""
    api.plan(called(move("ordered"), text="One moment."), said("That is 4.20."), said("Bye."))
    session = bakery(chat)
    assert list(session.stream("A cake.")) == ["One moment.", "That is 4.20."]
    assert [item.text for item in session.history] == ["A cake.", "One moment.", "That is 4.20."]
    assert api.requests[1]["messages"][-1] == {"role": "user", "content": "A cake."}
    session.ask("Thanks.")
    assert [m["content"] for m in api.requests[2]["messages"][1:]] == [
        *("A cake.", "One moment.", "That is 4.20.", "Thanks.")
    ]


def test_a_wrong_outcome(api: Api, chat: Chat) -> None:
    """The model reads why it cannot move, and the stage stays; a later move hides that, too."""
    api.plan(called(move("paid")), called(move("ordered", "m2")), said("4.20."))
    session = bakery(chat)
    session.ask("A cake.")
    assert "there are: ordered" in api.requests[1]["messages"][-1]["content"]
    assert stage(session) == "payment"
    assert [item.text for item in session.history] == ["A cake.", "4.20."]
    assert [m["role"] for m in api.requests[2]["messages"]] == ["system", "user"]


def test_two_moves_at_once(api: Api, chat: Chat) -> None:
    """The second call of a response was made where the conversation is no longer: it is hidden."""
    api.plan(called(move("ordered"), move("paid", "m2")), said("4.20."))
    session = bakery(chat)
    session.ask("A cake.")
    assert len(api.requests[-1]["messages"]) == 2
    assert [item.type for item in session.history] == ["message", "message"]


def test_the_end(api: Api, chat: Chat) -> None:
    """The conversation ends, and begins again, as in a Realtime session."""
    api.plan(called(move("ordered")), called(move("paid", "m2")))
    api.plan(called(("e1", "end_conversation", {}), text="Goodbye!"), said("Welcome!"))
    session = bakery(chat)
    with session.expect("conversation.ended") as ended:
        assert session.ask("All at once.").text == "Goodbye!"
        assert ended.result(timeout=15).path == ("order", "payment")
    assert stage(session) == "order"
    assert session.ask("Hello!").text == "Welcome!"
    assert "Take the order." in api.requests[-1]["messages"][0]["content"]


def test_a_move_that_fails_with_its_request(api: Api, chat: Chat) -> None:
    """Where the request after a move fails, the message is taken back, though the stage has moved.

    Nothing that anybody could see has come of it.
    """
    api.plan(called(move("ordered")), refused(500), said("4.20."))
    session = bakery(chat)
    with pytest.raises(ConnectError):
        session.ask("A cake.")
    assert session.history == ()
    assert stage(session) == "payment"
    assert session.ask("A cake.").text == "4.20."


def test_agents(api: Api, chat: Chat) -> None:
    """An agent hands over without a trace."""
    billing = Agent("billing", "You know bills.")
    front = Agent("front", "You greet.", handoffs=[billing])
    api.plan(called(("t1", "transfer_to_billing", {"reason": "a bill"})), said("Yours is 3."))
    session = chat(router=front)
    with session.expect("agent.handoff") as handed:
        assert session.ask("My bill?").text == "Yours is 3."
        assert handed.result(timeout=15).to_agent == "billing"
    assert [item.text for item in session.history] == ["My bill?", "Yours is 3."]
    assert api.requests[-1]["messages"][0]["content"] == "You know bills."


def test_one_router_one_session(chat: Chat) -> None:
    """A router leads one open session at a time, of whatever kind."""
    router = StageRouter(BAKERY)
    first = chat(tools=[price_of], router=router)
    first.ask("Hello!")
    with pytest.raises(ConfigurationError, match="another session uses it"):
        chat(tools=[price_of], router=router)
    first.close()
    chat(tools=[price_of], router=router).ask("Hello!")


def test_over_responses(api: Api, chat: Chat) -> None:
    """Hidden moves over the Responses API."""
    from .api import responded

    api.plan(responded(calls=[move("ordered")]), responded("4.20."))
    session = bakery(chat, api="responses")
    assert session.ask("A cake.").text == "4.20."
    assert [item.text for item in session.history] == ["A cake.", "4.20."]
    assert api.requests[0]["input"] == api.requests[1]["input"]
    assert "Have it paid." in api.requests[1]["instructions"]
