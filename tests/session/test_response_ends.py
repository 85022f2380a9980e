from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession, Response
from realtime_sync.errors import (
    ConnectionLost,
    RealtimeTimeout,
    ResponseCancelled,
    ResponseFailed,
    ResponseIncomplete,
    ServerError,
    SessionClosed,
)
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Peer

LIMIT = 15.0
STORY = " ".join(f"word{n}" for n in range(60))


def held(session: RealtimeSession, server: LocalServer, **overrides: Any) -> Response:
    """A response that stands still after two deltas."""
    server.script.hold(after=2)
    server.reply(STORY)
    return session.response.create(**overrides)


def test_cancel(session: RealtimeSession, server: LocalServer) -> None:
    """cancel() is True when the response ended as cancelled; the handle says the same."""
    response = held(session, server)
    assert session.response.cancel() is True
    assert response.status == "cancelled"
    assert response.status_details["reason"] == "client_cancelled"
    assert STORY.startswith(response.text.strip())
    response = held(session, server)
    assert session.response.cancel(response.id) is True


@pytest.mark.row("C8")
def test_cancel_of_nothing(session: RealtimeSession) -> None:
    """cancel() is False, without an error, when nothing was active or it was complete."""
    assert session.response.cancel() is False
    response = session.response.create().wait()
    assert session.response.cancel() is False
    assert session.response.cancel(response.id) is False


def test_cancel_out_of_band(session: RealtimeSession, server: LocalServer) -> None:
    """A response beside the conversation is cancelled by its id."""
    response = held(session, server, conversation="none")
    assert session.response.cancel() is False
    assert session.response.cancel(response.id) is True
    response = held(session, server, conversation="none")
    response.cancel()
    assert response.wait().status == "cancelled"


def test_cancel_of_one_sent_by_hand(bare: RealtimeSession, peer: Peer) -> None:
    """A response.create sent by hand, and not created yet, can be cancelled."""
    link = peer.link()
    bare.send({"type": "response.create"})
    create = link.hear("response.create")
    cancelled: list[bool] = []
    thread = threading.Thread(target=lambda: cancelled.append(bare.response.cancel()))
    thread.start()
    link.hear("response.cancel")
    link.respond(create, "r1", "x", status="cancelled")
    thread.join(LIMIT)
    assert cancelled == [True]


def test_handle_cancel(session: RealtimeSession, server: LocalServer) -> None:
    """Response.cancel() asks and does not wait; it is harmless once done, and after close."""
    response = held(session, server)
    response.cancel()
    assert response.wait().status == "cancelled"
    response.cancel()
    session.close()
    response.cancel()


def test_statuses(session: RealtimeSession, server: LocalServer) -> None:
    """wait() returns whatever the status; raise_for_status() raises what it is."""
    server.reply(ServerError("too fast", code="rate_limit_exceeded", type="quota"))
    failed = session.response.create().wait()
    assert failed.status == "failed"
    with pytest.raises(ResponseFailed) as caught:
        failed.raise_for_status()
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "quota")
    assert caught.value.message == "too fast"
    assert caught.value.response is failed

    server.reply(STORY)
    cut = session.response.create(max_output_tokens=5).wait()
    assert cut.status == "incomplete"
    with pytest.raises(ResponseIncomplete) as short:
        cut.raise_for_status()
    assert short.value.response is cut

    running = held(session, server)
    assert running.raise_for_status() is running
    running.cancel()
    with pytest.raises(ResponseCancelled) as ended:
        running.wait().raise_for_status()
    assert ended.value.response is running
    good = session.response.create().wait()
    assert good.raise_for_status() is good


def test_wait_timeout(session: RealtimeSession, server: LocalServer) -> None:
    """wait() gives up after its timeout; the response goes on."""
    response = held(session, server)
    for timeout in (0, 0.01):
        with pytest.raises(RealtimeTimeout):
            response.wait(timeout=timeout)
    assert response.status == "in_progress"
    server.script.release()
    response.wait(timeout=None)


@pytest.mark.parametrize("how", ["lost", "closed"])
def test_end_without_an_end(how: str, session: RealtimeSession, server: LocalServer) -> None:
    """A response that can no longer end has the status "lost"; waiting for it says why."""
    response = held(session, server)
    deltas = response.text_deltas()
    came = next(deltas) + next(deltas)
    if how == "lost":
        server.script.cut()
        session.send({"type": "input_audio_buffer.clear"})
        wanted: type[Exception] = ConnectionLost
    else:
        session.close()
        wanted = SessionClosed
    with pytest.raises(wanted) as caught:
        response.wait(timeout=LIMIT)
    assert (response.status, response.done) == ("lost", True)
    assert response.text == came
    for iterator in (deltas, iter(response), response.audio_chunks()):
        with pytest.raises(wanted):
            list(iterator)
    with pytest.raises(wanted):
        response.raise_for_status()
    if how == "lost":
        assert caught.value.response is response
        assert caught.value.code == 1006
    again = pickle.loads(pickle.dumps(response))
    assert (again.status, again.text) == ("lost", came)
    with pytest.raises(wanted):
        again.wait()


def test_pickling(make: Opener, server: LocalServer) -> None:
    """A done Response pickles as data; a running one does not."""
    with make(output_modalities=["audio"]) as session:
        response = held(session, server)
        with pytest.raises(TypeError, match="running"):
            pickle.dumps(response)
        server.script.release()
        response.wait()
        again = pickle.loads(pickle.dumps(response))
        assert copy.deepcopy(response).text == response.text
    for name in ("id", "status", "text", "audio", "output", "usage", "metadata", "metrics", "done"):
        assert getattr(again, name) == getattr(response, name)
    assert again.wait() is again
    assert "".join(again.text_deltas()) == response.text
    assert b"".join(again.audio_chunks()) == response.audio
    assert [e.type for e in again] == [e.type for e in response]
    assert again != response
    again.cancel()


def test_usage(session: RealtimeSession) -> None:
    """usage holds totals since open(), out-of-band responses included."""
    assert session.usage.total_tokens == 0
    one = session.ask("hello").usage
    two = session.response.create(conversation="none", input=["hi"]).wait().usage
    usage = session.usage
    assert usage.responses == 2
    assert usage.total_tokens == one.total_tokens + two.total_tokens
    assert usage.input_tokens == one.input_tokens + two.input_tokens
    assert usage.output_text_tokens == usage.output_tokens
    assert usage.cached_tokens <= usage.input_tokens
    assert usage.transcription_seconds == 0


def test_sixteen_pairs(session: RealtimeSession) -> None:
    """A user's sixteen pairs of metadata leave no room for ours, and still find their response."""
    pairs = {f"k{n}": "v" for n in range(16)}
    assert session.response.create(metadata=pairs).wait().metadata == pairs
