"""The command `realtime-sync`: its subcommands, and what they have in common."""

from __future__ import annotations

import click

from .. import __version__
from .ask import ask
from .batch import batch
from .chat import chat
from .completion import completion
from .demo import demo
from .devices import devices
from .doctor import doctor
from .record import record
from .replay import replay
from .router import router
from .say import say
from .serve import serve
from .talk import talk
from .transcribe import transcribe
from .translate import translate

__all__ = ["group"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def group() -> None:
    """Talk to the OpenAI Realtime API, or to any server that speaks its protocol.

    \b
    First steps; none of them needs a key:
      realtime-sync demo                text, a tool call, an interruption, audio
      realtime-sync chat                talk at the prompt
      realtime-sync ask "Hello!"        one question, one answer
      realtime-sync talk                by voice, with microphone and loudspeaker
      realtime-sync doctor              what works here, and what to do

    With OPENAI_API_KEY set, they and say, transcribe and translate go to OpenAI, or to what
    OPENAI_BASE_URL names; demo never does. What a session is made of, tools included, can stand in
    a file: --config FILE. Each command has more to say: realtime-sync COMMAND --help.
    """


for command in (
    demo,
    chat,
    ask,
    talk,
    say,
    transcribe,
    translate,
    record,
    devices,
    doctor,
    serve,
    replay,
    batch,
    router,
    completion,
):
    group.add_command(command)
