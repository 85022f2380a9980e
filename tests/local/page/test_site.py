"""The page over a socket: its files, its stream, and who reads it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pipe import LIMIT
from websockets.sync.client import ClientConnection

from realtime_sync import RealtimeSession
from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer
from realtime_sync.local.page import viewing

from ..dialling import dial, receive, send, until

PATH = "/v1/realtime?model=gpt-realtime"
Wire = dict[str, Any]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server with a page."""
    with LocalServer(speed=None, voice="tones", ui=True) as running:
        yield running


@contextmanager
def asked(
    server: LocalServer, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request; headers are named like_this."""
    where = urlsplit(server.url).netloc
    with closing(http.client.HTTPConnection(where, timeout=10)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        yield connection.getresponse()


def told(stream: http.client.HTTPResponse) -> Wire:
    """The next message of a stream."""
    while not (line := stream.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    return dict(json.loads(line[6:]))


def looked(stream: http.client.HTTPResponse, kind: str) -> list[list[Any]]:
    """The events of the chosen session until one of this type comes."""
    events: list[list[Any]] = []
    ends = time.monotonic() + 15
    while kind not in {event[4] for event in events}:
        events += told(stream).get("chosen", {}).get("events", [])
        assert time.monotonic() < ends, events
    return events


def closed(stream: http.client.HTTPResponse) -> Wire:
    """What is told of the first session whose end is told."""
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        for session in told(stream).get("sessions", []):
            if not session["open"]:
                return dict(session)
    raise AssertionError("no session has ended")


def test_where_it_is(server: LocalServer) -> None:
    """ui_url is the page's; a server without one says how to have one."""
    assert server.ui_url == server.url.removesuffix("/v1") + "/ui/"
    with pytest.raises(ConfigurationError, match=r"LocalServer\(ui=True\)"):
        _ = LocalServer().ui_url
    with pytest.raises(ConfigurationError, match="start"):
        _ = LocalServer(ui=True).ui_url


def test_no_page_unless_asked_for() -> None:
    """Without ui=True there is nothing at /ui, and nothing of it in memory."""
    with LocalServer(speed=None) as server, asked(server, "/ui/") as reply:
        assert reply.status == 404
        assert server._site is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ui/", "text/html"),
        ("/ui/page.css", "text/css"),
        ("/ui/page.js", "text/javascript"),
        ("/ui/waveform.js", "text/javascript"),
        ("/ui/icon.svg", "image/svg+xml"),
    ],
)
def test_files(server: LocalServer, path: str, kind: str) -> None:
    """What a browser gets needs nothing from elsewhere, and is kept out of other pages."""
    with asked(server, path) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Frame-Options"] == "DENY"
        text = reply.read().decode()
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "innerHTML" not in text


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/ui", "GET", {}, 308),
        ("/ui/nothing", "GET", {}, 404),
        ("/ui/../page.html", "GET", {}, 404),
        ("/ui/", "POST", {}, 405),
        ("/ui/stream", "POST", {}, 405),
        ("/ui/stream", "GET", {"Host": "evil.example"}, 403),
        ("/ui/stream", "GET", {"Origin": "https://evil.example"}, 403),
        ("/ui/stream", "GET", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/ui/page.js", "GET", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/uix", "GET", {}, 404),
    ],
)
def test_what_is_not_shown(
    server: LocalServer, path: str, method: str, headers: dict[str, str], status: int
) -> None:
    """Other sites, other methods, other paths get nothing."""
    with asked(server, path, method, **headers) as reply:
        assert reply.status == status
        assert "sessions" not in reply.read().decode()


def test_the_stream(server: LocalServer) -> None:
    """A viewer is greeted, told of every session, and of all events of the chosen one."""
    with asked(server, "/ui/stream?session=1") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert told(stream).keys() == {"server", "version"}
        assert told(stream) == {"sessions": [], "gone": []}
        with RealtimeSession(
            "my-model", endpoint=server.endpoint, output_modalities=["text"]
        ) as session:
            session.ask("Count to 3")
            events = looked(stream, "response.done")
            assert [event[0] for event in events[:3]] == [1, 2, 3]
            assert events[0][3:5] == ["server", "session.created"]
            assert "1, 2, 3." in json.dumps(events)
        shown = closed(stream)
    assert (shown["model"], shown["response"]) == ("my-model", "completed")


def test_no_key_is_shown(server: LocalServer) -> None:
    """Neither the key of a client, nor one in an event, nor a client secret gets to a viewer."""
    with dial(server, PATH, key="canary-0815", Api_Key="canary-0815") as client:
        receive(client)
        tool = {"type": "mcp", "server_label": "s", "server_url": "http://x/canary"}
        tool |= {"authorization": "canary-0815", "headers": {"X-Key": "canary-0815"}}
        send(client, "session.update", session={"type": "realtime", "tools": [tool]})
        text = "sk-canary0815canary and Bearer canary0815canary"
        part = {"type": "input_text", "text": text}
        send(client, "conversation.item.create", item={"type": "message", "content": [part]})
        send(client, "response.bogus", client_secret={"value": "canary-0815"})
        until(client, "error")
        with asked(server, "/ui/stream?session=1") as stream:
            said = json.dumps([told(stream) for _ in range(2)])
    assert "session.update" in said
    assert "canary-0815" not in said
    assert "canary0815" not in said


