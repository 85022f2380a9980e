"""Tool calls, as those see them who ask, chat and talk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.cli.calls import called, ended
from realtime_sync.events.local import ToolFinished
from realtime_sync.local import LocalServer

from .conftest import Run

terminal = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")

SHOP = '''
from realtime_sync import tool

def price(fruit: str) -> float:
    """What a fruit costs, in euros."""
    return {"pears": 3.5}[fruit]

@tool(needs_approval=True)
def pay(euros: float) -> str:
    """Pay."""
    return f"paid {euros}"
'''


@pytest.fixture
def here(tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options for the server, with a file that names two tools."""
    (tmp_path / "fruitshop.py").write_text(SHOP, encoding="utf-8")
    file = tmp_path / "agent.json"
    file.write_text(json.dumps({"tools": ["fruitshop:price", "fruitshop:pay"]}))
    return ["--config", str(file), "--url", server.url, "--api-key", "any"]


def finished(output: str = "3.5", error: object = None, seconds: float = 0.012) -> ToolFinished:
    """The event."""
    return ToolFinished(call_id="c", name="price", output=output, error=error, seconds=seconds)


def test_a_call_in_a_line() -> None:
    """As Python writes it; what is long is cut, and nothing in it steers a terminal."""
    assert called("price", {"fruit": "pears", "cups": 2}) == 'price(fruit="pears", cups=2)'
    assert called("price", "{broken") == "price({broken)"
    assert called("price", None) == "price()"
    long = called("price", {"fruit": "x" * 200})
    assert len(long) < 80
    assert long.endswith("…)")
    assert "\x1b" not in called("price", {"fruit": "\x1b[31m", "\x1bx": 1})
    assert ended(finished()) == "→ 3.5  12 ms"
    assert ended(finished(seconds=2.34)) == "→ 3.5  2.3 s"
    assert ended(finished(error=KeyError("plums"))) == "✗ 'plums'  12 ms"


def test_through_a_pipe(run: Run, here: list[str], server: LocalServer) -> None:
    """The reply alone is standard output; a line on stderr has the call and its outcome."""
    server.reply(server.call("price", fruit="pears"), "3.50.")
    done = run("ask", "How much are pears?", *here)
    assert (done.returncode, done.stdout) == (0, "3.50.\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith('tool  price(fruit="pears") → 3.5  ')
    assert line.endswith(" ms")


def test_a_tool_that_fails(run: Run, here: list[str], server: LocalServer) -> None:
    """Its error is in the line, and the reply comes all the same."""
    server.reply(server.call("price", fruit="plums"), "None today.")
    done = run("chat", *here, stdin="How much are plums?\n")
    assert (done.returncode, done.stdout) == (0, "None today.\n")
    assert done.stderr.startswith("tool  price(fruit=\"plums\") ✗ tool_failed: KeyError: 'plums'  ")


def test_a_call_that_nobody_may_approve(run: Run, here: list[str], server: LocalServer) -> None:
    """Through a pipe there is nobody to ask: it is rejected at once, and told."""
    server.reply(server.call("pay", euros=3.5), "I may not.")
    done = run("chat", *here, stdin="Pay!\n")
    assert (done.returncode, done.stdout) == (0, "I may not.\n")
    assert done.stderr.startswith("tool  pay(euros=3.5) ")


@terminal
def test_on_a_terminal(here: list[str], server: LocalServer) -> None:
    """The call stands in a line of its own, its outcome behind it; the reply follows."""
    from .terminal import Terminal

    server.reply(["Let me see.", server.call("price", fruit="pears")], "They are 3.50.")
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("How much are pears?\r")
        term.expect('tool  price(fruit="pears")')
        term.expect(" → 3.5  ")
        term.expect("\nmodel They are 3.50.\n")
        term.expect("you ")
        term.type("\x04")
        assert term.ended() == 0


@terminal
@pytest.mark.parametrize(("answer", "outcome"), [("y", "→ paid 3.5"), ("n", "✗ ")])
def test_a_person_is_asked(here: list[str], server: LocalServer, answer: str, outcome: str) -> None:
    """A call that needs approval waits for the person at the prompt."""
    from .terminal import Terminal

    server.reply(server.call("pay", euros=3.5), "So be it.")
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("Pay!\r")
        term.expect("may I  pay(euros=3.5)? [y/N] ")
        term.type(f"{answer}\r")
        term.expect(outcome)
        term.expect("model So be it.")
        term.expect("you ")
        term.type("\x04")
        assert term.ended() == 0


@terminal
def test_a_person_who_gives_no_answer(here: list[str], server: LocalServer) -> None:
    """Ctrl-D rejects the call; what comes next stands on a line of its own."""
    from .terminal import Terminal

    server.reply(server.call("pay", euros=3.5), "So be it.")
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("Pay!\r")
        term.expect("may I  pay(euros=3.5)? [y/N] ")
        term.type("\x04")
        term.expect("\ntool  pay(euros=3.5)")
        term.expect("✗ ")
        term.expect("you ")
        term.type("\x04")
        assert term.ended() == 0


def test_a_talk(run: Run, here: list[str], server: LocalServer, tmp_path: Path) -> None:
    """What tools did is told between what both said, on stderr where it is piped."""
    write_wav(tmp_path / "said.wav", b"\x10\x20\xf0\xdf" * 9000, 24000)
    server.reply(server.call("price", fruit="pears"), "3.50.")
    paths = ("--input", str(tmp_path / "said.wav"), "--output", str(tmp_path / "heard.wav"))
    done = run("talk", *here, *paths)
    assert done.returncode == 0, done.stderr
    assert 'tool  price(fruit="pears") → 3.5  ' in done.stderr
    assert "model: 3.50." in done.stdout


def test_a_turn_as_json(run: Run, here: list[str], server: LocalServer) -> None:
    """ask tells the whole turn in one line: text, status, calls, timings, tokens."""
    server.reply(server.call("price", fruit="pears"), "3.50 €.")
    done = run("ask", "How much are pears?", *here, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["text"], told["status"], told["error"]) == ("3.50 €.", "completed", None)
    (call,) = told["calls"]
    assert (call["name"], call["arguments"], call["output"]) == ("price", {"fruit": "pears"}, "3.5")
    assert call["error"] is None
    assert 0 <= told["first_text"] <= told["seconds"]
    assert told["usage"]["total_tokens"] > 0


def test_a_failure_as_json(run: Run, here: list[str], server: LocalServer) -> None:
    """A turn that failed is told, with what came of it; in a chat the next one follows."""
    server.reply(["Hel", RuntimeError("hiccups")], "Hello.")
    done = run("chat", *here, "--json", stdin="hi\nhi again\n")
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["text"], first["status"]) == ("Hel", "failed")
    assert "hiccups" in first["error"]
    assert (second["text"], second["error"]) == ("Hello.", None)
    assert done.stderr.count("hiccups") == 1
