"""Whom `chat` and `ask` talk to, and with which key.

Three rules keep a key where it belongs. `OPENAI_API_KEY` goes to OpenAI, or to what
`OPENAI_BASE_URL` names, and never to `--url`. `--url` gets a key only if one is asked for, by
`--api-key` or `--api-key-env`. Without a key and without `--url` nothing leaves the machine: the
embedded server answers, and one line on stderr says so. The library itself never falls back.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ..errors import AuthenticationError, ConfigurationError
from .failures import show_events

if TYPE_CHECKING:
    from ..runtime.endpoints import Endpoint
    from ..session import RealtimeSession

__all__ = ["Target", "target_options"]


#: What the library calls a setting, and what the command line does.
_OPTION_OF = {
    "api_key": "the key",  # from one of two options
    "base_url": "--url",
    "instructions": "--instructions",
    "model": "--model",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect to, and what to ask for there.

    Attributes:
        url: A server's base URL; None: OpenAI or `OPENAI_BASE_URL`, or the embedded server.
        key: The key that was asked for explicitly; None: none was.
        model: None: the library's default.
        instructions: None: the server's.
    """

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    model: str | None = None
    instructions: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the embedded server is to answer: there is neither a URL nor a key."""
        if self.url is not None or self.key is not None:
            return False
        return not os.environ.get("OPENAI_API_KEY", "").strip()

    @contextmanager
    def opened(self, **fields: Any) -> Iterator[RealtimeSession]:
        """A session with this target, open for the block.

        Args:
            fields: More of `RealtimeSession`'s arguments.

        Raises:
            RealtimeError: As `RealtimeSession.open`; one more sentence where a key is missing.
            click.UsageError: An option has a value that cannot be.
        """
        from ..session import RealtimeSession

        if self.instructions is not None:
            fields["instructions"] = self.instructions
        with ExitStack() as stack:
            try:
                endpoint = self._endpoint(stack)
                session = RealtimeSession(self.model, endpoint=endpoint, **fields)
            except ConfigurationError as exc:
                _blame_option(exc)
                raise
            try:
                stack.enter_context(session)
            except AuthenticationError as exc:
                raise self._with_cure(exc) from exc
            yield session

    def _endpoint(self, stack: ExitStack) -> Endpoint:
        from ..runtime.endpoints import Compatible, OpenAI

        if self.url is not None:
            return Compatible(self.url, self.key)
        if not self.embedded:
            return OpenAI(self.key)
        from ..local import LocalServer

        server = stack.enter_context(LocalServer())
        click.echo(self._notice(), err=True)
        return server.endpoint

    def _notice(self) -> str:
        unused = ", so OPENAI_BASE_URL is not used" if os.environ.get("OPENAI_BASE_URL") else ""
        return (
            f"No OPENAI_API_KEY and no --url{unused}: the embedded server answers, "
            "by rules and without a model."
        )

    def _with_cure(self, error: AuthenticationError) -> AuthenticationError:
        if self.url is None or self.key is not None:
            return error
        return AuthenticationError(
            f"{error}; no key was sent: --url gets one only by --api-key or --api-key-env",
            status=error.status,
            body=error.body,
        )


def _blame_option(error: ConfigurationError) -> None:
    """Says it in the words of the command line.

    Raises:
        click.UsageError: It is about an option.
    """
    name, _, rest = str(error).partition(": ")
    if name in _OPTION_OF:
        raise click.UsageError(f"{_OPTION_OF[name]}: {rest}") from error


_OPTIONS = (
    click.option(
        "--url",
        metavar="URL",
        help="Another server that speaks the protocol, e.g. http://127.0.0.1:8000/v1. "
        "OPENAI_API_KEY is not sent there.",
    ),
    click.option(
        "--api-key",
        "given",
        metavar="KEY",
        help="Send this key. Others on this machine can see it while the command runs: "
        "for real keys use --api-key-env.",
    ),
    click.option(
        "--api-key-env",
        "variable",
        metavar="NAME",
        help="Send the key that this environment variable holds.",
    ),
    click.option("--model", metavar="NAME", help="Else REALTIME_SYNC_MODEL, else the default."),
    click.option("--instructions", metavar="TEXT", help="How the model is to behave."),
    click.option("-v", "--verbose", is_flag=True, help="Show every event on stderr."),
)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say whom to talk to; it takes them as one `Target`."""

    @functools.wraps(command)
    def run(
        *,
        url: str | None,
        given: str | None,
        variable: str | None,
        model: str | None,
        instructions: str | None,
        verbose: bool,
        **rest: Any,
    ) -> None:
        show_events(verbose)
        command(Target(url, _key(given, variable), model, instructions), **rest)

    options: Callable[..., None] = run
    for option in reversed(_OPTIONS):
        options = option(options)
    return options


def _key(given: str | None, variable: str | None) -> str | None:
    """The key that was asked for explicitly.

    Raises:
        click.UsageError: Two keys, or a variable that holds none.
    """
    if variable is None:
        return given
    if given is not None:
        raise click.UsageError("--api-key and --api-key-env are two keys: give one")
    found = os.environ.get(variable, "").strip()
    if not found:
        raise click.UsageError(f"--api-key-env: the variable {variable} is not set, or empty")
    return found
