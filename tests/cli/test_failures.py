from __future__ import annotations

import click
import pytest

from realtime_sync.cli.failures import line, reported
from realtime_sync.errors import ConnectionLost, RealtimeError


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
