"""A recording of a session, played to another one: a bug report becomes a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pipe import Line, greeted

from realtime_sync import (
    McpTool,
    RealtimeSession,
    ReconnectPolicy,
    connect_transcription,
    connect_translation,
)
from realtime_sync.errors import (
    ConnectError,
    ConnectionLost,
    RealtimeTimeout,
    RecordingError,
    ResponseFailed,
    ServerError,
)
from realtime_sync.local import LocalServer
from realtime_sync.recording import read

LIMIT = 15.0
TRANSCRIPTS = Path(__file__).resolve().parents[3] / "shared" / "transcripts"


def weather(city: str) -> str:
    """The weather in a city."""
    return f"It is foggy in {city}."


def recorded(server: LocalServer, path: Path, act: Callable[[RealtimeSession], Any]) -> Any:
    """What `act` has to say of a session, all of which is recorded."""
    with session_of(server) as session, session.record(path):
        return act(session)


def session_of(server: LocalServer, **arguments: Any) -> RealtimeSession:
    plain = {"output_modalities": ["text"], "tools": [weather], "reconnect": None}
    return RealtimeSession(endpoint=server.endpoint, **{**plain, **arguments})


@contextmanager
def played(path: Path, **arguments: Any) -> Iterator[tuple[LocalServer, RealtimeSession]]:
    """The recording's server, and a session of it."""
    with LocalServer.from_recording(path, speed=None) as server:
        session = session_of(server, **arguments)
        with session:
            yield server, session


def a_tool(session: RealtimeSession) -> Any:
    return session.ask("How is it in Oslo?").text, list(session.stream("And then?"))


def items_of_ours(session: RealtimeSession) -> Any:
    made = session.conversation.create("kept")
    gone = session.conversation.create("gone", previous_item_id=made.id)
    session.conversation.delete(gone.id)
    with pytest.raises(ServerError) as refused:
        session.conversation.delete("item_none")
    return [item.text for item in session.conversation.items], refused.value.code


def a_failure(session: RealtimeSession) -> Any:
    with pytest.raises(ResponseFailed) as failed:
        session.ask("fail")
    return failed.value.code, failed.value.response.text


def several_at_a_time(session: RealtimeSession) -> Any:
    beside = [session.response.create(conversation="none", metadata={"n": str(n)}) for n in "ab"]
    return [(one.wait().text, one.metadata) for one in beside]


def sound(session: RealtimeSession) -> Any:
    response = session.ask("speak", output_modalities=["audio"])
    return response.text, len(response.audio)


@pytest.mark.parametrize("act", [a_tool, items_of_ours, a_failure, several_at_a_time, sound])
def test_the_same_again(server: LocalServer, tmp_path: Path, act: Any) -> None:
    """What a session has lived through, another one does: it gets the same, by its own ids."""
    server.reply(
        server.call("weather", city="Oslo") if act is a_tool else "One.",
        RuntimeError("hiccups") if act is a_failure else "Two.",
        "Three.",
    )
    if act is a_failure:
        server.script.next_answer()
    path = tmp_path / "bug.jsonl"
    before = recorded(server, path, act)
    with LocalServer.from_recording(path, speed=None) as again, session_of(again) as session:
        assert act(session) == before
        assert again.awaited is None


def test_a_session_from_its_beginning(server: LocalServer, tmp_path: Path) -> None:
    """A recording that began before `open()` has the configuration too."""
    server.reply("Brief.")
    session = session_of(server, instructions="Be brief.")
    session.record(tmp_path / "a.jsonl")
    with session:
        session.ask("x")
    with played(tmp_path / "a.jsonl", instructions="Be brief.") as (_, session):
        assert session.config.instructions == "Be brief."
        assert session.ask("y").text == "Brief."


def test_without_speed_it_takes_its_time(server: LocalServer, tmp_path: Path) -> None:
    """As recorded, unless told otherwise: the pace of the deltas is that of the recording."""
    server.script.delay = 0.2
    recorded(server, tmp_path / "a.jsonl", lambda session: session.ask("Hello"))
    with LocalServer.from_recording(tmp_path / "a.jsonl") as again, session_of(again) as session:
        response = session.ask("Hello")
        assert response.metrics is not None
        assert 0.15 < response.metrics.done < LIMIT


