"""`realtime-sync router`: a file of stages, checked and shown."""

from __future__ import annotations

import logging

import click

from .failures import Failure, lines, reported
from .screen import printable

__all__ = ["router"]


@click.command(short_help="Check and show stages of a conversation.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--mermaid", is_flag=True, help="Print it as a Mermaid flowchart.")
@reported
def router(file: str, mermaid: bool) -> None:
    """Check a conversation's stages, in a TOML or JSON file, and show them.

    Each stage with its goal, its tools, and where its outcomes lead. Whether the tools are there
    is known once a session has them.

    \b
    Examples:
      realtime-sync router bakery.toml
      realtime-sync router bakery.toml --mermaid > bakery.mmd

    Exit code: 0 where it is right; 1 where it is not: every fault is named, with its key.
    """
    from ..errors import ConfigurationError
    from ..routing.plan import END, load
    from ..routing.stages import StageRouter
    from .screen import Screen

    logging.getLogger("realtime_sync").addHandler(_Warnings())
    try:
        stages = StageRouter(file)
    except ConfigurationError as exc:  # a line a fault
        raise Failure(lines(exc)) from exc
    if mermaid:
        click.echo(stages.to_mermaid(), nl=False)
        return
    plan, _ = load(file)
    screen = Screen()
    for stage in plan.stages.values():
        screen.write(printable(stage.name), "bold", end="  ")
        screen.write("begins" if stage.name == plan.start else "", "green")
        screen.write(f"  {printable(stage.goal)}")
        if stage.tools:
            screen.write(f"  tools: {printable(', '.join(map(str, stage.tools)))}", "dim")
        for name, outcome in stage.outcomes.items():
            goes = "the end" if outcome.move_to == END else printable(outcome.move_to)
            screen.write(f"  {printable(name)} → {goes}", "cyan", end="  ")
            screen.write(printable(outcome.description), "dim")
        if stage.transitions:
            screen.write(f"  by name → {printable(', '.join(stage.transitions))}", "cyan")


class _Warnings(logging.Handler):
    """What is odd about the stages, on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"Warning: {printable(record.getMessage())}", err=True)
