from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pipe import LIMIT, Line, greeted, settled

from realtime_sync import (
    Compatible,
    McpTool,
    RealtimeSession,
    ReconnectPolicy,
    connect_translation,
    items,
)
from realtime_sync.errors import SessionClosed
from realtime_sync.local import LocalServer
from realtime_sync.recording import read

from .conftest import Opener
from .peers import Peer


def kinds(path: Path, *directions: str) -> list[str]:
    """The types of a recording's events, in these directions; none named: all."""
    return [e.type for e in read(path) if not directions or e.direction in directions]


def test_a_whole_session(make: Opener, server: LocalServer, tmp_path: Path) -> None:
    """All that goes over the wire is in it, in wire order; it ends with the session."""
    path = tmp_path / "a.jsonl"
    seen: list[tuple[str, str]] = []
    server.reply("Hello!")
    session = make()
    session.tap(lambda direction, event: seen.append((direction, event["type"])))
    recording = session.record(path)
    with session:
        session.ask("Hi")
        assert not recording.over
    assert recording.over
    found = list(read(path))
    assert [(e.direction, e.type) for e in found if e.direction != "local"] == seen
    assert seen[0] == ("received", "session.created")
    assert seen[-1][0] == "received"
    assert (found[-1].direction, found[-1].event) == ("local", {"type": "connection.closed"})
    assert recording.written == len(found)


def test_a_session_that_is_open(make: Opener, server: LocalServer, tmp_path: Path) -> None:
    """It begins with the configuration and the items that are there, and misses nothing then."""
    server.reply("One.", "Two.")
    with make(instructions="Be brief.") as session:
        session.ask("first")
        recording = session.record(tmp_path / "a.jsonl")
        session.ask("second")
        recording.close()
        recording.close()
        session.conversation.clear()
    began, *rest = read(tmp_path / "a.jsonl")
    assert (began.direction, began.type) == ("local", "recording.began")
    assert began.event["session"]["instructions"] == "Be brief."
    assert [item["role"] for item in began.event["items"]] == ["user", "assistant"]
    assert [e.type for e in rest if e.direction == "sent"] == [
        "conversation.item.create",
        "response.create",
    ]
    assert rest[-1].type in ("response.done", "rate_limits.updated")


def test_sends_right_after_it(line: Line, tmp_path: Path) -> None:
    """What is sent once record() has returned is in it, every time."""
    session, pipe = line.open()
    for number in range(30):
        path = tmp_path / f"{number}.jsonl"
        with session.record(path):
            session.send({"type": "input_audio_buffer.clear"})
            pipe.expect("input_audio_buffer.clear")  # what leaves is recorded before
        assert kinds(path, "sent")[:1] == ["input_audio_buffer.clear"]


def test_several_at_a_time(make: Opener, tmp_path: Path) -> None:
    """Each recording has all of it; one that is closed takes nothing more."""
    with make() as session:
        first = session.record(tmp_path / "1.jsonl")
        second = session.record(tmp_path / "2.jsonl")
        session.ask("a")
        first.close()
        before = first.written
        session.ask("b")
    assert first.written == before
    assert kinds(tmp_path / "1.jsonl", "sent").count("response.create") == 1
    assert kinds(tmp_path / "2.jsonl", "sent").count("response.create") == 2
    assert second.over


def test_a_lost_link(line: Line, tmp_path: Path) -> None:
    """A link that is lost is told, with its code; the next session follows."""
    session = line.session(reconnect=ReconnectPolicy(delays=(0, 0), jitter=0))
    recording = session.record(tmp_path / "a.jsonl")
    first, second = greeted(), greeted()
    line.plan(first, second)
    session.open()
    with session.expect("connection.restored") as restored:
        first.cut(1012, "restart")
        restored.result(timeout=LIMIT)
    settled(session, second)
    session.close()
    found = list(read(tmp_path / "a.jsonl"))
    (lost,) = (e for e in found if e.type == "connection.lost")
    assert (lost.direction, lost.event["code"]) == ("local", 1012)
    assert [e.type for e in found].count("session.created") == 2
    assert recording.error is None


def test_no_key(peer: Peer, tmp_path: Path) -> None:
    """Neither the session's own key, nor that of an MCP server, in whatever is said."""
    mcp = McpTool("docs", server_url="https://docs.example.com/mcp", authorization="canary-1")
    session = RealtimeSession(endpoint=peer.endpoint, tools=[mcp], reconnect=None)
    session.record(tmp_path / "a.jsonl", audio=True)
    opening = threading.Thread(target=session.open)
    opening.start()
    link = peer.link()
    update = link.hear("session.update")
    assert "canary-1" in json.dumps(update)
    link.say("session.updated", session=update["session"])
    link.say("mcp_list_tools.failed", item_id="m1")
    opening.join(LIMIT)
    with session.expect("brand.new") as arrived:
        link.say("error", error={"message": "bad key sk-peer-key"})
        link.say("brand.new")
        arrived.result(timeout=LIMIT)
    session.close()
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert "canary-1" not in text
    assert "peer-key" not in text
    assert kinds(tmp_path / "a.jsonl", "received")[-2:] == ["error", "brand.new"]


