"""The command line. Everything it does goes through the library's public door.

group       the command `realtime-sync` and its options
demo        a scripted conversation with the embedded server, judged step by step
stage       what the demo sees of a session's events, and shows
chat        a conversation at the prompt, or from a pipe
ask         one question, one answer
talk        a conversation by voice; `keys` are those of whoever sits there
say         a text, aloud
transcribe  sound files, written down
translate   a sound file, in another language
record      a microphone, into a file
devices     microphones and loudspeakers
doctor      what works here, and what to do where it does not
batch       many recordings or conversations, and a report
serve       the embedded server alone
replay      a recording, in its own time
router      stages of a conversation: checked and shown
completion  for shells
target      whom `chat` and `ask` talk to, and with which key
turn        one turn, written as it comes; `calls` are the lines of its tools
failures    errors as one line and an exit code
jsonlines   standard output for other programs
screen      how text reaches people: the home of rich

Modules import only click at their top, so that `--version` and `--help` are quick.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """What the command `realtime-sync` runs. Ends the process with its exit code."""
    if any(find_spec(name) is None for name in ("click", "rich")):
        print('realtime-sync needs: pip install "realtime_sync[cli]"', file=sys.stderr)
        sys.exit(1)
    try:
        from .group import group
    except KeyboardInterrupt:  # before click is there to say so
        print("\nAborted!", file=sys.stderr)
        sys.exit(1)

    # what the terminal cannot show becomes "?"; it does not end a conversation
    for stream, errors in (
        (sys.stdin, "replace"),
        (sys.stdout, "replace"),
        (sys.stderr, "backslashreplace"),
    ):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=errors)
    try:
        group.main(prog_name="realtime-sync")
    except OSError as exc:  # --version and --help print outside our commands, to a full disk, say
        from .failures import line

        print(f"Error: {line(exc)}", file=sys.stderr)
        sys.exit(1)
