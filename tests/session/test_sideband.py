"""A session that joins a call: `RealtimeSession(call_id=...)`."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from realtime_sync import Azure, Compatible, OpenAI, RealtimeSession
from realtime_sync.errors import ConfigurationError, NotFound, ServerError
from realtime_sync.local import LocalServer
from realtime_sync.rest import Rest

from .conftest import Opener
from .peers import Peer

OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
LIMIT = 15.0


@pytest.fixture
def call_id(server: LocalServer) -> str:
    """A WebRTC call that has begun."""
    with Rest(server.endpoint, max_retries=0) as rest:
        return rest.calls.create(OFFER, model="gpt-realtime", output_modalities=["text"]).id


def joined(server: LocalServer, call_id: str, **arguments: Any) -> RealtimeSession:
    return RealtimeSession(endpoint=server.endpoint, call_id=call_id, **arguments)


def test_it_joins_the_call_of_rest(server: LocalServer, call_id: str) -> None:
    """open() knows the call's session, though nobody greets; a turn runs in it."""
    with joined(server, call_id) as session:
        assert (session.id or "").startswith("sess_")
        assert session.config.output_modalities == ("text",)
        assert session.expires_at is not None
        assert session.ask("count to 3").text == "1, 2, 3."


def test_its_configuration_holds(server: LocalServer, call_id: str) -> None:
    """What it is given is in force for the call when open() returns, tools included."""

    def price(drink: str) -> float:
        """What a drink costs."""
        return 2.5

    with joined(server, call_id, instructions="Be brief.", tools=[price]) as session:
        assert session.config.instructions == "Be brief."
        server.reply(server.call("price", drink="tea"), "It is 2.50.")
        assert session.ask("how much is tea?").text == "It is 2.50."


def test_both_parties_see_everything(server: LocalServer, call_id: str) -> None:
    """What one party does, the other sees: items, responses, their text."""
    with joined(server, call_id) as one, joined(server, call_id) as two:
        with two.expect("response.done") as pending:
            answer = one.ask("count to 3")
        done = pending.result(timeout=LIMIT)
        assert done.response.id == answer.id
        assert [item.text for item in two.conversation.items] == ["count to 3", "1, 2, 3."]
        assert two.ask("count to 2").text == "1, 2."


def test_each_has_its_own_responses(server: LocalServer, call_id: str) -> None:
    """Parties that create responses at once get each their own, whoever was faster."""
    got: dict[str, list[Any]] = {"a": [], "b": [], "c": []}

    def party(name: str) -> None:
        with joined(server, call_id) as session:
            for _ in range(5):
                response = session.response.create(metadata={"party": name})
                got[name].append(response.wait(timeout=LIMIT).metadata)

    parties = [threading.Thread(target=party, args=[name]) for name in got]
    for one in parties:
        one.start()
    for one in parties:
        one.join(30)
    assert got == {name: [{"party": name}] * 5 for name in got}


def test_a_response_of_the_server_is_nobodys(peer: Peer) -> None:
    """response.create returns its own response, though the server began one before."""
    session = RealtimeSession(endpoint=peer.endpoint, call_id="rtc_1", ping_interval=None)
    opening = threading.Thread(target=session.open)
    opening.start()
    link = peer.link()
    update = link.hear("session.update")
    assert update["session"] == {"type": "realtime"}
    link.say("session.updated", session={"id": "sess_1", "type": "realtime"})
    opening.join(LIMIT)
    assert session.state == "open"
    got: list[str] = []
    asking = threading.Thread(target=lambda: got.append(session.response.create(timeout=5).id))
    asking.start()
    create = link.hear("response.create")
    link.respond({"response": {"metadata": {"realtime_sync": "theirs"}}}, "r_theirs", "hm")
    link.respond({}, "r_own", "hello")
    link.respond(create, "r_ours", "hi")
    asking.join(LIMIT)
    assert got == ["r_ours"]
    session.close()


def test_the_url_has_the_call_and_no_model(peer: Peer) -> None:
    """Every endpoint joins by ?call_id= alone, with its own key."""
    address = "wss://name.openai.azure.com/openai/v1/realtime?call_id=rtc_1"
    azure = Azure("https://name.openai.azure.com", "deployment", api_key="k")
    assert azure.address({"call_id": "rtc_1"}).url == address
    assert "api-key" in azure.address({"call_id": "rtc_1"}).headers
    for endpoint in (OpenAI("k", "https://h/v1"), Compatible("https://h/v1", "k")):
        assert endpoint.address({"call_id": "rtc_1"}).url == "wss://h/v1/realtime?call_id=rtc_1"


def test_no_such_call(server: LocalServer) -> None:
    """A call that is not there, or was hung up, is NotFound."""
    with pytest.raises(NotFound, match="rtc_gone"):
        joined(server, "rtc_gone").open()


def test_hanging_up_ends_it(server: LocalServer, call_id: str) -> None:
    """The end of the call ends its sessions."""
    session = joined(server, call_id).open()
    watch = session.events("connection.closed")
    with Rest(server.endpoint, max_retries=0) as rest:
        rest.calls.hangup(call_id)
    assert next(watch).type == "connection.closed"
    assert session.state == "closed"
    session.close()


def test_a_lost_link_ends_it(peer: Peer) -> None:
    """It is not made anew: the call goes on, and must not be told its own items again."""
    session = RealtimeSession(endpoint=peer.endpoint, call_id="rtc_1", ping_interval=None)
    opening = threading.Thread(target=session.open)
    opening.start()
    link = peer.link()
    link.hear("session.update")
    link.say("session.updated", session={"id": "sess_1", "type": "realtime"})
    opening.join(LIMIT)
    waiting = session.events("connection.*")
    link.connection.socket.shutdown(socket.SHUT_RDWR)
    link.over.set()
    assert next(waiting).retrying is False  # type: ignore[attr-defined]
    session.close()


def test_a_refused_configuration(server: LocalServer, call_id: str) -> None:
    """What the server refuses is raised by open(), and no thread is left."""
    with pytest.raises(ServerError):
        joined(server, call_id, config={"unheard_of": 1}).open()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"call_id": "resp_1"}, "call_id: the id of a call"),
        ({"call_id": 3}, "call_id: the id of a call"),
        ({"call_id": "rtc_1", "model": "m"}, "model: a call has its own"),
        ({"call_id": "rtc_1", "config": {"model": "m"}}, "model: a call has its own"),
        ({"call_id": "rtc_1", "config": {"type": "transcription"}}, "type: a call"),
    ],
)
def test_what_cannot_be(make: Opener, arguments: dict[str, Any], words: str) -> None:
    """Arguments that do not go together are refused before any I/O."""
    with pytest.raises(ConfigurationError, match=words):
        make(**arguments)