def test_faults_do_not_touch_it(server: LocalServer) -> None:
    """What the script spoils it spoils for clients; a viewer's stream uses none of it up."""
    server.script.cut(after=2)
    server.script.slice = 7
    with asked(server, "/ui/stream?session=1") as stream:
        told(stream)
        with dial(server, PATH) as client:
            receive(client)
            send(client, "input_audio_buffer.clear")
            events = looked(stream, "input_audio_buffer.cleared")
        assert len(events) == 3
        assert server._site is not None
        assert server._site._viewers == 1  # the fault was the client's


def test_the_beta(server: LocalServer) -> None:
    """A session is shown in the words that its client speaks."""
    with (
        LocalServer(speed=None, dialect="beta", needs_beta_header=False, ui=True) as beta,
        asked(beta, "/ui/stream?session=1") as stream,
        dial(beta, PATH) as client,
    ):
        receive(client)
        send(client, "response.create")
        types = {event[4] for event in looked(stream, "response.done")}
    assert "response.audio.delta" in types


def test_a_recording_that_is_played(server: LocalServer, tmp_path: Path) -> None:
    """What a recording's server says is shown as what a server says."""
    with (
        RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session,
        session.record(tmp_path / "a.jsonl"),
    ):
        session.ask("Count to 3")
    with (
        LocalServer.from_recording(tmp_path / "a.jsonl", speed=None, ui=True) as again,
        asked(again, "/ui/stream?session=1") as stream,
        RealtimeSession(endpoint=again.endpoint, output_modalities=["text"]) as session,
    ):
        session.ask("Count to 3")
        assert "1, 2, 3." in json.dumps(looked(stream, "response.done"))


def test_a_sideband(server: LocalServer) -> None:
    """Who joins a call is shown with the call's id, and with all that is said in it."""
    call_id = server.incoming_call()
    with asked(
        server,
        f"/v1/realtime/calls/{call_id}/accept",
        "POST",
        body=json.dumps({"type": "realtime", "model": "m"}),
        Authorization="Bearer any",
    ) as reply:
        assert reply.status == 200
    with (
        asked(server, "/ui/stream?session=1") as stream,
        dial(server, f"/v1/realtime?call_id={call_id}") as client,
    ):
        send(client, "response.create")
        until(client, "response.done")
        looked(stream, "output_audio_buffer.started")
    with asked(server, "/ui/stream") as stream:
        told(stream)
        (session,) = told(stream)["sessions"]
    assert (session["kind"], session["label"]) == ("sideband", call_id)


def test_a_viewer_who_does_not_read(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """He holds up nobody: sessions go on, what waits for him is bounded, then he is dropped."""
    monkeypatch.setattr(viewing, "_PATIENCE", 3600.0)
    host, port = urlsplit(server.url).netloc.split(":")
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.settimeout(LIMIT)
        viewer.connect((host, int(port)))
        viewer.sendall(f"GET /ui/stream?session=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert viewer.recv(8) == b"HTTP/1.1"  # and then no more
        (link,) = [one for one in server._listener._current_links() if one._dialogue._viewed]
        with dial(server, PATH) as client:
            receive(client)
            began = time.monotonic()
            while link._dialogue.has_room:
                say_much(client)
                assert time.monotonic() - began < 30
            for _ in range(3):
                say_much(client)
                assert len(link._dialogue.unsent) < 1 << 20
        assert link.is_alive()
        monkeypatch.setattr(viewing, "_PATIENCE", 0.0)
        server._listener.ring()
        link.join(LIMIT)
        assert not link.is_alive()
    assert server._site is not None
    assert server._site._viewers == 0


def say_much(client: ClientConnection) -> None:
    """A hundred items, until the server has told of each."""
    item = {"type": "message", "content": [{"type": "input_text", "text": "y" * 900}]}
    for _ in range(100):
        send(client, "conversation.item.create", item={**item, "role": "system"})
    for _ in range(200):  # added and done
        receive(client)


def test_too_many_viewers(server: LocalServer) -> None:
    """There is an end to how many may look; the next is told so, and one who leaves makes room."""
    assert server._site is not None
    server._site._viewers = 31
    with asked(server, "/ui/stream") as stream:
        told(stream)
        with asked(server, "/ui/stream") as late:
            assert told(late) == {"full": 32}
            assert late.read().strip() == b""  # nothing more comes


def test_the_end_of_the_server() -> None:
    """A stream ends with its server, at once, and leaves no thread."""
    with LocalServer(ui=True) as server, asked(server, "/ui/stream") as stream:
        told(stream)
        server.close()
        with pytest.raises(http.client.IncompleteRead):
            stream.read()


def test_two_hundred_sessions(server: LocalServer) -> None:
    """All of 200 sessions are listed, in one message."""
    clients = [dial(server, PATH) for _ in range(200)]
    for client in clients:
        receive(client)
    with asked(server, "/ui/stream") as stream:
        told(stream)
        sessions = told(stream)["sessions"]
    assert len([one for one in sessions if one["open"]]) == 200
    for client in clients:
        client.close()
