"""`--json`: standard output is lines of JSON, whatever else is printed meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer

from .conftest import Run
from .terminal import Terminal

LOUD = '''
import os
import subprocess
import sys

print("imported")


def price(fruit: str) -> float:
    """What a fruit costs, in euros."""
    print("asked for", fruit)
    os.write(1, b"as C code prints\\n")
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
    return 3.5
'''
PRINTED = "imported\nasked for pears\nas C code prints\na child\n"


@pytest.fixture
def here(tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that lead to the server, with a tool that prints."""
    monkeypatch.setenv("SHOP_KEY", "any")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loudshop.py").write_text(LOUD, encoding="utf-8")
    place = {"type": "compatible", "base_url": server.url, "api_key_env": "SHOP_KEY"}
    table = {"endpoint": place, "tools": ["loudshop:price"]}
    (tmp_path / "agent.json").write_text(json.dumps(table), encoding="utf-8")
    return ["--config", "agent.json"]


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_what_tools_print_is_on_stderr(
    run: Run, here: list[str], server: LocalServer, command: str
) -> None:
    """What they print on import and while they run, natively too, and what their children do."""
    server.reply(server.call("price", fruit="pears"), "3.50.")
    asked = ("How much are pears?",) if command == "ask" else ()
    done = run(command, *asked, *here, "--json", stdin="How much are pears?\n")
    assert (done.returncode, done.stderr) == (0, PRINTED)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["text"] == "3.50."


def test_without_it_tools_print_as_ever(run: Run, here: list[str], server: LocalServer) -> None:
    """What they say is there among the text."""
    server.reply(server.call("price", fruit="pears"), "3.50.")
    done = run("ask", "How much are pears?", *here)
    assert done.returncode == 0
    assert done.stdout == PRINTED + "3.50.\n"


@pytest.mark.parametrize("command", ["doctor", "transcribe", "translate"])
def test_each_command_keeps_them_apart(run: Run, here: list[str], command: str) -> None:
    """Nothing but JSON is on standard output, whichever command has imported the tools."""
    write_wav("said.wav", b"\x10\x20\xf0\xdf" * 9000, 24000)
    more = ("--no-devices",) if command == "doctor" else ("said.wav",)
    done = run(command, *more, *here, "--json")
    assert done.stderr.startswith("imported\n")
    lines = done.stdout.splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_lines_are_utf8_wherever(run: Run, here: list[str], server: LocalServer) -> None:
    """JSON is UTF-8; half a surrogate pair stays what it was. A terminal's encoding spoils none."""
    server.reply("3.50 € \ud83d")
    done = run("ask", "How much?", *here, "--json", PYTHONIOENCODING="ascii")
    assert "€" in done.stdout
    assert json.loads(done.stdout)["text"] == "3.50 € \ud83d"


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """A pipe that closes ends the command without a word."""
    header = {"format": "realtime_sync recording", "version": 1, "time": 0.0, "audio": False}
    entry = {"at": 0.0, "time": 0.0, "direction": "received", "event": {"type": "x" * 9000}}
    lines = [json.dumps(header), *[json.dumps(entry)] * 100]
    (tmp_path / "long.jsonl").write_text("\n".join(lines), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "realtime_sync", "replay", "long.jsonl", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["line"] == 2
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(10) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs: POSIX's shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed(here: list[str], closed: str) -> None:
    """Without standard output there is nobody to tell; without stderr what tools print is lost."""
    command = f'exec "{sys.executable}" -m realtime_sync ask "count to 2" {" ".join(here)} --json'
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    assert ("1, 2." in done.stdout) == (closed == "2>&-")
    assert "imported" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs: a pseudo-terminal")
def test_on_a_terminal_lines_and_progress_share_it(here: list[str], tmp_path: Path) -> None:
    """Each file's line is whole, above the bar that is drawn again and again."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in ("a", "b"):
        write_wav(folder / f"{name}.wav", b"\x10\x20\xf0\xdf" * 9000, 24000)
    with Terminal("transcribe", str(folder), *here, "--json", columns=200) as terminal:
        assert terminal.ended() == 0
    told = [line for line in terminal.text.splitlines() if '"file"' in line]
    assert len(told) == 2
    assert all(line[line.index("{") :].rstrip().endswith("}") for line in told)
