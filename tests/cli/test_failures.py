from __future__ import annotations

import click
import pytest

from realtime_sync.cli.failures import line, reported
from realtime_sync.errors import ConnectionLost, RealtimeError

from .terminal import Terminal


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RealtimeError("two\n lines"), "two lines"),
        (
            FileNotFoundError(2, "No such file or directory", "a.wav"),
            "a.wav: no such file or directory",
        ),
        (OSError(98, "Address already in use"), "address already in use"),
        (ConnectionLost("the link broke", code=1006), "the link broke"),
        (ValueError(), "ValueError"),
        (ValueError("a\x1b[0mb"), "a\N{REPLACEMENT CHARACTER}[0mb"),
    ],
)
def test_an_error_is_one_printable_line(error: Exception, said: str) -> None:
    """Line breaks and escapes do not get through; the system's errors name the file."""
    assert line(error) == said


@pytest.mark.parametrize("error", [RealtimeError("no"), OSError("no"), ValueError("no")])
def test_what_can_go_wrong_ends_a_command_with_one_line(error: Exception) -> None:
    """Errors of the library, the system and the arguments become click's."""

    @reported
    def command() -> None:
        raise error

    with pytest.raises(click.ClickException, match=r"^no$"):
        command()


@pytest.mark.parametrize("error", [BrokenPipeError(), KeyError("bug")])
def test_the_rest_passes(error: Exception) -> None:
    """A reader that has gone is click's business, a bug of ours keeps its traceback."""

    @reported
    def command() -> None:
        raise error

    with pytest.raises(type(error)):
        command()


@pytest.mark.parametrize("columns", [40, 70])
def test_a_terminal_breaks_no_word(columns: int) -> None:
    """An error that is longer than a line goes on in the next one, and can be read."""
    options = ["--url", "http://127.0.0.1:1/v1", "--api-key", "any"]
    with Terminal("ask", "Hello!", *options, columns=columns) as term:
        assert term.ended() == 1
        lines = term.text.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= columns
    assert "the connection to 127.0.0.1:1 was refused" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("command", [[], ["talk"], ["doctor"]])
def test_help_fits(command: list[str]) -> None:
    """A terminal of 80 columns breaks no line of it."""
    with Terminal(*command, "--help", columns=80) as term:
        assert term.ended() == 0
        assert max(map(len, term.text.splitlines())) <= 80
