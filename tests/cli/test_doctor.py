"""`realtime-sync doctor`: each thing it looks at, well and ill."""

from __future__ import annotations

import configparser
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme
from nullsinks import NullSinks, missing

from realtime_sync.cli.doctor import _EXTRAS, _cure
from realtime_sync.errors import RealtimeTimeout
from realtime_sync.local import LocalServer

from .conftest import Run

KEY = "sk-canary0123456789"

_missing = missing()
with_audio = pytest.mark.skipif(bool(_missing), reason=_missing or "")


def findings(text: str) -> dict[str, dict[str, str]]:
    """What it has found, by name."""
    return {one["name"]: one for one in map(json.loads, text.splitlines())}


def test_all_is_well(run: Run, server: LocalServer) -> None:
    """With a key and a server: every line is good, and costs no response."""
    env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}
    done = run("doctor", "--no-devices", "--json", **env)
    assert (done.returncode, done.stderr) == (0, "")
    found = findings(done.stdout)
    assert list(found) == ["versions", "extras", "key", "TLS", "handshake", "latency"]
    assert {one["state"] for one in found.values()} == {"ok"}
    assert found["key"]["said"] == f"there, {len(KEY)} characters"
    assert "websocket-client" in found["versions"]["said"]
    assert found["latency"]["said"].endswith(" ms for a round trip (median)")
    assert "response.create" not in [event["type"] for event in server.received]
    assert KEY not in done.stdout


def test_for_people(run: Run, server: LocalServer) -> None:
    """A line a finding, with a mark; what to do stands below."""
    done = run(
        "doctor",
        "--no-devices",
        "--url",
        server.url,
        "--api-key",
        "any",
        HTTPS_PROXY="http://p:3128",
    )
    assert done.returncode == 0
    assert "✓ handshake" in done.stdout
    assert "! proxy" in done.stdout
    assert "→ where you need one: RealtimeSession(proxy=…)" in done.stdout


@pytest.mark.parametrize(
    ("status", "cure"),
    [(401, "check the key"), (403, "may not use this model"), (404, "check --url"), (429, "quota")],
)
def test_a_server_that_refuses(run: Run, server: LocalServer, status: int, cure: str) -> None:
    """The handshake fails, with the reason and what to do; exit code 1."""
    server.script.refuse(status, times=9)
    env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}
    done = run("doctor", "--no-devices", "--json", **env)
    found = findings(done.stdout)
    assert done.returncode == 1
    assert found["handshake"]["state"] == "failed"
    assert cure in found["handshake"]["cure"]
    assert "latency" not in found


def test_no_key_sent(run: Run, server: LocalServer) -> None:
    """A server that was sent no key is not said to have revoked it."""
    server.script.refuse(401, times=9)
    done = run("doctor", "--no-devices", "--json", "--url", server.url)
    assert "--api-key-env NAME" in findings(done.stdout)["handshake"]["cure"]


@pytest.mark.parametrize(
    ("url", "cure"),
    [("https", "SSL_CERT_FILE=issuer.pem"), ("http", "https://"), ("plain https", "http://")],
)
def test_a_server_of_other_tls(run: Run, tmp_path: Path, url: str, cure: str) -> None:
    """An issuer that nobody knows, TLS where none is, and none where it is: each has its cure."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "pem")
    )
    context.load_cert_chain(tmp_path / "pem")

    def serve() -> None:
        link, _ = listener.accept()
        with link, contextlib.suppress(OSError):
            if url == "plain https":
                link.recv(9999)
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            else:
                context.wrap_socket(link, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        there = f"{url.split()[-1]}://127.0.0.1:{port}/v1"
        done = run("doctor", "--no-devices", "--json", "--url", there)
        thread.join(10)
    assert done.returncode == 1
    assert cure in findings(done.stdout)["handshake"]["cure"]


NOTING = """
import sys, time
seen, clock = [], time.perf_counter
class Noting:
    def find_spec(self, name, *_):
        seen.append(name)
def noted():
    seen.append("clock")
    return clock()
sys.meta_path.insert(0, Noting())
time.perf_counter = noted
import realtime_sync.cli
try:
    realtime_sync.cli.main()
finally:
    begun = seen.index("clock")
    during = seen[begun + 1 : seen.index("clock", begun + 1)]
    ours = [one for one in during if one.startswith(("realtime_sync", "websocket"))]
    print(*ours, file=sys.stderr)
"""


def test_the_handshake_counts_no_import(server: LocalServer) -> None:
    """What is imported before the first link does not count as the server's time."""
    options = ("doctor", "--no-devices", "--json", "--url", server.url, "--api-key", "any")
    done = subprocess.run(
        [sys.executable, "-c", NOTING, *options], capture_output=True, text=True, timeout=100
    )
    assert findings(done.stdout)["handshake"]["state"] == "ok"
    assert done.stderr.split() == []


def test_a_server_that_is_mute() -> None:
    """One that says nothing at all is not said to be down."""
    assert "firewall" in _cure(RealtimeTimeout("no answer within 10 s"), sent=True)


def test_no_server(run: Run) -> None:
    """A refused connection is named, at once."""
    done = run("doctor", "--no-devices", "--url", "http://127.0.0.1:9/v1")
    assert done.returncode == 1
    assert "✗ handshake" in done.stdout
    assert "127.0.0.1:9" in done.stdout


def test_keys_that_cannot_be(run: Run) -> None:
    """One in quotes is a fault; none is not, since the embedded server answers then."""
    done = run(
        "doctor",
        "--no-devices",
        "--json",
        OPENAI_API_KEY="'sk-x'",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
    )
    assert findings(done.stdout)["key"]["cure"] == "set it without them"
    done = run("doctor", "--no-devices", "--json")
    found = findings(done.stdout)
    assert done.returncode == 0
    assert (found["key"]["state"], found["handshake"]["state"]) == ("warning", "ok")


@with_audio
def test_microphone_and_speaker(run: Run, server: LocalServer) -> None:
    """On null sinks the tone is played, and the microphone hears nothing, which is told."""
    with NullSinks() as sinks:
        done = run("doctor", "--json", "--url", server.url, "--api-key", "any", **sinks.environment)
    found = findings(done.stdout)
    assert done.returncode == 0
    assert found["speaker"]["state"] == "ok"
    assert "is it muted?" in found["microphone"]["cure"]


def test_without_an_audio_library(without: Run, server: LocalServer) -> None:
    """Voice is not needed for text: it is told what to install, and the exit code is 0."""
    done = without("pyaudio", "doctor", "--json", "--url", server.url, "--api-key", "any")
    found = findings(done.stdout)
    if found["microphone"]["state"] == "ok":
        pytest.skip("sounddevice is installed, which would do")
    assert done.returncode == 0
    assert found["microphone"]["state"] == found["speaker"]["state"] == "warning"


def test_every_extra_is_looked_for() -> None:
    """What the package offers, but for the command's own extra and those of its makers."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).resolve().parents[2] / "setup.cfg", encoding="utf-8")
    offered = set(setup["options.extras_require"])
    assert set(_EXTRAS) == offered - {"cli", "all", "test", "docs"}
