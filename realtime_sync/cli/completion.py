"""`realtime-sync completion`: what makes a shell complete our commands and options."""

from __future__ import annotations

import click

__all__ = ["completion"]


@click.command(short_help="A script that has a shell complete.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that has a shell complete commands, options and file names.

    \b
    Examples:
      echo 'eval "$(realtime-sync completion bash)"' >> ~/.bashrc
      echo 'eval "$(realtime-sync completion zsh)"' >> ~/.zshrc
      realtime-sync completion fish > ~/.config/fish/completions/realtime-sync.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, shell
    group = click.get_current_context().find_root().command
    click.echo(kind(group, {}, "realtime-sync", "_REALTIME_SYNC_COMPLETE").source())
