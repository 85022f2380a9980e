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
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import AuthenticationError, ConfigurationError
from .failures import show_events

if TYPE_CHECKING:
    from ..living import Living
    from ..runtime.endpoints import Endpoint
    from ..session import RealtimeSession

S = TypeVar("S", bound="Living")

__all__ = ["Target", "server_options", "target_options"]


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
        with self.connected(
            lambda endpoint: RealtimeSession(self.model, endpoint=endpoint, **fields)
        ) as session:
            yield session

    @contextmanager
    def connected(self, make: Callable[[Endpoint], S]) -> Iterator[S]:
        """As `opened`, for a session of another kind, which `make` makes of the endpoint."""
        with ExitStack() as stack:
            try:
                session = make(self._endpoint(stack))
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
        click.echo(self.notice(), err=True)
        return server.endpoint

    def notice(self) -> str:
        """What is said where the embedded server answers."""
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
    click.option("-v", "--verbose", is_flag=True, help="Show every event on stderr."),
)
_MODEL_OPTIONS = (
    click.option("--model", metavar="NAME", help="Else REALTIME_SYNC_MODEL, else the default."),
    click.option("--instructions", metavar="TEXT", help="How the model is to behave."),
)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say whom to talk to; it takes them as one `Target`."""
    return _optioned(command, (*_OPTIONS[:-1], *_MODEL_OPTIONS, _OPTIONS[-1]))


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """As `target_options`, for sessions whose model gives no answers."""
    own = click.option("--model", metavar="NAME", help="Else the session's default.")
    return _optioned(command, (*_OPTIONS[:-1], own, _OPTIONS[-1]))


def _optioned(command: Callable[..., None], options: tuple[Any, ...]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(
        *,
        url: str | None,
        given: str | None,
        variable: str | None,
        model: str | None,
        verbose: bool,
        instructions: str | None = None,
        **rest: Any,
    ) -> None:
        show_events(verbose)
        command(Target(url, _key(given, variable), model, instructions), **rest)

    made: Callable[..., None] = run
    for option in reversed(options):
        made = option(made)
    return made


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
