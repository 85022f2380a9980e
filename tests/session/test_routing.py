"""Stages and agents in a session: what the server hears, and in which order."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConfigurationError, ConnectionLost
from realtime_sync.events import local
from realtime_sync.local import LocalServer
from realtime_sync.resources import routing
from realtime_sync.routing import Agent, AgentRouter, StageRouter

from .conftest import Opener
from .peers import Link, Peer

LIMIT = 15.0
Wire = dict[str, Any]


def price(drink: str) -> float:
    """A price."""
    return 2.5


def hours() -> str:
    """Opening hours."""
    return "8 to 6"


@pytest.fixture(params=["ga", "beta"])
def server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    """An embedded server that speaks either dialect."""
    with LocalServer(speed=None, voice="tones", dialect=request.param) as running:
        yield running


@pytest.fixture
def router() -> StageRouter:
    """Two stages, one of questions beside them, and an end."""
    return StageRouter(
        {
            "background": "You are a bakery.",
            "stages": {
                "order": {
                    "accessible_from": "_start_",
                    "goal": "Find out what they want.",
                    "tools": ["price"],
                    "outcomes": {"ordered": {"move_to": "payment"}},
                },
                "payment": {"goal": "Have it paid.", "outcomes": {"paid": {"move_to": "_end_"}}},
                "question": {
                    "accessible_from": "_all_",
                    "goal": "Answer it.",
                    "outcomes": {"answered": {"move_to": "_backtrack_"}},
                },
            },
        }
    )


def outputs(session: RealtimeSession) -> list[Any]:
    items = session.conversation.items
    return [json.loads(i.output) for i in items if i.type == "function_call_output"]


def heard(server: LocalServer) -> list[str]:
    """What the server was told, in a word each; a setting by its goal."""
    said = []
    for event in server.received:
        if event["type"] == "session.update":
            text = event["session"]["instructions"]
            goals = ("what they want", "paid", "Answer", "goodbye")
            said.append(next((goal for goal in goals if goal in text), text))
        elif event["type"] == "conversation.item.create":
            said.append(event["item"]["type"])
        else:
            said.append(event["type"])
    return said


def move(server: LocalServer, outcome: str) -> Any:
    return server.call("classify_response", outcome=outcome)


# --- stages


def test_it_begins_where_the_router_stands(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """open() has the server confirm the stage's prompt and tools, with those of every stage."""
    with make(router=router, tools=[price, hours], instructions="Be brief.") as session:
        told = session.config
        assert told.instructions.startswith("Be brief.\n\nYou are a bakery.\n\n")
        assert "Find out what they want." in told.instructions
        assert [t.name for t in told.tools] == ["hours", "price", "classify_response"]
        assert session.tools.names == ("hours", "price", "classify_response")
        assert session.router is router


