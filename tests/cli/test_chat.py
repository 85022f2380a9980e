from __future__ import annotations

import subprocess
import sys

import pytest

from realtime_sync.local import LocalServer

from .conftest import Run

terminal = pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")


@pytest.fixture
def here(server: LocalServer) -> list[str]:
    """The options that name the test's server."""
    return ["--url", server.url, "--api-key", "any"]


def test_a_pipe_gets_the_replies_alone(run: Run, here: list[str]) -> None:
    """One reply a line said, empty lines skipped, the last line without its end taken too."""
    done = run("chat", *here, stdin="count to 2\n\n  \ncount to 3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1, 2.\n1, 2, 3.\n", "")


def test_quit_ends_it(run: Run, here: list[str]) -> None:
    """/quit ends the chat; what follows is not said."""
    done = run("chat", *here, stdin="count to 2\n/quit\ncount to 3\n")
    assert (done.returncode, done.stdout) == (0, "1, 2.\n")


def test_it_is_one_conversation(run: Run, here: list[str], server: LocalServer) -> None:
    """All lines go over one session."""
    run("chat", *here, stdin="count to 2\ncount to 3\n")
    kinds = [event["type"] for event in server.received]
    assert kinds == ["session.update", *["conversation.item.create", "response.create"] * 2]


def test_an_error_of_one_turn_is_shown_and_the_chat_goes_on(
    run: Run, here: list[str], server: LocalServer
) -> None:
    """The failed turn is one line on stderr; from a pipe the exit code is 1 at the end."""
    server.reply(RuntimeError("hiccups"))
    done = run("chat", *here, stdin="hello\ncount to 3\n")
    assert (done.returncode, done.stdout) == (1, "1, 2, 3.\n")
    assert done.stderr == "Error: the response failed: hiccups\n"


def test_a_lost_link_costs_a_turn(run: Run, here: list[str], server: LocalServer) -> None:
    """The next line is answered over another link; the exit code says that one was not."""
    server.script.cut(after=8)
    done = run("chat", *here, stdin="hello\ncount to 3\n")
    assert done.returncode == 1
    assert "3." in done.stdout
    said = done.stderr.splitlines()
    assert any(text.startswith("Error: ") for text in said)
    assert any("lost" in text and "making another" in text for text in said)
    assert len(said) == 2


def test_a_link_lost_for_good_ends_it(run: Run, here: list[str], server: LocalServer) -> None:
    """Without a link there is no chat: exit code 1."""
    server.script.close(4000, "no more of this", after=8)
    done = run("chat", *here, stdin="hello\ncount to 3\n")
    assert done.returncode == 1
    assert "3." not in done.stdout
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@terminal
def test_without_an_input_there_is_nothing_to_say(here: list[str]) -> None:
    """Started with its standard input closed: no line, no error."""
    code = "import os, sys; os.close(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, "-m", "realtime_sync", "chat", *here],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@terminal
def test_ctrl_c_gives_a_reply_up_and_at_the_prompt_ends_the_chat(
    here: list[str], server: LocalServer
) -> None:
    """During a reply Ctrl-C cancels it and the chat goes on; at the prompt it ends it with 0."""
    from .terminal import Terminal

    server.script.hold(after=8)
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("tell me a long story\r")
        term.expect("This is the first night.")
        term.type("\x03")
        term.expect("[given up]")
        term.expect("you ")
        term.type("count to 3\r")
        term.expect("model 1, 2, 3.")
        term.expect("you ")
        assert term.ended_by("\x03") == 0
    assert "response.cancel" in [event["type"] for event in server.received]
    assert "Traceback" not in term.text


@terminal
def test_a_person_reads_whole_words_behind_the_label(here: list[str], server: LocalServer) -> None:
    """On a terminal lines break between words, and what could steer it does not reach it."""
    from .terminal import Terminal

    server.reply("lorem ipsum dolor sit amet " * 5 + "\x1b]0;owned\x07end")
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("hello\r")
        term.expect("end")
        term.expect("you ")
        term.type("\x04")
        assert term.ended() == 0
    lines = term.text.split("model ", 1)[1].splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith("      ")
    assert set(lines[1].split()) <= {"lorem", "ipsum", "dolor", "sit", "amet"}
    assert "\x07" not in term.raw


@terminal
def test_an_error_is_shown_at_the_prompt(here: list[str], server: LocalServer) -> None:
    """A person sees the error and goes on; the exit code is then 0."""
    from .terminal import Terminal

    server.reply(RuntimeError("hiccups"))
    with Terminal("chat", *here) as term:
        term.expect("you ")
        term.type("hello\r")
        term.expect("Error: the response failed: hiccups")
        term.expect("you ")
        term.type("/quit\r")
        assert term.ended() == 0
