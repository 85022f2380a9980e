"""`realtime-sync record`: a microphone, into a file."""

from __future__ import annotations

from math import isfinite

import click

from .failures import reported
from .target import Target, config_option, device_of
from .wavpath import WavPath

__all__ = ["record"]


@click.command(short_help="Record a microphone into a file.")
@click.argument("file", type=WavPath(), metavar="FILE.WAV")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="How long; else until Ctrl-C.",
)
@click.option("--microphone", metavar="DEVICE", help="Its number or part of its name; see devices.")
@config_option
@reported
def record(target: Target, file: str, seconds: float | None, microphone: str | None) -> None:
    """Record a microphone, as a WAV file of 24 kHz mono, which ask, talk and transcribe take.

    What was there is replaced. Ctrl-C ends it; what was recorded until then is in the file.

    \b
    Examples:
      realtime-sync record question.wav
      realtime-sync record question.wav --seconds 5 && realtime-sync ask --audio question.wav

    Exit code: 0 where it was recorded; 1 where it was not, with the reason on stderr.
    """
    from ..audio import Microphone, WavSink
    from .screen import Screen, loudness

    if seconds is not None and not isfinite(seconds):
        raise click.UsageError(f"--seconds: how many, not {seconds}")
    device = target.talk.get("microphone") if microphone is None else device_of(microphone)
    wanted = None if seconds is None else round(seconds * 48_000) // 2 * 2  # bytes
    screen, written = Screen(), 0

    def done() -> tuple[float, str]:
        return written / (wanted or 1), f"{written / 48_000:.1f} of {seconds:g} s"

    with (
        Microphone(device) as source,
        WavSink(file) as sink,
        screen.live(
            lambda: [(f"{written / 48_000:6.1f} s ", loudness(source.level), "bold red")],
            None if wanted is None else done,
        ),
    ):
        try:
            while (wanted is None or written < wanted) and (frame := source.read()):
                part = frame if wanted is None else frame[: wanted - written]
                sink.write(part)
                written += len(part)
        except KeyboardInterrupt:
            pass
    lost = f", {source.lost_ms:.0f} ms lost" if source.lost_ms else ""
    screen.write(f"{file}: {written / 48_000:.1f} s{lost}")
