"""`realtime-sync devices`: which microphones and loudspeakers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .failures import reported
from .screen import printable

if TYPE_CHECKING:
    from ..audio.hardware import Direction

__all__ = ["devices"]


@click.command()
@click.option("--backend", metavar="NAME", help="pyaudio or sounddevice; else whichever is there.")
@reported
def devices(backend: str | None) -> None:
    """List microphones and loudspeakers.

    An arrow marks the system's defaults. Where a device is asked for, its number or a part of its
    name will do; REALTIME_SYNC_INPUT_DEVICE and REALTIME_SYNC_OUTPUT_DEVICE set other defaults.

    \b
    Example:
      realtime-sync devices
    """
    from ..audio import devices as found
    from .screen import Screen

    screen = Screen()
    there = found(backend)
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
