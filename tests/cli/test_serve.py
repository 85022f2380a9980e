from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realtime_sync import Compatible, RealtimeSession
from realtime_sync.errors import AuthenticationError
from realtime_sync.local import LocalServer

from .conftest import Run


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it serves and has said what to try; the URL that its first line says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        # clients may be served before it is written: a signal then would be faster
        key = "KEY" if "--api-key" in arguments else "any"
        tried = process.stderr.readline()
        assert tried == f"try: realtime-sync chat --url {url} --api-key {key}\n"
        yield process, url
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(how: signal.Signals) -> None:
    """The first line is the URL; a signal ends it with 0, also while somebody is connected."""
    with serving("--speed", "max") as (process, url):
        with RealtimeSession(
            endpoint=Compatible(url, "any"), output_modalities=["text"], reconnect=None
        ) as session:
            assert session.ask("count to 2").text == "1, 2."
            with session.expect("connection.closed") as pending:
                process.send_signal(how)
                assert pending.result(timeout=10).error.code == 1001
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_key_keeps_others_out() -> None:
    """With --api-key any other key is refused, and the key is not shown."""
    with serving("--api-key", "canary-0815", "--speed", "max") as (process, url):
        with pytest.raises(AuthenticationError):
            RealtimeSession(endpoint=Compatible(url, "other")).open()
        with RealtimeSession(endpoint=Compatible(url, "canary-0815")) as session:
            assert session.state == "open"
        process.terminate()
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "canary" not in output + errors


def test_verbose_shows_connections_and_turns() -> None:
    """Each has its line on stderr, with what was said; who is refused too, and no key."""
    with serving("--speed", "max", "--api-key", "canary-0815", "-v") as (process, url):
        with pytest.raises(AuthenticationError):
            RealtimeSession(endpoint=Compatible(url, "sk-canary0123456789")).open()

        def price(fruit: str) -> float:
            """What a fruit costs."""
            return 3.5

        with RealtimeSession(
            "gpt-x",
            endpoint=Compatible(url, "canary-0815"),
            output_modalities=["text"],
            tools=[price],
        ) as session:
            session.ask("count to 2")
            session.ask('call price {"fruit": "pears"}')
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert "canary" not in errors
    lines = [line.partition(" ")[2] for line in errors.splitlines()]  # without the time of day
    assert lines[0].startswith("refused: 401, ")
    assert lines[1] == "#1 connected: realtime, gpt-x"
    assert re.fullmatch(
        r"#1 turn 1: completed, \d+ ms, \d+ tokens: user count to 2 \| assistant 1, 2\.", lines[2]
    )
    assert re.fullmatch(
        r"#1 turn 2: completed, .*: user call price .* \| function_call price .*"
        r" \| output: 3\.5 \| assistant .*",
        lines[3],
    )
    assert re.fullmatch(r"#1 disconnected after \d+\.\d s: \d+ events came, \d+ went", lines[4])
    assert len(lines) == 5


def test_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --ui the second line is the page's URL, which --open gives to the browser."""
    asked, wanted = tmp_path / "asked", tmp_path / "browser"
    wanted.write_text(f'#!/bin/sh\necho "$1" > {asked}.part && mv {asked}.part {asked}\n')
    wanted.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(wanted))
    with serving("--ui", "--open", "--speed", "max") as (process, url):
        assert process.stdout is not None
        page = process.stdout.readline().strip()
        assert page == url.removesuffix("/v1") + "/ui/"
        with urllib.request.urlopen(page, timeout=10) as reply:
            assert b"<title>realtime-sync</title>" in reply.read()
        ends = time.monotonic() + 30
        while not asked.exists():
            assert time.monotonic() < ends
        assert asked.read_text() == f"{page}\n"


def test_a_brain_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --brain a chat-completions endpoint answers, asked for --model, with its own key."""
    monkeypatch.setenv("BRAIN_KEY", "canary-0815")
    with LocalServer(speed=None, api_key="canary-0815") as back:
        back.reply("I am the model.")
        options = ("--brain", back.url, "--model", "llama", "--brain-key-env", "BRAIN_KEY")
        with serving("--speed", "max", *options) as (process, url):
            with RealtimeSession(
                endpoint=Compatible(url, "any"), output_modalities=["text"]
            ) as session:
                assert session.ask("who are you?").text == "I am the model."
            process.terminate()
            output, errors = process.communicate(timeout=10)
        assert back.requests[0].body["model"] == "llama"
    assert "canary" not in output + errors


def test_a_brain_that_cannot_be(run: Run) -> None:
    """A URL that is none: exit code 1 and one line."""
    done = run("serve", "--brain", "localhost", "--model", "m")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: brain: 'localhost' is no URL")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--speed", "0"], ["--speed", "fast"], ["--speed", "nan"], ["--port", "70000"]),
        *(["extra"], ["--open"], ["--brain", "http://127.0.0.1/v1"], ["--model", "m"]),
        ["--transcription-model", "m"],
        ["--brain", "http://127.0.0.1/v1", "--model", "m", "--brain-key-env", "NOBODY_HAS_IT"],
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    """A speed or a port that cannot be, a brain without a model or a key: exit code 2."""
    done = run("serve", *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_port_in_use_is_one_line(run: Run) -> None:
    """Where it cannot listen: exit code 1 and one line."""
    with serving() as (_, url):
        port = url.removesuffix("/v1").rpartition(":")[2]
        done = run("serve", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: address already in use")
    assert done.stderr.endswith("; give another --port, or 0, which takes a free one\n")


def test_a_host_that_is_none(run: Run) -> None:
    """The error says which would do."""
    done = run("serve", "--host", "no such host")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("; give a --host of this machine, such as 127.0.0.1\n")
    assert done.stderr.count("\n") == 1