def test_a_link_that_is_lost_is_lost_again(server: LocalServer, tmp_path: Path) -> None:
    """The response that was under way is lost, the session goes on over the next link."""
    policy = ReconnectPolicy(delays=(0, 0.05), jitter=0)

    def act(session: RealtimeSession) -> Any:
        with session.expect("connection.restored") as back:
            with pytest.raises(ConnectionLost) as lost:
                session.ask("go on")
            back.result(timeout=LIMIT)
        return lost.value.response.text, session.ask("again").text

    server.reply("one two three four five", "there")
    session = session_of(server, reconnect=policy, tools=[])
    session.record(tmp_path / "a.jsonl")
    with session:
        server.script.cut(after=7)
        before = act(session)
    assert before[0].startswith("one")
    with played(tmp_path / "a.jsonl", reconnect=policy, tools=[]) as (_, session):
        assert act(session) == before


def test_no_further_link(server: LocalServer, tmp_path: Path) -> None:
    """One connection more than recorded is refused, and told why."""
    recorded(server, tmp_path / "a.jsonl", lambda session: session.ask("x"))
    with LocalServer.from_recording(tmp_path / "a.jsonl", speed=None) as again:
        session_of(again).open().close()
        with pytest.raises(ConnectError, match="400") as refused:
            session_of(again).open()
        assert "no further one" in refused.value.body


def test_what_the_client_does_not_do(server: LocalServer, tmp_path: Path) -> None:
    """Whoever waits in vain gets his timeout, and the server says what it has waited for."""
    recorded(server, tmp_path / "a.jsonl", lambda session: session.conversation.create("x"))
    with LocalServer.from_recording(tmp_path / "a.jsonl", speed=None) as again:
        assert again.awaited is None  # nobody is there
        with session_of(again) as session:
            with pytest.raises(RealtimeTimeout):
                session.wait_for("conversation.item.added", timeout=0.1)
            assert again.awaited is not None
            assert again.awaited.startswith("conversation.item.create (line 3 of ")
            with pytest.raises(ServerError, match=r"no further response\.create") as refused:
                session.ask()
            assert refused.value.code == "not_in_recording"


def test_mcp_servers(server: LocalServer, tmp_path: Path) -> None:
    """The listing of an MCP server's tools, which open() waits for, follows the configuration."""
    server.script.mcp("docs", {"search": "You owe Ada 300 euros."})
    docs = McpTool("docs", server_url="https://docs.example.com/mcp", require_approval="never")
    server.reply(server.mcp_call("docs", "search", query="debts"), "300 euros.")

    def act(session: RealtimeSession) -> Any:
        with session:
            return session.ask("What do I owe?").text, len(session.conversation.items)

    session = session_of(server, tools=[docs])
    session.record(tmp_path / "a.jsonl")
    before = act(session)
    with LocalServer.from_recording(tmp_path / "a.jsonl", speed=None) as again:
        assert act(session_of(again, tools=[docs])) == before
        assert again.awaited is None


def test_a_recording_begun_without_a_link(line: Line, tmp_path: Path) -> None:
    """Begun while the session is between two links, it begins with the next one."""
    session = line.session(reconnect=ReconnectPolicy(delays=(0, 0), jitter=0))
    first, second = greeted(), greeted()
    go = threading.Event()

    def late(_: Any) -> Any:
        assert go.wait(LIMIT)
        return second

    line.plan(first, late)
    session.open()
    with session.expect("connection.restored") as back:
        with session.expect("connection.lost") as lost:
            first.cut()
            lost.result(timeout=LIMIT)
        session.record(tmp_path / "a.jsonl")
        go.set()
        back.result(timeout=LIMIT)
    session.close()
    found = [entry.type for entry in read(tmp_path / "a.jsonl")]
    assert "recording.began" not in found
    assert found[0] == "session.created"
    LocalServer.from_recording(tmp_path / "a.jsonl")


