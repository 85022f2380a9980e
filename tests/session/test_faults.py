"""Faults that no other file is about: networks, processes, and what else may go wrong outside."""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
from typing import Any

import pytest
import trustme
from measured import Measured
from pipe import LIMIT, Line, Pipe, Task, arrived, greeted, settled

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectError
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import monotonic
from realtime_sync.runtime.relink import Relink

ROOT = pathlib.Path(__file__).parents[2]
AT_ONCE = ReconnectPolicy(delays=(0, 0, 0))


def run(code: str, *options: str, before: tuple[str, ...] = (), **more: Any) -> str:
    """What a Python of its own says; it must end well."""
    arguments: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **more}
    command = [*before, sys.executable, *options, "-c", code]
    done = subprocess.run(command, text=True, timeout=30, cwd=ROOT, check=False, **arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout or ""


# --- networks

CABLE = """
import base64, queue, subprocess, sys, threading, time
def ip(*words):
    subprocess.run(["ip", "link", "set", "lo", *words], check=True)
ip("up")
from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.local import LocalServer
sending, back, short = sys.argv[1] == "sending", sys.argv[2] == "back", sys.argv[2] == "short"
policy = ReconnectPolicy(delays=(0.1,) * 100, jitter=0)
with LocalServer(speed=None, voice="tones") as server:
    session = RealtimeSession(
        endpoint=server.endpoint, ping_interval=5 if short else 0.5, reconnect=policy
    )
    with session:
        over, spoken, told = threading.Event(), [0], queue.Queue()
        session.on("connection.*", lambda event: told.put(event.type))
        def speak():
            while not over.wait(0.02):
                session.input_audio_buffer.append(bytes(960))
                spoken[0] += 960
        speaker = threading.Thread(target=speak)
        if sending:
            speaker.start()
            time.sleep(0.2)
        if short:
            ip("down")
            over.wait(0.4)
            ip("up")
            over.set()
            if sending:
                speaker.join()
            begun = time.monotonic()
            session.input_audio_buffer.clear(timeout=20)
            took = time.monotonic() - begun
            sounds = [e["audio"] for e in server.received if e["type"].endswith("append")]
            heard = sum(len(base64.b64decode(sound)) for sound in sounds)
            print(told.empty(), heard == spoken[0])
            print(took)
            raise SystemExit
        with session.expect("connection.lost") as pending:
            ip("down")
            begun = time.monotonic()
            pending.result(timeout=20)
            took = time.monotonic() - begun
        if back:
            with session.expect("connection.restored") as pending:
                ip("up")
                lost = pending.result(timeout=20).lost_audio_ms
            answer = session.ask("hello", output_modalities=["text"])
            print((lost > 0) == sending, answer.status)
            print([told.get(timeout=10) for _ in range(2)], told.empty())
        over.set()
        if sending:
            speaker.join()
        print(took)
"""


@pytest.mark.row("F17", "F18", "F19", bound="2 ping intervals")
@pytest.mark.parametrize("what", ["sending", "idle"])
@pytest.mark.parametrize("then", ["gone", "back", "short"])
def test_a_cable_is_pulled(what: str, then: str, measured: Measured) -> None:
    """Sending or not, it is noticed by a ping; once it is plugged in again, the session goes on
    over one new link and says that audio is missing. If that is soon enough, nothing is lost."""
    unshare = shutil.which("unshare")
    probe = [unshare or "", "-Urn", "ip", "link", "set", "lo", "up"]
    if unshare is None or not shutil.which("ip"):
        pytest.skip("needs unshare and ip: install util-linux and iproute2")
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces: sysctl kernel.unprivileged_userns_clone=1")
    code = f"import sys; sys.argv = ['', {what!r}, {then!r}]\n{CABLE}"
    said = run(code, before=(unshare, "-Urn")).splitlines()
    if then == "short":
        assert said[:-1] == ["True True"]
        return
    measured(float(said[-1]) / 0.5, "intervals")
    assert float(said[-1]) < 2 * 0.5 + 1.0  # a second for a slow machine
    told = "['connection.lost', 'connection.restored'] True"
    assert said[:-1] == (["True completed", told] if then == "back" else [])


def test_latency(server: LocalServer) -> None:
    """A server that is late with all that it says is not taken for a dead one: it sends pongs."""
    with RealtimeSession(
        endpoint=server.endpoint, output_modalities=["text"], ping_interval=0.5, reconnect=None
    ) as session:
        server.script.delay = 1.2  # without a pong it would be dead after 1 s
        assert session.ask("hello").status == "completed"


@pytest.mark.row("F32", bound="spread over half of the delay")
def test_many_come_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session's delay is drawn by itself, evenly around the policy's."""
    monkeypatch.setattr("realtime_sync.runtime.relink.random.uniform", random.Random(7).uniform)
    policy = ReconnectPolicy(delays=(1.0,), jitter=0.25)
    delays = sorted(Relink(policy).delay(ConnectError("no route"), 0.0) or 0.0 for _ in range(2000))
    assert 0.75 <= delays[0] < 0.77
    assert 1.23 < delays[-1] <= 1.25
    quarters = [
        sum(low <= delay < low + 0.125 for delay in delays) for low in (0.75, 0.875, 1, 1.125)
    ]
    assert min(quarters) > 400


@pytest.mark.row("F32", bound="spread over four fifths of the window")
def test_fifty_at_once(line: Line, monkeypatch: pytest.MonkeyPatch, measured: Measured) -> None:
    """Fifty sessions lose their links together, and come back one after the other."""
    # these draws are spread over 0.999 of the window: the rest is for a machine that stands still
    monkeypatch.setattr("realtime_sync.runtime.relink.random.uniform", random.Random(36).uniform)
    policy = ReconnectPolicy(delays=(1.0,), jitter=1)  # 0 to 2 s
    opened = [line.open(reconnect=policy) for _ in range(50)]
    times: list[float] = []

    def arrive(_: Any) -> Pipe:
        times.append(monotonic())
        return greeted()

    line.plan(*[arrive] * 50)
    watches = [session.expect("connection.restored") for session, _ in opened]
    for _, pipe in opened:
        pipe.cut()
    for watch in watches:
        watch.result(timeout=LIMIT)
    spread = (max(times) - min(times)) / 2
    measured(100 * spread, "% of the window")
    assert len(times) == 50
    assert spread > 0.8


@pytest.mark.row("F33", bound="asked at each attempt")
def test_a_key_that_changes(line: Line) -> None:
    """Each attempt asks for the key anew, and uses what it gets."""
    keys = iter(f"sk-{n}" for n in range(10))
    endpoint = Compatible("ws://127.0.0.1:9", api_key=lambda: next(keys))
    session, pipe = line.open(endpoint=endpoint, reconnect=AT_ONCE)
    line.plan(ConnectError("no route"), greeted())
    with session.expect("connection.restored") as pending:
        pipe.cut()
        pending.result(timeout=LIMIT)
    said = [headers["Authorization"] for _, headers in line.dialled]
    assert said == ["Bearer sk-0", "Bearer sk-1", "Bearer sk-2"]


@pytest.mark.row("F34", bound="0 events")
def test_an_old_link_speaks_no_more(line: Line) -> None:
    """What an old link still brings is not seen, be it ever so well formed."""
    session, old = line.open(reconnect=AT_ONCE)
    seen: list[str] = []
    session.on("*", lambda event: seen.append(event.type))
    line.plan(greeted(id="sess_2"))
    with session.expect("connection.restored") as pending:
        old.cut()
        pending.result(timeout=LIMIT)
    old.greet(id="sess_1")
    old.respond(None, "from the grave")
    fresh: Any = session._connection._link
    settled(session, fresh)
    assert not [kind for kind in seen if kind.startswith("response.")]
    assert session.id == "sess_2"


# --- processes

OPTIONS = """
from realtime_sync import RealtimeSession, tool
from realtime_sync.local import LocalServer
@tool
def look(city: str) -> str:
    "Looks."
    return city
with LocalServer(speed=None, voice="tones") as server:
    server.reply(server.call("look", city="Oslo"), "Cold.")
    with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"], tools=[look]) as s:
        assert_ = s.ask("hello").text == "Cold."
if not assert_:
    raise SystemExit(1)
"""


@pytest.mark.row("C20", bound="nothing on stderr")
@pytest.mark.parametrize("options", [("-O",), ("-OO",), ("-X", "dev", "-W", "error"), ("-I",)])
def test_options_of_python(options: tuple[str, ...]) -> None:
    """Assertions and docstrings may be stripped, and every warning be an error."""
    assert run(OPTIONS, *options) == ""


@pytest.mark.row("C20")
def test_a_process_without_anything() -> None:
    """No home, no stdin, no stdout, no stderr: a daemon has none of them."""
    bare = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH")
    }
    code = f"import os\nfor n in (0, 1, 2): os.close(n)\n{OPTIONS}"
    run(code, env=bare)


@pytest.mark.row("C20", bound="nothing is written")
@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_nothing_can_be_written() -> None:
    """A file system that takes no byte, as a read-only one: the library writes nothing."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    assert run(limit + OPTIONS) == ""


NO_AUTHORITIES = """
import ssl, sys
from realtime_sync import RealtimeSession
from realtime_sync.errors import ConnectError
import socket, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = listener.accept()
    try:
        context.wrap_socket(connection, server_side=True)
    except OSError:
        connection.close()
threading.Thread(target=serve, daemon=True).start()
url = f"https://localhost:{listener.getsockname()[1]}/v1"
try:
    RealtimeSession(api_key="sk-x", base_url=url).open(timeout=10)
except ConnectError as exc:
    print(exc)
"""


@pytest.mark.row("C20", bound="a ConnectError that says so")
def test_no_authorities(tmp_path: pathlib.Path) -> None:
    """A frozen application brings none along: it connects to nobody, and is told why."""
    pem = tmp_path / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    nowhere = {"SSL_CERT_FILE": str(tmp_path / "no"), "SSL_CERT_DIR": str(tmp_path / "none")}
    code = f"import sys; sys.argv = ['', {str(pem)!r}]\n{NO_AUTHORITIES}"
    said = run(code, env={**os.environ, **nowhere})
    assert "certificate" in said
    assert "SSL_CERT_FILE" in said


NO_DESCRIPTORS = """
import os, resource, threading
from realtime_sync import Compatible, RealtimeSession
from realtime_sync.errors import ConnectError
from realtime_sync.local import LocalServer
with LocalServer(speed=None, voice="tones") as server:
    def session():
        return RealtimeSession(endpoint=server.endpoint, output_modalities=["text"])
    with session() as first:
        first.ask("hello")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hungry = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        while True:
            hungry.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for free in range(6):
        other = session()
        try:
            other.open(timeout=2)
        except (ConnectError, TimeoutError) as exc:
            assert other.state == "new", other.state
        else:
            other.close()
        os.close(hungry.pop())
    for fd in hungry:
        os.close(fd)
    left = [t.name for t in threading.enumerate() if t.name == "realtime-io"]
    assert not left, left
    with session() as last:
        assert last.ask("hello").status == "completed"
"""


@pytest.mark.row("F49", bound="a typed error, nothing left")
@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_no_descriptors_left() -> None:
    """open() says so, however many are missing; with some to spare the next one works."""
    run(NO_DESCRIPTORS)


# --- what the server says


@pytest.mark.row("B8")
def test_event_ids(line: Line) -> None:
    """None, the same one again, a huge one, one that is no string: all of it is taken in."""
    session, pipe = line.open()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    odd: list[Any] = [None, "same", "same", "e" * 1_000_000, ""]
    for n, event_id in enumerate(odd):
        event = {"type": "conversation.item.added", "item": {**item, "id": f"i{n}"}}
        if event_id is None:
            pipe.say_text(json.dumps(event))
        else:
            pipe.say({**event, "event_id": event_id})
    arrived(session, pipe)
    assert [one.id for one in session.conversation.items] == [f"i{n}" for n in range(len(odd))]


@pytest.mark.row("B13", bound="the whole wins")
def test_deltas_that_do_not_add_up(line: Line) -> None:
    """A transcript's pieces may differ from the whole, which is what counts; a reply's text too."""
    session, pipe = line.open()
    user = {"type": "message", "role": "user", "content": [{"type": "input_audio"}], "id": "u"}
    pipe.say({"type": "conversation.item.added", "item": user})
    kind = "conversation.item.input_audio_transcription"
    place = {"item_id": "u", "content_index": 0}
    pipe.say({"type": f"{kind}.delta", **place, "delta": " Hel"})
    pipe.say({"type": f"{kind}.delta", **place, "delta": "lo!!"})
    pipe.say({"type": f"{kind}.completed", **place, "transcript": "Hello."})
    asking = Task(session.ask)
    response_id = pipe.begin(pipe.expect("response.create"))
    pipe.delta(response_id, "Goo")
    pipe.finish(response_id, "Hi there.")
    assert asking.result().text == "Hi there."
    assert session.conversation.items[0].text == "Hello."
