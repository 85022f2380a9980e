"""Whom a command talks to, with which key, and what a file says of it.

What the command line says beats the file of --config. Three rules keep a key where it belongs.
`OPENAI_API_KEY` goes to OpenAI, or to what `OPENAI_BASE_URL` names, and never to `--url`. `--url`
gets a key only if one is asked for, by `--api-key` or `--api-key-env`. Without a key, without
`--url` and without a place in the file nothing leaves the machine: the embedded server answers, and
one line on stderr says so. The library itself never falls back.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import AuthenticationError, ConfigurationError
from .failures import Failure, lines, show_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..configuration import Config
    from ..living import Living
    from ..runtime.endpoints import Endpoint
    from ..session import RealtimeSession

S = TypeVar("S", bound="Living")

__all__ = ["Target", "config_option", "device_of", "server_options", "target_options"]


#: What the library calls a setting, and what the command line does.
_OPTION_OF = {
    "api_key": "the key",  # from one of two options
    "base_url": "--url",
    "instructions": "--instructions",
    "model": "--model",
}

#: What a file may say of where to connect to.
_PLACES = ("endpoint", "base_url", "api_key")
#: A name that is surely no key.
_SHOWN = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect to, and what to ask for there.

    Attributes:
        url: A server's base URL; None: OpenAI or `OPENAI_BASE_URL`, or the embedded server.
        key: The key that was asked for explicitly; None: none was.
        model: None: the library's default.
        instructions: None: the server's.
        config: What the file of --config says; the others beat it. None: there is none.
    """

    url: str | None = None
    key: str | None = field(default=None, repr=False)
    model: str | None = None
    instructions: str | None = None
    config: Config | None = None

    @property
    def embedded(self) -> bool:
        """Whether the embedded server is to answer: there is neither a URL nor a key."""
        if self.url is not None or self.key is not None or self.placed:
            return False
        return not os.environ.get("OPENAI_API_KEY", "").strip()

    @property
    def placed(self) -> bool:
        """Whether the file says where to connect to."""
        return self.config is not None and any(name in self.config for name in _PLACES)

    @property
    def talk(self) -> dict[str, Any]:
        """What the file says of microphone and loudspeaker."""
        return {} if self.config is None else self.config.talk

    @contextmanager
    def opened(
        self,
        unless: Mapping[str, Any] | None = None,
        *,
        ready: Callable[[], None] | None = None,
        **fields: Any,
    ) -> Iterator[RealtimeSession]:
        """A session with this target, open for the block.

        Args:
            unless: Arguments of `RealtimeSession`, unless the file says others.
            ready: Called when all is there, and the session is about to open.
            fields: More of them, whatever the file says.

        Raises:
            RealtimeError: As `RealtimeSession.open`; one more sentence where a key is missing.
            click.UsageError: An option has a value that cannot be.
        """
        from ..session import RealtimeSession

        told: dict[str, Any] = {"model": self.model, "instructions": self.instructions}
        told = {name: value for name, value in told.items() if value is not None}
        arguments = {**(unless or {}), **self._said(), **fields, **told}
        with self.connected(
            lambda **link: RealtimeSession(**{**arguments, "endpoint": link["endpoint"]}), ready
        ) as session:
            yield session

    @contextmanager
    def connected(
        self, make: Callable[..., S], ready: Callable[[], None] | None = None
    ) -> Iterator[S]:
        """As `opened`, for a session of another kind.

        Args:
            make: Makes it of the endpoint, and of what the file says of the link, given by name.
            ready: As of `opened`.
        """
        with ExitStack() as stack:
            try:
                session = make(**self._link(), endpoint=self._endpoint(stack))
            except ConfigurationError as exc:
                _blame_option(exc)
                raise
            if ready is not None:
                ready()
            try:
                stack.enter_context(session)
            except AuthenticationError as exc:
                raise self._with_cure(exc) from exc
            yield session

    def _said(self) -> dict[str, Any]:
        """What the file says, but for where to."""
        config = self.config
        return {} if config is None else {n: config[n] for n in config if n not in _PLACES}

    def _link(self) -> dict[str, Any]:
        """What it says of the link, whatever kind of session that is of."""
        names = ("proxy", "reconnect", "ping_interval", "max_message_size")
        config = self.config
        return {} if config is None else {name: config[name] for name in names if name in config}

    def _endpoint(self, stack: ExitStack) -> Endpoint | Sequence[Endpoint]:
        from ..runtime.endpoints import Compatible, OpenAI

        if self.url is not None:
            return Compatible(self.url, self.key)
        if self.config is not None and self.placed:
            return self._place(self.config)
        if not self.embedded:
            return OpenAI(self.key)
        from ..local import LocalServer

        server = stack.enter_context(LocalServer())
        click.echo(self.notice(), err=True)
        return server.endpoint

    def _place(self, config: Config) -> Endpoint | Sequence[Endpoint]:
        from ..runtime.endpoints import OpenAI

        if "endpoint" in config:
            if self.key is not None:
                raise click.UsageError(
                    f"{config.source} says at which endpoint, and its key: give --url with yours"
                )
            place: Endpoint | Sequence[Endpoint] = config["endpoint"]
            return place
        given = {name: config[name] for name in ("base_url", "api_key") if name in config}
        return OpenAI(**(given if self.key is None else {**given, "api_key": self.key}))

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
_CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False),
    envvar="REALTIME_SYNC_CONFIG",
    metavar="FILE",
    help="Take what the command line does not say from this TOML or JSON file, as load_config "
    "reads it; else REALTIME_SYNC_CONFIG names it.",
)
_MODEL_OPTIONS = (
    click.option("--model", metavar="NAME", help="Else REALTIME_SYNC_MODEL, else the default."),
    click.option("--instructions", metavar="TEXT", help="How the model is to behave."),
)


