"""`realtime-sync transcribe`: sound files, written down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RealtimeError
from .failures import line, reported
from .jsonlines import JsonLines, json_option
from .screen import printable
from .target import Target, server_options

if TYPE_CHECKING:
    from ..core.dictation import ItemTranscript, Transcript
    from ..transcription import TranscriptionSession
    from .screen import Line, Live, Screen

__all__ = ["transcribe"]


@click.command(short_help="Write down what is said in sound files.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@click.option("--language", metavar="CODE", help="Of what is said, e.g. en; else it is found out.")
@click.option("--prompt", metavar="TEXT", help="What it is about: names and words to expect.")
@json_option("A line of JSON for each file.")
@server_options
@reported
def transcribe(
    target: Target,
    paths: Sequence[str],
    language: str | None,
    prompt: str | None,
    as_json: JsonLines | None,
) -> None:
    """Write down what is said in sound files.

    A PATH is a file, or a folder: then all sound files in it, and in the folders below. WAV files
    of any rate are read as they are; FLAC, OGG, MP3 and others need pip install soundfile.
    The text of one file is standard output; of several, each file's name comes before it.

    \b
    Examples:
      realtime-sync transcribe interview.wav
      realtime-sync transcribe interviews/ --language en
      realtime-sync transcribe interviews/ --json | jq -r .text

    With --json: file, text, language, confidence, segments (text, speaker, start, end) and errors;
    of a file that failed, file and error.

    Exit code: 0 where everything was written down; 1 where something was not, with the reason on
    stderr and the rest done all the same; 2 for wrong usage.
    """
    from ..transcription import TranscriptionSession
    from .screen import Screen

    files = files_of(paths)
    fields: dict[str, Any] = {"language": language, "prompt": prompt}
    fields = {name: value for name, value in fields.items() if value is not None}
    with target.connected(
        lambda **link: TranscriptionSession(target.model, **link, **fields)
    ) as session:
        failed = _Run(session, files, Screen(), as_json).failures()
    if failed:
        raise click.exceptions.Exit(1)


def files_of(paths: Sequence[str]) -> list[Path]:
    """The sound files that are meant, in order, each once.

    Raises:
        click.UsageError: A folder has none.
    """
    from ..audio.files import SUFFIXES

    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            found[path] = None
            continue
        sounds = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
        if not sounds:
            raise click.UsageError(f"{path}: there is no sound file in this folder")
        found.update(dict.fromkeys(sounds))
    return list(found)


class _Run:
    """One file after the other, and what is shown of it."""

    def __init__(
        self,
        session: TranscriptionSession,
        files: list[Path],
        screen: Screen,
        as_json: JsonLines | None,
    ) -> None:
        self._session = session
        self._files = files
        self._screen = screen
        self._json = as_json
        self._done = 0
        self._pieces: dict[str, str] = {}  # of the file at work, by item

    def failures(self) -> int:
        """Write all of them down; how many failed, in part or as a whole."""
        failed = 0
        progress = self._progress if len(self._files) > 1 else None
        with self._screen.live(self._lines, progress) as live:
            for path in self._files:
                try:
                    transcript = self._session.transcribe(path, on_partial=self._grew)
                except (RealtimeError, OSError, ValueError) as exc:
                    if self._session.state == "closed":  # it is not this file's fault
                        raise
                    failed += 1
                    self._failed(path, line(exc), live)
                else:
                    failed += bool(transcript.errors)
                    self._show(path, transcript, live)
                self._done += 1
                self._pieces = {}
        return failed

    def _grew(self, item: ItemTranscript) -> None:
        self._pieces = {**self._pieces, item.item_id: item.text}

    def _lines(self) -> list[Line]:
        text = " ".join(" ".join(self._pieces.values()).split())
        return [("… ", text[-200:], "dim")] if text else []

    def _progress(self) -> tuple[float, str]:
        count = len(self._files)
        name = self._files[self._done].name if self._done < count else ""
        return self._done / count, f"{self._done} of {count}  {name}"

    def _show(self, path: Path, transcript: Transcript, live: Live) -> None:
        if self._json is not None:
            self._json.write(_told(path, transcript), live)
        elif len(self._files) > 1 and self._screen.is_terminal:
            live.write(printable(str(path)), "", "bold")
            live.write("  ", transcript.text)
        elif len(self._files) > 1:
            live.write(str(path), transcript.text)
        else:
            self._screen.write(transcript.text)
        for error in transcript.errors:
            live.note(f"Error: {path}: a piece is missing: {line(error)}")

    def _failed(self, path: Path, why: str, live: Live) -> None:
        if self._json is not None:
            self._json.write({"file": str(path), "error": why}, live)
        named = why if str(path) in why else f"{path}: {why}"
        live.note(f"Error: {named}")


def _told(path: Path, transcript: Transcript) -> dict[str, Any]:
    return {
        "file": str(path),
        "text": transcript.text,
        "language": transcript.language,
        "confidence": transcript.confidence,
        "segments": [
            {"text": one.text, "speaker": one.speaker, "start": one.start, "end": one.end}
            for one in transcript.segments
        ],
        "errors": [line(error) for error in transcript.errors],
    }
