"""`realtime-sync chat`: a conversation at the prompt, or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import RealtimeError
from .failures import line, reported
from .jsonlines import JsonLines, json_option
from .screen import folded
from .target import Target, target_options

if TYPE_CHECKING:
    from ..session import RealtimeSession
    from .screen import Screen

__all__ = ["chat"]

_LEAVE = ("/quit", "/exit")
_YOU, _MODEL = "you   ", "model "


@click.command()
@json_option("A line of JSON for each reply, as of ask.")
@target_options
@reported
def chat(target: Target, as_json: JsonLines | None) -> None:
    """Talk to a model, line by line.

    Ctrl-C while it replies gives that reply up; at the prompt Ctrl-C, Ctrl-D or /quit end the chat.

    \b
    Examples:
      realtime-sync chat
      realtime-sync chat --instructions "Answer in rhymes."
      realtime-sync chat --url http://127.0.0.1:8000/v1 --api-key any
      printf 'hello\\ncount to 3\\n' | realtime-sync chat

    Without OPENAI_API_KEY and --url the embedded server answers (and says so on stderr): by rules,
    without a model.

    An error of one turn is shown, and the chat goes on, over another link if one is lost. From a
    pipe, only the replies go to standard output, and the exit code is 1 if a turn failed.
    """
    from .screen import Screen

    # started with it closed, a process has no standard input
    interactive = sys.stdin is not None and sys.stdin.isatty()
    with target.opened(output_modalities=["text"]) as session:
        session.on("connection.lost", _tell_of_loss)
        approved = "approver" in (target.config or ())
        failed = Chat(
            session, Screen(), interactive=interactive, approved=approved, as_json=as_json
        ).run()
    if failed:
        raise click.exceptions.Exit(1)


def _tell_of_loss(event: Any) -> None:
    if event.retrying:
        click.echo(f"({line(event.error)}; making another)", err=True)


class Chat:
    """One conversation with one person.

    Args:
        session: Open, and of text.
        screen: Where replies go.
        interactive: Whether the lines come from a person, who is given a prompt.
        approved: Whether somebody else decides on calls that need approval.
        as_json: Where each reply is a line; None: replies are text.
    """

    def __init__(
        self,
        session: RealtimeSession,
        screen: Screen,
        *,
        interactive: bool,
        approved: bool = False,
        as_json: JsonLines | None = None,
    ) -> None:
        self._session = session
        self._screen = screen
        self._interactive = interactive
        self._approved = approved
        self._json = as_json

    def run(self) -> bool:
        """Until the lines end; whether it is to count as failed."""
        if self._interactive:
            click.echo("Ctrl-C stops a reply; Ctrl-D or /quit ends the chat.", err=True)
        worked = True
        for said in self._lines():
            if said in _LEAVE:
                break
            if said:
                worked = self._turn(said) and worked
            if self._session.state in ("closing", "closed"):
                return True
        return not worked and not self._interactive

    def _lines(self) -> Iterator[str]:
        if not self._interactive:
            yield from (text.strip() for text in sys.stdin or ())
            return
        prompt = self._prompt()
        while True:
            try:
                yield input(prompt).strip()
            except (EOFError, KeyboardInterrupt):
                click.echo(err=True)  # the shell's prompt belongs on a line of its own
                return

    def _prompt(self) -> str:
        """What `input` shows. Brings line editing and history in, where there are such."""
        if not sys.stdout.isatty():
            return ""  # it would stand between the replies, where nobody waits for it
        try:
            import readline  # noqa: F401  # input() uses it once it is there
        except ImportError:
            return _YOU
        # \001 and \002 tell readline what takes no room on the line
        return f"\001\033[1;36m\002{_YOU}\001\033[0m\002" if self._screen.has_colours else _YOU

    def _turn(self, said: str) -> bool:
        """Whether the reply is whole, or was given up on purpose."""
        try:
            self._reply(said)
        except KeyboardInterrupt:
            if not self._interactive:
                raise
        except BrokenPipeError:
            raise
        except (RealtimeError, OSError, ValueError) as exc:
            click.secho(folded(f"Error: {line(exc)}", sys.stderr), fg="red", err=True)
            return False
        return True

    def _reply(self, said: str) -> None:
        from .turn import dumped, shown

        if self._json is not None:
            response, told = dumped(self._session, said)
            self._json.write(told)
            if response is not None:
                response.raise_for_status()
            return
        seen = self._interactive and self._screen.is_terminal
        response = shown(
            self._session,
            said,
            self._screen,
            label=_MODEL if seen else "",
            decide=self._decide if seen and not self._approved else None,
        )
        if response is not None:
            response.raise_for_status()

    def _decide(self, call: str) -> bool:
        """Whether a call that needs approval may be made, as the person says."""
        try:
            answer = input(f"may I  {call}? [y/N] ")
        except (EOFError, KeyboardInterrupt) as exc:
            click.echo()  # what comes next belongs on a line of its own
            if isinstance(exc, EOFError):
                return False
            raise
        return answer.strip().lower() in ("y", "yes")
