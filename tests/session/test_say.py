"""`say`, and what is done where text comes instead of speech."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from realtime_sync import RealtimeSession
from realtime_sync.errors import RealtimeTimeout
from realtime_sync.local import LocalServer

from .conftest import Opener
from .peers import Link, Peer

LIMIT = 15.0


def ping() -> str:
    """Pings."""
    return "pong"


def test_say(make: Opener, server: LocalServer) -> None:
    """The model is asked for the text word for word, and sees nothing else."""
    with make(output_modalities=["audio"], instructions="Be Ann.", tools=[ping]) as session:
        session.conversation.create("What is the time?")
        response = session.say("The red fox.\nIt: jumps!", instructions="Whisper.")
        assert response.status == "completed"
        assert response.text == "The red fox.\nIt: jumps!"
        assert response.audio
        sent = server.received[-1]["response"]
        assert sent["instructions"].startswith("Whisper.\n\n")
        assert "word for word" in sent["instructions"]
        assert sent["tools"] == []
        assert sent["tool_choice"] == "none"
        assert [item["role"] for item in sent["input"]] == ["user"]
        assert "conversation" not in sent  # so it stands in the conversation, what asked does not
        assert [item.text for item in session.conversation.items][1:] == [response.text]
        session.say("Again.")
        assert server.received[-1]["response"]["instructions"].startswith("Be Ann.\n\n")


def test_say_is_a_turn(session: RealtimeSession, server: LocalServer) -> None:
    """It waits for the turn that runs, and is given up when its time is over."""
    server.script.hold(after=1)
    server.reply("one two three")
    running = session.submit("hello")
    with pytest.raises(RealtimeTimeout):
        session.say("never", timeout=0.02)
    server.script.release()
    assert running.result(LIMIT).status == "completed"
    assert session.say("now").text == "now"
    assert "never" not in str(server.received)


@pytest.mark.parametrize(
    ("text", "error"), [("", ValueError), (" \n", ValueError), (5, TypeError), (None, TypeError)]
)
def test_nothing_to_say(
    text: Any, error: type[Exception], session: RealtimeSession, server: LocalServer
) -> None:
    """Without a text nothing is sent."""
    count = len(server.received)
    with pytest.raises(error, match="text"):
        session.say(text)
    session.input_audio_buffer.clear()
    assert len(server.received) == count + 1


# --- text where audio was expected


def reply(link: Link, create: Any, name: str, **part: str) -> None:
    """A whole response of one message, which was to be spoken."""
    response = {**link.response(create, name), "output_modalities": ["audio"]}
    item = {"id": f"i_{name}", "type": "message", "role": "assistant", "content": [part]}
    link.say("response.created", response=response)
    link.say("response.done", response={**response, "status": "completed", "output": [item]})


def opened(peer: Peer, **arguments: Any) -> RealtimeSession:
    return RealtimeSession(endpoint=peer.endpoint, ping_interval=None, **arguments).open()


def test_text_instead_of_speech_is_told(peer: Peer) -> None:
    """It is told, and nothing else happens unless that was asked for."""
    with opened(peer) as session, session.events("response.modality_mismatch") as told:
        link = peer.link()
        future = session.submit()
        reply(link, link.hear("response.create"), "r1", type="output_text", text="written")
        assert future.result(LIMIT).text == "written"
        event = next(told)
        assert (event.response_id, event.item_ids) == ("r1", ("i_r1",))
        assert (event.text, event.retried) == ("written", False)
        future = session.submit()
        spoken = {"type": "output_audio", "transcript": "said"}
        reply(link, link.hear("response.create"), "r2", **spoken)
        future.result(LIMIT)
        with session.expect("input_audio_buffer.cleared") as marker:
            link.say("input_audio_buffer.cleared")
            marker.result(timeout=LIMIT)
        told.close()
        assert list(told) == []


def test_one_retry(peer: Peer) -> None:
    """With `retry_text_reply` the text is deleted and asked for once more, in the same turn."""
    with opened(peer, retry_text_reply=True) as session:
        link = peer.link()
        told = session.events("response.modality_mismatch", timeout=LIMIT)
        future = session.submit(tool_choice="required")
        reply(link, link.hear("response.create"), "r1", type="output_text", text="written")
        assert link.hear("conversation.item.delete")["item_id"] == "i_r1"
        again = link.hear("response.create")
        assert again["response"]["tool_choice"] == "required"
        reply(link, again, "r2", type="output_text", text="written again")
        assert future.result(LIMIT).id == "r2"  # once, and no more
        assert [next(told).retried, next(told).retried] == [True, False]
        future = session.submit()
        reply(link, link.hear("response.create"), "r3", type="output_text", text="written")
        reply(link, link.hear("response.create"), "r4", type="output_audio", transcript="said")
        assert future.result(LIMIT).text == "said"


def test_no_retry_for_nobody(peer: Peer) -> None:
    """A turn that was given up asks for nothing more."""
    with opened(peer, retry_text_reply=True) as session:
        link = peer.link()
        stream = session.stream(timeout=LIMIT)
        create = link.hear("response.create")
        started = threading.Event()
        session.on("response.created", lambda _: started.set())
        response = {**link.response(create, "r1"), "output_modalities": ["audio"]}
        link.say("response.created", response=response)
        assert started.wait(LIMIT)
        stream.close()
        link.hear("response.cancel")
        part = {"type": "output_text", "text": "written"}
        item = {"id": "i1", "type": "message", "role": "assistant", "content": [part]}
        with session.expect("turn.ended") as pending:
            done = {**response, "status": "completed", "output": [item]}
            link.say("response.done", response=done)
            pending.result(timeout=LIMIT)
        session.input_audio_buffer.append(bytes(4800))
        assert link.hear("input_audio_buffer.append")
