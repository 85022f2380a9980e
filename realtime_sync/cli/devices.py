"""`realtime-sync devices`: which microphones and loudspeakers there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .failures import reported
from .jsonlines import JsonLines, json_option
from .screen import printable

if TYPE_CHECKING:
    from ..audio.hardware import Direction

__all__ = ["devices"]


@click.command()
@click.option("--backend", metavar="NAME", help="pyaudio or sounddevice; else whichever is there.")
@json_option("Each device as a line of JSON.")
@reported
def devices(backend: str | None, as_json: JsonLines | None) -> None:
    """List microphones and loudspeakers.

    An arrow marks the system's defaults. Where a device is asked for, its number or a part of its
    name will do; REALTIME_SYNC_INPUT_DEVICE and REALTIME_SYNC_OUTPUT_DEVICE set other defaults.

    \b
    Examples:
      realtime-sync devices
      realtime-sync devices --json | jq -r .name

    With --json: index, name, host_api, input_channels, output_channels, sample_rate,
    default_input and default_output.

    Exit code: 0 where they can be looked for, 1 where not, with the reason on stderr.
    """
    from ..audio import devices as found
    from .screen import Screen

    screen = Screen()
    there = found(backend)
    if as_json is not None:
        for device in there:
            as_json.write(asdict(device))
        return
    kinds: tuple[tuple[str, Direction], ...] = (
        ("Microphones", "input"),
        ("Loudspeakers", "output"),
    )
    for title, direction in kinds:
        screen.write(title, "bold")
        fitting = [device for device in there if device.channels(direction)]
        for device in fitting:
            mark = "→" if getattr(device, f"default_{direction}") else " "
            rate = f"{device.sample_rate} Hz, {device.host_api}"
            screen.write(f"  {mark} {device.index:3}  {printable(device.name)}", end="  ")
            screen.write(rate, "dim")
        if not fitting:
            screen.write("    none", "dim")
