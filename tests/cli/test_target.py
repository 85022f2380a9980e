from __future__ import annotations

import pytest

from realtime_sync.cli.target import Target
from realtime_sync.local import LocalServer

from .conftest import Run

CANARY = "canary-4711-do-not-show"


def test_without_key_and_url_the_embedded_server_answers(run: Run) -> None:
    """One line on stderr says so; stdout has the reply alone."""
    done = run("ask", "hello")
    assert done.returncode == 0
    assert done.stdout == 'Hello! You said: "hello". How can I help you?\n'
    assert done.stderr.count("\n") == 1
    assert "embedded server" in done.stderr
    assert "OPENAI_API_KEY" in done.stderr


def test_a_base_url_without_a_key_is_not_used_silently(run: Run) -> None:
    """OPENAI_BASE_URL alone does not decide where to connect, and the user is told."""
    done = run("ask", "hello", OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert done.returncode == 0
    assert "OPENAI_BASE_URL is not used" in done.stderr


def test_a_key_goes_to_the_base_url(run: Run, server: LocalServer) -> None:
    """With OPENAI_API_KEY and OPENAI_BASE_URL that server is asked, without a word on stderr."""
    done = run("ask", "hello", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=CANARY)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.received


def test_the_environments_key_never_goes_to_a_url(run: Run, server: LocalServer) -> None:
    """--url gets no key by itself; the refusal says how it gets one."""
    done = run("ask", "hello", "--url", server.url, OPENAI_API_KEY=CANARY)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no key was sent" in done.stderr
    assert "--api-key-env" in done.stderr
    assert not server.received


@pytest.mark.parametrize(
    ("options", "env"),
    [(["--api-key", CANARY], {}), (["--api-key-env", "SPARE_KEY"], {"SPARE_KEY": CANARY})],
)
def test_a_url_gets_the_key_that_is_asked_for(
    run: Run, options: list[str], env: dict[str, str]
) -> None:
    """--api-key and --api-key-env send their key to --url."""
    with LocalServer(speed=None, api_key=CANARY) as server:
        done = run("ask", "count to 2", "--url", server.url, *options, **env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1, 2.\n", "")


@pytest.mark.parametrize(
    "options", [["--api-key", "a", "--api-key-env", "HOME"], ["--api-key-env", "NO_SUCH_VARIABLE"]]
)
def test_two_keys_or_an_unset_variable_are_wrong_usage(run: Run, options: list[str]) -> None:
    """Exit code 2: nobody is asked."""
    done = run("ask", "hello", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--api-key-env" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--url", "ftp://a"], "Error: --url: it must begin with"),
        (["--url", "http://127.0.0.1:1", "--api-key", "a b"], "Error: the key: it holds spaces"),
        (["--model", ""], "Error: --model: a name is needed"),
    ],
)
def test_an_option_that_cannot_be_is_named(run: Run, options: list[str], said: str) -> None:
    """Wrong usage speaks of the options, not of the library's arguments."""
    done = run("ask", "hello", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_model_and_the_instructions_are_sent(run: Run, server: LocalServer) -> None:
    """--model and --instructions reach the server."""
    options = ["--model", "gpt-x", "--instructions", "Rhyme.", "--api-key", "any", "--verbose"]
    done = run("ask", "hello", "--url", server.url, *options)
    assert done.returncode == 0
    assert server.received[0]["session"]["instructions"] == "Rhyme."
    assert "> session.update" in done.stderr
    assert "< response.done" in done.stderr


def test_a_target_does_not_show_its_key() -> None:
    """The key is not in the repr."""
    assert CANARY not in repr(Target("http://localhost", CANARY))


@pytest.mark.parametrize(
    "url", ["STRICT", "LAX", "http://127.0.0.1:1", "http://example.invalid", "nonsense"]
)
def test_no_output_ever_holds_a_key(run: Run, url: str) -> None:
    """Whatever becomes of the link, with --verbose too, neither stream shows a key."""
    with LocalServer(speed=None, api_key="another") as strict, LocalServer(speed=None) as lax:
        where = {"STRICT": strict.url, "LAX": lax.url}.get(url, url)
        done = run("ask", "hello", "--url", where, "--api-key", CANARY, "--verbose")
    shown = done.stdout + done.stderr
    assert shown
    assert CANARY not in shown


def test_no_key_from_the_environment_is_shown(run: Run, server: LocalServer) -> None:
    """Nor one that nobody has typed, and none of a server's own."""
    port = server.url.removesuffix("/v1").rpartition(":")[2]
    for done in (
        run("chat", "-v", stdin="hi\n", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=CANARY),
        run("serve", "-v", "--port", port, "--api-key", CANARY),
    ):
        shown = done.stdout + done.stderr
        assert shown
        assert CANARY not in shown