def device_of(given: str | None) -> int | str | None:
    """A device as an option names it: by number, or by a part of its name."""
    return int(given) if given is not None and given.isdecimal() else given


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say whom to talk to; it takes them as one `Target`."""
    return _optioned(command, (_CONFIG, *_OPTIONS[:-1], *_MODEL_OPTIONS, _OPTIONS[-1]))


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """As `target_options`, for sessions whose model gives no answers."""
    own = click.option("--model", metavar="NAME", help="Else the session's default.")
    return _optioned(command, (_CONFIG, *_OPTIONS[:-1], own, _OPTIONS[-1]))


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that talks to nobody the option --config alone, as a `Target`."""

    @functools.wraps(command)
    def run(*, config_file: str | None, **rest: Any) -> None:
        command(Target(config=_loaded(config_file)), **rest)

    made: Callable[..., None] = _CONFIG(run)
    return made


def _optioned(command: Callable[..., None], options: tuple[Any, ...]) -> Callable[..., None]:
    @functools.wraps(command)
    def run(
        *,
        config_file: str | None,
        url: str | None,
        given: str | None,
        variable: str | None,
        model: str | None,
        verbose: bool,
        instructions: str | None = None,
        **rest: Any,
    ) -> None:
        show_events(verbose)
        key = _key(given, variable)
        command(Target(url, key, model, instructions, _loaded(config_file)), **rest)

    made: Callable[..., None] = run
    for option in reversed(options):
        made = option(made)
    return made


def _loaded(path: str | None) -> Config | None:
    """What the file says.

    Raises:
        click.ClickException: What is wrong with it, a line each.
    """
    if path is None:
        return None
    from ..configuration import load_config

    # its tools may stand beside it, or in the current folder, as for `python -m`
    for folder in (os.path.dirname(os.path.abspath(path)), os.getcwd()):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return load_config(path)
    except ConfigurationError as exc:
        raise Failure(lines(exc)) from exc


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
        # what looks like no name of a variable may be the key itself
        named = f"the variable {variable}" if _SHOWN.fullmatch(variable) else "that variable"
        raise click.UsageError(
            f"--api-key-env: {named} is not set, or empty; give the name of one that holds the key"
        )
    return found
