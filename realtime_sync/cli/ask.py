"""`realtime-sync ask`: one question, one answer."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from .failures import reported
from .jsonlines import JsonLines, json_option
from .target import Target, target_options
from .wavpath import WavPath, not_twice

if TYPE_CHECKING:
    from ..response import Response

__all__ = ["ask"]


@click.command()
@click.argument("text", required=False)
@click.option(
    "--audio",
    type=click.Path(exists=True, dir_okay=False),
    metavar="IN.WAV",
    help="Speech to send: a WAV file of any rate.",
)
@click.option(
    "--save",
    type=WavPath(),
    metavar="REPLY.WAV",
    help="Ask for a spoken reply, and write it there.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for each piece of the reply.",
)
@json_option("A line of JSON instead of the text.")
@target_options
@reported
def ask(
    target: Target,
    text: str | None,
    audio: str | None,
    save: str | None,
    timeout: float,
    as_json: JsonLines | None,
) -> None:
    """Ask once and print the reply.

    \b
    Examples:
      realtime-sync ask "What is a websocket?"
      realtime-sync ask "Say hello." --save hello.wav
      realtime-sync ask --audio question.wav --save reply.wav
      realtime-sync ask "Hello!" --json | jq .usage.total_tokens

    Without OPENAI_API_KEY and --url the embedded server answers (and says so on stderr): by rules,
    without a model; speech comes back as it was.

    With --json: text, status, error, calls (name, arguments, output, error, seconds), response_id,
    first_text and seconds (until it began, and ended), usage. What tools print goes to stderr then.

    Exit code: 0 for a complete reply, 1 for everything else, with the reason on stderr; 2 for wrong
    usage.
    """
    from .screen import Screen
    from .turn import dumped, shown

    if text is None and audio is None:
        raise click.UsageError("give TEXT, --audio, or both")
    if not isfinite(timeout):
        raise click.UsageError(f"--timeout: a number of seconds, not {timeout}")
    not_twice(audio=audio, save=save)
    modality = "text" if save is None else "audio"
    with target.opened({"reconnect": None}, output_modalities=[modality]) as session:
        given: dict[str, Any] = {} if audio is None else {"audio": audio}
        if as_json is not None:
            response, told = dumped(session, text, timeout=timeout, **given)
            as_json.write(told)
        else:
            response = shown(session, text, Screen(), timeout=timeout, **given)
        assert response is not None
        response.raise_for_status()
        if save is not None:
            _write(save, response, session.output_format)


def _write(path: str, response: Response, audio_format: str) -> None:
    from ..audio import RATES, decode, write_wav

    if not response.audio:
        raise ValueError("the reply has no audio: nothing is saved")
    write_wav(path, decode(response.audio, audio_format), RATES[audio_format])