def test_a_key_of_any_looks(server: LocalServer, tmp_path: Path) -> None:
    """A tool that gives the session's own key away does not bring it into the recording."""
    key = "neither-looks-like-one"
    endpoint = Compatible(server.url, api_key=key)
    with RealtimeSession(endpoint=endpoint, output_modalities=["text"]) as session:
        session.record(tmp_path / "a.jsonl")
        session.ask(f"my key is {key}")
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert "my key is …" in text
    assert key not in text


def test_a_key_in_a_url(server: LocalServer, tmp_path: Path) -> None:
    """A key is not in it as a URL or JSON would have it either, be it of a header or the query."""
    keys = ["of+a/header=1", "of+a/query=2"]
    endpoint = Compatible(server.url, keys[0], query={"api-key": keys[1]})
    told = [f"{quote(key, safe='')} {json.dumps(json.dumps(key))}" for key in keys]
    server.reply(f"your keys: {' '.join(told)}.")
    with RealtimeSession(endpoint=endpoint, output_modalities=["text"]) as session:
        session.record(tmp_path / "a.jsonl")
        assert session.ask("Which?").text.startswith("your keys: …")
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    for part in ("header", "query"):
        assert part not in text


def test_of_a_session_that_never_opens(make: Opener, tmp_path: Path) -> None:
    """close() ends it, also where nothing was ever said; a closed session has none."""
    session = make()
    recording = session.record(tmp_path / "a.jsonl")
    session.close()
    assert recording.over
    assert list(read(tmp_path / "a.jsonl")) == []
    with pytest.raises(SessionClosed, match="recorded"):
        session.record(tmp_path / "b.jsonl")
    assert not (tmp_path / "b.jsonl").exists()


def test_of_a_session_that_nobody_holds(tmp_path: Path) -> None:
    """A session that is forgotten takes its recording along."""
    session = RealtimeSession(api_key="sk-x")
    recording = session.record(tmp_path / "a.jsonl")
    del session
    gc.collect()
    recording._thread.join(LIMIT)
    assert recording.over
    assert list(read(tmp_path / "a.jsonl")) == []


def test_from_a_callback_and_a_tap(make: Opener, tmp_path: Path) -> None:
    """It can be begun anywhere; closing the session in a callback ends it too."""
    session = make()
    recordings: dict[str, Any] = {}

    def begin(name: str) -> None:
        if name not in recordings:
            recordings[name] = session.record(tmp_path / name)

    session.once("session.created", lambda _: begin("callback.jsonl"))
    with session:
        remove = session.tap(lambda *_: begin("tap.jsonl"))
        session.ask("x")
        remove()
        with session.expect("connection.closed") as over:
            session.once("conversation.item.added", lambda _: session.close())
            item = items.user("bye").wire()
            session.send({"type": "conversation.item.create", "item": {"type": "message", **item}})
            over.result(timeout=LIMIT)
    for recording in recordings.values():
        recording.close()
        assert kinds(Path(recording.path))[-1] == "connection.closed"
    assert len(recordings) == 2


def test_a_translation_too(server: LocalServer, tmp_path: Path) -> None:
    """Sessions of every kind can be recorded."""
    with connect_translation("es", endpoint=server.endpoint) as session:
        session.record(tmp_path / "a.jsonl")
        session.translate(b"\0\0" * 24000)
    (first, *rest) = kinds(tmp_path / "a.jsonl")
    assert first == "recording.began"
    assert "session.input_audio_buffer.append" in rest


def test_nothing_where_nobody_records(make: Opener) -> None:
    """A session that is not recorded has no such thread, and the room is not loaded for it."""
    code = (
        "import sys; from realtime_sync import RealtimeSession; RealtimeSession(api_key='x');"
        "assert 'realtime_sync.recording' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    with make() as session:
        session.ask("x")
        assert not session._taps
        assert "realtime-recorder" not in [thread.name for thread in threading.enumerate()]


def test_a_process_that_ends(server: LocalServer, tmp_path: Path) -> None:
    """A process that never closes its session still leaves a recording that is whole."""
    code = (
        "import sys; from realtime_sync import RealtimeSession, Compatible\n"
        "s = RealtimeSession(endpoint=Compatible(sys.argv[1], 'any'), turn_detection=None)\n"
        "s.record(sys.argv[2]); s.open(); s.conversation.create('hello')"
    )
    path = tmp_path / "a.jsonl"
    subprocess.run([sys.executable, "-c", code, server.url, path], check=True, timeout=30)
    assert "conversation.item.create" in kinds(path)
    assert kinds(path)[-1] == "connection.closed"
