"""`realtime-sync serve`: the embedded server alone."""

from __future__ import annotations

import math
import signal

import click

from .failures import reported, show_events

__all__ = ["serve"]


def _speed(_context: click.Context, _option: click.Parameter, given: str) -> float | None:
    """A positive number, or "max": None, no pacing."""
    if given == "max":
        return None
    try:
        speed = float(given)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise click.BadParameter(f'{given!r} is neither a positive number nor "max"')
    return speed


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen. 0.0.0.0 lets the whole network in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--speed",
    callback=_speed,
    default="1",
    show_default=True,
    metavar="N|max",
    help="Times the pace of the real service; max: no pacing.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help="Accept this key only. Otherwise any key will do, but there must be one, as with OpenAI.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show what happens on stderr.")
@reported
def serve(host: str, port: int, speed: float | None, api_key: str | None, verbose: bool) -> None:
    """Run the embedded server until Ctrl-C or SIGTERM.

    It speaks the Realtime protocol and answers by rules, without a model; for trying programs out,
    in any language, without a key. The first line of its output is its URL.

    \b
    Example:
      realtime-sync serve --port 8000
      realtime-sync chat --url http://127.0.0.1:8000/v1 --api-key any
      OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any python samples/hello.py
    """
    from ..local import LocalServer

    show_events(verbose)
    # SIGTERM ends it the way Ctrl-C does: links are told goodbye
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = LocalServer(host=host, port=port, speed=speed, api_key=api_key)
    try:
        server.start()
        click.echo(server.url)
        if host in ("", "0.0.0.0", "::"):
            click.echo("others reach it at an address of this machine, same port", err=True)
        wanted = "any" if api_key is None else "KEY"
        click.echo(f"try: realtime-sync chat --url {server.url} --api-key {wanted}", err=True)
        _wait()
    except KeyboardInterrupt:
        # impatience would leave the rest of the links without a goodbye; close() is bounded
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        server.close()


def _wait() -> None:
    """Until a signal raises."""
    from ..runtime.clock import Deadline, Signal

    forever = Signal()
    # in turns: on Windows a wait without end does not hear Ctrl-C
    while not forever.wait(Deadline(1)):
        pass