def test_the_server_confirms_before_the_call_is_answered(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """The wire has prompt and tools first, then the output, then the one reply."""
    with make(router=router, tools=[price, hours]) as session:
        changed = session.events("stage.changed", "session.updated", "tool.finished")
        server.reply(move(server, "ordered"), "It is 2.50.")
        assert session.ask("two coffees").text == "It is 2.50."
        assert heard(server) == [
            *("what they want", "message", "response.create"),
            *("paid", "function_call_output", "response.create"),
        ]
        assert outputs(session) == [{"stage": "payment"}]
        assert router.stage == "payment"
        assert session.tools.names == ("hours", "classify_response")
        kinds = [next(changed) for _ in range(3)]
        assert [event.type for event in kinds] == [
            *("session.updated", "stage.changed", "tool.finished"),
        ]
        assert kinds[1] == local.StageChanged(
            from_stage="order", to_stage="payment", outcome="ordered"
        )


def test_an_unknown_outcome_is_answered(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """Nothing is changed, the server is told nothing, and the model goes on."""
    with make(router=router, tools=[price]) as session:
        server.reply(move(server, "delivered"), server.call("classify_response"), "sorry")
        assert session.ask("go").text == "sorry"
        first, second = outputs(session)
        assert "there are: ordered, question" in first["error"]["message"]
        assert second["error"]["type"] == "invalid_arguments"
        assert router.stage == "order"
        assert heard(server).count("what they want") == 1


def test_two_moves_in_one_response(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """They are made one after the other, each from where the one before led."""
    with make(router=router, tools=[price]) as session:
        server.reply([move(server, "question"), move(server, "ordered")], "hm")
        session.ask("go")
        first, second = outputs(session)
        assert first == {"stage": "question"}
        assert "no outcome 'ordered' in stage question" in second["error"]["message"]
        assert router.stage == "question"
        server.reply(move(server, "answered"), "back")
        session.ask("go")
        assert router.stage == "order"
        assert "price" in session.tools.names


def test_a_tool_of_a_stage_that_is_over(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """A call of it is answered: the model reads which tools there are."""
    with make(router=router, tools=[price]) as session:
        server.reply(move(server, "ordered"), server.call("price", drink="tea"), "sorry")
        assert session.ask("go").text == "sorry"
        assert outputs(session)[1]["error"]["message"] == (
            "no tool 'price'; there are: classify_response"
        )


def test_a_tool_beside_the_move(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """What was called together with the outcome runs, though its stage is over by then."""
    with make(router=router, tools=[price], tool_threads=1) as session:
        server.reply([move(server, "ordered"), server.call("price", drink="tea")], "2.50, then")
        assert session.ask("go").text == "2.50, then"
        assert outputs(session) == [{"stage": "payment"}, 2.5]


def test_an_endless_outcome(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """It is answered in brief."""
    with make(router=router, tools=[price]) as session:
        server.reply(move(server, "x" * 30_000), "sorry")
        assert session.ask("go").text == "sorry"
        assert len(outputs(session)[0]["error"]["message"]) < 300


# --- the end


def reach_the_end(session: RealtimeSession, server: LocalServer) -> None:
    server.reply(move(server, "ordered"), move(server, "paid"), "thanks")
    session.ask("go")


def test_the_end_after_a_goodbye(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """The call is answered without another reply, then all begins anew; what is asked next is
    asked in the first stage."""
    with make(router=router, tools=[price]) as session:
        reach_the_end(session, server)
        assert (router.stage, session.tools.names) == ("_end_", ("end_conversation",))
        before = len(server.received)
        with session.expect("conversation.ended") as ended:
            server.reply(["Goodbye!", server.call("end_conversation")])
            assert session.ask("bye").text == "Goodbye!"
        assert ended.result(timeout=LIMIT).path == ("order", "payment")
        assert (router.stage, router.stack) == ("order", ())
        server.reply("Welcome.")
        assert session.ask("hello").text == "Welcome."
        assert heard(server)[before:] == [
            *("message", "response.create", "function_call_output", "what they want"),
            *("message", "response.create"),
        ]
        assert session.tools.names == ("price", "classify_response")
        assert outputs(session)[-1] == {"conversation": "ended"}


def test_the_end_without_a_goodbye(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """Then the call has its one reply, and that is still the goodbye."""
    with make(router=router, tools=[price]) as session:
        reach_the_end(session, server)
        before = len(server.received)
        server.reply(server.call("end_conversation"), "Goodbye!")
        assert session.ask("bye").text == "Goodbye!"
        assert heard(server)[before:] == [
            *("message", "response.create"),
            *("function_call_output", "response.create", "what they want"),
        ]
        assert router.stage == "order"


def test_an_end_twice(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """Both calls are answered, and the conversation ends once."""
    ended: list[Any] = []
    with make(router=router, tools=[price]) as session:
        session.on("conversation.ended", ended.append)
        reach_the_end(session, server)
        call = server.call("end_conversation")
        server.reply(["Goodbye!", call, call])
        session.ask("bye")
        assert len(outputs(session)) == 4
        assert router.stage == "order"
    assert len(ended) == 1


# --- more than one session


def test_one_session_at_a_time(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """A router of an open session is refused to others; the next one goes on where it stands."""
    other = make(router=router, tools=[price])
    session = make(router=router, tools=[price]).open()
    with pytest.raises(ConfigurationError, match="router: another session uses it"):
        other.open()
    with pytest.raises(ConfigurationError, match="router: another session uses it"):
        make(router=router)
    server.reply(move(server, "ordered"), "2.50")
    session.ask("go")
    session.close()
    assert "Have it paid." in other.open().config.instructions
    assert other.tools.names == ("classify_response",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"router": "stages.toml"}, "router: a StageRouter or an Agent is needed"),
        ({"config": {"type": "transcription"}}, 'of type "transcription" has no stages'),
        ({"tools": []}, "stages.order.tools: no tool 'price'"),
    ],
)
def test_what_cannot_be(make: Opener, router: StageRouter, arguments: Wire, words: str) -> None:
    """It is refused when the session is made."""
    with pytest.raises(ConfigurationError) as raised:
        make(**{"router": router, "tools": [price], **arguments})
    assert words in str(raised.value)


def test_tools_that_are_added_later(make: Opener, server: LocalServer, router: StageRouter) -> None:
    """They stay while stages come and go; one that takes a tool's name keeps it out."""
    with make(router=router, tools=[price]) as session:
        session.tools.add(hours)
        server.reply(move(server, "ordered"), "ok")
        session.ask("go")
        assert session.tools.names == ("hours", "classify_response")
        session.tools.add(price)
        server.reply(move(server, "question"), "ok")
        session.ask("go")
        assert "price" in session.tools.names
        server.reply(move(server, "answered"), "ok")
        session.ask("go")
        server.reply(move(server, "paid"), "ok")
        session.ask("go")
        assert router.stage == "_end_"
        server.reply(["Bye.", server.call("end_conversation")])
        session.ask("go")
        assert router.stage == "order"  # but the server could not be told of its tools
        assert session.tools.names == ("hours", "price", "end_conversation")


# --- a server that does not do as it should


def confirmed(link: Link) -> Wire:
    """Hears an update, and confirms it."""
    told: Wire = link.hear("session.update")["session"]
    link.say("session.updated", session={**told, "id": "s"})
    return told


@pytest.fixture
def opened(peer: Peer) -> Callable[..., tuple[RealtimeSession, Link]]:
    """Opens a session of the peer; and its link."""

    def new(**arguments: Any) -> tuple[RealtimeSession, Link]:
        made = RealtimeSession(
            endpoint=peer.endpoint, **{"ping_interval": None, "reconnect": None, **arguments}
        )
        opening = threading.Thread(target=made.open)
        opening.start()
        link = peer.link()
        confirmed(link)
        opening.join(LIMIT)
        return made, link

    return new


def call(link: Link, response_id: str, outcome: str) -> None:
    """Answers a create with a call that moves on."""
    response = link.response(link.hear("response.create"), response_id)
    link.say("response.created", response=response)
    item = {"id": f"item_{response_id}", "type": "function_call", "name": "classify_response"}
    arguments = json.dumps({"outcome": outcome})
    done = {**item, "call_id": "c1", "arguments": arguments, "status": "completed"}
    link.say("response.done", response={**response, "status": "completed", "output": [done]})


def test_a_step_that_is_refused(
    opened: Callable[..., tuple[RealtimeSession, Link]],
    router: StageRouter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The model is told; router, tools and server are where they were."""
    session, link = opened(router=router, tools=[price])
    with session:
        future = session.submit()
        call(link, "r1", "ordered")
        key = link.hear("session.update")["event_id"]
        assert router.stage == "order"
        link.say("error", error={"type": "invalid_request_error", "message": "no", "event_id": key})
        answer = link.hear("conversation.item.create")["item"]["output"]
        assert "the conversation cannot move on now" in answer
        link.respond(link.hear("response.create"), "r2", "sorry")
        assert future.result(LIMIT).text == "sorry"
        assert router.stage == "order"
        assert session.tools.names == ("price", "classify_response")
        assert "the conversation cannot move on: " in caplog.text


def test_a_step_that_is_never_confirmed(
    opened: Callable[..., tuple[RealtimeSession, Link]],
    router: StageRouter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait ends; the server is told the old setting, which so has the last word."""
    monkeypatch.setattr(routing, "LIMIT", 0.05)
    session, link = opened(router=router, tools=[price])
    with session:
        future = session.submit()
        call(link, "r1", "ordered")
        assert "paid" in link.hear("session.update")["session"]["instructions"]
        last = link.hear("session.update")["session"]
        assert "what they want" in last["instructions"]
        assert [tool["name"] for tool in last["tools"]] == ["price", "classify_response"]
        assert "cannot move on" in link.hear("conversation.item.create")["item"]["output"]
        link.respond(link.hear("response.create"), "r2", "sorry")
        assert future.result(LIMIT).text == "sorry"
        assert router.stage == "order"
        assert session.tools.names == ("price", "classify_response")


def test_close_in_the_middle_of_a_step(
    opened: Callable[..., tuple[RealtimeSession, Link]], router: StageRouter
) -> None:
    """It ends the wait; the router stays where it was."""
    session, link = opened(router=router, tools=[price])
    session.submit()
    call(link, "r1", "ordered")
    link.hear("session.update")
    session.close()
    assert router.stage == "order"


# --- links that break


def test_the_stage_lives_through_a_reconnect(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """The next server session hears the stage that was confirmed last."""
    with make(router=router, tools=[price], reconnect=ReconnectPolicy(delays=(0, 0))) as session:
        server.reply(move(server, "ordered"), "2.50")
        session.ask("go")
        with session.expect("connection.restored") as restored:
            server.script.cut()
            session.send({"type": "input_audio_buffer.clear"})
        restored.result(timeout=LIMIT)
        assert heard(server).count("paid") == 2
        assert "Have it paid." in session.config.instructions
        assert [tool.name for tool in session.config.tools] == ["classify_response"]
        server.reply(move(server, "paid"), "bye")
        assert session.ask("here").text == "bye"
        assert router.stage == "_end_"


def test_a_link_lost_in_the_middle_of_a_step(
    opened: Callable[..., tuple[RealtimeSession, Link]], peer: Peer, router: StageRouter
) -> None:
    """The step is confirmed over the next link, and the call answered there."""
    session, link = opened(router=router, tools=[price], reconnect=ReconnectPolicy(delays=(0, 0)))
    with session:
        future = session.submit()
        call(link, "r1", "ordered")
        link.hear("session.update")
        link.connection.socket.shutdown(socket.SHUT_RDWR)
        link = peer.link()
        assert "what they want" in confirmed(link)["instructions"]
        assert "paid" in confirmed(link)["instructions"]
        assert link.hear("conversation.item.create")["item"]["output"] == '{"stage":"payment"}'
        link.respond(link.hear("response.create"), "r2", "2.50")
        assert future.result(LIMIT).text == "2.50"
        assert router.stage == "payment"


def test_a_conversation_that_begins_again(
    make: Opener, server: LocalServer, router: StageRouter
) -> None:
    """reset() goes to the start; what is asked next is asked there."""
    with make(router=router, tools=[price], reconnect=ReconnectPolicy(delays=(0, 0))) as session:
        server.reply(move(server, "ordered"), "2.50", "welcome")
        session.ask("go")
        session.reset()
        assert router.stage == "order"
        assert session.ask("hello").text == "welcome"
        assert heard(server)[-3:] == ["what they want", "message", "response.create"]
        assert session.tools.names == ("price", "classify_response")


def test_a_conversation_that_begins_again_in_the_middle_of_a_step(
    opened: Callable[..., tuple[RealtimeSession, Link]], peer: Peer, router: StageRouter
) -> None:
    """The step belongs to what is over: it is not made, and the server is told the start last."""
    session, link = opened(router=router, tools=[price], reconnect=ReconnectPolicy(delays=(0, 0)))
    with session:
        changed = session.events("stage.changed")
        future = session.submit()
        call(link, "r1", "ordered")
        link.hear("session.update")
        resetting = threading.Thread(target=session.reset)
        resetting.start()
        link = peer.link()
        assert "what they want" in confirmed(link)["instructions"]
        resetting.join(LIMIT)
        assert router.stage == "order"
        with session.expect("tool.finished") as finished:
            assert "paid" in confirmed(link)["instructions"]
        assert "begun again" in finished.result(timeout=LIMIT).output
        told = confirmed(link)
        assert "what they want" in told["instructions"]
        assert [tool["name"] for tool in told["tools"]] == ["price", "classify_response"]
        assert session.tools.names == ("price", "classify_response")
        assert router.stage == "order"
        with pytest.raises(ConnectionLost):
            future.result(LIMIT)
    assert list(changed) == []


# --- agents


@pytest.fixture
def front() -> Agent:
    """A front desk and an oven, which hand over to each other."""
    oven = Agent("oven", lambda: "You know loaves.", [hours], voice="marin")
    front = Agent("front", "You welcome people.", [price], [oven])
    oven.handoffs.append(front)
    return front


def test_a_hand_over(make: Opener, server: LocalServer, front: Agent) -> None:
    """The other agent's instructions, tools and voice are confirmed, then it replies."""
    with make(router=front, instructions="Be brief.", voice="alloy") as session:
        assert session.config.instructions == "Be brief.\n\nYou welcome people."
        told = session.events("agent.handoff")
        server.reply(server.call("transfer_to_oven", reason="loaves"), "Loaves, then.")
        assert session.ask("loaves?").text == "Loaves, then."
        assert next(told) == local.AgentHandoff(
            from_agent="front", to_agent="oven", arguments={"reason": "loaves"}
        )
        assert session.config.instructions == "Be brief.\n\nYou know loaves."
        assert session.config.audio.output.voice == "marin"
        assert session.tools.names == ("hours", "transfer_to_front")
        assert isinstance(session.router, AgentRouter)
        assert session.router.agent.name == "oven"
        server.reply(server.call("transfer_to_front"), "Welcome.")
        session.ask("back")
        assert session.tools.names == ("price", "transfer_to_oven")
        assert session.config.audio.output.voice == "marin"


def test_a_voice_after_the_first_audio(
    make: Opener, server: LocalServer, front: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays as it is, with a warning; all else is handed over."""
    with make(router=front, voice="alloy", output_modalities=["audio"]) as session:
        server.reply("Welcome.", server.call("transfer_to_oven"), "Loaves, then.")
        session.ask("hello")
        assert session.ask("loaves?").text == "Loaves, then."
        assert session.config.audio.output.voice == "alloy"
        assert session.config.instructions == "You know loaves."
    assert caplog.text.count("the voice stays as it is") == 1


def test_two_hand_overs_in_one_response(make: Opener, server: LocalServer, front: Agent) -> None:
    """One is made; the other is answered with the reason why not."""
    front.handoffs.append(Agent("till", "You take money."))
    with make(router=front) as session:
        server.reply([server.call("transfer_to_oven"), server.call("transfer_to_till")], "ok")
        assert session.ask("go").text == "ok"
        said = outputs(session)
        (agent,) = [one["agent"] for one in said if "agent" in one]
        (why,) = [one["error"]["message"] for one in said if "error" in one]
        assert isinstance(session.router, AgentRouter)
        assert session.router.agent.name == agent
        assert "wait for that" in why or "does not hand over" in why or "no tool" in why


def test_a_hand_over_beside_another(
    opened: Callable[..., tuple[RealtimeSession, Link]], front: Agent
) -> None:
    """While the server has not confirmed the one, the other is answered with the reason."""
    front.handoffs.append(Agent("till", "You take money."))
    session, link = opened(router=front)
    with session:
        finished = session.events("tool.finished")
        future = session.submit()
        response = link.response(link.hear("response.create"), "r1")
        link.say("response.created", response=response)
        calls = [
            {"id": f"i_{name}", "type": "function_call", "name": f"transfer_to_{name}"}
            | {"call_id": name, "arguments": "{}", "status": "completed"}
            for name in ("oven", "till")
        ]
        link.say("response.done", response={**response, "status": "completed", "output": calls})
        told = link.hear("session.update")["session"]
        refused = next(finished)
        assert "the conversation is moving on already; wait for that" in refused.output
        link.say("session.updated", session={**told, "id": "s"})
        made = next(finished)
        assert made.output == json.dumps({"agent": made.call_id}, separators=(",", ":"))
        link.respond(link.hear("response.create"), "r2", "ok")
        assert future.result(LIMIT).text == "ok"
        assert isinstance(session.router, AgentRouter)
        assert session.router.agent.name == made.call_id != refused.call_id


def test_instructions_that_hang(
    make: Opener, server: LocalServer, front: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is answered; when they come at last, the agent who talks goes on all the same."""
    go, asked = threading.Event(), threading.Event()
    hung: list[threading.Thread] = []

    def hang() -> str:
        hung.append(threading.current_thread())
        asked.set()
        go.wait(LIMIT)
        return "You know loaves."

    front.handoffs[0].instructions = hang
    with make(router=front) as session:
        tool = session.tools.function("transfer_to_oven")
        assert tool is not None
        tool.timeout = 0.05
        server.reply(server.call("transfer_to_oven"), "sorry")
        assert session.ask("go").text == "sorry"
        assert asked.wait(LIMIT)
        assert outputs(session)[0]["error"]["type"] == "timeout"
        tool.timeout = LIMIT
        server.reply(server.call("transfer_to_oven"), "sorry")
        session.ask("again")  # while it is not over yet, no other step is made
        assert "moving on already" in outputs(session)[1]["error"]["message"]
        go.set()
        hung[0].join(LIMIT)
        server.reply(server.call("transfer_to_oven"), "Loaves.")
        session.ask("again")
        assert outputs(session)[-1] == {"agent": "oven"}
        updates = [event for event in server.received if event["type"] == "session.update"]
        assert len(updates) == 2


def test_instructions_that_fail(make: Opener, server: LocalServer, front: Agent) -> None:
    """The call is answered, and the agent who talks goes on."""

    def fail() -> str:
        raise OSError("no disk")

    front.handoffs[0].instructions = fail
    with make(router=front) as session:
        server.reply(server.call("transfer_to_oven"), "sorry")
        assert session.ask("go").text == "sorry"
        assert outputs(session)[0]["error"]["type"] == "tool_failed"
        assert isinstance(session.router, AgentRouter)
        assert session.router.agent is front
        front.handoffs[0].instructions = "You know loaves."
        server.reply(server.call("transfer_to_oven"), "Loaves.")
        session.ask("go")
        assert session.router.agent.name == "oven"
