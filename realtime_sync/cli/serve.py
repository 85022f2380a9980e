"""`realtime-sync serve`: the embedded server alone."""

from __future__ import annotations

import errno
import math
import os
import signal
import webbrowser
from typing import TYPE_CHECKING

import click

from .failures import Failure, line, reported, show_events

if TYPE_CHECKING:
    from ..local import ChatModel, LocalServer

__all__ = ["serve", "speed_of"]


def speed_of(_context: click.Context, _option: click.Parameter, given: str) -> float | None:
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


@click.command(short_help="Run the embedded server.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen. 0.0.0.0 lets the whole network in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="0 takes a free one.",
)
@click.option(
    "--speed",
    callback=speed_of,
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
@click.option(
    "--brain",
    metavar="URL",
    help="Answer by the language model behind this chat-completions endpoint, e.g. "
    "http://127.0.0.1:11434/v1, instead of by rules.",
)
@click.option("--model", metavar="NAME", help="The model to ask for at --brain.")
@click.option(
    "--transcription-model",
    metavar="NAME",
    help="Have --brain write down what the user says, by this model, at /audio/transcriptions.",
)
@click.option(
    "--brain-key-env",
    metavar="NAME",
    help="Send --brain the key in this environment variable. Otherwise none is sent.",
)
@click.option(
    "--ui",
    is_flag=True,
    help="Have a web page, too: sessions, events, waveforms and timings, live. The second line of "
    "the output is its URL. It asks for no key.",
)
@click.option("--open", "opens", is_flag=True, help="Open that page in the browser.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Show connections, turns and REST calls on stderr, a line each.",
)
@reported
def serve(
    host: str,
    port: int,
    speed: float | None,
    api_key: str | None,
    brain: str | None,
    model: str | None,
    transcription_model: str | None,
    brain_key_env: str | None,
    ui: bool,
    opens: bool,
    verbose: bool,
) -> None:
    """Run the embedded server until Ctrl-C or SIGTERM.

    It speaks the Realtime protocol and answers by rules, without a model; for trying programs out,
    in any language, without a key. The first line of its output is its URL. Text clients find
    /chat/completions, /responses and the Assistants API there, answered by the same rules.

    With --brain it turns a language model into a realtime voice server: text and tool calls pass
    through, answers are spoken sentence by sentence in the server's own voice, and who interrupts
    it ends the request. Speech of the user is written down by --transcription-model; without one it
    is sent on as sound, to models that take it.

    \b
    Examples:
      realtime-sync serve --port 8000
      realtime-sync chat --url http://127.0.0.1:8000/v1 --api-key any
      OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any python samples/hello.py
      realtime-sync serve --port 8000 --ui --open
      realtime-sync serve --brain http://127.0.0.1:11434/v1 --model llama3.2
    """
    from ..local import LocalServer

    if opens and not ui:
        raise click.UsageError("--open is for --ui: give that too")
    show_events(verbose)
    # SIGTERM ends it the way Ctrl-C does: links are told goodbye
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = _brain(brain, model, transcription_model, brain_key_env)
    server = LocalServer(host=host, port=port, speed=speed, api_key=api_key, brain=chosen, ui=ui)
    try:
        _start(server, port)
        click.echo(server.url)
        if ui:
            click.echo(server.ui_url)
        if host in ("", "0.0.0.0", "::"):
            click.echo("others reach it at an address of this machine, same port", err=True)
            if ui:
                click.echo("and they see the page, which asks for no key", err=True)
        wanted = "any" if api_key is None else "KEY"
        click.echo(f"try: realtime-sync chat --url {server.url} --api-key {wanted}", err=True)
        if opens and not webbrowser.open(server.ui_url):
            click.echo("no browser could be opened here: the page's URL is above", err=True)
        _wait()
    except KeyboardInterrupt:
        # impatience would leave the rest of the links without a goodbye; close() is bounded
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        server.close()


def _brain(
    url: str | None, model: str | None, transcription_model: str | None, key_env: str | None
) -> ChatModel | None:
    """The language model that is to answer; None: there is none."""
    from ..local import ChatModel

    if url is None:
        options = {
            "--model": model,
            "--transcription-model": transcription_model,
            "--brain-key-env": key_env,
        }
        for option, given in options.items():
            if given is not None:
                raise click.UsageError(f"{option} is for --brain: give its URL too")
        return None
    if model is None:
        raise click.UsageError("--brain needs --model: the name that the endpoint has for it")
    key = None
    if key_env is not None:
        key = os.environ.get(key_env, "").strip()
        if not key:
            raise click.UsageError(f"--brain-key-env: the environment has no {key_env}")
    return ChatModel(url, model, api_key=key, transcription_model=transcription_model)


def _start(server: LocalServer, port: int) -> None:
    """Start it.

    Raises:
        click.ClickException: It cannot listen there; says what to give instead.
    """
    try:
        server.start()
    except OSError as exc:
        cure = "a --host of this machine, such as 127.0.0.1"
        if port and exc.errno in (errno.EADDRINUSE, errno.EACCES):
            cure = "another --port, or 0, which takes a free one"
        raise Failure(f"{line(exc)}; give {cure}") from exc


def _wait() -> None:
    """Until a signal raises."""
    from ..runtime.clock import Deadline, Signal

    Signal().wait(Deadline(None))