def test_the_beta(tmp_path: Path) -> None:
    """A session of the beta is played in its words."""
    with LocalServer(speed=None, dialect="beta") as server:
        server.reply("One.", "Two.")
        session = session_of(server)
        session.record(tmp_path / "a.jsonl")
        with session:
            assert session.ask("x").text == "One."
            session.record(tmp_path / "b.jsonl")
            assert session.ask("y").text == "Two."
    for name, asked in (("a", ["One.", "Two."]), ("b", ["Two."])):
        with LocalServer.from_recording(tmp_path / f"{name}.jsonl", speed=None) as again:
            assert again.endpoint.dialect == "beta"
            with session_of(again) as session:
                assert [session.ask("z").text for _ in asked] == asked


def test_sessions_that_only_listen(server: LocalServer, tmp_path: Path) -> None:
    """Transcriptions and translations are played too, though their audio was left out."""
    pcm = b"\x10\x20" * 24000

    def transcribe(at: LocalServer) -> Any:
        with connect_transcription(endpoint=at.endpoint) as session:
            session.record(tmp_path / "c.jsonl")
            return session.transcribe(pcm).text

    def translate(at: LocalServer) -> Any:
        with connect_translation("es", endpoint=at.endpoint) as session:
            session.record(tmp_path / "l.jsonl")
            result = session.translate(pcm)
            return result.text, len(result.audio)

    server.script.transcripts(["a question", {"transcript": "x", "translation": "una pregunta"}])
    before = transcribe(server), translate(server)
    assert before[0] == "a question"
    for name in ("c", "l"):
        (tmp_path / f"{name}.jsonl").rename(tmp_path / f"{name}0.jsonl")
    with LocalServer.from_recording(tmp_path / "c0.jsonl", speed=None) as again:
        assert transcribe(again) == before[0]
    with LocalServer.from_recording(tmp_path / "l0.jsonl", speed=None) as again:
        assert translate(again) == before[1]


def test_broken_files(tmp_path: Path) -> None:
    """A file that is no recording is an error before anything listens."""
    (tmp_path / "a.jsonl").write_text("{}\n")
    with pytest.raises(RecordingError, match="line 1"):
        LocalServer.from_recording(tmp_path / "a.jsonl")
    with pytest.raises(FileNotFoundError):
        LocalServer.from_recording(tmp_path / "b.jsonl")


# --- what others recorded


def converted(name: str, path: Path) -> list[dict[str, Any]]:
    """A session that others recorded, as we would have; the events that its client sent."""
    lines = [json.loads(line) for line in (TRANSCRIPTS / name).read_text("utf-8").splitlines()]
    frames = [line for line in lines if line.get("kind") == "message"]
    out = [{"format": "realtime_sync recording", "version": 1}]
    for at, frame in enumerate(frames):
        told = {"at": at / 100, "direction": frame["direction"], "event": frame["data"]}
        out.append(told)
    out.append({"at": 9, "direction": "local", "event": {"type": "recording.ended"}})
    path.write_text("".join(json.dumps(line) + "\n" for line in out), encoding="utf-8")
    return [frame["data"] for frame in frames if frame["direction"] == "sent"]


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason="needs the transcripts beside the repository")
@pytest.mark.parametrize(
    "name",
    [
        "openai_ws__tool_call_round.jsonl",
        "azure_ws__tool_call_round.jsonl",
        "parity_ws__text_tool_round_parity_openai-current.jsonl",
        "parity_ws__text_tool_round_parity_azure-current.jsonl",
    ],
)
def test_tool_rounds_that_others_recorded(name: str, tmp_path: Path) -> None:
    """What OpenAI and Azure said to another client, they say to ours, though it asks otherwise."""
    sent = converted(name, tmp_path / "a.jsonl")
    called: list[Any] = []

    def get_weather(city: str) -> str:
        """Look up the weather for a city."""
        called.append({"city": city})
        return "It is foggy."

    found = list(read(tmp_path / "a.jsonl"))
    done = [e.event["response"] for e in found if e.type == "response.done"]
    (wanted,) = (item for item in done[0]["output"] if item["type"] == "function_call")
    texts = [part for item in done[-1]["output"] for part in item["content"]]
    with played(tmp_path / "a.jsonl", tools=[get_weather]) as (server, session):
        answer = session.ask("What is the weather?", timeout=LIMIT)
        assert answer.text == "".join(p.get("text") or p["transcript"] for p in texts)
        assert called == [json.loads(wanted["arguments"])]
        assert server.awaited is None
    assert sent[-1]["type"] == "response.create"
