"""`realtime-sync translate`: a sound file, in another language."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .failures import line, reported
from .jsonlines import JsonLines, json_option
from .screen import folded
from .target import Target, server_options
from .wavpath import WavPath, not_twice

if TYPE_CHECKING:
    from ..translation import Translation

__all__ = ["translate"]


@click.command(short_help="Translate what is said in a sound file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--to", "language", metavar="CODE", help="The language, e.g. es; else the server's.")
@click.option(
    "--save",
    type=WavPath(),
    metavar="SPOKEN.WAV",
    help="Write the translation there, spoken.",
)
@click.option("--transcription", metavar="MODEL", help="Write down what was said, too, with it.")
@json_option("A line of JSON instead of the text.")
@server_options
@reported
def translate(
    target: Target,
    file: str,
    language: str | None,
    save: str | None,
    transcription: str | None,
    as_json: JsonLines | None,
) -> None:
    """Translate what is said in a sound file, as text and spoken.

    The text is standard output, as it comes. WAV files of any rate are read as they are; FLAC, OGG,
    MP3 and others need pip install soundfile.

    \b
    Examples:
      realtime-sync translate talk.wav --to es
      realtime-sync translate talk.wav --to es --save charla.wav
      realtime-sync translate talk.wav --to es --transcription gpt-4o-mini-transcribe --json

    With --json: file, text, input_text (with --transcription), audio (what --save wrote, else null)
    and errors.

    Exit code: 0 where all of it was translated; 1 where something was not, with the reason on
    stderr; 2 for wrong usage.
    """
    from ..translation import TranslationSession

    not_twice(input=file, save=save)
    fields: dict[str, Any] = {} if transcription is None else {"transcription": transcription}
    with target.connected(
        lambda **link: TranslationSession(language, model=target.model, **link, **fields)
    ) as session:
        made = session.translate(file) if as_json is not None else _shown(session, file)
    if save is not None:
        _save(save, made)
    if as_json is not None:
        as_json.write(_told(file, save, made))
    elif transcription is not None:
        click.echo(f"said: {made.input_text.strip()}", err=True)
    for error in made.errors:
        click.echo(folded(f"Error: {line(error)}", sys.stderr), err=True)
    if made.errors:
        raise click.exceptions.Exit(1)


def _shown(session: Any, file: str) -> Translation:
    """The translation, whose text is shown as it comes."""
    from .screen import Flow, Screen

    flow = Flow(Screen())
    session.on("session.output_transcript.delta", lambda event: flow.add(event.delta))
    made: Translation = session.translate(file)
    flow.end()
    return made


def _save(path: str, made: Translation) -> None:
    from ..audio import write_wav

    if not made.audio:
        raise ValueError("the translation has no audio: nothing is saved")
    write_wav(path, made.audio)


def _told(file: str, save: str | None, made: Translation) -> dict[str, Any]:
    return {
        "file": file,
        "text": made.text,
        "input_text": made.input_text,
        "audio": save,
        "errors": [line(error) for error in made.errors],
    }
