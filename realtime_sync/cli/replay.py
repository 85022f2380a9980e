"""`realtime-sync replay`: what a recording holds, in its own time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from .failures import reported
from .jsonlines import JsonLines, json_option
from .screen import printable
from .serve import speed_of

if TYPE_CHECKING:
    from ..recording import Entry
    from .screen import Line

__all__ = ["replay"]

Wire = dict[str, Any]

_MARKS = {"sent": ">", "received": "<", "local": "!"}
_STYLES = {"sent": "cyan", "received": "green", "local": "red"}
_BYTES_PER_MS = {"audio/pcmu": 8, "audio/pcma": 8, "g711_ulaw": 8, "g711_alaw": 8}
_MAX = math.inf  # times the recorded pace: no pacing
_MOST = 300  # characters of a text that are shown


@click.command(short_help="Show what a recording of a session holds.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--speed",
    callback=lambda context, option, given: given and (speed_of(context, option, given) or _MAX),
    metavar="N|max",
    help="Times the recorded pace; max: all at once. Else 1, and max with --json.",
)
@json_option("Each event as a line of JSON.")
@click.option("--deltas", is_flag=True, help="Show each delta in a line of its own.")
@reported
def replay(file: str, speed: float | None, as_json: JsonLines | None, deltas: bool) -> None:
    """Show what went over the wire, as session.record(FILE) has written it, in its own time.

    A line an event: seconds since the beginning, > for what the client sent, < for what the server
    said, ! for what happened to the link. Deltas of one item share a line.

    \b
    Examples:
      realtime-sync replay bug.jsonl
      realtime-sync replay bug.jsonl --speed max | less
      realtime-sync replay bug.jsonl --json | jq 'select(.event.type == "error")'

    With --json: line, at (seconds), time (epoch seconds), direction (sent, received or local),
    event, elided (bytes of audio that were left out, by their place).

    Exit code: 0 where it is whole; 1 where it is cut, spoilt, foreign or newer: what came before
    that is shown, and the line named on stderr.
    """
    from ..recording.entries import headed

    header, entries = headed(file)
    paced = _paced(entries, speed or (_MAX if as_json is not None else 1.0))
    if as_json is not None:
        for entry in paced:
            as_json.write(_told(entry))
        return
    _show(file, paced, header, deltas=deltas)


def _paced(entries: Iterator[Entry], speed: float) -> Iterator[Entry]:
    """The same, each when its time has come."""
    from ..runtime.clock import Deadline, Signal, monotonic

    began = monotonic()
    for entry in entries:
        if (left := began + entry.at / speed - monotonic()) > 0:
            Signal().wait(Deadline(left))
        yield entry


def _told(entry: Entry) -> Wire:
    names = ("line", "at", "time", "direction", "event", "elided")
    known = {name: getattr(entry, name) for name in names}
    return {name: value for name, value in known.items() if value not in (None, {})}


def _show(file: str, entries: Iterator[Entry], header: Any, *, deltas: bool) -> None:
    from pathlib import Path

    from .screen import Screen

    screen = Screen()
    told = [f"realtime_sync {printable(header.library)}" if header.library else ""]
    if header.time is not None:
        told.insert(0, datetime.fromtimestamp(header.time).strftime("%Y-%m-%d %H:%M:%S"))
    told.append("with audio" if header.audio else "audio left out")
    screen.write(f"{printable(Path(file).name)}: {', '.join(filter(None, told))}", "dim")
    size = max(1, Path(file).stat().st_size)
    tape = _Tape(deltas)

    def write(lines: list[Line]) -> None:
        for label, text, style in lines:
            if screen.is_terminal:
                live.write(label, text, style)
            else:  # in columns, for other programs
                screen.write(f"{label}{text}".rstrip())

    with screen.live(tape.lines, lambda: (tape.read / size, f"{tape.at:.1f} s")) as live:
        try:
            for entry in entries:
                write(tape.add(entry))
        finally:  # also where the file is broken
            write(tape.rest())
    screen.write(f"{tape.count} events, {tape.at:.3f} s", "dim")


@dataclass
class _Run:
    """Deltas of one item, or audio on its way."""

    first: Entry
    text: str = ""
    size: int = 0
    count: int = 0


class _Tape:
    """Makes lines of events."""

    def __init__(self, deltas: bool) -> None:
        self.count = 0
        self.at = 0.0  # seconds of the recording
        self.read = 0  # bytes of the file
        self._deltas = deltas
        self._runs: dict[tuple[str, ...], _Run] = {}
        self._per_ms = {"sent": 48, "received": 48}  # bytes of audio

    def add(self, entry: Entry) -> list[Line]:
        """The lines that an event completes."""
        self.count, self.at, self.read = self.count + 1, entry.at, entry.end
        event = entry.event
        self._note_formats(event.get("session"))
        size = sum(entry.elided.values()) + _audio_bytes(entry)
        if self._deltas or not entry.type.endswith((".delta", "audio_buffer.append")):
            return [*self.rest(), self._line(entry, told(event), size, 1)]
        key = (entry.direction, entry.type, str(event.get("item_id")))
        run = self._runs.setdefault(key, _Run(entry))
        run.count += 1
        run.size += size
        if not size:
            run.text += str(event.get("delta", ""))
        return []

    def lines(self) -> list[Line]:
        """What is not complete yet."""
        return [self._line(r.first, r.text, r.size, r.count) for r in list(self._runs.values())]

    def rest(self) -> list[Line]:
        """The same; it is complete now."""
        lines = self.lines()
        self._runs.clear()
        return lines

    def _line(self, entry: Entry, text: str, size: int, count: int) -> Line:
        times = f" ×{count}" if count > 1 else ""
        sound = f"{size / self._per_ms.get(entry.direction, 48):.0f} ms of audio" if size else ""
        shown = " ".join(filter(None, (sound, _short(text))))
        label = f"{entry.at:9.3f} {_MARKS[entry.direction]} {printable(entry.type)}{times}  "
        return label, shown, _STYLES[entry.direction]

    def _note_formats(self, session: Any) -> None:
        if not isinstance(session, dict):
            return
        audio = session.get("audio")
        for direction, side in (("sent", "input"), ("received", "output")):
            held = audio.get(side) if isinstance(audio, dict) else None
            told = held.get("format") if isinstance(held, dict) else None
            name = told.get("type") if isinstance(told, dict) else None
            name = name or session.get(f"{side}_audio_format")
            if isinstance(name, str):
                self._per_ms[direction] = _BYTES_PER_MS.get(name, 48)


def _audio_bytes(entry: Entry) -> int:
    from ..recording.veil import audio_parts

    return sum(len(text) * 3 // 4 - text[-2:].count("=") for _, _, text in audio_parts(entry.event))


def _short(text: str) -> str:
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= _MOST else flat[: _MOST - 1] + "…"


def told(event: Wire) -> str:
    """What an event says, for people, without its type."""
    for name, tell in _TELLING.items():
        held = event.get(name)
        if isinstance(held, dict):
            return tell(held)
    text = next(
        (
            event[n]
            for n in ("transcript", "text", "arguments", "delta", "raw", "error")
            if n in event
        ),
        "",
    )
    count = event.get("events")
    return f"{count} events are missing" if isinstance(count, int) else str(text)


def _item(item: Wire) -> str:
    content = item.get("content")
    parts = (
        [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    )
    texts = [str(p.get("text") or p.get("transcript") or "") for p in parts]
    said = [*texts, str(item.get("arguments") or ""), str(item.get("output") or "")]
    who = item.get("role") or item.get("name") or item.get("type")
    return f"{who}: {' '.join(filter(None, said))}" if any(said) else str(who or "")


def _response(response: Wire) -> str:
    usage = response.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    status = str(response.get("status") or "")
    return f"{status}, {tokens} tokens" if tokens else status


def _error(error: Wire) -> str:
    return f"{error.get('code') or error.get('type') or ''}: {error.get('message') or ''}"


def _session(session: Wire) -> str:
    return str(session.get("model") or session.get("instructions") or "")


_TELLING = {"error": _error, "item": _item, "response": _response, "session": _session}
